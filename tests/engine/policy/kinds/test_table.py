"""A policy's table is the same in the file, in CSV and in a workbook, and its mistakes have places."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from engine.policy.kinds.base import RulePlace
from engine.policy.kinds.table import TablePolicy, compile_policy_table, table_rules, versioned_table
from engine.policy.loaded import LoadedPolicy
from engine.policy.sheets import Sheet
from engine.policy.source import Document, SourceText, parse_document
from engine.policy.where import policy_scope

HEAD = """policy: example
id: bill-x
title: When time is billed
owner: billing
effective_from: 2026-01-01
reference: AM 4
hit: FIRST
inputs: [status, {name: age_days, expr: "DATE_DIFF('day', work_date, as_of)"}]
outputs: {decision: [billable, on_hold], reason: text}
"""
PIPES = """rules: |
  | rule | status   | age_days | -> decision | -> reason | note             |
  |------|----------|----------|-------------|-----------|------------------|
  | B-1  | approved | <= 30    | billable    | approved  | Fresh and signed |
  | B-2  | approved | > 30     | on_hold     | stale     | Old, look again  |
"""
CSV = "rule,status,age_days,out: decision,out: reason,note\nB-1,approved,<= 30,billable,approved,Fresh and signed\nB-2,approved,> 30,on_hold,stale,\"Old, look again\"\n"  # noqa: E501
ROWS = [line.split(";") for line in (
    "rule;status;age_days;out: decision;out: reason;note",
    "B-1;approved;<= 30;billable;approved;Fresh and signed",
    "B-2;approved;> 30;on_hold;stale;Old, look again",
)]  # fmt: skip
TIME = pl.LazyFrame(
    {
        "time_entry_id": ["T1", "T2", "T3"],
        "status": ["approved", "approved", "draft"],
        "work_date": [dt.date(2026, 3, 1), dt.date(2025, 12, 31), dt.date(2026, 3, 1)],
        "as_of": [dt.date(2026, 3, 31)] * 3,
    }
)


def loaded(text: str) -> tuple[TablePolicy, Document]:
    document, diagnostics = parse_document(SourceText("billing/x.yaml", text))
    assert not diagnostics
    return TablePolicy.model_validate(document.value), document


@pytest.mark.parametrize(
    ("tail", "sheet"),
    [
        (PIPES, None),
        ("rules_file: x.csv\n", Sheet("billing/x.csv", CSV)),
        ("rules_file: x.xlsx\n", Sheet("billing/x.xlsx", None, {"bill-x": ROWS, "other": [["a"]]})),
    ],
)
def test_a_table_means_the_same_in_every_form(tail: str, sheet: Sheet | None) -> None:
    policy, document = loaded(HEAD + tail)
    compiled, diagnostics = compile_policy_table(policy, document, sheet, policy_scope("time_entry"))
    assert compiled is not None and not [each for each in diagnostics if each.is_error]
    decided = compiled.apply(TIME, prefix="made.").collect()
    assert decided["made.decision"].to_list() == ["billable", "on_hold", None]
    assert decided["made.rule"].to_list() == ["B-1", "B-2", None]
    assert decided["made.status"].to_list() == ["matched", "matched", "no_match"]
    assert [each.rule for each in table_rules(policy, document, sheet)] == ["B-1", "B-2"]
    assert [each.says for each in table_rules(policy, document, sheet)] == ["Fresh and signed", "Old, look again"]


def test_a_rule_stands_at_its_line() -> None:
    policy, document = loaded(HEAD + PIPES)
    places: list[RulePlace] = table_rules(policy, document, None)
    assert [(each.span.file, each.span.line, each.reference) for each in places] == [
        ("billing/x.yaml", 13, "AM 4"), ("billing/x.yaml", 14, "AM 4"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        (None, "the table 'x.xlsx' cannot be read: there is no such file beside the policy"),
        (Sheet("x.xlsx", problem="it is cut off"), "the table 'x.xlsx' cannot be read: it is cut off"),
        (Sheet("x.xlsx", None, {"bill-y": ROWS}), "the workbook 'x.xlsx' has no sheet 'bill-x'"),
    ],
)
def test_a_missing_table_file_is_a_diagnostic_at_its_setting(sheet: Sheet | None, message: str) -> None:
    policy, document = loaded(HEAD + "rules_file: x.xlsx\n")
    compiled, diagnostics = compile_policy_table(policy, document, sheet, policy_scope("time_entry"))
    assert compiled is None
    assert [(each.code.name, each.span.line, each.message) for each in diagnostics] == [("table-file", 10, message)]


def test_a_table_stands_in_one_place_only() -> None:
    with pytest.raises(ValueError, match="either as `rules` or as `rules_file`"):
        loaded(HEAD)


def test_records_are_decided_by_the_version_of_their_own_date() -> None:
    old, new = HEAD + "effective_to: 2025-12-31\n" + PIPES, HEAD + PIPES.replace("billable ", "on_hold  ")
    versions = []
    for text in (old.replace("2026-01-01", "2025-01-01"), new):
        policy, document = loaded(text)
        versions.append((LoadedPolicy(policy, document, "f"), policy))
    table = versioned_table(versions, "work_date", lambda _: policy_scope("time_entry"))
    decided = table.apply(TIME.drop("status").with_columns(status=pl.lit("approved")), prefix="made.").collect()
    assert decided["made.decision"].to_list() == ["on_hold", "on_hold", "on_hold"]
    assert decided["made.version"].to_list() == [dt.date(2026, 1, 1), dt.date(2025, 1, 1), dt.date(2026, 1, 1)]
