"""Every item has a decision; the quantity ledger says what of it is billed, and credits take it back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl

LEDGER = ("decision", "quantity_billed", "quantity_unbilled", "amount_billed", "amount_unbilled")


def line(number: int, entry: str | None, hours: str, amount: str, invoice: str = "I1", **more: Any) -> dict[str, Any]:
    return {
        "invoice_line_id": f"IL{number}",
        "invoice_id": invoice,
        "time_entry_id": entry,
        "quantity": hours,
        "net_amount": amount,
        **more,
    }


def test_approved_client_work_is_billable_at_its_rate(decide: Any, base: Any, make: Any) -> None:
    decided = decide(**base, time_entry=[make.entry(2, "7.5", "120.10")])
    columns = ("decision", "quantity", "rate", "rate_source", "amount", "currency", "rule", "reason", "period")
    assert decided.rows(*columns) == [
        ("billable", Decimal("7.5"), Decimal("120.10"), "time_entry.bill_rate", Decimal("900.75"), "EUR", "BT-900", "approved", "2026-03")
    ]


def test_what_is_not_approved_waits_and_a_missing_state_is_no_approval(decide: Any, base: Any, make: Any) -> None:
    entries = [
        make.entry(2, status="submitted"),
        make.entry(3, status=None),
        make.entry(4, status="rejected"),
        make.entry(5, billable=False),
    ]
    assert decide(**base, time_entry=entries).rows("item_id", "decision", "reason") == [
        ("T2", "on_hold", "not approved"), ("T3", "on_hold", "not approved"), ("T4", "not_billable", "rejected"),
        ("T5", "not_billable", "not client work"),
    ]  # fmt: skip


def test_work_under_a_fixed_fee_is_billed_by_its_milestones(decide: Any, base: Any, make: Any) -> None:
    base["contract_line"] = [{**make.line, "offering": "fixed_fee"}]
    assert decide(**base, time_entry=[make.entry(2, rate=None)]).rows("decision", "reason") == [("billed_otherwise", "billed by milestone")]


def test_an_entry_without_a_line_belongs_to_the_only_line_of_its_project(decide: Any, base: Any, make: Any) -> None:
    base["contract_line"] = [{**make.line, "project_id": "P1", "offering": "retainer"}]
    assert decide(**base, time_entry=[make.entry(2, contract_line_id=None)]).rows("contract_line_id", "decision") == [
        ("L1", "billed_otherwise")
    ]


def test_an_entry_without_project_and_contract_has_a_decision(decide: Any, make: Any) -> None:
    bare = make.entry(2, project_id=None, contract_line_id=None)
    assert decide(time_entry=[bare]).rows("contract_id", "decision", "amount") == [(None, "billable", Decimal(800))]


def test_hours_on_an_invoice_are_billed_and_half_of_them_partly(decide: Any, base: Any, make: Any) -> None:
    decided = decide(
        **base, time_entry=[make.entry(2), make.entry(3), make.entry(4)], invoice=[make.invoice(1)],
        invoice_line=[line(1, "T2", "8", "800"), line(2, "T3", "3", "300")],
    )  # fmt: skip
    assert decided.rows("item_id", *LEDGER) == [
        ("T2", "billed", 8, 0, 800, 0), ("T3", "partially_billed", 3, 5, 300, 500), ("T4", "billable", 0, 8, 0, 800),
    ]  # fmt: skip


def test_drafts_and_void_invoices_bill_nothing(decide: Any, base: Any, make: Any) -> None:
    decided = decide(
        **base, time_entry=[make.entry(2), make.entry(3)], invoice=[make.invoice(1, status="draft"), make.invoice(2, status="void")],
        invoice_line=[line(1, "T2", "8", "800"), line(2, "T3", "8", "800", "I2")],
    )  # fmt: skip
    assert [row[0] for row in decided.rows("decision")] == ["billable", "billable"]


def test_one_line_is_shared_among_its_entries_to_the_cent(decide: Any, base: Any, make: Any) -> None:
    decided = decide(
        **base, time_entry=[make.entry(2, "1"), make.entry(3, "1"), make.entry(4, "1")], invoice=[make.invoice(1)],
        invoice_line=[line(1, None, "3", "100.00")],
        invoice_line_time=[{"invoice_line_id": "IL1", "time_entry_id": f"T{number}", "hours": 1} for number in (2, 3, 4)],
    )  # fmt: skip
    billed = [row[0] for row in decided.rows("amount_billed")]
    assert billed == [Decimal("33.33"), Decimal("33.34"), Decimal("33.33")]
    assert sum(billed) == 100


def test_a_credit_note_that_names_the_entry_opens_it_again(decide: Any, base: Any, make: Any) -> None:
    credit = make.invoice(2, kind="credit_note", corrects_invoice_id="I1")
    decided = decide(
        **base, time_entry=[make.entry(2)], invoice=[make.invoice(1), credit],
        invoice_line=[line(1, "T2", "8", "800"), line(2, "T2", "-8", "-800", "I2")],
    )  # fmt: skip
    assert decided.rows(*LEDGER) == [("billable", 0, 8, 0, 800)]


def test_a_bare_credit_note_opens_its_share_and_not_everything(decide: Any, base: Any, make: Any) -> None:
    credit = make.invoice(2, kind="credit_note", corrects_invoice_id="I1")
    decided = decide(
        **base, time_entry=[make.entry(2, "9")], invoice=[make.invoice(1), credit],
        invoice_line=[line(1, "T2", "9", "900"), line(2, None, "1", "-450", "I2")],
    )  # fmt: skip
    assert decided.rows(*LEDGER) == [("partially_billed", Decimal("4.5"), Decimal("4.5"), 450, 450)]


def test_a_void_invoice_and_its_reissue_bill_once(decide: Any, base: Any, make: Any) -> None:
    decided = decide(
        **base, time_entry=[make.entry(2)], invoice=[make.invoice(1, status="void"), make.invoice(2, replaces_invoice_id="I1")],
        invoice_line=[line(1, "T2", "8", "800"), line(2, "T2", "8", "800", "I2")],
    )  # fmt: skip
    assert decided.rows("decision", "amount_billed") == [("billed", 800)]
    assert decided.kinds() == []


def test_a_correction_of_time_runs_backwards(decide: Any, base: Any, make: Any) -> None:
    decided = decide(
        **base, time_entry=[make.entry(2, "-2"), make.entry(3, "-2")], invoice=[make.invoice(1)], invoice_line=[line(1, "T3", "-2", "-200")]
    )
    assert decided.rows("decision", "amount", "amount_unbilled") == [("billable", -200, -200), ("billed", -200, 0)]


def test_old_work_waits_unless_it_is_billed(decide: Any, base: Any, make: Any) -> None:
    old = [make.entry(2, work_date="2025-11-20"), make.entry(3, work_date="2025-11-21")]
    decided = decide(**base, time_entry=old, invoice=[make.invoice(1)], invoice_line=[line(1, "T3", "8", "800")])
    assert decided.rows("decision", "rule") == [("on_hold", "BT-040"), ("billed", "BT-900")]


def test_an_amount_is_told_in_the_functional_currency_of_the_selling_company(decide: Any, base: Any, make: Any) -> None:
    base["contract"] = [{**make.contract, "legal_entity_id": "LE"}]
    decided = decide(
        **base, time_entry=[make.entry(2)], legal_entity=[{"legal_entity_id": "LE", "functional_currency": "USD"}],
        exchange_rate=[{"from_currency": "EUR", "to_currency": "USD", "rate_date": "2026-02-27", "rate_type": "spot", "rate": "1.1"}],
    )  # fmt: skip
    assert decided.rows("functional_amount", "functional_currency") == [(880, "USD")]


def test_a_policy_of_later_years_leaves_earlier_items_undecided_and_says_so(decide: Any, base: Any, make: Any) -> None:
    decided = decide(**base, time_entry=[make.entry(2), make.entry(20)], policies={"bill-time": {"effective_from": "2026-03-10"}})
    assert decided.rows("item_id", "decision", "reason") == [("T2", "on_hold", "no policy in force"), ("T20", "billable", "approved")]
    assert decided.kinds() == [("no_policy", "time_entry")]


def test_a_table_without_default_holds_what_no_rule_decides(decide: Any, base: Any, make: Any) -> None:
    table = "| rule | status | -> decision | -> reason |\n| R1 | rejected | not_billable | rejected |"
    decided = decide(
        **base, time_entry=[make.entry(2)], policies={"bill-time": {"rules": table, "inputs": ["status"], "default": None, "checks": []}}
    )
    assert decided.rows("decision", "reason", "rule") == [("on_hold", "no rule", None)]
    assert decided.kinds() == [("no_rule", "T2")]


def test_a_write_down_splits_the_amount_and_not_the_hours(decide: Any, base: Any, make: Any) -> None:
    outputs = {"decision": ["billable"], "reason": "text", "write_down_pct": "decimal(2)"}
    table = "| rule | status | -> decision | -> reason | -> write_down_pct |\n| R1 | approved | billable | courtesy | 12.5 |"
    changed = {"bill-time": {"rules": table, "inputs": ["status"], "outputs": outputs, "default": None}}
    assert decide(**base, time_entry=[make.entry(2)], policies=changed).rows("part", "decision", "quantity", "amount", "reason") == [
        (1, "billable", 8, 700, "courtesy"), (2, "not_billable", 0, 100, "written down"),
    ]  # fmt: skip


def test_expenses_bear_their_markup_and_wait_for_the_receipt(decide: Any, base: Any) -> None:
    def expense(number: int, **more: Any) -> dict[str, Any]:
        return {
            "expense_id": f"X{number}", "project_id": "P1", "contract_line_id": "L1", "incurred_date": "2026-03-05", "amount": "33.35",
            "currency": "EUR", "billable": True, "status": "approved", "has_receipt": True, **more,
        }  # fmt: skip

    decided = decide(**base, expense=[expense(1, markup_pct=5), expense(2), expense(3, has_receipt=False), expense(4, status="submitted")],
                     policies={"bill-expense": {"settings": {"markup_pct": 10}}})  # fmt: skip
    assert decided.rows("decision", "amount", "reason") == [
        ("billable", Decimal("35.02"), "approved"), ("billable", Decimal("36.69"), "approved"), ("on_hold", Decimal("36.69"), "no receipt"),
        ("on_hold", Decimal("36.69"), "not approved"),
    ]  # fmt: skip


def test_a_milestone_is_billed_when_the_customer_accepts_it(decide: Any, base: Any) -> None:
    def milestone(number: int, status: str | None, **more: Any) -> dict[str, Any]:
        return {
            "milestone_id": f"M{number}",
            "contract_line_id": "L1",
            "amount": 500,
            "currency": "EUR",
            "status": status,
            "due_date": "2026-03-01",
            **more,
        }

    made = [milestone(1, "planned"), milestone(2, "completed"), milestone(3, "accepted"), milestone(4, None, accepted_date="2026-03-02")]
    assert [row[0] for row in decide(**base, milestone=made).rows("decision")] == ["on_hold", "on_hold", "billable", "billable"]


def test_the_outputs_are_typed_and_sorted(decide: Any, base: Any, make: Any) -> None:
    decided = decide(**base, time_entry=[make.entry(number) for number in (9, 3, 5)])
    assert [row[0] for row in decided.rows("item_id")] == ["T3", "T5", "T9"]
    money = {name: dtype for name, dtype in decided.decisions.schema.items() if name.startswith("amount")}
    assert set(money.values()) == {pl.Decimal(38, 6)}
