"""Drift: a consumer's copy of a field that differs from its owner's value, and who changed it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from engine.canonical.kinds import DECIMAL_SCALE, FieldSpec, Kind
from engine.canonical.schema import EntitySpec, file_and_row
from engine.ownership.identity import IDENTITY
from engine.policy.kinds.ownership import OwnershipPolicy, OwnershipRule
from engine.stage import Context, Facts
from engine.workdays import elapsed


@dataclass(frozen=True, slots=True)
class Sides:
    """Hold the records of this snapshot and, when there is one, of the previous."""

    now: pl.DataFrame
    before: pl.DataFrame | None
    facts: Facts
    previous: Facts | None


def compared(rule: OwnershipRule, spec: EntitySpec, sides: Sides, told: Collection[str] = ()) -> pl.DataFrame:
    """Return one row for each consumer's copy of the rule's field: both values and their history.

    Columns: identity, consumer, owner_value, consumer_value, differs, owner_before,
    consumer_before, known_before, modified_at of the owner, evidence, contract_id, currency.
    An amount in another currency is another value; a consumer of `told` is told of currencies by a rule of their own.
    """
    owner = _owner_side(rule, spec, sides.now, sides.facts)
    parts: list[pl.DataFrame] = []
    before = None
    if sides.before is not None and sides.previous is not None:
        before = _owner_side(rule, spec, sides.before, sides.previous).select(
            IDENTITY, pl.col("owner").alias("owner_before"), pl.lit(value=True).alias("owner_known")
        )
    for consumer in rule.consumers:
        if rule.field not in sides.facts.stated.get((spec.name, consumer), frozenset()):
            continue
        copies = sides.now.filter(pl.col("source_system") == consumer).select(
            IDENTITY, pl.col(rule.field).alias("copy"), file_and_row().alias("copy_place"),
            pl.col("modified_at").alias("copy_modified_at"), _currency(spec, rule, told=consumer in told).alias("copy_currency"),
        )  # fmt: skip
        joined = copies.join(owner, on=IDENTITY, how="inner").with_columns(pl.lit(consumer).alias("consumer"))
        parts.append(_with_history(joined, consumer, rule, spec, before, sides))
    if not parts:
        return pl.DataFrame()
    return pl.concat(parts).with_columns(_differs(spec.fields[rule.field], rule).alias("differs"))


def _currency(spec: EntitySpec, rule: OwnershipRule, *, told: bool = False) -> pl.Expr:
    """Return the currency of an amount as its own record states it; null where the record has none to state."""
    field = spec.fields[rule.field]
    own = None if told else next((path for path in field.currency_paths if path in spec.fields), None)
    return pl.lit(None, dtype=pl.String) if own is None else pl.col(own)


def _owner_side(rule: OwnershipRule, spec: EntitySpec, records: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """Return for each identity the owner's value: the first of the owners that states and has one."""
    owners = [name for name in rule.owner if rule.field in facts.stated.get((spec.name, name), frozenset())]
    rank = {name: index for index, name in enumerate(owners)}
    claims = records.filter(pl.col("source_system").is_in(owners)).with_columns(
        pl.col("source_system").replace_strict(rank, return_dtype=pl.Int32).alias("_rank")
    )
    value = pl.col(rule.field)
    optional = [name for name in ("contract_id", "currency") if name in spec.fields]
    return (
        claims.sort(value.is_null(), "_rank", "_record")
        .group_by(IDENTITY, maintain_order=True)
        .agg(
            value.first().alias("owner"),
            pl.col("source_system").first().alias("owner_system"),
            file_and_row().alias("owner_place").first(),
            pl.col("modified_at").first().alias("owner_modified_at"), _currency(spec, rule).first().alias("owner_in"),
            *(pl.col(name).first().alias(f"_{name}") for name in optional),
        )
    )


def _with_history(
    joined: pl.DataFrame, consumer: str, rule: OwnershipRule, spec: EntitySpec,
    before: pl.DataFrame | None, sides: Sides,
) -> pl.DataFrame:  # fmt: skip
    """Add what both sides said in the previous snapshot; unknown without one."""
    stated = sides.previous is not None and rule.field in sides.previous.stated.get((spec.name, consumer), frozenset())
    if before is None or sides.before is None or not stated:
        return joined.with_columns(
            pl.lit(None, dtype=joined.schema["owner"]).alias("owner_before"),
            pl.lit(None, dtype=joined.schema["copy"]).alias("copy_before"),
            pl.lit(value=False).alias("known_before"),
        )
    copies = sides.before.filter(pl.col("source_system") == consumer).select(
        IDENTITY, pl.col(rule.field).alias("copy_before"), pl.lit(value=True).alias("copy_known")
    )
    return (
        joined.join(before, on=IDENTITY, how="left", maintain_order="left")
        .join(copies.unique(IDENTITY, keep="first", maintain_order=True), on=IDENTITY, how="left", maintain_order="left")
        .with_columns((pl.col("owner_known") & pl.col("copy_known")).fill_null(value=False).alias("known_before"))
        .drop("owner_known", "copy_known")
        .select(*joined.columns, "owner_before", "copy_before", "known_before")
    )


def _differs(spec: FieldSpec, rule: OwnershipRule) -> pl.Expr:
    """Return whether the copy differs from the owner's value; nothing differs from a blank owner."""
    owner, copy = pl.col("owner"), pl.col("copy")
    if spec.kind in DECIMAL_SCALE:
        tolerance = pl.lit(rule.tolerance).cast(pl.Decimal(38, max(DECIMAL_SCALE[spec.kind], 6)))
        apart = ((owner - copy).abs() > tolerance) | (other_currency() & (owner != 0)).fill_null(value=False)
        return owner.is_not_null() & apart.fill_null(value=True)
    return owner.is_not_null() & owner.ne_missing(copy)


