"""How much of a term each time convention counts through a day, in plain fractions and by the page of conventions alone.

It knows nothing of the engine: months are gone through one by one, as somebody would on paper.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

DAY = dt.timedelta(days=1)
COUNTED = ("monthly_even", "thirty_day", "even_no_partial_last", "even_no_partial_first", "mid_month", "first_of_month", "next_month")
BY_DAY = ("actual_days", "actual_365", "actual_seconds", "thirty_360", "anchored_months")

Month = tuple[dt.date, dt.date]
"""First and last day of a month, or of a fiscal period."""


@dataclass(frozen=True)
class Term:
    """Hold a convention, a term with both its days, the months it is told by, and the day that anchored months begin on."""

    convention: str
    begins: dt.date
    ends: dt.date
    months: Sequence[Month]
    anchor: int

    def part(self, day: dt.date, after: dt.date | None = None) -> Fraction:
        """Return the part of the term, or of what is left of it after a day, that has passed at the end of a day."""
        before = self.passed(after) if after else Fraction(0)
        left = self.passed(self.ends) - before
        if day >= self.ends or left <= 0:
            return Fraction(day >= self.ends)
        return max(self.passed(day) - before, Fraction(0)) / left

    def passed(self, day: dt.date) -> Fraction:
        """Return what has passed through a day, in days or months as the convention counts."""
        day = min(day, self.ends)
        if day < self.begins:
            return Fraction(0)
        if self.convention == "thirty_360":
            return Fraction(_thirty(day, day == _last(day)) - _thirty(self.begins, whole=False) + 1)
        if self.convention == "anchored_months":
            return self._anchored(day + DAY) - self._anchored(self.begins)
        if self.convention in BY_DAY:
            leap = [dt.date(year, 2, 29) for year in range(self.begins.year, day.year + 1) if calendar.isleap(year)]
            skipped = sum(self.begins <= each <= day for each in leap) if self.convention == "actual_365" else 0
            return Fraction((day - self.begins).days + 1 - skipped)
        weighed = [(month, self._weight(month)) for month in self.months if month[0] <= self.ends and month[1] >= self.begins]
        if not any(weight for _, weight in weighed):
            # Neither of two months counts: the one does in which the term ends.
            weighed[-1] = (weighed[-1][0], Fraction(1))
        return sum((weight * _served(self._cut(month), day) for month, weight in weighed), Fraction(0))

    def _cut(self, month: Month) -> Month:
        return max(month[0], self.begins), min(month[1], self.ends)

    def _weight(self, month: Month) -> Fraction:
        """Return what a month of the term counts."""
        first, last = self._cut(month)
        days, of = (last - first).days + 1, (month[1] - month[0]).days + 1
        starts, finishes = month[0] <= self.begins, month[1] >= self.ends
        if self.convention == "monthly_even":
            return Fraction(days, of)
        if self.convention == "thirty_day":
            return Fraction(1) if days == of else min(Fraction(days, 30), Fraction(1))
        if starts and finishes:
            return Fraction(1)
        cut_first = {
            "even_no_partial_first": month[0] < self.begins, "mid_month": (self.begins - month[0]).days >= 15, "next_month": True,
        }  # fmt: skip
        cut_last = {
            "even_no_partial_last": month[1] > self.ends, "mid_month": (self.ends - month[0]).days + 1 < 15,
            "first_of_month": (self.ends - month[0]).days < min(self._place(), of - 1),
        }  # fmt: skip
        return Fraction(not ((starts and cut_first.get(self.convention)) or (finishes and cut_last.get(self.convention))))

    def _place(self) -> int:
        """Return how many days into its month the term begins."""
        return next((self.begins - first).days for first, last in self.months if first <= self.begins <= last)

    def _anchored(self, day: dt.date) -> Fraction:
        """Return the number of the anchored month that a day lies in, with the part of it before that day."""
        number = day.year * 12 + day.month - 1
        if self._anchor(number) > day:
            number -= 1
        first, following = self._anchor(number), self._anchor(number + 1)
        return number + Fraction((day - first).days, (following - first).days)

    def _anchor(self, number: int) -> dt.date:
        year, month = divmod(number, 12)
        return dt.date(year, month + 1, min(self.anchor, calendar.monthrange(year, month + 1)[1]))


def months_of(first: dt.date, last: dt.date) -> list[Month]:
    """Return the calendar months from one day to another."""
    made, begin = [], first.replace(day=1)
    while begin <= last:
        made.append((begin, _last(begin)))
        begin = _last(begin) + DAY
    return made


def weeks_of(first: dt.date, years: int) -> list[Month]:
    """Return the periods of 4-4-5 years from a day on."""
    made, begin = [], first
    for number in range(12 * years):
        finish = begin + dt.timedelta(weeks=(4, 4, 5)[number % 3]) - DAY
        made.append((begin, finish))
        begin = finish + DAY
    return made


def _last(day: dt.date) -> dt.date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _thirty(day: dt.date, whole: bool) -> int:
    return day.year * 360 + day.month * 30 + (30 if whole else min(day.day, 30))


def _served(month: Month, day: dt.date) -> Fraction:
    """Return the part of a month's days of service through a day."""
    done = (min(day, month[1]) - month[0]).days + 1
    return Fraction(max(done, 0), (month[1] - month[0]).days + 1)
