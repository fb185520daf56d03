"""Fiscal periods without gaps: a legal entity's own where its books have them, calendar months elsewhere."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.nothing import of_nothing
from engine.revenue.ground.frames import PERIODS, shaped

_HALF_A_MONTH: Final = 14


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
    made = [months.with_columns(pl.lit("").alias("calendar")), own, _beside(own, months)]
    return pl.concat([shaped(each, PERIODS) for each in made]).sort("calendar", "start_date")


@of_nothing
def _beside(own: pl.DataFrame, months: pl.DataFrame) -> pl.DataFrame:
    """Return the months that fiscal calendars leave out: within one by their names, before and after it numbered on from its own.

    What a calendar leaves of a month is a period; less than half of one is a part of the next (before the calendar: of the month before).
    """
    begin, end = pl.col("start_date"), pl.col("end_date")
    pieces = _gaps(own, months).join(months, how="cross").filter((begin <= pl.col("to")) & (end >= pl.col("from")))
    pieces = pieces.with_columns(pl.max_horizontal(begin, "from").alias("start_date"), pl.min_horizontal(end, "to").alias("end_date"))
    after, ahead = pl.col("side") == 1, pl.col("side") == -1
    joins = (after & (begin == pl.col("from"))) | (ahead & (end == pl.col("to")))
    side = ("calendar", "side")
    short = joins & ((end - begin).dt.total_days() < _HALF_A_MONTH) & (pl.len().over(side) > 1)
    pieces = pieces.with_columns(short.alias("short")).sort(*side, "start_date")
    pieces = pieces.with_columns(
        pl.when(pl.col("short").shift(1).over(side) & after).then("from").otherwise(begin).alias("start_date"),
        pl.when(pl.col("short").shift(-1).over(side) & ahead).then("to").otherwise(end).alias("end_date"),
    )
    return _numbered(pieces.filter(~pl.col("short")), own)


def _gaps(own: pl.DataFrame, months: pl.DataFrame) -> pl.DataFrame:
    """Return the days that each fiscal calendar leaves before (`side` -1), within (0) and after it (1): calendar, from, to, side."""
    day = pl.duration(days=1)
    held = own.sort("calendar", "start_date").with_columns(pl.col("end_date").cum_max().over("calendar").alias("→through"))
    since = (pl.col("→through").shift(1).over("calendar") + day).alias("from")
    whole = held.group_by("calendar").agg(pl.col("start_date").min(), pl.col("→through").max())
    before = (pl.col("start_date") - day).alias("to")
    first, last = (pl.lit(each, dtype=pl.Date) for each in (months["start_date"].min(), months["end_date"].max()))
    gaps = pl.concat([
        whole.select("calendar", first.alias("from"), before, pl.lit(-1).alias("side")),
        held.select("calendar", since, before, pl.lit(0).alias("side")),
        whole.select("calendar", (pl.col("→through") + day).alias("from"), last.alias("to"), pl.lit(1).alias("side")),
    ])  # fmt: skip
    return gaps.filter(pl.col("from") <= pl.col("to"))


def _numbered(pieces: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    """Name the periods before and after a calendar on from its first and last label (13 a year where it has a thirteenth)."""
    parts = pl.col("period").str.extract_groups(r"^(\d{4})-(\d{2})$")
    told = own.select("calendar", "period", "start_date", *(parts.struct[at].cast(pl.Int64).alias(f"→{at}") for at in (0, 1)))
    told = told.with_columns(pl.max_horizontal(pl.col("→1").max().over("calendar"), 12).alias("→year"))
    told = told.with_columns((pl.col("→0") * pl.col("→year") + pl.col("→1") - 1).alias("→place")).sort("calendar", "start_date")
    ends = told.group_by("calendar").agg(
        pl.col("→year").first(), pl.col("→place").first().alias("→first"), pl.col("→place").last().alias("→last"),
        pl.col("period").alias("→names"), pl.col("→place").is_null().any().alias("→unnumbered"),
    )  # fmt: skip
    made = pieces.join(ends, on="calendar", how="inner").sort("calendar", "side", "start_date")
    side = ("calendar", "side")
    rank, count = pl.int_range(pl.len()).over(side), pl.len().cast(pl.Int64).over(side)
    made = made.with_columns(
        pl.when(pl.col("side") == 1).then(pl.col("→last") + 1 + rank).otherwise(pl.col("→first") - count + rank).alias("→at")
    )
    number = (pl.col("→at") % pl.col("→year") + 1).cast(pl.String).str.zfill(2)
    is_numbered = (pl.col("side") != 0) & ~pl.col("→unnumbered")
    name = pl.when(is_numbered).then(pl.format("{}-{}", pl.col("→at") // pl.col("→year"), number)).otherwise("period")
    made = made.with_columns(name.alias("period"))
    # A month within the calendar whose name the calendar gives to another is of the period before it.
    return made.filter((pl.col("side") != 0) | ~pl.col("period").is_in(pl.col("→names")))


def _months(first: dt.date, last: dt.date) -> pl.DataFrame:
    begin = first.replace(day=1)
    days = pl.date_range(begin, max(last, first), interval="1mo", eager=True).alias("start_date")
    return pl.DataFrame({"start_date": days}).with_columns(
        pl.col("start_date").dt.month_end().alias("end_date"),
        pl.col("start_date").dt.strftime("%Y-%m").alias("period"),
        pl.lit("open").alias("status"),
    )


@of_nothing
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


@of_nothing
def first_open(rows: pl.DataFrame, periods: pl.DataFrame, day: str, known: str) -> pl.DataFrame:
    """Add the first period, from that of `day` on, that was open when `known`: its first day (`→open`) and its last (`→closes`).

    `rows` have `calendar`; both are null where there is no such period.
    """
    spans = periods.select("calendar", "start_date", "end_date", "closed_at").rename({"start_date": "→from", "end_date": "→end"})
    found = rows.select("calendar", day, known).unique().join(spans, on="calendar", how="inner")
    is_open = pl.col("closed_at").is_null() | (pl.col("closed_at") >= pl.col(known))
    found = found.filter((pl.col("→end") >= pl.col(day)) & is_open)
    first = found.group_by("calendar", day, known).agg(pl.col("→from").min().alias("→open"), pl.col("→end").min().alias("→closes"))
    return rows.join(first, on=["calendar", day, known], how="left", maintain_order="left")
