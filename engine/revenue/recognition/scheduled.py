"""Single periods rounded for themselves instead of cumulative figures (rounding.schedule): REVENUE 94, plug and largest remainder."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.revenue.arithmetic.exact import GUARD, cumulative_minor, split, units_to_minor
from engine.revenue.arithmetic.numbers import WIDE, wide
from engine.revenue.arithmetic.runs import joined

_KEY: Final = ("id", "ordinal")
_IN_PART: Final = pl.col("next_from").is_null() | (pl.col("date") < pl.col("next_from"))
_SCHEMA: Final[dict[str, pl.DataType]] = {"id": pl.UInt32(), "ordinal": pl.Int64(), "→ahead": pl.Int128()}
NOTHING_AHEAD: Final = pl.DataFrame(schema=_SCHEMA)
"""Parts none of which began ahead or behind."""


def by_period(points: pl.DataFrame, parts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Round single periods where the policy says so; beside it how far rounding was ahead when a part began (id, ordinal, →ahead).

    `points`: ends of periods of every part with `minor` cumulative. `parts`: id, ordinal of all. What rounding put ahead (minor units,
    below 0 behind) stays where it was posted: a later part takes it up in its last period, or where the largest remainders are.
    """
    others = points.filter(pl.col("schedule") != "cumulative")
    if not others.height:
        return points, NOTHING_AHEAD
    # Of a part with nothing to earn what was ahead is closed with the change.
    rows = _rounded(others.filter(pl.col("rem") != 0))
    made, ahead = [others.filter((pl.col("rem") == 0) & _IN_PART)], [NOTHING_AHEAD]
    carried = pl.DataFrame(schema={"id": points.schema["id"], "→ahead": WIDE})
    for ordinal in sorted(rows["ordinal"].unique()):
        part = joined(rows.filter(pl.col("ordinal") == ordinal), carried, "id").with_columns(pl.col("→ahead").fill_null(0))
        posted = _posted(part)
        kept = posted.filter(_IN_PART)
        made.append(kept.select(points.columns))
        ahead.append(part.select(pl.col(name).cast(kind) for name, kind in _SCHEMA.items()).unique("id"))
        whole = kept.filter(~pl.col("→in_period"))
        moved = whole.group_by("id").agg((pl.col("minor") - pl.col("→exact")).last().alias("→ahead"))
        # A part that posts nothing closes what was ahead; where its periods are all of later parts it stays as it was.
        within = parts.filter(pl.col("ordinal") == ordinal).select("id")
        still = pl.concat([carried.join(within, on="id", how="anti"), ahead[-1].select(carried.columns)])
        carried = pl.concat([moved.select(carried.columns), still.join(moved, on="id", how="anti")])
    return pl.concat([points.filter(pl.col("schedule") == "cumulative"), *made]), pl.concat(ahead)


def moved_ahead(jumps: pl.DataFrame, ahead: pl.DataFrame) -> pl.DataFrame:
    """Return changes with `minor` on top of what was posted before them: what rounding put ahead stays where it is."""
    if not ahead.height:
        return jumps
    told = jumps.join(ahead, on=_KEY, how="left", maintain_order="left")
    return told.with_columns(pl.col("minor") + pl.col("→ahead").fill_null(0)).select(jumps.columns)


