"""Financing from the records of a contract: what is paid, what is transferred, and when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.canonical.kinds import MONEY
from engine.revenue.price.advances import cash_of_contracts
from engine.revenue.price.financed import contract_financing, promised_payments

DAY = dt.date
Make = Callable[..., pl.DataFrame]


@pytest.fixture
def price(records: Make) -> Callable[..., Decimal | None]:
    """The price after financing of a contract C1 with the given records, None where financing is not significant."""

    def go(
        lines: list[dict[str, Any]], *, contract: dict[str, Any] | None = None, milestone: dict[str, Any] | None = None,
        **paid: list[dict[str, Any]],
    ) -> Decimal | None:  # fmt: skip
        terms = records("contract", {"contract_id": "C1", "financing_rate": 10, **(contract or {})}).with_columns(
            pl.lit("").alias("calendar"), pl.lit(2, dtype=pl.Int64).alias("minor_digits"),
            pl.lit(12, dtype=pl.Int64).alias("setting.financing.expedient_months"), pl.lit("annual").alias("setting.financing.compounding"),
        )  # fmt: skip
        promises = records("contract_line", *({"contract_id": "C1", **{k: v for k, v in line.items() if k != "timing"}} for line in lines))
        promises = promises.with_columns(
            pl.Series("timing", [line.get("timing", "point_in_time") for line in lines]), pl.col("start_date").alias("begins"),
            pl.col("end_date").alias("ends"), pl.lit("principal").alias("role"),
            pl.col("contract_line_id").alias("okey"),
        )  # fmt: skip
        plan, invoices, payments = (
            records(name, *({"contract_id": "C1", **row} for row in paid.get(name, [])))
            for name in ("billing_plan_line", "invoice", "payment")
        )
        due = promised_payments(terms, plan, invoices, cash_of_contracts(invoices, payments))
        due = due.with_columns(pl.lit(None, dtype=pl.Date).alias("bears_from"))
        milestones = records("milestone", *([] if milestone is None else [milestone]))
        found = contract_financing(terms, promises, milestones, due, DAY(2030, 12, 31))
        return Decimal(found.prices["price"].sum()).quantize(Decimal("0.01")) if found.prices.height else None

    return go


GOODS = {"contract_line_id": "L1", "amount": 1000, "start_date": DAY(2026, 1, 1), "end_date": DAY(2028, 1, 1)}


def planned(day: dt.date, amount: int, **changes: Any) -> dict[str, Any]:
    return {"plan_line_id": f"P{day}", "due_date": day, "amount": amount} | changes


def test_the_plan_says_when_it_is_paid(price: Callable[..., Decimal | None]) -> None:
    plan = [planned(DAY(2026, 1, 1), 1000)]
    paid = [{"payment_id": "X", "paid_date": DAY(2027, 12, 1), "amount": 1000}]
    assert price([GOODS], billing_plan_line=plan, payment=paid) == 1210


def test_without_a_plan_invoices_count_when_due_and_without_either_money_when_received(price: Callable[..., Decimal | None]) -> None:
    invoice = {
        "invoice_id": "I1",
        "status": "posted",
        "invoice_date": DAY(2025, 12, 1),
        "due_date": DAY(2026, 1, 1),
        "net_amount": 1000,
        "gross_amount": 1200,
    }
    late = {"payment_id": "X", "invoice_id": "I1", "paid_date": DAY(2027, 12, 1), "amount": 1200}
    assert price([GOODS], invoice=[invoice], payment=[late]) == 1210
    assert price([GOODS], payment=[{"payment_id": "X", "paid_date": DAY(2026, 1, 1), "amount": 1000}]) == 1210


def test_the_day_of_acceptance_ends_the_interest(price: Callable[..., Decimal | None]) -> None:
    accepted = {
        "milestone_id": "M",
        "contract_line_id": "L1",
        "status": "accepted",
        "accepted_date": DAY(2029, 1, 1),
        "due_date": DAY(2028, 1, 1),
    }
    plan = [planned(DAY(2026, 1, 1), 1000)]
    assert price([GOODS], milestone=accepted, billing_plan_line=plan) == 1331
    assert price([GOODS], milestone={**accepted, "status": "planned", "accepted_date": None}, billing_plan_line=plan) == 1210


def test_a_package_price_is_shared_to_its_lines(price: Callable[..., Decimal | None]) -> None:
    lines = [
        {**GOODS, "amount": None, "standalone_selling_price": 300},
        {**GOODS, "contract_line_id": "L2", "amount": None, "standalone_selling_price": 100},
    ]  # fmt: skip
    assert price(lines, contract={"total_value": 1000}, billing_plan_line=[planned(DAY(2026, 1, 1), 1000)]) == 1210


def test_service_of_years_paid_as_it_is_served_finances_nothing(price: Callable[..., Decimal | None]) -> None:
    service = {**GOODS, "timing": "over_time", "end_date": DAY(2028, 12, 31)}
    yearly = [planned(DAY(2026 + year, 1, 1), 333 + (year == 2)) for year in range(3)]
    assert price([service], billing_plan_line=yearly) is None
    assert price([service], billing_plan_line=[planned(DAY(2026, 1, 1), 1000)]) is not None


def test_a_retention_is_no_financing(price: Callable[..., Decimal | None]) -> None:
    assert price([GOODS], billing_plan_line=[planned(DAY(2028, 1, 1), 900), planned(DAY(2030, 1, 1), 100, is_retention=True)]) is None


def test_amounts_keep_their_exact_type(records: Make) -> None:
    cash = cash_of_contracts(records("invoice"), records("payment"))
    found = promised_payments(records("contract", {"contract_id": "C1"}), records("billing_plan_line"), records("invoice"), cash)
    assert found.schema["amount"] == MONEY
