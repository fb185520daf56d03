"""The revenue scenarios of our own: numbers worked out by hand, one test of a file each."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.policy_tests import run_tests

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("file", sorted((ROOT / "tests" / "cases" / "revenue").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_figure_is_as_worked_out_by_hand(file: Path) -> None:
    outcomes, _ = run_tests([file], ROOT / "policies")
    failed = [(each.name, each.failure, each.differences, [d.message for d in each.diagnostics]) for each in outcomes if not each.passed]
    assert outcomes and not failed
