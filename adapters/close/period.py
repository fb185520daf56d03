"""The life of a close: started on a run, signed, locked, and reopened only by two people with a reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.close.board import BoardLine, period_end
from adapters.close.certificate import certificate_hash, make_certificate, what_was_altered
from adapters.store.audit import Actor, is_same_person, now, record, take_turn, take_turn_on
from adapters.store.permissions import require
from adapters.store.tables import CloseSignature, PeriodClose, Run
from engine.errors import UsageError
from engine.policy.kinds.close import ClosePolicy

STARTED, LOCKED, REOPENED = "started", "locked", "reopened"


def latest_close(session: Session, scope: str, period: str) -> PeriodClose | None:
    """Return the latest close of a period, or None."""
    query = sa.select(PeriodClose).where(PeriodClose.scope == scope, PeriodClose.period == period)
    return session.execute(query.order_by(PeriodClose.close_id.desc()).limit(1)).scalar_one_or_none()


def require_period(run_dir: Path, period: str) -> None:
    """Raise UsageError for what is neither a month nor a period of a run's fiscal calendars."""
    if period_end(run_dir, period) is None:
        raise UsageError(f"'{period}' is no period.", "Write it as the fiscal calendar does, or as a month: 2026-10.")


def close_day(session: Session, close: PeriodClose) -> dt.date:
    """Return the day of the run a close rests on: the policy of that day says what it takes.

    Raises UsageError when the store does not know the run.
    """
    run = session.get(Run, close.run_id)
    if run is None:
        raise UsageError(f"The run {close.run_id} that the close of {close.period} rests on is not in the store.", "Start its close anew.")
    return run.as_of


def signatures(session: Session, close: PeriodClose, purpose: str = "close") -> list[CloseSignature]:
    """Return the signatures under a close's present certificate, or under its reopening."""
    query = sa.select(CloseSignature).where(CloseSignature.close_id == close.close_id, CloseSignature.purpose == purpose)
    found = session.execute(query.order_by(CloseSignature.signature_id)).scalars()
    return [each for each in found if each.certificate_hash == close.certificate_hash]


def start_close(session: Session, actor: Actor, run: Run, run_dir: Path, period: str, policy: ClosePolicy) -> PeriodClose:
    """Start, or start anew, the close of a period on a run: the certificate is made from it.

    Raises UsageError when there is no such period, or it is locked.
    """
    require(actor, "start a close")
    take_turn(session)
    before = latest_close(session, run.scope, period)
    if before is not None and before.state == LOCKED:
        raise UsageError(f"The period {period} is locked.", "It can only be reopened, by two people and with a reason.")
    require_period(run_dir, period)
    certificate = make_certificate(session, run_dir, run.scope, period, policy)
    close = before if before is not None and before.state == STARTED else PeriodClose(scope=run.scope, period=period)
    close.state, close.run_id, close.started_by, close.started_at = STARTED, run.run_id, actor.name, now()
    close.certificate, close.certificate_hash = certificate, certificate_hash(certificate)
    session.add(close)
    session.flush()
    record(session, actor, "close.started", period, {"run": run.run_id, "certificate": close.certificate_hash})
    return close


def sign_close(
    session: Session, actor: Actor, close: PeriodClose, role: str, policy: ClosePolicy, altered: Sequence[str]
) -> CloseSignature:
    """Sign a certificate in a role. Raises UsageError when it cannot be signed, or not by this person."""
    require(actor, "sign a close")
    take_turn_on(session, close)
    if close.state != STARTED:
        raise UsageError(f"The period {close.period} is {close.state}; there is nothing to sign.", _next_step(close))
    refuse_altered(altered)
    if role not in policy.sign_roles:
        raise UsageError(f"A close is not signed as '{role}'.", f"The roles are {', '.join(policy.sign_roles)}.")
    if actor.identity == "signed_in" and role not in actor.roles:
        raise UsageError(f"{actor.name} does not have the role '{role}'.", "Ask a person who has it (policies/access.yaml).")
    if any(_counts_as(each, actor) for each in signatures(session, close)):
        raise UsageError(f"{actor.name} signed this certificate already.", "Another person signs next.")
    return _signed(session, actor, close, role, "close")


