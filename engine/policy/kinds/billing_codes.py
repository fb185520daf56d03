"""Diagnostic codes of billing and tax policies."""

from __future__ import annotations

from typing import Final

from engine.diagnostics import Code, Level

BILLING_OUTPUT: Final = Code(
    "billing-output",
    Level.ERROR,
    "The table of a billing policy lacks one of its outputs, or has another.",
    "Declare `outputs: {decision: [billable, on_hold, billed_otherwise, not_billable], reason: text}`.",
)
RATE_SOURCE: Final = Code(
    "rate-source",
    Level.ERROR,
    "A billing policy takes the rate from a place that gives no price of an hour.",
    "Name time_entry.bill_rate, assignment.bill_rate, contract_line.unit_price, rate_card(role, work_date), price_tier(hours) or "
    "marked_up(time_entry.cost_rate, 15).",
)
CAP: Final = Code(
    "cap",
    Level.ERROR,
    "A cap is counted over something, or measured by something, that does not exist.",
    "Write `cap: {scope: contract_line, amount: contract_line.cap_amount, order: [work_date, time_entry_id]}`.",
)
BILLING_CHECK: Final = Code(
    "billing-check",
    Level.ERROR,
    "A billing policy asks for a check that does not exist for its items.",
    "Name one of the checks the message lists.",
)
TAX_OUTPUT: Final = Code(
    "tax-output",
    Level.ERROR,
    "The table of a tax policy does not give a tax code.",
    "Declare `outputs: {tax_code: text}`.",
)

CODES: Final = (BILLING_OUTPUT, RATE_SOURCE, CAP, BILLING_CHECK, TAX_OUTPUT)
