"""The month of days, told once for each day."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from engine.months import month_label


def labels(days: list[dt.date | None]) -> list[str | None]:
    series = pl.Series("day", days, dtype=pl.Date)
    return series.to_frame().select(month_label(series, pl.col("day")).alias("month"))["month"].to_list()


@pytest.mark.parametrize("times", [1, 40])
def test_the_month_is_told_alike_from_a_table_of_days_and_row_by_row(times: int) -> None:
    days = [dt.date(1969, 12, 31), dt.date(1970, 1, 1), None, dt.date(1970, 1, 31), dt.date(1970, 2, 1)] * times
    assert labels(days) == ["1969-12", "1970-01", None, "1970-01", "1970-02"] * times


def test_days_far_apart_are_told_row_by_row() -> None:
    assert labels([dt.date(1, 1, 1), dt.date(9999, 12, 31)]) == ["0001-01", "9999-12"]


def test_no_day_has_no_month() -> None:
    assert labels([None, None]) == [None, None]
    assert labels([]) == []
