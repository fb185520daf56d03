"""Presence: a record that a consumer must have too, and has not."""

from __future__ import annotations

import polars as pl

from engine.canonical.schema import EntitySpec, file_and_row
from engine.ownership.identity import IDENTITY
from engine.policy.kinds.ownership import OwnershipPolicy, Presence
from engine.stage import Context, Facts
from engine.workdays import elapsed


def missing_findings(
    rule: Presence, policy: OwnershipPolicy, spec: EntitySpec, records: pl.DataFrame, facts: Facts, context: Context
) -> list[pl.DataFrame]:
    """Return a finding for each of the owner's records that a consumer supplying the entity lacks.

    A record younger than the permitted lag, counted from `since` (or its creation), is not yet
    missing; one without that date is judged at once.
    """
    owned = records.filter(pl.col("source_system").is_in(list(policy.owner_system))).unique(
        IDENTITY, keep="first", maintain_order=True
    )
    if rule.within is not None:
        age = elapsed(_since(rule, spec), pl.lit(context.as_of), rule.within.unit, context.holidays)
        owned = owned.filter((age > rule.within.count).fill_null(value=True))
    found: list[pl.DataFrame] = []
    for consumer in rule.consumers:
        if (spec.name, consumer) not in facts.stated:
            continue
        there = records.filter(pl.col("source_system") == consumer).select(IDENTITY).unique()
        missing = owned.join(there, on=IDENTITY, how="anti", maintain_order="left")
        if missing.height:
            found.append(_as_findings(missing, consumer, rule, spec))
    return found


def _since(rule: Presence, spec: EntitySpec) -> pl.Expr:
    candidates = [pl.col(rule.since)] if rule.since else []
    if "created_at" in spec.fields:
        candidates.append(pl.col("created_at"))
    candidates.append(pl.col("recorded_at"))
    return pl.coalesce([each.cast(pl.Date) for each in candidates])


def _as_findings(
    missing: pl.DataFrame, consumer: str, rule: Presence, spec: EntitySpec
) -> pl.DataFrame:
    none = pl.lit(None, dtype=pl.String)
    title = spec.name.replace("_", " ").capitalize()
    message = pl.concat_str(
        pl.lit(f"{title} "), pl.col(IDENTITY), pl.lit(" stands in "), pl.col("source_system"),
        pl.lit(f", which owns it, but not in {consumer}."),
    )  # fmt: skip
    of_contract = pl.col("contract_id") if "contract_id" in spec.fields else none
    contract = pl.col(IDENTITY) if spec.name == "contract" else of_contract
    remedy = rule.remedy or f"Create the {spec.name.replace('_', ' ')} in {consumer}, or release the transfer that failed."
    amount = pl.col("total_value") if "total_value" in spec.fields else pl.lit(None, dtype=pl.Decimal(38, 6))
    return missing.select(
        pl.lit("ownership").alias("stage"), pl.lit("missing_in_consumer").alias("kind"), pl.lit(rule.id).alias("rule"),
        pl.lit(rule.severity).alias("severity"), pl.lit(spec.name).alias("entity"),
        pl.col(IDENTITY).alias("entity_id"),
        contract.alias("contract_id"),
        pl.concat_list(pl.col("source_system"), pl.lit(consumer)).alias("systems"),
        amount.alias("amount_at_risk"),
        (pl.col("currency") if "currency" in spec.fields and "total_value" in spec.fields else none).alias("currency"),
        _since(rule, spec).alias("since"), message.alias("message"),
        pl.lit(remedy).alias("remedy"),
        pl.lit(rule.steward).alias("owner"),
        pl.concat_list(file_and_row()).list.drop_nulls().alias("evidence"),
    )  # fmt: skip
