"""The firm's calendar: months of the simulation, workdays, and the instants things are recorded."""

from __future__ import annotations

import calendar as _calendar
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl

from adapters.sampling.draws import Ints

EPOCH: Final = dt.date(1970, 1, 1)
_HOLIDAYS: Final = ((12, 25), (12, 26), (1, 1))


def day_number(day: dt.date) -> int:
    """Return the days since 1970-01-01."""
    return (day - EPOCH).days


def add_months(day: dt.date, months: int) -> dt.date:
    """Return the same day so many months later, or that month's last day."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return dt.date(year, month + 1, min(day.day, _calendar.monthrange(year, month + 1)[1]))


def month_end(day: dt.date) -> dt.date:
    """Return the last day of the day's month."""
    return dt.date(day.year, day.month, _calendar.monthrange(day.year, day.month)[1])


def month_ends(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """Yield the month ends from the first day's month to the last day's."""
    end = month_end(first)
    while end <= month_end(last):
        yield end
        end = month_end(end + dt.timedelta(days=1))


def workdays_between(first: dt.date, last: dt.date) -> int:
    """Return the weekdays from first to last, both inclusive."""
    return int(np.busday_count(np.datetime64(first), np.datetime64(last + dt.timedelta(days=1))))


def instant(day: pl.Expr, hour: int, minute: int = 0) -> pl.Expr:
    """Return the UTC instant at a time of a day."""
    return (day.cast(pl.Datetime("us")) + pl.duration(hours=hour, minutes=minute)).dt.replace_time_zone("UTC")


def at(day: dt.date, hour: int, minute: int = 0) -> dt.datetime:
    """Return the UTC instant at a time of a day."""
    return dt.datetime(day.year, day.month, day.day, hour, minute, tzinfo=dt.UTC)


def period_of(day: pl.Expr) -> pl.Expr:
    """Return a day's fiscal period, YYYY-NN."""
    return day.dt.strftime("%Y-%m")


@dataclass(frozen=True)
class Calendar:
    """Hold the months simulated: those before and of `as_of`, whole, whatever day `as_of` is."""

    as_of: dt.date
    months: int

    @cached_property
    def month_starts(self) -> tuple[dt.date, ...]:
        """Return the first day of each month."""
        first = self.as_of.replace(day=1)
        return tuple(add_months(first, index - self.months + 1) for index in range(self.months))

    @cached_property
    def month_ends(self) -> tuple[dt.date, ...]:
        """Return the last day of each month."""
        return tuple(month_end(day) for day in self.month_starts)

    @property
    def first_day(self) -> dt.date:
        """Return the first day simulated."""
        return self.month_starts[0]

    @property
    def last_day(self) -> dt.date:
        """Return the last day simulated."""
        return self.month_ends[-1]

    @cached_property
    def workdays(self) -> Ints:
        """Return the days worked, as day numbers: weekdays without the three fixed holidays."""
        days = [self.first_day + dt.timedelta(days=index) for index in range((self.last_day - self.first_day).days + 1)]
        return np.array(
            [day_number(day) for day in days if day.weekday() < 5 and (day.month, day.day) not in _HOLIDAYS],
            dtype=np.int64,
        )
