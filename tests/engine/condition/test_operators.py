"""Every operator and function of the language on one record, missing values included."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.canonical.kinds import Kind, polars_dtype
from engine.condition import Scope, compile_condition, compile_value, enum
from engine.diagnostics import Anchor

ANCHOR = Anchor("policy.yaml", 1, 1)
HOLIDAYS = (dt.date(2026, 1, 1), dt.date(2026, 5, 1))
RECORD: dict[str, tuple[Any, Kind]] = {
    "amount": (Decimal("100.25"), Kind.MONEY), "cost": (Decimal("3.00"), Kind.MONEY), "nothing": (None, Kind.MONEY),
    "zero": (Decimal(0), Kind.MONEY), "count": (7, Kind.INT), "no_count": (None, Kind.INT), "name": ("SUB-1 Ann's", Kind.TEXT),
    "no_name": (None, Kind.TEXT), "status": ("approved", Kind.TEXT), "begun": (dt.date(2026, 1, 30), Kind.DATE),
    "ended": (dt.date(2026, 3, 2), Kind.DATE), "no_day": (None, Kind.DATE), "billable": (True, Kind.BOOL), "unsaid": (None, Kind.BOOL),
    "seen_at": (dt.datetime(2026, 1, 30, 23, 59, tzinfo=dt.UTC), Kind.TIME),
}  # fmt: skip
SCOPE = Scope({name: kind if name != "status" else enum("draft", "approved", "rejected") for name, (_, kind) in RECORD.items()})
FRAME = pl.LazyFrame({name: [value] for name, (value, _) in RECORD.items()}, schema={name: polars_dtype(kind) for name, (_,
    kind) in RECORD.items()})


def result(text: str, *, is_condition: bool = True) -> Any:
    compiled = (compile_condition if is_condition else compile_value)(text, SCOPE, ANCHOR, holidays=HOLIDAYS)
    assert [each.message for each in compiled.diagnostics] == []
    return FRAME.select(x=compiled.expression).collect().item()


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("amount = 100.25", True), ("amount <> 100.25", False), ("amount != 100.2500", False), ("amount < 100.26", True),
        ("amount <= 100.25", True), ("amount > 100.25", False), ("amount >= 100.2499999", True), ("100 < amount", True),
        ("count = 7.0", True), ("count > 6.999", True), ("status = 'approved'", True), ("status <> 'draft'", True),
        ("name < 'T'", True), ("begun < '2026-02-01'", True), ("'2026-01-30' = begun", True), ("begun < ended", True),
        ("billable", True), ("NOT billable", False), ("billable = TRUE", True), ("seen_at = '2026-01-30'", True),
        ("seen_at < '2026-01-30T23:59:01Z'", True), ("begun = seen_at", True),
        ("count IN (1, 7, 9)", True), ("count NOT IN (1, 7, 9)", False), ("status IN ('draft')", False),
        ("amount BETWEEN 100.25 AND 200", True), ("amount NOT BETWEEN 0 AND 1", True), ("begun BETWEEN '2026-01-30' AND ended", True),
        ("nothing IS NULL", True), ("amount IS NULL", False), ("amount IS NOT NULL", True), ("(amount > 1) IS NULL", False),
        ("name LIKE 'SUB-%'", True), ("name LIKE '%Ann''s'", True), ("name LIKE '%-_ %'", True), ("name NOT LIKE 'sub%'", True),
        ("name LIKE 'SUB-1 Ann''s'", True), ("name LIKE '%'", True), ("name LIKE ''", False),
        ("STARTS_WITH(name, 'SUB')", True), ("amount > 1 OR 1 = 2 AND FALSE", True), ("(amount > 1 OR 1 = 2) AND FALSE", False),
        ("NOT amount > 1 OR billable", True), ("CASE WHEN billable THEN 1 ELSE 2 END = 1", True),
        ("CASE status WHEN 'draft' THEN FALSE WHEN 'approved' THEN TRUE END", True), ("IF(billable, count, 0) = 7", True),
    ],
)  # fmt: skip
def test_an_operator_gives_true_or_false(text: str, held: bool) -> None:
    assert result(text) is held


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("nothing = 1", None), ("nothing <> 1", None), ("nothing = nothing", None), ("nothing < amount", None), ("NOT nothing > 1", None),
        ("no_count IN (1, 2)", None), ("no_name IN ('a', 'b')", None), ("no_name NOT IN ('a')", None), ("no_name LIKE '%'", None),
        ("nothing BETWEEN 1 AND 2", None), ("amount BETWEEN nothing AND 1", False), ("amount BETWEEN nothing AND 1000", None),
        ("unsaid AND FALSE", False), ("unsaid AND TRUE", None), ("unsaid OR TRUE", True), ("unsaid OR FALSE", None), ("NOT unsaid", None),
        ("COALESCE(unsaid, FALSE)", False), ("(nothing > 1) IS NULL", True), ("STARTS_WITH(no_name, 'a')", None),
        ("CASE WHEN unsaid THEN FALSE ELSE TRUE END", True), ("CASE WHEN unsaid THEN TRUE END", None),
        ("no_day + 5 days > begun", None), ("LEAST(amount, nothing) = 1", None), ("GREATEST(amount, nothing) > 1", None),
        ("ROUND(amount / zero, 2) = 1", None), ("ROUND(amount / nothing, 2) = 1", None),
    ],
)  # fmt: skip
def test_a_missing_value_is_neither_true_nor_false(text: str, held: bool | None) -> None:
    assert result(text) is held


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("amount + 1", Decimal("101.25")), ("amount - cost", Decimal("97.25")), ("-amount", Decimal("-100.25")),
        ("count * 3", Decimal(21)), ("amount * 0.125", Decimal("12.53125")), ("ABS(cost - amount)", Decimal("97.25")),
        ("ROUND(amount / cost, 2)", Decimal("33.42")), ("ROUND(-amount / cost, 2)", Decimal("-33.42")),
        ("ROUND(amount / cost)", Decimal(33)),
        ("ROUND(0.125, 2)", Decimal("0.13")), ("ROUND(-0.125, 2)", Decimal("-0.13")), ("ROUND_EVEN(0.125, 2)", Decimal("0.12")),
        ("ROUND_EVEN(0.135, 2)", Decimal("0.14")), ("ROUND(1 / 8, 2)", Decimal("0.13")), ("ROUND_EVEN(1 / 8, 2)", Decimal("0.12")),
        ("ROUND(amount / cost * 3, 2)", Decimal("100.25")), ("ROUND(1 / 3 + 1 / 3 + 1 / 3, 6)", Decimal(1)),
        ("LEAST(amount, cost, 50)", Decimal(3)), ("GREATEST(count, 2)", 7), ("COALESCE(nothing, 5)", Decimal(5)),
        ("IF(unsaid, 1, 2)", 2), ("IF(billable, amount)", Decimal("100.25")),
        ("UPPER(name)", "SUB-1 ANN'S"), ("LOWER(name)", "sub-1 ann's"), ("TRIM('  a b ')", "a b"), ("LENGTH(name)", 11),
        ("YEAR(begun)", 2026), ("MONTH(begun)", 1), ("DAY(seen_at)", 30), ("LAST_DAY(ended)", dt.date(2026, 3, 31)),
        ("ADD_MONTHS(begun, 1)", dt.date(2026, 2, 28)), ("ADD_MONTHS(begun, -11)", dt.date(2025, 2, 28)),
        ("ADD_MONTHS(begun, count)", dt.date(2026, 8, 30)),
        ("DATE_DIFF('day', begun, ended)", 31), ("DATE_DIFF('month', begun, ended)", 1), ("DATE_DIFF('year', begun, ended)", 0),
        ("DATE_DIFF('day', ended, begun)", -31), ("DATE_DIFF('month', '2026-01-31', '2026-02-28')", 1),
        ("WORKDAYS('2025-12-31', '2026-01-05')", 2), ("WORKDAYS('2026-01-05', '2025-12-31')", -2), ("WORKDAYS(begun, begun)", 0),
        ("begun + 1 month", dt.date(2026, 2, 28)), ("begun - 2 days", dt.date(2026, 1, 28)), ("begun + 1 workday", dt.date(2026, 2, 2)),
        ("'2026-04-30' + 1 workdays", dt.date(2026, 5, 4)), ("begun + 1 year", dt.date(2027, 1, 30)),
        ("5 days + begun", dt.date(2026, 2, 4)),
        ("ABS(nothing)", None), ("UPPER(no_name)", None), ("YEAR(no_day)", None), ("WORKDAYS(begun, no_day)", None),
        ("COALESCE(nothing, nothing)", None),
    ],
)  # fmt: skip
def test_a_function_gives_its_exact_value(text: str, value: Any) -> None:
    found = result(text if "+ 1 workdays" not in text else text.replace("'2026-04-30'", "COALESCE(no_day, '2026-04-30')"),
    is_condition=False)
    assert found == value
    assert isinstance(found, type(value)) or value is None


@pytest.mark.parametrize(
    ("text", "scale", "is_integer"),
    [
        ("amount", 6, False), ("amount * 0.125", 9, False), ("amount + 0.12345678", 8, False), ("count + 1", 0, False), ("count", 0, True),
        ("ROUND(amount / 3, 4)", 4, False), ("COALESCE(amount, 0)", 6, False), ("DATE_DIFF('day', begun, ended)", 0, True),
    ],
)  # fmt: skip
def test_the_decimals_of_a_result_are_known_before_any_data(text: str, scale: int, is_integer: bool) -> None:
    compiled = compile_value(text, SCOPE, ANCHOR)
    assert (compiled.type.scale, compiled.type.is_integer) == (scale, is_integer)
    assert FRAME.select(x=compiled.expression).collect_schema()["x"] == compiled.type.dtype


def test_a_date_given_by_the_run_needs_no_column() -> None:
    scope = SCOPE.extended({"as_of": Kind.DATE})
    compiled = compile_value("DATE_DIFF('day', begun, as_of)", scope, ANCHOR, constants={"as_of": dt.date(2026, 2, 1)})
    assert compiled.paths == ("begun",)
    assert FRAME.select(x=compiled.expression).collect().item() == 2


def test_a_product_too_large_to_be_kept_is_not_known_and_leaves_the_other_rows_as_they_are() -> None:
    # 10^8 x 10^12 x 10^8 = 10^28 before the point and 8 + 10 = 18 decimals: 46 digits, where 38 can be kept.
    scope = Scope({"hours": Kind.HOURS, "price": Kind.PRICE, "pct": Kind.PCT})
    rows = {"hours": ["99999999", "8"], "price": ["999999999999", "12.5"], "pct": ["99999999", "50"]}
    frame = pl.LazyFrame({name: [Decimal(each) for each in values] for name, values in rows.items()},
                         schema={name: polars_dtype(kind) for name, kind in (("hours", Kind.HOURS), ("price", Kind.PRICE), ("pct", Kind.PCT))})  # noqa: E501

    def both(text: str, *, is_condition: bool = False) -> list[Any]:
        compiled = (compile_condition if is_condition else compile_value)(text, scope, ANCHOR)
        assert [each.message for each in compiled.diagnostics] == []
        return frame.select(x=compiled.expression).collect()["x"].to_list()

    assert both("ROUND(hours, 2) * ROUND(price, 2) * ROUND(pct, 2) * ROUND(pct, 2)") == [None, Decimal(250_000)]
    assert both("ROUND(hours, 2) * ROUND(price, 2) * ROUND(pct, 2) * ROUND(pct, 2) < 5", is_condition=True) == [None, False]
    assert both("ROUND(hours * price / 3, 4)") == [Decimal("33333332999966666667"), Decimal("33.3333")]
    assert both("ROUND(ROUND(price, 0) * ROUND(hours, 0) * ROUND(price, 0) / pct, 8)") == [None, Decimal("27.04")]
    # What surely fits is not looked at twice.
    assert both("hours * price") == [Decimal("99999998999900000001"), Decimal(100)]
