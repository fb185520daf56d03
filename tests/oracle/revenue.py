"""Revenue of one contract by the plainest arithmetic there is: exact fractions, one day at a time, no tables.

It knows nothing of the engine. What the two say of the same contract must agree.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

Steps = Sequence[tuple[dt.date, Fraction]]
"""A value from a day on, in the order of the days."""

DAY = dt.timedelta(days=1)


def value_on(steps: Steps, day: dt.date) -> Fraction:
    """Return the last value on or before a day; 0 before the first."""
    known = [value for since, value in steps if since <= day]
    return known[-1] if known else Fraction(0)


@dataclass(frozen=True)
class Measured:
    """Hold a promise measured by progress whose changes are not distinct: every change of price catches up (606-10-25-13(b))."""

    price: Steps
    bonus: Steps
    done: Steps
    expected: Steps

    def earned(self, day: dt.date) -> Fraction:
        """Return price × what is done ÷ what is expected in all, with the price and the estimate of the day."""
        done = value_on(self.done, day)
        whole = max(value_on(self.expected, day), done)
        part = min(done / whole, Fraction(1)) if whole > 0 else Fraction(0)
        return (value_on(self.price, day) + value_on(self.bonus, day)) * part


@dataclass(frozen=True)
class Served:
    """Hold a promise served evenly by the day from `begins` to `ends`."""

    amount: Fraction
    standalone: Fraction
    begins: dt.date
    ends: dt.date

    def served(self, day: dt.date) -> Fraction:
        """Return the part of the term that has passed at the end of a day."""
        days = (self.ends - self.begins).days + 1
        return Fraction(min(max((day - self.begins).days + 1, 0), days), days)


@dataclass(frozen=True)
class Agreement:
    """Hold promises served by the day that share one price, an amount expected on top, and promises added later.

    `added`: by name the promises that an amendment adds from their first day on, below their standalone price.
    """

    promises: Mapping[str, Served]
    expected: Steps
    added: Mapping[str, Served] = field(default_factory=dict)

    def earned(self, day: dt.date) -> dict[str, Fraction]:
        """Return what each promise has earned by a day.

        The price, with what is expected on the day, is shared as at inception (32-43); an addition spreads what is
        unearned and what it adds over what remains, by what the remainders cost standalone (25-13(a)). What a later
        estimate adds to what was promised before goes the same way (32-45).
        """
        price = sum(each.amount for each in self.promises.values()) + value_on(self.expected, day)
        standalone = sum(each.standalone for each in self.promises.values())
        # By promise: what earlier terms brought in all, and the term that runs with its share and its standalone price.
        closed = dict.fromkeys([*self.promises, *self.added], Fraction(0))
        running = {
            name: (Served(price * each.standalone / standalone, each.standalone, each.begins, each.ends))
            for name, each in self.promises.items()
        }
        for name, addition in sorted(self.added.items(), key=lambda item: item[1].begins):
            if addition.begins > day:
                break
            left = {key: each for key, each in running.items() if each.ends >= addition.begins}
            before = addition.begins - DAY
            pool = addition.amount
            weights = {name: addition.standalone}
            for key, each in left.items():
                past = each.served(before)
                closed[key] += each.amount * past
                pool += each.amount * (1 - past)
                weights[key] = each.standalone * (1 - past)
            whole = sum(weights.values())
            left[name] = addition
            for key, each in left.items():
                running[key] = Served(pool * weights[key] / whole, weights[key], max(each.begins, addition.begins), each.ends)
        return {key: closed[key] + each.amount * each.served(day) for key, each in running.items()}
