"""`tieout policy test` from the command line: exit codes, expected beside actual, coverage."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.command import ROOT, tieout

POLICY = """policy: ownership
id: own-contract
title: Who owns the contract
owner: controller
effective_from: 2026-01-01
reference: AM 2.1
entity: contract
match: [contract_id]
owner_system: crm
rules:
  - {id: own-value, field: total_value, owner: crm, consumers: [erp], severity: high, says: CRM owns the value}
"""
TEST = """test: A value that drifts is found
as_of: 2026-02-28
given:
  contract:
    - {contract_id: C1, source_system: crm, total_value: 100}
    - {contract_id: C1, source_system: erp, total_value: 110}
expect:
  golden/contract: [{contract_id: C1, total_value: EXPECTED}]
  findings: {contains: [{rule: own-value, entity_id: C1}]}
"""


def policy_test(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return tieout("policy", "test", *arguments, cwd=cwd, columns=120)


def folder(tmp_path: Path, expected: str = "100", **files: str) -> Path:
    (tmp_path / "own.yaml").write_text(POLICY)
    (tmp_path / "own_test.yaml").write_text(TEST.replace("EXPECTED", expected))
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def test_tests_that_hold_exit_0(tmp_path: Path) -> None:
    result = policy_test(str(folder(tmp_path)), cwd=ROOT)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0] == "1 passed, 0 failed"


def test_a_difference_shows_expected_beside_actual_and_exits_1(tmp_path: Path) -> None:
    result = policy_test(str(folder(tmp_path, "101")), cwd=ROOT)
    assert result.returncode == 1
    assert "FAILED" in result.stdout and "line 8, golden/contract" in result.stdout
    assert "expected  contract_id C1, total_value 101" in result.stdout
    assert "actual    total_value 100" in result.stdout


def test_a_file_that_cannot_be_read_exits_2_and_the_rest_still_runs(tmp_path: Path) -> None:
    misspelt = TEST.replace("EXPECTED", "100").replace("contract:", "contrat:", 1)
    place = folder(tmp_path, broken_test="test: x\nas_of: [", other_test=misspelt)
    result = policy_test(str(place), cwd=ROOT)
    assert result.returncode == 2
    assert "invalid-yaml" in result.stdout and "did you mean 'contract'?" in result.stdout
    assert "1 passed, 2 failed" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_an_override_of_an_unknown_policy_is_a_mistake(tmp_path: Path) -> None:
    text = TEST.replace("EXPECTED", "100").replace("given:", "policies: {own-contrct: {owner: x}}\ngiven:")
    result = policy_test(str(folder(tmp_path, other_test=text)), cwd=ROOT)
    assert result.returncode == 2
    assert "there is no policy 'own-contrct', did you mean 'own-contract'?" in result.stdout


def test_an_override_changes_the_policy_for_its_test_only(tmp_path: Path) -> None:
    text = TEST.replace("EXPECTED", "110").replace("given:", "policies: {own-contract: {owner_system: erp, rules: []}}\ngiven:")
    text = text.replace("{contains: [{rule: own-value, entity_id: C1}]}", "none")
    result = policy_test(str(folder(tmp_path, other_test=text)), cwd=ROOT)
    assert result.returncode == 0, result.stdout


def test_results_can_be_read_by_a_program(tmp_path: Path) -> None:
    result = policy_test(str(folder(tmp_path, "101")), "--json", cwd=ROOT)
    (test,) = json.loads(result.stdout)["tests"]
    assert test["passed"] is False
    assert test["differences"][0]["actual"] == "total_value 100"


def test_a_folder_without_tests_says_so(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(POLICY)
    result = policy_test(str(tmp_path), cwd=ROOT)
    assert result.returncode == 2
    assert "There is no test to run." in result.stderr


LATER = """test: What a later stage finds is seen beside a decision
as_of: 2026-06-30
given:
  contract: [{contract_id: C1, currency: EUR, status: active, start_date: 2026-01-01}]
  contract_line: [{contract_line_id: L1, contract_id: C1, offering: time_and_materials}]
  time_entry: [{time_entry_id: T1, contract_line_id: L1, work_date: 2027-06-15, billable: false, status: approved, source_system: psa}]
expect:
  billing_decisions: [{item_id: T1, decision: not_billable}]
  findings: {contains: [{rule: chk-time-ahead, entity_id: T1}]}
"""


def test_a_finding_of_a_later_stage_may_be_expected_beside_a_decision(tmp_path: Path) -> None:
    (tmp_path / "later_test.yaml").write_text(LATER)
    result = policy_test(str(tmp_path / "later_test.yaml"), "--policies", "policies", cwd=ROOT)
    assert result.stdout.splitlines()[0] == "1 passed, 0 failed"
