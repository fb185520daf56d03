"""What people do with cases: assign, comment, snooze, waive, write off, reopen; every act in the history."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.store.audit import Actor, is_same_person, now, record, take_turn_on
from adapters.store.case_search import write_text
from adapters.store.permissions import require
from adapters.store.tables import Approval, Case, CaseEvent
from engine.errors import UsageError
from engine.findings import severity_rank
from engine.policy.kinds.cases import CasesPolicy, Settlement

SETTLEMENTS: Final = {"waive": "waived", "write_off": "written_off"}

WAITING: Final = "waiting"


def find_case(session: Session, name: str, *among: sa.ColumnElement[bool]) -> Case:
    """Return a case by its id, its finding's id, or the beginning of one; raises UsageError for none, or several.

    A beginning is looked for `among` the cases that meet these conditions, so that how many there are tells nobody of others.
    """
    if not name.strip():
        raise UsageError("No case is named.", "`tieout case list` shows the cases.")
    named = Case.case_id.startswith(name, autoescape=True) | Case.finding_id.startswith(name, autoescape=True)
    whole = sa.or_(Case.case_id == name, Case.finding_id == name)
    found = list(session.execute(sa.select(Case).where(named, sa.or_(whole, sa.and_(sa.true(), *among))).limit(2)).scalars())
    if not found:
        raise UsageError(f"There is no case {name}.", "`tieout case list` shows the cases.")
    if len(found) > 1:
        raise UsageError(f"Several cases begin with {name}.", "Give more of the id.")
    return found[0]


def history(session: Session, case: Case) -> list[CaseEvent]:
    """Return everything that happened to a case, the oldest first."""
    query = sa.select(CaseEvent).where(CaseEvent.case_id == case.case_id).order_by(CaseEvent.event_id)
    return list(session.execute(query).scalars())


def assign(session: Session, actor: Actor, case: Case, assignee: str | None) -> None:
    """Give a case to a person, or to nobody. Like every act, it raises UsageError for who may not do it."""
    require(actor, "assign", case)
    _change(session, actor, case, "assigned", {"assignee": (assignee or "").strip() or None})


def comment(session: Session, actor: Actor, case: Case, text: str) -> None:
    """Add a comment to a case; raises UsageError when it is empty."""
    require(actor, "comment", case)
    if not text.strip():
        raise UsageError("The comment is empty.", "Write what the next person should know.")
    _change(session, actor, case, "commented", {}, text)


def set_reason(session: Session, actor: Actor, case: Case, policy: CasesPolicy, code: str) -> None:
    """Give a case the reason code it has for people."""
    require(actor, "give a reason", case)
    _change(session, actor, case, "reason given", {"reason_code": _reason(policy, code)})


def snooze(session: Session, actor: Actor, case: Case, until: dt.date | None) -> None:
    """Let a case rest until a day: its SLA pauses, and it comes back by itself."""
    require(actor, "snooze", case)
    _must_be_open(case)
    if until is not None and until <= case.last_seen_on:
        raise UsageError(f"{until} is not after {case.last_seen_on}, when the case was last seen.", "Give a later day.")
    _change(session, actor, case, "snoozed" if until else "woken", {"snoozed_until": until})


def reopen(session: Session, actor: Actor, case: Case, text: str) -> None:
    """Take a waived, written-off or resolved case up again, with the reason for it."""
    require(actor, "reopen", case)
    if not text.strip():
        raise UsageError("A case is not reopened without a comment.", "Say why.")
    if case.state == "open":
        raise UsageError("The case is open already.", "")
    changes = {"state": "open", "resolution": None, "resolved_on": None, "expires_on": None, "reopened": case.reopened + 1}
    _change(session, actor, case, "reopened", changes, text)


def settle(
    session: Session, actor: Actor, case: Case, policy: CasesPolicy, action: str, reason: str, text: str
) -> Approval | None:  # fmt: skip
    """Waive or write off a case, at once where the policy lets one person do it, else by a second one.

    Returns the request that waits for an approver of the policy's role, or None when it is done.
    Raises UsageError for an unknown reason, an empty comment, or a case that is not open.
    """
    require(actor, action.replace("_", " "), case)
    rule: Settlement = policy.waive if action == "waive" else policy.write_off
    code = _reason(policy, reason)
    if not text.strip():
        raise UsageError("A case is not settled without a comment.", "Say why, for the one who asks next year.")
    _must_be_open(case)
    if not _needs_approval(case.amount, rule):
        _settled(session, actor, case, rule, action, code, text)
        return None
    if _waiting(session, case.case_id):
        raise UsageError("This case waits for an approval already.", "Have that request decided first.")
    request = Approval(
        action=action, subject=case.case_id, needs_role=rule.approver_role, requested_by=actor.name, requested_at=now(),
        body={"reason": code, "comment": text, **_asked_of(case)}, state=WAITING,
    )  # fmt: skip
    session.add(request)
    session.flush()
    _change(session, actor, case, f"{action} requested", {}, text)
    return request


def decide(session: Session, actor: Actor, policy: CasesPolicy, request: Approval, *, approve: bool, text: str) -> None:
    """Approve or reject a request. Raises UsageError unless the actor is signed in, has the role and is not the author."""
    case = find_case(session, request.subject)
    require(actor, "decide", case)
    refuse_approver(session, actor, request)
    if approve:
        _must_be_as_asked(case, request)
    request.state = "approved" if approve else "rejected"
    request.decided_by, request.decided_at, request.comment = actor.name, now(), text
    record(session, actor, f"{request.action}.{request.state}", case.case_id, {"request": request.approval_id, "comment": text})
    if not approve:
        _change(session, actor, case, f"{request.action} rejected", {}, text)
        return
    rule = policy.waive if request.action == "waive" else policy.write_off
    _settled(session, actor, case, rule, request.action, str(request.body["reason"]), str(request.body["comment"]))


def _asked_of(case: Case) -> dict[str, Any]:
    """Return what of a case an approver agrees to: what it is worth, how grave it is, and which of its lives it is in."""
    return {"amount": _text(case.amount), "currency": case.currency, "severity": case.severity, "reopened": case.reopened}


def _must_be_as_asked(case: Case, request: Approval) -> None:
    """Raise UsageError when a case is not open, or not the one any more that the approval was asked for: graver, dearer, or come back."""
    _must_be_open(case)
    asked, found = request.body, _asked_of(case)
    amount = None if asked.get("amount") is None else Decimal(str(asked["amount"]))
    worth_more = amount is not None and (case.amount is None or abs(case.amount) > abs(amount))
    differs = ["amount"] if "amount" in asked and worth_more else []
    differs += ["severity"] if severity_rank(case.severity) > severity_rank(asked.get("severity", case.severity)) else []
    differs += [name for name in ("currency", "reopened") if name in asked and asked[name] != found[name]]
    if differs:
        told = ", ".join(f"{name}: {asked[name]} → {found[name]}" for name in differs)
        raise UsageError(f"The case changed since the approval was asked for ({told}).", "Reject the request; it can be asked for anew.")


def refuse_approver(session: Session, actor: Actor, request: Approval) -> None:
    """Raise UsageError when an actor may not decide a request; of two at once, the second finds it decided."""
    take_turn_on(session, request)
    if request.state != WAITING:
        raise UsageError(f"The request was {request.state} already.", "")
    if actor.identity != "signed_in":
        remedy = "Sign in to the dashboard; who acts on the command line only says who they are."
        raise UsageError("An approval needs a person who is signed in.", remedy)
    if is_same_person(actor.name, request.requested_by):
        raise UsageError("Nobody approves what they asked for.", "Ask a second person.")
    if request.needs_role not in actor.roles:
        raise UsageError(f"This needs the role '{request.needs_role}'.", "Ask a person who has it (policies/access.yaml).")


def _settled(session: Session, actor: Actor, case: Case, rule: Settlement, action: str, code: str, text: str) -> None:
    expires = case.last_seen_on + dt.timedelta(days=rule.holds_days) if rule.holds_days is not None else None
    state = SETTLEMENTS[action]
    changes = {"state": state, "resolution": state, "reason_code": code, "resolved_on": case.last_seen_on, "expires_on": expires}
    _change(session, actor, case, state, changes, text)


def _needs_approval(amount: Decimal | None, rule: Settlement) -> bool:
    """Say whether a second person must agree; an amount nobody knows may be any amount."""
    return rule.approval_above is not None and (amount is None or abs(amount) > rule.approval_above)


def _waiting(session: Session, subject: str) -> bool:
    query = sa.select(Approval.approval_id).where(Approval.subject == subject, Approval.state == WAITING)
    return session.execute(query).first() is not None


def _reason(policy: CasesPolicy, code: str) -> str:
    if code not in policy.reason_codes:
        raise UsageError(f"'{code}' is no reason code.", f"The codes are {', '.join(policy.reason_codes)}.")
    return code


def _must_be_open(case: Case) -> None:
    if case.state != "open":
        raise UsageError(f"The case is {case.state.replace('_', ' ')}, not open.", "Reopen it first.")


def note(session: Session, actor: Actor, case: Case, action: str, told: dict[str, Any]) -> None:
    """Add to a case's history what was done beside it: nothing of the case itself changes."""
    event = CaseEvent(case_id=case.case_id, at=now(), actor=actor.name, identity=actor.identity, action=action, run_id=None)
    event.before, event.after, event.comment = {}, {name: _text(value) for name, value in told.items()}, None
    session.add(event)
    record(session, actor, f"case.{action}", case.case_id, told)


