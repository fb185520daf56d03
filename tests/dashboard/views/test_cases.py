"""The queue as the store has it, one case in detail, and acts with their roles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa

from adapters.sight import Sight
from adapters.store.database import Store
from adapters.store.tables import Case
from dashboard.views import actions
from dashboard.views.access import Person
from dashboard.views.cases import USUAL, case_detail, case_rows, cases_policy, queue_summary
from dashboard.views.lineage import lineage, picture
from dashboard.views.remedies import draft_of, remedy_of
from dashboard.views.runs import compared, run_before
from dashboard.views.tables import Query
from dashboard.views.workspace import RunEntry, Workspace, find_runs
from engine.errors import UsageError


@pytest.fixture
def run(workspace: Workspace) -> RunEntry:
    return find_runs(workspace)[0]


@pytest.fixture
def store(workspace: Workspace) -> Store:
    return workspace.open_store()


def value_case(workspace: Workspace, store: Store, scope: str) -> str:
    rows = case_rows(workspace, store, scope).page(Query(filters={"kind": ("unauthorized_change",)})).rows
    return str(rows["case_id"][0])


def test_the_latest_night_comes_first_and_knows_the_one_before(workspace: Workspace) -> None:
    runs = find_runs(workspace)
    assert [str(each.as_of) for each in runs] == ["2026-10-31", "2026-10-30"]
    assert run_before(runs, runs[0]) == runs[1]
    assert run_before(runs, runs[1]) is None
    assert "data" in compared(runs[1], runs[0])["why"]


def test_the_queue_shows_open_cases_with_their_money(workspace: Workspace, store: Store, run: RunEntry) -> None:
    page = case_rows(workspace, store, run.scope).page(USUAL)
    row = next(each for each in page.rows.to_dicts() if each["kind"] == "unauthorized_change")
    assert (row["amount"], row["currency"], row["state"]) == (Decimal(250), "EUR", "open")
    assert page.total == sum(each["count"] for each in queue_summary(store, run.scope))
    high = next(each for each in queue_summary(store, run.scope) if each["severity"] == row["severity"])
    assert high["money"]["EUR"] >= 250


def test_filters_search_and_pages_are_the_databases_work(workspace: Workspace, store: Store, run: RunEntry) -> None:
    rows = case_rows(workspace, store, run.scope)
    assert rows.page(Query(search="BUT PSA SAYS 1250")).total == 1
    assert rows.page(Query(search="100%_")).total == 0
    assert "own-contract-value" in rows.options("rule")
    everything = rows.export(Query(sort="rule"))["rule"].to_list()
    assert everything == sorted(everything)
    assert rows.page(Query(size=25, page=99)).query.page == 1


def test_a_case_tells_rule_evidence_and_history(workspace: Workspace, store: Store, run: RunEntry) -> None:
    found = case_detail(store, run, value_case(workspace, store, run.scope))
    assert found["explanation"]["policy"]["says"] == "CRM owns the signed value"
    assert "psa/contract.csv:2" in {each["place"] for each in found["explanation"]["evidence"]}
    assert [each["what"] for each in found["history"]] == ["opened"]
    assert "state: none → open" in found["history"][0]["changed"]


def test_who_acts_alone_is_noted_as_asserted(workspace: Workspace, store: Store, run: RunEntry, local: Person) -> None:
    case = value_case(workspace, store, run.scope)
    assert actions.assign(store, local, run.scope, [case], " anna ") == "1 case is with anna."
    assert actions.comment(store, local, run.scope, [case], "asked sales") == "Noted on 1 case."
    last = case_detail(store, run, case)["history"][-2:]
    assert [(each["who"], each["identity"], each["what"]) for each in last] == [
        ("maria", "asserted", "assigned"), ("maria", "asserted", "commented"),
    ]  # fmt: skip


def test_acts_on_several_cases_are_done_to_all_or_to_none(workspace: Workspace, store: Store, run: RunEntry, local: Person) -> None:
    case = value_case(workspace, store, run.scope)
    with pytest.raises(UsageError, match="no case nothing"):
        actions.assign(store, local, run.scope, [case, "nothing"], "anna")
    assert case_detail(store, run, case)["case"]["assignee"] is None


def test_a_waiver_above_the_threshold_waits_for_a_second_signed_in_person(
    workspace: Workspace, store: Store, run: RunEntry, local: Person
) -> None:
    policy, case = cases_policy(workspace, store, run.scope), value_case(workspace, store, run.scope)
    told = actions.settle(store, local, run.scope, [case], policy, "write_off", "timing", "agreed by phone")
    assert "waiting for a signed-in approver" in told
    request = case_detail(store, run, case)["waiting"][0]["approval_id"]
    with pytest.raises(UsageError, match="signed in"):
        actions.decide(store, local, policy, request, approve=True, text="yes")
    bruno = Person("bruno", is_signed_in=True, roles=frozenset({"approver"}))
    assert actions.decide(store, bruno, policy, request, approve=True, text="yes") == "The request was approved."
    assert case_detail(store, run, case)["case"]["state"] == "written_off"


@pytest.mark.parametrize(
    ("role", "refused"),
    [
        ("viewer", {"assign", "comment", "snooze", "waive", "reopen", "decide"}),
        ("project_manager", {"snooze", "waive", "reopen", "decide"}),
        ("preparer", {"decide"}),
        ("approver", set()),
    ],
)
def test_each_role_is_refused_what_it_may_not(workspace: Workspace, store: Store, run: RunEntry, role: str, refused: set[str]) -> None:
    person = Person("p", is_signed_in=True, roles=frozenset({role}))
    policy = cases_policy(workspace, store, run.scope)
    acts: dict[str, Callable[[], object]] = {
        "assign": lambda: actions.assign(store, person, run.scope, [], "x"),
        "comment": lambda: actions.comment(store, person, run.scope, [], "x"),
        "snooze": lambda: actions.snooze(store, person, run.scope, [], None),
        "waive": lambda: actions.settle(store, person, run.scope, [], policy, "waive", "timing", "x"),
        "reopen": lambda: actions.reopen(store, person, run.scope, [], "x"),
        "decide": lambda: actions.decide(store, person, policy, 1, approve=True, text="x"),
    }
    for name, act in acts.items():
        with pytest.raises(UsageError) as told:
            act()
        assert ("may not" in told.value.message) == (name in refused), name


def test_a_cause_names_its_symptoms_and_a_symptom_its_cause(workspace: Workspace, store: Store, run: RunEntry) -> None:
    rows, cause = case_rows(workspace, store, run.scope), value_case(workspace, store, run.scope)
    found = case_detail(store, run, cause)
    assert found["symptom_count"] == 1
    symptom = case_detail(store, run, found["symptoms"][0]["case_id"])
    assert (symptom["case"]["kind"], symptom["case"]["state"]) == ("value_drift", "superseded")
    assert symptom["cause"]["case_id"] == cause
    first = rows.page(Query(sort="symptoms", descending=True)).rows
    assert (first["case_id"][0], first["symptoms"][0]) == (cause, 1)


def test_what_would_flip_a_finding_is_told(workspace: Workspace, store: Store, run: RunEntry) -> None:
    told = case_detail(store, run, value_case(workspace, store, run.scope))["flip"]
    assert told.startswith("It is gone once total value in psa is 1000.00")


def test_a_remedy_is_drafted_asked_for_and_released_by_a_second_person(
    workspace: Workspace, store: Store, run: RunEntry, local: Person
) -> None:
    found = case_detail(store, run, value_case(workspace, store, run.scope))["case"]["finding_id"]
    remedy = remedy_of(store, run, found)
    assert remedy is not None
    assert remedy["state"] == "draft"
    assert b"remedy_key" in draft_of(remedy["rows"])
    assert "waits for a signed-in approver" in actions.ask_release(store, local, run, remedy["batch"], "approver")
    waiting = remedy_of(store, run, found)
    assert waiting is not None
    request = waiting["request"]["approval_id"]
    with pytest.raises(UsageError, match="signed in"):
        actions.decide_release(store, local, run, request, approve=True, text="")
    bruno = Person("bruno", is_signed_in=True, roles=frozenset({"approver"}))
    assert "released" in actions.decide_release(store, bruno, run, request, approve=True, text="")
    after = remedy_of(store, run, found)
    assert after is not None
    assert after["state"] == "released"


def test_a_reason_code_is_given_to_several(workspace: Workspace, store: Store, run: RunEntry, local: Person) -> None:
    policy = cases_policy(workspace, store, run.scope)
    cases = [str(each) for each in case_rows(workspace, store, run.scope).page(Query()).rows["case_id"]]
    assert len(cases) > 1
    assert actions.give_reason(store, local, run.scope, cases, policy, "timing") == f"{len(cases)} cases are noted as timing."
    assert {case_detail(store, run, each)["case"]["reason_code"] for each in cases} == {"timing"}


def test_a_records_lineage_goes_back_to_files_and_rows(run: RunEntry) -> None:
    found = lineage(run, "C1")
    assert found.places["contract"] == ["crm/contract.csv:2", "psa/contract.csv:2"]
    told = picture(found)
    assert told.startswith("digraph {")
    assert told.endswith("}")
    assert '"f:psa/contract.csv" -> "o:contract"' in told
    assert '"o:contract" -> record;' in told
    assert lineage(run, "nothing").places == {}


def test_how_many_cases_begin_alike_counts_those_a_person_sees(workspace: Workspace, store: Store, run: RunEntry) -> None:
    with store.write() as session:
        first, second, *_ = session.execute(sa.select(Case).order_by(Case.case_id)).scalars()
        first.finding_id, second.finding_id = "zz1", "zz2"
        first.legal_entity_id, second.legal_entity_id = "LE", "OTHER"
        mine = first.case_id
    with pytest.raises(UsageError, match="Several cases begin with zz"):
        case_detail(store, run, "zz")
    part = replace(run, sight=Sight(legal_entities=frozenset({"LE"})))
    assert case_detail(store, part, "zz")["case"]["case_id"] == mine
    with pytest.raises(UsageError):
        case_detail(store, part, "zz2")
