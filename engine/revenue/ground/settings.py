"""Which accounting choices hold for each contract: the version of the policy on its date, then its overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from engine.condition import attach_references
from engine.policy.kinds.revenue import ACCOUNT_ROLES, RevenuePolicy, treatment_scope
from engine.policy.kinds.revenue_settings import RevenueSettings, setting_types
from engine.policy.kinds.table import versioned_table
from engine.policy.loaded import LoadedPolicy, PolicySet
from engine.revenue.ground.records import Records, original_id

Versions = Sequence[tuple[LoadedPolicy, RevenuePolicy]]

_ALIASES: Final = {"cost_asset": "contract_cost_asset"}

# A chart without an account for what was paid to customers keeps it with contract assets.
_KEPT_WITH: Final = {"customer_payment_asset": "contract_asset"}


def revenue_versions(policies: PolicySet) -> Versions:
    """Return the versions of the revenue policy in the folder, the earliest first; none when there is no such policy."""
    by_id = policies.versions(RevenuePolicy)
    return by_id[sorted(by_id)[0]] if by_id else ()


def version_of(versions: Versions, day: pl.Expr) -> pl.Expr:
    """Return the number of the version in force on a day; a day before the first has the first."""
    number = pl.lit(0, dtype=pl.Int32)
    for index, (_, policy) in enumerate(versions):
        number = pl.when(day >= pl.lit(policy.effective_from)).then(pl.lit(index, dtype=pl.Int32)).otherwise(number)
    return number


def settings_frame(versions: Versions) -> pl.DataFrame:
    """Return one row per version: `version` and every setting as `setting.<path>`."""
    rows = [policy.settings for _, policy in versions] or [RevenueSettings()]
    return _frame([{"version": index, **each.flat()} for index, each in enumerate(rows)], {"version": pl.Int32()})


def _frame(rows: list[dict[str, Any]], keys: Mapping[str, pl.DataType]) -> pl.DataFrame:
    types = setting_types()
    frame = pl.DataFrame(rows, schema={**keys, **types}, orient="row")
    return frame.rename({path: f"setting.{path}" for path in types})


def with_settings(frame: pl.DataFrame, versions: Versions, key: str) -> pl.DataFrame:
    """Add every setting of each row's `version`, overridden where `assign` names the row's key."""
    made = frame.join(settings_frame(versions), on="version", how="left", maintain_order="left")
    rows = [
        {"version": index, key: name, **policy.settings_of(name).flat()}
        for index, (_, policy) in enumerate(versions)
        for name, each in policy.assign.items()
        if each.settings
    ]
    if not rows:
        return made
    over = _frame(rows, {"version": pl.Int32(), key: pl.String()})
    names = [name for name in over.columns if name.startswith("setting.")]
    joined = made.with_columns(original_id(key).alias("→key")).join(
        over.with_columns(pl.lit(value=True).alias("is_overridden")).rename({key: "→key"}),
        on=["version", "→key"],
        how="left",
        maintain_order="left",
        suffix=".own",
    )
    chosen = [pl.when(pl.col("is_overridden")).then(pl.col(f"{name}.own")).otherwise(pl.col(name)).alias(name) for name in names]
    return joined.with_columns(chosen).drop("is_overridden", "→key", *(f"{name}.own" for name in names))


_OWN: Final = ("timing", "measure", "convention", "principal", "loss_scope", "nature")


def assignments(versions: Versions) -> pl.DataFrame:
    """Return what `assign` gives to single lines: version, contract_line_id and the overriding columns `own.<name>`."""
    rows: list[dict[str, Any]] = []
    for index, (_, policy) in enumerate(versions):
        for name, each in policy.assign.items():
            licence = each.licence or (policy.settings_of(name).licence if each.settings else None)
            nature = each.nature or (licence.nature if licence else None)
            rows.append({"version": index, "contract_line_id": name, **{own: getattr(each, own) for own in _OWN}, "nature": nature})
    boolean = ("principal", "loss_scope")
    schema = {
        "version": pl.Int32(),
        "contract_line_id": pl.String(),
        **{name: pl.Boolean() if name in boolean else pl.String() for name in _OWN},
    }
    return pl.DataFrame(rows, schema=schema, orient="row").rename({name: f"own.{name}" for name in _OWN})


def with_treatment(lines: pl.DataFrame, versions: Versions, records: Records) -> pl.DataFrame:
    """Add timing, measure, convention, rule and `status` of the table to lines (contract_line columns and `decided_on`)."""
    if not versions:
        nothing = pl.lit(None, dtype=pl.String)
        return lines.with_columns(nothing.alias(name) for name in ("timing", "measure", "convention", "rule", "status"))
    decided = ask_treatment(lines, versions, records)
    names = ("timing", "measure", "convention", "rule", "status")
    kept = [
        pl.col(f"table.{name}").alias(name) if f"table.{name}" in decided.columns else pl.lit(None, dtype=pl.String).alias(name)
        for name in names
    ]
    return decided.select(*(pl.col(name) for name in lines.columns if name not in names), *kept)


def ask_treatment(lines: pl.DataFrame, versions: Versions, records: Records) -> pl.DataFrame:
    """Return lines with what the treatment table says of each, as `table.` columns."""
    table = versioned_table(versions, "decided_on", treatment_scope)
    paths = [path for path in table.paths if "." in path]
    golden = {name: records.frame(name).lazy() for name in ("contract", "project", "customer", "legal_entity")}
    frame = attach_references(lines.lazy(), "contract_line", paths, golden)
    return table.apply(frame, prefix="table.").collect()


def _account(accounts: Mapping[str, str], role: str) -> str | None:
    names = [role, *(alias for alias, target in _ALIASES.items() if target == role), *([_KEPT_WITH[role]] if role in _KEPT_WITH else [])]
    return next((accounts[name] for name in names if name in accounts), None)


def accounts_frame(contracts: pl.DataFrame, versions: Versions) -> pl.DataFrame:
    """Return by contract and account role the ledger account: contract_id, account_role, account."""
    rows = [
        (index, role, _account(policy.accounts, role))
        for index, (_, policy) in enumerate(versions)
        for role in ACCOUNT_ROLES
    ]
    table = pl.DataFrame(rows, schema={"version": pl.Int32(), "account_role": pl.String(), "account": pl.String()}, orient="row")
    return contracts.select("contract_id", "version").join(table, on="version", how="inner").drop("version")
