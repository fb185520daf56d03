"""Days, workdays and months between and after dates, as expressions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl


def moved(date: pl.Expr, count: int, unit: str, holidays: Sequence[dt.date]) -> pl.Expr:
    """Return the date so many days, workdays, months or years later (earlier when negative).

    From a day that is no workday, the first workday later is the next one. A month later than the
    31st of January is the last of February.
    """
    if unit == "workdays":
        free = tuple(holidays)
        if count >= 0:
            return date.dt.add_business_days(count, holidays=free, roll="backward")
        return date.dt.add_business_days(count, holidays=free, roll="forward")
    if unit == "days":
        return date + pl.duration(days=count)
    return date.dt.offset_by(f"{count * 12 if unit == 'years' else count}mo")


def add_months(date: pl.Expr, months: pl.Expr) -> pl.Expr:
    """Return the date so many months later; the day is cut to the length of the month."""
    return date.dt.offset_by(months.cast(pl.String) + pl.lit("mo"))


def elapsed_workdays(start: pl.Expr, end: pl.Expr, holidays: Sequence[dt.date]) -> pl.Expr:
    """Return the workdays after `start` up to and including `end`; negative when `end` is earlier."""
    day = pl.duration(days=1)
    forth = pl.business_day_count(start + day, end + day, holidays=tuple(holidays))
    back = pl.business_day_count(end + day, start + day, holidays=tuple(holidays))
    return pl.when(end >= start).then(forth).when(end < start).then(back * -1).cast(pl.Int64)


def difference(unit: str, start: pl.Expr, end: pl.Expr) -> pl.Expr:
    """Return the full days, months or years from `start` to `end`; negative when `end` is earlier."""
    if unit == "day":
        return (end - start).dt.total_days().cast(pl.Int64)
    forth, back = _full_months(start, end), _full_months(end, start) * -1
    months = pl.when(end >= start).then(forth).when(end < start).then(back)
    if unit == "month":
        return months
    return pl.when(months >= 0).then(months // 12).otherwise((months * -1) // 12 * -1)


def _full_months(start: pl.Expr, end: pl.Expr) -> pl.Expr:
    """Return the most months that can be added to `start` without passing `end`."""
    years = end.dt.year().cast(pl.Int64) - start.dt.year().cast(pl.Int64)
    months = years * 12 + end.dt.month().cast(pl.Int64) - start.dt.month().cast(pl.Int64)
    reached = pl.min_horizontal(start.dt.day(), end.dt.month_end().dt.day()) <= end.dt.day()
    return pl.when(reached).then(months).otherwise(months - 1)
