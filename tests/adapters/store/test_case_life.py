"""Cases keep their identity from night to night: opened, seen again, worsened, resolved, reopened."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from adapters.store.audit import verify
from adapters.store.database import Store
from adapters.store.runs import list_runs, register_run
from adapters.store.tables import Case, CaseEvent


def enter(store: Store, run_dir: Path) -> None:
    with store.write() as session:
        register_run(session, run_dir)


def cases(store: Store) -> dict[str, Case]:
    with store.read() as session:
        return {str(each.entity_id): each for each in session.execute(sa.select(Case)).scalars()}


def events(store: Store, entity_id: str) -> list[str]:
    with store.read() as session:
        query = sa.select(CaseEvent.action).join(Case, Case.case_id == CaseEvent.case_id).where(Case.entity_id == entity_id)
        return list(session.execute(query.order_by(CaseEvent.event_id)).scalars())


def test_a_finding_opens_a_case_and_the_next_night_sees_it_again(store: Store, night: Any) -> None:
    enter(store, night("r1", "2026-01-29", T1={"since": dt.date(2026, 1, 20)}))
    enter(store, night("r2", "2026-01-30", T1={}))
    case = cases(store)["T1"]
    assert (case.state, case.first_run, case.last_run) == ("open", "r1", "r2")
    assert (case.opened_on, case.last_seen_on) == (dt.date(2026, 1, 20), dt.date(2026, 1, 30))
    assert events(store, "T1") == ["opened"]


def test_a_finding_that_is_gone_resolves_its_case_and_one_that_comes_back_reopens_it(store: Store, night: Any) -> None:
    enter(store, night("r1", "2026-01-28", T1={}))
    enter(store, night("r2", "2026-01-29"))
    resolved = cases(store)["T1"]
    assert (resolved.state, resolved.resolution, resolved.resolved_on) == ("resolved", "data", dt.date(2026, 1, 29))
    enter(store, night("r3", "2026-01-30", T1={}))
    again = cases(store)["T1"]
    assert (again.state, again.resolution, again.resolved_on, again.reopened) == ("open", None, None, 1)
    assert again.opened_on == dt.date(2026, 1, 28)
    assert events(store, "T1") == ["opened", "resolved", "reopened"]


@pytest.mark.parametrize("worse", [{"severity": "critical"}, {"amount_at_risk": 101}])
def test_a_graver_finding_worsens_its_case(store: Store, night: Any, worse: dict[str, Any]) -> None:
    enter(store, night("r1", "2026-01-29", T1={}))
    enter(store, night("r2", "2026-01-30", T1=worse))
    assert events(store, "T1") == ["opened", "worsened"]


@pytest.mark.parametrize(
    "manifest",
    [
        {"files": [{"source": "psa", "failure": "broken_file"}, {"source": "billing", "failure": None}]},
        {"files": [{"source": "billing", "failure": None}]},
        {"not_applicable": [{"policy": "bill-time", "why": "no time"}]},
    ],
)
def test_a_case_is_not_resolved_by_a_night_that_could_not_find_it(store: Store, night: Any, manifest: dict[str, Any]) -> None:
    enter(store, night("r1", "2026-01-29", T1={}))
    enter(store, night("r2", "2026-01-30", manifest=manifest))
    assert cases(store)["T1"].state == "open"


def test_own_results_and_joined_systems_keep_no_case_open(store: Store, night: Any) -> None:
    enter(store, night("r1", "2026-01-29", T1={"systems": ["tieout", "psa"]}, T2={"systems": ["billing+psa", "agreed"]}))
    enter(store, night("r2", "2026-01-30"))
    assert {name: each.state for name, each in cases(store).items()} == {"T1": "resolved", "T2": "resolved"}


def test_a_case_whose_rule_was_taken_away_is_resolved_by_policy(store: Store, night: Any) -> None:
    enter(store, night("r1", "2026-01-29", T1={}))
    enter(store, night("r2", "2026-01-30", manifest={"rules": {"bill.yaml#BT-2": {}}}))
    assert cases(store)["T1"].resolution == "policy"


def test_re_performing_an_earlier_night_moves_no_case(store: Store, night: Any) -> None:
    enter(store, night("r1", "2026-01-30", T1={}))
    enter(store, night("r0", "2025-12-31", T2={}))
    assert {name: each.state for name, each in cases(store).items()} == {"T1": "open"}
    with store.read() as session:
        assert {each.run_id: each.moved_cases for each in list_runs(session)} == {"r1": True, "r0": False}


def test_another_firms_nights_leave_the_cases_alone(store: Store, night: Any) -> None:
    enter(store, night("r1", "2026-01-29", T1={}))
    enter(store, night("r2", "2026-01-30", manifest={"snapshot": "other_2026-01-30"}))
    assert cases(store)["T1"].state == "open"


def test_two_firms_in_one_store_may_have_the_same_finding(store: Store, night: Any) -> None:
    enter(store, night("r1", "2026-01-29", T1={}))
    enter(store, night("r2", "2026-01-30", manifest={"snapshot": "other_2026-01-30"}, T1={}))
    with store.read() as session:
        found = session.execute(sa.select(Case.case_id, Case.finding_id, Case.scope, Case.state)).all()
    assert sorted((scope, state) for _, _, scope, state in found) == [("firm", "open"), ("other", "open")]
    assert len({case_id for case_id, *_ in found}) == 2 and len({finding_id for _, finding_id, *_ in found}) == 1


def test_entering_a_run_twice_changes_nothing(store: Store, night: Any) -> None:
    run = night("r1", "2026-01-29", T1={})
    enter(store, run)
    enter(store, run)
    assert events(store, "T1") == ["opened"]
    with store.read() as session:
        assert verify(session) == (1, None)


def test_a_failure_while_entering_leaves_nothing_behind(store: Store, night: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("power cut")

    run = night("r1", "2026-01-29", T1={}, T2={})
    monkeypatch.setattr("adapters.store.runs.record", broken)
    with pytest.raises(RuntimeError):
        enter(store, run)
    assert cases(store) == {}
    monkeypatch.undo()
    enter(store, run)
    assert set(cases(store)) == {"T1", "T2"}
