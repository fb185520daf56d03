"""Amendments that are part of what a contract began with: agreed before there was a contract, or held by its opening positions."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.numbers import ZERO, worth_of_units
from engine.revenue.ground.frames import empty
from engine.revenue.ground.records import Records

FOLDED: Final[dict[str, pl.DataType]] = {
    "amendment_id": pl.String(), "contract_id": pl.String(), "contract_line_id": pl.String(), "effective_date": pl.Date(),
    "treatment": pl.String(), "rule": pl.String(), "price_change": MONEY, "evidence": pl.List(pl.String()),
}  # fmt: skip
"""One row per amendment and line of it; `price_change`: what it changes the stated amount by, null where that is not known."""

_RULES: Final = {"before_contract": "606-10-25-1", "before_opening": "606-10-65-1"}


def folded_changes(records: Records, amended: pl.DataFrame, before_contract: pl.DataFrame) -> pl.DataFrame:
    """Return what became of the amendments that are no modification here (FOLDED).

    `records`: as they came. `amended`: the lines of those amendments (`amendments.amended_lines`). `before_contract`: those (amendment_id)
    in effect by the day the criteria of a contract were met (606-10-25-1); the others are in opening positions.
    """
    if not amended.height:
        return empty(FOLDED)
    signed = records.frame("contract_line").select("contract_line_id", _worth().alias("→signed"), pl.col("currency").alias("→currency"))
    known = records.frame("contract").select("contract_id", pl.col("currency").alias("→of"))
    rows = amended.join(signed.unique("contract_line_id"), on="contract_line_id", how="left", maintain_order="left")
    rows = rows.join(known, on="contract_id", how="left", maintain_order="left").with_columns(_worth().alias("→worth"))
    is_first = pl.col("contract_line_id") != pl.col("contract_line_id").shift(1)
    rows = rows.sort("contract_line_id", "place", "amendment_line_id").with_columns(
        pl.coalesce("→worth", pl.when(pl.col("action") == "remove").then(ZERO)).forward_fill().over("contract_line_id").alias("→after")
    )
    earlier = pl.when(is_first.fill_null(value=True)).then("→signed").otherwise(pl.col("→after").shift(1))
    # What an amendment leaves as it is changes nothing; amounts of a line in another currency are not the contract's.
    before = pl.when(pl.col("action") == "add").then(ZERO).otherwise(earlier)
    change = pl.coalesce(pl.col("→after") - before, pl.when(pl.col("→worth").is_null() & (pl.col("action") == "change")).then(ZERO))
    is_own = pl.col("→currency").is_null() | (pl.col("→currency") == pl.col("→of"))
    early = pl.col("amendment_id").is_in(before_contract["amendment_id"].implode())
    none = pl.lit([], dtype=pl.List(pl.String))
    told = rows.with_columns(
        pl.col("event_date").alias("effective_date"),
        pl.when(early).then(pl.lit("before_contract")).otherwise(pl.lit("before_opening")).alias("treatment"),
        pl.when(is_own).then(change).cast(MONEY).alias("price_change"),
        pl.concat_list(pl.coalesce("evidence", none), pl.coalesce("amendment_evidence", none)).list.unique().list.sort().alias("evidence"),
    )
    return told.with_columns(pl.col("treatment").replace_strict(_RULES, return_dtype=pl.String).alias("rule")).select(list(FOLDED))


def _worth() -> pl.Expr:
    return pl.coalesce("amount", worth_of_units()).cast(MONEY)
