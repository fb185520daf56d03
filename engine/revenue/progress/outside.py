"""What is earned outside the pool, gated and dated: work as invoiced, expenses, use, royalties, cash kept for good."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import units_money
from engine.revenue.arithmetic.numbers import percent
from engine.revenue.ground.frames import AT_A_POINT, TO_COME, empty, shaped
from engine.revenue.ground.periods import with_period
from engine.revenue.ground.records import Records
from engine.revenue.progress.commitments import bought_beyond
from engine.revenue.progress.delivered import (
    OF_EXPENSES,
    delivered,
    rounded_daily,
    shared_royalties,
    sold_before_transfer,
)
from engine.revenue.progress.kept_cash import kept_cash


def earned_outside(
    records: Records,
    lines: pl.DataFrame,
    worked: pl.DataFrame,
    prices: pl.DataFrame,
    caps: pl.DataFrame,
    obligations: pl.DataFrame,
    first_lines: pl.DataFrame,
    observed: pl.DataFrame,
    contracts: pl.DataFrame,
    periods: pl.DataFrame,
    last: pl.DataFrame,
    terms: pl.DataFrame,
    as_of: dt.date,
) -> pl.DataFrame:
    """Return what lines outside the pool earned by day (`delivered.DELIVERED`), with what rounds and posts it, and its period.

    `first_lines`: okey, line_id. What was earned before the criteria were met is dated on the day they were; after
    the day they were lost nothing is, and after the end of the contract, or of the line (`last`: of `last_days`), no work and no use
    (25-3): nobody owes it. Royalties follow sales, which may come later.
    """
    known, shares, satisfied = _satisfaction(lines, obligations, first_lines, observed)
    earned = [delivered(records, known, worked, prices, caps, as_of), shared_royalties(records, lines, prices, shares, satisfied, as_of)]
    earned.append(bought_beyond(records, lines, terms, as_of).select(earned[0].columns))
    rows = pl.concat([*earned, kept_cash(records, contracts, lines, as_of).select(earned[0].columns)])
    head = lines.select(
        "contract_line_id",
        "contract_id",
        "group_id",
        "obligation_id",
        "calendar",
        "minor_digits",
        "role",
        (pl.col("rounding_mode") == "half_even").alias("half_even"),
        pl.when(pl.col("role") == "agent").then(percent("commission_pct")).alias("share_of"),
        (pl.col("timing") == "point_in_time").fill_null(value=False).alias("→at_once"),
    )
    held = lines.filter(pl.col("repurchase_kind").is_not_null()).select("contract_line_id")
    rows = rows.join(held, on="contract_line_id", how="anti").join(head, on="contract_line_id", how="inner")
    rows = _in_force(rows, contracts, last)
    rows = rows.with_columns(pl.col("date").alias("day"), pl.max_horizontal("date", "gate_date").alias("date"))
    rows = with_period(rows, periods, "date")
    return _posted_on(rows, as_of)


def _satisfaction(
    lines: pl.DataFrame, obligations: pl.DataFrame, first_lines: pl.DataFrame, observed: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return lines with the day their promise passed at a point in time, shares in royalties, days from which promises are satisfied."""
    first = observed.filter(pl.col("to_date") > 0).group_by("okey").agg(pl.col("date").min().alias("satisfied_on"))
    at_once = lines.filter(pl.col("timing") == "point_in_time").select("okey").unique()
    over_time = lines.filter(pl.col("timing") == "over_time").group_by("okey").agg(pl.col("begins").min().alias("satisfied_on"))
    satisfied = pl.concat([first.join(at_once, on="okey", how="semi"), over_time.join(at_once, on="okey", how="anti")])
    known = lines.join(first.join(at_once, on="okey", how="semi"), on="okey", how="left")
    shares = obligations.select("okey", "group_id", "obligation_id", pl.col("weight").alias("share")).join(
        first_lines, on="okey", how="left"
    )
    return known, shares, satisfied


def royalties_to_come(
    records: Records, lines: pl.DataFrame, prices: pl.DataFrame, obligations: pl.DataFrame, first_lines: pl.DataFrame,
    observed: pl.DataFrame, as_of: dt.date,
) -> pl.DataFrame:  # fmt: skip
    """Return what sales so far add to the price of licences not yet handed over (`frames.TO_COME`); see `earned_outside`."""
    licences = lines.filter(pl.col("offering") == "licence")
    if not licences.height or not records.frame("usage").height:
        return empty(TO_COME)
    known, shares, satisfied = _satisfaction(lines, obligations, first_lines, observed)
    rows = sold_before_transfer(records, known, prices, shares, satisfied, as_of)
    about = lines.select("contract_line_id", "contract_id", "obligation_id", "minor_digits")
    rows = rows.join(about, on="contract_line_id", how="inner")
    amount = units_money(pl.col("units"), pl.col("minor_digits")).alias("amount")
    return shaped(rows.select("contract_id", "obligation_id", pl.col("occurred").alias("from_date"), "date", amount), TO_COME)


def _posted_on(rows: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Add the day on which rows are posted: use and royalties at a point in time on their own, the rest when the period ends."""
    at_once = pl.col("→at_once") & pl.col("timing").is_in(["usage", "royalty"])
    return rows.with_columns(
        pl.when(at_once).then("date").otherwise(pl.min_horizontal("period_end", pl.lit(as_of))).alias("posting_date"),
        pl.when(at_once).then(pl.col("timing") + AT_A_POINT).otherwise("timing").alias("timing"),
    ).drop("→at_once")


@of_nothing
def _in_force(rows: pl.DataFrame, contracts: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    rows = rows.join(contracts.select("contract_id", "gate_date", "lost_date"), on="contract_id", how="inner")
    rows = rows.join(last.select("contract_line_id", "→last"), on="contract_line_id", how="left", maintain_order="left")
    ends = pl.col("basis").is_in(["as_invoiced", "accrual", "usage", *OF_EXPENSES])
    until = pl.min_horizontal("lost_date", pl.when(ends).then("→last"))
    # What a closed month accrued is taken back, also after the end.
    back = (pl.col("basis") == "accrual") & (pl.col("units") < 0)
    rows = rows.filter(until.is_null() | (pl.col("date") <= until) | back).drop("lost_date", "→last")
    # Cash kept for good is revenue without a contract; everything else waits for one.
    rows = rows.with_columns(pl.when(pl.col("basis") == "cash").then("date").otherwise("gate_date").alias("gate_date"))
    return rows.filter(pl.col("gate_date").is_not_null())


def rounded(outside: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return it in whole minor units by line and day, rounded cumulatively, with the ids of its line."""
    daily = rounded_daily(outside, "half_even")
    head = lines.select("contract_line_id", "contract_id", "group_id", "obligation_id", "calendar", "role")
    return daily.join(head, on="contract_line_id", how="left").filter((pl.col("minor") != 0) | (pl.col("gross") != 0))
