"""Exchange rates of the sample firm: a daily walk, kept as whole millionths."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from adapters.sampling.calendar import Calendar, at
from adapters.sampling.draws import Draws
from adapters.sampling.records import record_frame

_START: Final = {"USD": 1_080_000, "GBP": 850_000}
_ONE: Final = 1_000_000
_RATE: Final = ("from_currency", "to_currency", "rate_date", "rate_type", "rate", "recorded_at")


def daily_rates(calendar: Calendar, draws: Draws) -> pl.DataFrame:
    """Return the rate of every pair on every calendar day: from_currency, to_currency, day, rate (millionths).

    A weekend has Friday's rate. A currency to itself has the rate 1.
    """
    days = [calendar.first_day + dt.timedelta(days=n) for n in range((calendar.last_day - calendar.first_day).days + 1)]
    euro: dict[str, list[int]] = {"EUR": [_ONE] * len(days)}
    for currency, start in _START.items():
        steps = draws.many(f"walk {currency}", len(days), -2500, 2501).tolist()
        walk: list[int] = []
        current = start
        for day, step in zip(days, steps, strict=True):
            current += step if day.weekday() < 5 else 0
            walk.append(current)
        euro[currency] = walk
    frames = [
        pl.DataFrame(
            {
                "from_currency": source, "to_currency": target, "day": days,
                "rate": [(2 * high * _ONE + low) // (2 * low) for low, high in zip(euro[source], euro[target], strict=True)],
            }
        )
        for source in euro for target in euro
    ]  # fmt: skip
    return pl.concat(frames)


def exchange_rates(daily: pl.DataFrame) -> pl.DataFrame:
    """Return the published rates: spot on weekdays and the first day, average and closing at each month's end."""
    pairs = daily.filter(pl.col("from_currency") != pl.col("to_currency"))
    weekdays = pairs.filter(pl.col("day").dt.weekday() <= 5)
    # The first day may be a weekend, and there is no Friday before it.
    spot = pairs.filter((pl.col("day").dt.weekday() <= 5) | (pl.col("day") == pl.col("day").min())).with_columns(
        pl.col("day").alias("rate_date"), pl.lit("spot").alias("rate_type"),
        (pl.col("day").cast(pl.Datetime("us")) + pl.duration(hours=6)).dt.replace_time_zone("UTC").alias("recorded_at"),
    )  # fmt: skip
    month_end = pl.col("day").dt.month_end().alias("rate_date")
    key = ["from_currency", "to_currency", month_end]
    total, count = pl.col("rate").sum(), pl.len().cast(pl.Int64)
    average = weekdays.group_by(key, maintain_order=True).agg(((2 * total + count) // (2 * count)).alias("rate"))
    closing = pairs.group_by(key, maintain_order=True).agg(pl.col("rate").last())
    published = [(average, "average", 18), (closing, "closing", 19)]
    monthly = [
        frame.with_columns(
            pl.lit(kind).alias("rate_type"),
            (pl.col("rate_date").cast(pl.Datetime("us")) + pl.duration(hours=hour)).dt.replace_time_zone("UTC").alias("recorded_at"),
        )
        for frame, kind, hour in published
    ]  # fmt: skip
    return pl.concat([frame.select(_RATE) for frame in (spot, *monthly)])


def fiscal_periods(companies: list[str], calendar: Calendar, last: dt.date) -> pl.DataFrame:
    """Return each company's months through `last`; a month closes on the eighth of the next.

    `closed_at` is when it will be closed, whether or not that has happened.
    """
    rows: list[dict[str, object]] = []
    for company in companies:
        start = calendar.first_day
        while start <= last:
            end = (start + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
            rows.append(
                {
                    "legal_entity_id": company, "period": f"{start.year}-{start.month:02}", "start_date": start,
                    "end_date": end, "closed_at": at(end + dt.timedelta(days=8), 18),
                    "recorded_at": at(calendar.first_day - dt.timedelta(days=60), 9),
                }
            )  # fmt: skip
            start = end + dt.timedelta(days=1)
    columns = ("legal_entity_id", "period", "start_date", "end_date", "closed_at", "recorded_at")
    return record_frame("fiscal_period", rows, columns)
