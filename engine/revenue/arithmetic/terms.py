"""Terms as columns: the months they lie in (calendar or fiscal), their seconds, what their ends count.

Everything is a plain integer column under a prefix, made in a few steps: one nested expression per
convention would grow beyond what a query planner takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from engine.revenue.arithmetic.numbers import WIDE, wide

DAY_SECONDS: Final = 86_400

# One month in units that every day count up to 42 (the longest fiscal month) divides: lcm(1..42).
MONTH: Final = 219060189739591200

PREFIX: Final = "term."
"""Of every column made on the way; they are dropped at the end."""

_BY_TIME: Final = ("actual_seconds", "prorated_ends")


@dataclass(frozen=True, slots=True)
class TermColumns:
    """Name a frame's columns that say a term: dates inclusive, instants exclusive at their end.

    The optional ones may be missing or null. `anchor_day` (1–31) replaces the start's day for
    anchored months. With `periods` (entity, start_date, end_date, without gaps) a month is the
    fiscal period of the row's entity; outside them it is the calendar month. `only`: the convention of
    every row, where they have one: what others count is not made.
    """

    convention: str = "convention"
    start: str = "start_date"
    end: str = "end_date"
    anchor_day: str | None = None
    service_start_at: str | None = None
    service_end_at: str | None = None
    periods: pl.LazyFrame | None = None
    entity: str = "legal_entity_id"
    only: str | None = None


def column(name: str) -> pl.Expr:
    """Return a working column."""
    return pl.col(PREFIX + name)


def named(**expressions: pl.Expr) -> list[pl.Expr]:
    """Return expressions named as working columns."""
    return [expression.alias(PREFIX + name) for name, expression in expressions.items()]


def drop_working(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Return the frame without working columns."""
    return frame.select(pl.exclude(f"^{PREFIX.replace('.', '[.]')}.*$"))


def day_number(day: pl.Expr) -> pl.Expr:
    """Return a date as days since 1970."""
    return day.cast(pl.Int32()).cast(pl.Int64())


def with_month(frame: pl.LazyFrame, name: str, terms: TermColumns) -> pl.LazyFrame:
    """Add of the working date `name` its month's running number, first day, days, and the day's place (0 first)."""
    day = column(name)
    months = frame.with_columns(
        named(**{
            f"{name}.index": day.dt.year().cast(pl.Int64()) * 12 + day.dt.month().cast(pl.Int64()),
            f"{name}.first": day_number(day.dt.month_start()), f"{name}.last": day_number(day.dt.month_end()),
            f"{name}.number": day_number(day),
        })
    )  # fmt: skip
    if terms.periods is not None:
        months = _with_period(months, name, terms.periods, terms.entity)
    first = column(f"{name}.first")
    days, place = column(f"{name}.last") - first + 1, column(f"{name}.number") - first
    return months.with_columns(named(**{f"{name}.days": days, f"{name}.place": place}))


def _with_period(frame: pl.LazyFrame, name: str, periods: pl.LazyFrame, entity: str) -> pl.LazyFrame:
    """Replace a date's calendar month by its entity's fiscal period, where there is one."""
    calendar = periods.select(
        pl.col(entity), day_number(pl.col("start_date")).alias("slot.first"), day_number(pl.col("end_date")).alias("slot.last"),
        pl.col("start_date").rank("ordinal").over(entity).cast(pl.Int64()).alias("slot.index"),
    ).filter(pl.col(entity).is_not_null()).sort("slot.first")  # fmt: skip
    row = frame.with_row_index("slot.row")
    found = (
        row.select("slot.row", entity, column(f"{name}.number").alias("slot.day")).drop_nulls().sort("slot.day")
        .join_asof(calendar, left_on="slot.day", right_on="slot.first", by=entity, check_sortedness=False)
        .filter(pl.col("slot.day") <= pl.col("slot.last"))
        .select("slot.row", "slot.index", "slot.first", "slot.last")
    )  # fmt: skip
    joined = row.join(found, on="slot.row", how="left", maintain_order="left")
    parts = {f"{name}.{part}": pl.coalesce(f"slot.{part}", PREFIX + f"{name}.{part}") for part in ("index", "first", "last")}
    return joined.with_columns(named(**parts)).drop("slot.row", "slot.index", "slot.first", "slot.last")


