"""Fees due: plan lines filled by invoices, prices by the period, amounts spread over a term, billing by progress."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

CONTRACT = {"contract_id": "C1", "currency": "USD", "status": "active", "billing_frequency": "monthly"}


def plan(number: int, due: str, amount: int = 100) -> dict[str, Any]:
    return {
        "plan_line_id": f"B{number}",
        "contract_id": "C1",
        "contract_line_id": "L1",
        "due_date": due,
        "amount": amount,
        "currency": "USD",
    }


def bill(number: int, day: str, amount: int) -> tuple[dict[str, Any], dict[str, Any]]:
    invoice = {
        "invoice_id": f"I{number}",
        "kind": "invoice",
        "contract_id": "C1",
        "invoice_date": day,
        "currency": "USD",
        "status": "posted",
    }
    return invoice, {"invoice_line_id": f"IL{number}", "invoice_id": f"I{number}", "contract_line_id": "L1", "net_amount": amount}


def planned(decide: Any, plans: list[dict[str, Any]], *bills: tuple[dict[str, Any], dict[str, Any]]) -> list[tuple[Any, ...]]:
    decided = decide(
        contract=[CONTRACT], contract_line=[{"contract_line_id": "L1", "contract_id": "C1"}], billing_plan_line=plans,
        invoice=[each[0] for each in bills], invoice_line=[each[1] for each in bills],
    )  # fmt: skip
    return [tuple(row) for row in decided.rows("item_id", "decision", "amount_billed")]


def test_the_invoice_of_the_month_bills_the_fee_of_the_month(decide: Any) -> None:
    plans = [plan(1, "2026-01-01"), plan(2, "2026-02-01"), plan(3, "2026-03-01")]
    assert planned(decide, plans, bill(1, "2026-01-05", 100), bill(2, "2026-03-05", 100)) == [
        ("B1", "billed", 100), ("B2", "billable", 0), ("B3", "billed", 100),
    ]  # fmt: skip


def test_what_no_month_takes_fills_the_earliest_fee(decide: Any) -> None:
    plans = [plan(1, "2026-01-01"), plan(2, "2026-02-01"), plan(3, "2026-03-01")]
    assert planned(decide, plans, bill(1, "2025-12-20", 130), bill(2, "2026-03-05", 120)) == [
        ("B1", "billed", 100), ("B2", "partially_billed", 50), ("B3", "billed", 100),
    ]  # fmt: skip


def test_what_is_invoiced_beyond_every_fee_stands_with_the_last(decide: Any) -> None:
    assert planned(decide, [plan(1, "2026-01-01"), plan(2, "2026-02-01")], bill(1, "2026-01-05", 250)) == [
        ("B1", "billed", 100), ("B2", "billed", 150),
    ]  # fmt: skip


def priced(
    decide: Any, proration: str, *, as_of: dt.date = dt.date(2026, 12, 31), due: str = "in_advance", **line: Any
) -> list[tuple[str, Decimal]]:
    made = {"contract_line_id": "L1", "contract_id": "C1", "offering": "subscription", "price_period": "month", "unit_price": 310, **line}
    settings = {"bill-fee": {"settings": {"proration": proration, "fee_due": due}}}
    decided = decide(as_of=as_of, contract=[CONTRACT], contract_line=[made], policies=settings)
    return [tuple(row) for row in decided.rows("item_id", "amount")]


@pytest.mark.parametrize(
    ("proration", "first", "last"),
    [
        ("actual_days", "140", "155"), ("monthly_even", "140", "155"), ("thirty_day", "144.67", "155"), ("thirty_360", "134.33", "155"),
        ("actual_365", "142.68", "152.88"), ("even_no_partial_first", "0", "310"), ("even_no_partial_last", "310", "0"),
        ("none", "310", "310"),
    ],
)  # fmt: skip
def test_a_monthly_price_is_cut_by_the_named_convention(decide: Any, proration: str, first: str, last: str) -> None:
    # From 18 January (14 of 31 days) to 15 April (15 of 30 days).
    fees = dict(priced(decide, proration, start_date="2026-01-18", end_date="2026-04-15"))
    assert (fees.get("L1|2026-01", Decimal(0)), fees.get("L1|2026-04", Decimal(0))) == (Decimal(first), Decimal(last))
    assert fees["L1|2026-03"] == (Decimal("315.95") if proration == "actual_365" else 310)


def test_fees_go_no_further_than_the_as_of_date(decide: Any) -> None:
    term: dict[str, Any] = {"start_date": "2026-01-01", "end_date": "2026-12-31"}
    as_of = dt.date(2026, 2, 27)
    assert [fee[0] for fee in priced(decide, "actual_days", as_of=as_of, **term)] == ["L1|2026-01", "L1|2026-02"]
    assert [fee[0] for fee in priced(decide, "actual_days", as_of=as_of, due="in_arrears", **term)] == ["L1|2026-01"]


def test_quarters_and_years_run_from_the_first_day_of_the_line(decide: Any) -> None:
    term: dict[str, Any] = {"start_date": "2025-02-15", "end_date": "2026-02-14", "price_period": "quarter"}
    assert priced(decide, "actual_days", **term) == [(f"L1|{month}", 310) for month in ("2025-02", "2025-05", "2025-08", "2025-11")]


def test_a_retainer_is_spread_over_its_term_to_the_cent(decide: Any) -> None:
    line: dict[str, Any] = {
        "offering": "retainer",
        "price_period": None,
        "unit_price": None,
        "amount": 1000,
        "start_date": "2026-01-01",
        "end_date": "2026-03-31",
    }
    fees = priced(decide, "actual_days", **line)
    assert fees == [("L1|2026-01", Decimal("333.33")), ("L1|2026-02", Decimal("333.34")), ("L1|2026-03", Decimal("333.33"))]


def amended(
    decide: Any, line: dict[str, Any], *changes: dict[str, Any], contract: dict[str, Any] | None = None, **settings: Any
) -> dict[str, Decimal]:
    """Return the fees by month of a line of 2026, by 30-day months, with each change in force on its `day`."""
    term = {"contract_line_id": "L1", "contract_id": "C1", "start_date": "2026-01-01", "end_date": "2026-12-31", **line}
    amendments = [
        {"amendment_id": f"A{at}", "contract_id": "C1", "effective_date": each["day"], "approved_date": each["day"], "status": "approved"}
        for at, each in enumerate(changes)
    ]
    lines = [
        {"amendment_line_id": f"A{at}-1", "amendment_id": f"A{at}", "contract_line_id": "L1", "action": "change", **each}
        for at, each in enumerate(changes)
    ]
    decided = decide(
        as_of=dt.date(2027, 12, 31), contract=[{**CONTRACT, **(contract or {})}], contract_line=[term], amendment=amendments,
        amendment_line=[{name: value for name, value in each.items() if name != "day"} for each in lines],
        policies={"bill-fee": {"settings": {"proration": "thirty_day", **settings}}},
    )  # fmt: skip
    return {str(item).removeprefix("L1|"): amount for item, amount in decided.rows("item_id", "amount")}


SEATS = {"offering": "subscription", "price_period": "month", "quantity": 10, "unit_price": 5}


def test_a_price_by_the_month_changes_from_the_day_of_its_amendment(decide: Any) -> None:
    # 7 seats more from 18 August: 14 of 30 days at 35; from November 6 a seat.
    fees = amended(decide, SEATS, {"day": "2026-08-18", "quantity": 17}, {"day": "2026-11-01", "unit_price": 6})
    assert [fees[f"2026-{month}"] for month in ("07", "08", "09", "11")] == [50, Decimal("66.33"), 85, 102]
    fees = amended(decide, SEATS, {"day": "2026-08-18", "quantity": 3})
    assert [fees[f"2026-{month}"] for month in ("08", "09")] == [Decimal("33.67"), 15]


def test_fees_run_to_the_last_day_amendments_leave(decide: Any) -> None:
    fees = amended(decide, SEATS, {"day": "2026-08-18", "end_date": "2027-12-31"}, {"day": "2027-05-16", "action": "remove"})
    assert (fees["2026-12"], fees["2027-04"], fees["2027-05"], "2027-06" in fees) == (50, 50, 25, False)


def test_an_amount_that_changes_is_spread_over_what_is_left(decide: Any) -> None:
    retainer = {"offering": "retainer", "amount": 12000}
    fees = amended(decide, retainer, {"day": "2026-07-01", "amount": 15000})
    assert (fees["2026-06"], fees["2026-07"], sum(fees.values())) == (1000, 1500, 15000)
    fees = amended(decide, retainer, {"day": "2026-11-01", "amount": 25200, "end_date": "2027-12-31"})
    assert (fees["2026-12"], fees["2027-01"], sum(fees.values())) == (1000, 1100, 25200)
    # Twice the service from July and half a year more: 6,000 were due, 24,000 are left for 12 months.
    more = {"day": "2026-07-01", "amount": 30000, "end_date": "2027-06-30"}
    fees = amended(decide, retainer, more, extension="remaining_term")
    assert (fees["2026-06"], fees["2026-07"], fees["2027-06"], sum(fees.values())) == (1000, 2000, 2000, 30000)
    fees = amended(decide, retainer, more)
    assert (fees["2026-12"], fees["2027-01"], sum(fees.values())) == (1000, 3000, 30000)
    fees = amended(decide, retainer, {"day": "2026-06-16", "action": "remove"})
    assert (fees["2026-05"], fees["2026-06"], len(fees)) == (1000, 500, 6)


def test_the_end_of_a_contract_leaves_the_fees_before_it(decide: Any) -> None:
    ended = {"terminated_date": "2026-06-30", "status": "terminated"}
    fees = amended(decide, {"offering": "retainer", "amount": 12000}, contract=ended)
    assert (fees["2026-01"], fees["2026-06"], len(fees)) == (1000, 1000, 6)
    fees = amended(
        decide, {"offering": "retainer", "amount": 12000}, {"day": "2026-06-30", "amount": 6500, "end_date": "2026-06-30"}, contract=ended
    )
    assert (fees["2026-05"], fees["2026-06"], len(fees)) == (1000, 1500, 6)


def test_progress_entitles_to_what_it_added(decide: Any) -> None:
    def seen(number: int, day: str, percent: str) -> dict[str, Any]:
        return {"progress_id": f"G{number}", "contract_line_id": "L1", "as_of_date": day, "percent_complete": percent}

    decided = decide(
        contract=[CONTRACT],
        progress=[seen(1, "2026-01-31", "10"), seen(2, "2026-02-15", "25"), seen(3, "2026-02-28", "33.3"), seen(4, "2026-05-31", "90")],
        contract_line=[{"contract_line_id": "L1", "contract_id": "C1", "amount": 1000, "billing_method": "percent_complete"}],
    )  # fmt: skip
    assert decided.rows("item_type", "item_id", "amount", "decision") == [
        ("fee", "L1|2026-01", 100, "billable"), ("fee", "L1|2026-02", 233, "billable"),
    ]  # fmt: skip


def test_progress_entitles_to_the_amount_of_its_day(decide: Any) -> None:
    # 1,000 until 10 March, 1,500 then: 100 and 150 of the first, 40 % of the second less 250.
    seen = [("2026-01-31", "10"), ("2026-02-28", "25"), ("2026-03-31", "40")]
    decided = decide(
        contract=[CONTRACT],
        progress=[
            {"progress_id": f"G{at}", "contract_line_id": "L1", "as_of_date": day, "percent_complete": done}
            for at, (day, done) in enumerate(seen)
        ],
        contract_line=[{"contract_line_id": "L1", "contract_id": "C1", "amount": 1000, "billing_method": "percent_complete"}],
        amendment=[
            {"amendment_id": "A1", "contract_id": "C1", "effective_date": "2026-03-10", "approved_date": "2026-03-10", "status": "approved"}
        ],
        amendment_line=[{"amendment_line_id": "A1-1", "amendment_id": "A1", "contract_line_id": "L1", "action": "change", "amount": 1500}],
    )  # fmt: skip
    assert decided.rows("item_id", "amount") == [("L1|2026-01", 100), ("L1|2026-02", 150), ("L1|2026-03", 350)]


def test_a_line_with_a_plan_makes_no_fees_of_its_own(decide: Any) -> None:
    line = {
        "contract_line_id": "L1",
        "contract_id": "C1",
        "offering": "retainer",
        "amount": 300,
        "start_date": "2026-01-01",
        "end_date": "2026-03-31",
    }
    decided = decide(contract=[CONTRACT], contract_line=[line], billing_plan_line=[plan(1, "2026-01-01", 300)])
    assert decided.rows("item_id") == [("B1",)]


def test_a_service_that_is_billed_once_has_one_fee(decide: Any) -> None:
    line = {"contract_line_id": "L1", "contract_id": "C1", "offering": "subscription", "amount": 1200,
            "start_date": "2026-01-15", "end_date": "2027-01-14"}  # fmt: skip
    decided = decide(contract=[{**CONTRACT, "billing_frequency": "once"}], contract_line=[line])
    assert decided.rows("item_id", "amount", "earliest_bill_date") == [("L1|2026-01", 1200, dt.date(2026, 1, 15))]


def test_an_amount_spread_over_a_term_is_rounded_as_the_policy_says(decide: Any) -> None:
    line = {"contract_line_id": "L1", "contract_id": "C1", "offering": "retainer", "amount": "0.25",
            "start_date": "2026-01-01", "end_date": "2026-02-28"}  # fmt: skip
    settings = {"rounding": "half_even", "proration": "none"}
    decided = decide(contract=[CONTRACT], contract_line=[line], policies={"bill-fee": {"settings": settings}})
    assert decided.rows("amount") == [(Decimal("0.12"),), (Decimal("0.13"),)]
