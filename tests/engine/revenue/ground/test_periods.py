"""Fiscal periods: which count as closed, and since when."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import polars as pl

from engine.canonical.schema import entity_spec
from engine.revenue.ground.periods import period_frame

CLOSED = dt.datetime(2026, 2, 5, tzinfo=dt.UTC)
LATER = dt.datetime(2026, 2, 9, tzinfo=dt.UTC)


def closed_at(status: str | None, closed: dt.datetime | None, reopened: dt.datetime | None = None) -> dt.datetime | None:
    first, last = dt.date(2026, 1, 1), dt.date(2026, 1, 31)
    record = {"legal_entity_id": "E", "period": "2026-01", "start_date": first, "end_date": last, "status": status,
              "closed_at": closed, "reopened_at": reopened}  # fmt: skip
    made = period_frame(pl.DataFrame([record], schema_overrides=entity_spec("fiscal_period").polars_schema()), first, last)
    return made.filter(pl.col("calendar") == "E")["closed_at"].item()


def test_a_closed_period_is_closed_since_its_day() -> None:
    assert closed_at("closed", CLOSED) == CLOSED
    assert closed_at("locked", CLOSED) == CLOSED


def test_a_period_with_a_day_of_closing_and_no_status_is_closed() -> None:
    assert closed_at(None, CLOSED) == CLOSED
    assert closed_at(None, LATER, CLOSED) == LATER


def test_a_period_that_is_open_or_was_reopened_is_not_closed() -> None:
    assert closed_at("open", CLOSED) is None
    assert closed_at(None, CLOSED, LATER) is None
    assert closed_at(None, None) is None


def around(*own: tuple[str, dt.date, dt.date]) -> list[tuple[str, str, str]]:
    """Return the periods from December 2025 to March 2027 of a calendar with some of its own."""
    records = [{"legal_entity_id": "E", "period": name, "start_date": first, "end_date": last} for name, first, last in own]
    fiscal = pl.DataFrame(records, schema_overrides=entity_spec("fiscal_period").polars_schema())
    for name, kind in entity_spec("fiscal_period").polars_schema().items():
        fiscal = fiscal if name in fiscal.columns else fiscal.with_columns(pl.lit(None, dtype=kind).alias(name))
    made = period_frame(fiscal, dt.date(2025, 12, 5), dt.date(2027, 3, 1)).filter(pl.col("calendar") == "E")
    days = made.select("period", pl.col("start_date", "end_date").cast(pl.String)).rows()
    for earlier, later in pairwise(days):
        assert dt.date.fromisoformat(earlier[2]) + dt.timedelta(days=1) == dt.date.fromisoformat(later[1])
    assert len({name for name, _, _ in days}) == len(days)
    return days


def test_months_beside_a_shifted_year_are_numbered_on() -> None:
    # A year that begins in April: its last period is March 2026, so that April 2026 is the first of the next.
    made = around(("2026-12", dt.date(2026, 3, 1), dt.date(2026, 3, 31)))
    assert made[:5] == [
        ("2026-09", "2025-12-01", "2025-12-31"), ("2026-10", "2026-01-01", "2026-01-31"), ("2026-11", "2026-02-01", "2026-02-28"),
        ("2026-12", "2026-03-01", "2026-03-31"), ("2027-01", "2026-04-01", "2026-04-30"),
    ]  # fmt: skip
    assert made[-1] == ("2027-12", "2027-03-01", "2027-03-31")


def test_what_a_calendar_of_weeks_leaves_of_a_month_joins_the_next() -> None:
    made = around(("2026-04", dt.date(2026, 3, 29), dt.date(2026, 4, 25)), ("2026-03", dt.date(2026, 2, 22), dt.date(2026, 3, 28)))
    assert [each for each in made if each[0] in ("2026-02", "2026-03", "2026-04", "2026-05", "2026-06")] == [
        ("2026-02", "2026-02-01", "2026-02-21"), ("2026-03", "2026-02-22", "2026-03-28"), ("2026-04", "2026-03-29", "2026-04-25"),
        ("2026-05", "2026-04-26", "2026-05-31"), ("2026-06", "2026-06-01", "2026-06-30"),
    ]  # fmt: skip
    made = around(("2026-01", dt.date(2026, 1, 4), dt.date(2026, 1, 31)))
    assert made[:2] == [("2025-12", "2025-12-01", "2026-01-03"), ("2026-01", "2026-01-04", "2026-01-31")]


def test_a_year_of_thirteen_periods_goes_on_with_the_first() -> None:
    made = around(("2026-13", dt.date(2026, 12, 6), dt.date(2027, 1, 2)), ("2026-12", dt.date(2026, 11, 8), dt.date(2026, 12, 5)))
    assert made[-3:] == [
        ("2027-01", "2027-01-03", "2027-01-31"), ("2027-02", "2027-02-01", "2027-02-28"), ("2027-03", "2027-03-01", "2027-03-31"),
    ]  # fmt: skip


def test_a_month_left_out_within_a_calendar_is_a_period() -> None:
    made = around(("2026-01", dt.date(2026, 1, 1), dt.date(2026, 1, 31)), ("2026-03", dt.date(2026, 3, 1), dt.date(2026, 3, 31)))
    assert made[1:4] == [
        ("2026-01", "2026-01-01", "2026-01-31"), ("2026-02", "2026-02-01", "2026-02-28"), ("2026-03", "2026-03-01", "2026-03-31"),
    ]  # fmt: skip
