"""Segments and measures to dated revenue: cumulative figures rounded once, their differences posted (606-10-25-30 to 25-37)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import FIRST_DAY, MONEY
from engine.nothing import of_no
from engine.revenue.arithmetic.conventions import with_earned
from engine.revenue.arithmetic.exact import minor_money, units_to_minor
from engine.revenue.arithmetic.numbers import whole_number, wide
from engine.revenue.arithmetic.runs import joined
from engine.revenue.ground.frames import CODE
from engine.revenue.ground.periods import with_period
from engine.revenue.modifications.segments import with_revenue
from engine.revenue.progress.measured import BY_TIME, TERM, Measures, told_roughly, with_progress
from engine.revenue.recognition.moving import done_before, moved_from_their_period, without_moving
from engine.revenue.recognition.scheduled import NOTHING_AHEAD, by_period, moved_ahead

# Within a day: events first, then what the day's observation changes, then what it shows.
_REESTIMATE: Final = 10**6
_REGULAR: Final = 10**6 + 10

_POINTS: Final[dict[str, pl.DataType]] = {
    "id": pl.UInt32(),
    "date": pl.Date(),
    "order": pl.Int32(),
    "minor": pl.Int128(),
    "nature": CODE,
    "basis": CODE,
    "is_planned": pl.Boolean(),
    "m": pl.Int128(),
    "mt": pl.Int128(),
    "period": CODE,
    "period_end": pl.Date(),
}


def recognized(
    segments: pl.DataFrame, jumps: pl.DataFrame, measures: Measures, about: pl.DataFrame, periods: pl.DataFrame, as_of: dt.date
) -> pl.DataFrame:
    """Return the revenue of every obligation by day, nature and basis: okey, date, posting_date, period, minor, ….

    `about`: per okey timing, calendar, gate_date (null: nothing is recognized), lost_date (nothing after), schedule, half_even, opened_on,
    opened, passes_all (an agent that keeps nothing: what it passes on moves all the same). Rows that move nothing are left out. `minor`
    is the amount in whole minor units; m and mt tell the progress then.
    """
    open_keys = about.filter(pl.col("gate_date").is_not_null()).sort("okey").with_row_index("id")
    keyed = open_keys.select("okey", "id")
    own = open_keys.select("okey", "id", "calendar", "gate_date", "lost_date", "schedule")
    parts = segments.join(own, on="okey", how="inner", suffix=".open")
    parts = parts.sort("id", "from_date", "ordinal")
    same = pl.col("id") == pl.col("id").shift(-1)
    parts = parts.with_columns(
        pl.when(same).then(pl.col("from_date").shift(-1)).alias("next_from"),
        pl.when(pl.col("ordinal") == 0).then(pl.lit(FIRST_DAY)).otherwise(pl.col("from_date")).alias("from_date"),
    )
    seen = measures.observed.join(open_keys.select("okey", "id", "timing", "calendar", "gate_date", "lost_date"), on="okey", how="inner")
    seen = seen.filter(_in_time())
    jumps = moved_from_their_period(jumps.join(keyed, on="okey", how="inner"), parts, seen, periods)
    timed, ahead = _timed(parts, measures, periods, as_of)
    events = moved_ahead(jumps, ahead).select(
        "id",
        "date",
        (pl.col("ordinal") * 10 + pl.col("step")).alias("order"),
        "minor",
        "nature",
        "basis",
        # A change that is agreed and takes effect later is planned until then.
        (pl.col("date") > as_of).alias("is_planned"),
        "m",
        "mt",
    )
    changed = jumps.filter((pl.col("nature") == "modification") | pl.col("moves_total")).select("id", "date").unique()
    reestimated = _from_their_period(seen, without_moving(jumps), periods)
    others = (_seen(parts, seen, periods, as_of), *_reestimates(parts, seen, reestimated, changed), _shaped(events))
    calendars = open_keys.select("id", "calendar")
    dated = (with_period(each.join(calendars, on="id", how="left"), periods, "date").select(list(_POINTS)) for each in others)
    made = _differences(pl.concat([timed, *dated]), open_keys, as_of)
    return joined(made, keyed, "id").drop("id")


def _shaped(rows: pl.DataFrame) -> pl.DataFrame:
    """Return points with every column that a point has before its period is known."""
    return rows.select(
        pl.col(name).cast(kind) if name in rows.columns else pl.lit(None, dtype=kind).alias(name)
        for name, kind in _POINTS.items()
        if name not in ("period", "period_end")
    )


def _differences(points: pl.DataFrame, open_keys: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return what every point adds to the one before it, with the day it is posted on."""
    rows = joined(points, open_keys.select("id", "timing", "gate_date", "lost_date", "opened_on", "opened", "passes_all"), "id")
    rows = rows.filter(_in_time())
    begun = pl.col("opened_on").is_null() | (pl.col("date") > pl.col("opened_on"))
    # By obligation, what is done before what is planned, day and order: one whole number, much quicker to sort than four columns.
    place = pl.col("id").cast(pl.Int64) - pl.col("id").min().cast(pl.Int64)
    place = ((place * 2 + pl.col("is_planned").cast(pl.Int64)) * 2**20 + pl.col("date").to_physical().cast(pl.Int64) + 2**19) * 2**22
    rows = rows.filter((pl.col("date") >= pl.col("gate_date")) & begun).sort(place + pl.col("order"))
    before = pl.when(pl.col("id") == pl.col("id").shift(1)).then(pl.col("minor").shift(1)).otherwise(pl.col("opened"))
    rows = rows.with_columns((pl.col("minor") - before).alias("minor")).filter((pl.col("minor") != 0) | pl.col("passes_all"))
    end = pl.when(pl.col("is_planned")).then(pl.col("period_end")).otherwise(pl.min_horizontal("period_end", pl.lit(as_of)))
    day = pl.when(pl.col("timing") == "over_time").then(end).otherwise(pl.col("date"))
    return rows.select("id", "date", day.alias("posting_date"), "period", "minor", "nature", "basis", "is_planned", "m", "mt")


