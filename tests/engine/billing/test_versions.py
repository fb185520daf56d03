"""A policy over time, and policies limited by a condition: each item is decided by the one that covers it."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from engine.billing import decide_billing
from engine.findings import finish_findings
from engine.policy.load import load_policies
from engine.policy.loaded import PolicySet
from engine.policy.source import SourceText
from engine.stage import Context

HEAD = """policy: billing
id: {id}
title: t
owner: billing manager
effective_from: {start}
applies_by: work_date
reference: r
item: time_entry
hit: FIRST
inputs: [status]
outputs: {{decision: [billable, on_hold], reason: text}}
rules: |
  | rule   | status   | -> decision | -> reason |
  | {rule} | approved | {decision}  | {reason}  |
default: {{decision: on_hold, reason: no rule}}
rate: [time_entry.bill_rate]
"""
CAP = "cap: {scope: contract_line, amount: 1000, order: [work_date]}\n"
CHECK = "checks:\n  - {id: C1, check: billed_unapproved, says: Only approved time is billed}\n"


def policies(*texts: str) -> PolicySet:
    loaded, diagnostics = load_policies([SourceText(f"{number}.yaml", text) for number, text in enumerate(texts)])
    assert not [each for each in diagnostics if each.is_error], diagnostics
    return loaded


def text(policy: str, start: str, rule: str, decision: str = "billable", end: str = "", more: str = "") -> str:
    made = HEAD.format(id=policy, start=start, rule=rule, decision=decision, reason=rule.lower())
    return made + (f"effective_to: {end}\n" if end else "") + more


def rows(facts: Any, loaded: PolicySet) -> list[tuple[Any, ...]]:
    decisions = decide_billing(facts, loaded, Context(facts.as_of)).frames["billing_decisions"].collect()
    return [tuple(row) for row in decisions.select("item_id", "decision", "rule", "amount").rows()]


@pytest.fixture
def march(facts_of: Any, make: Any) -> Any:
    return lambda *entries, **more: facts_of(
        {"contract_line": [make.line], "contract": [make.contract], "time_entry": list(entries), **more}
    )


def test_each_entry_is_decided_by_the_version_of_its_day_and_the_cap_runs_over_all(march: Any, make: Any) -> None:
    loaded = policies(text("bill-a", "2026-01-01", "OLD", end="2026-03-10", more=CAP), text("bill-a", "2026-03-11", "NEW", more=CAP))
    assert rows(march(make.entry(9), make.entry(12)), loaded) == [
        ("T12", "billable", "NEW", 200), ("T12", "not_billable", "bill-a-cap", 600), ("T9", "billable", "OLD", 800),
    ]  # fmt: skip


def test_a_check_of_the_version_in_force_looks_at_earlier_items_too(march: Any, make: Any) -> None:
    loaded = policies(text("bill-a", "2026-01-01", "OLD", end="2026-03-10"), text("bill-a", "2026-03-11", "NEW", more=CHECK))
    facts = march(
        make.entry(9, status="submitted"), invoice=[make.invoice(1)],
        invoice_line=[{"invoice_line_id": "IL1", "invoice_id": "I1", "time_entry_id": "T9", "quantity": 8, "net_amount": 800}],
    )  # fmt: skip
    result = decide_billing(facts, loaded, Context(facts.as_of))
    assert finish_findings(*result.findings).select("kind", "entity_id").rows() == [("billed_unapproved", "T9")]


def test_a_policy_with_a_condition_comes_before_the_general_one(march: Any, make: Any) -> None:
    loaded = policies(text("bill-a", "1900-01-01", "ALL"), text("bill-b", "1900-01-01", "LONG", "on_hold", more="where: hours > 8\n"))
    assert rows(march(make.entry(2), make.entry(3, "9")), loaded) == [("T2", "billable", "ALL", 800), ("T3", "on_hold", "LONG", 900)]


def test_what_no_condition_covers_is_held_and_told(march: Any, make: Any) -> None:
    loaded = policies(text("bill-b", "1900-01-01", "LONG", more="where: hours > 8\n"))
    facts = march(make.entry(2), make.entry(3, "9"))
    assert rows(facts, loaded) == [("T2", "on_hold", None, 800), ("T3", "billable", "LONG", 900)]
    findings = finish_findings(*decide_billing(facts, loaded, Context(facts.as_of)).findings)
    assert findings.filter(pl.col("kind") == "no_policy").height == 1


def test_an_item_that_two_limited_policies_are_for_is_told_and_the_first_counts(march: Any, make: Any) -> None:
    # Two functions: no table can prove them apart, so that the run itself must tell.
    short, long = (
        text(name, "1900-01-01", rule, more=f'where: "{where}"\n')
        for name, rule, where in (("a-short", "A-1", "ABS(hours) < 9"), ("b-long", "B-1", "ABS(hours) > 5"))
    )
    facts = march(make.entry(1, "4"), make.entry(2, "8"), make.entry(3, "10"))
    loaded = policies(short, long)
    assert [row[2] for row in sorted(rows(facts, loaded))] == ["A-1", "A-1", "B-1"]
    found = finish_findings(*decide_billing(facts, loaded, Context(facts.as_of)).findings)
    told = found.filter(pl.col("kind") == "policies_overlap")
    assert told.select("entity_id", "related_id", "severity", "message").rows() == [
        ("a-short", "b-long", "medium",
         "1 time entry record meets the conditions of both 'a-short' and 'b-long', and 'a-short' counts: T2."),
    ]  # fmt: skip
