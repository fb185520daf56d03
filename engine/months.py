"""The calendar month of days, told once for each day there is instead of for each row."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

# Beyond so many days a table of them is no shorter way.
_MANY: Final = 200_000


def month_label(days: pl.Series, day: pl.Expr) -> pl.Expr:
    """Return the month of `day` as YYYY-MM, null where it is null; `days` holds every day that can occur."""
    first, last = days.min(), days.max()
    if not isinstance(first, dt.date) or not isinstance(last, dt.date) or (last - first).days >= min(_MANY, days.len()):
        return day.dt.strftime("%Y-%m")
    labels = pl.date_range(first, last, eager=True).dt.strftime("%Y-%m")
    return pl.lit(labels).gather(day.to_physical() - first.toordinal() + dt.date(1970, 1, 1).toordinal())
