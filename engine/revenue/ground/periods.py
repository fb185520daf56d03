"""Fiscal periods without gaps: a legal entity's own where its books have them, calendar months elsewhere."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.revenue.ground.frames import PERIODS, shaped


def period_frame(fiscal: pl.DataFrame, first: dt.date, last: dt.date) -> pl.DataFrame:
    """Return the periods of every calendar between two days (`frames.PERIODS`); `fiscal` holds fiscal_period records."""
    months = _months(first, last)
    # Books that tell when a period was closed, and no status, have closed it unless it was reopened since.
    reopened = (pl.col("reopened_at") > pl.col("closed_at")).fill_null(value=False)
    is_open = pl.coalesce(pl.col("status") == "open", reopened)
    own = (
        fiscal.filter(pl.col("start_date").is_not_null() & pl.col("end_date").is_not_null())
        .with_columns(
            pl.col("legal_entity_id").alias("calendar"),
            pl.when(~is_open).then(pl.col("closed_at")).alias("closed_at"),
        )
        .unique(["calendar", "period"], keep="first", maintain_order=True)
    )
    spans = own.group_by("calendar").agg(pl.col("start_date").min().alias("from"), pl.col("end_date").max().alias("to"))
    around = months.join(spans, how="cross")
    # A month that a fiscal calendar reaches into keeps only the days the calendar leaves.
    before = around.filter(pl.col("start_date") < pl.col("from")).with_columns(
        pl.min_horizontal("end_date", pl.col("from").dt.offset_by("-1d")).alias("end_date")
    )
    after = around.filter(pl.col("end_date") > pl.col("to")).with_columns(
        pl.max_horizontal("start_date", pl.col("to").dt.offset_by("1d")).alias("start_date")
    )
    made = pl.concat([shaped(each, PERIODS) for each in (months.with_columns(pl.lit("").alias("calendar")), own, before, after)])
    return made.sort("calendar", "start_date")


def _months(first: dt.date, last: dt.date) -> pl.DataFrame:
    begin = first.replace(day=1)
    days = pl.date_range(begin, max(last, first), interval="1mo", eager=True).alias("start_date")
    return pl.DataFrame({"start_date": days}).with_columns(
        pl.col("start_date").dt.month_end().alias("end_date"),
        pl.col("start_date").dt.strftime("%Y-%m").alias("period"),
        pl.lit("open").alias("status"),
    )


def with_period(frame: pl.DataFrame, periods: pl.DataFrame, day: str, prefix: str = "") -> pl.DataFrame:
    """Add the period of each row's day in its `calendar`: `<prefix>period`, `<prefix>period_end`, `<prefix>closed_at`."""
    starts = periods.select(
        "calendar",
        pl.col("start_date").alias("→start"),
        pl.col("period").alias(f"{prefix}period"),
        pl.col("end_date").alias(f"{prefix}period_end"),
        pl.col("closed_at").alias(f"{prefix}closed_at"),
    ).sort("→start")
    # Each day of a calendar is looked up once, however many rows are of it.
    days = frame.select("calendar", day).unique().filter(pl.col(day).is_not_null()).sort(day)
    found = days.join_asof(starts, left_on=day, right_on="→start", by="calendar", strategy="backward", check_sortedness=False)
    return frame.join(found.drop("→start", strict=False), on=["calendar", day], how="left", maintain_order="left", validate="m:1")


def first_open(rows: pl.DataFrame, periods: pl.DataFrame, day: str, known: str) -> pl.DataFrame:
    """Return rows (with `calendar`) with the first day of the first period, from that of `day` on, that was open when `known` (`→open`)."""
    spans = periods.select("calendar", "start_date", "end_date", "closed_at").rename({"start_date": "→from", "end_date": "→end"})
    found = rows.select("calendar", day, known).unique().join(spans, on="calendar", how="inner")
    is_open = pl.col("closed_at").is_null() | (pl.col("closed_at") >= pl.col(known))
    found = found.filter((pl.col("→end") >= pl.col(day)) & is_open)
    first = found.group_by("calendar", day, known).agg(pl.col("→from").min().alias("→open"))
    return rows.join(first, on=["calendar", day, known], how="left", maintain_order="left")
