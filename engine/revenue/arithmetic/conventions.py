"""Proration conventions: how much of a term has elapsed through a day, exactly, row by row.

Every convention is a whole number that grows with the day, counted from the term's start through
the end of a day (`with_measures`). The share earned between two days of one term is
(measure at the later − measure at the earlier) ÷ measure of the whole term; nothing is rounded but
by `with_earned`, where `prorated_ends` posts its full months truncated.

| convention | what counts |
|---|---|
| actual_days | calendar days, both ends |
| actual_365 | calendar days without 29 February: every year has 365 |
| thirty_360 | 30 days a month: the 31st carries nothing (of a term from a 31st, the 30th), the last of February the days up to 30 |
| actual_seconds | seconds between the service instants, else whole days |
| monthly_even | full months 1; a part month its days ÷ the month's days |
| thirty_day | full months 1; a part month its days ÷ 30 |
| even_no_partial_last | months 1 from the starting one; the last is cut off when the term ends inside it |
| even_no_partial_first | months 1 to the ending one; the first is cut off when the term starts inside it |
| prorated_ends | part months by elapsed time, the full months between them equal |
| mid_month | months 1; the first when it starts by the 15th, the last when it ends on the 15th or later (of two the last at least) |
| first_of_month | as many months 1 as the term has begun, from the starting one |
| next_month | months 1 from the month after the start to the ending one |
| anchored_months | months from the anchor day (31 January + 1 month = the last of February) |

A month is the fiscal period where those are given. A month that counts whole
accrues by its days of service; a term inside one month is earned in it under every convention.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from engine.revenue.arithmetic.numbers import WIDE, wide
from engine.revenue.arithmetic.rounding import money, round_quotient, truncate_quotient, units, units_per_minor
from engine.revenue.arithmetic.terms import (
    DAY_SECONDS,
    MONTH,
    TermColumns,
    column,
    day_number,
    drop_working,
    named,
    part_of_month,
    with_month,
    with_term,
)

__all__ = ["CONVENTIONS", "MONTHS_IN", "TermColumns", "with_earned", "with_measures", "with_months"]

CONVENTIONS: Final = (
    "actual_days", "actual_365", "thirty_360", "monthly_even", "even_no_partial_last", "even_no_partial_first",
    "prorated_ends", "mid_month", "first_of_month", "next_month", "actual_seconds", "anchored_months", "thirty_day",
)  # fmt: skip
"""Names of VOCABULARY "proration"; the first is the default."""

MONTHS_IN: Final = {"month": 1, "quarter": 3, "year": 12}
"""Months of one `price_period`."""

# Full months of prorated ends are split in units that every month's length divides: lcm(28..31, 35, 42).
_SPLIT: Final = 377580

_COUNTED: Final = (
    "monthly_even", "thirty_day", "even_no_partial_last", "even_no_partial_first", "mid_month", "first_of_month", "next_month",
)  # fmt: skip


def with_measures(frame: pl.LazyFrame, days: Mapping[str, str], *, whole: str, terms: TermColumns | None = None) -> pl.LazyFrame:
    """Add per entry (new column: date column) what has elapsed of the row's term through that day, and the whole.

    Int128 in the convention's own unit: 0 before the start, the whole from the end on, never less
    on a later day; comparable within a row only. The whole is at least 1: a service of no length is
    earned on its day. Null for a term without start or end, or one that ends before it starts.
    """
    terms = terms or TermColumns()
    through = _with_whole(with_term(frame, terms), terms)
    for name, day in days.items():
        through = _with_through(through, day, terms).with_columns(_elapsed(pl.col(day)).alias(name))
    valid = pl.when(column("valid")).then(column("whole"))
    return drop_working(through.with_columns(valid.alias(whole)))


def with_earned(
    frame: pl.LazyFrame, name: str, *, amount: str, at: str, after: str | None = None, digits: str = "minor_digits",
    mode: pl.Expr | str = "half_up", terms: TermColumns | None = None,
) -> pl.LazyFrame:  # fmt: skip
    """Add the part of `amount` (MONEY) earned through `at`, as MONEY rounded once to the minor unit (`digits`).

    With `after` (a day of the term, or null) the amount is spread over what is left of the term
    after it. Under `prorated_ends` full months are truncated and their rest falls on the last one.
    """
    terms = terms or TermColumns()
    # What is left after a day is a term of its own where time decides; months keep counting from their start.
    if after is not None:
        moved = pl.col(after).is_not_null() & (pl.col(after) >= pl.col(terms.start)) & (pl.col(terms.convention) == "prorated_ends")
        rest = pl.when(moved).then(pl.col(after).dt.offset_by("1d"))
        frame = frame.with_columns(rest.alias("rest.start"))
        terms, frame = _restarted(frame, terms)
    through = _with_whole(with_term(frame, terms), terms)
    spent = wide(0)
    if after is not None:
        since = pl.when(pl.col("rest.start").is_null()).then(pl.col(after)).alias("rest.after")
        through = _with_through(through.with_columns(since), "rest.after", terms)
        through = through.with_columns(_elapsed(pl.col("rest.after")).alias("rest.spent"))
        spent = pl.col("rest.spent").fill_null(wide(0))
    through = _with_through(through, at, terms).with_columns(named(part=_elapsed(pl.col(at)) - spent, left=column("whole") - spent))
    minor = units_per_minor(pl.col(digits))
    share = units(pl.col(amount)) * pl.max_horizontal(column("part"), wide(0))
    through = through.with_columns(
        named(
            even=round_quotient(share, column("left") * minor, mode),
            total=round_quotient(units(pl.col(amount)), minor, mode),
            minor=minor, amount=units(pl.col(amount)),
        )
    )  # fmt: skip
    through = _with_truncated_ends(through, pl.col(at), mode)
    spent_before = pl.when(pl.col(at) >= pl.col(terms.end)).then(column("total")).otherwise(wide(0))
    posted = (
        pl.when(~column("valid")).then(None)
        .when(pl.col(terms.convention) == "prorated_ends").then(column("posted_ends"))
        .when(column("left") <= 0).then(spent_before)
        .otherwise(column("even"))
    )  # fmt: skip
    return drop_working(through.with_columns(money(posted * column("minor")).alias(name))).select(pl.exclude("^rest[.].*$"))


def with_months(frame: pl.LazyFrame, *, numerator: str, denominator: str, terms: TermColumns | None = None) -> pl.LazyFrame:
    """Add the term's length in months as an exact fraction of two Int128 columns: what a monthly price is multiplied with.

    Conventions that count months give their count, thirty_360 and actual_365 their days over a
    month's 30 or a year's 365; the others count full months whole and part months by their days.
    """
    terms = terms or TermColumns()
    convention = pl.col(terms.convention)
    through = _with_whole(with_term(frame, terms), terms)
    one_month = part_of_month(column("end.number") - column("start.number") + 1, column("start.days"))
    first = part_of_month(column("start.days") - column("start.place"), column("start.days"))
    last = part_of_month(column("end.place") + 1, column("end.days"))
    between = (column("end.index") - column("start.index") - 1).cast(WIDE) * wide(MONTH)
    calendar = pl.when(column("one_month")).then(one_month).otherwise(first + between + last)
    counted = convention.is_in([*_COUNTED, "anchored_months"])
    top = (
        pl.when(~column("valid")).then(None)
        .when(counted | (convention == "thirty_360")).then(column("whole"))
        .when(convention == "actual_365").then(column("whole") * 12)
        .otherwise(calendar)
    )  # fmt: skip
    bottom = pl.when(convention == "thirty_360").then(wide(30)).when(convention == "actual_365").then(wide(365)).otherwise(wide(MONTH))
    return drop_working(through.with_columns(top.alias(numerator), bottom.alias(denominator)))


def _restarted(frame: pl.LazyFrame, terms: TermColumns) -> tuple[TermColumns, pl.LazyFrame]:
    """Return the terms that start where `rest.start` says so; a service instant before it no longer counts."""
    moved = pl.col("rest.start").is_not_null()
    columns = [pl.coalesce("rest.start", terms.start).alias("rest.from")]
    instant = terms.service_start_at
    if instant is not None:
        columns.append(pl.when(~moved).then(pl.col(instant)).alias("rest.from_at"))
        instant = "rest.from_at"
    restarted = TermColumns(
        terms.convention, "rest.from", terms.end, terms.anchor_day, instant, terms.service_end_at, terms.periods, terms.entity
    )
    return restarted, frame.with_columns(columns)


def _with_whole(frame: pl.LazyFrame, terms: TermColumns) -> pl.LazyFrame:
    """Add the measure of the whole term, at least 1."""
    through = _with_through(frame.with_columns(named(last_day=column("end"))), "term.last_day", terms)
    return through.with_columns(named(whole=pl.max_horizontal(column("through"), wide(1))))


def _elapsed(at: pl.Expr) -> pl.Expr:
    """Return the measure through a day that may lie outside the term."""
    return (
        pl.when(~column("valid") | at.is_null()).then(None)
        .when(at < column("start")).then(wide(0))
        .when(at >= column("end")).then(column("whole"))
        .otherwise(column("through"))
    )  # fmt: skip


def _with_through(frame: pl.LazyFrame, day: str, terms: TermColumns) -> pl.LazyFrame:
    """Add `through`: the measure through a day, moved to the term's nearest end where it lies outside."""
    inside = pl.min_horizontal(pl.max_horizontal(pl.col(day), column("start")), column("end"))
    days = with_month(frame.with_columns(named(day=inside)), "day", terms)
    none = pl.lit(0, dtype=pl.Int64())
    begun = column("day.index") - column("start.index") - pl.when(column("starts_full")).then(0).otherwise(1)
    spans = days.with_columns(
        named(
            elapsed=column("day.number") - column("start.number") + 1,
            leap=_leap_days(column("day")) - _leap_days(column("start").dt.offset_by("-1d")),
            thirty=_thirty_through(column("day"), column("start")) - _thirty_before(column("start")),
            passed=pl.max_horizontal(
                pl.min_horizontal((column("day.number") + 1) * DAY_SECONDS, column("to_second")) - column("from_second"), none
            ),
            before_full=pl.max_horizontal(begun, none),
            in_full=((column("day.index") > column("start.index")) | column("starts_full"))
            & ((column("day.index") < column("end.index")) | column("ends_full")) & (column("full_months") > 0),
        )
    )  # fmt: skip
    if terms.only in (None, "anchored_months"):
        spans = _with_anchored(spans)
    if terms.only is None or terms.only in _COUNTED:
        spans = _with_counted(spans)
    return spans.with_columns(named(through=_choose(terms)))


