"""The tests that stand beside the shipped policies pass, and notice every small change of a table that has no written reason."""

from __future__ import annotations

from adapters.authoring.mutation import mutate_folder
from adapters.policy_folder import SHIPPED
from adapters.policy_tests import find_test_files, run_tests
from tests.command import tieout


def test_every_test_beside_a_shipped_policy_passes() -> None:
    outcomes, _ = run_tests(find_test_files([SHIPPED]), SHIPPED)
    assert outcomes
    assert [(each.name, each.differences, each.diagnostics) for each in outcomes if not each.passed] == []


def test_no_small_change_of_a_shipped_table_passes_unseen_without_a_written_reason() -> None:
    mutation = mutate_folder(find_test_files([SHIPPED]), SHIPPED)
    assert sum(mutation.tried.values()) > 350
    assert [each.sentence() for each in mutation.survivors] == []
    assert [each.message for each in mutation.diagnostics] == []
    assert all(each.reason for each in mutation.reasoned)


def test_the_tables_of_shipped_policies_stand_aligned() -> None:
    checked = tieout("policy", "fmt", "--check", str(SHIPPED))
    assert (checked.returncode, checked.stdout.count("not aligned")) == (0, 0)
