"""Cells are read exactly or their row is held: one case per conversion and per way to fail."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from adapters.mapping.casting import REASONS, cast_field, trimmed
from adapters.mapping.model import FieldRule, Mapping
from adapters.mapping.origin import typed_cast
from engine.canonical.kinds import FieldSpec, Kind

MAPPING = Mapping(adapter="x", title="x", streams={}, entities=())


def cast(text: str | None, kind: Kind, values: tuple[str, ...] = (), **rule: Any) -> tuple[Any, str | None]:
    frame = pl.DataFrame({"cell": [text]}, schema={"cell": pl.String})
    spec, declared = FieldSpec("f", kind, "m", values=values), FieldRule.model_validate({"from": "cell", **rule})
    made = cast_field(trimmed(pl.col("cell")), spec, declared, MAPPING)
    value, reason = frame.select(value=made.value, reason=made.reason).row(0)
    assert reason is None or reason in REASONS
    return value, reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.5", "1.5"), ("+1", "1"), ("-.5", "-0.5"), ("007", "7"), ("1.10000000000", "1.1"), (" 7 ", "7"), ("-0", "0")],
)
def test_a_number_is_read_exactly(text: str, expected: str) -> None:
    assert cast(text, Kind.MONEY) == (Decimal(expected), None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1e5", "not_a_number"), ("NaN", "not_a_number"), ("=1+1", "not_a_number"), ("1,234.50", "not_a_number"),
        ("12 EUR", "not_a_number"), ("--5", "not_a_number"), ("1.1234567", "too_many_decimals"), ("9" * 40, "number_too_large"),
    ],
)  # fmt: skip
def test_what_is_no_exact_amount_is_held(text: str, reason: str) -> None:
    assert cast(text, Kind.MONEY) == (None, reason)


@pytest.mark.parametrize("text", ["1.23E+05", "1,23457E+16", "4E+10", "04-Mar", "3-Apr", "########"])
def test_an_id_that_a_spreadsheet_made_something_else_of_is_held(text: str) -> None:
    assert cast(text, Kind.ID)[1] == "mangled_id"
    # Of other text it may be what somebody wrote.
    assert cast(text, Kind.TEXT) == (text, None)


@pytest.mark.parametrize("text", ["00123", "123", "3-4", "1E5", "INV-E+05", "12-MAR", "E+10", "#1", "2026-03-04"])
def test_an_id_that_only_looks_like_it_stays(text: str) -> None:
    assert cast(text, Kind.ID) == (text, None)


@pytest.mark.parametrize(("kind", "digits"), [(Kind.MONEY, 15), (Kind.PRICE, 12), (Kind.HOURS, 8), (Kind.PCT, 8)])
def test_a_value_no_firm_can_have_is_held(kind: Kind, digits: int) -> None:
    assert cast("9" * digits, kind) == (Decimal("9" * digits), None)
    assert cast("-1" + "0" * digits, kind) == (None, "number_too_large")
    spec, rule = FieldSpec("f", kind, "m"), FieldRule.model_validate({"from": "cell"})
    frame = pl.DataFrame({"cell": pl.Series([Decimal(10**digits), Decimal(10**digits - 1)], dtype=spec.dtype)})
    for dtype in (spec.dtype, pl.Decimal(38, 2)):
        made = typed_cast("cell", dtype, spec, rule, MAPPING)
        read = frame.cast(dtype).select(value=made.value, reason=made.reason).rows()
        assert read == [(None, "number_too_large"), (Decimal(10**digits - 1), None)]


def test_a_blank_is_null_and_nothing_is_wrong_with_it() -> None:
    assert cast("  ", Kind.MONEY) == (None, None)
    assert cast(None, Kind.DATE) == (None, None)


def test_a_decimal_comma_is_read_only_when_declared_and_well_placed() -> None:
    european: dict[str, Any] = {"decimal": ",", "thousands": "."}
    assert cast("2.001,0", Kind.MONEY, **european) == (Decimal(2001), None)
    assert cast("1234.56", Kind.MONEY, **european) == (None, "not_a_number")
    assert cast("12.34,5", Kind.MONEY, **european) == (None, "not_a_number")
    assert cast("1.234,56", Kind.MONEY) == (None, "not_a_number")


def test_units_are_converted_half_up_at_the_scale_of_the_field() -> None:
    assert cast("12345", Kind.MONEY, unit="cents") == (Decimal("123.45"), None)
    assert cast("10", Kind.HOURS, unit="minutes") == (Decimal("0.16666667"), None)
    assert cast("5400", Kind.HOURS, unit="seconds") == (Decimal("1.5"), None)
    assert cast("0.25", Kind.PCT, unit="fraction") == (Decimal(25), None)


def test_a_rate_quoted_the_other_way_is_turned_at_twelve_decimals() -> None:
    assert cast("0.75", Kind.RATE, reciprocal=True) == (Decimal("1.333333333333"), None)


def test_a_signed_amount_is_parted_into_debit_and_credit() -> None:
    assert cast("-5", Kind.MONEY, sign="negative") == (Decimal(5), None)
    assert cast("-5", Kind.MONEY, sign="positive") == (Decimal(0), None)


@pytest.mark.parametrize("text", ["13/15/2024", "2024-02-30", "24-01-01", "2024-1-1", "2024-01-01T00:00"])
def test_a_date_is_never_guessed(text: str) -> None:
    assert cast(text, Kind.DATE) == (None, "not_a_date")


def test_declared_date_formats_are_tried_in_order() -> None:
    assert cast("2/5/2025", Kind.DATE, date=["%Y-%m-%d", "%m/%d/%Y"]) == (dt.date(2025, 2, 5), None)
    assert cast("0025-02-05", Kind.DATE) == (None, "date_out_of_range")


def test_a_workbooks_day_number_is_a_date_where_declared() -> None:
    assert cast("46027", Kind.DATE) == (None, "not_a_date")
    days = ["%Y-%m-%d", "sheet_days"]
    assert cast("46027", Kind.DATE, date=days) == (dt.date(2026, 1, 5), None)
    assert cast("46027.0", Kind.DATE, date=days) == (dt.date(2026, 1, 5), None)
    assert cast("61", Kind.DATE, date=days) == (dt.date(1900, 3, 1), None)
    for text in ("46027.5", "60", "20260105", "-46027"):
        assert cast(text, Kind.DATE, date=days) == (None, "not_a_date")


def test_the_fraction_of_a_workbooks_day_number_is_the_time_of_day() -> None:
    noon = dt.datetime(2026, 1, 5, 12, 0, 1, tzinfo=dt.UTC)
    assert cast("46027.500011574", Kind.TIME, time=["sheet_days"]) == (noon, None)


def test_an_instant_is_brought_to_utc() -> None:
    utc = dt.UTC
    assert cast("2021-04-15T11:39:46-0700", Kind.TIME) == (dt.datetime(2021, 4, 15, 18, 39, 46, tzinfo=utc), None)
    assert cast("1500000000", Kind.TIME, time=["epoch_s"]) == (dt.datetime(2017, 7, 14, 2, 40, tzinfo=utc), None)
    assert cast("yesterday", Kind.TIME) == (None, "not_a_time")


def test_booleans_and_words_are_those_declared() -> None:
    assert cast("Yes", Kind.BOOL, true=["yes"], false=["no"]) == (True, None)
    assert cast("2", Kind.BOOL) == (None, "not_a_boolean")
    assert cast("PAID", Kind.ENUM, ("paid",), map={"PAID": "paid"}) == ("paid", None)
    assert cast("LOST", Kind.ENUM, ("paid",), map={"PAID": "paid"}) == (None, "unknown_value")
    assert cast("On Hold", Kind.ENUM, ("on_hold",)) == ("on_hold", None)


def test_a_currency_is_one_however_its_code_is_written() -> None:
    spec = FieldSpec("cost_currency", Kind.TEXT, "m")
    frame = pl.DataFrame({"cell": ["eur", "Eur ", "EUR", "€", "Euro", None]})
    for rule, expected in (({}, "EUR"), ({"map": {"eur": "chf", "Eur": "chf", "EUR": "chf"}}, "CHF")):
        made = cast_field(trimmed(pl.col("cell")), spec, FieldRule.model_validate({"from": "cell", **rule}), MAPPING)
        assert frame.head(3).select(made.value)["cell"].to_list() == [expected] * 3
    plain = cast_field(trimmed(pl.col("cell")), spec, FieldRule.model_validate({"from": "cell"}), MAPPING)
    assert frame.tail(3).select(plain.value)["cell"].to_list() == ["€", "Euro", None]


def test_a_whole_number_may_be_written_with_zero_decimals_only() -> None:
    assert cast("30.0", Kind.INT) == (30, None)
    assert cast("30.5", Kind.INT) == (None, "not_a_whole_number")


def test_a_period_written_without_a_dash_becomes_a_label() -> None:
    rule: dict[str, Any] = {"pattern": r"^(\d{4})-?(\d{2})$", "template": "${1}-${2}"}
    assert cast("202601", Kind.PERIOD, **rule) == ("2026-01", None)
    assert cast("2026-01", Kind.PERIOD, **rule) == ("2026-01", None)


@pytest.mark.parametrize(
    ("cell", "form"),
    [("2026-02-01", "%Y-%m-%d"), ("2026-02-01 00:00:00", "%Y-%m-%d %H:%M:%S"), ("1769904000", "epoch_s"), ("1769903999", "epoch_s"),
     ("1769903999000", "epoch_ms"), ("46054", "sheet_days"), ("2026-02-01 13:30:00", "%Y-%m-%d %H:%M:%S")],
)  # fmt: skip
def test_the_end_of_a_period_is_the_day_before_the_next_one_begins(cell: str, form: str) -> None:
    assert cast(cell, Kind.DATE, date=[form], exclusive_end=["start"]) == (dt.date(2026, 1, 31), None)