def _choose(terms: TermColumns) -> pl.Expr:
    by_days = column("elapsed").cast(WIDE)
    ways = {
        "actual_days": by_days, "actual_365": (column("elapsed") - column("leap")).cast(WIDE), "thirty_360": column("thirty").cast(WIDE),
        "actual_seconds": column("passed").cast(WIDE), "anchored_months": column("anchored"), "prorated_ends": _prorated(),
        **dict.fromkeys(_COUNTED, column("counted")),
    }  # fmt: skip
    if terms.only is not None:
        return ways[terms.only]
    convention = pl.col(terms.convention)
    others = (pl.when(convention == name).then(ways[name]) for name in sorted(set(ways) - set(_COUNTED)))
    return pl.coalesce(pl.when(convention.is_in(_COUNTED)).then(column("counted")), *others)


def _leap_days(day: pl.Expr) -> pl.Expr:
    """Return how many 29 Februaries have passed through a day, from year 0 on."""
    year = day.dt.year().cast(pl.Int64()) - (day.dt.ordinal_day().cast(pl.Int64()) < 60).cast(pl.Int64())
    return year // 4 - year // 100 + year // 400


def _thirty_months(day: pl.Expr) -> pl.Expr:
    return (day.dt.year().cast(pl.Int64()) * 12 + day.dt.month().cast(pl.Int64())) * 30


