"""Each role and each sight tries what it may not: every act is refused where it is written, and nothing changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.close import period as closing
from adapters.sight import Sight
from adapters.store import case_work, remedies
from adapters.store.attachments import attach
from adapters.store.attestations import attest
from adapters.store.audit import Actor, now
from adapters.store.database import Store, open_store
from adapters.store.match_decisions import Suggestion, decide_match
from adapters.store.permissions import PERMITTED, ROLES, may, require
from adapters.store.tables import Approval, AuditEntry, Case, CloseSignature, PeriodClose, Run
from engine.errors import StoreError, UsageError
from engine.policy.kinds.cases import CasesPolicy
from engine.policy.kinds.close import ClosePolicy
from engine.remedies import REMEDY_SCHEMA

_HEAD: Final = {"id": "x", "title": "t", "owner": "o", "effective_from": "2026-01-01"}
CASES = CasesPolicy.model_validate({"policy": "cases", **_HEAD})
CLOSE = ClosePolicy.model_validate({"policy": "close", **_HEAD})
DAY = dt.date(2026, 1, 30)


def signed_in(*roles: str, name: str = "paula", sight: Sight | None = None) -> Actor:
    return Actor(name, "signed_in", frozenset(roles), sight or Sight())


EU, OWN, NO_COST = Sight(legal_entities=frozenset({"EU"})), Sight(projects=frozenset({"P-EU"})), Sight(cost_rates=False)


def open_case(name: str, entity: str, project: str, **more: Any) -> Case:
    told = {
        "finding_id": f"f-{name}", "scope": "firm", "state": "open", "stage": "billing", "kind": "k", "rule": "R", "severity": "high",
        "amount": Decimal(5), "currency": "EUR", "message": "m", "opened_on": DAY, "first_run": "r", "last_run": "r", "last_seen_on": DAY,
        "legal_entity_id": entity, "project_id": project,
    }  # fmt: skip
    return Case(case_id=name, **(told | more))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all: whatever is refused leaves it as it was."""
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('refusals') / 'tieout.db'}")
    with opened.write() as session:
        session.add_all(
            [
                open_case("c-eu", "EU", "P-EU"), open_case("c-us", "US", "P-US"), open_case("c-cost", "EU", "P-EU", shows_cost=True),
                open_case("c-done", "US", "P-US", state="waived"), open_case("c-nobody", None, None),  # type: ignore[arg-type]
                request("waive", "c-us", "clara"), request(remedies.RELEASE, "batch-1", "clara"), request("waive", "c-eu", "paula"),
                request(remedies.RELEASE, "batch-2", "paula"), request("waive", "c-cost", "clara"),
                PeriodClose(scope="firm", period="2026-01", state="started", run_id="r", started_by="clara", started_at=now(),
                            certificate={}, certificate_hash="h"),
                PeriodClose(scope="firm", period="2025-12", state="locked", run_id="r", started_by="clara", started_at=now(),
                            certificate={}, certificate_hash="h"),
                Run(run_id="r", scope="firm", as_of=DAY, policies_fingerprint="", engine_version="", schema_version="", manifest_sha256="",
                    findings=0, moved_cases=True, came_from={}, published_at=now()),
            ]
        )  # fmt: skip
    yield opened
    opened.close()


def request(action: str, subject: str, by: str) -> Approval:
    body = {"reason": "timing", "comment": "c", "run_id": "r", "rows": []}
    return Approval(action=action, subject=subject, needs_role="approver", requested_by=by, requested_at=now(), body=body, state="waiting")


def asked(session: Session, action: str, subject: str) -> Approval:
    found: Approval = session.execute(sa.select(Approval).where(Approval.action == action, Approval.subject == subject)).scalar_one()
    return found


def close_of(session: Session, period: str) -> PeriodClose:
    found = closing.latest_close(session, "firm", period)
    assert found is not None
    return found


def run_of(session: Session) -> Run:
    found = session.get(Run, "r")
    assert found is not None
    return found


def started(session: Session, actor: Actor) -> None:
    closing.start_close(session, actor, run_of(session), Path("none"), "2026-02", CLOSE)


SUGGESTED = Suggestion("rec-test", "L:I1", Decimal(0), [{"side": "left", "entity": "invoice", "entity_id": "I1"}])

NOTHING = pl.DataFrame(schema=REMEDY_SCHEMA)

Act = Callable[[Session, Actor, Case], object]

