"""Amendments of one line that take effect in another order than they were approved in: each changes what was agreed when it was made."""

from __future__ import annotations

from typing import Final

import polars as pl

TOTALS: Final = ("quantity", "amount", "standalone_selling_price", "estimated_hours", "estimated_cost", "cap_amount")
"""What an amendment line states as a total of the line's whole life."""

_DAYS: Final = ("start_date", "end_date")


def crossed_lines(steps: pl.DataFrame) -> pl.Series:
    """Return the lines of which some step takes effect (`place`) before one that was approved earlier (`agreed_place`)."""
    ordered = steps.filter(pl.col("agreed_place").is_not_null()).sort("contract_line_id", "place")
    same = pl.col("contract_line_id") == pl.col("contract_line_id").shift(1)
    back = same & (pl.col("agreed_place") < pl.col("agreed_place").shift(1))
    return ordered.filter(back.fill_null(value=False))["contract_line_id"].unique()


def as_approved(steps: pl.DataFrame) -> pl.DataFrame:
    """Return steps of lines (`amendments.line_terms`) with the totals and days they come to where approval and effect cross.

    A total changes the one agreed on when it was approved (606-10-25-10), though another change may take effect before it: what it
    changes is counted in the order of approval, when it does so in the order of effect. Of days the one approved last holds.
    `steps`: contract_line_id, place, agreed_place (null: as signed or added), amendment_line_id, TOTALS, start_date, end_date.
    """
    crossed = crossed_lines(steps)
    if crossed.is_empty():
        return steps
    is_crossed = pl.col("contract_line_id").is_in(crossed.implode())
    key = "contract_line_id"
    by_approval = ["agreed_place", "place", "amendment_line_id"]
    own = steps.filter(is_crossed).with_columns(pl.col("agreed_place").fill_null(-1)).sort(key, *by_approval, nulls_last=False)
    before = {name: pl.col(name).forward_fill().over(key).shift(1) for name in TOTALS}
    is_first = pl.int_range(pl.len()).over(key) == 0
    own = own.with_columns(
        pl.when(is_first).then(pl.col(name)).otherwise(pl.col(name) - pl.coalesce(before[name], pl.lit(0))).alias(f"→{name}")
        for name in TOTALS
    )
    own = own.sort(key, "place", "amendment_line_id", nulls_last=False)
    totals = [
        pl.when(pl.col(name).is_not_null()).then(pl.col(f"→{name}").fill_null(0).cum_sum().over(key)).cast(steps.schema[name]).alias(name)
        for name in TOTALS
    ]
    own = own.with_columns(*totals, *(_last_approved(name, key) for name in _DAYS))
    own = own.with_columns(pl.when(pl.col("agreed_place") >= 0).then("agreed_place").alias("agreed_place"))
    return pl.concat([steps.filter(~is_crossed), own.select(steps.columns)]).sort(key, "place", "amendment_line_id", nulls_last=False)


def _last_approved(name: str, key: str) -> pl.Expr:
    """Return the day stated by the step approved last of those in effect; null where the step itself states none."""
    said = pl.when(pl.col(name).is_not_null()).then(pl.col("agreed_place"))
    is_last = said == said.cum_max().over(key)
    return pl.when(pl.col(name).is_not_null()).then(pl.when(is_last).then(pl.col(name)).forward_fill().over(key)).alias(name)
