"""Duplicates by key and by likeness: the later one is named, with a score and its reason."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ({"note": "Data review"}, {"note": "data review."}, "100 of 100: the same person, project and day, the same hours and note"),
        ({"note": None}, {"note": None}, "80 of 100: the same person, project and day, the same hours, no notes"),
        (
            {"note": "Review of the data"},
            {"note": "Review of data"},
            "90 of 100: the same person, project and day, the same hours, like notes",
        ),
        ({"note": "Data review"}, {"note": "Steering meeting"}, None),
        ({"note": "Data review"}, {"note": "Data review", "hours": "4"}, None),
        ({"note": "Data review"}, {"note": "Data review", "work_date": "2026-03-03"}, None),
        ({"note": "Data review"}, {"note": "Data review", "project_id": "P2"}, None),
        ({"note": "Data review"}, {"note": "Data review", "status": "rejected"}, None),
    ],
)
def test_two_entries_of_the_same_work(decide: Any, base: Any, make: Any, first: Any, second: Any, told: str | None) -> None:
    entries = [make.entry(2, **first), {**make.entry(2, **second), "time_entry_id": "T9"}]
    findings = decide(**base, time_entry=entries).findings.to_dicts()
    if told is None:
        assert findings == []
    else:
        assert [each["message"] for each in findings] == [f"Time entry T9 reads as the same work as T2 ({told})."]


def test_the_entry_recorded_later_is_the_duplicate(decide: Any, base: Any, make: Any) -> None:
    entries = [
        make.entry(2, note="x", recorded_at="2026-03-05T10:00:00"),
        {**make.entry(2, note="x", recorded_at="2026-03-04T10:00:00"), "time_entry_id": "T9"},
    ]
    found = decide(**base, time_entry=entries).findings
    assert found.select("entity_id", "related_id").rows() == [("T2", "T9")]


@pytest.mark.parametrize(
    ("second", "is_duplicate"),
    [
        ({"invoice_number": "N2"}, True),
        ({"invoice_number": "N1", "gross_amount": 5}, True),
        ({"invoice_date": "2026-03-30"}, False),
        ({"contract_id": "C2"}, False),
        ({"customer_id": "K2"}, False),
        ({"gross_amount": 120}, False),
        ({"status": "void"}, False),
        ({"kind": "credit_note", "corrects_invoice_id": "I1"}, False),
        ({"replaces_invoice_id": "I1"}, False),
    ],
)
def test_two_invoices_that_read_as_one(decide: Any, base: Any, make: Any, second: Any, is_duplicate: bool) -> None:
    first = make.invoice(1, gross_amount=119, invoice_number="N1")
    plan = [
        {"plan_line_id": "B1", "contract_id": "C1", "contract_line_id": "L1", "due_date": "2026-03-20", "amount": 500, "currency": "EUR"}
    ]
    decided = decide(**base, billing_plan_line=plan, invoice=[first, make.invoice(2, **{"gross_amount": 119, **second})])
    assert [row[0] for row in decided.findings.select("kind").rows() if row[0] == "duplicate_invoice"] == [
        "duplicate_invoice"
    ] * is_duplicate


def test_like_invoices_with_other_lines_are_none(decide: Any, base: Any, make: Any) -> None:
    plan = [
        {"plan_line_id": f"B{n}", "contract_id": "C1", "contract_line_id": "L1", "due_date": f"2026-03-{10 + n}", "amount": 100}
        for n in (1, 2)
    ]
    lines = [
        {"invoice_line_id": f"IL{n}", "invoice_id": f"I{n}", "contract_line_id": "L1", "milestone_id": f"M{n}", "net_amount": 100}
        for n in (1, 2)
    ]
    invoices = [make.invoice(1, gross_amount=119), make.invoice(2, gross_amount=119)]
    assert decide(**base, billing_plan_line=plan, invoice=invoices, invoice_line=lines, as_of=dt.date(2026, 3, 13)).kinds() == []