def with_term(frame: pl.LazyFrame, terms: TermColumns) -> pl.LazyFrame:
    """Add the working columns of a term: its ends, their months, its seconds, what its end months count."""
    convention = pl.col(terms.convention)
    by_time = convention.is_in(list(_BY_TIME))
    start_at, end_at = _optional(terms.service_start_at), _optional(terms.service_end_at)
    last_moment = (end_at - pl.duration(microseconds=1)).dt.date()
    ends = frame.with_columns(
        named(
            start=pl.when(by_time & start_at.is_not_null()).then(start_at.dt.date()).otherwise(pl.col(terms.start)),
            end=pl.when(by_time & end_at.is_not_null()).then(last_moment).otherwise(pl.col(terms.end)),
        )
    )
    # A service of no length ends the moment it starts: it lies on its day.
    ends = ends.with_columns(
        named(end=pl.when(by_time & (start_at == end_at).fill_null(value=False)).then(column("start")).otherwise(column("end")))
    )
    months = with_month(with_month(ends, "start", terms), "end", terms)
    anchor = pl.lit(None, dtype=pl.Int64()) if terms.anchor_day is None else pl.col(terms.anchor_day).cast(pl.Int64())
    seconds = months.with_columns(
        named(
            valid=(column("start") <= column("end")).fill_null(value=False),
            from_second=pl.coalesce(start_at.dt.epoch("s"), column("start.number") * DAY_SECONDS),
            to_second=pl.coalesce(end_at.dt.epoch("s"), (column("end.number") + 1) * DAY_SECONDS),
            anchor=pl.coalesce(anchor, column("start").dt.day().cast(pl.Int64())),
            one_month=column("start.index") == column("end.index"),
        )
    )
    return _with_ends_by_time(_with_end_months(seconds, convention))


def _optional(name: str | None) -> pl.Expr:
    return pl.lit(None, dtype=pl.Datetime("us", "UTC")) if name is None else pl.col(name).cast(pl.Datetime("us", "UTC"))


def part_of_month(days: pl.Expr, of: pl.Expr) -> pl.Expr:
    """Return days / length of a month in month units; exact up to 42 days."""
    return wide(MONTH) // of.cast(WIDE) * days.cast(WIDE)


def thirtieths(days: pl.Expr) -> pl.Expr:
    """Return days of a thirty-day month in month units, at most one month."""
    return wide(MONTH // 30) * pl.min_horizontal(days, pl.lit(30, dtype=pl.Int64())).cast(WIDE)


def _with_end_months(frame: pl.LazyFrame, convention: pl.Expr) -> pl.LazyFrame:
    """Add what the first, the last and an only month count, in month units."""
    served_first, served_last = column("start.days") - column("start.place"), column("end.place") + 1
    starts_whole, ends_whole = column("start.place") == 0, column("end.place") == column("end.days") - 1
    one, none = wide(MONTH), wide(0)
    start = (
        pl.when(convention == "monthly_even").then(part_of_month(served_first, column("start.days")))
        .when((convention == "thirty_day") & ~starts_whole).then(thirtieths(served_first))
        .when((convention == "even_no_partial_first") & ~starts_whole).then(none)
        .when((convention == "mid_month") & (column("start.place") >= 15)).then(none)
        .when(convention == "next_month").then(none)
        .otherwise(one)
    )  # fmt: skip
    # A term that has begun another month of its own reaches into its last calendar month.
    begun = column("end.place") >= pl.min_horizontal(column("start.place"), column("end.days") - 1)
    # Of two months that both do not count the one counts in which the term ends: what was promised is all there by then.
    neither = (column("end.index") == column("start.index") + 1) & (column("start.place") >= 15)
    end = (
        pl.when(convention == "monthly_even").then(part_of_month(served_last, column("end.days")))
        .when((convention == "thirty_day") & ~ends_whole).then(thirtieths(served_last))
        .when((convention == "even_no_partial_last") & ~ends_whole).then(none)
        .when((convention == "mid_month") & (column("end.place") < 14) & ~neither).then(none)
        .when((convention == "first_of_month") & ~begun).then(none)
        .otherwise(one)
    )  # fmt: skip
    served = column("end.number") - column("start.number") + 1
    alone = (
        pl.when(convention == "monthly_even").then(part_of_month(served, column("start.days")))
        .when((convention == "thirty_day") & ~(starts_whole & ends_whole)).then(thirtieths(served))
        .otherwise(one)
    )  # fmt: skip
    return frame.with_columns(named(first_counts=start, last_counts=end, only_counts=alone))


def _with_ends_by_time(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Add the parts of a term in seconds: its first and last part month, and how many full months lie between."""
    none = pl.lit(0, dtype=pl.Int64())
    begin, finish = column("start.first") * DAY_SECONDS, (column("end.last") + 1) * DAY_SECONDS
    whole = frame.with_columns(named(starts_full=column("from_second") == begin, ends_full=column("to_second") == finish))
    whole_ends = column("starts_full").cast(pl.Int64()) + column("ends_full").cast(pl.Int64())
    counted = column("end.index") - column("start.index") - 1 + whole_ends
    first = (column("start.last") + 1) * DAY_SECONDS - column("from_second")
    last = column("to_second") - column("end.first") * DAY_SECONDS
    return whole.with_columns(
        named(
            full_months=pl.max_horizontal(counted, none),
            first_seconds=pl.when(column("starts_full")).then(none).otherwise(first),
            last_seconds=pl.when(column("ends_full")).then(none).otherwise(last),
            seconds=column("to_second") - column("from_second"),
        )
    )
