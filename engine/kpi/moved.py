"""Figures that moved further than their policy permits, from a month to the next or from a run to another."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import polars as pl

from engine.canonical.kinds import DECIMAL_PRECISION, MONEY
from engine.condition.compile import quotient
from engine.kpi.told import decides, figure_findings, judged_period, month_before, told
from engine.policy.kinds.kpi import CURRENCY, Change, ChangeLimits, KpiPolicy
from engine.policy.loaded import LoadedPolicy

_ON = ("kpi", "dimension", "unit")
_WHOLE = pl.Decimal(DECIMAL_PRECISION, 0)


def moved_figures(loaded: LoadedPolicy, policy: KpiPolicy, made: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return the findings of one KPI by dimension: the last month that has ended beside the month before.

    What a sum or a count has no rows for was nothing; a ratio without rows was not known. Each month that moves is a finding of
    its own, so that no move is silent because one before it was told.
    """
    change = policy.change
    period = judged_period(policy, as_of)
    severity = None if change is None or policy.period != "month" or not decides(policy, period, as_of) else change.severity
    own = made.filter((pl.col("rule") == policy.id) & pl.lit(severity is not None))
    now = own.filter(pl.col("period") == period).select(*_ON, "value")
    before = own.filter(pl.col("period") == month_before(period)).select(*_ON, pl.col("value").alias("before"))
    change = change or Change(at_most=Decimal(1))
    sides = before.join(now, on=list(_ON), how="full", coalesce=True)
    if policy.denominator is None and policy.numerator.median is None:
        sides = sides.with_columns(pl.col("before", "value").fill_null(pl.lit(0).cast(MONEY)))
    moved = sides.filter(beyond(change, pl.col("before"), pl.col("value"))).with_columns(
        pl.lit(period).alias("period_of"), (pl.col("value") - pl.col("before")).abs().alias("move"),
        told("before", policy).alias("owner_value"), told("value", policy).alias("consumer_value"),
    )  # fmt: skip
    message = pl.concat_str(
        pl.lit(f"{policy.title} ("), pl.col("dimension"), pl.lit(") went from "), pl.col("owner_value"), pl.lit(" to "),
        pl.col("consumer_value"), pl.lit(" "), pl.col("unit"), pl.lit(f" in {period}, "), percent_text(pl.col("before"), pl.col("value")),
        pl.lit("; at most "), _by_dimension(change, lambda limits: pl.lit(f"{limits.at_most.normalize():f}")), pl.lit(" % is usual."),
    )  # fmt: skip
    named = moved.with_columns(pl.col("move").alias("amount")) if policy.unit == CURRENCY else moved
    remedy = "Find what moved the figure; where it is right, have the limit changed or leave the finding to the next month."
    return figure_findings(named.sort(*_ON), loaded, policy, "kpi_moved", severity or "low", message, remedy)


def beyond(change: Change, before: pl.Expr, after: pl.Expr) -> pl.Expr:
    """Return whether a figure moved by more than its limits: in percent of what it was, and by enough to matter.

    Exactly the limit is within it. From nothing every move is beyond any percent. Needs the column `dimension`.
    """
    move = (after - before).abs()
    hundred = pl.lit(100).cast(MONEY)
    further = move * hundred > before.abs() * limit_of(change)
    enough = move >= _by_dimension(change, lambda limits: pl.lit(limits.amount_at_least, dtype=MONEY))
    return (further & enough & (move != 0)).fill_null(value=False)


def limit_of(change: Change) -> pl.Expr:
    """Return how far a figure may move in percent: by its dimension's own limit, else by that of all."""
    return _by_dimension(change, lambda limits: pl.lit(limits.at_most, dtype=MONEY))


def percent_text(before: pl.Expr, after: pl.Expr) -> pl.Expr:
    """Return a move in percent of what was, with one decimal: `up 12.5 %`; `from nothing` where there was nothing."""
    move = (after - before).cast(MONEY)
    above, below = move.abs().to_physical().cast(_WHOLE) * pl.lit(100), before.cast(MONEY).abs().to_physical().cast(_WHOLE)
    size = quotient(above.cast(_WHOLE), below, 0, 1, half_even=False).cast(pl.String)
    way = pl.when(move > 0).then(pl.lit("up ")).otherwise(pl.lit("down "))
    return pl.when(before == 0).then(pl.lit("from nothing")).otherwise(pl.concat_str(way, size, pl.lit(" %")))


def _by_dimension(change: Change, said: Callable[[ChangeLimits], pl.Expr]) -> pl.Expr:
    found = said(change)
    for name, limits in change.by.items():
        found = pl.when(pl.col("dimension") == name).then(said(limits)).otherwise(found)
    return found