ON_A_CASE: dict[str, Act] = {
    "assign": lambda session, actor, case: case_work.assign(session, actor, case, "x"),
    "comment": lambda session, actor, case: case_work.comment(session, actor, case, "x"),
    "give a reason": lambda session, actor, case: case_work.set_reason(session, actor, case, CASES, "timing"),
    "snooze": lambda session, actor, case: case_work.snooze(session, actor, case, dt.date(2026, 3, 1)),
    "waive": lambda session, actor, case: case_work.settle(session, actor, case, CASES, "waive", "timing", "x"),
    "write off": lambda session, actor, case: case_work.settle(session, actor, case, CASES, "write_off", "timing", "x"),
    "reopen": lambda session, actor, case: case_work.reopen(session, actor, case, "x"),
    "attach a file": lambda session, actor, case: attach(session, actor, case, Path("nowhere"), "note.txt", b"x"),
    "decide": lambda session, actor, case: case_work.decide(
        session, actor, CASES, asked(session, "waive", case.case_id), approve=True, text="x"
    ),
}  # fmt: skip
OF_THE_FIRM: dict[str, Act] = {
    "ask for a release": lambda session, actor, _: remedies.ask_release(session, actor, pl.DataFrame(), "b", "r", "approver"),
    "release a remedy": lambda session, actor, _: remedies.decide_release(
        session, actor, asked(session, remedies.RELEASE, "batch-1"), approve=True, text="x", drafted=NOTHING
    ),
    "attest an estimate": lambda session, actor, _: attest(
        session, actor, run_of(session), "L1", Decimal(5), "EUR", amount=Decimal(5)
    ),
    "decide a match": lambda session, actor, _: decide_match(session, actor, run_of(session), SUGGESTED, "confirmed", "seen"),
    "start a close": lambda session, actor, _: started(session, actor),
    "sign a close": lambda session, actor, _: closing.sign_close(session, actor, close_of(session, "2026-01"), "preparer", CLOSE, []),
    "lock a close": lambda session, actor, _: closing.lock_close(session, actor, close_of(session, "2026-01"), [], CLOSE, []),
    "reopen a close": lambda session, actor, _: closing.reopen_close(
        session, actor, close_of(session, "2025-12"), "admin", "why", CLOSE
    ),
    **{
        name: lambda _, actor, __, name=name: require(actor, name)  # type: ignore[misc]
        for name in ("change a policy", "run again", "share a view", "purge", "place a hold", "release a hold")
    },
}  # fmt: skip
# A manager of some projects shares views, and attests what is seen of them.
OF_A_PART = {"share a view", "attest an estimate"}
ALL = {**ON_A_CASE, **OF_THE_FIRM}


def tries() -> Iterator[tuple[str, Actor, str, str]]:
    """Give who tries what on which case."""
    for role in ("nobody", *ROLES):
        actor = signed_in(*([] if role == "nobody" else [role]))
        yield from ((role, actor, name, "c-us") for name in ALL if role not in PERMITTED[name])
    for role in ("preparer", "approver", "admin"):
        actor = signed_in(role, sight=EU)
        mine = [name for name in ALL if role in PERMITTED[name]]
        yield from ((f"{role} of the EU, abroad", actor, name, "c-us") for name in mine if name in ON_A_CASE)
        yield from ((f"{role} of the EU, for the firm", actor, name, "c-eu") for name in mine if name in {*OF_THE_FIRM} - OF_A_PART)
        blind = signed_in(role, sight=NO_COST)
        yield from ((f"{role} who sees no cost", blind, name, "c-cost") for name in mine if name in ON_A_CASE)
    manager = signed_in("project_manager", sight=OWN)
    for case in ("c-us", "c-nobody"):
        yield from (("manager of another project", manager, name, case) for name in ("assign", "comment", "give a reason"))
    alone = Actor("paula", "asserted", frozenset(ROLES))
    yield from (("whoever only says who they are", alone, name, "c-us") for name in ("decide", "release a remedy"))
    yield ("who asked", signed_in("approver"), "decide", "c-eu")


TRIES = list(tries())


def everything(session: Session) -> list[Any]:
    return [
        [tuple(row) for row in session.execute(sa.select(*table.__table__.columns).order_by(*table.__table__.primary_key)).all()]
        for table in (Case, Approval, AuditEntry, PeriodClose, CloseSignature)
    ]  # fmt: skip


@pytest.mark.parametrize(("who", "actor", "act", "case"), TRIES, ids=[f"{who}: {act} ({case})" for who, _, act, case in TRIES])
def test_it_is_refused_and_nothing_changes(store: Store, who: str, actor: Actor, act: str, case: str) -> None:
    with store.read() as session:
        before = everything(session)
    with pytest.raises(UsageError, match=r"may not|no case|signed in|Nobody approves"), store.write() as session:
        found = session.get(Case, case)
        assert found is not None
        ALL[act](session, actor, found)
    with store.read() as session:
        assert everything(session) == before


def test_more_than_a_hundred_are_tried() -> None:
    assert len(TRIES) >= 100
    assert {act for _, _, act, _ in TRIES} == set(ALL) == set(PERMITTED)


def test_who_asked_for_a_release_does_not_release(store: Store) -> None:
    with pytest.raises(UsageError, match="Nobody approves"), store.write() as session:
        waiting = asked(session, remedies.RELEASE, "batch-2")
        remedies.decide_release(session, signed_in("approver"), waiting, approve=True, text="x", drafted=NOTHING)


def test_what_a_role_may_is_done(store: Store) -> None:
    with store.write() as session:
        found = session.get(Case, "c-eu")
        assert found is not None
        for sight in (EU, OWN):
            case_work.comment(session, signed_in("project_manager", sight=sight), found, "mine")
        assert [each.comment for each in case_work.history(session, found)] == ["mine", "mine"]


def test_a_page_offers_what_is_not_refused() -> None:
    assert may(signed_in("preparer"), "start a close")
    assert not may(replace(signed_in("preparer"), sight=EU), "start a close")
    assert not may(signed_in("viewer"), "comment")


def test_a_store_that_is_none_is_named_with_what_helps(tmp_path: Path) -> None:
    broken = tmp_path / "tieout.db"
    broken.write_text("no database at all, whatever its name says " * 20, encoding="utf-8")
    with pytest.raises(StoreError, match=r"tieout\.db cannot be used: file is not a database") as told:
        open_store(f"sqlite:///{broken}")
    assert told.value.remedy.startswith("Bring the file back from a backup")
    with pytest.raises(StoreError, match=r"away/tieout\.db cannot be used: unable to open database file") as told:
        open_store(f"sqlite:///{tmp_path / 'away' / 'tieout.db'}")
    assert told.value.remedy.startswith("Check that its folder is there")
