"""What the firm delivers: time by day, expenses, milestones, and the projects they belong to.

Numbers are whole hundredths. Rates are whole units and hours quarters, so every product is exact.
A frame holds what became of each record in the end, with the instants of each step; what a night
may know of it is cut in `nights`.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import numpy as np
import polars as pl

from adapters.sampling.calendar import EPOCH, Calendar, at, day_number, instant, workdays_between
from adapters.sampling.contracts import Deal
from adapters.sampling.draws import Draws, Ints
from adapters.sampling.parties import COMPANIES
from adapters.sampling.records import record_frame
from adapters.sampling.staffing import Seat, Staff, internal_project

PROJECT: Final = (
    "project_id", "contract_id", "customer_id", "legal_entity_id", "name", "manager", "service_line", "start_date",
    "end_date", "created_at", "activated_date", "budget_hours", "budget_cost", "currency",
)  # fmt: skip
RATE: Final = ("rate_id", "contract_id", "role", "bill_rate", "unit", "currency", "effective_from", "effective_to")
MILESTONE: Final = (
    "milestone_id", "project_id", "contract_line_id", "name", "amount", "currency", "due_date", "completed_date",
    "accepted_date", "accepted_by",
)  # fmt: skip
EXPENSE: Final = (
    "expense_id", "resource_id", "project_id", "contract_line_id", "incurred_date", "category", "amount", "tax_amount",
    "currency", "billable", "reimbursable", "has_receipt", "status", "submitted_at", "approved_by", "markup_pct",
)  # fmt: skip

_NOTES: Final = (
    "Workshop with the client team", "Analysis of current process", "Preparation of steering meeting",
    "Design of target process", "Data review", "Configuration and tests", "Follow-up of open points",
    "Documentation", "Training session", "Status report",
)  # fmt: skip


def _workdays_of(seats: list[Seat], calendar: Calendar) -> tuple[Ints, Ints]:
    """Return seat number and day number of every workday of every seat."""
    first = np.searchsorted(calendar.workdays, [day_number(seat.start) for seat in seats], side="left")
    last = np.searchsorted(calendar.workdays, [day_number(seat.end) for seat in seats], side="right")
    counts = np.maximum(last - first, 0)
    seat = np.repeat(np.arange(len(seats), dtype=np.int64), counts)
    offset = np.arange(len(seat), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    return seat, calendar.workdays[first[seat] + offset]


def _seat_frame(seats: list[Seat], staff: Staff) -> pl.DataFrame:
    people = [seat.person for seat in seats if seat.person is not None]
    offerings = [seat.promise.offering if seat.promise else "internal" for seat in seats]
    rates = [
        seat.deal.rates[seat.role] if seat.deal and seat.promise and seat.promise.offering == "time_and_materials" else None
        for seat in seats
    ]
    return pl.DataFrame(
        {
            "seat": np.arange(len(seats), dtype=np.int64),
            "resource_id": [each.id for each in people],
            "role": [seat.role for seat in seats],
            "project_id": [seat.project_id for seat in seats],
            "contract_line_id": pl.Series([seat.promise.id if seat.promise else None for seat in seats], dtype=pl.String),
            "offering": offerings,
            "bill_rate": pl.Series(rates, dtype=pl.Int64),
            "currency": pl.Series([seat.deal.currency if seat.deal else None for seat in seats], dtype=pl.String),
            "cost_rate": [each.cost_cents for each in people],
            "cost_currency": [each.company.currency for each in people],
            "manager": [staff.managers[seat.project_id].id for seat in seats],
        }
    ).with_columns(pl.when(pl.col("bill_rate").is_not_null()).then("currency").alias("currency"))


def time_entries(staff: Staff, calendar: Calendar, draws: Draws, entries: int | None) -> pl.DataFrame:
    """Return every time entry, in order of day and seat.

    Submitted on the week's Friday and approved on Monday, both by the month's last day at the
    latest; `decided_at` is when it was approved or rejected.
    """
    seat, day = _workdays_of(staff.seats, calendar)
    order = np.argsort(day, kind="stable")
    seat, day = seat[order], day[order]
    count = len(seat)
    worked_of_10_000 = 9400 if entries is None else min(entries * 10_000 // max(count, 1), 9900)
    keep = draws.many("worked", count, 0, 10_000) < worked_of_10_000
    bare = pl.DataFrame(
        {
            "seat": seat,
            "work_date": pl.Series(day).cast(pl.Int32).cast(pl.Date),
            "hours": draws.many("hours", count, 24, 34) * 25,
            "unbilled": draws.many("billable", count, 0, 100) < 4,
            "rejected": draws.many("rejected", count, 0, 1000) < 4,
            "minute": draws.many("minute", count, 0, 60).astype(np.int32),
            "note": draws.many("note", count, 0, 4 * len(_NOTES)),  # one of four has a note
        }
    ).filter(pl.Series(keep))
    joined = bare.join(_seat_frame(staff.seats, staff).lazy().collect(), on="seat", how="left", maintain_order="left")
    return _with_steps(joined).with_row_index("number", 1).with_columns(pl.col("number").cast(pl.Int64))


def _with_steps(entries: pl.DataFrame) -> pl.DataFrame:
    """Add whether an entry is billable, its fate, and when each step was taken."""
    friday = pl.col("work_date") + pl.duration(days=1) * (5 - pl.col("work_date").dt.weekday())
    month_end = pl.col("work_date").dt.month_end()
    submit_day = pl.min_horizontal(friday, month_end)
    decide_day = pl.min_horizontal(friday + pl.duration(days=3), month_end)
    minutes = pl.duration(minutes=pl.col("minute"))
    hourly = pl.col("offering") == "time_and_materials"
    is_rejected = hourly & pl.col("rejected")
    decided_at = pl.when(decide_day == submit_day).then(instant(decide_day, 17)).otherwise(instant(decide_day, 9)) + minutes
    return entries.with_columns(
        ((pl.col("offering") != "internal") & ~(hourly & pl.col("unbilled"))).alias("billable"),
        pl.when(is_rejected).then(pl.lit("rejected")).otherwise(pl.lit("approved")).alias("status"),
        (instant(pl.col("work_date"), 15) + minutes).alias("recorded_at"),
        instant(submit_day, 16, 30).alias("submitted_at"),
        decided_at.alias("decided_at"),
        pl.col("manager").alias("approved_by"),
        pl.lit(list(_NOTES)).list.get(pl.col("note"), null_on_oob=True).alias("note"),
        (pl.col("hours") * pl.coalesce("bill_rate", 0) // 100).alias("value"),
    ).drop("unbilled", "rejected", "minute", "manager")


def projects(deals: list[Deal], staff: Staff, calendar: Calendar) -> pl.DataFrame:
    """Return the projects: one for each promise that is delivered, and one internal for each company."""
    rows: list[dict[str, object]] = []
    for deal in deals:
        seen: set[str] = set()
        for promise in deal.promises:
            if promise.project_id in seen:
                continue
            seen.add(promise.project_id)
            hours = sum(workdays_between(deal.work_start, promise.end) for _ in promise.team) * 750
            activated = deal.signed + dt.timedelta(days=1 + deal.index % 4)
            rows.append(
                {
                    "project_id": promise.project_id, "contract_id": deal.id, "customer_id": deal.customer.id,
                    "legal_entity_id": deal.company.id, "name": f"{deal.customer.name}: {promise.description}",
                    "manager": staff.managers[promise.project_id].id, "service_line": promise.service_line,
                    "start_date": promise.start, "end_date": promise.end, "created_at": at(deal.signed, 18),
                    "activated_date": activated, "budget_hours": hours, "budget_cost": hours * 70,
                    "currency": deal.company.currency, "recorded_at": at(deal.signed, 18),
                }
            )  # fmt: skip
    founded = calendar.first_day - dt.timedelta(days=400)
    for company in COMPANIES:
        rows.append(
            {
                "project_id": internal_project(company), "contract_id": None, "customer_id": None,
                "legal_entity_id": company.id, "name": f"Internal time {company.code}",
                "manager": staff.managers[internal_project(company)].id, "service_line": "Operations",
                "start_date": founded, "end_date": None, "created_at": at(founded, 9), "activated_date": founded,
                "budget_hours": None, "budget_cost": None, "currency": company.currency, "recorded_at": at(founded, 9),
            }
        )  # fmt: skip
    return record_frame("project", rows, (*PROJECT, "recorded_at"))


def assignments(staff: Staff) -> pl.DataFrame:
    """Return the planned stays of people on customers' projects, each known five days before."""
    seats = [seat for seat in staff.seats if seat.deal is not None and seat.promise is not None]
    hourly = [
        seat.deal.rates[seat.role] if seat.deal and seat.promise and seat.promise.offering == "time_and_materials" else None
        for seat in seats
    ]
    return pl.DataFrame(
        {
            "assignment_id": [f"ASG-{index + 1:05}" for index in range(len(seats))],
            "project_id": [seat.project_id for seat in seats],
            "resource_id": [seat.person.id if seat.person else None for seat in seats],
            "role": [seat.role for seat in seats],
            "start_date": [seat.start for seat in seats],
            "end_date": [seat.end for seat in seats],
            "planned_hours": [workdays_between(seat.start, seat.end) * 750 for seat in seats],
            "bill_rate": pl.Series(hourly, dtype=pl.Int64),
            "currency": pl.Series([seat.deal.currency if seat.deal else None for seat in seats], dtype=pl.String),
            "recorded_at": [at(seat.deal.signed if seat.deal else EPOCH, 19) for seat in seats],
        }
    ).with_columns(pl.when(pl.col("bill_rate").is_not_null()).then("currency").alias("currency"))


