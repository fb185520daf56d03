"""Test files are read with exact types, and every mistake in one is told with its line."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from engine.policy.source import SourceText, parse_document
from engine.policy.testing import PolicyTest, read_tests

GOOD = """test: A price in cents
as_of: 2026-01-31
known_on: 2026-02-05
policies: {rev-treatment: {settings: {proration: actual_days}}}
given:
  contract:
    - {contract_id: 00123, currency: USD, signed_date: 2026-01-01, total_value: 1000.10, enforceable: true}
  contract_line:
    - {contract_line_id: L1, contract_id: 00123, unit_price: 0.0125, service_end_at: '2026-02-01T00:00:00Z'}
expect:
  obligations: [{contract_id: 00123, allocated_amount: 1000.10}]
"""


def read(text: str) -> tuple[list[PolicyTest], list[str]]:
    tests, diagnostics = read_tests(parse_document(SourceText("t.yaml", text))[0])
    return tests, [f"{each.span.line}: {each.message}" for each in diagnostics]


def test_given_records_have_the_exact_types_of_their_fields() -> None:
    (test,), told = read(GOOD)
    assert told == []
    contract = test.given["contract"].to_dicts()[0]
    assert contract["contract_id"] == "00123"
    assert contract["total_value"] == Decimal("1000.10")
    assert contract["signed_date"] == dt.date(2026, 1, 1)
    assert contract["end_date"] is None
    line = test.given["contract_line"].to_dicts()[0]
    assert line["unit_price"] == Decimal("0.0125")
    assert line["service_end_at"] == dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
    assert line["evidence"] == ["t.yaml:9"]
    assert (test.as_of, test.known_on) == (dt.date(2026, 1, 31), dt.date(2026, 2, 5))
    assert test.claimed() is None


def test_records_that_name_their_system_are_source_records() -> None:
    (test,), told = read(GOOD.replace("currency: USD,", "currency: USD, source_system: crm,"))
    assert told == []
    claimed = test.claimed()
    assert claimed is not None and list(claimed.records) == ["contract"]
    assert list(test.agreed().records) == ["contract_line"]
    assert "total_value" in claimed.stated["contract", "crm"] and "end_date" not in claimed.stated["contract", "crm"]


def test_several_tests_of_a_file_share_what_stands_beside_them() -> None:
    text = """as_of: 2026-01-31
given:
  contract: [{contract_id: C1}]
tests:
  - {test: One, given: {contract: [{contract_id: C2}]}, expect: {findings: none}}
  - {test: Two, as_of: 2026-02-28, expect: {findings: none}}
"""
    (one, two), told = read(text)
    assert told == []
    assert one.given["contract"]["contract_id"].to_list() == ["C1", "C2"]
    assert two.given["contract"]["contract_id"].to_list() == ["C1"]
    assert (one.as_of, two.as_of) == (dt.date(2026, 1, 31), dt.date(2026, 2, 28))


def test_mistakes_are_told_with_their_line_and_a_near_name() -> None:
    text = """test: Broken
as_of: 2026-02-30
expct: {}
given:
  contrct: [{contract_id: C1}]
  contract:
    - {contract_id: C1, total_valu: 5}
    - {contract_id: C2, total_value: 1.2345678}
    - {contract_id: C3, status: sined}
    - {currency: USD}
    - C4
"""
    tests, told = read(text)
    assert tests == []
    assert told == [
        "3: unknown setting 'expct', did you mean 'expect'?",
        "1: the setting 'expect' is missing",
        "2: '2026-02-30' is not a date (YYYY-MM-DD)",
        "5: 'contrct' is no canonical entity, did you mean 'contract'?",
        "11: the records of 'contract' are a list of rows {field: value}",
        "7: 'contract' has no field 'total_valu', did you mean 'total_value'?",
        "8: 'total_value' cannot be '1.2345678': it has more than 6 decimals",
        "9: 'status' cannot be 'sined': it is one of draft, signed, active, completed, terminated, did you mean 'signed'?",
        "10: the key 'contract_id' is missing",
    ]


def test_nothing_written_is_no_row_and_what_is_no_row_is_told() -> None:
    text = """test: Empty
as_of: 2026-01-31
given:
  contract:
expect:
  revenue_schedule:
  obligations: {obligation_id: L1}
"""
    tests, told = read(text)
    assert told == []
    assert dict(tests[0].expect) == {"revenue_schedule": [], "obligations": [{"obligation_id": "L1"}]}
    _, told = read(text + "  journal: [cash]\n  findings: [ssp_zero]\n")
    assert told == [
        "8: what is expected of 'journal' is a list of rows {column: value}",
        "9: findings are 'none' or {contains | excludes | exactly: [...]}",
    ]


def test_an_agreed_record_is_given_once_and_a_source_record_by_each_system() -> None:
    text = """test: Twice
as_of: 2026-01-31
given:
  contract:
    - {contract_id: C1, currency: USD}
    - {contract_id: C2, currency: USD}
    - {contract_id: C1, currency: EUR}
  project:
    - {project_id: P1, source_system: crm}
    - {project_id: P1, source_system: psa}
expect: {findings: none}
"""
    tests, told = read(text)
    assert tests == []
    assert told == ["7: the contract 'C1' is given twice (first in line 5); agreed records have one row a key"]


def test_a_value_that_no_record_can_have_is_told_at_its_place() -> None:
    text = """test: Damaged
as_of: 2026-01-31
given:
  time_entry:
    - {time_entry_id: T1, hours: 123456789012345678901234567890}
    - {time_entry_id: T2, hours: 0.1234567891}
    - {time_entry_id: T3, work_date: 2026-02-29}
    - {time_entry_id: T4, submitted_at: noon}
expect: {findings: none}
"""
    tests, told = read(text)
    assert tests == []
    assert told == [
        "5: 'hours' cannot be '123456789012345678901234567890': it has more than 8 digits before the point",
        "6: 'hours' cannot be '0.1234567891': it has more than 8 decimals",
        "7: 'work_date' cannot be '2026-02-29': write a day that exists as YYYY-MM-DD",
        "8: 'submitted_at' cannot be 'noon': write a moment that exists as YYYY-MM-DDThh:mm:ssZ",
    ]
