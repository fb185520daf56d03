"""`tieout policy test --mutate`: what no test notices is said as a sentence; a folder may ask for coverage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters import cli

POLICY = """policy: billing
id: bill-time
title: When time may be billed
owner: billing manager
effective_from: 1900-01-01
reference: AM 5.1
applies_by: work_date
item: time_entry
hit: FIRST
inputs: [hours]
outputs: {decision: [billable, on_hold], reason: text}
rules: |
  | rule | hours | -> decision | -> reason | note                     |
  | T1   | > 12  | on_hold     | too long  | Long days are looked at  |
  | T2   | -     | billable    | approved  | The rest is billed       |
rate: [time_entry.bill_rate]
"""
TEST = """test: Long days wait
as_of: 2026-03-31
given:
  contract: [{contract_id: C1, currency: EUR, status: active}]
  contract_line: [{contract_line_id: L1, contract_id: C1, offering: time_and_materials}]
  time_entry:
    - {time_entry_id: A, contract_line_id: L1, work_date: 2026-03-01, hours: 20, bill_rate: 1, currency: EUR}
    - {time_entry_id: B, contract_line_id: L1, work_date: 2026-03-01, hours: 8, bill_rate: 1, currency: EUR}
expect:
  billing_decisions: [{item_id: A, decision: on_hold}, {item_id: B, decision: billable}]
"""
RUN = "policy: run\nid: run\ntitle: Run\nowner: controller\neffective_from: 1900-01-01\nreference: r\nminimum_coverage: {billing: 100}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "billing").mkdir()
    (tmp_path / "billing" / "bill-time.yaml").write_text(POLICY)
    (tmp_path / "billing" / "bill-time_test.yaml").write_text(TEST)
    return tmp_path


def policy(*arguments: str) -> Any:
    cli._load_commands()
    return CliRunner().invoke(cli.app, ["policy", *arguments])


def test_boundaries_that_no_test_looks_at_survive(folder: Path) -> None:
    result = policy("test", "--mutate", "--policies", str(folder), str(folder))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines == [
        "Nobody would notice if in T1 hours were >= 12 instead of > 12 (billing/bill-time.yaml:14).",
        "Nobody would notice if in T1 hours were > 13 instead of > 12 (billing/bill-time.yaml:14).",
        "6 small changes of the tables were tried; the tests notice 4 of them, 2 pass unseen.",
    ]


def test_the_case_that_would_notice_is_suggested_and_closes_it(folder: Path) -> None:
    said = policy("suggest-tests", str(folder)).stdout.splitlines()
    question = "Take a record with hours 12: bill-time gives it billable, approved, not on_hold, too long. Is that meant?"
    assert said[0] == f"{question} (billing/bill-time.yaml:14)"
    entry = "    - {{time_entry_id: {}, contract_line_id: L1, work_date: 2026-03-01, hours: {}, bill_rate: 1, currency: EUR}}\n"
    more = TEST.replace("expect:", entry.format("C", 12) + entry.format("D", 13) + "expect:")
    more = more.replace("decision: billable}]", "decision: billable}, {item_id: C, decision: billable}, {item_id: D, decision: on_hold}]")
    (folder / "billing" / "bill-time_test.yaml").write_text(more)
    told = json.loads(policy("test", "--mutate", "--json", "--policies", str(folder), str(folder)).stdout)
    assert told == {"tried": {"bill-time": 6}, "survivors": [], "reasoned": [], "diagnostics": []}


def test_a_written_reason_stands_for_a_change_that_no_test_looks_at(folder: Path) -> None:
    reason = "unnoticed:\n  - {rule: T1, change: [hours were >= 12 instead of > 12, hours were > 13 instead of > 12], why: Rounded}\n"
    (folder / "billing" / "bill-time_test.yaml").write_text(TEST + reason)
    result = policy("test", "--mutate", str(folder))
    assert result.exit_code == 0
    assert "in T1 hours were > 13 instead of > 12 (billing/bill-time.yaml:14), and that is meant: Rounded" in result.stdout
    assert "the tests notice 4 of them, 0 pass unseen, 2 for a written reason." in result.stdout
    assert policy("test", str(folder)).exit_code == 0


def test_a_reason_for_what_tests_notice_is_told(folder: Path) -> None:
    reasons = (
        "unnoticed:\n  - {rule: T1, change: hours were >= 12 instead of > 12, why: Rounded}\n"
        "  - {rule: T1, change: hours were > 13 instead of > 12, why: Rounded}\n"
        "  - {rule: T1, change: decision were billable instead of on_hold, why: Outdated}\n"
    )
    (folder / "billing" / "bill-time_test.yaml").write_text(TEST + reasons)
    result = policy("test", "--mutate", str(folder))
    assert result.exit_code == 1
    assert "warning reason-unused: no test overlooks that in T1 decision were billable instead of on_hold" in result.stdout
    assert "bill-time_test.yaml:14:" in result.stdout


def test_a_reason_says_rule_change_and_why(folder: Path) -> None:
    (folder / "billing" / "bill-time_test.yaml").write_text(TEST + "unnoticed:\n  - {rule: T1, changes: hours, why: x}\n  - T1\n")
    result = policy("test", str(folder))
    assert result.exit_code == 2
    assert "unknown setting 'changes', did you mean 'change'?" in result.stdout and "the setting 'change' is missing" in result.stdout
    assert "a reason is written as {rule, change, why}" in result.stdout


def test_a_change_that_ends_the_same_is_no_change_that_tests_could_notice(folder: Path) -> None:
    # What has no price waits, whatever the rule says: the output of the rule is read, and overruled.
    rows = "  | T0   | null | on_hold | none | No price |\n  | T1   | > 12 | on_hold | long | x |\n  | T2   | - | billable | ok | x |\n"
    text = POLICY.replace("inputs: [hours]", "inputs: [rate]").replace("| rule | hours |", "| rule | rate |")
    head, _, tail = text.partition("  | T1 ")
    (folder / "billing" / "bill-time.yaml").write_text(head + rows + tail[tail.index("rate: [time") :])
    (folder / "billing" / "bill-time_test.yaml").write_text(
        TEST.replace("hours: 20, bill_rate: 1,", "hours: 20,").replace("decision: on_hold}", "decision: on_hold, rule: T0}")
    )
    result = policy("test", "--mutate", str(folder))
    assert "in T0 decision were billable instead of on_hold" in result.stdout


def test_a_folder_may_ask_that_its_rules_are_tested(folder: Path) -> None:
    (folder / "run.yaml").write_text(RUN)
    assert policy("test", str(folder)).exit_code == 0
    short = TEST.replace("{item_id: A, decision: on_hold}, ", "").replace("    - {time_entry_id: A", "    # - {time_entry_id: A")
    (folder / "billing" / "bill-time_test.yaml").write_text(short)
    result = policy("test", str(folder))
    assert result.exit_code == 1
    assert "In billing tests reach 1 of 2 rules; the run policy asks for 100 %." in result.stdout


CHECK = """policy: check
id: chk-time
title: Time
owner: controller
effective_from: 1900-01-01
reference: AM 5.2
entity: time_entry
system: psa
where: status = 'approved'
checks:
  - {id: chk-long, must: hours <= 12, kind: long_day, severity: low, says: A day has twelve hours, remedy: Look at it.}
