"""Of two policies that decide the same thing on the same days nobody knows which counts: that is told; versions follow each other."""

from __future__ import annotations

import datetime as dt

import pytest

from engine.policy.load import load_policies
from engine.policy.source import SourceText


def text(kind: str, name: str, rest: str = "", since: str = "1900-01-01") -> SourceText:
    body = f"policy: {kind}\nid: {name}\ntitle: t\nowner: o\nreference: r\neffective_from: {since}\n{rest}"
    return SourceText(f"{name}-{since}.yaml", body)


def told(*sources: SourceText) -> list[tuple[str, int, str]]:
    _, diagnostics = load_policies(sources)
    assert not [each for each in diagnostics if each.code.name not in ("policies-compete", "output-never-given", "dead-column")]
    return [(each.span.file, each.span.line, each.message) for each in diagnostics if each.code.name == "policies-compete"]


OWNERSHIP = "entity: contract\nowner_system: crm\n"
CHECK = "entity: time_entry\nchecks:\n  - {id: c1, must: hours > 0, kind: k, says: s, remedy: r}\n"
BILLING = """item: time_entry
hit: FIRST
inputs: [status]
outputs: {decision: [billable, on_hold], reason: text}
rules: |
  | rule | status   | -> decision | -> reason | note |
  | A-1  | approved | billable    | x         | n    |
default: {decision: on_hold, reason: y}
rate: [time_entry.bill_rate]
"""


@pytest.mark.parametrize(
    ("kind", "rest", "line", "message"),
    [
        ("run", "", 2, "'a' and 'b' both are the run policy from 2026-01-01"),
        ("calendar", "", 2, "'a' and 'b' both are the calendar policy from 2026-01-01"),
        ("ownership", OWNERSHIP, 2, "'a' and 'b' both say who owns every contract from 2026-01-01"),
        ("billing", BILLING, 2, "'a' and 'b' both decide every time entry from 2026-01-01"),
        ("check", CHECK, 9, "'a' and 'b' both have a check 'c1' from 2026-01-01"),
        ("remedy", "adjustments: {id: A, target: erp, says: s}\nremedies: []\n", 7,
         "'a' and 'b' both draft the entries for tolerated residuals from 2026-01-01"),
    ],
)
def test_two_that_decide_the_same_are_told(kind: str, rest: str, line: int, message: str) -> None:
    assert told(text(kind, "a", rest), text(kind, "b", rest, "2026-01-01")) == [("b-2026-01-01.yaml", line, message)]


def test_one_kind_is_mended_by_one_policy_at_a_time() -> None:
    """What the one names for a kind, and who approves it, would else pass over the other's without a word."""
    remedy = "remedies:\n  - {id: %s, kinds: [value_drift], action: request, target: owner, says: s}\n"
    assert [each[2] for each in told(text("remedy", "a", remedy % "R-1"), text("remedy", "b", remedy % "R-2"))] == [
        "'a' and 'b' both have a remedy for 'value_drift' from 1900-01-01"
    ]
    assert told(text("remedy", "a", remedy % "R-1"), text("remedy", "b", (remedy % "R-2").replace("value_drift", "failed_event"))) == []


@pytest.mark.parametrize("empty", ["channels: []", "channels: [log], owner: []"])
def test_an_alert_that_would_tell_nobody_is_a_mistake(empty: str) -> None:
    rule = f"channels:\n  - {{name: log, kind: file, to: a.log}}\nalerts:\n  - {{id: A-1, says: s, news: [new], {empty}}}\n"
    _, diagnostics = load_policies([text("alerts", "a", rule)])
    assert [each.code.name for each in diagnostics] == ["invalid-value"]


def test_one_that_ends_before_or_is_limited_competes_with_none() -> None:
    assert told(text("run", "a", "effective_to: 2025-12-31\n"), text("run", "b", since="2026-01-01")) == []
    limited = f"where: contract.currency = 'EUR'\n{BILLING}"
    assert told(text("billing", "a", limited), text("billing", "b", BILLING)) == []
    assert told(text("check", "a", CHECK), text("check", "b", CHECK.replace("c1", "c2"))) == []


@pytest.mark.parametrize(
    ("one", "other", "record"),
    [
        ("contract.currency = 'EUR'", "contract.currency = 'USD'", None),
        ("contract.currency = 'EUR'", "project.status = 'active'", "contract.currency EUR and project.status active"),
        ("contract.currency IN ('EUR', 'CHF')", "contract.currency <> 'EUR'", "contract.currency CHF"),
        ("hours > 5", "hours <= 5", None), ("hours > 5", "8 > hours", "hours 6"),
        ("hours BETWEEN 1 AND 3", "hours BETWEEN 3 AND 5", "hours 3"), ("hours BETWEEN 1 AND 3", "hours BETWEEN 4 AND 5", None),
        ("work_date >= '2026-01-01'", "work_date < '2026-01-01'", None),
        ("work_date >= '2026-01-01'", "work_date <= '2026-01-01'", "work_date 2026-01-01"),
        ("billable", "NOT billable", None), ("billable = true AND hours > 1", "billable", "billable true and hours 2"),
        ("contract.currency IS NULL", "contract.currency IS NOT NULL", None),
        ("contract.currency NOT IN ('EUR')", "contract.currency = 'EUR'", None),
        ("contract.currency = 'EUR' OR hours > 3", "contract.currency = 'USD' AND hours < 2", None),
        ("contract.currency = 'EUR' OR hours > 3", "contract.currency = 'USD' AND hours > 2", "contract.currency USD and hours 4"),
        # What no row of cells can say is not told here; the run tells it.
        ("UPPER(contract.currency) = 'EUR'", "billable", None), ("hours > 1 AND hours < 3", "hours = 2", None),
    ],
)  # fmt: skip
def test_of_two_that_are_limited_a_record_for_both_is_shown(one: str, other: str, record: str | None) -> None:
    both = [text("billing", name, f'where: "{where}"\n{BILLING}') for name, where in (("a", one), ("b", other))]
    _, diagnostics = load_policies(both)
    assert not [each for each in diagnostics if each.is_error]
    found = [each.message for each in diagnostics if each.code.name == "policies-overlap"]
    assert found == ([] if record is None else [f"'a' and 'b' are both for a record with {record}, from 1900-01-01; 'a' counts"])
    apart = text("billing", "b", f'where: "{other}"\neffective_to: 1899-12-31\n{BILLING}', "1800-01-01")
    assert not [each for each in load_policies([both[0], apart])[1] if each.code.name == "policies-overlap"]


def test_a_calendar_gives_the_holidays_of_its_days_and_a_run_follows_the_version_of_its_day() -> None:
    old = text("calendar", "days", "effective_to: 2026-12-31\nholidays: [2026-05-01, 2027-05-03]\n")
    new = text("calendar", "days", "holidays: [2026-05-04, 2027-05-01]\n", "2027-01-01")
    early, late = text("run", "demands", "effective_to: 2026-12-31\n"), text("run", "demands", "fail_on: low\n", "2027-01-01")
    policies, diagnostics = load_policies([old, new, early, late])
    assert not diagnostics
    assert policies.holidays() == (dt.date(2026, 5, 1), dt.date(2027, 5, 1))
    chosen = [policies.run_policy(day) for day in (dt.date(2026, 12, 31), dt.date(2027, 1, 1), None)]
    assert [None if each is None else each.fail_on for each in chosen] == ["high", "low", "low"]
