"""Exchange rates of one day into one currency, joined to rows by their own currency; the currency of the books."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import Kind, polars_dtype
from engine.stage import Facts

RATE: Final = polars_dtype(Kind.RATE)


def with_rate(
    frame: pl.LazyFrame, rates: pl.LazyFrame, target: str | None, day: dt.date, *, rate_type: str = "spot", name: str = "rate"
) -> pl.LazyFrame:
    """Add the rate of a day that turns an amount in a row's `currency` into the target currency.

    The rate is the last on or before the day; 1 for the target itself. Without a target it is 1
    where all rows have one currency. Null where there is no rate: such an amount cannot be told in
    the target currency.
    """
    one = pl.lit(1).cast(RATE)
    if target is None:
        single = pl.col("currency").drop_nulls().n_unique() <= 1
        return frame.with_columns(pl.when(single).then(one).alias(name))
    into = (
        rates.filter((pl.col("to_currency") == target) & (pl.col("rate_type") == rate_type) & (pl.col("rate_date") <= day))
        .group_by(pl.col("from_currency").alias("currency"))
        .agg(pl.col("rate").sort_by("rate_date").last().cast(RATE).alias(name))
    )
    joined = frame.join(into, on="currency", how="left", maintain_order="left")
    return joined.with_columns(pl.when(pl.col("currency") == target).then(one).otherwise(pl.col(name)).alias(name))


def home_currency(facts: Facts) -> str | None:
    """Return the functional currency where no legal entity says it: that of documents at the rate 1."""
    found: set[str] = set()
    for entity in ("invoice", "bill"):
        frame = facts.frame(entity)
        if frame is not None:
            at_par = frame.filter(pl.col("exchange_rate") == 1).select(pl.col("currency").drop_nulls().unique()).collect()
            found |= set(at_par.to_series().to_list())
    return found.pop() if len(found) == 1 else None
