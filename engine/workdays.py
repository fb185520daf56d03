"""Workdays: Monday to Friday without the calendar's holidays."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl


def elapsed_workdays(start: pl.Expr, end: pl.Expr, holidays: Sequence[dt.date] = ()) -> pl.Expr:
    """Return the workdays after `start` up to and including `end`; 0 when `end` is not later."""
    count = pl.business_day_count(start + pl.duration(days=1), end + pl.duration(days=1), holidays=tuple(holidays))
    return pl.when(end > start).then(count).when(end.is_not_null() & start.is_not_null()).then(pl.lit(0))


def first_beyond(start: pl.Expr, count: int, unit: str, holidays: Sequence[dt.date] = ()) -> pl.Expr:
    """Return the first day on which more than so many workdays or calendar days have elapsed from `start`."""
    if unit == "workdays":
        return start.dt.add_business_days(count + 1, roll="backward", holidays=tuple(holidays))
    return start + pl.duration(days=count + 1)


def elapsed(start: pl.Expr, end: pl.Expr, unit: str, holidays: Sequence[dt.date] = ()) -> pl.Expr:
    """Return the workdays or calendar days from `start` to `end`."""
    if unit == "workdays":
        return elapsed_workdays(start, end, holidays)
    return (end - start).dt.total_days()