def other_currency() -> pl.Expr:
    """Return whether both sides state the currency of their amount, and not the same."""
    return (pl.col("owner_in") != pl.col("copy_currency")).fill_null(value=False)


def drift_findings(
    rule: OwnershipRule, policy: OwnershipPolicy, spec: EntitySpec, sides: Sides, context: Context
) -> list[pl.DataFrame]:
    """Return the findings of one rule: values that differ, and copies changed without their owner."""
    own = {path for path in spec.fields[rule.field].currency_paths if path in spec.fields}
    told = {consumer for each in policy.rules if each.field in own for consumer in each.consumers}
    rows = compared(rule, spec, sides, told)
    if rows.height == 0:
        return []
    field = spec.fields[rule.field]
    changed_on = _since(sides)
    drifted = rows.filter(pl.col("differs")).with_columns(changed_on.alias("since"))
    if rule.within is not None:
        age = elapsed(pl.col("since"), pl.lit(context.as_of), rule.within.unit, context.holidays)
        drifted = drifted.filter((age > rule.within.count).fill_null(value=True))
    found: list[pl.DataFrame] = []
    if rule.on_drift == "finding" and drifted.height:
        found.append(_as_findings(drifted, "value_drift", rule, spec, field))
    if policy.unauthorized_change == "finding":
        unauthorized = rows.filter(
            pl.col("known_before")
            & pl.col("copy").ne_missing(pl.col("copy_before"))
            & pl.col("owner").eq_missing(pl.col("owner_before"))
            & pl.col("differs")
        ).with_columns(pl.lit(context.as_of).alias("since"))
        if unauthorized.height:
            found.append(_as_findings(unauthorized, "unauthorized_change", rule, spec, field))
    return found


def _since(sides: Sides) -> pl.Expr:
    """Return since when the values differ, as far as the systems or the previous snapshot tell."""
    modified = pl.max_horizontal("owner_modified_at", "copy_modified_at").dt.date()
    if sides.previous is None:
        return modified
    was_equal = pl.col("known_before") & pl.col("owner_before").eq_missing(pl.col("copy_before"))
    return pl.coalesce(modified, pl.when(was_equal).then(pl.lit(sides.previous.as_of)))


def _as_findings(rows: pl.DataFrame, kind: str, rule: OwnershipRule, spec: EntitySpec, field: FieldSpec) -> pl.DataFrame:
    is_money = field.kind in (Kind.MONEY,)
    money = pl.Decimal(38, 6)
    apart = pl.when(other_currency()).then(pl.col("owner").abs()).otherwise((pl.col("owner") - pl.col("copy")).abs())
    at_risk = apart.cast(money) if is_money else pl.lit(None, dtype=money)
    owner_text, copy_text = (
        pl.concat_str(shown(pl.col(side), field), pl.when(other_currency()).then(pl.concat_str(pl.lit(" "), unit)).fill_null(""))
        for side, unit in (("owner", "owner_in"), ("copy", "copy_currency"))
    )
    verb = "says" if kind == "value_drift" else "changed it to"
    before = pl.lit("") if kind == "value_drift" else pl.concat_str(
        pl.lit(" from "), shown(pl.col("copy_before"), field).fill_null("blank")
    )  # fmt: skip
    message = pl.concat_str(
        pl.lit(f"{spec.name.replace('_', ' ').capitalize()} "), pl.col(IDENTITY),
        pl.lit(f": {rule.field.replace('_', ' ')} is "), owner_text, pl.lit(" in "), pl.col("owner_system"),
        pl.lit(", which owns it, but "), pl.col("consumer"), pl.lit(f" {verb} "), copy_text.fill_null("nothing"),
        before, pl.lit("."),
    )  # fmt: skip
    remedy = rule.remedy or f"Correct {rule.field.replace('_', ' ')} in the system that copies it, or have the owner change it first."
    none = pl.lit(None, dtype=pl.String)
    contract = pl.col(IDENTITY) if spec.name == "contract" else pl.col("_contract_id") if "_contract_id" in rows.columns else none
    return rows.select(
        pl.lit("ownership").alias("stage"), pl.lit(kind).alias("kind"), pl.lit(rule.id).alias("rule"),
        pl.lit(rule.severity).alias("severity"), pl.lit(spec.name).alias("entity"),
        pl.col(IDENTITY).alias("entity_id"), contract.alias("contract_id"),
        pl.concat_list("owner_system", "consumer").alias("systems"), pl.lit(rule.field).alias("field"),
        at_risk.alias("amount_at_risk"),
        (pl.col("_currency") if is_money and "_currency" in rows.columns else none).alias("currency"),
        owner_text.alias("owner_value"), copy_text.alias("consumer_value"), pl.col("since"),
        message.alias("message"), pl.lit(remedy).alias("remedy"), pl.lit(rule.steward).alias("owner"),
        pl.concat_list("owner_place", "copy_place").list.drop_nulls().alias("evidence"),
    )  # fmt: skip


def shown(value: pl.Expr, spec: FieldSpec) -> pl.Expr:
    """Return a value as text for people: decimals without trailing zeros beyond two places."""
    if spec.kind in DECIMAL_SCALE:
        return value.cast(pl.String).str.replace(r"(\.\d\d\d*?)0+$", "${1}")
    return value.cast(pl.String)