def _change(session: Session, actor: Actor, case: Case, action: str, changes: dict[str, Any], text: str | None = None) -> None:
    before = {name: _text(getattr(case, name)) for name in changes}
    for name, value in changes.items():
        setattr(case, name, value)
    if "assignee" in changes:
        write_text(session, case)
    after = {name: _text(getattr(case, name)) for name in changes}
    event = CaseEvent(case_id=case.case_id, at=now(), actor=actor.name, identity=actor.identity, action=action, run_id=None)
    event.before, event.after, event.comment = before, after, text
    session.add(event)
    record(session, actor, f"case.{action}", case.case_id, {"before": before, "after": after, "comment": text})


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def list_cases(
    session: Session, *, states: Sequence[str] = ("open",), severity: str | None = None, rule: str | None = None,
    assignee: str | None = None, owner: str | None = None, contract: str | None = None, limit: int = 50,
) -> list[Case]:  # fmt: skip
    """Return cases by filters, the gravest and the most money first."""
    query = sa.select(Case)
    if states:
        query = query.where(Case.state.in_(states))
    wanted = {
        Case.severity: severity, Case.rule: rule, Case.assignee: assignee, Case.owner: owner, Case.contract_id: contract,
    }  # fmt: skip
    for column, value in wanted.items():
        if value is not None:
            query = query.where(column == value)
    query = query.order_by(Case.gravity, Case.weight.desc(), Case.opened_on, Case.case_id).limit(limit)
    return list(session.execute(query).scalars())
