"""How cases are worked: how soon, for which reasons they may be settled, and who must agree."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import pydantic

from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds.base import Lag, PolicyFile, Severity, Strict, Words, refuse_where
from engine.policy.sheets import Sheet
from engine.policy.source import Document


class Promise(Strict):
    """Say within which delay a case of a severity, and of at least so much money, is to be closed."""

    severity: Severity
    amount_at_least: Decimal | None = pydantic.Field(default=None, ge=0)
    within: Lag


class Settlement(Strict):
    """Say above which amount a second person must agree to settle a case, and how long it holds.

    Without `approval_above` nobody else need agree; a case whose amount is not known needs approval
    wherever an amount would.
    """

    approval_above: Decimal | None = Decimal(0)
    approver_role: str = "approver"
    holds_days: int | None = pydantic.Field(default=None, ge=1)


class Baseline(Strict):
    """Name the month that later ones are compared with: the time before the tool, or its first month.

    What is stated of it goes before what the store and the KPIs know of it.
    """

    period: str = pydantic.Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")
    manual_acts: int | None = pydantic.Field(default=None, ge=0)
    invoice_days: Decimal | None = pydantic.Field(default=None, ge=0)
    close_workdays: int | None = pydantic.Field(default=None, ge=0)
    exceptions: int | None = pydantic.Field(default=None, ge=0)


class CasesPolicy(PolicyFile):
    """How cases are worked across nights."""

    policy: Literal["cases"]
    sla: tuple[Promise, ...] = ()
    warn_at_percent: int = pydantic.Field(default=75, ge=1, le=100)
    reason_codes: Words = ("timing", "immaterial", "agreed_with_customer", "duplicate", "system_error", "other")
    waive: Settlement = Settlement()
    write_off: Settlement = Settlement()
    baseline: Baseline | None = None

    def promise(self, severity: str, amount: Decimal | None) -> Promise | None:
        """Return the promise for a case: of those for its severity, the one with the largest amount it reaches."""
        fit = [each for each in self.sla if each.severity == severity and _reaches(amount, each.amount_at_least)]
        return max(fit, key=lambda each: each.amount_at_least or Decimal(0), default=None)


def _reaches(amount: Decimal | None, least: Decimal | None) -> bool:
    return least is None or (amount is not None and abs(amount) >= least)


def check_cases(policy: CasesPolicy, document: Document, _: Sheet | None) -> list[Diagnostic]:
    """Check a policy of cases: it holds for the whole run, and each severity and amount has one promise."""
    found = refuse_where(policy, document)
    seen: set[tuple[str, Decimal]] = set()
    for index, each in enumerate(policy.sla):
        of = (each.severity, each.amount_at_least or Decimal(0))
        if of in seen:
            message = f"cases of the severity {each.severity} have a promise already from this amount on"
            found.append(document.diagnostic(codes.DUPLICATE_ID, ("sla", index), message))
        seen.add(of)
    return found


def workdays_between(start: dt.date, end: dt.date, holidays: Sequence[dt.date] = ()) -> int:
    """Return the workdays after `start` up to and including `end`; 0 when `end` is not later."""
    days = (end - start).days
    if days <= 0:
        return 0
    weeks, rest = divmod(days, 7)
    count = weeks * 5 + sum((start + dt.timedelta(days=weeks * 7 + each)).weekday() < 5 for each in range(1, rest + 1))
    return count - sum(start < day <= end and day.weekday() < 5 for day in set(holidays))


def sla_state(
    policy: CasesPolicy, severity: str, amount: Decimal | None, opened_on: dt.date, today: dt.date, *,
    snoozed_until: dt.date | None = None, holidays: Sequence[dt.date] = (),
) -> tuple[str, int]:  # fmt: skip
    """Return how a case stands against its promise, and its age in workdays.

    The states are on_track, warning, breached, paused (snoozed beyond today) and none.
    """
    age = workdays_between(opened_on, today, holidays)
    if snoozed_until is not None and snoozed_until > today:
        return "paused", age
    promise = policy.promise(severity, amount)
    if promise is None:
        return "none", age
    spent = age if promise.within.unit == "workdays" else (today - opened_on).days
    if spent > promise.within.count:
        return "breached", age
    return ("warning" if spent * 100 >= promise.within.count * policy.warn_at_percent else "on_track"), age
