"""What goes beyond a cap is split off exactly; invoiced work uses the cap before the rest."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest


def capped(make: Any, amount: str = "1000") -> list[dict[str, Any]]:
    return [{**make.line, "cap_amount": amount}]


def test_the_entry_at_the_cap_becomes_two_rows_that_add_up(decide: Any, base: Any, make: Any) -> None:
    base["contract_line"] = capped(make, "1000.01")
    decided = decide(**base, time_entry=[make.entry(2), make.entry(3, "7", "33.33"), make.entry(4, "1")])
    assert decided.rows("item_id", "part", "decision", "amount", "rule") == [
        ("T2", 1, "billable", 800, "BT-900"), ("T3", 1, "billable", Decimal("200.01"), "BT-900"),
        ("T3", 2, "not_billable", Decimal("33.30"), "BT-CAP"), ("T4", 1, "not_billable", 100, "BT-CAP"),
    ]  # fmt: skip
    assert sum(row[0] for row in decided.rows("quantity", item_id="T3")) == 7


def test_what_is_invoiced_uses_the_cap_before_earlier_work_that_is_not(decide: Any, base: Any, make: Any) -> None:
    base["contract_line"] = capped(make)
    decided = decide(
        **base, time_entry=[make.entry(2), make.entry(3)], invoice=[make.invoice(1)],
        invoice_line=[{"invoice_line_id": "IL1", "invoice_id": "I1", "time_entry_id": "T3", "quantity": 8, "net_amount": 800}],
    )  # fmt: skip
    assert decided.rows("item_id", "decision", "amount") == [
        ("T2", "billable", 200), ("T2", "not_billable", 600), ("T3", "billed", 800),
    ]  # fmt: skip


def test_work_that_waits_does_not_use_the_cap(decide: Any, base: Any, make: Any) -> None:
    base["contract_line"] = capped(make)
    decided = decide(**base, time_entry=[make.entry(2, status="submitted"), make.entry(3)])
    assert decided.rows("item_id", "decision", "amount") == [("T2", "on_hold", 800), ("T3", "billable", 800)]


def test_an_invoice_beyond_the_cap_is_a_finding_on_the_line(decide: Any, base: Any, make: Any) -> None:
    base["contract_line"] = capped(make, "500")
    decided = decide(
        **base, time_entry=[make.entry(2)], invoice=[make.invoice(1)],
        invoice_line=[{"invoice_line_id": "IL1", "invoice_id": "I1", "time_entry_id": "T2", "quantity": 8, "net_amount": 800}],
    )  # fmt: skip
    assert decided.rows("decision", "amount", "amount_billed", "reason") == [
        ("billed", 500, 500, "approved"), ("billed", 300, 300, "over the cap"),
    ]  # fmt: skip
    assert decided.kinds() == [("over_cap", "L1")]
    assert decided.message("over_cap") == "Contract line L1 is invoiced at 800.00, 300.00 EUR beyond its cap of 500.00."


@pytest.mark.parametrize(
    ("cap", "within"),
    [
        ({"scope": "contract_line", "hours": 12, "order": ["work_date"]}, [8, 4, 0]),
        ({"scope": "project", "amount": 900, "order": ["work_date"]}, [8, 1, 0]),
        ({"scope": "contract", "amount": 1700, "order": ["work_date"]}, [8, 8, 1]),
        ({"scope": "period", "hours": 10, "order": ["work_date"]}, [8, 2, 8]),
        ({"scope": ["project", "period"], "amount": 100, "order": ["work_date"], "over_cap": "on_hold"}, [1, 0, 1]),
    ],
)
def test_caps_count_hours_or_amounts_over_any_scope(decide: Any, base: Any, make: Any, cap: dict[str, Any], within: list[int]) -> None:
    entries = [make.entry(2), make.entry(3), make.entry(4, work_date="2026-04-02")]
    # The third is of April, and worked by the day of the run.
    decided = decide(**base, as_of=dt.date(2026, 4, 30), time_entry=entries, policies={"bill-time": {"cap": [cap]}})
    billable = {row[0]: row[1] for row in decided.rows("item_id", "quantity", decision="billable")}
    assert [billable.get(f"T{number}", 0) for number in (2, 3, 4)] == within
    rest = {row[0] for row in decided.rows("decision") if row[0] != "billable"}
    assert rest == {cap.get("over_cap", "not_billable")}
    assert sum(row[0] for row in decided.rows("quantity")) == 24


def test_two_caps_hold_at_once(decide: Any, base: Any, make: Any) -> None:
    caps = [
        {"scope": "contract_line", "amount": 1200, "order": ["work_date"]},
        {"id": "H", "scope": "project", "hours": 10, "order": ["work_date"]},
    ]
    decided = decide(**base, time_entry=[make.entry(2), make.entry(3)], policies={"bill-time": {"cap": caps}})
    assert decided.rows("item_id", "part", "decision", "quantity", "rule") == [
        ("T2", 1, "billable", 8, "BT-900"), ("T3", 1, "billable", 2, "BT-900"), ("T3", 2, "not_billable", 2, "H"),
        ("T3", 3, "not_billable", 4, "bill-time-cap"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "amount",
    [
        # A thousand million three times over has 28 digits before its point; an amount over 0 hours is none.
        "contract_line.cap_amount * contract_line.estimated_hours * contract_line.estimated_hours",
        "ROUND(contract_line.cap_amount / (hours - hours), 2)",
    ],
)
def test_a_cap_that_cannot_be_told_holds_what_it_would_limit(decide: Any, base: Any, make: Any, amount: str) -> None:
    """A cap that is stated is a limit, whatever became of its value: nothing is billed as if there were none."""
    base["contract_line"] = [{**make.line, "cap_amount": "1000000000", "estimated_hours": "1000000000"}]
    cap = {"scope": "contract_line", "amount": amount, "order": ["work_date"]}
    decided = decide(**base, time_entry=[make.entry(2), make.entry(3)], policies={"bill-time": {"cap": [cap]}})
    assert decided.rows("item_id", "decision", "rule", "reason") == [
        ("T2", "on_hold", "bill-time-cap", "cap not known"), ("T3", "on_hold", "bill-time-cap", "cap not known"),
    ]  # fmt: skip
    assert ("cap_unknown", "L1") in decided.kinds()
    assert decided.message("cap_unknown").startswith("2 items of L1, 1600.00 EUR in all, are held")


def test_a_line_without_what_its_cap_is_made_of_has_none(decide: Any, base: Any, make: Any) -> None:
    amount = "contract_line.cap_amount * contract_line.estimated_hours * contract_line.estimated_hours"
    cap = {"scope": "contract_line", "amount": amount, "order": ["work_date"]}
    decided = decide(**base, time_entry=[make.entry(2)], policies={"bill-time": {"cap": [cap]}})
    assert decided.rows("decision", "rule") == [("billable", "BT-900")]
    assert decided.kinds() == []
