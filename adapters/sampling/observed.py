"""What the systems say about themselves: the integration log, and the figures of their reports."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from adapters.sampling.calendar import Calendar, at
from adapters.sampling.parties import REPORTING_CURRENCY
from adapters.sampling.records import half_up

# Which system tells which others about a new record of an entity.
_FLOWS: Final = (
    ("customer", "customer_id", "crm", ("psa", "billing", "erp"), "created"),
    ("contract", "contract_id", "crm", ("psa", "billing", "erp", "revrec"), "created"),
    ("amendment", "amendment_id", "crm", ("billing", "revrec"), "approved"),
    ("project", "project_id", "psa", ("erp",), "created"),
    ("invoice", "invoice_id", "billing", ("erp",), "posted"),
    ("payment", "payment_id", "billing", ("erp",), "created"),
)

_MILLION: Final = 1_000_000


def integration_events(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return an event for every new record that other systems must hear of, processed within minutes."""
    parts = [
        frames[entity].select(
            pl.lit(sender).alias("from_system"), pl.lit(receiver).alias("to_system"), pl.lit(entity).alias("entity"),
            pl.col(key).alias("entity_id"), pl.lit(kind).alias("event_type"), pl.col("recorded_at").alias("occurred_at"),
        )
        for entity, key, sender, receivers, kind in _FLOWS for receiver in receivers
    ]  # fmt: skip
    log = pl.concat(parts).sort("occurred_at", "entity", "entity_id", "to_system")
    seconds = pl.int_range(pl.len()) % 50
    correlation = pl.format("{}-{}-{}", "entity", "entity_id", "event_type")
    return log.with_columns(
        pl.format("EVT-{}-{}-{}", "entity_id", "event_type", "to_system").alias("event_id"),
        (pl.col("occurred_at") + pl.duration(seconds=seconds + 2)).alias("received_at"),
        (pl.col("occurred_at") + pl.duration(seconds=seconds * 3 + 20)).alias("processed_at"),
        pl.lit("processed").alias("status"), pl.lit(1, dtype=pl.Int64).alias("attempts"),
        pl.lit(None, dtype=pl.String).alias("error"), correlation.alias("correlation_id"),
        (pl.col("occurred_at") + pl.duration(seconds=seconds * 3 + 20)).alias("recorded_at"),
    )  # fmt: skip


_METRIC: Final = ("metric", "reported_by", "period", "dimension", "value", "unit", "recorded_at")


def _reported(figures: pl.DataFrame, metric: str, systems: tuple[str, ...]) -> pl.DataFrame:
    """Return figures (period_end, dimension, value, unit) as each of the systems reports them."""
    named = figures.with_columns(
        pl.lit(metric).alias("metric"), pl.col("period_end").dt.strftime("%Y-%m").alias("period"),
        (pl.col("period_end").cast(pl.Datetime("us")) + pl.duration(hours=22)).dt.replace_time_zone("UTC").alias("recorded_at"),
    )  # fmt: skip
    return pl.concat([named.with_columns(pl.lit(system).alias("reported_by")).select(_METRIC) for system in systems])


def reported_metrics(frames: Mapping[str, pl.DataFrame], daily: pl.DataFrame, calendar: Calendar) -> pl.DataFrame:
    """Return what the reports say at each month's end; in a clean firm two systems say the same.

    Utilization: approved billable hours over the capacity of the people employed, percent with two
    decimals. Billed and recognized: by company in its currency. Backlog: signed value and approved
    amendments less recognized, at the month's closing rates, in the group's currency.
    """
    return pl.concat(
        [
            _reported(_utilization(frames, calendar), "utilization", ("psa", "warehouse")),
            _reported(_billed(frames), "billed", ("billing", "warehouse")),
            _reported(_recognized(frames, daily, calendar), "recognized", ("revrec", "erp")),
            _reported(_backlog(frames, daily, calendar), "backlog", ("psa", "revrec")),
        ]
    ).sort("recorded_at", "metric", "dimension", "reported_by")


def _capacity(people: pl.DataFrame, calendar: Calendar) -> pl.DataFrame:
    """Return each person's available hours (hundredths) by month: capacity of the weekdays employed."""
    parts: list[pl.DataFrame] = []
    for start, end in zip(calendar.month_starts, calendar.month_ends, strict=True):
        first = people["start_date"].clip(lower_bound=start).to_numpy().astype("datetime64[D]")
        last = people["end_date"].fill_null(end).clip(upper_bound=end).to_numpy().astype("datetime64[D]")
        days = np.maximum(np.busday_count(first, last + np.timedelta64(1, "D")), 0)
        days = np.where(last < first, 0, days)
        hours = pl.Series(days) * pl.col("weekly_capacity_hours") // 5
        parts.append(people.select("service_line", pl.lit(end).alias("period_end"), hours.alias("hours")))
    return pl.concat(parts)