def _rounded(others: pl.DataFrame) -> pl.DataFrame:
    """Return the rows by part and day with what each period earns: exact, rounded for itself, and cut with what the cut leaves.

    `→in_period`: the part of a period by the day of the run, no period of its own (the period's end is a row after it).
    """
    done = pl.min_horizontal(pl.max_horizontal(pl.col("m") - pl.col("m0"), wide(0)), pl.col("mt") - pl.col("m0"))
    # A price that changes when nothing is left to do is earned at once.
    done = pl.when(pl.col("mt") <= pl.col("m0")).then(wide(1)).otherwise(done)
    rows = others.sort(*_KEY, "date").with_columns(
        done.alias("→done"), pl.max_horizontal(pl.col("mt") - pl.col("m0"), wide(1)).alias("→all"), pl.col("minor").alias("→exact")
    )
    in_period = (pl.col("period_end") == pl.col("period_end").shift(-1).over(_KEY)).fill_null(value=False)
    rows = rows.with_columns(in_period.alias("→in_period"))
    by_then = pl.when(~pl.col("→in_period")).then("→done").forward_fill().shift(1).over(_KEY)
    rows = rows.with_columns((pl.col("→done") - by_then.fill_null(0)).alias("→flow"))
    even = pl.col("half_even")
    whole, rest, _ = split(pl.col("rem"), pl.col("→flow"), pl.col("→all"))
    total = pl.col("minor").last().over(_KEY) - units_to_minor(pl.col("base"), even)
    return rows.with_columns(
        cumulative_minor(wide(0), pl.col("rem"), pl.col("→flow"), pl.col("→all"), even).alias("→rounded"),
        (whole // GUARD).alias("→cut"),
        (whole % GUARD).alias("→units"),
        rest.alias("→rest"),
        units_to_minor(pl.col("base"), even).alias("→opening"),
        total.alias("→total"),
    )


def _posted(part: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of one part of each promise with `minor` as posted, from where rounding stood when it began.

    What has passed of a running period is a part of what the period posts, which the day of a run does not change.
    """
    made = _whole_periods(part.filter(~pl.col("→in_period")))
    running = part.filter("→in_period")
    if not running.height:
        return made
    both = pl.concat([made, running.with_columns(pl.lit(None, dtype=WIDE).alias("minor")).select(made.columns)]).sort("id", "date")
    since = pl.col("minor").shift(1).over("id").fill_null(pl.col("→opening") + pl.col("→ahead"))
    until = pl.col("minor").shift(-1).over("id")
    low, high = pl.min_horizontal(since, until), pl.max_horizontal(since, until)
    reached = pl.max_horizontal(pl.min_horizontal(since + pl.col("→rounded"), high), low)
    return both.with_columns(pl.when("→in_period").then(reached).otherwise("minor").alias("minor"))


def _whole_periods(part: pl.DataFrame) -> pl.DataFrame:
    """Return whole periods of one part of each promise with `minor` as posted."""
    names = part.columns
    total = pl.col("→total") - pl.col("→ahead")
    is_last = pl.int_range(pl.len()).over("id") == pl.len().over("id") - 1
    plug = pl.when(is_last).then(total - pl.col("→rounded").sum().over("id") + pl.col("→rounded")).otherwise(pl.col("→rounded"))
    sign = pl.when(pl.col("rem") < 0).then(wide(-1)).otherwise(wide(1))
    earns = (pl.col("→flow") > 0) | ~(pl.col("→flow") > 0).any().over("id")
    # Ties go to the earliest period; what was posted ahead or behind may be more than one unit of each.
    rank = pl.struct(~earns, (pl.col("→units") * -1).alias("a"), (pl.col("→rest") * -1).alias("b"), pl.col("date")).rank("ordinal")
    part = part.with_columns(
        (total * sign - pl.col("→cut").sum().over("id")).alias("→left"),
        earns.sum().over("id").cast(WIDE).alias("→many"),
        earns.alias("→earns"),
        rank.over("id").cast(WIDE).alias("→rank"),
        plug.alias("→plug"),
    )
    each = pl.when("→earns").then(pl.col("→left") // pl.col("→many")).otherwise(wide(0))
    largest = (pl.col("→cut") + each + (pl.col("→rank") <= pl.col("→left") % pl.col("→many")).cast(WIDE)) * sign
    posted = pl.when(pl.col("schedule") == "last_period_plug").then("→plug").otherwise(largest)
    return part.with_columns((pl.col("→opening") + pl.col("→ahead") + posted.cum_sum().over("id")).alias("minor")).select(names)
