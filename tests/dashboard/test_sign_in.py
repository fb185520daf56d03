"""Who signs in, and what the pages show to whom: roles and sight come from the access policy."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import polars as pl
import pytest

from adapters.policy_folder import SHIPPED
from adapters.sight import Sight
from adapters.store.audit import now
from adapters.store.permissions import ROLES
from adapters.store.tables import Approval
from dashboard.components import shell
from dashboard.views import actions
from dashboard.views import runs as compared_by
from dashboard.views.access import Person, looking_at, who
from dashboard.views.cases import case_detail, case_rows, file_of, queue_summary
from dashboard.views.record import find_records, hide_cost_rates, source_rows
from dashboard.views.runs import compared, runs_frame
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


def test_the_nights_count_the_exceptions_a_person_sees(access: Workspace) -> None:
    runs = find_runs(access)
    for name, sees in (("mine@firm", True), ("other@firm", False)):
        seen = [dataclasses.replace(each, sight=person(access, name).sight) for each in runs]
        counts = runs_frame(seen).collect()["findings"].to_list()
        assert counts == [each.findings if sees else 0 for each in runs]
        assert all(each.findings for each in runs)


def test_margins_by_person_that_moved_are_for_who_sees_cost_rates(access: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    later, earlier = find_runs(access)
    kpis = [{"kpi": "margin", "dimension": each} for each in ("total", "role=consultant", "resource=R1", "service_line=Tax")]
    nothing: dict[str, list[object]] = {"opened": [], "closed": [], "changed": []}
    monkeypatch.setattr(compared_by, "_compared", lambda *_: {**nothing, "kpis": kpis})
    blind = [dataclasses.replace(each, sight=Sight(cost_rates=False)) for each in (earlier, later)]
    assert [each["dimension"] for each in compared(*blind)["kpis"]] == ["total", "service_line=Tax"]
    assert compared(earlier, later)["kpis"] == kpis


def test_an_earlier_run_gives_no_project_back_to_who_no_longer_manages_it(access: Workspace, tmp_path: Path) -> None:
    folders = []
    for night, manager in (("first", "lead@firm"), ("second", "next@firm")):
        (tmp_path / night / "golden").mkdir(parents=True)
        projects = pl.DataFrame({"project_id": ["P1", "P2"], "manager": [manager, "lead@firm"]})
        projects.write_parquet(tmp_path / night / "golden" / "project.parquet")
        folders.append(tmp_path / night)
    lead = who(access.policies, "lead@firm")
    assert looking_at(access.policies, lead, folders[0], folders[0]).sight.projects == {"P1", "P2"}
    assert looking_at(access.policies, lead, folders[0], folders[1]).sight.projects == {"P2"}


def test_an_explained_decision_tells_no_cost_to_who_does_not_see_it(access: Workspace) -> None:
    run = find_runs(access)[0]
    for sight, sees in ((Sight(), True), (Sight(cost_rates=False), False)):
        told = {
            "inputs": {"status": "approved", "time_entry.cost_rate": "60"}, "flip": "if cost_rate was 50",
            "rules": [{"failed": [{"input": "time_entry.cost_rate", "needs": "< 50", "was": "60"}]}],
        }  # fmt: skip
        hide_cost_rates(dataclasses.replace(run, sight=sight), told)
        assert ("60" in str(told)) is sees
        assert (told["flip"] is not None) is sees
        assert "approved" in str(told)


def test_the_money_of_a_text_is_for_who_sees_cost_rates(access: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    file = "billing/bill-time.yaml"
    (access.policies / "access.yaml").write_text(
        HEAD + "people:\n  - {person: looks@firm, roles: [viewer]}\n  - {person: writes@firm, roles: [preparer]}\n"
    )
    for name, sees in (("looks@firm", False), ("writes@firm", True)):
        monkeypatch.setattr(shell, "signed_in_as", lambda name=name: name)
        app = opened("policies", record=file)
        text = str(app.session_state[f"policy:{file}:text"])
        app.session_state[f"policy:{file}:text"] = text + "\n# priced otherwise\n"
        app.run()
        assert ("See the money" in [each.label for each in app.button]) is sees


def test_a_case_of_another_firm_is_not_opened_beside_this_ones_run(access: Workspace) -> None:
    run, store = find_runs(access)[0], access.open_store()
    case = str(case_rows(access, store, run.scope).page(Query()).rows["case_id"][0])
    assert case_detail(store, run, case)["case"]["case_id"] == case
    beside = dataclasses.replace(run, scope="other")
    with pytest.raises(UsageError, match=r"no case .* in other"):
        case_detail(store, beside, case)
    with pytest.raises(UsageError, match=r"no case .* in other"):
        file_of(store, beside, access.out, case, "0" * 64)


def test_figures_of_the_firm_are_said_to_be_of_the_firm(access: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "signed_in_as", lambda: "mine@firm")
    assert "These figures are of the whole firm" in texts(opened())


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


@pytest.mark.parametrize(("roles", "sees"), [("[approver]", False), ("[preparer]", True)])
def test_the_money_of_a_saved_text_is_for_who_sees_cost_rates(
    access: Workspace, monkeypatch: pytest.MonkeyPatch, roles: str, sees: bool
) -> None:
    (access.policies / "access.yaml").write_text(HEAD + f"cost_rates: {roles}\npeople:\n  - {{person: writes@firm, roles: [preparer]}}\n")
    monkeypatch.setattr(shell, "signed_in_as", lambda: "writes@firm")
    app = opened("policies", tab="Propose")
    assert "is not approved" in texts(app)
    assert ("See the money" in [each.label for each in app.button]) is sees