def lock_close(
    session: Session, actor: Actor, close: PeriodClose, lines: Iterable[BoardLine], policy: ClosePolicy, altered: Sequence[str]
) -> None:
    """Lock a period. Raises UsageError while the board blocks it or a signature is missing."""
    require(actor, "lock a close")
    take_turn_on(session, close)
    if close.state != STARTED:
        raise UsageError(f"The period {close.period} is {close.state}.", _next_step(close))
    refuse_altered(altered)
    blocking = [line for line in lines if line.blocks]
    if blocking:
        told = "; ".join(f"{line.question}: {line.answer}" for line in blocking)
        raise UsageError(f"The period {close.period} is not ready: {told}.", "Resolve or settle these first.")
    missing = missing_roles(signatures(session, close), policy.sign_roles)
    if missing:
        remedy = "Sign in to the dashboard and sign there; signatures from the command line are noted, but do not count."
        raise UsageError(f"The signatures of {', '.join(missing)} are missing.", remedy)
    close.state, close.locked_at = LOCKED, now()
    record(session, actor, "close.locked", close.period, {"certificate": close.certificate_hash})


def _next_step(close: PeriodClose) -> str:
    return "Nothing is left to do; two people reopen it where it must be corrected." if close.state == LOCKED else "Start its close first."


def missing_roles(signed: Iterable[CloseSignature], roles: Sequence[str]) -> list[str]:
    """Return the roles that no signed-in person has signed in."""
    there = {each.role for each in signed if each.identity == "signed_in"}
    return [role for role in roles if role not in there]


def reopen_close(session: Session, actor: Actor, close: PeriodClose, role: str, reason: str, policy: ClosePolicy) -> bool:
    """Sign the reopening of a locked period; True when the second role has signed and it is open again.

    Raises UsageError when the period is not locked, the reason is empty, or the person may not.
    """
    require(actor, "reopen a close")
    take_turn_on(session, close)
    if close.state != LOCKED:
        raise UsageError(f"The period {close.period} is {close.state}, not locked.", "")
    if not reason.strip():
        raise UsageError("A period is not reopened without a reason.", "Say what must be corrected in it.")
    if role not in policy.reopen_roles:
        raise UsageError(f"A period is not reopened as '{role}'.", f"The roles are {', '.join(policy.reopen_roles)}.")
    if actor.identity == "signed_in" and role not in actor.roles:
        raise UsageError(f"{actor.name} does not have the role '{role}'.", "Ask a person who has it (policies/access.yaml).")
    if any(_counts_as(each, actor) for each in signatures(session, close, "reopen")):
        raise UsageError(f"{actor.name} signed the reopening already.", "A second person must agree.")
    _signed(session, actor, close, role, "reopen")
    close.reason = reason if close.reason is None else f"{close.reason}; {reason}"
    if missing_roles(signatures(session, close, "reopen"), policy.reopen_roles):
        return False
    close.state, close.reopened_at = REOPENED, now()
    record(session, actor, "close.reopened", close.period, {"reason": close.reason})
    return True


def _counts_as(signature: CloseSignature, actor: Actor) -> bool:
    """Say whether a signature is this person's. One that was only asserted in their name keeps nobody from signing in person."""
    return is_same_person(signature.name, actor.name) and (signature.identity == actor.identity or actor.identity != "signed_in")


def _signed(session: Session, actor: Actor, close: PeriodClose, role: str, purpose: str) -> CloseSignature:
    signature = CloseSignature(
        close_id=close.close_id, purpose=purpose, role=role, name=actor.name, identity=actor.identity, at=now(),
        certificate_hash=close.certificate_hash,
    )  # fmt: skip
    session.add(signature)
    session.flush()
    record(session, actor, f"{purpose}.signed", close.period, {"role": role, "certificate": close.certificate_hash})
    return signature


def refuse_altered(altered: Sequence[str]) -> None:
    """Raise UsageError when evidence is not what the certificate was made from."""
    if altered:
        raise UsageError(f"The certificate is void: {altered[0]}.", "Run the snapshot again and start the close anew.")


def altered_lines(session: Session, close: PeriodClose, out: Path) -> list[str]:
    """Return the lines of a close's certificate whose evidence changed since it was made."""
    run = session.get(Run, close.run_id)
    where = None if run is None else run.came_from.get("snapshot")
    wrong = what_was_altered(close.certificate, out / close.run_id, None if where is None else Path(where))
    if certificate_hash(close.certificate) != close.certificate_hash:
        wrong.insert(0, "the certificate's own text was altered")
    return wrong

