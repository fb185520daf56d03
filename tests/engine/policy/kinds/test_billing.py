"""Billing and tax policies are checked before any data: outputs, rates, caps, checks and names, each at its place."""

from __future__ import annotations

import pytest

from engine.policy.kinds.billing import BillingPolicy
from engine.policy.load import load_policies
from engine.policy.source import SourceText

GOOD = """policy: billing
id: bill-time
title: When time may be billed
owner: billing manager
effective_from: 2026-01-01
applies_by: work_date
reference: AM 5.1
item: time_entry
hit: FIRST
inputs: [status, contract_line.offering]
outputs: {decision: [billable, on_hold], reason: text}
rules: |
  | rule | status   | contract_line.offering | -> decision | -> reason | note                |
  |------|----------|------------------------|-------------|-----------|---------------------|
  | A    | approved | time_and_materials     | billable    | approved  | Approved work bills |
default: {decision: on_hold, reason: no rule}
rate: [time_entry.bill_rate, assignment.bill_rate, rate_card(role, work_date)]
cap: {scope: contract_line, amount: contract_line.cap_amount, order: [work_date, time_entry_id], over_cap: not_billable}
checks:
  - {id: C1, check: not_billed, after: 10 workdays, says: Work is billed}
"""


def messages(text: str) -> list[tuple[int, str, str]]:
    _, diagnostics = load_policies([SourceText("bill.yaml", text)])
    return [(each.span.line, each.code.name, each.message) for each in diagnostics if each.is_error]


def test_the_policy_of_the_guide_is_sound_and_keeps_the_rate_card_in_one_piece() -> None:
    policies, diagnostics = load_policies([SourceText("bill.yaml", GOOD)])
    assert not [each for each in diagnostics if each.is_error]
    policy = policies.of_kind(BillingPolicy)[0][1]
    assert policy.rate == ("time_entry.bill_rate", "assignment.bill_rate", "rate_card(role, work_date)")
    assert (policy.cap[0].scope, policy.cap[0].measure) == (("contract_line",), ("amount", "contract_line.cap_amount"))


@pytest.mark.parametrize(
    ("old", "new", "line", "code", "message"),
    [
        ("[billable, on_hold], reason", "[billable, on_hodl], reason", 11, "billing-output", "did you mean 'on_hold'?"),
        ("[billable, on_hold], reason: text", "text, reason: text", 11, "billing-output", "a billing table has the output `decision:"),
        (", reason: text}", ", raeson: text}", 11, "billing-output", "did you mean 'reason'?"),
        ("assignment.bill_rate,", "assignment.bil_rate,", 17, "rate-source", "'assignment.bil_rate' is no price of an hour"),
        ("time_entry.bill_rate,", "time_entry.hours,", 17, "rate-source", "'time_entry.hours' is no price of an hour"),
        ("rate_card(role, work_date)", "rate_card(role)", 17, "rate-source", "write rate_card(role, work_date)"),
        ("assignment.bill_rate,", "marked_up(time_entry.cost_rate),", 17, "rate-source", "write marked_up(time_entry.cost_rate, 15)"),
        ("assignment.bill_rate,", "marked_up(time_entry.hours, 15),", 17, "rate-source", "'time_entry.hours' is no price of an hour"),
        ("assignment.bill_rate,", "marked_up(time_entry.cost_rate, hours),", 17, "rate-source", "'hours' is no percent"),
        ("scope: contract_line,", "scope: contract_lin,", 18, "cap", "did you mean 'contract_line'?"),
        ("amount: contract_line.cap_amount", "amount: contract_line.offering", 18, "cap", "is text, not a number"),
        ("amount: contract_line.cap_amount", "amount: contract_line.cap_amont", 18, "unknown-field", "'contract_line.cap_amount'?"),
        ("order: [work_date,", "order: [work_day,", 18, "unknown-field-name", "did you mean 'work_date'?"),
        ("check: not_billed", "check: not_bild", 20, "billing-check", "did you mean 'not_billed'?"),
        ("check: not_billed", "check: milestone_not_accepted", 20, "billing-check", "is no check of a time_entry"),
        ("check: not_billed, after: 10 workdays", "check: stale_unbilled", 20, "billing-check", "needs `after`"),
        ("after: 10 workdays", "threshold: 800", 20, "invalid-value", "'threshold' cannot be 800"),
        ("after: 10 workdays", "tolerance: -1", 20, "invalid-value", "'tolerance' cannot be -1"),
        ("hit: FIRST", "hit: COLLECT", 9, "hit-policy", "an item has one decision"),
        ("says: Work is billed}", "says: Work is billed, where: hours}", 20, "not-a-condition", "a condition is needed"),
        ("applies_by: work_date", "applies_by: hours", 6, "unknown-field-name", "'hours' is no date of a time_entry"),
        ("over_cap: not_billable", "over_cap: never", 18, "invalid-value", "over_cap"),
        ("item: time_entry", "item: time_entires", 8, "invalid-value", "item"),
    ],
)
def test_a_mistake_is_told_at_its_place(old: str, new: str, line: int, code: str, message: str) -> None:
    assert old in GOOD
    found = messages(GOOD.replace(old, new))
    assert [(each[0], each[1]) for each in found][:1] == [(line, code)], found
    assert any(message in each[2] for each in found), found


def test_a_cap_needs_one_measure() -> None:
    found = messages(GOOD.replace("amount: contract_line.cap_amount, ", ""))
    assert "give a cap either an `amount` or `hours`" in found[0][2]


def test_a_tax_table_gives_a_tax_code() -> None:
    text = """policy: tax
id: tax-codes
title: t
owner: o
effective_from: 2026-01-01
reference: r
inputs: [tax_jurisdiction]
outputs: {code: text}
rules: |
  | rule | tax_jurisdiction | -> code |
  | A    | DE               | DE-S-19 |
default: {code: null}
"""
    assert messages(text) == [(8, "tax-output", "a tax table has one output, `tax_code: text`")]
    assert messages(text.replace("code:", "tax_code:").replace("-> code", "-> tax_code")) == []
