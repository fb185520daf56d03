"""Segments and measures to dated revenue: cumulative figures rounded once, their differences posted (606-10-25-30 to 25-37)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.revenue.conventions import with_earned
from engine.revenue.exact import GUARD, cumulative_minor, minor_money, split, units_to_minor, wide
from engine.revenue.frames import MONEY
from engine.revenue.measured import BY_TIME, Measures, told_roughly, with_progress
from engine.revenue.periods import with_period
from engine.revenue.segments import with_revenue

_EARLY: Final = dt.date(1900, 1, 1)
# Within a day: events first, then what the day's observation changes, then what it shows.
_REESTIMATE: Final = 10**6
_REGULAR: Final = 10**6 + 10

_POINTS: Final[dict[str, pl.DataType]] = {
    "okey": pl.String(),
    "date": pl.Date(),
    "order": pl.Int32(),
    "minor": pl.Int128(),
    "nature": pl.String(),
    "basis": pl.String(),
    "is_planned": pl.Boolean(),
    "m": pl.Int128(),
    "mt": pl.Int128(),
}


def recognized(
    segments: pl.DataFrame, jumps: pl.DataFrame, measures: Measures, about: pl.DataFrame, periods: pl.DataFrame, as_of: dt.date
) -> pl.DataFrame:
    """Return the revenue of every obligation by day, nature and basis: okey, date, posting_date, period, minor, ….

    `about`: per okey timing, calendar, gate_date (null: nothing is recognized), schedule, half_even. Rows that
    move nothing are left out. `minor` is the amount in whole minor units; m and mt tell the progress then.
    """
    open_keys = about.filter(pl.col("gate_date").is_not_null())
    parts = segments.join(open_keys.select("okey", "calendar", "gate_date", "schedule"), on="okey", how="inner")
    parts = parts.sort("okey", "from_date", "ordinal").with_columns(
        pl.col("from_date").shift(-1).over("okey").alias("next_from"),
        pl.when(pl.col("ordinal") == 0).then(pl.lit(_EARLY)).otherwise(pl.col("from_date")).alias("from_date"),
    )
    points = pl.concat(
        [
            _timed(parts, measures, periods, as_of),
            _seen(parts, measures.observed, about, periods, as_of),
            *_reestimates(parts, measures.observed, jumps),
        ],
        how="diagonal",
    )
    events = jumps.join(open_keys, on="okey", how="semi").select(
        "okey",
        "date",
        (pl.col("ordinal") * 10 + pl.col("step")).alias("order"),
        "minor",
        "nature",
        "basis",
        pl.lit(value=False).alias("is_planned"),
    )
    rows = pl.concat([points, events], how="diagonal").join(
        open_keys.select("okey", "timing", "calendar", "gate_date", "opened_on", "opened"), on="okey", how="left"
    )
    begun = pl.col("opened_on").is_null() | (pl.col("date") > pl.col("opened_on"))
    rows = rows.filter((pl.col("date") >= pl.col("gate_date")) & begun).sort("okey", "is_planned", "date", "order")
    rows = rows.with_columns((pl.col("minor") - pl.coalesce(pl.col("minor").shift(1).over("okey"), "opened")).alias("minor"))
    return _posted(rows.filter(pl.col("minor") != 0), periods, as_of)


def _posted(rows: pl.DataFrame, periods: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    dated = with_period(rows, periods, "date")
    over_time = pl.col("timing") == "over_time"
    end = pl.when(pl.col("is_planned")).then(pl.col("period_end")).otherwise(pl.min_horizontal("period_end", pl.lit(as_of)))
    day = pl.when(over_time).then(end).otherwise(pl.col("date"))
    return dated.with_columns(day.alias("posting_date"))


def _timed(parts: pl.DataFrame, measures: Measures, periods: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return the ends of periods (and as_of) at which promises measured by time have earned more."""
    chosen = parts.filter((pl.col("measure") == BY_TIME) & pl.col("begins").is_not_null() & pl.col("ends").is_not_null())
    if not chosen.height:
        return pl.DataFrame(schema=_POINTS)
    numbered = periods.sort("calendar", "start_date").with_columns(pl.int_range(pl.len()).over("calendar").cast(pl.Int64).alias("→index"))
    starts = numbered.select("calendar", pl.col("start_date").alias("→from"), "→index").sort("→from")
    first, last = pl.max_horizontal("begins", "from_date"), pl.min_horizontal("ends", pl.coalesce("next_from", "ends"))
    spans = (
        chosen.with_columns(first.alias("→first"), last.alias("→last")).filter(pl.col("→first") <= pl.col("→last")).with_row_index("→part")
    )
    lows = (
        spans.select("→part", "calendar", "→first")
        .sort("→first")
        .join_asof(starts, left_on="→first", right_on="→from", by="calendar", check_sortedness=False)
        .select("→part", pl.col("→index").alias("→low"))
    )
    highs = (
        spans.select("→part", "calendar", "→last")
        .sort("→last")
        .join_asof(starts, left_on="→last", right_on="→from", by="calendar", check_sortedness=False)
        .select("→part", pl.col("→index").alias("→high"))
    )
    ranges = spans.join(lows, on="→part").join(highs, on="→part").with_columns(pl.int_ranges("→low", pl.col("→high") + 1).alias("→index"))
    ends = numbered.select("calendar", "→index", pl.col("end_date").alias("→end"))
    points = ranges.explode("→index").join(ends, on=["calendar", "→index"], how="left")
    points = points.with_columns(pl.min_horizontal("→end", "ends").alias("date"))
    # What has passed of the running period by the as-of day is recognized, the rest of it is planned.
    running = points.filter((pl.col("date") > as_of) & (pl.max_horizontal("→first", pl.lit(as_of)) <= as_of)).unique("→part", keep="first")
    first_after = points.filter(pl.col("date") > as_of).group_by("→part").agg(pl.col("date").min())
    cut = running.drop("date").join(first_after.drop("date"), on="→part", how="semi").with_columns(pl.lit(as_of).alias("date"))
    points = pl.concat([points, cut.select(points.columns)])
    points = points.filter(pl.col("next_from").is_null() | (pl.col("date") < pl.col("next_from"))).unique(["→part", "date"], keep="first")
    measured = with_revenue(with_progress(points.sort("okey", "date"), measures, "date"), minor="minor")
    measured = _scheduled(_prorated(measured, measures))
    return measured.select(
        "okey",
        "date",
        pl.lit(_REGULAR, dtype=pl.Int32).alias("order"),
        "minor",
        pl.lit("current").alias("nature"),
        pl.lit(BY_TIME).alias("basis"),
        (pl.col("date") > as_of).alias("is_planned"),
        "m",
        "mt",
    )


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
    micros = pl.col("→earned").cast(MONEY).to_physical().cast(pl.Int128)
    unit = minor_money(wide(1), pl.col("minor_digits")).to_physical().cast(pl.Int128)
    made = earned.with_columns((units_to_minor(pl.col("base")) + micros // unit).alias("minor"))
    return pl.concat([points.filter(pl.col("convention") != "prorated_ends"), made.select(points.columns)]).sort("okey", "date")


def _scheduled(points: pl.DataFrame) -> pl.DataFrame:
    """Round single periods instead of cumulative figures where the policy says so (rounding.schedule)."""
    others = points.filter(pl.col("schedule") != "cumulative")
    if not others.height:
        return points
    key = ["okey", "ordinal"]
    done = pl.min_horizontal(pl.max_horizontal(pl.col("m") - pl.col("m0"), wide(0)), pl.col("mt") - pl.col("m0"))
    rows = others.sort("okey", "ordinal", "date").with_columns(
        done.alias("→done"), pl.max_horizontal(pl.col("mt") - pl.col("m0"), wide(1)).alias("→all")
    )
    rows = rows.with_columns((pl.col("→done") - pl.col("→done").shift(1).over(key).fill_null(0)).alias("→flow"))
    even = pl.col("half_even")
    whole, rest, _ = split(pl.col("rem"), pl.col("→flow"), pl.col("→all"))
    rows = rows.with_columns(
        cumulative_minor(wide(0), pl.col("rem"), pl.col("→flow"), pl.col("→all"), even).alias("→rounded"),
        (whole // GUARD).alias("→cut"),
        (whole % GUARD).alias("→units"),
        rest.alias("→rest"),
        pl.col("minor").last().over(key).alias("→closing"),
        units_to_minor(pl.col("base"), even).alias("→opening"),
    )
    total = pl.col("→closing") - pl.col("→opening")
    is_last = pl.int_range(pl.len()).over(key) == pl.len().over(key) - 1
    plug = pl.when(is_last).then(total - pl.col("→rounded").sum().over(key) + pl.col("→rounded")).otherwise(pl.col("→rounded"))
    left = total.abs() - pl.col("→cut").sum().over(key)
    # Ties go to the earliest period.
    rank = pl.struct((pl.col("→units") * -1).alias("a"), (pl.col("→rest") * -1).alias("b"), pl.col("date")).rank("ordinal").over(key)
    largest = (pl.col("→cut") + (rank <= left).cast(pl.Int128)) * pl.col("rem").sign()
    posted = pl.when(pl.col("schedule") == "last_period_plug").then(plug).otherwise(largest)
    rows = rows.with_columns(posted.alias("→posted")).with_columns(
        (pl.col("→opening") + pl.col("→posted").cum_sum().over(key)).alias("minor")
    )
    return pl.concat([points.filter(pl.col("schedule") == "cumulative"), rows.select(points.columns)])


def _seen(parts: pl.DataFrame, observed: pl.DataFrame, about: pl.DataFrame, periods: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return the days on which observed measures have earned more: each at a point in time, over time the last of a period."""
    rows = observed.join(about.select("okey", "timing", "calendar", "gate_date"), on="okey", how="inner").filter(
        pl.col("gate_date").is_not_null()
    )
    # What happened before the criteria were met is recognized on the day they are.
    rows = rows.with_columns(pl.max_horizontal("date", "gate_date").alias("date")).filter(pl.col("date") <= as_of)
    rows = rows.sort("okey", "date").unique(["okey", "date"], keep="last", maintain_order=True)
    dated = with_period(rows, periods, "date").sort("okey", "date")
    over_time = dated.filter(pl.col("timing") == "over_time").unique(["okey", "period"], keep="last", maintain_order=True)
    kept = pl.concat([over_time, dated.filter(pl.col("timing") != "over_time")]).select(
        "okey", "date", pl.col("to_date").alias("m"), pl.col("total").alias("mt"), pl.col("at_cost").alias("u"), "basis"
    )
    if not kept.height:
        return pl.DataFrame(schema=_POINTS)
    measured = with_revenue(told_roughly(_in_segment(kept, parts)), minor="minor")
    return measured.select(
        "okey",
        "date",
        pl.lit(_REGULAR, dtype=pl.Int32).alias("order"),
        "minor",
        pl.lit("current").alias("nature"),
        "basis",
        pl.lit(value=False).alias("is_planned"),
        "m",
        "mt",
    )


def _in_segment(points: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """Join each point to the segment it lies in, the last of its day."""
    latest = (
        parts.filter(pl.col("measure") != BY_TIME)
        .sort("okey", "from_date", "ordinal")
        .unique(["okey", "from_date"], keep="last", maintain_order=True)
    )
    columns = ["okey", "from_date", "base", "rem", "m0", "u0", "half_even", "decimals"]
    joined = points.sort("date").join_asof(
        latest.select(columns).sort("from_date"), left_on="date", right_on="from_date", by="okey", check_sortedness=False
    )
    return joined.filter(pl.col("base").is_not_null())


def _reestimates(parts: pl.DataFrame, observed: pl.DataFrame, jumps: pl.DataFrame) -> list[pl.DataFrame]:
    """Return what a changed estimate of the whole does to what was done before it: a change in estimate, apart from the day's own work."""
    rows = (
        observed.sort("okey", "date")
        .with_columns(
            pl.col("to_date").shift(1).over("okey").alias("m.old"),
            pl.col("total").shift(1).over("okey").alias("mt.old"),
            pl.col("at_cost").shift(1).over("okey").alias("u.old"),
        )
        .filter(pl.col("is_reestimate") & pl.col("m.old").is_not_null())
    )
    changed = jumps.filter((pl.col("nature") == "modification") | pl.col("moves_total")).select("okey", "date").unique()
    rows = rows.join(changed, on=["okey", "date"], how="anti")
    if not rows.height:
        return []
    points = _in_segment(rows.select("okey", "date", "m.old", "mt.old", "u.old", pl.col("total").alias("mt.new")), parts)
    made = []
    for place, whole, nature, basis in ((0, "mt.old", "current", "before"), (1, "mt.new", "estimate_change", "progress")):
        asked = points.with_columns(
            pl.col("m.old").alias("m"), pl.max_horizontal(pl.col(whole), pl.col("m.old")).alias("mt"), pl.col("u.old").alias("u")
        )
        made.append(
            with_revenue(told_roughly(asked), minor="minor").select(
                "okey",
                "date",
                pl.lit(_REESTIMATE + place, dtype=pl.Int32).alias("order"),
                "minor",
                pl.lit(nature).alias("nature"),
                pl.lit(basis).alias("basis"),
                pl.lit(value=False).alias("is_planned"),
            )
        )
    return made