def rate_cards(deals: list[Deal]) -> pl.DataFrame:
    """Return the rate cards of the contracts billed by the hour: a price an hour for each role."""
    rows = [
        {
            "rate_id": f"RATE-{deal.index + 1:04}-{place + 1}", "contract_id": deal.id, "role": role,
            "bill_rate": cents, "unit": "hour", "currency": deal.currency, "effective_from": deal.start,
            "effective_to": deal.end, "recorded_at": at(deal.signed, 18, 30),
        }
        for deal in deals if any(each.offering == "time_and_materials" for each in deal.promises)
        for place, (role, cents) in enumerate(deal.rates.items())
    ]  # fmt: skip
    return record_frame("rate", rows, (*RATE, "recorded_at"))


def milestones(deals: list[Deal], calendar: Calendar) -> pl.DataFrame:
    """Return the milestones of fixed fees; those due in the simulated months are completed and accepted.

    Acceptance comes three days after completion, and the invoice the day after that.
    """
    rows: list[dict[str, object]] = []
    for deal in deals:
        for promise in deal.promises:
            for place, due in enumerate(promise.milestones):
                accepted = due.due + dt.timedelta(days=3)
                is_done = accepted + dt.timedelta(days=1) <= calendar.last_day
                known = deal.change.approved if due.is_added and deal.change else deal.signed
                rows.append(
                    {
                        "milestone_id": f"MS-{deal.index + 1:04}-{place + 1}", "project_id": promise.project_id,
                        "contract_line_id": promise.id,
                        "name": "Additional scope delivered" if due.is_added else f"Milestone {place + 1}",
                        "amount": due.cents, "currency": deal.currency, "due_date": due.due,
                        "completed_date": due.due if is_done else None, "accepted_date": accepted if is_done else None,
                        "accepted_by": f"{deal.customer.name.split()[0]} steering committee" if is_done else None,
                        "recorded_at": at(known, 19),
                    }
                )  # fmt: skip
    return record_frame("milestone", rows, (*MILESTONE, "recorded_at"))


