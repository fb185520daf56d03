"""What differs between two policy folders in meaning: rows by id, settings by name, order apart."""

from __future__ import annotations

import pytest

from engine.policy.difference import RuleChange, plain_cell, policy_changes
from engine.policy.load import load_policies
from engine.policy.loaded import PolicySet
from engine.policy.source import SourceText

HEAD = """policy: billing
id: bill-time
title: When time may be billed
owner: billing manager
effective_from: 1900-01-01
reference: AM 5.1
item: time_entry
hit: FIRST
inputs: [status, billable]
outputs: {decision: [billable, on_hold, billed_otherwise, not_billable], reason: text}
rules: |
  | rule | status | billable | -> decision | -> reason | note |
"""
ROWS = (
    "  | R1 | rejected | - | not_billable | rejected | Rejected time is never billed |\n",
    "  | R2 | submitted, draft | - | on_hold | not approved | Only approved time is billed |\n",
    "  | R3 | approved | true | billable | approved | The rest is billed |\n",
)
TAIL = "default: {decision: on_hold, reason: no rule}\n"


def folder(text: str) -> PolicySet:
    policies, _ = load_policies([SourceText("bill-time.yaml", text)])
    assert policies.policies
    return policies


def told(before: str, after: str) -> list[tuple[str, str]]:
    return [(each.subject, each.did) for each in changes(before, after)]


def changes(before: str, after: str) -> list[RuleChange]:
    return policy_changes(folder(before), folder(after))


BASE = HEAD + "".join(ROWS) + TAIL


def test_the_same_policies_do_not_differ() -> None:
    assert told(BASE, BASE) == []


def test_spaces_comments_columns_and_the_order_of_alternatives_are_no_change() -> None:
    header = "  | rule | billable | status | -> reason | -> decision | note |\n"
    rows = (
        "  | R1 | - | rejected | rejected | not_billable | Rejected time is never billed |\n"
        "  | R2 |   | draft,   submitted | not approved | on_hold | Only approved time is billed |\n"
        "  | R3 | true | approved | approved | billable | The rest is billed |\n"
    )
    text = "# a comment\n" + HEAD.rsplit("  | rule", 1)[0] + header + rows + TAIL
    assert told(BASE, text) == []


def test_a_changed_cell_says_what_it_was_and_where_it_stands() -> None:
    after = BASE.replace("| R3 | approved | true", "| R3 | approved, submitted | true")
    (change,) = changes(BASE, after)
    assert change.cells == (("status", "approved", "approved, submitted"),)
    assert change.sentence() == "bill-time: rule R3 is changed (bill-time.yaml:15): status approved → approved, submitted."


def test_a_row_that_only_moved_is_moved_and_not_changed() -> None:
    assert told(BASE, HEAD + ROWS[2] + ROWS[0] + ROWS[1] + TAIL) == [("rule R3", "moved")]


def test_wording_alone_changes_no_decision() -> None:
    found = changes(BASE, BASE.replace("The rest is billed", "All else is billed").replace("When time may", "What time may"))
    assert {(each.subject, each.did) for each in found} == {("rule R3", "reworded"), ("setting title", "reworded")}
    assert not any(each.matters for each in found)


def test_rows_settings_and_policies_come_and_go() -> None:
    after = HEAD + ROWS[0] + ROWS[2] + "  | R4 | - | false | on_hold | own | Ours |\n" + TAIL + "settings: {billing_cycle: month}\n"
    assert told(BASE, after) == [("rule R4", "added"), ("rule R2", "removed"), ("setting settings.billing_cycle", "added")]
    empty = PolicySet((), "")
    assert [each.did for each in policy_changes(folder(BASE), empty)] == ["removed"]
    assert [each.sentence() for each in policy_changes(empty, folder(BASE))] == ["bill-time: policy is added (bill-time.yaml:2)."]


def test_a_later_first_day_is_a_change_of_that_setting() -> None:
    assert told(BASE, BASE.replace("1900-01-01", "2026-01-01")) == [("setting effective_from", "changed")]


@pytest.mark.parametrize(
    ("one", "other"), [("", "-"), ("A,B", "B , A"), ("not(x, y)", "not(y,x)"), ("[1..5], null", "null, [1..5]"), ('"a, b", c', 'c, "a, b"')]
)
def test_cells_that_admit_the_same_are_written_the_same(one: str, other: str) -> None:
    assert plain_cell(one) == plain_cell(other)


@pytest.mark.parametrize(
    ("one", "other"), [("A, B", '"A, B"'), ("> 5", ">= 5"), ("not(x)", "x"), ("[1..5]", "[1..6]"), ("{a, b}", "{b, a}")]
)
def test_cells_that_say_something_else_differ(one: str, other: str) -> None:
    assert plain_cell(one) != plain_cell(other)
