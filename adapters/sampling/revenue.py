"""What the revenue engine does: how much of every promise each month earns.

Hours and expenses are earned as delivered, fixed fees by hours to date over estimated hours, and
promises paid by plan by the day. Amounts are whole cents; every schedule rounds its cumulative
amount and books the difference, so that the whole term sums to the price.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from adapters.sampling.calendar import Calendar, at, month_end, workdays_between
from adapters.sampling.contracts import PLANNED_HOURS_A_DAY_PCT, Deal, Promise
from adapters.sampling.mistakes import Mistakes
from adapters.sampling.records import PolarsType, half_up_int

_COST_AN_HOUR: Final = 70
_BY_DAY: Final = frozenset({"retainer", "managed_service", "subscription"})

_SCHEDULE: Final[dict[str, PolarsType]] = {
    "contract_id": pl.String, "contract_line_id": pl.String, "period_end": pl.Date, "amount": pl.Int64,
    "currency": pl.String, "is_catch_up": pl.Boolean, "nature": pl.String, "recorded_at": pl.Datetime("us", "UTC"),
}  # fmt: skip


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


def revenue_schedule(
    deals: list[Deal], entries: pl.DataFrame, expenses: pl.DataFrame, efforts: Mapping[str, Effort], calendar: Calendar,
    mistakes: Mistakes,
) -> pl.DataFrame:  # fmt: skip
    """Return the schedule: contract line, month's end, amount, whether it catches up, and its nature.

    `nature` is delivered, hours or days; only promises earned by the day have months to come.
    """
    delivered = _delivered(deals, entries, expenses, mistakes)
    by_month = (
        entries.lazy().filter((pl.col("offering") == "fixed_fee") & (pl.col("status") == "approved"))
        .group_by("contract_line_id", pl.col("work_date").dt.month_end().alias("period_end")).agg(pl.col("hours").sum())
        .collect()
    )  # fmt: skip
    worked = {(row["contract_line_id"], row["period_end"]): row["hours"] for row in by_month.to_dicts()}
    rows: list[dict[str, object]] = []
    for deal in deals:
        for promise in deal.promises:
            if promise.offering in _BY_DAY and not _is_missed(promise, deal, mistakes):
                rows += _by_day(promise, deal)
            elif promise.offering == "fixed_fee":
                rows += _by_hours(promise, deal, efforts[promise.id], worked, calendar, mistakes)
    planned = pl.DataFrame(rows, schema=_SCHEDULE)
    return _identified(pl.concat([delivered, planned]))


def _is_missed(promise: Promise, deal: Deal, mistakes: Mistakes) -> bool:
    return promise.added and deal.id in mistakes.missed_change


def _delivered(deals: list[Deal], entries: pl.DataFrame, expenses: pl.DataFrame, mistakes: Mistakes) -> pl.DataFrame:
    """Return what hours and recharged expenses earn in their month."""
    is_earned = (pl.col("status") == "approved") & pl.col("billable")
    hours = (
        entries.lazy()
        .filter(is_earned & (pl.col("offering") == "time_and_materials"))
        .select("contract_line_id", pl.col("work_date").dt.month_end().alias("period_end"), "value")
    )
    spent = (
        expenses.lazy().filter(is_earned).select("contract_line_id", pl.col("incurred_date").dt.month_end().alias("period_end"), "value")
    )
    invented = pl.DataFrame(
        [
            {"contract_line_id": line, "period_end": month_end(dt.date.fromisoformat(f"{period}-01")), "value": cents}
            for line, period, cents in mistakes.unevidenced
        ],
        schema={"contract_line_id": pl.String, "period_end": pl.Date, "value": pl.Int64},
    ).lazy()
    lines = pl.DataFrame(
        [
            {"contract_line_id": promise.id, "contract_id": deal.id, "currency": deal.currency, "cap": mistakes.beyond_cap.get(promise.id)}
            for deal in deals for promise in deal.promises
        ],
        schema_overrides={"cap": pl.Int64},
    ).lazy()  # fmt: skip
    so_far = pl.min_horizontal(pl.col("amount").cum_sum().over("contract_line_id", order_by="period_end"), "cap")
    return (
        pl.concat([hours, spent, invented])
        .group_by("contract_line_id", "period_end").agg(pl.col("value").sum().alias("amount"))
        .join(lines, on="contract_line_id", how="left")
        .sort("contract_line_id", "period_end")
        .with_columns(so_far.alias("so_far"))
        .with_columns((pl.col("so_far") - pl.col("so_far").shift(1, fill_value=0).over("contract_line_id")).alias("amount"))
        .filter(pl.col("amount") != 0)
        .with_columns(
            pl.lit(value=False).alias("is_catch_up"), pl.lit("delivered").alias("nature"),
            (pl.col("period_end").cast(pl.Datetime("us")) + pl.duration(hours=20)).dt.replace_time_zone("UTC").alias("recorded_at"),
        )
        .select(*_SCHEDULE)
        .sort("contract_line_id", "period_end")
        .collect()
    )  # fmt: skip


def _months(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """Yield the month ends from the first day's month to the last day's."""
    end = month_end(first)
    while end <= month_end(last):
        yield end
        end = month_end(end + dt.timedelta(days=1))


def _row(
    promise: Promise, deal: Deal, end: dt.date, cents: int, nature: str, recorded: dt.datetime, *, catch_up: bool = False
) -> dict[str, object]:  # fmt: skip
    return {
        "contract_id": deal.id, "contract_line_id": promise.id, "period_end": end, "amount": cents,
        "currency": deal.currency, "is_catch_up": catch_up, "nature": nature, "recorded_at": recorded,
    }  # fmt: skip


def _by_day(promise: Promise, deal: Deal) -> Iterator[dict[str, object]]:
    price, days, earned = promise.cents or 0, (promise.end - promise.start).days + 1, 0
    known = at(deal.change.approved if promise.added and deal.change else deal.signed, 21)
    for end in _months(promise.start, promise.end):
        passed = (min(end, promise.end) - promise.start).days + 1
        so_far = half_up_int(price, passed, days)
        yield _row(promise, deal, end, so_far - earned, "days", known)
        earned = so_far


def _by_hours(
    promise: Promise, deal: Deal, effort: Effort, worked: Mapping[tuple[str, dt.date], int], calendar: Calendar,
    mistakes: Mistakes,
) -> Iterator[dict[str, object]]:  # fmt: skip
    """Yield each month's revenue of a fixed fee; a change of scope catches up on the day it takes effect."""
    change = None if deal.id in mistakes.missed_change else deal.change
    price, estimate = promise.cents or 0, effort.hours
    earned = hours = 0
    for end in _months(promise.start, min(promise.end, calendar.last_day)):
        recorded = at(end, 20)
        if change is not None and month_end(change.effective) == end:
            price, estimate = price + change.cents, effort.hours_after
            so_far = half_up_int(price, hours, estimate) if estimate else 0
            if so_far != earned:
                yield _row(promise, deal, end, so_far - earned, "hours", recorded, catch_up=True)
            earned = so_far
        hours += worked.get((promise.id, end), 0)
        so_far = half_up_int(price, min(hours, estimate), estimate) if estimate else 0
        if so_far != earned:
            yield _row(promise, deal, end, so_far - earned, "hours", recorded)
        earned = so_far


def _identified(schedule: pl.DataFrame) -> pl.DataFrame:
    period = pl.col("period_end").dt.strftime("%Y-%m")
    suffix = pl.when(pl.col("is_catch_up")).then(pl.lit("C")).otherwise(pl.lit(""))
    return schedule.with_columns(
        period.alias("period"),
        pl.format("RSL-{}-{}{}", pl.col("contract_line_id").str.strip_prefix("CON-"), period, suffix).alias("schedule_line_id"),
    )
