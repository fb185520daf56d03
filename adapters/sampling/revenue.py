"""What the revenue engine does: how much of every promise each month earns.

Hours and expenses are earned as delivered, fixed fees by hours to date over estimated hours (where a
partner shares in the work by cost to date over estimated cost), and promises paid by plan by the day.
Amounts are whole cents; every schedule rounds its cumulative amount and books the difference, so that
the whole term sums to the price.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

from adapters.sampling.calendar import Calendar, at, month_end, month_ends
from adapters.sampling.contracts import Deal, Promise
from adapters.sampling.estimates import Effort, Outlook
from adapters.sampling.mistakes import Mistakes
from adapters.sampling.records import PolarsType, half_up_int

_BY_DAY: Final = frozenset({"retainer", "managed_service", "subscription"})

_SCHEDULE: Final[dict[str, PolarsType]] = {
    "contract_id": pl.String, "contract_line_id": pl.String, "period_end": pl.Date, "amount": pl.Int64,
    "currency": pl.String, "is_catch_up": pl.Boolean, "nature": pl.String, "recorded_at": pl.Datetime("us", "UTC"),
}  # fmt: skip


def revenue_schedule(
    deals: list[Deal], entries: pl.DataFrame, expenses: pl.DataFrame, efforts: Mapping[str, Effort],
    outlooks: Mapping[str, Outlook], calendar: Calendar, mistakes: Mistakes,
) -> pl.DataFrame:  # fmt: skip
    """Return the schedule: contract line, month's end, amount, whether it catches up, and its nature.

    `nature` is delivered, hours, costs or days; only promises earned by the day have months to come.
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
            elif promise.id in outlooks:
                rows += _by_cost(promise, deal, outlooks[promise.id], mistakes)
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
    for end in month_ends(promise.start, promise.end):
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
    for end in month_ends(promise.start, min(promise.end, calendar.last_day)):
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


def _by_cost(promise: Promise, deal: Deal, outlook: Outlook, mistakes: Mistakes) -> Iterator[dict[str, object]]:
    """Yield each month's revenue by cost; a new estimate catches up on the cost before its month, when the engine gets it."""
    price, earned, before, estimate = promise.cents or 0, 0, 0, outlook.signed
    known = iter([outlook.signed, *outlook.expected]) if deal.id in mistakes.late_estimate else iter(outlook.expected)
    for end, spent, expected in zip(outlook.ends, outlook.spent, known, strict=False):
        if expected != estimate:
            estimate = expected
            so_far = half_up_int(price, before, estimate)
            yield _row(promise, deal, end, so_far - earned, "costs", at(end, 20), catch_up=True)
            earned = so_far
        so_far = half_up_int(price, spent, estimate)
        if so_far != earned:
            yield _row(promise, deal, end, so_far - earned, "costs", at(end, 20))
        earned, before = so_far, spent


def _identified(schedule: pl.DataFrame) -> pl.DataFrame:
    period = pl.col("period_end").dt.strftime("%Y-%m")
    suffix = pl.when(pl.col("is_catch_up")).then(pl.lit("C")).otherwise(pl.lit(""))
    return schedule.with_columns(
        period.alias("period"),
        pl.format("RSL-{}-{}{}", pl.col("contract_line_id").str.strip_prefix("CON-"), period, suffix).alias("schedule_line_id"),
    )
