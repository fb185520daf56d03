"""What follows from revenue, by the plainest arithmetic: cost assets, expected losses, interest, and the group's currency.

Exact fractions, one month after the other, rounded where a figure is posted. It knows nothing of the engine.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

_CENT = Fraction(1, 100)


def cents(value: Fraction) -> Fraction:
    """Round to cents, half away from zero."""
    scaled = abs(value) / _CENT
    whole = scaled.numerator // scaled.denominator
    whole += scaled - whole >= Fraction(1, 2)
    return whole * _CENT * (1 if value >= 0 else -1)


@dataclass(frozen=True)
class Serving:
    """Hold a service earned evenly by the month, what it cost to begin with, and what is expected of its cost, month by month.

    `price` and `asset` are for `months`. `reports`: by month from the first on, cost incurred and cost expected in all (None: nobody
    said yet). `penalty`: what leaving the contract costs. `paid`: by month, what was paid so far.
    """

    price: Fraction
    asset: Fraction
    months: int
    reports: Sequence[tuple[Fraction, Fraction] | None]
    is_ifrs: bool
    penalty: Fraction | None
    paid: Sequence[Fraction]

    def recognized(self, month: int) -> Fraction:
        """Return what is earned through a month (0: before the first)."""
        return cents(self.price * Fraction(min(month, self.months), self.months))

    def assets(self) -> list[tuple[Fraction, Fraction, Fraction]]:
        """Return by month what is written down, what is taken back, and what stands (340-40-35-1 to 35-6, IFRS 15.99 to 15.104)."""
        told = []
        # What the asset was when it was last written down or taken back, when that was, and what was then expected of the contract.
        worth, since = self.asset, 0
        margin: Fraction | None = None
        for month, report in enumerate(self.reports, start=1):
            plain = self.asset - cents(self.asset * Fraction(month, self.months))
            left = worth - cents(worth * Fraction(month - since, self.months - since))
            down = back = Fraction(0)
            if report is not None:
                done, whole = report
                recoverable = max(self.price - self.recognized(month) - max(whole - done, Fraction(0)), Fraction(0))
                expected = self.price - whole
                if left > recoverable:
                    down = left - recoverable
                elif self.is_ifrs and margin is not None and expected > margin:
                    back = min(recoverable - left, plain - left)
                if down or back:
                    worth, since, margin = left - down + back, month, expected
            told.append((down, back, left - down + back))
        return told

    def provision(self, month: int) -> Fraction:
        """Return the expected loss at a month's end that neither revenue nor cost holds yet (605-35-25-45, IAS 37.66 to 37.69)."""
        report = self.reports[month - 1]
        if report is None:
            return Fraction(0)
        done, whole = report
        short = max(max(whole - done, Fraction(0)) - (self.price - self.recognized(month)), Fraction(0))
        if self.is_ifrs:
            return short if self.penalty is None else min(short, self.penalty)
        # No loss is expected of a contract that gains on the whole.
        return Fraction(0) if whole <= self.price else short

    def held(self, month: int) -> dict[str, Fraction]:
        """Return every balance at a month's end; liabilities below 0."""
        net = self.recognized(month) - self.paid[month - 1]
        return {
            "contract_asset": max(net, Fraction(0)), "contract_liability": min(net, Fraction(0)),
            "contract_cost_asset": self.assets()[month - 1][2], "loss_provision": -self.provision(month),
        }  # fmt: skip


