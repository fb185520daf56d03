"""What fixed fees are expected to take: hours and cost of the work, and where a partner shares in it the cost in all, month by month."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from adapters.sampling.calendar import Calendar, at, month_ends, workdays_between
from adapters.sampling.contracts import PLANNED_HOURS_A_DAY_PCT, Deal, Promise
from adapters.sampling.costs import MONTHS_BEFORE_REVISION, Purchases
from adapters.sampling.records import record_frame

PROGRESS: Final = ("progress_id", "contract_line_id", "as_of_date", "cost_to_date", "estimated_total_cost", "currency")

_COST_AN_HOUR: Final = 70
_LABOUR_SIGNED_PCT: Final = 92


@dataclass(frozen=True, slots=True)
class Effort:
    """Say what a fixed fee is expected to take: hundredths of hours and cents of cost, before and after a change."""

    hours: int
    cost: int
    hours_after: int
    cost_after: int


def fixed_fee_effort(deals: list[Deal], entries: pl.DataFrame, calendar: Calendar) -> dict[str, Effort]:
    """Return the estimates of every fixed-fee promise by its id.

    Work ends on estimate: a project that ends within the simulated months takes the hours that are
    logged, one that runs on takes them in proportion to its days, one not begun what is planned.
    """
    logged = (
        entries.lazy().filter(pl.col("offering") == "fixed_fee").group_by("contract_line_id")
        .agg(pl.col("hours").sum(), (pl.col("hours") * pl.col("cost_rate") // 100).sum().alias("cost")).collect()
    )  # fmt: skip
    totals = {row["contract_line_id"]: (row["hours"], row["cost"]) for row in logged.to_dicts()}
    efforts: dict[str, Effort] = {}
    for deal in deals:
        for promise in deal.promises:
            if promise.offering != "fixed_fee":
                continue
            if promise.start > calendar.last_day:
                hours = len(promise.team) * workdays_between(promise.start, promise.end) * PLANNED_HOURS_A_DAY_PCT
                efforts[promise.id] = Effort(hours, hours * _COST_AN_HOUR, hours, hours * _COST_AN_HOUR)
                continue
            hours, cost = totals.get(promise.id, (0, 0))
            days = (promise.end - promise.start).days + 1
            seen = (min(promise.end, calendar.last_day) - promise.start).days + 1
            if seen < days:
                # The next whole hour: what is left is never less than nothing.
                hours, cost = -(-hours * days // seen // 100) * 100, cost * days // seen
            before = hours * 10 // 11 // 25 * 25 if deal.change else hours
            efforts[promise.id] = Effort(before, cost * 10 // 11 if deal.change else cost, hours, cost)
    return efforts


@dataclass(frozen=True, slots=True)
class Outlook:
    """Say what work measured by cost had cost at each month's end, and what it was then expected to cost in all, in cents."""

    signed: int
    ends: tuple[dt.date, ...]
    spent: tuple[int, ...]
    expected: tuple[int, ...]


def cost_outlooks(
    deals: list[Deal], entries: pl.DataFrame, efforts: Mapping[str, Effort], bought: Purchases, calendar: Calendar
) -> dict[str, Outlook]:  # fmt: skip
    """Return the outlooks of the fixed fees measured by cost, by promise: approved hours at cost and what vendors billed.

    In the third month the cost is estimated anew: what is spent, and what will be.
    """
    wanted = {deal.promises[0].id: deal.promises[0] for deal in deals if deal.is_by_cost}
    worked = entries.filter(pl.col("contract_line_id").is_in(list(wanted)) & (pl.col("status") == "approved")).select(
        "contract_line_id", pl.col("work_date").alias("day"), (pl.col("hours") * pl.col("cost_rate") // 100).alias("cost")
    )
    billed = bought.lines.filter(pl.col("contract_line_id").is_in(list(wanted))).select(
        "contract_line_id", pl.col("service_end").alias("day"), pl.col("net_amount").alias("cost")
    )
    spent = pl.concat([worked, billed])
    return {
        key: _outlook(promise, spent.filter(pl.col("contract_line_id") == key), billed.filter(pl.col("contract_line_id") == key),
                      efforts[key], calendar)
        for key, promise in wanted.items()
    }  # fmt: skip


def _outlook(promise: Promise, spent: pl.DataFrame, billed: pl.DataFrame, effort: Effort, calendar: Calendar) -> Outlook:
    months = list(month_ends(promise.start, promise.end))
    ends = tuple(end for end in months if end <= calendar.last_day)
    to_come = (len(months) - len(ends)) * promise.partner_cents * 150 // 100
    revised = effort.cost + int(billed["cost"].sum()) + to_come
    # As signed, in whole 500s: some of the hours and what the partner takes more later are not seen.
    signed = -(-(effort.cost * _LABOUR_SIGNED_PCT // 100 + promise.partner_cents * len(months)) // 500_00) * 500_00
    return Outlook(
        signed, ends, tuple(int(spent.filter(pl.col("day") <= end)["cost"].sum()) for end in ends),
        tuple(signed if place < MONTHS_BEFORE_REVISION else revised for place, _ in enumerate(ends)),
    )  # fmt: skip


def with_costs(efforts: Mapping[str, Effort], outlooks: Mapping[str, Outlook]) -> dict[str, Effort]:
    """Return the efforts with the cost in all, a partner's included, of what is measured by it."""
    return {key: replace(each, cost=outlooks[key].signed) if key in outlooks else each for key, each in efforts.items()}


def progress(deals: list[Deal], outlooks: Mapping[str, Outlook]) -> pl.DataFrame:
    """Return what project accounting reports at each month's end: cost to date, and at completion."""
    rows = [
        {
            "progress_id": f"EAC-{deal.index + 1:04}-{end:%Y-%m}", "contract_line_id": deal.promises[0].id, "as_of_date": end,
            "cost_to_date": spent, "estimated_total_cost": expected, "currency": deal.currency, "recorded_at": at(end, 20),
            "created_by": "erp.project_accounting",
        }
        for deal in deals if deal.promises[0].id in outlooks
        for outlook in [outlooks[deal.promises[0].id]]
        for end, spent, expected in zip(outlook.ends, outlook.spent, outlook.expected, strict=True)
    ]  # fmt: skip
    return record_frame("progress", rows, (*PROGRESS, "recorded_at", "created_by"))
