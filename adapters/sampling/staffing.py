"""Who works where: seats of the contracts' teams are filled with people, and gaps become bench time."""

from __future__ import annotations

import datetime as dt
import heapq
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from adapters.sampling.calendar import Calendar, at, workdays_between
from adapters.sampling.contracts import Deal, Promise
from adapters.sampling.draws import Draws
from adapters.sampling.parties import COMPANIES, MANAGER, ROLES, SERVICE_LINES, Company

_GIVEN: Final = (
    "Anna", "Ben", "Carla", "David", "Elif", "Frank", "Grace", "Hanna", "Ivan", "Julia", "Karim", "Lena", "Marco",
    "Nadia", "Omar", "Priya", "Quinn", "Rosa", "Samuel", "Tara", "Uwe", "Vera", "Wei", "Ximena", "Yusuf", "Zoe",
)  # fmt: skip
_FAMILY: Final = (
    "Adler", "Brandt", "Costa", "Dietrich", "Evans", "Fischer", "Garcia", "Hughes", "Ivanova", "Jansen", "Keller",
    "Lopez", "Moreau", "Novak", "Okafor", "Patel", "Rossi", "Schmidt", "Turner", "Ueda", "Vogel", "Walsh", "Young",
)  # fmt: skip

_LONGEST_BENCH_DAYS: Final = 45
_PROJECTS_A_MANAGER: Final = 6


@dataclass(slots=True)
class Person:
    """Describe one person; `end` stays empty while the person is with the firm."""

    number: int
    role: str
    company: Company
    service_line: str
    cost_cents: int
    start: dt.date
    end: dt.date | None = None

    @property
    def id(self) -> str:
        """Return the person's id."""
        return f"RES-{self.number:05}"

    @property
    def name(self) -> str:
        """Return the person's name."""
        given = _GIVEN[self.number % len(_GIVEN)]
        return f"{given} {_FAMILY[self.number % len(_FAMILY)]}"


@dataclass(frozen=True, slots=True)
class Seat:
    """Describe one person's stay on one project; without a promise it is bench time."""

    project_id: str
    company: Company
    role: str
    start: dt.date
    end: dt.date
    promise: Promise | None = None
    deal: Deal | None = None
    person: Person | None = None


@dataclass(slots=True)
class Staff:
    """Hold the people, the filled seats in order, and each project's manager."""

    people: list[Person] = field(default_factory=list)
    seats: list[Seat] = field(default_factory=list)
    managers: dict[str, Person] = field(default_factory=dict)


def internal_project(company: Company) -> str:
    """Return the id of a company's project for time without a customer."""
    return f"PRJ-INT-{company.code}"


