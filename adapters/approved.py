"""Entries that were approved before: the batches of locked periods, taken from the runs their closes rest on."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Final

import polars as pl
import sqlalchemy as sa

from adapters.close.period import LOCKED
from adapters.store.database import open_store
from adapters.store.tables import PeriodClose, Run
from engine.errors import UsageError

APPROVED: Final = "approved_entries"
"""The name under which the stages find them."""

_JOURNAL: Final = "journal.parquet"


def approved_entries(address: str, out: Path, scope: str, as_of: dt.date) -> pl.DataFrame | None:
    """Return the revenue entries of every period of a scope that is locked, through as_of; None when there are none.

    A period's entries are those of the run its close rests on; two people signed for them. A reopened period's are
    drafts again.

    Raises UsageError when the results of such a run are not there, or not as they were signed: what was posted could not be told.
    """
    store = open_store(address)
    try:
        with store.read() as session:
            query = sa.select(PeriodClose, Run.as_of).join(Run, Run.run_id == PeriodClose.run_id).where(PeriodClose.scope == scope)
            latest = {close.period: (close, day) for close, day in session.execute(query.order_by(PeriodClose.close_id))}
            locked = sorted(
                (period, close.run_id, (close.certificate.get("results") or {}).get(_JOURNAL))
                for period, (close, day) in latest.items()
                if close.state == LOCKED and day <= as_of
            )
    finally:
        store.close()
    found = [_of_period(out / run_id, period, signed) for period, run_id, signed in locked]
    rows = [frame for frame in found if frame.height]
    return pl.concat(rows, how="diagonal_relaxed").sort("batch_id", "journal_id", "line") if rows else None


def _of_period(run_dir: Path, period: str, signed: str | None) -> pl.DataFrame:
    """Return the entries of a period; `signed` is the hash of the journal under the certificate, None where it had none."""
    if not run_dir.is_dir():
        raise UsageError(
            f"The run {run_dir.name} that the close of {period} rests on is not there: what was posted cannot be told.",
            "Bring its folder back, or make the run again from its snapshot.",
        )
    journal = run_dir / _JOURNAL
    there = hashlib.sha256(journal.read_bytes()).hexdigest() if journal.is_file() else None
    if signed is not None and there != signed:
        what = "is gone" if there is None else "was altered"
        raise UsageError(
            f"The journal of the run {run_dir.name} that the close of {period} rests on {what}: what was posted cannot be told.",
            "Bring the file back as it was signed, from the auditor's bundle or a backup.",
        )
    if there is None:
        return pl.DataFrame()
    entries = pl.read_parquet(journal)
    # Adjustments of a tie-out are batches of their policy, not of a period.
    return entries.filter((pl.col("period") == period) & pl.col("batch_id").str.ends_with(f"|{period}"))