def _in_time() -> pl.Expr:
    """Tell whether a row is of a day on which the criteria of a contract were still met (606-10-25-5)."""
    return pl.col("lost_date").is_null() | (pl.col("date") <= pl.col("lost_date"))


_SEGMENT: Final = (
    "id",
    "ordinal",
    "calendar",
    "from_date",
    "next_from",
    "lost_date",
    "base",
    "rem",
    "m0",
    "u0",
    "half_even",
    "minor_digits",
    "schedule",
)


def _timed(parts: pl.DataFrame, measures: Measures, periods: pl.DataFrame, as_of: dt.date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the ends of periods (and as_of) at which promises measured by time have earned more, and what `by_period` put ahead."""
    chosen = parts.filter((pl.col("measure") == BY_TIME) & pl.col("begins").is_not_null() & pl.col("ends").is_not_null())
    if not chosen.height:
        return pl.DataFrame(schema=_POINTS), NOTHING_AHEAD
    numbered = periods.sort("calendar", "start_date").with_row_index("→index").with_columns(pl.col("→index").cast(pl.Int64))
    # Where single periods are rounded, a later change moves none of those before it: they are rounded as the whole term was planned.
    until = pl.when(pl.col("schedule") == "cumulative").then("next_from")
    first, last = pl.max_horizontal("begins", "from_date"), pl.min_horizontal("ends", pl.coalesce(until, "ends"))
    term = (name for name in TERM if name != "calendar")
    spans = chosen.select(*_SEGMENT, *term, first.alias("→first"), last.alias("→last"), until.alias("→until"))
    spans = _placed(spans, numbered)
    points = _cut(_period_ends(spans, numbered), as_of)
    points = points.filter(pl.col("→until").is_null() | (pl.col("date") < pl.col("→until")))
    points = points.with_columns(spans.drop(_DATED)[points["→part"]].get_columns())
    measured = with_revenue(with_progress(points, measures, "date"), minor="minor")
    measured, ahead = by_period(_prorated(measured, measures), parts)
    points = measured.select(
        "id",
        "date",
        pl.lit(_REGULAR, dtype=pl.Int32).alias("order"),
        "minor",
        pl.lit("current", dtype=CODE).alias("nature"),
        pl.lit(BY_TIME, dtype=CODE).alias("basis"),
        (pl.col("date") > as_of).alias("is_planned"),
        "m",
        "mt",
        "period",
        "period_end",
    )
    return points, ahead


# What a span's days are told by; the rest of it is put beside the days that are left.
_DATED: Final = ("→part", "→low", "→high", "→first", "→late", "ends", "lost_date", "→until")


def _placed(spans: pl.DataFrame, numbered: pl.DataFrame) -> pl.DataFrame:
    """Number the spans (`→part`) and say from which period to which each runs (`→low`, `→high`: indexes of `numbered`)."""
    starts = numbered.select("calendar", pl.col("start_date").alias("→from"), "→index").sort("→from")
    # What is priced only after its term has passed is earned on the day it is.
    spans = spans.with_columns((pl.col("→first") > pl.col("→last")).alias("→late"), pl.max_horizontal("→first", "→last").alias("→last"))
    spans = spans.with_row_index("→part")
    for day, name in (("→first", "→low"), ("→last", "→high")):
        found = (
            spans.select("→part", "calendar", day)
            .sort(day)
            .join_asof(starts, left_on=day, right_on="→from", by="calendar", check_sortedness=False)
        )
        spans = spans.join(found.select("→part", pl.col("→index").alias(name)), on="→part", how="left", maintain_order="left")
    return spans


def _period_ends(spans: pl.DataFrame, numbered: pl.DataFrame) -> pl.DataFrame:
    """Return the day on which each span has earned what is of each of its periods."""
    ranges = spans.select(*_DATED, pl.int_ranges("→low", pl.col("→high") + 1).alias("→index")).explode(
        "→index", empty_as_null=True, keep_nulls=True
    )
    ends = numbered.select("→index", pl.col("end_date").alias("period_end"), "period")
    points = ranges.join(ends, on="→index", how="left", maintain_order="left")
    reached = pl.when(pl.col("→late")).then(pl.col("→first")).otherwise(pl.min_horizontal("period_end", "ends"))
    return points.with_columns(reached.alias("date"))


def _cut(points: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Cut the running period at as_of, and the period in which a contract was lost at that day."""
    # What has passed of the running period by the as-of day is recognized, the rest of it is planned.
    through = points.filter(pl.col("date") == as_of).select("→part").unique()
    running = points.filter((pl.col("date") > as_of) & (pl.col("→first") <= as_of)).unique("→part", keep="first", maintain_order=True)
    cut = running.join(through, on="→part", how="anti").with_columns(pl.lit(as_of).alias("date"))
    points = pl.concat([points, cut.select(points.columns)])
    # What has passed by the day the contract was lost is recognized, the rest of that period is not.
    reaches = (pl.col("date") > pl.col("lost_date")) & (pl.col("→first") <= pl.col("lost_date")) & (pl.col("lost_date") <= as_of)
    lost = points.filter(reaches).sort("→part", "date").unique("→part", keep="first", maintain_order=True)
    lost = lost.with_columns(pl.col("lost_date").alias("date"))
    if not lost.height:
        return points
    kept = points.filter(_in_time())
    return pl.concat([kept, lost.join(kept.select("→part", "date"), on=["→part", "date"], how="anti")])


def _prorated(points: pl.DataFrame, measures: Measures) -> pl.DataFrame:
    """Replace the figure under `prorated_ends`, whose full months are posted truncated, by what that convention posts."""
    chosen = points.filter(pl.col("convention") == "prorated_ends")
    if not chosen.height:
        return points
    chosen = chosen.with_columns(
        minor_money(units_to_minor(pl.col("rem")), pl.col("minor_digits")).alias("→rest"),
        pl.when(pl.col("from_date") > pl.col("begins")).then(pl.col("from_date").dt.offset_by("-1d")).alias("→after"),
    )
    earned = with_earned(chosen.lazy(), "→earned", amount="→rest", at="date", after="→after", terms=measures.terms()).collect()
    micros = whole_number("→earned", MONEY)
    unit = whole_number(minor_money(wide(1), pl.col("minor_digits")), MONEY)
    made = earned.with_columns((units_to_minor(pl.col("base")) + micros // unit).alias("minor"))
    return pl.concat([points.filter(pl.col("convention") != "prorated_ends"), made.select(points.columns)]).sort("id", "date")


@of_no("seen")
def _seen(parts: pl.DataFrame, seen: pl.DataFrame, periods: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return the days on which observed measures have earned more: each at a point in time, over time the last of a period."""
    # What happened before the criteria were met is recognized on the day they are.
    rows = seen.with_columns(pl.max_horizontal("date", "gate_date").alias("date")).filter(pl.col("date") <= as_of)
    rows = rows.sort("id", "date").unique(["id", "date"], keep="last", maintain_order=True)
    dated = with_period(rows, periods, "date").sort("id", "date")
    over_time = dated.filter(pl.col("timing") == "over_time").unique(["id", "period"], keep="last", maintain_order=True)
    kept = pl.concat([over_time, dated.filter(pl.col("timing") != "over_time")]).select(
        "id", "date", pl.col("to_date").alias("m"), pl.col("total").alias("mt"), pl.col("at_cost").alias("u"), "basis"
    )
    measured = with_revenue(told_roughly(_in_segment(kept, parts)), minor="minor")
    return _shaped(
        measured.with_columns(
            pl.lit(_REGULAR, dtype=pl.Int32).alias("order"), pl.lit("current").alias("nature"), pl.lit(value=False).alias("is_planned")
        )
    )


def _in_segment(points: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """Join each point to the segment it lies in, the last of its day."""
    latest = (
        parts.filter(pl.col("measure") != BY_TIME)
        .sort("id", "from_date", "ordinal")
        .unique(["id", "from_date"], keep="last", maintain_order=True)
    )
    columns = ["id", "from_date", "base", "rem", "m0", "u0", "half_even", "decimals", "minor_digits"]
    joined = points.sort("date").join_asof(
        latest.select(columns).sort("from_date"), left_on="date", right_on="from_date", by="id", check_sortedness=False
    )
    return joined.filter(pl.col("base").is_not_null())


@of_no("seen")
def _from_their_period(seen: pl.DataFrame, events: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Return over-time promises' new estimates (id, date) with what had been done by the opening of their period: m.then, u.then.

    The work of a period is earned at the estimate it ends with, whether entries tell it day by day or one report does. What an event
    within the period measured is behind.
    """
    rows = seen.filter(pl.col("is_reestimate") & (pl.col("timing") == "over_time")).select("id", "date", "calendar")
    found = done_before(rows, seen, events, periods, of_day=True)
    return found.select("id", "date", pl.col("m").alias("m.then"), pl.col("u").alias("u.then"), pl.lit(value=True).alias("→over"))


@of_no("seen")
def _reestimates(parts: pl.DataFrame, seen: pl.DataFrame, earlier: pl.DataFrame, changed: pl.DataFrame) -> list[pl.DataFrame]:
    """Return what a changed estimate of the whole does to what was done before it: a change in estimate, apart from the day's own work.

    `earlier`: of `_from_their_period`. `changed`: obligations and days on which a modification, or a price that moves with the measure,
    tells it already.
    """
    names = {"to_date": "m.old", "total": "mt.old", "at_cost": "u.old"}
    rows = seen.sort("id", "date")
    same = pl.col("id") == pl.col("id").shift(1)
    rows = rows.with_columns(pl.when(same).then(pl.col(name).shift(1)).alias(alias) for name, alias in names.items())
    rows = rows.filter(pl.col("is_reestimate") & pl.col("m.old").is_not_null()).join(changed, on=["id", "date"], how="anti")
    rows = rows.join(earlier, on=["id", "date"], how="left", maintain_order="left")
    rows = rows.with_columns(
        pl.when("→over").then(then).otherwise(old).alias(old) for then, old in (("m.then", "m.old"), ("u.then", "u.old"))
    ).filter(pl.col("m.old").is_not_null())
    points = _in_segment(rows.select("id", "date", "m.old", "mt.old", "u.old", pl.col("total").alias("mt.new")), parts)
    made = []
    for place, whole, nature, basis in ((0, "mt.old", "current", "before"), (1, "mt.new", "estimate_change", "progress")):
        asked = points.with_columns(
            pl.col("m.old").alias("m"), pl.max_horizontal(pl.col(whole), pl.col("m.old")).alias("mt"), pl.col("u.old").alias("u")
        )
        told = with_revenue(told_roughly(asked), minor="minor").with_columns(
            pl.lit(_REESTIMATE + place, dtype=pl.Int32).alias("order"),
            pl.lit(nature).alias("nature"),
            pl.lit(basis).alias("basis"),
            pl.lit(value=False).alias("is_planned"),
        )
        made.append(_shaped(told))
    return made
