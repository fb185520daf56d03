"""What was billed against the policies, told with amount, invoice and source rows."""

from __future__ import annotations

import datetime as dt
from typing import Any


def billed(make: Any, *lines: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """Bill entries by lines of (entry, hours, amount), each on an invoice of its own."""
    return {
        "invoice": [make.invoice(number, **more) for number in range(1, len(lines) + 1)],
        "invoice_line": [
            {"invoice_line_id": f"IL{number}", "invoice_id": f"I{number}", "time_entry_id": entry, "quantity": hours, "net_amount": amount}
            for number, (entry, hours, amount) in enumerate(lines, start=1)
        ],
    }  # fmt: skip


def test_the_message_names_item_invoice_and_amount(decide: Any, base: Any, make: Any) -> None:
    decided = decide(**base, time_entry=[make.entry(2)], **billed(make, ("T2", "8", "800"), ("T2", "4", "400")))
    finding = decided.findings.filter(decided.findings["kind"] == "billed_twice").to_dicts()[0]
    assert finding["message"] == "Time entry T2 of 2026-03-02, 8.00 h: 12.00 h are billed on 2 lines, last on I2."
    assert (finding["amount_at_risk"], finding["currency"], finding["related_id"], finding["rule"]) == (400, "EUR", "I2", "BT-C03")
    assert finding["evidence"] == ["time_entry.csv:2", "invoice_line.csv:2", "invoice_line.csv:3"]


def test_one_line_that_bills_too_much_is_no_double_billing(decide: Any, base: Any, make: Any) -> None:
    decided = decide(**base, time_entry=[make.entry(2)], **billed(make, ("T2", "9", "900")))
    assert decided.kinds() == [("over_billed", "T2")]


def test_unbilled_time_is_told_after_its_first_bill_date_and_the_delay(decide: Any, base: Any, make: Any) -> None:
    entries = [make.entry(27, work_date="2026-02-27"), make.entry(28, work_date="2026-02-28"), make.entry(2)]
    links = billed(make, ("T2", "8", "800"))
    # February ends on a Saturday; its tenth workday after is Friday 13 March.
    assert decide(as_of=dt.date(2026, 3, 13), **base, time_entry=entries, **links).kinds() == []
    late = decide(as_of=dt.date(2026, 3, 16), **base, time_entry=entries, **links)
    assert late.kinds() == [("not_billed", "T27"), ("not_billed", "T28")]


def test_what_is_billed_in_part_is_told_as_that(decide: Any, base: Any, make: Any) -> None:
    entries = [make.entry(27, work_date="2026-02-27"), make.entry(28, work_date="2026-02-28")]
    late = decide(as_of=dt.date(2026, 3, 31), **base, time_entry=entries, **billed(make, ("T27", "4.5", "450")))
    told = late.findings.filter(late.findings["kind"] == "not_billed").sort("entity_id")["message"].to_list()
    said = [each.partition("2026-02-28 and is ")[2] for each in told]
    assert said == ["billed in part: 350.00 EUR open.", "on no invoice: 800.00 EUR open."]


def test_approval_after_the_month_moves_the_first_bill_date(decide: Any, base: Any, make: Any) -> None:
    entries = [make.entry(28, work_date="2026-02-28", approved_at="2026-03-20T10:00:00")]
    decided = decide(**base, time_entry=entries, **billed(make, ("T0", "1", "1")))
    assert decided.rows("earliest_bill_date") == [(dt.date(2026, 3, 20),)]
    assert decided.kinds() == []


def test_where_invoices_name_no_time_what_is_unbilled_cannot_be_told(decide: Any, base: Any, make: Any) -> None:
    old = make.entry(2, work_date="2026-01-02")
    lines = {"invoice": [make.invoice(1)], "invoice_line": [{"invoice_line_id": "IL1", "invoice_id": "I1", "net_amount": 800}]}
    decided = decide(**base, time_entry=[old], **lines)
    assert decided.kinds() == []
    assert decided.not_applicable["BT-C01"] == "no invoice line names the time entry it bills, so what is unbilled cannot be told"


def test_time_priced_below_the_card_is_told_before_it_goes_out(decide: Any, base: Any, make: Any) -> None:
    card = [{"rate_id": "RC", "role": "Consultant", "bill_rate": 110, "unit": "hour", "currency": "EUR"}]
    decided = decide(**base, time_entry=[make.entry(2)], rate=card)
    assert decided.kinds() == [("rate_below_card", "T2")]
    assert decided.message("rate_below_card").endswith("is priced at 100.00 an hour, the rate card says 110.00.")


def test_a_card_in_another_currency_is_not_compared(decide: Any, base: Any, make: Any) -> None:
    card = [{"rate_id": "RC", "role": "Consultant", "bill_rate": 110, "unit": "hour", "currency": "USD"}]
    assert decide(**base, time_entry=[make.entry(2)], rate=card).kinds() == []


def test_an_invoice_in_another_currency_is_told_in_the_items(decide: Any, base: Any, make: Any) -> None:
    rates = [{"from_currency": "USD", "to_currency": "EUR", "rate_date": "2026-03-10", "rate_type": "spot", "rate": "0.8"}]
    decided = decide(**base, time_entry=[make.entry(2)], exchange_rate=rates, **billed(make, ("T2", "8", "1000"), currency="USD"))
    assert decided.rows("decision", "amount", "amount_billed") == [("billed", 800, 800)]


def test_a_project_that_is_still_planned_is_late_as_of_the_run(decide: Any, base: Any, make: Any) -> None:
    base["project"] = [
        {"project_id": "P1", "contract_id": "C1", "status": "planned", "start_date": "2026-03-20"},
        {"project_id": "P2", "status": "planned"},
    ]
    assert decide(**base, time_entry=[make.entry(2)]).kinds() == [("late_activation", "P1")]


def test_receipts_are_asked_for_only_where_a_system_states_them(decide: Any, base: Any, make: Any) -> None:
    def run(*receipts: bool | None) -> list[tuple[str, str]]:
        expenses = [
            {"expense_id": f"X{number}", "contract_line_id": "L1", "incurred_date": "2026-03-05", "amount": 10, "currency": "EUR",
             "billable": True, "status": "approved", "has_receipt": receipt}
            for number, receipt in enumerate(receipts)
        ]  # fmt: skip
        lines = [{"invoice_line_id": f"IL{n}", "invoice_id": "I1", "expense_id": f"X{n}", "net_amount": 10} for n in range(len(receipts))]
        return list(decide(**base, expense=expenses, invoice=[make.invoice(1)], invoice_line=lines).kinds())

    assert run(None, None) == []
    assert run(True, None) == [("expense_without_receipt", "X1")]
