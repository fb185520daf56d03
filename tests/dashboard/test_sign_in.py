"""Who signs in, and what the pages show to whom: roles and sight come from the access policy."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from adapters.policy_folder import SHIPPED
from adapters.store.audit import now
from adapters.store.permissions import ROLES
from adapters.store.tables import Approval
from dashboard.components import shell
from dashboard.views import actions
from dashboard.views.access import Person, looking_at, who
from dashboard.views.cases import case_detail, case_rows, queue_summary
from dashboard.views.record import find_records, source_rows
from dashboard.views.runs import compared
from dashboard.views.tables import Query
from dashboard.views.workspace import Workspace, find_runs
from engine.errors import PolicyError, UsageError
from tests.dashboard.test_pages import opened, texts

HEAD = "policy: access\nid: access\ntitle: Who\nowner: controller\neffective_from: 1900-01-01\n"


@pytest.fixture
def access(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return the workspace with an access policy of its own: one legal entity, one project manager, one who sees all."""
    folder = tmp_path / "policies"
    shutil.copytree(SHIPPED, folder)
    (folder / "access.yaml").write_text(
        HEAD + "people:\n  - {person: other@firm, roles: [preparer, approver], legal_entities: [OTHER]}\n"
        "  - {person: mine@firm, roles: [preparer], legal_entities: [LE]}\n  - {person: lead@firm, roles: [project_manager]}\n"
    )
    monkeypatch.setenv("TIEOUT_POLICIES", str(folder))
    return Workspace(workspace.out, workspace.store, folder)


def person(access: Workspace, name: str) -> Person:
    return looking_at(access.policies, who(access.policies, name), find_runs(access)[0].folder)


def test_who_is_not_listed_has_no_role_and_no_page(access: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert who(access.policies, "stranger@firm").roles == frozenset()
    monkeypatch.setattr(shell, "signed_in_as", lambda: "stranger@firm")
    app = opened("exceptions")
    assert "has no role here" in texts(app)
    assert not app.dataframe


def test_policies_with_mistakes_give_nobody_a_role(access: Workspace) -> None:
    (access.policies / "access.yaml").write_text(HEAD + "people:\n  - {person: x@firm, roles: [king]}\n")
    with pytest.raises(PolicyError):
        who(access.policies, "x@firm")


def test_the_user_of_this_computer_has_every_role_and_is_marked_as_not_known() -> None:
    person = who(SHIPPED, None)
    assert person.roles == set(ROLES)
    assert person.actor().identity == "asserted"
    assert "not signed in" in person.told


def test_cases_of_another_legal_entity_are_neither_listed_nor_counted_nor_opened(access: Workspace) -> None:
    run, store = find_runs(access)[0], access.open_store()
    everything = case_rows(access, store, run.scope).page(Query())
    case = str(everything.rows["case_id"][0])
    mine, other = person(access, "mine@firm"), person(access, "other@firm")
    assert case_rows(access, store, run.scope, mine.sight).page(Query()).total == everything.total > 0
    assert case_rows(access, store, run.scope, other.sight).page(Query()).total == 0
    assert not any(each["count"] for each in queue_summary(store, run.scope, other.sight))
    with pytest.raises(UsageError, match="no case"):
        case_detail(store, dataclasses.replace(run, sight=other.sight), case)
    with pytest.raises(UsageError, match="no case"):
        actions.assign(store, other, run.scope, [case], "x")
    assert case_rows(access, store, run.scope, person(access, "lead@firm").sight).page(Query()).total == 0


def test_records_and_comparisons_show_a_person_their_own(access: Workspace) -> None:
    runs = find_runs(access)
    mine, other = (
        [dataclasses.replace(each, sight=person(access, name).sight) for each in runs] for name in ("mine@firm", "other@firm")
    )
    assert [entity for entity, _ in find_records(mine[0], "C1")] == ["contract"]
    assert find_records(other[0], "C1") == []
    assert compared(other[1], other[0])["opened"] == []
    assert source_rows(mine[0], ["psa/contract.csv:2"])[0]["line"] is not None


def test_the_close_is_of_the_whole_firm(access: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "signed_in_as", lambda: "mine@firm")
    app = opened("close")
    assert "of the whole firm" in texts(app)
    assert "sees LE" in texts(app)
    assert [each.label for each in app.button] == ["Sign out"]


def test_the_money_of_a_change_of_policies_is_shown_to_who_sees_the_firm(access: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    store = access.open_store()
    with store.write() as session:
        role = {"needs_role": "approver", "requested_by": "x", "requested_at": now(), "state": "waiting"}
        session.add(Approval(action="policy.change", subject="f" * 64, body={"money": {"EUR": "123456.00"}, "changes": []}, **role))
    for name, sees in (("lead@firm", False), ("whole@firm", True)):
        monkeypatch.setattr(shell, "signed_in_as", lambda name=name: name)
        (access.policies / "access.yaml").write_text(
            HEAD + "people:\n  - {person: lead@firm, roles: [project_manager]}\n  - {person: whole@firm, roles: [preparer]}\n"
        )
        app = opened("policies")
        app.session_state["policies:tab"] = "To approve"
        app.run()
        assert ("123,456" in texts(app)) is sees
        app.session_state["policies:tab"] = "Propose"
        app.run()
        assert ("See the money" in [each.label for each in app.button]) is sees
