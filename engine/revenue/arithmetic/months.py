"""Whole months between two days, with the day of the month held to the month's length."""

from __future__ import annotations

import polars as pl


def whole_months(start: pl.Expr, end: pl.Expr) -> pl.Expr:
    """Return how many whole months lie from `start` to `end`, 0 when `end` is not later.

    A month ends on the same day of the next one, or on its last day where that is shorter: from
    31 January to 28 February (or 29 in a leap year) is one month.
    """
    apart = (end.dt.year() - start.dt.year()).cast(pl.Int32) * 12 + end.dt.month().cast(pl.Int32) - start.dt.month().cast(pl.Int32)
    reached = pl.min_horizontal(start.dt.day(), end.dt.month_end().dt.day())
    months = apart - (end.dt.day() < reached).cast(pl.Int32)
    return pl.when(end > start).then(months).when(end.is_not_null() & start.is_not_null()).then(pl.lit(0, dtype=pl.Int32))


def next_day(day: pl.Expr) -> pl.Expr:
    """Return the day after: a period's last day is inclusive, an elapsed time ends where the next day begins."""
    return day + pl.duration(days=1)


def within_months(start: pl.Expr, end: pl.Expr, limit: pl.Expr) -> pl.Expr:
    """Return whether the term from `start` to `end`, both inclusive, lasts no longer than `limit` months."""
    after = next_day(end)
    months = whole_months(start, after)
    has_rest = _add_months(start, months) < after
    return (months < limit) | ((months == limit) & ~has_rest)


def _add_months(day: pl.Expr, months: pl.Expr) -> pl.Expr:
    """Return the day some months later, held to the month's length."""
    count = day.dt.year().cast(pl.Int32) * 12 + day.dt.month().cast(pl.Int32) - 1 + months
    first = pl.date(count // 12, count % 12 + 1, 1)
    return pl.date(first.dt.year(), first.dt.month(), pl.min_horizontal(day.dt.day(), first.dt.month_end().dt.day()))
