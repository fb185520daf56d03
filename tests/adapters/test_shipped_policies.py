"""The tests that stand beside the shipped policies pass."""

from __future__ import annotations

from adapters.policy_folder import SHIPPED
from adapters.policy_tests import find_test_files, run_tests


def test_every_test_beside_a_shipped_policy_passes() -> None:
    outcomes, _ = run_tests(find_test_files([SHIPPED]), SHIPPED)
    assert outcomes
    assert [(each.name, each.differences, each.diagnostics) for each in outcomes if not each.passed] == []
