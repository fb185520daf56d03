"""Everything a person does through the dashboard; whether they may is asked where it is written, in the store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy.orm import Session

from adapters import decide_work
from adapters.store import attachments, case_work, match_decisions, remedies
from adapters.store import views as saved
from adapters.store.database import Store
from adapters.store.permissions import may as _may
from adapters.store.permissions import require
from adapters.store.tables import Approval, Case
from dashboard.views.access import Person
from dashboard.views.workspace import RunEntry, output
from engine.errors import UsageError
from engine.policy.kinds.cases import CasesPolicy
from engine.remedies import REMEDY_SCHEMA


def may(person: Person, act: str) -> bool:
    """Say whether a person may do an act, so that a page does not offer what will be refused."""
    return _may(person.actor(), act)


def _on_each(store: Store, scope: str, cases: Sequence[str], do: Callable[[Session, Case], object]) -> int:
    """Do something to every case in one transaction: all of them, or none."""
    if not cases:
        raise UsageError("No case is chosen.", "Choose one or more in the table.")
    with store.write() as session:
        for name in cases:
            case = case_work.find_case(session, name)
            if case.scope != scope:
                raise UsageError(f"The case {name} belongs to another firm's snapshots.", "Choose a run of that firm.")
            do(session, case)
    return len(cases)


def assign(store: Store, person: Person, scope: str, cases: Sequence[str], assignee: str) -> str:
    """Give cases to a person, to nobody when the name is empty; returns what was done."""
    require(person.actor(), "assign")
    name = assignee.strip() or None
    count = _on_each(store, scope, cases, lambda session, case: case_work.assign(session, person.actor(), case, name))
    return f"{_cases(count)} with {name or 'nobody'}."


def comment(store: Store, person: Person, scope: str, cases: Sequence[str], text: str) -> str:
    """Add a comment to cases; returns what was done."""
    require(person.actor(), "comment")
    count = _on_each(store, scope, cases, lambda session, case: case_work.comment(session, person.actor(), case, text))
    return f"Noted on {count:,} {'case' if count == 1 else 'cases'}."


def snooze(store: Store, person: Person, scope: str, cases: Sequence[str], until: dt.date | None) -> str:
    """Let cases rest until a day, or wake them; returns what was done."""
    require(person.actor(), "snooze")
    count = _on_each(store, scope, cases, lambda session, case: case_work.snooze(session, person.actor(), case, until))
    return f"{_cases(count)} resting until {until}." if until else f"{_cases(count)} awake."


def settle(
    store: Store, person: Person, scope: str, cases: Sequence[str], policy: CasesPolicy, action: str, reason: str, text: str
) -> str:  # fmt: skip
    """Waive or write off cases, or ask for the approval that takes; returns what was done."""
    require(person.actor(), action.replace("_", " "))
    waiting: list[Approval] = []

    def one(session: Session, case: Case) -> None:
        request = case_work.settle(session, person.actor(), case, policy, action, reason, text)
        if request is not None:
            waiting.append(request)

    count = _on_each(store, scope, cases, one) - len(waiting)
    told = [f"{_cases(count)} {case_work.SETTLEMENTS[action].replace('_', ' ')}."] if count else []
    if waiting:
        told.append(f"{_cases(len(waiting))} waiting for a signed-in {waiting[0].needs_role} who is not {person.name}.")
    return " ".join(told)


def reopen(store: Store, person: Person, scope: str, cases: Sequence[str], text: str) -> str:
    """Take settled or resolved cases up again; returns what was done."""
    require(person.actor(), "reopen")
    count = _on_each(store, scope, cases, lambda session, case: case_work.reopen(session, person.actor(), case, text))
    return f"{_cases(count)} open."


def decide(store: Store, person: Person, policy: CasesPolicy, approval_id: int, *, approve: bool, text: str) -> str:
    """Approve or reject a request; the author never does, nor who is not signed in. Returns what was done."""
    require(person.actor(), "decide")
    with store.write() as session:
        request = session.get(Approval, approval_id)
        if request is None:
            raise UsageError("There is no such request.", "Load the page again.")
        case_work.decide(session, person.actor(), policy, request, approve=approve, text=text)
        return f"The request was {request.state}."


def _cases(count: int) -> str:
    return f"{count:,} case is" if count == 1 else f"{count:,} cases are"


def give_reason(store: Store, person: Person, scope: str, cases: Sequence[str], policy: CasesPolicy, code: str) -> str:
    """Give cases a reason code; returns what was done."""
    require(person.actor(), "give a reason")
    count = _on_each(store, scope, cases, lambda session, case: case_work.set_reason(session, person.actor(), case, policy, code))
    return f"{_cases(count)} noted as {code.replace('_', ' ')}."


def attach(store: Store, person: Person, scope: str, case: str, out: Path, files: Sequence[tuple[str, bytes]]) -> str:
    """Keep files with a case, all of them or none; returns what was done."""
    require(person.actor(), "attach a file")
    if not files:
        raise UsageError("No file is chosen.", "Choose one or more.")

    def each_file(session: Session, found: Case) -> None:
        for name, content in files:
            attachments.attach(session, person.actor(), found, out, name, content)

    _on_each(store, scope, [case], each_file)
    return f"{len(files)} {'file is' if len(files) == 1 else 'files are'} kept with the case."


def decide_match(
    store: Store, person: Person, run: RunEntry, tie_out: str, match: str, verdict: match_decisions.Verdict, reason: str
) -> str:  # fmt: skip
    """Confirm or refuse a suggested match; returns what was done."""
    with store.write() as session:
        decide_work.decide(session, person.actor(), run.folder, match, verdict, reason, tie_out)
    return f"The match is {verdict}. The next run goes by it."


def revoke_match(store: Store, person: Person, decision_id: int, reason: str) -> str:
    """Take a decision on a match back; returns what was done."""
    with store.write() as session:
        match_decisions.revoke_match(session, person.actor(), decision_id, reason)
    return "The decision is taken back. The next run matches as if it had not been made."


def attest(store: Store, person: Person, run: RunEntry, line: str, amount: Decimal, comment: str) -> str:
    """Attest the estimate at completion of a contract line that the person sees; returns what was done."""
    with store.write() as session:
        entry = decide_work.attest(session, person.actor(), run.folder, line, amount, comment)
        return f"The estimate of {line} is attested as of {entry.as_of}. The next run reads it."


def views(store: Store, person: Person, page: str) -> list[dict[str, Any]]:
    """Return the saved views of a page that a person has."""
    with store.read() as session:
        return [
            {"view_id": each.view_id, "name": each.name, "owner": each.owner, "is_mine": each.owner == person.name, "query": each.query}
            for each in saved.list_views(session, person.actor(), page)
        ]


def keep_view(store: Store, person: Person, page: str, name: str, query: Mapping[str, Sequence[str]], *, shared: bool) -> str:
    """Keep what is asked of a page's table under a name; returns what was done."""
    with store.write() as session:
        view = saved.save_view(session, person.actor(), page, name, query, shared=shared)
        return f"The view '{view.name}' is kept" + (" for everybody." if shared else ".")


