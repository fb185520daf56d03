"""Releasing remedies: asked for by one person, released by a second who is signed in, looked for in the next run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.store.audit import Actor, now, record
from adapters.store.case_work import WAITING, refuse_approver
from adapters.store.permissions import require
from adapters.store.tables import Approval
from engine.errors import UsageError
from engine.remedies.entries import NUMBERED, number_of

RELEASE: Final = "remedy.release"

ENTRY: Final = "journal_entry"


@dataclass(frozen=True, slots=True)
class BatchState:
    """Hold where a batch of remedies stands: draft, waiting, released, applied, failed or half_applied.

    `compensation` are the corrections that take back what was applied of a half-applied batch.
    """

    batch: str
    state: str
    rows: tuple[dict[str, Any], ...]
    compensation: tuple[dict[str, Any], ...] = ()


def ask_release(session: Session, actor: Actor, remedies: pl.DataFrame, name: str, run_id: str, role: str) -> Approval:
    """Ask that a batch be released; raises UsageError when there is none such, several, or it was asked for already."""
    require(actor, "ask for a release")
    batches = remedies.filter(pl.col("batch").str.starts_with(name))["batch"].unique().to_list()
    if len(batches) != 1:
        message = f"There is no remedy {name}." if not batches else f"Several remedies begin with {name}."
        raise UsageError(message, "`tieout remedy list` shows them.")
    query = sa.select(Approval).where(Approval.action == RELEASE, Approval.subject == batches[0], Approval.state.in_((WAITING, "approved")))
    known = session.execute(query).scalars().first()
    if known is not None and (known.state == WAITING or known.body["run_id"] == run_id):
        raise UsageError(f"The remedy is {'waiting for' if known.state == WAITING else 'through'} its release already.", "")
    rows = remedies.filter(pl.col("batch") == batches[0]).drop("evidence").to_dicts()
    body = {"run_id": run_id, "rows": [{key: None if value is None else str(value) for key, value in row.items()} for row in rows]}
    request = Approval(
        action=RELEASE, subject=batches[0], needs_role=role, requested_by=actor.name, requested_at=now(), body=body, state=WAITING
    )  # fmt: skip
    session.add(request)
    session.flush()
    record(session, actor, "remedy.release requested", batches[0], body)
    return request


def decide_release(
    session: Session, actor: Actor, request: Approval, *, approve: bool, text: str, drafted: pl.DataFrame
) -> None:  # fmt: skip
    """Release or refuse a batch; `drafted` are the remedies of the run the actor looks at.

    Raises UsageError unless the actor is signed in, has the role and did not ask, or when the run drafts the batch otherwise
    than its release was asked for: what was looked at is what is released.
    """
    require(actor, "release a remedy")
    refuse_approver(session, actor, request)
    if approve and _drafts(request.body["rows"]) != _drafts(drafted.filter(pl.col("batch") == request.subject).to_dicts()):
        message = "The remedy is drafted otherwise than when its release was asked for."
        raise UsageError(message, "Refuse the request; its release can be asked for anew.")
    request.state = "approved" if approve else "rejected"
    request.decided_by, request.decided_at, request.comment = actor.name, now(), text
    record(session, actor, f"{RELEASE}.{request.state}", request.subject, {"request": request.approval_id, "comment": text})


def _drafts(rows: Sequence[Mapping[str, Any]]) -> set[tuple[str, ...]]:
    """Return what the rows of a batch would do: their acts with value, accounts and amount."""
    names = ("remedy_key", "value", "debit_account", "credit_account")
    return {(*(str(row.get(name) or "") for name in names), _plain(row.get("amount"))) for row in rows}


def _plain(amount: object) -> str:
    return "" if amount is None else f"{Decimal(str(amount)).normalize():f}"


def batch_states(
    session: Session, remedies: pl.DataFrame, findings: pl.DataFrame, run_id: str, ledger: pl.DataFrame | None = None
) -> list[BatchState]:
    """Return every batch of a run, and every released one of earlier runs with what this run tells of it.

    A released remedy whose finding is gone was applied; one whose finding is still there failed; a batch
    of both is half applied. The run it was released from tells nothing yet. `ledger` (`posted_entries`) knows better of
    journal entries: one that stands there in whole was applied, one that stands there in part is half applied. A batch whose
    released remedy was applied and which the run drafts anew, with another key, is told twice: as draft and as applied.
    """
    # An entry for a tolerated residual mends no finding: it stands while the run proposes it again.
    here = set(findings["finding_id"]) | set(remedies.filter(pl.col("finding_id").is_null())["remedy_key"])
    latest: dict[str, Approval] = {}
    for each in session.execute(sa.select(Approval).where(Approval.action == RELEASE).order_by(Approval.approval_id)).scalars():
        latest[each.subject] = each
    drafts = {str(key[0]): tuple(rows.drop("evidence").to_dicts()) for key, rows in remedies.group_by("batch", maintain_order=True)}
    found: list[BatchState] = []
    for batch in sorted(drafts.keys() | {name for name, each in latest.items() if each.state == "approved"}):
        request = latest.get(batch)
        if request is None or request.state not in (WAITING, "approved"):
            found.append(BatchState(batch, "draft", drafts[batch]))
        elif request.state == WAITING or request.body["run_id"] == run_id:
            state = "waiting" if request.state == WAITING else "released"
            found.append(BatchState(batch, state, drafts.get(batch) or tuple(request.body["rows"])))
        else:
            rows = tuple(request.body["rows"])
            outcome = _outcome(batch, rows, here, {} if ledger is None else _standing(ledger))
            released = {row["remedy_key"] for row in rows}
            anew = tuple(row for row in drafts.get(batch, ()) if row["remedy_key"] not in released)
            found += [BatchState(batch, "draft", anew)] if anew and outcome.state == "applied" else []
            found.append(outcome)
    return found


def posted_entries(journal_lines: pl.LazyFrame) -> pl.DataFrame:
    """Return by number and account what the ledger holds of entries that were drafted here, debit positive."""
    net = pl.col("debit").fill_null(0) - pl.col("credit").fill_null(0)
    is_posted = (pl.col("status") == "posted").fill_null(value=True)
    numbered = journal_lines.filter(pl.col("journal_number").str.starts_with(NUMBERED) & is_posted)
    return numbered.group_by("journal_number", "account").agg(net.sum().alias("net")).sort("journal_number", "account").collect()


def _standing(ledger: pl.DataFrame) -> dict[str, dict[str, Decimal]]:
    found: dict[str, dict[str, Decimal]] = {}
    for number, account, net in ledger.iter_rows():
        found.setdefault(number, {})[account] = net
    return found


def _outcome(batch: str, rows: tuple[dict[str, Any], ...], here: set[str], standing: dict[str, dict[str, Decimal]]) -> BatchState:
    done: list[dict[str, Any]] = []
    back: list[dict[str, Any]] = []
    for row in rows:
        there = standing.get(number_of(row["remedy_key"])) if row["action"] == ENTRY else None
        is_done = (row["finding_id"] or row["remedy_key"]) not in here if there is None else there == _wanted(row)
        if is_done:
            done.append(row)
        elif there is not None:
            back += [_taken_out(row, account, net) for account, net in there.items() if net]
    if len(done) == len(rows):
        return BatchState(batch, "applied", rows)
    if not done and not back:
        return BatchState(batch, "failed", rows)
    return BatchState(batch, "half_applied", rows, (*map(_taken_back, done), *back))


def _wanted(row: dict[str, Any]) -> dict[str, Decimal]:
    amount = Decimal(row["amount"])
    return {row["debit_account"]: amount, row["credit_account"]: -amount}


_BACK: Final = "Take back what was applied alone, then apply all together."


def _taken_back(row: dict[str, Any]) -> dict[str, Any]:
    """Return what undoes a remedy: the value before, or the entry with its sides turned."""
    turned = {"debit_account": row["credit_account"], "credit_account": row["debit_account"]} if row["action"] == ENTRY else {}
    return {**row, "value": row["before"], "before": row["value"], "instruction": _BACK, **turned}


def _taken_out(row: dict[str, Any], account: str, net: Decimal) -> dict[str, Any]:
    """Return what takes one line of an entry out of the ledger that holds it in part."""
    sides = {"debit_account": None if net > 0 else account, "credit_account": account if net > 0 else None}
    return {**row, "amount": str(abs(net)), "value": row["before"], "before": row["value"], "instruction": _BACK, **sides}
