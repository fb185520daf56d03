"""What is old goes, unless a close, a hold or a kept run needs it; each purge is logged, and history goes only so."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from adapters.retention import due, place_hold, purge, release_hold, retention_policy
from adapters.store.audit import Actor, now, verify
from adapters.store.database import Store
from adapters.store.runs import register_run
from adapters.store.tables import AuditEntry, Case, CaseEvent, PeriodClose, Run
from engine.errors import StoreError, UsageError
from engine.policy.kinds.retention import RetentionPolicy
from engine.policy.load import load_policies
from engine.policy.source import SourceText

ADMIN = Actor("ada", "signed_in", frozenset({"admin"}))
POLICY = RetentionPolicy.model_validate(
    {
        "policy": "retention", "id": "retention", "title": "t", "owner": "o", "effective_from": "2020-01-01", "latest_runs": 1,
        "runs": {"days": 365}, "cases": {"days": 100}, "evidence": {"days": 365},
    }
)  # fmt: skip


@pytest.fixture
def years(store: Store, night: Any, tmp_path: Path) -> Store:
    """Three nights: an old one with a case that is gone in the second, and one of today."""
    nights: tuple[tuple[str, str, dict[str, dict[str, Any]]], ...]
    nights = (("r1", "2024-01-30", {"GONE": {}, "HERE": {}}), ("r2", "2024-01-31", {"HERE": {}}), ("r3", "2026-01-30", {"HERE": {}}))
    for run_id, day, findings in nights:
        snapshot = tmp_path / f"snapshot-{run_id}"
        snapshot.mkdir()
        (snapshot / "snapshot.yaml").write_text("sources: []\n")
        with store.write() as session:
            register_run(session, night(run_id, day, **findings), {"snapshot": str(snapshot)})
    return store


def told(store: Store) -> dict[tuple[str, str], str | None]:
    with store.read() as session:
        return {(each.what, each.identity): each.kept_by for each in due(session, POLICY) if each.what != "case"}


def test_what_is_old_goes_and_the_log_says_so(years: Store, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    gone = purge(years, out, ADMIN, POLICY)
    assert sorted((each.what, each.identity) for each in gone if each.what != "case") == [
        ("evidence", "r1"), ("evidence", "r2"), ("run", "r1"), ("run", "r2"),
    ]  # fmt: skip
    assert sorted(path.name for path in out.iterdir()) == ["r3"]
    assert sorted(path.name for path in tmp_path.glob("snapshot-*")) == ["snapshot-r3"]
    with years.read() as session:
        assert [each.entity_id for each in session.execute(sa.select(Case)).scalars()] == ["HERE"]
        left = session.execute(sa.select(Case.case_id)).scalar()
        assert {each.case_id for each in session.execute(sa.select(CaseEvent)).scalars()} == {left}
        assert [each.run_id for each in session.execute(sa.select(Run).where(Run.purged_at.is_not(None)).order_by(Run.run_id)).scalars()] == ["r1", "r2"]  # noqa: E501
        actions = [each.action for each in session.execute(sa.select(AuditEntry)).scalars()]
        assert (actions.count("run.purged"), actions.count("evidence.purged"), actions.count("case.purged")) == (2, 2, 1)
        assert verify(session)[1] is None
    assert purge(years, out, ADMIN, POLICY) == []


def test_a_close_a_kept_run_and_the_latest_keep_what_they_need(years: Store) -> None:
    assert told(years) == {("run", "r1"): None, ("run", "r2"): None, ("evidence", "r1"): None, ("evidence", "r2"): None}
    with years.write() as session:
        session.add(PeriodClose(scope="firm", period="2024-01", state="locked", run_id="r2", started_by="x", started_at=now(), certificate={}, certificate_hash=""))  # noqa: E501
    assert told(years)[("run", "r2")] == "the close of 2024-01 rests on it"
    assert told(years)[("evidence", "r2")] == "the run r2 was made from it"


def test_a_hold_keeps_everything_until_it_is_released(years: Store, tmp_path: Path) -> None:
    with years.write() as session:
        hold = place_hold(session, ADMIN, "firm", None, "Dispute with K1")
    assert set(told(years).values()) == {"legal hold 1: Dispute with K1"}
    assert purge(years, tmp_path / "runs", ADMIN, POLICY) == []
    with years.write() as session:
        with pytest.raises(UsageError, match="without a reason"):
            release_hold(session, ADMIN, hold.hold_id, " ")
        release_hold(session, ADMIN, hold.hold_id, "Settled")
        with pytest.raises(UsageError, match="no legal hold"):
            release_hold(session, ADMIN, hold.hold_id, "again")
    assert set(told(years).values()) == {None}


def test_a_hold_on_a_contract_keeps_its_cases_alone(years: Store) -> None:
    with years.write() as session:
        place_hold(session, ADMIN, "firm", "C9", "Audit")
        assert [each.kept_by for each in due(session, POLICY) if each.what == "case"] == [None]
        session.execute(sa.update(Case).where(Case.entity_id == "GONE").values(contract_id="C9"))
        assert [each.kept_by for each in due(session, POLICY) if each.what == "case"] == ["legal hold 1: Audit"]


def test_history_goes_only_with_a_purge(years: Store) -> None:
    with pytest.raises(StoreError, match="never changed"), years.write() as session:
        session.execute(sa.delete(CaseEvent))


def test_a_purged_run_that_is_made_again_stands(years: Store, night: Any, tmp_path: Path) -> None:
    purge(years, tmp_path / "runs", ADMIN, POLICY)
    with years.write() as session:
        register_run(session, night("r1", "2024-01-30"))
        run = session.get(Run, "r1")
        assert run is not None
        assert run.purged_at is None
    assert ("run", "r1") in told(years)


def test_only_who_may_purges_and_a_hold_needs_a_matter_and_a_firm(years: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="may not purge"):
        purge(years, tmp_path / "runs", Actor("p", "signed_in", frozenset({"preparer", "approver"})), POLICY)
    with years.write() as session:
        for scope, reason, message in (("firm", "", "needs a reason"), ("other", "x", "no run of")):
            with pytest.raises(UsageError, match=message):
                place_hold(session, ADMIN, scope, None, reason)


def test_without_a_setting_nothing_is_due(years: Store) -> None:
    keep = RetentionPolicy.model_validate({"policy": "retention", "id": "r", "title": "t", "owner": "o", "effective_from": dt.date(2020, 1, 1)})  # noqa: E501
    with years.read() as session:
        assert due(session, keep) == []


def test_new_exports_where_purged_ones_lay_are_kept(years: Store, tmp_path: Path, night: Any) -> None:
    out = tmp_path / "runs"
    purge(years, out, ADMIN, POLICY)
    again = tmp_path / "snapshot-r1"
    again.mkdir()
    (again / "snapshot.yaml").write_text("as_of: 2026-01-31\nsources:\n  - {system: crm, adapter: canonical, path: crm}\n")
    # Before a run was made from them they are of a later day; afterwards a run stands on them.
    assert purge(years, out, ADMIN, POLICY) == [] and again.is_dir()
    (again / "snapshot.yaml").write_text("as_of: 2024-01-30\nsources:\n  - {system: crm, adapter: canonical, path: crm}\n")
    with years.write() as session:
        register_run(session, night("r4", "2026-01-31", HERE={}), {"snapshot": str(again)})
    assert purge(years, out, ADMIN, POLICY) == [] and again.is_dir()


def test_a_run_of_a_day_that_has_not_come_ages_nothing(years: Store, tmp_path: Path, night: Any) -> None:
    with years.write() as session:
        register_run(session, night("r9", "2199-01-01", HERE={}), {"snapshot": None})
        before = {each.identity for each in due(session, POLICY) if each.what == "run"}
    assert before == {"r1", "r2"}


def test_nothing_is_purged_by_a_policy_that_does_not_hold_yet(years: Store) -> None:
    text = "policy: retention\nid: retention\ntitle: t\nowner: o\neffective_from: {}\nruns: {{days: 1}}\n"
    with years.read() as session:
        for day in ("2026-02-01", "2020-01-01\neffective_to: 2026-01-29"):
            policies, _ = load_policies([SourceText("r.yaml", text.format(day))])
            with pytest.raises(UsageError, match="No policy of the kind `retention` holds on 2026-01-30: 'retention' holds from"):
                retention_policy(session, policies)
        policies, _ = load_policies([SourceText("r.yaml", text.format("2026-01-30"))])
        assert retention_policy(session, policies).runs is not None
