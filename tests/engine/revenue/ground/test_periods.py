"""Fiscal periods: which count as closed, and since when."""

from __future__ import annotations

import datetime as dt

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
