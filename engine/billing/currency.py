"""Exchange rates of a day: the last published on or before it, within the policy's number of days."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from engine.billing.dated import DatedTable, dated_table
from engine.billing.money import RATE
from engine.billing.references import frame_of


def exchange_table(frames: Mapping[str, pl.LazyFrame], rate_type: str) -> DatedTable:
    """Return the rates of a type by pair of currencies and day; a missing type counts as this one."""
    kept = frame_of(frames, "exchange_rate").filter(pl.col("rate_type").is_null() | (pl.col("rate_type") == rate_type))
    columns = ["from_currency", "to_currency", "rate_date", "rate"]
    rates = kept.select(columns).drop_nulls().collect()
    return dated_table(rates, ["from_currency", "to_currency"], "rate_date", None, ["rate", "rate_date"], ["rate"])


def attach_exchange(
    frame: pl.LazyFrame, table: DatedTable, source: pl.Expr, target: pl.Expr, day: pl.Expr, within_days: int, name: str
) -> pl.LazyFrame:
    """Add the rate from one currency to another on a day: 1 for the same, null when none is known.

    An unknown target is the source itself: nothing is converted.
    """
    found = table.lookup(frame, {"from_currency": source, "to_currency": target}, day, {"rate": "→found", "rate_date": "→found.date"})
    same = (source == target) | target.is_null()
    recent = (day - pl.col("→found.date")).dt.total_days() <= within_days
    one = pl.lit(1, dtype=RATE)
    rate = pl.when(same.fill_null(value=False)).then(one).when(recent).then(pl.col("→found"))
    return frame_without(found.with_columns(rate.cast(RATE).alias(name)))


def frame_without(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Drop the columns of a lookup."""
    return frame.drop("→found", "→found.date")
