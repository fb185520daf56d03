"""Progress of obligations on a day: observed measures as of it, or the part of a term that has elapsed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from engine.revenue.arithmetic.conventions import TermColumns, with_measures
from engine.revenue.arithmetic.numbers import wide

TERM: Final = ("measure", "convention", "begins", "ends", "anchor_day", "service_start_at", "service_end_at", "calendar", "decimals")
"""What a row needs beside `okey` and the day so that its progress can be told; where the policy rounds it, `half_even` too."""

BY_TIME: Final = "time_elapsed"


@dataclass(frozen=True, slots=True)
class Measures:
    """Hold what progress is read from: observations (`observed.OBSERVED`), and fiscal periods that are not calendar months."""

    observed: pl.DataFrame
    fiscal: pl.LazyFrame | None = None

    def terms(self) -> TermColumns:
        """Return which columns of a row tell its term."""
        return TermColumns("convention", "begins", "ends", "anchor_day", "service_start_at", "service_end_at", self.fiscal, "calendar")


def fiscal_periods(periods: pl.DataFrame) -> pl.LazyFrame | None:
    """Return the periods of calendars that are not calendar months, or None."""
    own = periods.filter(pl.col("calendar") != "")
    is_month = (pl.col("start_date") == pl.col("start_date").dt.month_start()) & (pl.col("end_date") == pl.col("start_date").dt.month_end())
    others = own.filter((~is_month).any().over("calendar"))
    return others.select("calendar", "start_date", "end_date").lazy() if others.height else None


def with_progress(rows: pl.DataFrame, measures: Measures, day: str, *, before: bool = False) -> pl.DataFrame:
    """Add `m`, `mt` and `u`: what was done, what there is to do, what is earned at cost (units), through a day.

    With `before` through the day before it: an observation of the day itself belongs to what comes after.
    0 of 1 where nothing is known, of 0 where what there is to do cannot be told. The rows come back in their order.
    """
    is_timed = pl.col("measure") == BY_TIME
    if rows.filter(~is_timed.fill_null(value=False)).is_empty():
        # Nothing observed: the rows need no key, and under one convention they keep their order by themselves.
        if rows.height and rows["convention"].n_unique() == 1:
            return _told(_elapsed(rows, measures, day, before))
        return _told(_elapsed(rows.with_row_index("→row"), measures, day, before).sort("→row").drop("→row"))
    numbered = rows.with_row_index("→row")
    timed, other = numbered.filter(is_timed), numbered.filter(~is_timed.fill_null(value=False))
    seen = measures.observed.select(
        "okey", pl.col("date").alias("→seen"), pl.col("to_date").alias("m"), pl.col("total").alias("mt"), pl.col("at_cost").alias("u")
    )
    found = (
        other.sort(day)
        .join_asof(
            seen.sort("→seen"),
            left_on=day,
            right_on="→seen",
            by="okey",
            strategy="backward",
            allow_exact_matches=not before,
            check_sortedness=False,
        )
        .drop("→seen", strict=False)
    )
    made = pl.concat([found, _elapsed(timed, measures, day, before)], how="diagonal").sort("→row").drop("→row")
    return _told(made)


def _told(rows: pl.DataFrame) -> pl.DataFrame:
    return told_roughly(rows.with_columns(pl.col("m").fill_null(0), pl.col("mt").fill_null(1), pl.col("u").fill_null(0)))


def told_part() -> tuple[pl.Expr, pl.Expr]:
    """Return (numerator, denominator) of progress as it is told: nothing below 0, or while what there is to do cannot be told."""
    return pl.when(pl.col("mt") == 0).then(wide(0)).otherwise(pl.max_horizontal("m", wide(0))), pl.max_horizontal("mt", wide(1))


def _elapsed(rows: pl.DataFrame, measures: Measures, day: str, before: bool) -> pl.DataFrame:
    dated = rows.with_columns((pl.col(day).dt.offset_by("-1d") if before else pl.col(day)).alias("→at"))
    parts = [_by_convention(str(name), part, measures) for (name,), part in sorted(dated.partition_by("convention", as_dict=True).items())]
    made = pl.concat(parts) if parts else dated.with_columns(wide(0).alias(name) for name in ("m", "mt", "u"))
    return made.drop("→at")


def _by_convention(name: str, rows: pl.DataFrame, measures: Measures) -> pl.DataFrame:
    if name != "actual_days":
        terms = replace(measures.terms(), only=name)
        return with_measures(rows.lazy(), {"m": "→at"}, whole="mt", terms=terms).with_columns(wide(0).alias("u")).collect()
    # The most common convention, and the cheapest told plainly.
    days = (pl.col("ends") - pl.col("begins")).dt.total_days() + 1
    gone = (pl.min_horizontal("→at", "ends") - pl.col("begins")).dt.total_days() + 1
    done, total = pl.when(days > 0).then(pl.max_horizontal(gone, pl.lit(0))), pl.when(days > 0).then(days)
    return rows.with_columns(done.cast(pl.Int128).alias("m"), total.cast(pl.Int128).alias("mt"), wide(0).alias("u"))


def told_roughly(rows: pl.DataFrame) -> pl.DataFrame:
    """Round the fraction where the policy says so, in its `rounding.mode`, only to reproduce a history (`progress.decimals`)."""
    if not rows["decimals"].count():
        return rows
    made = rows.with_columns(pl.lit(1, dtype=pl.Int128).alias("→scale"))
    for digits in rows["decimals"].drop_nulls().unique().to_list():
        made = made.with_columns(pl.when(pl.col("decimals") == digits).then(wide(10**digits)).otherwise(pl.col("→scale")).alias("→scale"))
    # Large measures are cut alike first, so that the product stays within 128 bits.
    cut = pl.when(pl.col("mt") >= 10**24).then(wide(10**6)).otherwise(wide(1))
    done, total = pl.col("m") // cut, pl.col("mt") // cut
    rounds = pl.col("decimals").is_not_null() & (pl.col("mt") > 0)
    raised, doubled = done * pl.col("→scale") * 2 + total, pl.when(rounds).then(total * 2)
    up = raised // doubled
    # What lies in the middle goes to the even neighbour where the policy rounds so.
    rounded = up - (pl.col("half_even") & (raised % doubled == 0) & (up % 2 != 0)).cast(pl.Int128)
    return made.with_columns(
        pl.when(rounds).then(rounded).otherwise(pl.col("m")).alias("m"),
        pl.when(rounds).then(pl.col("→scale")).otherwise(pl.col("mt")).alias("mt"),
    ).drop("→scale")
