"""Expected rows are met by a matching row, by a sum over rows, by nothing where zero is expected."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from engine.findings import finish_findings
from engine.policy.source import SourceText, parse_document
from engine.policy.testing import PolicyTest, differences, last_stage, read_tests

MONEY = pl.Decimal(38, 6)

SCHEDULE = pl.DataFrame(
    {
        "contract_id": ["C1", "C1", "C1", "C2"],
        "contract_line_id": ["L1", "L1", "L2", "L3"],
        "period": ["2026-01", "2026-02", "2026-02", "2027-01"],
        "recognized_amount": ["100.00", "50.25", "7", "3"],
        "is_planned": [False, False, True, False],
        "rule": ["RT-010", "RT-010", None, "RT-020"],
    }
).with_columns(pl.col("recognized_amount").cast(MONEY))

JOURNAL = pl.DataFrame(
    {
        "contract_id": ["C1", "C1", "C1"],
        "account": ["4000", "1350", "4000"],
        "account_role": ["revenue", "contract_cost_asset", "revenue"],
        "period": ["2026-01", "2026-01", "2026-02"],
        "debit": ["0", "8", "0"],
        "credit": ["10", "0", "5"],
    }
).with_columns(pl.col("debit", "credit").cast(MONEY))

FINDINGS = finish_findings(
    pl.DataFrame(
        {
            "stage": ["revenue", "billing"], "kind": ["ssp_zero", "not_billed"], "rule": ["ssp_zero", "BT-900"],
            "severity": ["low", "high"], "entity": ["contract_line", "time_entry"], "entity_id": ["L9", "T1"],
        }
    )
)  # fmt: skip


def written(expect: str) -> PolicyTest:
    text = f"test: t\nas_of: 2026-01-31\nexpect:\n{expect}"
    tests, diagnostics = read_tests(parse_document(SourceText("t.yaml", text))[0])
    assert not diagnostics
    return tests[0]


def told(expect: str) -> list[str]:
    outputs = {"revenue_schedule": SCHEDULE, "journal": JOURNAL}
    return [f"{each.line}: {each.actual}" for each in differences(written(expect), outputs, FINDINGS)]


MET = [
    "{contract_line_id: L1, period: 2026-01, recognized_amount: 100}",
    "{contract_id: C1, period: 2026-02, recognized_amount: 7}",
    "{contract_id: C1, period: 2026, recognized_amount: 157.25}",
    "{contract_id: C1, from: 2026-02, to: 2027-12, recognized_amount: 57.25}",
    "{contract_id: [C1, C2], sum: true, recognized_amount: 160.25}",
    "{contract_id: C9, recognized_amount: 0}",
    "{contract_id: C9, sum: true, recognized_amount: 0}",
    "{contract_line_id: L1, period: 2026-01, recognized_amount: 100.4, tolerance: 0.4}",
    "{contract_line_id: L2, is_planned: true}",
    "{contract_line_id: L2, rule: null}",
]
NOT_MET = [
    ("{contract_line_id: L1, period: 2026-01, recognized_amount: 100.01}", "4: recognized_amount 100"),
    ("{contract_id: C1, period: 2026, recognized_amount: 157}", "4: recognized_amount 157.25 over 3 rows"),
    ("{contract_line_id: L1, period: 2026-01, recognized_amount: 100.5, tolerance: 0.4}", "4: recognized_amount 100"),
    ("{contract_id: C9, recognized_amount: 1}", "4: no such row"),
    ("{contract_id: C9}", "4: no such row"),
    ("{contract_id: C9, recognized_amount: null}", "4: no such row"),
    ("{contract_line_id: L1, period: 2031-01}", "4: no such row; the nearest: contract_line_id L1, period 2026-01"),
    ("{contract: C1}", "4: 'revenue_schedule' has no column 'contract'"),
]


@pytest.mark.parametrize("row", MET)
def test_an_expected_row_is_met(row: str) -> None:
    assert told(f"  revenue_schedule: [{row}]") == []


@pytest.mark.parametrize(("row", "actual"), NOT_MET)
def test_a_row_that_is_not_met_says_what_there_was(row: str, actual: str) -> None:
    assert told(f"  revenue_schedule: [{row}]") == [actual]


def test_journal_rows_are_sums_by_account_or_by_its_role() -> None:
    assert told("  journal: [{contract_id: C1, account: revenue, credit: 15}]") == []
    assert told("  journal: [{account: '4000', period: 2026-02, credit: 5}]") == []
    assert told("  journal: [{account: cost_asset, debit: 8}]") == []
    assert told("  journal: [{account: revenue, credit: 10}]") == ["4: credit 15 over 2 rows"]


def test_an_output_that_no_stage_made_is_a_difference() -> None:
    assert told("  contract_costs: [{contract_id: C1}]") == ["4: no stage made an output 'contract_costs'"]


@pytest.mark.parametrize(
    ("expect", "met"),
    [
        ("  findings: none", False),
        ("  journal: [{account: revenue, credit: 15}]\n  findings: none", False),
        ("  findings: {contains: [ssp_zero, {rule: BT-900, entity_id: T1}]}", True),
        ("  findings: {contains: [{rule: ssp_zero, entity_id: L8}]}", False),
        ("  findings: {excludes: [over_cap]}", True),
        ("  findings: {excludes: [{kind: not_billed}]}", False),
        ("  findings: {exactly: [ssp_zero]}", False),
        ("  findings: {exactly: [ssp_zero, not_billed]}", True),
        ("  journal: [{account: revenue, credit: 15}]\n  findings: {exactly: [ssp_zero]}", True),
    ],
)
def test_findings_are_compared_within_the_stages_of_the_named_outputs(expect: str, met: bool) -> None:
    assert (told(expect) == []) is met


def test_numbers_of_an_expected_row_are_exact() -> None:
    assert isinstance(SCHEDULE["recognized_amount"][1], Decimal)
    assert told("  revenue_schedule: [{contract_line_id: L1, recognized_amount: 50.250001}]")


@pytest.mark.parametrize(
    ("expect", "last"),
    [
        ("  billing_decisions: [{item_id: T1}]", "billing"),
        ("  journal: [{account: revenue, credit: 15}]\n  billing_decisions: [{item_id: T1}]\n  findings: none", "revenue"),
        ("  matches: [{rule: R}]\n  findings: {contains: [ssp_zero]}", "reconciliation"),
        ("  billing_decisions: [{item_id: T1}]\n  findings: {exactly: [not_billed]}", "billing"),
        ("  billing_decisions: [{item_id: T1}]\n  findings: {contains: [not_billed], excludes: [over_cap]}", None),
        ("  journal: [{account: revenue, credit: 15}]\n  kpis: [{kpi: dso}]", None),
        ("  findings: none", None),
    ],
)
def test_a_test_ends_after_the_last_stage_whose_outputs_it_names_unless_it_looks_further(expect: str, last: str | None) -> None:
    assert last_stage(written(expect), ("billing", "revenue", "reconciliation")) == last
