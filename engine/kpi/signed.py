"""What contracts are signed for: the value as signed, and what approved amendments made of it."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.canonical.kinds import MONEY
from engine.kpi.places import records
from engine.stage import Facts

_ZERO = pl.lit(0).cast(MONEY)
_LINE = pl.coalesce("contract_line_id", "amendment_line_id").alias("line")


def signed_values(facts: Facts, earned: pl.LazyFrame, as_of: dt.date) -> pl.LazyFrame:
    """Return contract_id and `signed`: the value as signed and the amendments approved by a day, in the order of their approval.

    An amendment counts by the change it states, else by its new total, else by what its lines make of their amounts: a line
    taken away keeps what is recognized of it (`earned`: contract_line_id, recognized), and one that never had an amount takes
    none away. An approved amendment that nobody dates holds from the day it was recorded, else on the day itself.
    """
    approved = records(facts, "amendment").filter(pl.col("status") == "approved").with_columns(
        pl.coalesce("approved_date", "effective_date", pl.col("recorded_at").dt.date(), pl.lit(as_of)).alias("day")
    ).filter(pl.col("day") <= as_of)  # fmt: skip
    by_lines = _changes_of_lines(facts, approved, earned)
    stated = approved.join(by_lines, on="amendment_id", how="left").select(
        "contract_id", "day", "amendment_id", "total_after",
        pl.coalesce("amount_change", pl.when(pl.col("total_after").is_null()).then("by_lines")).alias("change"),
    )  # fmt: skip
    # A total without a change counts for all that went before it.
    placed = stated.sort("contract_id", "day", "amendment_id").with_columns(
        pl.int_range(pl.len()).over("contract_id").alias("place"), pl.when(pl.col("change").is_null()).then("total_after").alias("total")
    )
    last = pl.when(pl.col("total").is_not_null()).then("place").max().over("contract_id").fill_null(-1)
    changed = placed.with_columns(last.alias("last")).group_by("contract_id").agg(
        pl.col("total").filter(pl.col("place") == pl.col("last")).first(),
        pl.col("change").filter(pl.col("place") > pl.col("last")).sum(),
    )  # fmt: skip
    joined = records(facts, "contract").select("contract_id", "total_value").join(changed, on="contract_id", how="left")
    return joined.select(
        "contract_id", (pl.coalesce("total", "total_value") + pl.col("change").fill_null(_ZERO)).cast(MONEY).alias("signed")
    )


def _changes_of_lines(facts: Facts, approved: pl.LazyFrame, earned: pl.LazyFrame) -> pl.LazyFrame:
    """Return amendment_id and `by_lines`: by how much its lines change the amounts they had."""
    no_id, no_day = pl.lit(None, dtype=pl.String), pl.lit(None, dtype=pl.Date)
    first = records(facts, "contract_line").select(
        pl.col("contract_line_id").alias("line"), no_id.alias("amendment_id"), no_day.alias("day"), pl.col("amount").alias("after")
    )
    lines = records(facts, "amendment_line").with_columns(_LINE).join(approved.select("amendment_id", "day"), on="amendment_id")
    taken = (pl.col("action") == "remove").fill_null(value=False)
    kept = pl.coalesce("amount", "recognized", _ZERO)
    after = pl.when(taken).then(kept).otherwise("amount").cast(MONEY)
    changed = lines.join(earned, left_on="line", right_on="contract_line_id", how="left").select(
        "line", "amendment_id", "day", after.alias("after"), taken.alias("taken")
    )
    stated = pl.concat([first, changed], how="diagonal").filter(pl.col("after").is_not_null())
    before = pl.col("after").shift(1).over("line").alias("before")
    ordered = stated.sort("line", "day", "amendment_id", nulls_last=False).with_columns(before)
    # A price by the hour or the unit is in no total that a contract states: taken away, it takes nothing with it.
    moved = ordered.filter(pl.col("before").is_not_null() | ~pl.col("taken").fill_null(value=False)).with_columns(
        (pl.col("after") - pl.col("before").fill_null(_ZERO)).alias("by_lines")
    )
    return moved.filter(pl.col("amendment_id").is_not_null()).group_by("amendment_id").agg(pl.col("by_lines").sum())