def forget_view(store: Store, person: Person, view_id: int) -> str:
    """Remove a person's own view; returns what was done."""
    with store.write() as session:
        saved.remove_view(session, person.actor(), view_id)
    return "The view is removed."


def ask_release(store: Store, person: Person, run: RunEntry, batch: str, role: str) -> str:
    """Ask that a remedy be released; returns what was done."""
    require(person.actor(), "ask for a release")
    frame = output(run, "remedies")
    if frame is None:
        raise UsageError("The run drafted no remedy.", "Run its snapshot again.")
    with store.write() as session:
        request = remedies.ask_release(session, person.actor(), frame.collect(), batch, run.run_id, role)
        return f"The remedy waits for a signed-in {request.needs_role} who is not {person.name}."


def decide_release(store: Store, person: Person, run: RunEntry, approval_id: int, *, approve: bool, text: str) -> str:
    """Release or refuse a remedy as the run drafts it; the author never does, nor who is not signed in. Returns what was done."""
    frame = output(run, "remedies")
    drafted = pl.DataFrame(schema=REMEDY_SCHEMA) if frame is None else frame.collect()
    with store.write() as session:
        request = session.get(Approval, approval_id)
        if request is None or request.action != remedies.RELEASE:
            raise UsageError("There is no such request.", "Load the page again.")
        remedies.decide_release(session, person.actor(), request, approve=approve, text=text, drafted=drafted)
        return "The remedy is released: apply it in its system, and the next run looks whether it held." if approve else "It was refused."
