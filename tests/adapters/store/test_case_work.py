"""People work cases: every act is in the history and the audit log, and nobody settles money alone."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from adapters.store import case_work
from adapters.store.audit import Actor, verify
from adapters.store.database import Store
from adapters.store.runs import register_run
from adapters.store.tables import Approval, AuditEntry, Case, CaseEvent
from engine.errors import StoreError, UsageError
from engine.policy.kinds.cases import CasesPolicy, sla_state

ANNA = Actor("anna", roles=frozenset({"preparer"}))
BEN = Actor("ben", "signed_in", frozenset({"approver"}))
POLICY = CasesPolicy.model_validate(
    {
        "policy": "cases", "id": "c", "title": "t", "owner": "o", "effective_from": "2026-01-01",
        "sla": [{"severity": "high", "within": "5 workdays"}, {"severity": "high", "amount_at_least": 1000, "within": "2 workdays"}],
        "waive": {"approval_above": 150, "holds_days": 30}, "write_off": {"approval_above": 0},
    }
)  # fmt: skip


@pytest.fixture
def worked(store: Store, night: Any) -> Store:
    run = night("r1", "2026-01-30", SMALL={}, LARGE={"amount_at_risk": Decimal(200)}, UNKNOWN={"amount_at_risk": None})
    with store.write() as session:
        register_run(session, run)
    return store


def case(session: Any, entity_id: str) -> Case:
    found: Case = session.execute(sa.select(Case).where(Case.entity_id == entity_id)).scalar_one()
    return found


def test_every_act_is_in_the_history_with_before_and_after(worked: Store) -> None:
    with worked.write() as session:
        found = case(session, "SMALL")
        case_work.assign(session, ANNA, found, "carla")
        case_work.comment(session, ANNA, found, "Asked the project lead")
        case_work.snooze(session, ANNA, found, dt.date(2026, 2, 5))
    with worked.read() as session:
        told = [(each.action, each.actor, each.identity, each.before, each.after, each.comment) for each in case_work.history(session, case(session, "SMALL"))]  # noqa: E501
        assert told[1:] == [
            ("assigned", "anna", "asserted", {"assignee": None}, {"assignee": "carla"}, None),
            ("commented", "anna", "asserted", {}, {}, "Asked the project lead"),
            ("snoozed", "anna", "asserted", {"snoozed_until": None}, {"snoozed_until": "2026-02-05"}, None),
        ]
        assert verify(session) == (4, None)


def test_a_small_case_is_waived_at_once_and_the_waiver_expires(worked: Store, night: Any) -> None:
    with worked.write() as session:
        found = case(session, "SMALL")
        assert case_work.settle(session, ANNA, found, POLICY, "waive", "timing", "Billed next week") is None
        assert (found.state, found.expires_on) == ("waived", dt.date(2026, 3, 1))
    with worked.write() as session:
        register_run(session, night("r2", "2026-02-27", SMALL={}))
        assert case(session, "SMALL").state == "waived"
    with worked.write() as session:
        register_run(session, night("r3", "2026-03-02", SMALL={}))
        assert (case(session, "SMALL").state, case(session, "SMALL").reopened) == ("open", 1)


def test_a_waived_case_that_grows_comes_back(worked: Store, night: Any) -> None:
    with worked.write() as session:
        case_work.settle(session, ANNA, case(session, "SMALL"), POLICY, "waive", "timing", "Billed next week")
        register_run(session, night("r2", "2026-02-02", SMALL={"amount_at_risk": Decimal(900)}))
        assert case(session, "SMALL").state == "open"


@pytest.mark.parametrize(("entity_id", "action"), [("LARGE", "waive"), ("UNKNOWN", "waive"), ("SMALL", "write_off")])
def test_above_the_threshold_a_second_person_must_agree(worked: Store, entity_id: str, action: str) -> None:
    with worked.write() as session:
        found = case(session, entity_id)
        request = case_work.settle(session, ANNA, found, POLICY, action, "immaterial", "Too small to chase")
        assert request is not None and found.state == "open"
        case_work.decide(session, BEN, POLICY, request, approve=True, text="Agreed")
        assert found.state == case_work.SETTLEMENTS[action]
        assert [each.action for each in case_work.history(session, found)][1:] == [f"{action} requested", found.state]


@pytest.mark.parametrize(
    ("actor", "message"),
    [
        (Actor("ben", "asserted", frozenset({"approver"})), "signed in"),
        (Actor("anna", "signed_in", frozenset({"approver"})), "Nobody approves what they asked for."),
        (Actor(" Anna", "signed_in", frozenset({"approver"})), "Nobody approves what they asked for."),
        (Actor("ＡＮＮＡ", "signed_in", frozenset({"approver"})), "Nobody approves what they asked for."),  # noqa: RUF001
        (Actor("dora", "signed_in", frozenset({"preparer"})), "may not decide"),
    ],
)
def test_an_approval_is_refused_to_whoever_may_not_give_it(worked: Store, actor: Actor, message: str) -> None:
    with worked.write() as session:
        request = case_work.settle(session, ANNA, case(session, "LARGE"), POLICY, "waive", "timing", "Soon")
        assert request is not None
        with pytest.raises(UsageError, match=message):
            case_work.decide(session, actor, POLICY, request, approve=True, text="")


@pytest.mark.parametrize(
    ("nights", "message"),
    [
        ([("2026-02-02", {"LARGE": {"amount_at_risk": Decimal(900)}})], r"changed .*amount: 200 → 900"),
        ([("2026-02-02", {"LARGE": {"severity": "critical", "amount_at_risk": Decimal(200)}})], "severity: high → critical"),
        ([("2026-02-02", {"LARGE": {"currency": "USD", "amount_at_risk": Decimal(200)}})], "currency: None → USD"),
        ([("2026-02-02", {})], "is resolved, not open"),
        ([("2026-02-02", {}), ("2026-02-03", {"LARGE": {"amount_at_risk": Decimal(200)}})], "reopened: 0 → 1"),
        ([("2026-02-02", {"LARGE": {"amount_at_risk": Decimal(150)}})], None),
    ],
)
def test_an_approval_is_of_the_case_as_it_was_asked_for(worked: Store, night: Any, nights: Any, message: str | None) -> None:
    with worked.write() as session:
        request = case_work.settle(session, ANNA, case(session, "LARGE"), POLICY, "waive", "timing", "Soon")
        assert request is not None
        for number, (day, findings) in enumerate(nights):
            register_run(session, night(f"n{number}", day, **findings))
        if message is None:
            case_work.decide(session, BEN, POLICY, request, approve=True, text="")
            assert case(session, "LARGE").state == "waived"
            return
        with pytest.raises(UsageError, match=message):
            case_work.decide(session, BEN, POLICY, request, approve=True, text="")
        case_work.decide(session, BEN, POLICY, request, approve=False, text="It is another one now")
        assert request.state == "rejected"


def test_of_two_approvals_at_once_the_second_finds_it_decided(worked: Store) -> None:
    with worked.write() as session:
        request = case_work.settle(session, ANNA, case(session, "LARGE"), POLICY, "waive", "timing", "Soon")
        assert request is not None
    with worked.read() as late:
        # Loaded while it waited, decided by somebody else before this one comes to it.
        seen = late.get(Approval, request.approval_id)
        assert seen is not None and seen.state == "waiting"
        late.rollback()
        with worked.write() as session:
            now_ = session.get(Approval, request.approval_id)
            assert now_ is not None
            case_work.decide(session, BEN, POLICY, now_, approve=True, text="Agreed")
        with pytest.raises(UsageError, match="approved already"):
            case_work.decide(late, Actor("carl", "signed_in", frozenset({"admin", "approver"})), POLICY, seen, approve=False, text="No")


def test_what_was_written_off_comes_back_when_it_grows(worked: Store, night: Any) -> None:
    with worked.write() as session:
        request = case_work.settle(session, ANNA, case(session, "SMALL"), POLICY, "write_off", "immaterial", "Too small to chase")
        assert request is not None
        case_work.decide(session, BEN, POLICY, request, approve=True, text="Agreed")
        register_run(session, night("r2", "2026-02-02", SMALL={}))
        assert case(session, "SMALL").state == "written_off"
        register_run(session, night("r3", "2026-02-03", SMALL={"amount_at_risk": Decimal("100.01")}))
        assert (case(session, "SMALL").state, case(session, "SMALL").reopened) == ("open", 1)


def test_a_rejected_request_leaves_the_case_open_and_can_be_made_anew(worked: Store) -> None:
    with worked.write() as session:
        found = case(session, "LARGE")
        request = case_work.settle(session, ANNA, found, POLICY, "waive", "timing", "Soon")
        assert request is not None
        with pytest.raises(UsageError, match="waits for an approval already"):
            case_work.settle(session, ANNA, found, POLICY, "waive", "timing", "Soon")
        case_work.decide(session, BEN, POLICY, request, approve=False, text="Bill it")
        assert found.state == "open"
        assert case_work.settle(session, ANNA, found, POLICY, "waive", "timing", "Soon") is not None
        assert session.execute(sa.select(sa.func.count(Approval.approval_id))).scalar() == 2


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda session, found: case_work.settle(session, ANNA, found, POLICY, "waive", "bored", "x"), "no reason code"),
        (lambda session, found: case_work.settle(session, ANNA, found, POLICY, "waive", "timing", " "), "without a comment"),
        (lambda session, found: case_work.comment(session, ANNA, found, ""), "empty"),
        (lambda session, found: case_work.snooze(session, ANNA, found, dt.date(2026, 1, 30)), "is not after"),
        (lambda session, found: case_work.reopen(session, ANNA, found, "x"), "open already"),
        (lambda session, _: case_work.find_case(session, "zzz"), "no case"),
    ],
)
def test_what_makes_no_sense_is_refused(worked: Store, act: Any, message: str) -> None:
    with worked.write() as session, pytest.raises(UsageError, match=message):
        act(session, case(session, "SMALL"))


def test_cases_are_listed_the_gravest_and_the_most_money_first(worked: Store) -> None:
    with worked.read() as session:
        assert [each.entity_id for each in case_work.list_cases(session)] == ["LARGE", "SMALL", "UNKNOWN"]
        assert case_work.list_cases(session, severity="low") == []
        assert len(case_work.list_cases(session, rule="BT-1", limit=2)) == 2


@pytest.mark.parametrize("table", [AuditEntry, CaseEvent])
def test_the_database_refuses_to_change_what_was_logged(worked: Store, table: Any) -> None:
    for statement in (sa.update(table).values(actor="nobody"), sa.delete(table)):
        with pytest.raises(StoreError, match="never changed"), worked.write() as session:
            session.execute(statement)


@pytest.mark.parametrize(
    ("severity", "amount", "today", "expected"),
    [
        ("high", None, dt.date(2026, 1, 30), ("on_track", 1)),
        ("high", None, dt.date(2026, 2, 4), ("warning", 4)),
        ("high", None, dt.date(2026, 2, 6), ("breached", 6)),
        ("high", Decimal(-1000), dt.date(2026, 2, 3), ("breached", 3)),
        ("low", None, dt.date(2026, 2, 3), ("none", 3)),
    ],
)
def test_the_promise_depends_on_severity_and_money(severity: str, amount: Decimal | None, today: dt.date, expected: tuple[str, int]) -> None:  # noqa: E501
    assert sla_state(POLICY, severity, amount, dt.date(2026, 1, 29), today) == expected


@pytest.mark.parametrize(("day", "expected"), [(5, ("warning", 5)), (6, ("breached", 6))])
def test_a_promise_of_five_workdays_is_kept_on_the_fifth(day: int, expected: tuple[str, int]) -> None:
    # Opened on Thursday, 29 January: the fifth workday after it is Thursday, 5 February.
    assert sla_state(POLICY, "high", Decimal("999.99"), dt.date(2026, 1, 29), dt.date(2026, 2, day)) == expected


def test_a_snoozed_case_is_paused_and_holidays_do_not_age_it() -> None:
    opened, today = dt.date(2026, 1, 29), dt.date(2026, 2, 6)
    assert sla_state(POLICY, "high", None, opened, today, snoozed_until=dt.date(2026, 2, 9)) == ("paused", 6)
    assert sla_state(POLICY, "high", None, opened, today, holidays=[dt.date(2026, 2, 2), dt.date(2026, 2, 7)]) == ("warning", 5)