_CATEGORIES: Final = ("travel", "hotel", "meals", "licence")


def expenses(deals: list[Deal], staff: Staff, calendar: Calendar, draws: Draws) -> pl.DataFrame:
    """Return the expenses recharged to customers: a few each month, approved by the month's end."""
    rows: list[dict[str, object]] = []
    for deal in deals:
        promise = next((each for each in deal.promises if each.offering == "pass_through"), None)
        seats = [seat for seat in staff.seats if seat.deal is deal]
        if promise is None or not seats:
            continue
        for month, (start, end) in enumerate(zip(calendar.month_starts, calendar.month_ends, strict=True)):
            count = draws.one(f"expenses {deal.index} {month}", 1, 4)
            amounts = draws.many(f"amounts {deal.index} {month}", count, 100, 3000)
            for place in range(count):
                seat = seats[place % len(seats)]
                day = start + dt.timedelta(days=3 + 7 * place)
                if not (max(seat.start, deal.work_start) <= day <= min(seat.end, promise.end)):
                    continue
                rows.append(
                    {
                        "expense_id": f"EXP-{deal.index + 1:04}-{month + 1:02}-{place + 1}",
                        "resource_id": seat.person.id if seat.person else None, "project_id": promise.project_id,
                        "contract_line_id": promise.id, "incurred_date": day,
                        "category": _CATEGORIES[(place + month) % len(_CATEGORIES)],
                        # Steps of 20 cents keep a markup of 5 percent exact.
                        "amount": int(amounts[place]) * 20, "tax_amount": 0, "currency": deal.currency,
                        "billable": True, "reimbursable": True, "has_receipt": True, "status": "approved",
                        "submitted_at": at(day + dt.timedelta(days=2), 16), "decided_at": at(min(day + dt.timedelta(days=6), end), 11),
                        "approved_by": staff.managers[promise.project_id].id, "markup_pct": 500,
                        "value": int(amounts[place]) * 21, "recorded_at": at(day + dt.timedelta(days=1), 12),
                    }
                )  # fmt: skip
    extra = {"decided_at": pl.Datetime("us", "UTC"), "value": pl.Int64()}
    return record_frame("expense", rows, (*EXPENSE, "recorded_at", "decided_at", "value"), extra)
