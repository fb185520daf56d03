"""Time bands of disclosures: calendar years, fiscal years, months; and the fiscal year a day lies in."""

from __future__ import annotations

import polars as pl


def fiscal_year_start(day: pl.Expr, year_start: pl.Expr) -> pl.Expr:
    """Return the first day of the fiscal year a day lies in; `year_start` is MM-DD, a date of any year or a month; else 01-01.

    A year that starts on 29 February starts on 1 March where there is none.
    """
    stated = year_start.str.extract_groups(r"^(?:\d{4}-|--)?(0?[1-9]|1[0-2])(?:-(0?[1-9]|[12]\d|3[01]))?$")
    month, of_month = (pl.coalesce(stated.struct[at].cast(pl.Int32), pl.lit(1)) for at in (0, 1))

    def start(year: pl.Expr) -> pl.Expr:
        first = pl.date(year, month, 1)
        return first + pl.duration(days=of_month - 1)

    this = start(day.dt.year())
    return pl.when(this <= day).then(this).otherwise(start(day.dt.year() - 1))


def next_fiscal_year(day: pl.Expr, year_start: pl.Expr) -> pl.Expr:
    """Return the first day of the fiscal year after the one a day lies in."""
    return fiscal_year_start(fiscal_year_start(day, year_start) + pl.duration(days=367), year_start)


def band_of(day: pl.Expr, kind: pl.Expr, year_start: pl.Expr, as_of: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Return first and last day of the band a future day lies in; the running band starts the day after as_of.

    `kind`: calendar_year, fiscal_year or months.
    """
    start = (
        pl.when(kind == "months").then(day.dt.month_start())
        .when(kind == "fiscal_year").then(fiscal_year_start(day, year_start))
        .otherwise(pl.date(day.dt.year(), 1, 1))
    )  # fmt: skip
    end = (
        pl.when(kind == "months").then(day.dt.month_end())
        .when(kind == "fiscal_year").then(next_fiscal_year(day, year_start) - pl.duration(days=1))
        .otherwise(pl.date(day.dt.year(), 12, 31))
    )  # fmt: skip
    return pl.when(day.is_not_null()).then(pl.max_horizontal(start, as_of + pl.duration(days=1))), end