def _utilization(frames: Mapping[str, pl.DataFrame], calendar: Calendar) -> pl.DataFrame:
    people = frames["resource"]
    worked = (
        frames["time_entry"].lazy().filter((pl.col("status") == "approved") & pl.col("billable"))
        .group_by("resource_id", pl.col("work_date").dt.month_end().alias("period_end")).agg(pl.col("hours").sum())
        .collect()
        .join(people.select("resource_id", "service_line"), on="resource_id", how="left")
    )  # fmt: skip
    both = worked.select("service_line", "period_end", pl.col("hours").alias("worked")), _capacity(people, calendar)
    parts: list[pl.DataFrame] = []
    for dimension in (pl.lit("total"), pl.format("service_line={}", "service_line")):
        key = [dimension.alias("dimension"), pl.col("period_end")]
        share = both[1].group_by(key).agg(pl.col("hours").sum()).join(
            both[0].group_by(key).agg(pl.col("worked").sum()), on=["dimension", "period_end"], how="left"
        ).filter(pl.col("hours") > 0)  # fmt: skip
        parts.append(share.with_columns(half_up(pl.col("worked").fill_null(0), 10_000, pl.col("hours")).alias("value")))
    return pl.concat(parts).with_columns(pl.lit("pct").alias("unit"))


def _by_company(amounts: pl.DataFrame) -> pl.DataFrame:
    """Return sums (cents) of cents × millionths by company and month, each rounded once."""
    grouped = amounts.group_by("legal_entity_id", "period_end", "unit").agg(pl.col("product").sum())
    return grouped.select(
        pl.format("legal_entity={}", "legal_entity_id").alias("dimension"), "period_end",
        half_up(pl.col("product"), 1, _MILLION).alias("value"), "unit",
    )  # fmt: skip


def _billed(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    return _by_company(
        frames["invoice"].with_columns(
            pl.col("invoice_date").dt.month_end().alias("period_end"), pl.col("functional").alias("unit"),
            (pl.col("net_amount") * pl.col("exchange_rate")).alias("product"),
        )
    )  # fmt: skip


def _rates_on(daily: pl.DataFrame, target: str) -> pl.DataFrame:
    return daily.rename({"from_currency": "currency", "to_currency": target, "day": "period_end"})


def _recognized(frames: Mapping[str, pl.DataFrame], daily: pl.DataFrame, calendar: Calendar) -> pl.DataFrame:
    known = frames["revenue_schedule_line"].filter(pl.col("period_end") <= calendar.last_day)
    company = frames["legal_entity"].select("legal_entity_id", pl.col("functional_currency").alias("unit"))
    joined = known.join(company, on="legal_entity_id", how="left").join(
        _rates_on(daily, "unit"), on=["currency", "unit", "period_end"], how="left"
    )
    return _by_company(joined.with_columns((pl.col("amount") * pl.col("rate")).alias("product")))


def _backlog(frames: Mapping[str, pl.DataFrame], daily: pl.DataFrame, calendar: Calendar) -> pl.DataFrame:
    contracts = frames["contract"]
    currency = contracts.select("contract_id", "currency")
    signed = contracts.select("currency", pl.col("signed_date").alias("day"), pl.col("total_value").alias("cents"))
    changed = (
        frames["amendment"]
        .join(currency, on="contract_id", how="left")
        .select("currency", pl.col("approved_date").alias("day"), pl.col("amount_change").alias("cents"))
    )
    earned = frames["revenue_schedule_line"].select("currency", pl.col("period_end").alias("day"), (-pl.col("amount")).alias("cents"))
    moves = pl.concat([signed, changed, earned])
    parts = [
        moves.filter(pl.col("day") <= end).group_by("currency").agg(pl.col("cents").sum()).with_columns(pl.lit(end).alias("period_end"))
        for end in calendar.month_ends
    ]
    rates = _rates_on(daily, "target").filter(pl.col("target") == REPORTING_CURRENCY)
    priced = pl.concat(parts).join(rates, on=["currency", "period_end"], how="left")
    return priced.group_by("period_end").agg((pl.col("cents") * pl.col("rate")).sum().alias("product")).select(
        pl.lit("total").alias("dimension"), "period_end", half_up(pl.col("product"), 1, _MILLION).alias("value"),
        pl.lit(REPORTING_CURRENCY).alias("unit"),
    )  # fmt: skip


def failed_update(project_id: str, day: dt.date) -> dict[str, object]:
    """Return an update of a project that the ERP never managed to process."""
    return _event(project_id, "project", "psa", "erp", "updated", day, "failed", 5, "Segment 'department' is inactive")


def repeated_event(event: Mapping[str, object]) -> dict[str, object]:
    """Return the same event delivered and processed once more, a minute and a half later."""
    later = {
        name: value + dt.timedelta(seconds=90)
        for name, value in event.items() if name in ("received_at", "processed_at", "recorded_at") and isinstance(value, dt.datetime)
    }  # fmt: skip
    return {**event, **later, "event_id": f"{event['event_id']}-2"}


def _event(
    entity_id: str, entity: str, sender: str, receiver: str, kind: str, day: dt.date, status: str, attempts: int, error: str
) -> dict[str, object]:  # fmt: skip
    occurred = at(day, 13)
    return {
        "event_id": f"EVT-{entity_id}-{kind}-{receiver}", "from_system": sender, "to_system": receiver, "entity": entity,
        "entity_id": entity_id, "event_type": kind, "occurred_at": occurred, "received_at": occurred + dt.timedelta(seconds=4),
        "processed_at": None, "status": status, "attempts": attempts, "error": error,
        "correlation_id": f"{entity}-{entity_id}-{kind}", "recorded_at": occurred + dt.timedelta(minutes=2),
    }  # fmt: skip
