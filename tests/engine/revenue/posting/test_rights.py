"""Receivable, contract asset or contract liability: when each right arises, against sums done by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl

from engine.revenue.price.concessions import LOWERED

Post = Callable[..., Any]


def invoice(number: str, day: str, net: int, **given: Any) -> dict[str, Any]:
    return {"invoice_id": number, "contract_id": "C1", "invoice_date": day, "net_amount": net, "tax_amount": 0, "status": "posted", **given}


def payment(number: str, day: str, amount: int, **given: Any) -> dict[str, Any]:
    return {"payment_id": number, "paid_date": day, "amount": amount, **given}


def plan(number: str, day: str, amount: int, due: bool, **given: Any) -> dict[str, Any]:
    return {"plan_line_id": number, "contract_id": "C1", "due_date": day, "amount": amount, "is_unconditional": due, **given}


def test_an_invoice_under_a_conditional_plan_posts_nothing_before_it_is_performed_or_paid(posted: Post) -> None:
    made = posted(
        "2027-04-30", lines=[{"amount": 700}], earned=[{"posting_date": "2027-04-15", "amount": 700, "timing": "point_in_time"}],
        billing_plan_line=[plan("B1", "2027-02-10", 700, due=False)], invoice=[invoice("I1", "2027-02-10", 700)],
        payment=[payment("P1", "2027-03-20", 700, invoice_id="I1")],
    )  # fmt: skip
    assert made.balance("2027-02", "receivable", "contract_liability", "invoiced_not_unconditional") == [0, 0, 700]
    assert made.balance("2027-03", "receivable", "contract_liability", "invoiced_not_unconditional") == [0, 700, 0]
    assert made.entry("2027-02-10") == {}
    assert made.entry("2027-03-20") == {"cash": 700, "contract_liability": -700}
    assert made.entry("2027-04-15") == {"contract_liability": 700, "revenue": -700}


def test_a_conditional_invoice_is_a_receivable_as_far_as_performed(posted: Post) -> None:
    made = posted(
        "2027-03-31", lines=[{"amount": 900}],
        earned=[{"posting_date": "2027-02-28", "amount": 250}, {"posting_date": "2027-03-31", "amount": 400}],
        billing_plan_line=[plan("B1", "2027-02-15", 500, due=False)], invoice=[invoice("I1", "2027-02-15", 500)],
    )  # fmt: skip
    assert made.balance("2027-02", "receivable", "contract_asset", "invoiced_not_unconditional") == [250, 0, 250]
    assert made.balance("2027-03", "receivable", "contract_asset", "invoiced_not_unconditional") == [500, 150, 0]


def test_payment_that_waits_for_a_second_delivery_is_a_contract_asset(posted: Post) -> None:
    made = posted(
        "2027-03-31", lines=[{"contract_line_id": "A", "amount": 350}, {"contract_line_id": "B", "amount": 650}],
        earned=[
            {"contract_line_id": "A", "posting_date": "2027-02-03", "amount": 350, "timing": "point_in_time"},
            {"contract_line_id": "B", "posting_date": "2027-03-09", "amount": 650, "timing": "point_in_time"},
        ],
        billing_plan_line=[plan("B1", "2027-03-09", 1000, due=False, contract_line_id="B")], invoice=[invoice("I1", "2027-03-09", 1000)],
    )  # fmt: skip
    assert made.entry("2027-02-03") == {"contract_asset": 350, "revenue": -350}
    assert made.entry("2027-03-09") == {"contract_asset": -350, "receivable": 1000, "revenue": -650}


def test_what_is_due_whatever_is_delivered_grosses_up_receivable_and_liability(posted: Post) -> None:
    made = posted(
        "2027-04-30", lines=[{"amount": 1200}],
        earned=[{"posting_date": "2027-02-28", "amount": 100}, {"posting_date": "2027-04-30", "amount": 900}],
        billing_plan_line=[plan("B1", "2027-03-31", 600, due=True), plan("B2", "2027-06-30", 600, due=True)],
    )  # fmt: skip
    # Performed and only time must pass: a receivable before it is due.
    assert made.balance("2027-02", "receivable", "contract_asset", "contract_liability") == [100, 0, 0]
    assert made.balance("2027-03", "receivable", "contract_asset", "contract_liability") == [600, 0, 500]
    assert made.balance("2027-04", "receivable", "contract_asset", "contract_liability") == [1000, 0, 0]


def test_a_plan_line_of_one_promise_does_not_turn_another_into_a_receivable(posted: Post) -> None:
    made = posted(
        "2027-01-31", lines=[{"contract_line_id": "A", "amount": 400}, {"contract_line_id": "B", "amount": 800}],
        earned=[{"contract_line_id": "B", "posting_date": "2027-01-31", "amount": 300}],
        billing_plan_line=[plan("B1", "2027-06-30", 400, due=True, contract_line_id="A")],
    )  # fmt: skip
    assert made.balance("2027-01", "receivable", "contract_asset") == [0, 300]


def test_an_invoice_under_no_plan_is_a_right_in_full(posted: Post) -> None:
    made = posted(
        "2027-02-28", lines=[{"amount": 1200}],
        earned=[{"posting_date": "2027-01-31", "amount": 100}, {"posting_date": "2027-02-28", "amount": 500}],
        invoice=[invoice("I1", "2027-01-05", 300)],
    )  # fmt: skip
    assert made.balance("2027-01", "receivable", "contract_liability", "contract_asset") == [300, 200, 0]
    assert made.balance("2027-02", "receivable", "contract_liability", "contract_asset") == [300, 0, 300]


def test_tax_is_owed_by_the_customer_and_to_the_state(posted: Post) -> None:
    made = posted(
        "2027-02-28", lines=[{"amount": 1000}], earned=[{"posting_date": "2027-01-31", "amount": 1000}],
        invoice=[invoice("I1", "2027-01-31", 1000, tax_amount=190)], payment=[payment("P1", "2027-02-10", 595, invoice_id="I1")],
    )  # fmt: skip
    assert made.entry("2027-01-31") == {"receivable": 1190, "revenue": -1000, "tax_payable": -190}
    assert made.entry("2027-02-10") == {"cash": 595, "receivable": -595}
    assert made.balance("2027-02", "receivable", "billed", "received", "contract_asset", "contract_liability") == [595, 0, 595, 0, 0]


def test_unbilled_work_billed_as_invoiced_is_a_receivable(posted: Post) -> None:
    lines = [{"amount": None, "is_as_invoiced": True}]
    earned = [{"posting_date": f"2027-0{month}-28", "amount": amount, "timing": "as_invoiced"} for month, amount in ((1, 800), (2, 500))]
    paid = [payment("P1", "2027-02-20", 800, invoice_id="I1")]
    made = posted("2027-02-28", lines=lines, earned=earned, invoice=[invoice("I1", "2027-02-05", 800)], payment=paid)
    assert made.balance("2027-01", "receivable", "unbilled_receivable", "contract_asset") == [800, 800, 0]
    assert made.balance("2027-02", "receivable", "unbilled_receivable", "contract_asset") == [500, 500, 0]


def test_money_in_advance_of_work_billed_as_invoiced_is_used_up_by_it(posted: Post) -> None:
    made = posted(
        "2027-02-28", lines=[{"amount": None, "is_as_invoiced": True}], payment=[payment("P1", "2027-01-04", 200, contract_id="C1")],
        earned=[{"posting_date": f"2027-0{month}-28", "amount": amount, "timing": "as_invoiced"} for month, amount in ((1, 150), (2, 350))],
    )  # fmt: skip
    assert made.balance("2027-01", "receivable", "contract_liability") == [0, 50]
    assert made.balance("2027-02", "receivable", "contract_liability") == [300, 0]


def test_a_free_advance_stays_apart_from_what_the_plan_charges(posted: Post) -> None:
    made = posted(
        "2027-03-31", lines=[{"amount": 1000}], earned=[{"posting_date": "2027-03-10", "amount": 600, "timing": "point_in_time"}],
        billing_plan_line=[plan("B1", "2027-03-10", 450, due=True), plan("B2", "2027-09-30", 250, due=True)],
        payment=[payment("P1", "2027-01-15", 300, contract_id="C1")],
    )  # fmt: skip
    assert made.entry("2027-01-15") == {"cash": 300, "contract_liability": -300}
    # 600 performed: 300 paid in advance, 300 due under the plan, and 150 due before performance.
    assert made.entry("2027-03-10") == {"receivable": 450, "revenue": -600, "contract_liability": 150}


def test_money_without_invoice_settles_what_is_open_before_it_is_an_advance(posted: Post) -> None:
    made = posted(
        "2027-02-28", lines=[{"amount": 1000}], earned=[{"posting_date": "2027-01-31", "amount": 300}],
        invoice=[invoice("I1", "2027-01-31", 300)],
        payment=[payment("P1", "2027-02-11", 420, contract_id="C1")],
    )  # fmt: skip
    assert made.entry("2027-02-11") == {"cash": 420, "receivable": -300, "contract_liability": -120}


def test_one_payment_over_two_contracts_settles_each_invoice(posted: Post) -> None:
    made = posted(
        "2027-02-28", contracts=[{}, {"contract_id": "C2"}],
        lines=[{"amount": 500}, {"contract_id": "C2", "contract_line_id": "L2", "amount": 900}],
        earned=[
            {"posting_date": "2027-01-31", "amount": 500},
            {"contract_id": "C2", "contract_line_id": "L2", "posting_date": "2027-01-31", "amount": 900},
        ],
        invoice=[invoice("I1", "2027-01-31", 500), invoice("I2", "2027-01-31", 900, contract_id="C2")],
        payment=[payment("P1", "2027-02-05", 1300)],
        payment_application=[{"payment_id": "P1", "invoice_id": number, "amount": amount} for number, amount in (("I1", 500), ("I2", 800))],
    )  # fmt: skip
    assert [made.balance("2027-02", "receivable", contract=name) for name in ("C1", "C2")] == [0, 100]


def test_an_invoice_over_two_contracts_is_split_by_its_lines(posted: Post) -> None:
    made = posted(
        "2027-01-31", contracts=[{}, {"contract_id": "C2"}],
        lines=[{"amount": 500}, {"contract_id": "C2", "contract_line_id": "L2", "amount": 900}],
        invoice=[{"invoice_id": "I1", "invoice_date": "2027-01-10", "net_amount": 1400, "tax_amount": 0, "status": "paid"}],
        invoice_line=[
            {"invoice_line_id": "1", "invoice_id": "I1", "contract_line_id": "L1", "net_amount": 500},
            {"invoice_line_id": "2", "invoice_id": "I1", "contract_line_id": "L2", "net_amount": 900},
        ],
        payment=[payment("P1", "2027-01-20", 700, invoice_id="I1")],
    )  # fmt: skip
    assert made.balance("2027-01", "billed", "received", "receivable", "contract_liability") == [500, 250, 250, 500]
    assert made.balance("2027-01", "billed", "received", "receivable", contract="C2") == [900, 450, 450]


def test_drafts_and_voids_give_no_right(posted: Post) -> None:
    made = posted("2027-01-31", invoice=[invoice("I1", "2027-01-10", 10, status="draft"), invoice("I2", "2027-01-10", 20, status="void")])
    assert made.balance("2027-01", "billed", "receivable") == [0, 0]
    assert made.journal.is_empty()


def test_credit_and_rebill_leaves_the_liability_and_the_money_where_they_are(posted: Post) -> None:
    made = posted(
        "2027-03-31", lines=[{"amount": 600}],
        invoice=[
            invoice("I1", "2027-01-05", 600),
            invoice("N1", "2027-03-01", -600, kind="credit_note", corrects_invoice_id="I1"),
            invoice("I2", "2027-03-01", 600, replaces_invoice_id="I1"),
        ],
        payment=[payment("P1", "2027-01-25", 600, invoice_id="I1")],
    )  # fmt: skip
    assert made.balance("2027-01", "receivable", "contract_liability") == [0, 600]
    assert made.balance("2027-03", "receivable", "contract_liability", "refund_liability") == [0, 600, 0]
    assert made.entry("2027-03-01") == {}


def test_after_termination_what_was_paid_too_much_is_a_refund_liability_until_paid_back(posted: Post) -> None:
    made = posted(
        "2027-06-30", contracts=[{"terminated_date": "2027-04-30"}], lines=[{"amount": 2400}],
        price=[{"date": "2027-01-01", "transaction_price": 2400}, {"date": "2027-04-30", "transaction_price": 800}],
        earned=[{"posting_date": f"2027-0{month}-{day}", "amount": 200} for month, day in ((1, 31), (2, 28), (3, 31), (4, 30))],
        invoice=[invoice("I1", "2027-01-01", 1200), invoice("N1", "2027-05-04", -400, corrects_invoice_id="I1")],
        payment=[payment("P1", "2027-01-01", 1200, invoice_id="I1"), payment("P2", "2027-06-02", -400, invoice_id="N1")],
    )  # fmt: skip
    assert made.balance("2027-03", "contract_liability", "refund_liability") == [600, 0]
    assert made.entry("2027-04-30") == {"contract_liability": 600, "refund_liability": -400, "revenue": -200}
    assert made.balance("2027-05", "refund_liability", "remaining_obligation") == [400, 0]
    assert made.entry("2027-06-02") == {"cash": -400, "refund_liability": 400}
    assert made.balance("2027-06", "refund_liability", "receivable", "contract_asset") == [0, 0, 0]


def test_money_before_the_contract_is_a_deposit(posted: Post) -> None:
    made = posted(
        "2027-04-30", contracts=[{"gate_date": "2027-04-20"}], lines=[{"amount": 900}],
        earned=[{"posting_date": "2027-04-30", "amount": 250, "timing": "over_time"}],
        invoice=[invoice("I1", "2027-02-01", 300), invoice("I2", "2027-04-01", 100)],
        payment=[payment("P1", "2027-02-08", 300, invoice_id="I1")],
    )  # fmt: skip
    assert made.balance("2027-02", "deposit_liability", "contract_liability", "receivable", "invoiced_not_unconditional") == [300, 0, 0, 0]
    assert made.balance("2027-02", "remaining_obligation") == 0
    assert made.entry("2027-04-20") == {"deposit_liability": 300, "contract_liability": -400, "receivable": 100}
    assert made.balance("2027-04", "deposit_liability", "contract_liability", "receivable") == [0, 150, 100]


def test_money_for_what_never_becomes_a_contract_stays_a_deposit(posted: Post) -> None:
    paid = [payment("P1", "2027-02-08", 80, contract_id="C1")]
    made = posted("2027-03-31", contracts=[{"gate": "not_met", "gate_date": None}], payment=paid)
    assert made.balance("2027-03", "deposit_liability", "contract_liability") == [80, 0]


def test_retrospective_tiers_leave_a_refund_liability_for_units_delivered(posted: Post) -> None:
    made = posted(
        "2027-06-30", lines=[{"amount": None}], price=[{"date": "2027-01-01", "transaction_price": 88000}],
        contract_line=[{"contract_line_id": "L1", "unit_price": 50, "variable_kind": "rebate"}],
        price_tier=[
            {"tier_id": "T1", "contract_line_id": "L1", "from_quantity": 0, "unit_price": 50, "is_retrospective": True},
            {"tier_id": "T2", "contract_line_id": "L1", "from_quantity": 1500, "unit_price": 44, "is_retrospective": True},
        ],
        earned=[
            {"posting_date": "2027-03-31", "amount": 10000, "timing": "point_in_time"},
            {"posting_date": "2027-06-30", "amount": 29600, "timing": "point_in_time"},
        ],
        progress=[
            {"progress_id": "1", "contract_line_id": "L1", "as_of_date": "2027-03-31", "units_delivered": 200},
            {"progress_id": "2", "contract_line_id": "L1", "as_of_date": "2027-06-30", "units_delivered": 900},
        ],
        invoice=[invoice("I1", "2027-03-31", 10000), invoice("I2", "2027-06-30", 35000)],
    )  # fmt: skip
    assert made.balance("2027-03", "refund_liability", "receivable") == [0, 10000]
    # 900 units at 50 invoiced, 39,600 earned at 44.
    assert made.balance("2027-06", "refund_liability", "receivable", "contract_liability") == [5400, 45000, 0]


def test_goods_that_may_come_back_leave_a_refund_liability_and_a_return_asset(posted: Post) -> None:
    lowered = pl.DataFrame([("C1", "L1", dt.date(2027, 2, 10), Decimal(200))], schema=LOWERED, orient="row")
    made = posted(
        "2027-02-28", lines=[{"amount": 4000, "offering": "goods"}], price=[{"date": "2027-01-01", "transaction_price": 3800}],
        contract_line=[{"contract_line_id": "L1", "variable_kind": "refund"}],
        obligations=[
            {"contract_id": "C1", "obligation_id": "L1", "version": 1, "effective_date": "2027-01-01", "allocated_amount": 3800,
             "allocated_variable": -200},
        ],
        extra={"lowered": lowered},
        variable_estimate=[{"estimate_id": "E", "contract_line_id": "L1", "as_of_date": "2027-02-10", "amount": -200, "quantity": 4}],
        earned=[{"posting_date": "2027-02-10", "amount": 3800, "timing": "point_in_time"}],
        progress=[{"progress_id": "1", "contract_line_id": "L1", "as_of_date": "2027-02-10", "units_delivered": 80, "cost_to_date": 2400}],
        invoice=[invoice("I1", "2027-02-10", 4000)], payment=[payment("P1", "2027-02-10", 4000, invoice_id="I1")],
    )  # fmt: skip
    # 4 of 80 units come back: 200 of the price, 120 of the cost.
    assert made.balance("2027-02", "refund_liability", "return_asset", "cost_of_revenue", "gross_margin") == [200, 120, 2280, 1520]
    assert made.entry("2027-02-10") == {
        "cash": 4000, "cost_of_revenue": 2280, "inventory": -2400, "refund_liability": -200, "return_asset": 120, "revenue": -3800,
    }  # fmt: skip


def test_what_is_paid_to_the_customer_lowers_revenue_as_it_comes(posted: Post) -> None:
    made = posted(
        "2027-02-28", lines=[{"amount": 10000}], price=[{"date": "2027-01-01", "transaction_price": 9200, "stated": 10000}],
        consideration_payable=[
            {"payable_id": number, "contract_id": "C1", "agreed_date": "2027-01-01", "paid_date": "2027-01-05", "amount": amount,
             "is_for_distinct_good": distinct}
            for number, amount, distinct in (("1", 800, None), ("2", 50, True))
        ],
        earned=[{"posting_date": "2027-01-31", "amount": 2300}], invoice=[invoice("I1", "2027-01-31", 2500)],
    )  # fmt: skip
    assert made.entry("2027-01-05") == {"cash": -800, "customer_payment_asset": 800}
    assert made.balance("2027-01", "customer_payment_asset", "receivable", "contract_asset") == [600, 2500, 0]


def test_what_is_promised_to_the_customer_and_not_yet_paid_is_owed(posted: Post) -> None:
    made = posted(
        "2027-01-31", lines=[{"amount": 1000}], price=[{"date": "2027-01-01", "transaction_price": 900, "stated": 1000}],
        consideration_payable=[{"payable_id": "1", "contract_id": "C1", "agreed_date": "2027-01-01", "amount": 100}],
        earned=[{"posting_date": "2027-01-31", "amount": 450}], invoice=[invoice("I1", "2027-01-31", 500)],
    )  # fmt: skip
    assert made.balance("2027-01", "customer_payment_asset", "refund_liability", "receivable") == [0, 50, 500]


def test_an_agent_owes_the_rest_to_who_provides(posted: Post) -> None:
    made = posted(
        "2027-01-31", lines=[{"amount": 600}], price=[{"date": "2027-01-01", "transaction_price": 90}],
        earned=[{"posting_date": "2027-01-20", "amount": 90, "gross_amount": 600, "timing": "point_in_time"}],
        invoice=[invoice("I1", "2027-01-20", 600)],
    )  # fmt: skip
    assert made.entry("2027-01-20") == {"payable": -510, "receivable": 600, "revenue": -90}


def test_interest_on_an_advance_raises_the_liability(posted: Post) -> None:
    interest = pl.DataFrame(
        {
            "contract_id": ["C1", "C1"], "posting_date": ["2027-12-31", "2028-06-30"], "direction": ["expense"] * 2,
            "interest": ["30", "15.45"],
        }
    ).with_columns(pl.col("posting_date").str.to_date(), pl.col("interest").str.to_decimal(scale=6).cast(pl.Decimal(38, 6)))
    made = posted(
        "2028-06-30", lines=[{"amount": 500}], payment=[payment("P1", "2027-01-01", 500, contract_id="C1")], extra={"interest": interest},
        earned=[{"posting_date": "2028-06-30", "amount": Decimal("545.45"), "timing": "point_in_time"}],
    )  # fmt: skip
    assert made.entry("2027-12-31") == {"contract_liability": -30, "interest_expense": 30}
    assert made.balance("2028-05", "contract_liability") == 530
    assert made.entry("2028-06-30") == {"contract_liability": 530, "interest_expense": Decimal("15.45"), "revenue": Decimal("-545.45")}


def test_combined_contracts_show_one_net_position(posted: Post) -> None:
    made = posted(
        "2027-02-28", contracts=[{}, {"contract_id": "C2", "group_id": "C1"}],
        lines=[{"amount": 500}, {"contract_id": "C2", "contract_line_id": "L2", "amount": 700}],
        earned=[{"posting_date": "2027-01-31", "amount": 320}],
        payment=[payment("P1", "2027-01-10", 200, contract_id="C2"), payment("P2", "2027-02-10", 450, contract_id="C2")],
    )  # fmt: skip
    sums = made.balances.group_by("period").agg(pl.col("contract_asset", "contract_liability").sum()).sort("period").rows()
    assert sums == [("2027-01", 120, 0), ("2027-02", 0, 330)]


def test_a_payment_that_belongs_nowhere_is_a_finding(posted: Post) -> None:
    made = posted("2027-02-28", payment=[payment("P9", "2027-02-01", 75)])
    assert [(row["rule"], row["entity_id"], row["amount_at_risk"]) for row in made.findings] == [("payment_without_contract", "P9", 75)]


def test_as_invoiced_and_royalty_revenue_is_no_part_of_what_is_left_to_recognize(posted: Post) -> None:
    made = posted(
        "2027-01-31", lines=[{"amount": 1000}],
        earned=[
            {"posting_date": "2027-01-31", "amount": amount, "timing": timing}
            for amount, timing in ((400, "over_time"), (90, "as_invoiced"), (10, "royalty"))
        ],
    )  # fmt: skip
    assert made.balance("2027-01", "transaction_price", "recognized", "remaining_obligation") == [1000, 500, 600]
