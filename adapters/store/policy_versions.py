"""Versions of the policy folder: proposed by one person, approved by another, kept whole, every step in the audit log."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.store.audit import Actor, is_same_person, now, record, take_turn_on
from adapters.store.case_work import WAITING
from adapters.store.database import open_store
from adapters.store.permissions import require
from adapters.store.tables import Approval, AuditEntry
from engine.errors import UsageError
from engine.policy.loaded import PolicySet

CHANGE: Final = "policy.change"
MAPPINGS: Final = "mapping.change"
"""What is approved: a policy folder, or the set of adapter mappings; each has versions of its own."""

KINDS_OF_CHANGE: Final = ("new_facts", "estimate", "principle", "error")
"""What a change of a revenue policy is (ASC 250-10-45): for new facts alone, of an estimate, of a principle, or of an error."""


@dataclass(frozen=True, slots=True)
class _Things:
    name: str
    command: str
    log: str


_THINGS: Final = {CHANGE: _Things("policies", "policy", "policy"), MAPPINGS: _Things("mappings", "adapter", "mapping")}


@dataclass(frozen=True, slots=True)
class Proposal:
    """Hold what is proposed: the files, what changes in words, and the money it moves by currency (None: not known)."""

    fingerprint: str
    files: Mapping[str, bytes]
    changes: Sequence[str]
    money: Mapping[str, str] | None
    base: str | None = None
    kind_of_change: str | None = None
    transition: str | None = None
    rollback_of: int | None = None
    comment: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


def propose(session: Session, actor: Actor, proposal: Proposal, role: str, action: str = CHANGE) -> Approval:
    """Ask that a policy folder, or a set of mappings, be approved by somebody of a role.

    Raises UsageError when the actor may not, or the same folder waits or is the approved one already.
    """
    require(actor, "change a policy")
    things = _THINGS[action]
    known = session.execute(sa.select(Approval).where(Approval.action == action, Approval.subject == proposal.fingerprint)).scalars()
    if any(each.state == WAITING for each in known):
        raise UsageError(f"The same {things.name} wait for their approval already.", f"`tieout {things.command} log` shows the proposal.")
    current = approved_version(session, action=action)
    if current is not None and current.subject == proposal.fingerprint:
        raise UsageError(f"These {things.name} are the approved ones already.", "There is nothing to propose.")
    body = {
        "base": proposal.base, "changes": list(proposal.changes), "money": None if proposal.money is None else dict(proposal.money),
        "kind_of_change": proposal.kind_of_change, "transition": proposal.transition, "rollback_of": proposal.rollback_of,
        "comment": proposal.comment, **proposal.evidence,
    }  # fmt: skip
    files = {name: base64.b64encode(content).decode() for name, content in sorted(proposal.files.items())}
    request = Approval(
        action=action, subject=proposal.fingerprint, needs_role=role, requested_by=actor.name, requested_at=now(),
        body={**body, "files": files}, state=WAITING,
    )  # fmt: skip
    session.add(request)
    session.flush()
    record(session, actor, f"{things.log}.proposed", proposal.fingerprint, {"proposal": request.approval_id, "needs_role": role, **body})
    return request


def decide(session: Session, actor: Actor, request: Approval, *, approve: bool, text: str) -> None:
    """Approve or reject a proposal; the log says whether the person was signed in or only says who they are.

    Raises UsageError when it is decided already, the actor proposed it, or lacks the role.
    """
    require(actor, "decide")
    take_turn_on(session, request)
    if request.state != WAITING:
        raise UsageError(f"The proposal was {request.state} already.", "")
    if is_same_person(actor.name, request.requested_by):
        raise UsageError("Nobody approves what they proposed.", "Ask a second person.")
    if request.needs_role not in actor.roles:
        raise UsageError(f"This needs the role '{request.needs_role}'.", "Ask a person who has it (policies/access.yaml).")
    request.state = "approved" if approve else "rejected"
    request.decided_by, request.decided_at, request.comment = actor.name, now(), text
    request.body = {**request.body, "identity": actor.identity}
    body = {"proposal": request.approval_id, "comment": text}
    record(session, actor, f"{_THINGS[request.action].log}.{request.state}", request.subject, body)


def find_proposal(session: Session, name: str, action: str = CHANGE) -> Approval:
    """Return a proposal by its number or the first characters of its fingerprint, the latest of the same folder; raises UsageError."""
    query = sa.select(Approval).where(Approval.action == action)
    by_number = query.where(Approval.approval_id == int(name)) if name.isdigit() and len(name) < 10 else None
    found = [] if by_number is None else list(session.execute(by_number).scalars())
    if not found:
        ordered = query.where(Approval.subject.startswith(name, autoescape=True)).order_by(Approval.approval_id)
        found = list(session.execute(ordered).scalars())
    if not found or len({each.subject for each in found}) > 1:
        raise UsageError(
            f"Several proposals begin with {name}." if found else f"There is no proposal {name}.",
            f"`tieout {_THINGS[action].command} log` lists them.",
        )
    return found[-1]


def approved_version(session: Session, on: dt.date | None = None, action: str = CHANGE) -> Approval | None:
    """Return the version of the policies, or of the mappings, that was approved last, or as the folder stood at the end of a day."""
    query = sa.select(Approval).where(Approval.action == action, Approval.state == "approved")
    rows = session.execute(query).scalars()
    then = [each for each in rows if on is None or (each.decided_at is not None and each.decided_at.date() <= on)]
    return max(then, key=lambda each: (str(each.decided_at), each.approval_id), default=None)


def require_approved(url: str, policies: PolicySet, *, signed_in: bool) -> None:
    """Raise UsageError when policies are not those approved last, or nobody signed in approved them where that is asked for."""
    store = open_store(url)
    try:
        with store.read() as session:
            current = approved_version(session)
            known = None if current is None else (current.subject, current.approval_id, current.body.get("identity"))
    finally:
        store.close()
    if known is None or known[0] != policies.fingerprint:
        what = "No policies are approved yet" if known is None else f"Approved are {known[0][:12]}, proposal {known[1]}"
        raise UsageError(f"The policies {policies.fingerprint[:12]} are not approved. {what}.", "Propose them: `tieout policy propose`.")
    if signed_in and known[2] != "signed_in":
        message = f"Who approved proposal {known[1]} only said who they are."
        raise UsageError(message, "The run policy asks for an approval by a person who is signed in to the dashboard.")


def require_approved_mappings(url: str, used: Mapping[str, str], *, signed_in: bool) -> None:
    """Raise UsageError, naming each, when a mapping that a snapshot is read with is not as it was approved last."""
    store = open_store(url)
    try:
        with store.read() as session:
            version = approved_version(session, action=MAPPINGS)
            known = {} if version is None else dict(version.body["fingerprints"])
            number, identity = (None, None) if version is None else (version.approval_id, version.body.get("identity"))
    finally:
        store.close()
    if number is None:
        raise UsageError("No adapter mappings are approved yet.", "Propose them: `tieout adapter propose`.")
    changed = [
        f"{name} ({(known[name][:12] + ' is approved') if name in known else 'none is approved'}, {each[:12]} is used)"
        for name, each in sorted(used.items()) if known.get(name) != each
    ]  # fmt: skip
    if changed:
        verb = "mapping is" if len(changed) == 1 else "mappings are"
        raise UsageError(f"{len(changed)} {verb} not as approved in proposal {number}: {', '.join(changed)}.", "`tieout adapter propose`.")
    if signed_in and identity != "signed_in":
        message = f"Who approved the mappings in proposal {number} only said who they are."
        raise UsageError(message, "The run policy asks for an approval by a person who is signed in to the dashboard.")


def files_of(request: Approval) -> dict[str, bytes]:
    """Return the files of a proposal by their path."""
    return {name: base64.b64decode(text) for name, text in request.body["files"].items()}


def history(session: Session, action: str = CHANGE) -> list[dict[str, Any]]:
    """Return every step of every proposal from the audit log, the earliest first."""
    query = sa.select(AuditEntry).where(AuditEntry.action.startswith(f"{_THINGS[action].log}.")).order_by(AuditEntry.sequence)
    return [
        {"sequence": each.sequence, "at": each.at, "actor": each.actor, "identity": each.identity, "action": each.action,
         "fingerprint": each.subject, "body": each.body, "hash": each.hash}
        for each in session.execute(query).scalars()
    ]  # fmt: skip
