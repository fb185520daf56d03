"""Mistakes in reconciliation, check and flow policies are told at their place, before any data is read."""

from __future__ import annotations

import pytest

from engine.policy.load import load_policies
from engine.policy.source import SourceText

HEAD = "id: x\ntitle: t\nowner: o\neffective_from: 1900-01-01\nreference: r\n"

REC = (
    "policy: reconciliation\n"
    + HEAD
    + """says: s
left: {entity: invoice, system: billing, amount: gross_amount, date: invoice_date, keys: {number: invoice_number}}
right: {entity: invoice, system: erp, amount: gross_amount}
passes:
  - {id: a, match: one_to_one, on: invoice_id}
"""
)

CHECK = "policy: check\n" + HEAD + "entity: journal_line\nchecks:\n  - {id: c, must: debit > 0, kind: k, says: s, remedy: r}\n"

FLOW = (
    "policy: flow\n" + HEAD + "flows:\n  - {id: f, from: billing, to: erp, entity: invoice, within: 1 hour, says: s}\n"
)


def mistakes(text: str) -> list[tuple[str, int, int]]:
    """Return code, line and column of every error."""
    _, found = load_policies([SourceText("p.yaml", text)])
    return [(each.code.name, each.span.line, each.span.column) for each in found if each.is_error]


@pytest.mark.parametrize("text", [REC, CHECK, FLOW])
def test_a_sound_policy_has_no_mistakes(text: str) -> None:
    assert mistakes(text) == []


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "column"),
    [
        ("entity: invoice, system: billing", "entity: invioce, system: billing", "unknown-entity", 8, 16),
        ("amount: gross_amount, date", "amount: gros_amount, date", "unknown-field", 8, 50),
        ("amount: gross_amount, date", "amount: invoice_date, date", "invalid-value", 8, 50),
        ("on: invoice_id", "on: number", "unknown-field", 11, 36),
        ("on: invoice_id", "on: [{key: invoice_id, pattern_right: 'A('}]", "invalid-value", 11, 70),
        ("on: invoice_id", "on: [{key: invoice_id, pattern_right: '(?=A)B'}]", "invalid-value", 11, 70),
        ("on: invoice_id}", "on: invoice_id, window: {left: invoice_date, right: status}}", "invalid-value", 11, 84),
        ("on: invoice_id}", "on: [{key: invoice_number, pattern_left: '['}]}", "invalid-value", 11, 73),
        ("on: invoice_id}", "on: invoice_id, budget: {amount: 1, per: costumer}}", "invalid-value", 11, 73),
        ("on: invoice_id}\n", "on: invoice_id}\n  - {id: a, match: net, on: invoice_id}\n", "duplicate-id", 12, 10),
        ("on: invoice_id}\n", "on: invoice_id}\nbreaks: {severity: hihg}\n", "invalid-value", 12, 20),
        ("on: invoice_id}\n", "on: invoice_id}\nexpect: {within: invoice_date + gross_amount}\n", "type-mismatch", 12, 18),
        ("match: one_to_one", "match: one_to_all", "invalid-value", 11, 20),
        ("says: s\n", "says: s\nwhere: status = 'paid'\n", "condition-not-allowed", 8, 8),
        ("says: s\n", "says: s\nneeds: [invoice, paymnet]\n", "unknown-entity", 8, 8),
        ("says: s\n", "says: s\nunless_supplied: [resource.vendr_id]\n", "unknown-field-name", 8, 18),
        ("entity: invoice, system: erp", "entity: invoice, system: erp, with: {n: {entity: vendor, on: vendor_id, by: bill.vendr_id}}",
         "unknown-field", 9, 85),
    ],
)
def test_a_mistake_in_a_tie_out_is_told_at_its_place(old: str, new: str, code: str, line: int, column: int) -> None:
    assert old in REC
    found = mistakes(REC.replace(old, new))
    assert [each[1] for each in found] == [line]
    if code != "type-mismatch":
        assert found == [(code, line, column)]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("must: debit > 0", "must: debt > 0", 9),
        ("must: debit > 0", "must: debit", 9),
        ("must: debit > 0", "must: debit > 0, sequence: journal_number", 9),
        ("must: debit > 0", "sequence: jurnal_number", 9),
        ("checks:\n", "group: {by: jurnal_id, called: journal}\nchecks:\n", 8),
        ("checks:\n", "with: {n: {entity: invoice, on: journal_id}}\nchecks:\n", 8),
    ],
)
def test_a_mistake_in_a_check_is_told_at_its_line(old: str, new: str, line: int) -> None:
    found = mistakes(CHECK.replace(old, new))
    assert {each[1] for each in found} == {line}


@pytest.mark.parametrize(("old", "new"), [("entity: invoice", "entity: invoce"), ("1 hour", "soon"), ("criticality", "x")])
def test_a_mistake_in_a_flow_is_told_at_its_line(old: str, new: str) -> None:
    text = FLOW.replace(old, new) if old in FLOW else FLOW.replace("says: s}", "urgency: high, says: s}")
    assert [each[1] for each in mistakes(text)] == [8]


def test_one_way_between_systems_has_one_flow() -> None:
    twice = FLOW + "  - {id: g, from: billing, to: erp, entity: invoice, within: 2 hours, says: s}\n"
    assert mistakes(twice) == [("duplicate-id", 9, 10)]
