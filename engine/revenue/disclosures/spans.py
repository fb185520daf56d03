"""Fiscal years and months of calendars that are not of calendar months: those of their periods, whatever day a year began on before."""

from __future__ import annotations

import polars as pl

from engine.nothing import of_nothing

_YEAR = 12


def fiscal_spans(periods: pl.DataFrame) -> pl.DataFrame:
    """Return the fiscal years and periods of calendars that are not of months: calendar, bands (fiscal_year or months), from, to.

    `periods`: frames.PERIODS. A year of 52 or 53 weeks begins on another day than the one before, so that no day of the year tells it;
    it is told by the labels of its periods (`YYYY-NN`), where all of them or the first of the next are known.
    """
    whole_month = (pl.col("start_date").dt.day() == 1) & (pl.col("end_date") == pl.col("end_date").dt.month_end())
    own = periods.filter((pl.col("calendar") != "") & ~whole_month.all().over("calendar"))
    return _spans(own)


@of_nothing
def _spans(own: pl.DataFrame) -> pl.DataFrame:
    label = pl.col("period").str.extract_groups(r"^(\d{4})-(\d{2})$")
    told = own.select("calendar", "start_date", "end_date", *(label.struct[at].cast(pl.Int32).alias(f"→{at}") for at in (0, 1)))
    told = told.drop_nulls("→0").with_columns(pl.max_horizontal(pl.col("→1").max().over("calendar"), _YEAR).alias("→last"))
    years = told.group_by("calendar", "→0").agg(
        pl.col("start_date").filter(pl.col("→1") == 1).min().alias("from"), pl.col("end_date").filter(pl.col("→1") == pl.col("→last")).max()
    ).sort("calendar", "→0")  # fmt: skip
    follows = pl.col("→0").shift(-1).over("calendar") == pl.col("→0") + 1
    following = pl.when(follows).then(pl.col("from").shift(-1).over("calendar").dt.offset_by("-1d"))
    years = years.with_columns(pl.coalesce(following, "end_date").alias("to")).drop_nulls(["from", "to"])
    months = own.select("calendar", pl.lit("months").alias("bands"), pl.col("start_date").alias("from"), pl.col("end_date").alias("to"))
    return pl.concat([years.select("calendar", pl.lit("fiscal_year").alias("bands"), "from", "to"), months]).sort("from")


def with_spans(rows: pl.DataFrame, spans: pl.DataFrame, day: str) -> pl.DataFrame:
    """Add `from` and `to` of the span each row's day lies in, null where no calendar tells it; rows have calendar and bands."""
    dated = rows.with_row_index("→row").sort(day, nulls_last=True)
    known = dated.filter(pl.col(day).is_not_null()).join_asof(
        spans, left_on=day, right_on="from", by=["calendar", "bands"], check_sortedness=False, coalesce=False
    )
    within = (pl.col(day) <= pl.col("to")).fill_null(value=False)
    known = known.with_columns(pl.when(within).then(name).alias(name) for name in ("from", "to"))
    return pl.concat([known, dated.filter(pl.col(day).is_null())], how="diagonal").sort("→row").drop("→row")
