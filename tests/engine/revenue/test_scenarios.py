"""The revenue scenarios of our own: numbers worked out by hand, one test of a file each; and what an auditor re-performs of every run."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from adapters import policy_tests
from adapters.policy_tests import run_tests
from engine.policy.loaded import PolicySet
from engine.policy.testing import PolicyTest
from tests.engine.revenue.relations import broken

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("file", sorted((ROOT / "tests" / "cases" / "revenue").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_figure_is_as_worked_out_by_hand_and_all_outputs_agree(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = policy_tests.run_given
    disagree: list[tuple[str, str]] = []

    def seen(test: PolicyTest, policies: PolicySet, last: str | None = None) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
        frames, findings = run(test, policies, last)
        disagree.extend((test.name, each) for each in broken(test, frames, findings))
        return frames, findings

    monkeypatch.setattr(policy_tests, "run_given", seen)
    outcomes, _ = run_tests([file], ROOT / "policies")
    failed = [(each.name, each.failure, each.differences, [d.message for d in each.diagnostics]) for each in outcomes if not each.passed]
    assert outcomes and not failed
    assert not disagree