def team_size_pct(deals: list[Deal], calendar: Calendar, entries: int | None) -> int:
    """Return the team size, in percent of these deals' teams, that makes about so many time entries."""
    if entries is None:
        return 100
    natural = sum(workdays_between(seat.start, min(seat.end, calendar.last_day)) for seat in _open_seats(deals, calendar))
    # Of 100 workdays of a seat 94 are worked, and the bench adds some 6.
    return max(entries * 100 // max(natural, 1), 1)


def _open_seats(deals: list[Deal], calendar: Calendar) -> list[Seat]:
    seats = [
        Seat(promise.project_id, deal.company, role, deal.work_start if promise.id.endswith("-L1") else promise.start,
             promise.end, promise, deal)
        for deal in deals for promise in deal.promises for role in promise.team
    ]  # fmt: skip
    return [seat for seat in seats if seat.start <= calendar.last_day]


def fill_seats(deals: list[Deal], calendar: Calendar, draws: Draws) -> Staff:
    """Give every seat a person of its company and role who is free, hiring where nobody is."""
    staff = Staff()
    seats = sorted(_open_seats(deals, calendar), key=lambda seat: (seat.start, seat.project_id))
    free: dict[tuple[str, str], list[tuple[dt.date, int]]] = {}
    for seat in seats:
        pool = free.setdefault((seat.company.id, seat.role), [])
        person = _next_free(pool, seat, staff, calendar)
        if person is None:
            person = _hire(seat.role, seat.company, seat.start - dt.timedelta(days=10), staff, draws)
        heapq.heappush(pool, (seat.end, person.number))
        staff.seats.append(replace(seat, person=person))
    _send_leavers(free, staff, calendar)
    _appoint_managers(deals, calendar, staff, draws)
    return staff


def _next_free(pool: list[tuple[dt.date, int]], seat: Seat, staff: Staff, calendar: Calendar) -> Person | None:
    """Return the person free for the longest, whose wait becomes bench time, or None."""
    while pool and pool[0][0] < seat.start:
        since, number = heapq.heappop(pool)
        person = staff.people[number - 1]
        if (seat.start - since).days <= _LONGEST_BENCH_DAYS:
            _bench(person, since + dt.timedelta(days=1), seat.start - dt.timedelta(days=1), staff, calendar)
            return person
        _leave(person, since, staff, calendar)
    return None


def _bench(person: Person, first: dt.date, last: dt.date, staff: Staff, calendar: Calendar) -> None:
    last = min(last, calendar.last_day)
    if first <= last:
        project = internal_project(person.company)
        staff.seats.append(Seat(project, person.company, person.role, first, last, person=person))


def _leave(person: Person, since: dt.date, staff: Staff, calendar: Calendar) -> None:
    if since >= calendar.last_day:
        return
    leaving = since + dt.timedelta(days=14)
    _bench(person, since + dt.timedelta(days=1), leaving, staff, calendar)
    person.end = leaving if leaving <= calendar.last_day else None


def _send_leavers(free: dict[tuple[str, str], list[tuple[dt.date, int]]], staff: Staff, calendar: Calendar) -> None:
    for key in sorted(free):
        for since, number in sorted(free[key]):
            _leave(staff.people[number - 1], since, staff, calendar)


def _hire(role: str, company: Company, start: dt.date, staff: Staff, draws: Draws) -> Person:
    number = len(staff.people) + 1
    cost = next((each.cost for each in (*ROLES, MANAGER) if each.name == role), 0)
    raise_by = draws.one(f"cost {number}", 0, 8)
    service = SERVICE_LINES[draws.one(f"home {number}", 0, len(SERVICE_LINES))]
    person = Person(number, role, company, service, (cost + raise_by) * 100, start)
    staff.people.append(person)
    return person


def _appoint_managers(deals: list[Deal], calendar: Calendar, staff: Staff, draws: Draws) -> None:
    """Give every project a manager who works on none, so that nobody approves their own time."""
    for company in COMPANIES:
        projects = [
            project for deal in deals if deal.company == company
            for project in dict.fromkeys(each.project_id for each in deal.promises)
        ]  # fmt: skip
        for place, project in enumerate([internal_project(company), *projects]):
            if place % _PROJECTS_A_MANAGER == 0:
                manager = _hire(MANAGER.name, company, calendar.first_day - dt.timedelta(days=400), staff, draws)
            staff.managers[project] = manager


def people_frame(staff: Staff) -> pl.DataFrame:
    """Return the people as records; costs in hundredths."""
    people = staff.people
    return pl.DataFrame(
        {
            "resource_id": [each.id for each in people],
            "name": [each.name for each in people],
            "role": [each.role for each in people],
            "service_line": [each.service_line for each in people],
            "legal_entity_id": [each.company.id for each in people],
            "cost_rate": [each.cost_cents for each in people],
            "cost_currency": [each.company.currency for each in people],
            "weekly_capacity_hours": [4000] * len(people),
            "start_date": [each.start for each in people],
            "end_date": pl.Series([each.end for each in people], dtype=pl.Date),
            "recorded_at": [at(each.start - dt.timedelta(days=5), 9) for each in people],
        }
    )
