"""What tests of the revenue rooms share: records by name, and the books of a contract written in a line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.canonical.schema import entity_spec
from engine.revenue import frames

Records = Callable[..., pl.DataFrame]

SETTINGS: dict[str, tuple[Any, pl.DataType]] = {
    "standard": ("us_gaap", pl.String()),
    "rounding.mode": ("half_up", pl.String()),
    "costs.expedient_months": (12, pl.Int64()),
    "costs.proration": ("actual_days", pl.String()),
    "proration": ("actual_days", pl.String()),
    "loss.unit": ("contract", pl.String()),
    "loss.cost_basis": ("full", pl.String()),
    "disclosure.rpo_expedients": ([], pl.List(pl.String())),
    "disclosure.rpo_bands": ("calendar_year", pl.String()),
    "disclosure.disaggregate_by": ([], pl.List(pl.String())),
    "rounding.disclosure_unit": (None, pl.Decimal(38, 6)),
}


def _typed(rows: tuple[dict[str, Any], ...], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    unknown = {name for row in rows for name in row} - set(schema)
    assert not unknown, f"no such columns: {sorted(unknown)}"
    data = [{name: _exact(row.get(name), schema[name]) for name in schema} for row in rows]
    return pl.DataFrame(data, schema=schema)


def _exact(value: Any, dtype: pl.DataType) -> Any:
    return Decimal(str(value)) if isinstance(dtype, pl.Decimal) and value is not None else value


@pytest.fixture
def records() -> Records:
    """Golden records of an entity: `records("progress", {...}, {...})`; absent fields are null."""

    def make(entity: str, *rows: dict[str, Any]) -> pl.DataFrame:
        return _typed(rows, {**entity_spec(entity).polars_schema(), "evidence": pl.List(pl.String())})

    return make


@pytest.fixture
def contracts() -> Records:
    """Contracts of the books; a key `setting.…` overrides a setting, `exit_penalty` stands beside."""

    def make(*rows: dict[str, Any]) -> pl.DataFrame:
        given = {
            "group_id": "C1",
            "contract_id": "C1",
            "calendar": "",
            "currency": "USD",
            "minor_digits": 2,
            "gate": "met",
            "status": "active",
        }
        settings = {f"setting.{name}": value for name, (value, _) in SETTINGS.items()}
        types = {f"setting.{name}": dtype for name, (_, dtype) in SETTINGS.items()}
        schema = {**frames.CONTRACTS, **types, "exit_penalty": frames.MONEY}
        return _typed(tuple({**given, **settings, **row} for row in rows), schema)

    return make


@pytest.fixture
def lines() -> Records:
    """Lines of the books; by default line L1 of contract C1, its own obligation."""
    return _of(frames.LINES, {"contract_id": "C1", "group_id": "C1", "contract_line_id": "L1", "obligation_id": "L1"})


@pytest.fixture
def obligations() -> Records:
    """Versions of obligations of the books; by default the first version of L1 of contract C1."""
    return _of(frames.OBLIGATIONS, {"contract_id": "C1", "group_id": "C1", "obligation_id": "L1", "version": 1, "currency": "USD"})


@pytest.fixture
def performance() -> Records:
    """Atoms of revenue of the books; by default current over-time revenue of L1; the period is the day's month."""
    default = {
        "contract_id": "C1", "group_id": "C1", "contract_line_id": "L1", "obligation_id": "L1", "nature": "current",
        "timing": "over_time", "role": "principal", "is_planned": False, "catch_up_amount": 0, "currency": "USD",
    }  # fmt: skip
    make = _of(frames.PERFORMANCE, default)

    def with_periods(*rows: dict[str, Any]) -> pl.DataFrame:
        period = pl.col("posting_date").dt.strftime("%Y-%m")
        frame = make(*rows)
        return frame.with_columns(pl.coalesce("period", period), pl.coalesce("relates_to_period", period))

    return with_periods


@pytest.fixture
def prices() -> Records:
    """Steps of the transaction price of the books; by default of contract C1."""
    return _of(frames.PRICE, {"contract_id": "C1"})


def _of(schema: dict[str, pl.DataType], default: dict[str, Any]) -> Records:
    def make(*rows: dict[str, Any]) -> pl.DataFrame:
        return _typed(tuple({**default, **row} for row in rows), schema)

    return make


@pytest.fixture
def months() -> Callable[[int, int], pl.DataFrame]:
    """Calendar months from the first year's January to the last year's December as periods of the books."""

    def make(first: int, last: int) -> pl.DataFrame:
        starts = pl.date_range(dt.date(first, 1, 1), dt.date(last, 12, 1), "1mo", eager=True).alias("start_date").to_frame()
        days = starts.with_columns(
            pl.lit("").alias("calendar"), pl.col("start_date").dt.strftime("%Y-%m").alias("period"),
            pl.col("start_date").dt.month_end().alias("end_date"), pl.lit("open").alias("status"),
        )  # fmt: skip
        return frames.shaped(days, frames.PERIODS)

    return make