@dataclass(frozen=True)
class Told:
    """Hold balances in the company's currency by month, and the rates at which the group is told of them."""

    balances: Sequence[dict[str, Fraction]]
    revenue: Sequence[Fraction]
    average: Sequence[Fraction]
    closing: Sequence[Fraction]

    def month(self, month: int) -> dict[str, Fraction]:
        """Return what the group is told of a month: balances at closing, revenue at the average, the rest (830-30-45-3, IAS 21.39)."""
        place = month - 1
        stands = {name: cents(amount * self.closing[place]) for name, amount in self.balances[place].items()}
        before = sum((cents(each * self.closing[place - 1]) for each in self.balances[place - 1].values()), Fraction(0)) if place else 0
        moved = sum(self.balances[place].values()) - (sum(self.balances[place - 1].values()) if place else 0)
        difference = sum(stands.values()) - before - cents(Fraction(moved) * self.average[place])
        recognized = cents(self.revenue[place] * self.average[place])
        return {**stands, "recognized": recognized, "translation_difference": Fraction(difference)}


@dataclass(frozen=True)
class Financed:
    """Hold a service earned evenly from the first of a month, paid on some days, at a rate a month (606-10-32-15 to 32-20).

    The earliest money pays for the earliest service; what one payment pays for has one price at each transfer. Each part bears interest
    for the whole months between its payment and the last day of its month of service.
    """

    promised: Fraction
    begins: dt.date
    months: int
    payments: Sequence[tuple[dt.date, Fraction]]
    rate: Fraction

    def parts(self) -> list[tuple[dt.date, dt.date, Fraction]]:
        """Return what was paid when for the service of which month, such that what is paid on one day has one price."""
        found = self._amounts()
        paid: dict[dt.date, Fraction] = {}
        worth: dict[dt.date, Fraction] = {}
        for day, served, amount in found:
            paid[day] = paid.get(day, Fraction(0)) + amount
            worth[day] = worth.get(day, Fraction(0)) + amount / self._grown(day, served)
        return [(day, served, paid[day] * amount / self._grown(day, served) / worth[day]) for day, served, amount in found]

    def _amounts(self) -> list[tuple[dt.date, dt.date, Fraction]]:
        served = [(month_end(self.begins, month), self.promised / self.months) for month in range(self.months)]
        days, paid = [day for day, _ in self.payments], [amount for _, amount in self.payments]
        found: list[tuple[dt.date, dt.date, Fraction]] = []
        for day, amount in served:
            left = amount
            while left > 0 and paid:
                taken = min(left, paid[0])
                found.append((days[0], day, taken))
                left -= taken
                paid[0] -= taken
                if paid[0] == 0:
                    del paid[0], days[0]
            if left > 0:
                found.append((day, day, left))
        return found

    def price(self) -> Fraction:
        """Return the price at the value of the day of transfer."""
        return sum((amount * self._grown(paid, served) for paid, served, amount in self.parts()), Fraction(0))

    def interest(self, day: dt.date) -> Fraction:
        """Return the interest borne through a month's end: expense above 0, income below."""
        borne = Fraction(0)
        for paid, served, amount in self.parts():
            first, last = min(paid, served), max(paid, served)
            if first == last or day < first:
                continue
            whole = whole_months(first, last)
            gone = whole if last <= day else min(whole_months(first, day + dt.timedelta(days=1)), whole)
            start = amount if paid < served else amount * self._grown(paid, served)
            borne += start * ((1 + self.rate) ** gone - 1) * (1 if paid < served else -1)
        return borne

    def _grown(self, paid: dt.date, served: dt.date) -> Fraction:
        months = whole_months(min(paid, served), max(paid, served))
        return (1 + self.rate) ** (months if paid < served else -months)


def month_end(begins: dt.date, months: int) -> dt.date:
    """Return the last day of the month so many months after another."""
    year, month = begins.year + (begins.month - 1 + months) // 12, (begins.month - 1 + months) % 12 + 1
    return dt.date(year, month, calendar.monthrange(year, month)[1])


def whole_months(first: dt.date, last: dt.date) -> int:
    """Return how many months lie between two days; one ends on its day, or on the last of a shorter month."""
    apart = (last.year - first.year) * 12 + last.month - first.month
    reached = min(first.day, calendar.monthrange(last.year, last.month)[1])
    return max(apart - (last.day < reached), 0)