"""
OTHER = CHECK.replace("id: chk-time", "id: chk-bills").replace("chk-long", "chk-due").replace("long_day", "late_bill")
OTHER = OTHER.replace("entity: time_entry", "entity: bill").replace("hours <= 12", "due_date >= as_of")
OTHER = OTHER.replace("system: psa", "system: erp").replace("where: status = 'approved'\n", "")
ENTRY = "{{time_entry_id: {}, hours: {}, status: {}, work_date: 2026-03-01, source_system: psa}}"
HOURS = """test: A day has twelve hours
as_of: 2026-03-31
given:
  time_entry: [{}]
expect:
  findings: {{contains: [{{kind: long_day, entity_id: A}}], excludes: [{{kind: long_day, entity_id: B}}]}}
"""


def tried(folder: Path, *entries: str, more: str = "") -> Any:
    (folder / "chk-time.yaml").write_text(CHECK)
    (folder / "chk-bills.yaml").write_text(OTHER)
    (folder / "chk-time_test.yaml").write_text(HOURS.format(", ".join(entries)) + more)
    return policy("test", "--mutate", "--conditions", str(folder))


def test_changes_of_a_condition_that_no_test_notices_are_said(tmp_path: Path) -> None:
    result = tried(tmp_path, ENTRY.format("A", 20, "approved"), ENTRY.format("B", 8, "approved"))
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "No test reaches chk-bills: none of 1 changes would be noticed (chk-bills.yaml:2).",
        "Nobody would notice if chk-long must had hours < 12 instead of hours <= 12 (chk-time.yaml:11).",
        "Nobody would notice if chk-long must had 13 instead of 12 (chk-time.yaml:11).",
        "4 small changes of conditions and limits were tried; the tests notice 1 of them, 3 pass unseen.",
    ]


def test_the_cases_at_the_bound_and_a_written_reason_leave_nothing_open(tmp_path: Path) -> None:
    entries = (ENTRY.format("A", 13, "approved"), ENTRY.format("B", 12, "approved"))
    more = "unnoticed:\n  - {rule: chk-due, change: must had due_date > as_of instead of due_date >= as_of, why: No bills here}\n"
    result = tried(tmp_path, *entries, more=more)
    assert result.exit_code == 0, result.stdout
    assert result.stdout.splitlines()[-1].endswith("the tests notice 3 of them, 0 pass unseen, 1 for a written reason.")
    # Tables know nothing of that reason, and do not call it needless.
    assert policy("test", "--mutate", str(tmp_path)).exit_code == 0


def test_conditions_are_changed_where_mutants_are_asked_for(folder: Path) -> None:
    assert "Give both" in str(policy("test", "--conditions", str(folder)).exception.remedy)
