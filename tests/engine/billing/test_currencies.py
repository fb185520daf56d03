"""Money of several currencies: rebilled in another one, fees invoiced abroad, coins that are no hundredths, rates that lack."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

DOLLARS = [
    {"from_currency": "USD", "to_currency": "EUR", "rate_date": f"2026-03-{day}", "rate_type": "spot", "rate": rate}
    for day, rate in (("09", "0.9"), ("12", "0.92"))
]
MILESTONE = {
    "milestone_id": "M1", "contract_line_id": "L1", "name": "Design", "amount": 2700, "currency": "EUR", "status": "accepted",
    "accepted_date": "2026-03-02", "due_date": "2026-03-02",
}  # fmt: skip


def test_what_was_billed_in_dollars_credited_and_billed_again_in_euros_is_billed_once(decide: Any, base: Any, make: Any) -> None:
    """800 and 3,000 dollars are taken back in one sum; 720 and 2,700 euros stand, whatever a dollar is."""
    invoices = [
        make.invoice(0, currency="USD"), make.invoice(2, kind="credit_note", currency="USD", corrects_invoice_id="I0"),
        make.invoice(3, replaces_invoice_id="I0"),
    ]  # fmt: skip
    lines = [
        {"invoice_line_id": "A1", "invoice_id": "I0", "time_entry_id": "T2", "quantity": 8, "net_amount": 800},
        {"invoice_line_id": "A2", "invoice_id": "I0", "milestone_id": "M1", "net_amount": 3000},
        {"invoice_line_id": "B1", "invoice_id": "I2", "net_amount": -3800},
        {"invoice_line_id": "C1", "invoice_id": "I3", "time_entry_id": "T2", "quantity": 8, "net_amount": 720},
        {"invoice_line_id": "C2", "invoice_id": "I3", "milestone_id": "M1", "net_amount": 2700},
    ]
    decided = decide(
        **base, time_entry=[make.entry(2, rate="90")], milestone=[MILESTONE], invoice=invoices, invoice_line=lines, exchange_rate=DOLLARS
    )
    assert decided.rows("item_id", "decision", "amount_billed", "amount_unbilled") == [("M1", "billed", 2700, 0), ("T2", "billed", 720, 0)]


def test_an_invoice_that_names_no_contract_is_told_in_the_currency_of_what_it_bills(decide: Any, base: Any, make: Any) -> None:
    lines = [
        {"invoice_line_id": "A1", "invoice_id": "I0", "contract_line_id": "L1", "time_entry_id": "T2", "quantity": 8, "net_amount": 800}
    ]
    decided = decide(
        **base, time_entry=[make.entry(2, rate="90")], invoice=[make.invoice(0, contract_id=None, currency="USD")], invoice_line=lines,
        exchange_rate=DOLLARS,
    )  # fmt: skip
    assert decided.rows("decision", "amount_billed") == [("billed", 720)]


def test_fees_are_filled_by_what_invoices_abroad_are_worth(decide: Any, base: Any, make: Any) -> None:
    """1,250 dollars at 0.8 are the 1,000 euros of January, none of February's; the credit of 625 goes back at that rate too."""
    base["contract_line"] = [{**make.line, "offering": "managed_service", "unit_price": 1000, "price_period": "month",
                              "start_date": "2026-01-01", "end_date": "2026-03-31"}]  # fmt: skip
    rates = [
        {"from_currency": "USD", "to_currency": "EUR", "rate_date": day, "rate_type": "spot", "rate": rate}
        for day, rate in (("2026-01-05", "0.8"), ("2026-02-20", "0.95"))
    ]
    invoices = [
        make.invoice(0, currency="USD", invoice_date="2026-01-05"), make.invoice(1, invoice_date="2026-02-05"),
        make.invoice(2, kind="credit_note", currency="USD", invoice_date="2026-02-20", corrects_invoice_id="I0"),
    ]  # fmt: skip
    lines = [
        {"invoice_line_id": f"A{number}", "invoice_id": f"I{number}", "contract_line_id": "L1", "net_amount": amount}
        for number, amount in enumerate((1250, 1000))
    ]
    billed = decide(**base, invoice=invoices[:2], invoice_line=lines, exchange_rate=rates)
    assert billed.rows("item_id", "amount_billed") == [("L1|2026-01", 1000), ("L1|2026-02", 1000), ("L1|2026-03", 0)]
    lines.append({"invoice_line_id": "A2", "invoice_id": "I2", "contract_line_id": "L1", "net_amount": -625})
    credited = decide(**base, invoice=invoices, invoice_line=lines, exchange_rate=rates)
    assert sum(row[0] for row in credited.rows("amount_billed")) == 1500


def test_an_item_split_by_a_cap_of_hours_has_whole_coins(decide: Any, base: Any, make: Any) -> None:
    """3 h at 3,333.35 are 10,000 yen, a third of which is 3,333; of 100.005 dinars it is 33.335, half up and no 33.33.

    Of 3.7035 units of account (four decimals) it is 1.2345.
    """
    cap = {"bill-time": {"cap": {"scope": "contract_line", "amount": None, "hours": 1}}}
    sums = (("JPY", "3333.35", "3333", "6667"), ("KWD", "33.335", "33.335", "66.67"), ("CLF", "1.2345", "1.2345", "2.469"))
    for currency, rate, within, beyond in sums:
        base["contract"] = [{**make.contract, "currency": currency}]
        decided = decide(**base, time_entry=[make.entry(2, "3", rate, currency=currency)], policies=cap)
        assert decided.rows("amount") == [(Decimal(within),), (Decimal(beyond),)]


def test_a_price_that_no_rate_translates_is_told_as_that(decide: Any, base: Any, make: Any) -> None:
    """A person finds the exchange rate missing, not the price; work without project is told by its line."""
    abroad = {**MILESTONE, "currency": "USD"}
    decided = decide(**base, time_entry=[make.entry(3, currency="USD", project_id=None)], milestone=[abroad])
    assert decided.rows("item_id", "decision", "reason") == [("M1", "on_hold", "no exchange rate"), ("T3", "on_hold", "no rate")]
    assert decided.kinds() == [("exchange_rate_missing", "M1"), ("rate_missing", "L1")]
    assert decided.message("rate_missing") == (
        "1 approved entries of R1 on contract line L1 (8.00 h) are priced in USD, their contract is in EUR, "
        "and no exchange rate of their days is known."
    )
