"""What the sample firm sells: contracts with their promises, prices, billing plans and amendments.

Amounts are whole hundredths (cents). A contract's price follows from the team planned for it, so
that a firm with more people has larger contracts and the ledger keeps its proportions.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Final, Literal

from adapters.sampling.calendar import Calendar, add_months, month_end, workdays_between
from adapters.sampling.draws import Draws
from adapters.sampling.parties import INTEGRATION, ROLES, SERVICE_LINES, Company, Customer
from adapters.sampling.records import half_up_int

Kind = Literal["hourly", "hourly_direct", "fixed", "managed", "managed_monthly", "retainer", "subscription", "mixed"]


@dataclass(frozen=True, slots=True)
class Shape:
    """Say what a kind of contract is like: `features` may name cap, expenses, gap, foreign, scope, extra, partner."""

    kind: Kind
    features: frozenset[str] = frozenset()


def _shape(kind: Kind, *features: str) -> Shape:
    return Shape(kind, frozenset(features))


# Contracts take their shape from this ring in turn. `hourly` is invoiced early in the next month and
# accrued until then; `hourly_direct` is invoiced on the month's last day, straight to revenue.
_RING: Final = (
    _shape("hourly"), _shape("fixed", "scope"), _shape("managed", "extra"), _shape("hourly_direct"),
    _shape("hourly", "cap"), _shape("retainer"), _shape("fixed", "scope"), _shape("hourly", "expenses"),
    _shape("hourly_direct", "foreign"), _shape("mixed"), _shape("hourly", "gap"), _shape("fixed"),
    _shape("managed_monthly"), _shape("hourly_direct", "cap", "expenses"), _shape("fixed", "partner"), _shape("hourly"),
    _shape("subscription"), _shape("fixed"), _shape("hourly", "gap", "cap"), _shape("retainer"),
)  # fmt: skip

_HOURLY: Final = ("hourly", "hourly_direct", "mixed")
PLANNED_HOURS_A_DAY_PCT: Final = 750
_PARTNER_PCT: Final = 24


@dataclass(frozen=True, slots=True)
class Due:
    """Say when an amount is due, by plan or on a milestone's acceptance."""

    due: dt.date
    cents: int
    is_added: bool = False


@dataclass(frozen=True, slots=True)
class Promise:
    """Describe one line of a contract; `added` names the amendment that brought it."""

    id: str
    project_id: str
    offering: str
    service_line: str
    description: str
    start: dt.date
    end: dt.date
    cents: int | None = None
    cap_cents: int | None = None
    team: tuple[str, ...] = ()
    plan: tuple[Due, ...] = ()
    milestones: tuple[Due, ...] = ()
    partner_cents: int = 0
    """What a subcontractor is to be paid a month, by the contract with it as signed."""
    added: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """Describe an amendment: more scope of a running promise, or an added promise."""

    id: str
    kind: Literal["scope", "extra"]
    effective: dt.date
    approved: dt.date
    cents: int
    total_after: int


@dataclass(frozen=True, slots=True)
class Deal:
    """Describe one contract as signed, and its amendment if it has one."""

    index: int
    id: str
    number: str
    kind: Kind
    features: frozenset[str]
    customer: Customer
    company: Company
    currency: str
    signed: dt.date
    start: dt.date
    end: dt.date
    work_start: dt.date
    rates: dict[str, int]
    promises: tuple[Promise, ...]
    change: Change | None = None

    @property
    def total_cents(self) -> int:
        """Return the value as signed: the sum of the signed promises' amounts."""
        return sum(each.cents or 0 for each in self.promises if not each.added)

    @property
    def is_direct(self) -> bool:
        """Say whether hours are invoiced on the month's last day, straight to revenue."""
        return self.kind == "hourly_direct"

    @property
    def is_by_cost(self) -> bool:
        """Say whether a partner does a part of the work, so that cost and not hours shows how far it is."""
        return "partner" in self.features

    @property
    def frequency(self) -> str:
        """Return how often it is billed."""
        return {"fixed": "milestone", "managed": "quarterly", "subscription": "annual"}.get(self.kind, "monthly")


def make_deals(count: int, calendar: Calendar, customers: list[Customer], draws: Draws, team_pct: int) -> list[Deal]:
    """Return the contracts; teams are `team_pct` percent of their natural size, one person at least."""
    deals = [_deal(index, count, calendar, customers, draws, team_pct) for index in range(count)]
    return [_amended(deal, calendar) for deal in deals]


