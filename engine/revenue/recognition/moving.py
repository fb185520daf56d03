"""Prices that move with the measure's estimate (hours under a cap, tiers): what of their catch-up is of before the month (250-10-45-17)."""

from __future__ import annotations

import polars as pl

from engine.revenue.arithmetic.numbers import wide
from engine.revenue.ground.periods import with_period
from engine.revenue.modifications.segments import with_revenue
from engine.revenue.progress.measured import told_roughly

_SEGMENT = ("base", "rem", "m0", "u0", "half_even", "decimals", "minor_digits")


def done_before(rows: pl.DataFrame, seen: pl.DataFrame, events: pl.DataFrame, periods: pl.DataFrame, *, of_day: bool) -> pl.DataFrame:
    """Add to rows (id, date, calendar) what had been done by the opening of their period: m, mt, u.

    What an event within the period measured is behind: of one on the day itself too where `of_day`.
    """
    starts = periods.select("calendar", "period", pl.col("start_date").dt.offset_by("-1d").alias("→by"))
    dated = with_period(rows, periods, "date").join(starts, on=["calendar", "period"], how="left")
    told = events.select("id", pl.col("date").alias("→event")).unique().sort("→event")
    dated = dated.sort("date").join_asof(
        told, left_on="date", right_on="→event", by="id", allow_exact_matches=of_day, check_sortedness=False
    )
    # An event is measured through the day before it.
    dated = dated.with_columns(pl.max_horizontal("→by", pl.col("→event").dt.offset_by("-1d")).alias("→by")).sort("→by")
    done = seen.select(
        "id", pl.col("date").alias("→on"), pl.col("to_date").alias("m"), pl.col("total").alias("mt"), pl.col("at_cost").alias("u")
    ).sort("→on")
    found = dated.join_asof(done, left_on="→by", right_on="→on", by="id", check_sortedness=False)
    return found.select(*rows.columns, "m", "mt", "u")


def _moving(jumps: pl.DataFrame) -> pl.DataFrame:
    moves = pl.col("moves_total") & (pl.col("nature") == "estimate_change")
    return jumps.filter(moves).select("id", "date", "ordinal").unique()


def without_moving(jumps: pl.DataFrame) -> pl.DataFrame:
    """Return jumps without estimates that move price and measure: another estimate of their month is measured where they are."""
    asked = _moving(jumps)
    return jumps.join(asked, on=["id", "ordinal"], how="anti") if asked.height else jumps


def moved_from_their_period(jumps: pl.DataFrame, parts: pl.DataFrame, seen: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Return jumps, an estimate that moves price and measure of over-time work being caught up on what was done before its month.

    The work of a period is earned at the estimate it ends with, whether entries tell it day by day or one report does (606-10-25-35).
    What an event within the period measured is behind. `parts`: segments by id and ordinal; `seen`: observations by id and day.
    """
    asked = _moving(jumps)
    if not asked.height:
        return jumps
    about = seen.filter(pl.col("timing") == "over_time").select("id", "calendar").unique()
    rows = done_before(asked.join(about, on="id", how="inner"), seen, without_moving(jumps), periods, of_day=False)
    rows = rows.with_columns(pl.col("m").fill_null(0), pl.col("mt").fill_null(1), pl.col("u").fill_null(0)).sort("date")
    whole = seen.select("id", pl.col("date").alias("→on"), pl.col("total").alias("→whole")).sort("→on")
    rows = rows.join_asof(whole, left_on="date", right_on="→on", by="id", check_sortedness=False).drop("→on")
    # An estimate follows the one before it, of the same month too.
    earlier = whole.rename({"→whole": "→earlier"})
    rows = rows.join_asof(earlier, left_on="date", right_on="→on", by="id", allow_exact_matches=False, check_sortedness=False)
    rows = rows.with_columns(pl.max_horizontal(pl.coalesce("→earlier", "mt"), "m").alias("mt"))
    own = parts.select("id", "ordinal", *_SEGMENT).sort("ordinal")
    before = rows.sort("ordinal").join_asof(own, on="ordinal", by="id", allow_exact_matches=False, check_sortedness=False)
    after = rows.join(own, on=["id", "ordinal"], how="inner").with_columns(pl.max_horizontal("→whole", "m", wide(1)).alias("mt"))
    key = ["id", "ordinal"]
    told = [
        with_revenue(told_roughly(part), minor=name).select(*key, name, pl.col("m").alias(f"{name}.m"), pl.col("mt").alias(f"{name}.mt"))
        for part, name in ((before, "→before"), (after, "→after"))
    ]
    made = jumps.join(told[0], on=key, how="left", maintain_order="left").join(told[1], on=key, how="left", maintain_order="left")
    is_moved = pl.col("→before").is_not_null() & pl.col("→after").is_not_null()
    first, last = is_moved & (pl.col("step") == 0), is_moved & (pl.col("step") == 2)
    # The measure by which a price is told to be earned is that of before the new estimate, as with any change of a price.
    values = [pl.when(first).then("→before").when(is_moved).then("→after").otherwise("minor").alias("minor")]
    for name in ("m", "mt"):
        values.append(pl.when(last).then(f"→after.{name}").when(is_moved).then(f"→before.{name}").otherwise(name).alias(name))
    return made.with_columns(values).select(jumps.columns)
