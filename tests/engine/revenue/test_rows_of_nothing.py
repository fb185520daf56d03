"""What nothing happened to has no row: no output tells a row in which no contract stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.policy_folder import check_policies
from adapters.policy_tests import read_test_file, run_given

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("scenario", ["conventions", "odd-input"])
def test_a_contract_that_nobody_changed_has_no_modification(scenario: str) -> None:
    tests, _ = read_test_file(ROOT / "tests" / "cases" / "revenue" / f"{scenario}.yaml")
    policies, _ = check_policies(ROOT / "policies", tests[0].policies)
    frames, _ = run_given(tests[0], policies)
    assert not any(frames[name]["contract_id"].null_count() for name in ("modifications", "revenue_schedule", "contract_balances"))
