"""The close of a period, who looks, and the policies with their mistakes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from adapters.policy_folder import SHIPPED
from adapters.store.permissions import ROLES
from dashboard.views.access import Person, who
from dashboard.views.close import close_state, periods, sign, start
from dashboard.views.policies import checked_policies, find_policy, policies_frame, rules_of, table_of
from dashboard.views.workspace import Workspace, find_runs
from engine.errors import UsageError


def test_who_sits_at_the_computer_may_try_all_and_is_not_known() -> None:
    person = who(SHIPPED, None)
    assert (person.is_signed_in, person.roles) == (False, frozenset(ROLES))
    assert person.actor().identity == "asserted"


def test_who_signs_in_has_the_roles_of_the_access_policy() -> None:
    assert who(SHIPPED, "CFO@meridian.example").roles == {"approver", "admin"}
    assert who(SHIPPED, "stranger@elsewhere.example").roles == {"viewer"}


def test_a_close_is_started_signed_and_void_when_its_evidence_changes(workspace: Workspace, local: Person) -> None:
    run, store = find_runs(workspace)[0], workspace.open_store()
    period = periods(run)[0]
    assert close_state(workspace, store, run, period)["close"] is None
    assert "is started" in start(workspace, store, local, run, period)
    anna = Person("anna", is_signed_in=True, roles=frozenset({"preparer"}))
    assert sign(workspace, store, anna, run, period, "preparer").endswith("as preparer.")
    assert "does not count" in sign(workspace, store, local, run, period, "approver")
    state = close_state(workspace, store, run, period)
    assert (state["missing"], state["void"]) == (["approver"], [])
    (run.folder / "held.parquet").write_bytes(b"altered")
    damaged = close_state(workspace, store, run, period)
    assert damaged["void"] == ["results held.parquet: the file was altered"]
    assert [each["blocks"] for each in damaged["board"]] == [True]


def test_a_project_manager_signs_nothing(workspace: Workspace) -> None:
    run, store = find_runs(workspace)[0], workspace.open_store()
    person = Person("p", is_signed_in=True, roles=frozenset({"project_manager"}))
    with pytest.raises(UsageError, match="may not"):
        start(workspace, store, person, run, "2026-10")
    with pytest.raises(UsageError, match="may not"):
        sign(workspace, store, person, run, "2026-10", "preparer")


def test_policies_are_listed_with_their_rules_and_tables() -> None:
    policies, diagnostics = checked_policies(SHIPPED)
    assert not [each for each in diagnostics if each["severity"] == "error"]
    rows = policies_frame(policies).collect()
    assert rows.height == len(policies.policies)
    loaded = find_policy(policies, "ownership/contract.yaml")
    assert loaded is not None
    assert "CRM owns the signed value" in [each["says"] for each in rules_of(loaded)]
    table = table_of(loaded)
    assert table is not None
    assert "own-contract-value" in table["id"].to_list()


def test_a_mistake_is_told_with_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    shutil.copytree(SHIPPED, folder)
    (folder / "close.yaml").write_text((folder / "close.yaml").read_text().replace("blocked_by:", "blocked_buy:"))
    _, diagnostics = checked_policies(folder)
    assert any(each["place"].startswith("close.yaml:") and each["severity"] == "error" and each["remedy"] for each in diagnostics)
