"""Suites are checked before any data is read: what cannot be judged is told, never passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.policy.kinds.quality import SUPPORTED
from engine.policy.load import load_policies
from engine.policy.sheets import Sheet
from engine.policy.source import SourceText

ROOT = Path(__file__).parents[4]

HEAD = "policy: quality\nid: q-test\ntitle: T\nowner: ar\neffective_from: 1900-01-01\nreference: AM\nentity: invoice\nsuite: s.json\n"


def told(text: str | None) -> list[tuple[str, str]]:
    sheets = [] if text is None else [Sheet("s.json", text)]
    _, diagnostics = load_policies([SourceText("q.yaml", HEAD)], sheets)
    return [(each.code.name, each.message) for each in diagnostics if each.is_error]


def one(kind: str, **kwargs: Any) -> str:
    return json.dumps({"name": "s", "expectations": [{"type": kind, "kwargs": kwargs}]})


BETWEEN = "expect_column_values_to_be_between"


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (None, "quality-suite", "there is no readable file s.json"),
        ("{", "quality-suite", "it is no JSON"),
        ("{}", "quality-suite", "it has no list `expectations`"),
        (one("expect_column_values_to_be_unik", column="status"), "quality-unsupported",
         "did you mean 'expect_column_values_to_be_unique'?"),
        (one(BETWEEN, column="net_amout", min_value=0), "unknown-field-name", "did you mean 'net_amount'?"),
        (one(BETWEEN, column="net_amount", min_value=0.1), "quality-suite", "0.1 is no exact number"),
        (one(BETWEEN, column="net_amount", min_valu=1), "quality-unsupported", "setting 'min_valu'"),
        (one(BETWEEN, column="net_amount", min_value=2, max_value=1), "quality-suite", "no value lies between 2 and 1"),
        (one("expect_column_values_to_match_regex", column="status", regex="("), "quality-suite", "its pattern is wrong"),
        (one("expect_column_values_to_match_regex", column="status", regex="(?=a)"), "quality-unsupported", "looks around"),
        (one("expect_column_values_to_match_regex", column="net_amount", regex="a"), "quality-suite", "looks at text"),
        (one(BETWEEN, column="net_amount", min_value=0, row_condition="__import__('os')"), "quality-unsupported", "row_condition"),
    ],
)  # fmt: skip
def test_mistakes_of_a_suite_are_told(text: str | None, code: str, message: str) -> None:
    assert any(name == code and message in said for name, said in told(text)), told(text)


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("status == 'posted' and status == 'paid'", "condition-never-true"),
        ("status.isnull() and status.notnull()", "condition-never-true"),
        ("invoice_id.notnull()", "condition-always-true"),
        ("status != 'posted' and status.isnull()", None),
        ("invoice_date > '2026-01-01' and invoice_date < '2027-01-01'", None),
    ],
)
def test_a_row_condition_that_no_record_can_change_is_told(condition: str, code: str | None) -> None:
    sheet = Sheet("s.json", one(BETWEEN, column="net_amount", min_value=0, row_condition=condition))
    _, found = load_policies([SourceText("q.yaml", HEAD)], [sheet])
    assert [(each.code.name, "expectation 1" in each.message) for each in found] == ([] if code is None else [(code, True)])


def test_a_bound_that_is_exact_in_both_is_taken() -> None:
    assert told(one(BETWEEN, column="net_amount", min_value=0.5)) == []


def test_every_supported_expectation_is_in_the_manual() -> None:
    page = (ROOT / "docs" / "quality.md").read_text(encoding="utf-8")
    assert [name for name in SUPPORTED if f"`{name}`" not in page] == []