def _thirty_through(day: pl.Expr, start: pl.Expr) -> pl.Expr:
    """Return 30/360 days through a day: every month's last day is its 30th.

    Of a term that starts on a 31st, which is a 30th, the 30th before a 31st is a 29th, so that its years have 360 days too.
    """
    number = pl.min_horizontal(day.dt.day().cast(pl.Int64()), pl.when(start.dt.day() == 31).then(29).otherwise(30).cast(pl.Int64()))
    return _thirty_months(day) + pl.when(day == day.dt.month_end()).then(30).otherwise(number)


def _thirty_before(start: pl.Expr) -> pl.Expr:
    """Return 30/360 days before a start; one on the 31st counts as on the 30th."""
    return _thirty_months(start) + pl.min_horizontal(start.dt.day().cast(pl.Int64()), pl.lit(30, dtype=pl.Int64())) - 1


def _with_counted(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Add counted months through the day; a month accrues by its days of service."""
    in_first, in_last = column("day.index") == column("start.index"), column("day.index") == column("end.index")
    weight = (
        pl.when(column("one_month")).then(column("only_counts"))
        .when(in_first).then(column("first_counts"))
        .when(in_last).then(column("last_counts"))
        .otherwise(wide(MONTH))
    )  # fmt: skip
    begin = pl.when(in_first).then(column("start.number")).otherwise(column("day.first"))
    finish = pl.when(in_last).then(column("end.number")).otherwise(column("day.last"))
    parts = frame.with_columns(named(weight=weight, served=column("day.number") - begin + 1, of=finish - begin + 1))
    within = column("weight") * column("served").cast(WIDE) // column("of").cast(WIDE)
    earlier = column("first_counts") + (column("day.index") - column("start.index") - 1).cast(WIDE) * wide(MONTH)
    return parts.with_columns(named(counted=pl.when(in_first).then(within).otherwise(earlier + within)))


def _with_anchored(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Add anchored months through the day, part months by their share of the anchored month."""
    for name, day in (("after_day", column("day").dt.offset_by("1d")), ("from_day", column("start"))):
        frame = frame.with_columns(named(**{name: day}))
        date = column(name)
        frame = frame.with_columns(
            named(**{f"{name}.{label}": _anchor_in(date, months) for label, months in (("before", -1), ("this", 0), ("next", 1))})
        )
        begun = day_number(date) >= column(f"{name}.this")
        number = date.dt.year().cast(pl.Int64()) * 12 + date.dt.month().cast(pl.Int64())
        frame = frame.with_columns(
            named(**{
                f"{name}.begin": pl.when(begun).then(column(f"{name}.this")).otherwise(column(f"{name}.before")),
                f"{name}.finish": pl.when(begun).then(column(f"{name}.next")).otherwise(column(f"{name}.this")),
                f"{name}.month": number - pl.when(begun).then(0).otherwise(1),
            })
        )  # fmt: skip
        place = part_of_month(day_number(date) - column(f"{name}.begin"), column(f"{name}.finish") - column(f"{name}.begin"))
        frame = frame.with_columns(named(**{f"{name}.position": column(f"{name}.month").cast(WIDE) * wide(MONTH) + place}))
    return frame.with_columns(named(anchored=column("after_day.position") - column("from_day.position")))


def _anchor_in(date: pl.Expr, months: int) -> pl.Expr:
    """Return the anchor day `months` after the date's month, clamped to that month's last day, as a day number."""
    first = date.dt.month_start().dt.offset_by(f"{months}mo")
    length = first.dt.month_end().dt.day().cast(pl.Int64())
    return day_number(first) + pl.min_horizontal(column("anchor"), length) - 1


def _prorated() -> pl.Expr:
    """Return elapsed time with the full months made equal, in seconds × full months × split units."""
    months = pl.max_horizontal(column("full_months"), pl.lit(1, dtype=pl.Int64())).cast(WIDE) * wide(_SPLIT)
    middle = (column("seconds") - column("first_seconds") - column("last_seconds")).cast(WIDE)
    within = wide(_SPLIT) * (column("day.place") + 1).cast(WIDE) // column("day.days").cast(WIDE)
    equal = column("first_seconds").cast(WIDE) * months + middle * (column("before_full").cast(WIDE) * wide(_SPLIT) + within)
    return pl.when(column("in_full")).then(equal).otherwise(column("passed").cast(WIDE) * months)


def _with_truncated_ends(frame: pl.LazyFrame, at: pl.Expr, mode: pl.Expr | str) -> pl.LazyFrame:
    """Add what prorated ends post through the day, in minor units: full months truncated, the rest on the last."""
    seconds = column("seconds").cast(WIDE) * column("minor")

    def by_time(part: pl.Expr) -> pl.Expr:
        return round_quotient(column("amount") * part.cast(WIDE), seconds, mode)

    shares = frame.with_columns(
        named(at_first=by_time(column("first_seconds")), at_last=by_time(column("last_seconds")),
              so_far=by_time(column("passed")), to_go=by_time(column("seconds") - column("passed")))
    )  # fmt: skip
    months = column("full_months").cast(WIDE)
    middle = column("total") - column("at_first") - column("at_last")
    months_posted = shares.with_columns(named(month=truncate_quotient(middle, months), middle=middle))
    is_last_full = column("before_full").cast(WIDE) == months - 1
    this_month = pl.when(is_last_full).then(column("middle") - column("month") * (months - 1)).otherwise(column("month"))
    within = truncate_quotient(this_month * (column("day.place") + 1).cast(WIDE), column("day.days").cast(WIDE))
    in_last = (column("day.index") == column("end.index")) & (column("full_months") > 0)
    inside = (
        pl.when(column("in_full")).then(column("at_first") + column("month") * column("before_full").cast(WIDE) + within)
        .when(in_last).then(column("total") - column("to_go"))
        .otherwise(column("so_far"))
    )  # fmt: skip
    posted = pl.when(at < column("start")).then(wide(0)).when(at >= column("end")).then(column("total")).otherwise(inside)
    return months_posted.with_columns(named(posted_ends=posted))
