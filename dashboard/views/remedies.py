"""The remedy of a finding: what would be done where, its draft as a file, and where its release stands."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Final

import polars as pl
import sqlalchemy as sa

from adapters.store.database import Store
from adapters.store.remedies import RELEASE, batch_states, posted_entries
from adapters.store.tables import Approval
from dashboard.views.downloads import to_csv
from dashboard.views.policies import load_policies
from dashboard.views.tables import Column
from dashboard.views.workspace import RunEntry, output
from engine.remedies import approver_role

COLUMNS: Final = (
    Column("system", "In"), Column("action", "Act", "code"), Column("entity", "Record", "code"), Column("entity_id", "Id"),
    Column("field", "Field", "code"), Column("before", "Now"), Column("value", "Becomes"), Column("instruction", "Instruction", width=320),
)  # fmt: skip

_UPLOAD: Final = ("remedy_key", *(each.name for each in COLUMNS), "amount", "currency")


def approver_of(policies: Path, on: dt.date, rows: pl.DataFrame) -> str:
    """Return the role that releases the rows of a remedy, by the policy that drafted them; raises UsageError where policies disagree."""
    return approver_role(load_policies(policies), on, rows["rule"].drop_nulls().unique().sort())


def remedy_of(store: Store, run: RunEntry, finding_id: str) -> dict[str, Any] | None:
    """Return the remedy of a finding in a run: its rows, those released with it, its state and the request that waits; None without one."""
    frame, findings = output(run, "remedies"), output(run, "findings")
    if frame is None or findings is None:
        return None
    mine = frame.filter(pl.col("finding_id") == finding_id).select("batch").unique().collect()
    if mine.is_empty():
        return None
    batch = str(mine["batch"].sort()[0])
    rows = frame.filter(pl.col("batch") == batch).collect()
    with store.read() as session:
        known = findings.select("finding_id").collect()
        journals = output(run, "golden/journal_line")
        ledger = None if journals is None else posted_entries(journals)
        state = next((each for each in batch_states(session, rows, known, run.run_id, ledger) if each.batch == batch), None)
        waiting = sa.select(Approval).where(Approval.action == RELEASE, Approval.subject == batch, Approval.state == "waiting")
        request = session.execute(waiting).scalars().first()
        asked = None if request is None else {
            "approval_id": request.approval_id, "requested_by": request.requested_by, "needs_role": request.needs_role
        }  # fmt: skip
    return {"batch": batch, "rows": rows, "state": "draft" if state is None else state.state, "request": asked,
            "compensation": [] if state is None else list(state.compensation)}  # fmt: skip


def draft_of(rows: pl.DataFrame) -> bytes:
    """Return the rows of a remedy as a file to upload, keyed so that a second upload is seen; no cell runs as a formula."""
    there = [each for each in _UPLOAD if each in rows.columns]
    return to_csv(rows.select(there), [Column(each, each) for each in there])
