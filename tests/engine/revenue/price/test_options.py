"""Material rights and breakage: hand-computed figures."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.canonical.schema import entity_spec
from engine.revenue.price.options import look_through, option_prices, weighed_renewals


def records(entity: str, *rows: dict[str, Any]) -> pl.DataFrame:
    schema = {**entity_spec(entity).polars_schema(), "evidence": pl.List(pl.String)}
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def option(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {"option_id": f"O{number}", "contract_id": "C1", "contract_line_id": "MR"} | changes


def ssp(*options: dict[str, Any]) -> Decimal | None:
    value: Decimal | None = option_prices(records("option", *options))["standalone_selling_price"].item()
    return value


def test_a_voucher_is_worth_its_net_discount_times_likelihood() -> None:
    # 35 % − 5 % of expected purchases of 80 at 60 %: 14.40
    found = ssp(option(discount_pct=35, discount_otherwise_pct=5, exercise_probability=60, expected_purchase_amount=80))
    assert found == Decimal("14.40")


def test_a_discounted_price_is_grossed_up_to_what_others_pay() -> None:
    # 4 × 150 is 75 % of 800: the discount is 200, at 40 %: 80
    assert ssp(option(discount_pct=25, exercise_probability=40, quantity=4, price=150)) == 80


def test_a_discount_everyone_gets_is_worth_nothing() -> None:
    assert ssp(option(discount_pct=10, discount_otherwise_pct=15, expected_purchase_amount=500)) == 0


@pytest.mark.parametrize("missing", ["exercise_probability", "expected_purchase_amount", "discount_pct"])
def test_what_is_not_known_leaves_the_price_open(missing: str) -> None:
    known = {"discount_pct": 30, "exercise_probability": 50, "expected_purchase_amount": 100}
    assert ssp(option(**{name: value for name, value in known.items() if name != missing})) is None


def test_the_likelihood_of_a_second_renewal_is_conditional_on_the_first() -> None:
    # 20 % of 1,000 at 90 %, then at 90 % × 50 %: 180 + 90
    renewal = {"discount_pct": 20, "expected_purchase_amount": 1000}
    found = ssp(
        option(2, start_date=dt.date(2028, 1, 1), exercise_probability=50, **renewal),
        option(1, start_date=dt.date(2027, 1, 1), exercise_probability=90, **renewal),
    )
    assert found == 270


def renewals() -> pl.DataFrame:
    return records(
        "option",
        option(1, start_date=dt.date(2027, 1, 1), price=2000, quantity=10, exercise_probability=80, estimated_cost=10000),
        option(2, start_date=dt.date(2028, 1, 1), price=2000, quantity=10, exercise_probability=75, estimated_cost=14000),
    )


def service(**changes: Any) -> pl.DataFrame:
    line = {"contract_line_id": "L1", "contract_id": "C1", "quantity": 10, "amount": 20000, "estimated_cost": 9000}
    settings = {"weights": "expected_cost", "rounding_unit": Decimal(1), "rounding_per": "contract"} | changes
    types: dict[str, pl.DataType | type[pl.DataType]]
    types = {"weights": pl.String, "rounding_per": pl.String, "rounding_unit": pl.Decimal(38, 6)}
    return records("contract_line", line).with_columns(pl.lit(value, dtype=types[name]).alias(name) for name, value in settings.items())


def looked_through(line: pl.DataFrame) -> pl.DataFrame:
    return look_through(line, weighed_renewals(renewals(), line))


def test_look_through_shares_the_hypothetical_price_by_expected_cost() -> None:
    # 20,000 + 80 % + 60 % of 20,000 = 48,000 over costs 9,000 + 8,000 + 8,400 = 25,400; one of ten: 4,800 over 25,400:
    # 1,700.79 → 1,701; 1,511.81 → 1,512; the rest 1,587. Deferred after each: 2,990; 3,870; 0
    found = looked_through(service())
    assert found["consideration"].to_list() == [20000, 16000, 12000]
    assert found["allocated"].to_list() == [17010, 15120, 15870]
    assert found["deferred"].to_list() == [2990, 3870, 0]


def test_look_through_rounded_in_total_shares_the_whole_once() -> None:
    # 48,000 × 9,000 / 25,400 = 17,007.87 → 17,008; × 8,000: 15,118.11 → 15,118
    found = looked_through(service(rounding_per="total"))
    assert found["allocated"].to_list() == [17008, 15118, 15874]
