"""Amended totals: the new total of a contract is its total before plus the stated change."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.schema import entity_spec, file_and_row
from engine.ownership.drift import shown
from engine.policy.kinds.ownership import AmendedTotal, OwnershipPolicy
from engine.stage import Facts

_KINDS: Final = {"amended_total": "amended_total_mismatch", "amended_value": "amended_value_mismatch"}
_REMEDY: Final = "Correct the stated total or the stated change, or record the amendment in between that is missing."


def amended_findings(
    policy: OwnershipPolicy, contracts: pl.DataFrame, facts: Facts, previous: Facts | None
) -> list[pl.DataFrame]:
    """Return a finding for each amendment whose stated total is not the total before + its change.

    The total before is the preceding amendment's, one known from the previous snapshot included,
    else the contract's value as signed. Without either, or without a stated total, there is
    nothing to compare. Amendments that are not approved change nothing. Where only the previous snapshot tells
    the value as signed, amendments in between may be unknown: `amended_value` speaks of those.
    """
    rules = dict(policy.amended_rules())
    steps = _steps(contracts, facts, previous) if rules else None
    if steps is None:
        return []
    expected = pl.col("before") + pl.col("amount_change")
    judged = steps.filter("is_current").with_columns(expected.alias("expected"))
    found = []
    for name, rule in rules.items():
        about = judged.filter(pl.col("by_value") == (name == "amended_value"))
        wrong = about.filter((pl.col("total_after") - pl.col("expected")).abs() > pl.lit(rule.tolerance).cast(pl.Decimal(38, 6)))
        found += [_as_findings(wrong, rule, _KINDS[name])] if wrong.height else []
    return found


def _steps(contracts: pl.DataFrame, facts: Facts, previous: Facts | None) -> pl.DataFrame | None:
    """Return the approved amendments of each contract in order, each with the total before it."""
    frames: list[pl.LazyFrame] = []
    earlier = None if previous is None else previous.frame("amendment")
    current = facts.frame("amendment")
    if current is None:
        return None
    # A contract's amendment known the day before comes before one first seen today, whatever its date.
    if earlier is not None:
        known = pl.concat_str(pl.lit("previous:"), pl.col("place")).alias("place")
        frames.append(_amendments(earlier).with_columns(pl.lit(0).alias("seen"), known))
    frames.append(_amendments(current).with_columns(pl.lit(1).alias("seen")))
    joined = pl.concat([frame.select(_COLUMNS) for frame in frames]).collect()
    order = ["contract_id", "seen_first", "effective_date", "approved_date", "amendment_id"]
    rows = (
        joined.with_columns(pl.col("seen").min().over("amendment_id").alias("seen_first"),
                            (pl.col("seen").max().over("amendment_id") == 1).alias("is_current"))
        .sort("seen", descending=True)
        .unique("amendment_id", keep="first", maintain_order=True)
        .sort(order, nulls_last=False)
    )  # fmt: skip
    signed = contracts.select("contract_id", pl.col("total_value").alias("signed"), pl.col("currency")).unique(
        "contract_id", keep="first", maintain_order=True
    )
    before = pl.col("total_after").shift(1).over("contract_id")
    place = pl.col("place").shift(1).over("contract_id")
    own = ["contract_id", "source_system"]
    return (
        rows.with_columns(before.alias("chain"), place.alias("place_before"))
        .join(signed, on="contract_id", how="left", maintain_order="left")
        .join(_signed_before(previous), on=own, how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("chain", "signed", "signed_before").alias("before"),
            pl.coalesce("place_before", "place_signed").alias("place_before"),
            pl.coalesce("chain", "signed").is_null().alias("by_value"),
        )
    )  # fmt: skip


def _signed_before(previous: Facts | None) -> pl.DataFrame:
    """Return the values as signed that the previous snapshot tells, by contract and system."""
    frame = None if previous is None else previous.frame("contract")
    schema = {name: each.dtype for name, each in entity_spec("contract").fields.items()}
    value = pl.col("total_value").cast(schema["total_value"]).alias("signed_before")
    if frame is None:
        empty = {"contract_id": schema["contract_id"], "source_system": pl.String(), "place_signed": pl.String()}
        return pl.DataFrame(schema={**empty, "signed_before": schema["total_value"]})
    told = frame.filter(pl.col("total_value").is_not_null()).select(
        "contract_id", "source_system", pl.concat_str(pl.lit("previous:"), file_and_row()).alias("place_signed"), value
    )
    return told.collect().unique(["contract_id", "source_system"], keep="first", maintain_order=True)


_COLUMNS = (
    "amendment_id", "contract_id", "effective_date", "approved_date", "amount_change", "total_after",
    "source_system", "place", "seen",
)  # fmt: skip


def _amendments(frame: pl.LazyFrame) -> pl.LazyFrame:
    # A system that states no approval (a contract register) lists what is in force.
    approved = pl.col("status").is_null() | (pl.col("status") == "approved")
    return frame.filter(approved & pl.col("contract_id").is_not_null()).with_columns(file_and_row().alias("place"))


def _as_findings(wrong: pl.DataFrame, rule: AmendedTotal, kind: str) -> pl.DataFrame:
    money = entity_spec("amendment").fields["total_after"]
    message = pl.concat_str(
        pl.lit("Amendment "), pl.col("amendment_id"), pl.lit(" states a total of "), shown(pl.col("total_after"), money),
        pl.lit(", but the total before, "), shown(pl.col("before"), money), pl.lit(", plus the stated change of "),
        shown(pl.col("amount_change"), money), pl.lit(" is "), shown(pl.col("expected"), money), pl.lit("."),
    )  # fmt: skip
    return wrong.select(
        pl.lit("ownership").alias("stage"), pl.lit(kind).alias("kind"),
        pl.lit(rule.id).alias("rule"), pl.lit(rule.severity).alias("severity"),
        pl.lit("contract").alias("entity"), pl.col("contract_id").alias("entity_id"),
        pl.lit("amendment").alias("related_entity"), pl.col("amendment_id").alias("related_id"),
        pl.col("contract_id"), pl.concat_list("source_system").alias("systems"), pl.lit("total_after").alias("field"),
        (pl.col("total_after") - pl.col("expected")).abs().alias("amount_at_risk"), pl.col("currency"),
        shown(pl.col("expected"), money).alias("owner_value"), shown(pl.col("total_after"), money).alias("consumer_value"),
        pl.col("effective_date").alias("since"), message.alias("message"),
        pl.lit(rule.remedy or _REMEDY).alias("remedy"),
        pl.lit(rule.steward).alias("owner"),
        pl.concat_list("place", "place_before").list.drop_nulls().alias("evidence"),
    )  # fmt: skip
