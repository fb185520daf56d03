"""The close of a period: the board, the certificate with its signatures, and what voids it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy.orm import Session

from adapters.close.board import board
from adapters.close.certificate import late_amounts, told_otherwise
from adapters.close.period import (
    altered_lines,
    close_day,
    latest_close,
    lock_close,
    missing_roles,
    reopen_close,
    sign_close,
    signatures,
    start_close,
)
from adapters.policy_folder import require_in_force
from adapters.store.database import Store
from adapters.store.permissions import require
from adapters.store.runs import business_day
from adapters.store.tables import PeriodClose, Run
from dashboard.views.access import Person
from dashboard.views.policies import load_policies
from dashboard.views.workspace import RunEntry, Workspace, output
from engine.errors import StoreError, UsageError
from engine.policy.kinds.close import ClosePolicy


def close_policy(workspace: Workspace, on: dt.date) -> ClosePolicy:
    """Return the policy of the close that holds on a run's day. Raises UsageError when there is none."""
    return require_in_force(load_policies(workspace.policies), ClosePolicy, on, "what a close takes")


def reopening_policy(workspace: Workspace, session: Session, close: PeriodClose) -> ClosePolicy:
    """Return the policy of the close that holds on the latest run's day: it says who reopens a period."""
    return close_policy(workspace, business_day(session, close.scope) or close_day(session, close))


def periods(run: RunEntry) -> list[str]:
    """Return the periods that have ended or are running on the run's day, the latest first."""
    month = f"{run.as_of:%Y-%m}"
    balances = output(run, "contract_balances")
    there = [] if balances is None else balances.select("period").unique().collect()["period"].to_list()
    return sorted({month, *(each for each in there if each <= month)}, reverse=True)


def close_state(workspace: Workspace, store: Store, run: RunEntry, period: str) -> dict[str, Any]:
    """Return the board of a period, its close with signatures and missing roles, and what was altered under its certificate."""
    policy = close_policy(workspace, run.as_of)
    with store.read() as session:
        told = _board(session, run, period, policy)
        close = latest_close(session, run.scope, period)
        if close is None:
            return {"board": told, "close": None}
        policy = close_policy(workspace, close_day(session, close))
        signed = signatures(session, close)
        is_later = close.state == "locked" and run.run_id != close.run_id
        late = late_amounts(run.folder, period) if is_later else []
        otherwise = told_otherwise(run.folder, workspace.out / close.run_id, period) if is_later else []
        return {
            "board": told,
            "close": {
                "state": close.state, "run_id": close.run_id, "started_by": close.started_by, "started_at": close.started_at,
                "certificate": close.certificate, "hash": close.certificate_hash, "locked_at": close.locked_at, "reason": close.reason,
            },
            "signed": [{"role": each.role, "name": each.name, "identity": each.identity, "at": each.at} for each in signed],
            "sign_roles": policy.sign_roles, "reopen_roles": reopening_policy(workspace, session, close).reopen_roles,
            "missing": missing_roles(signed, policy.sign_roles), "void": altered_lines(session, close, workspace.out),
            "late": late, "otherwise": otherwise,
        }  # fmt: skip


def _board(session: Session, run: RunEntry, period: str, policy: ClosePolicy) -> list[dict[str, Any]]:
    """Return the board's lines; results that cannot be read block the close, and the certificate is shown all the same."""
    try:
        lines = board(session, run.folder, run.scope, period, policy)
    except StoreError as error:
        return [{"question": "results", "answer": error.message, "blocks": True}]
    return [{"question": each.question, "answer": each.answer, "blocks": each.blocks} for each in lines]


def start(workspace: Workspace, store: Store, person: Person, run: RunEntry, period: str) -> str:
    """Start the close of a period on a run; returns what was done."""
    policy = close_policy(workspace, run.as_of)
    with store.write() as session:
        entered = session.get(Run, run.run_id)
        if entered is None:
            raise UsageError(f"The run {run.run_id} is not in the store.", "Run its snapshot again: the results stand and are entered.")
        close = start_close(session, person.actor(), entered, run.folder, period, policy)
        return f"The close of {period} is started, certificate {close.certificate_hash[:16]}."


def sign(workspace: Workspace, store: Store, person: Person, run: RunEntry, period: str, role: str) -> str:
    """Sign the certificate of a period in a role; returns what was done. Who is not signed in is noted and does not count."""
    require(person.actor(), "sign a close")
    with store.write() as session:
        close = _known(session, run, period)
        policy = close_policy(workspace, close_day(session, close))
        sign_close(session, person.actor(), close, role, policy, altered_lines(session, close, workspace.out))
    counts = "" if person.is_signed_in else " It is noted, but does not count: only who is signed in can sign."
    return f"{person.name} signed the close of {period} as {role}.{counts}"


def lock(workspace: Workspace, store: Store, person: Person, run: RunEntry, period: str) -> str:
    """Lock a period when nothing blocks it and every role has signed; returns what was done."""
    with store.write() as session:
        close = _known(session, run, period)
        policy = close_policy(workspace, close_day(session, close))
        lines = board(session, workspace.out / close.run_id, run.scope, period, policy)
        lock_close(session, person.actor(), close, lines, policy, altered_lines(session, close, workspace.out))
    return f"The period {period} is locked."


def reopen(workspace: Workspace, store: Store, person: Person, run: RunEntry, period: str, role: str, reason: str) -> str:
    """Sign the reopening of a locked period; it opens with the second, signed-in role. Returns what was done."""
    with store.write() as session:
        close = _known(session, run, period)
        is_open = reopen_close(session, person.actor(), close, role, reason, reopening_policy(workspace, session, close))
    return f"The period {period} is reopened." if is_open else f"Noted; {period} stays locked until both roles have signed in person."


def _known(session: Session, run: RunEntry, period: str) -> PeriodClose:
    close = latest_close(session, run.scope, period)
    if close is None:
        raise UsageError(f"The close of {period} was not started.", "Start it first.")
    return close