def _term(shape: Shape, index: int, count: int, calendar: Calendar, draws: Draws) -> tuple[dt.date, dt.date, dt.date]:
    """Return first and last day of the term, and the day work begins."""
    if index == count - 1 and count >= len(_RING):
        start = add_months(calendar.month_starts[-1], 1)  # signed in the last nights, not yet begun
        return start, month_end(add_months(start, 11)), start
    # Fixed fees begin later than the rest, so that some are still under way in the end.
    latest = max(calendar.months - (4 if shape.kind == "fixed" else 6), 1)
    month = draws.one(f"start {index}", 0, latest)
    if "gap" in shape.features:
        # Every second of these has been mobilising since lately, and no hour has been worked yet.
        month = max(calendar.months - 2, 0) if (index // 10) % 4 == 3 else min(2 + index % 5, latest - 1)
    start = calendar.month_starts[max(month, 0)]
    length = {"fixed": draws.one(f"length {index}", 5, 11), "hourly": draws.one(f"length {index}", 8, 15)}.get(shape.kind, 12)
    end = month_end(add_months(start, length - 1))
    work_start = add_months(start, 2) if "gap" in shape.features else start
    return start, end, work_start


def _shape_of(index: int) -> Shape:
    """Return a contract's shape; on every second round of the ring alone is a partner's work bought for it."""
    shape = _RING[index % len(_RING)]
    is_bought = index // len(_RING) % 2 == 1
    return shape if is_bought else replace(shape, features=shape.features - {"partner"})


def _deal(
    index: int, count: int, calendar: Calendar, customers: list[Customer], draws: Draws, team_pct: int
) -> Deal:  # fmt: skip
    shape = _shape_of(index)
    customer = customers[(index * 3 + index // len(customers)) % len(customers)]
    company = customer.company
    start, end, work_start = _term(shape, index, count, calendar, draws)
    signed = start - dt.timedelta(days=draws.one(f"signed {index}", 8, 25))
    if start > calendar.last_day:
        signed = calendar.as_of - dt.timedelta(days=1)
    currency = company.currency
    if "foreign" in shape.features:
        currency = "USD" if company.currency == "EUR" else "EUR"
    card = draws.many(f"card {index}", len(ROLES), 0, 6)
    rates = {role.name: (role.bill + 5 * int(card[place])) * 100 for place, role in enumerate(ROLES)}
    bare = Deal(
        index=index, id=f"CON-{index + 1:04}", number=f"MER-{signed.year}-{index + 1:04}", kind=shape.kind,
        features=shape.features, customer=customer, company=company, currency=currency, signed=signed, start=start,
        end=end, work_start=work_start, rates=rates, promises=(),
    )  # fmt: skip
    return replace(bare, promises=_promises(bare, draws, team_pct))


def _promises(deal: Deal, draws: Draws, team_pct: int) -> tuple[Promise, ...]:
    lines = draws.many(f"service {deal.index}", 2, 0, len(SERVICE_LINES))
    service = INTEGRATION if deal.is_by_cost else SERVICE_LINES[int(lines[0])]
    project = f"PRJ-{deal.index + 1:04}"
    first = Promise(
        id=f"{deal.id}-L1", project_id=f"{project}-A", offering="time_and_materials", service_line=service,
        description=f"{service} work by the hour", start=deal.start, end=deal.end,
        team=_team(deal, draws, team_pct, "first"),
    )  # fmt: skip
    if deal.kind == "fixed":
        return (_fixed(first, deal, draws),)
    if deal.kind not in _HOURLY:
        return (_recurring(first, deal),)
    second = replace(
        first, id=f"{deal.id}-L2", project_id=f"{project}-B", service_line=SERVICE_LINES[int(lines[1])],
        team=_team(deal, draws, team_pct, "second"), description="Service desk",
    )  # fmt: skip
    promises = [_hourly(first, deal)]
    if deal.kind == "mixed":
        promises.append(_recurring(second, deal))
    if "expenses" in deal.features:
        promises.append(replace(first, id=f"{deal.id}-L2", offering="pass_through", description="Travel and expenses", team=()))
    return tuple(promises)


def _team(deal: Deal, draws: Draws, team_pct: int, name: str) -> tuple[str, ...]:
    if deal.kind == "subscription":
        natural = 1
    else:
        natural = draws.one(f"team {name} {deal.index}", 2, 4) if deal.kind == "fixed" else draws.one(
            f"team {name} {deal.index}", 1, 4
        )  # fmt: skip
    # The fraction of a person is given to some contracts and not to others, by a draw.
    size = max((natural * team_pct + draws.one(f"fraction {name} {deal.index}", 0, 100)) // 100, 1)
    roles = draws.many(f"roles {name} {deal.index}", size, 0, 100)
    return tuple(ROLES[0 if roll < 10 else 1 if roll < 40 else 2 if roll < 75 else 3].name for roll in roles.tolist())


def _planned_cents(promise: Promise, deal: Deal, first: dt.date, last: dt.date) -> int:
    """Return the team's planned hours in a span at the contract's rates."""
    hours_pct = workdays_between(first, last) * PLANNED_HOURS_A_DAY_PCT
    return sum(hours_pct * deal.rates[role] // 100 for role in promise.team)


def _rounded_up(cents: int, step: int) -> int:
    return -(-cents // (step * 100)) * step * 100


def _hourly(promise: Promise, deal: Deal) -> Promise:
    estimate = _rounded_up(_planned_cents(promise, deal, deal.work_start, deal.end), 1000)
    cap = _rounded_up(estimate * 110 // 100, 5000) if "cap" in deal.features else None
    return replace(promise, cents=estimate, cap_cents=cap)


def _fixed(promise: Promise, deal: Deal, draws: Draws) -> Promise:
    price = _rounded_up(_planned_cents(promise, deal, deal.start, deal.end) * 92 // 100, 500)
    count = draws.one(f"milestones {deal.index}", 3, 6)
    days = (deal.end - deal.start).days
    share = price // count // 10_000 * 10_000
    amounts = [share] * (count - 1) + [price - share * (count - 1)]
    milestones = tuple(Due(deal.start + dt.timedelta(days=days * (step + 1) // count), cents) for step, cents in enumerate(amounts))
    months = (deal.end.year - deal.start.year) * 12 + deal.end.month - deal.start.month + 1
    partner = _rounded_up(price * _PARTNER_PCT // 100 // months, 50) if deal.is_by_cost else 0
    return replace(
        promise, offering="fixed_fee", description=f"{promise.service_line} project at a fixed fee", cents=price,
        milestones=milestones, partner_cents=partner,
    )  # fmt: skip


_OFFERING: Final = {
    "retainer": ("retainer", "Advisory retainer", 1), "managed": ("managed_service", "Managed service", 3),
    "managed_monthly": ("managed_service", "Managed service", 1), "mixed": ("managed_service", "Service desk", 1),
    "subscription": ("subscription", "Benchmark portal access", 12),
}  # fmt: skip


def _recurring(promise: Promise, deal: Deal) -> Promise:
    """Return a promise paid by plan: in advance, but managed services by the month in arrears."""
    offering, description, step = _OFFERING[deal.kind]
    monthly = _rounded_up(_planned_cents(promise, deal, deal.start, deal.end) * 90 // 100 // 12, 100)
    months = (deal.end.year - deal.start.year) * 12 + deal.end.month - deal.start.month + 1
    plan = _plan(promise.start, promise.end, monthly * months, step, in_arrears=deal.kind == "managed_monthly")
    return replace(promise, offering=offering, description=description, cents=monthly * months, plan=plan)


def _plan(start: dt.date, end: dt.date, cents: int, step: int, *, in_arrears: bool) -> tuple[Due, ...]:
    """Return what is due every `step` months, each part by its days of the term.

    By the day, so that what is due is never less than what has been performed.
    """
    days, due, plan = (end - start).days + 1, 0, []
    first = start
    while first <= end:
        following = add_months(first, step)
        so_far = half_up_int(cents, (min(following, end + dt.timedelta(days=1)) - start).days, days)
        plan.append(Due(following - dt.timedelta(days=1) if in_arrears else first, so_far - due))
        first, due = following, so_far
    return tuple(plan)


def _amended(deal: Deal, calendar: Calendar) -> Deal:
    if not deal.features & {"scope", "extra"} or deal.start > calendar.last_day:
        return deal
    effective = add_months(deal.start, 3)
    if effective > calendar.as_of:
        return deal
    return _more_scope(deal, effective) if "scope" in deal.features else _extra_promise(deal, effective)


def _change(deal: Deal, kind: Literal["scope", "extra"], effective: dt.date, cents: int) -> Change:
    approved = effective - dt.timedelta(days=6)
    return Change(f"AMD-{deal.index + 1:04}-1", kind, effective, approved, cents, deal.total_cents + cents)


def _more_scope(deal: Deal, effective: dt.date) -> Deal:
    """Raise a fixed fee for more of the same work, which is not distinct: revenue catches up."""
    promise = deal.promises[0]
    cents = _rounded_up(deal.total_cents // 5, 500)
    milestones = (*promise.milestones, Due(deal.end, cents, is_added=True))
    return replace(deal, promises=(replace(promise, milestones=milestones),), change=_change(deal, "scope", effective, cents))


def _extra_promise(deal: Deal, effective: dt.date) -> Deal:
    """Add a distinct service at its standalone selling price: a contract of its own."""
    first = deal.promises[0]
    months = (deal.end.year - effective.year) * 12 + deal.end.month - effective.month + 1
    monthly = _rounded_up((first.cents or 0) // 48, 100)
    added = replace(
        first, id=f"{deal.id}-L2", description="Additional service hours", start=effective, cents=monthly * months,
        plan=_plan(effective, deal.end, monthly * months, 1, in_arrears=False), team=(), added=True,
    )  # fmt: skip
    change = _change(deal, "extra", effective, monthly * months)
    return replace(deal, promises=(first, added), change=change)
