"""The readiness board: what still stands between a period and its close, line by line."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.publish import read_manifest
from adapters.store.audit import verify
from adapters.store.tables import Case
from engine.errors import StoreError
from engine.policy.kinds.close import ClosePolicy


@dataclass(frozen=True, slots=True)
class BoardLine:
    """One question of the board: its answer, and whether it blocks the close."""

    question: str
    answer: str
    blocks: bool


def output(run_dir: Path, name: str, *columns: str) -> pl.DataFrame | None:
    """Return an output of a run, or some columns of it, or None when the run has none of that name."""
    path = run_dir / f"{name}.parquet"
    if not path.is_file():
        return None
    try:
        return pl.read_parquet(path, columns=list(columns) or None)
    except pl.exceptions.PolarsError as error:
        raise StoreError(f"The file {name}.parquet of the run {run_dir.name} is damaged.", "Run its snapshot again.") from error


def board(session: Session, run_dir: Path, scope: str, period: str, policy: ClosePolicy) -> list[BoardLine]:
    """Return the board of a period as a run and the cases of its scope show it."""
    manifest = read_manifest(run_dir)
    lines = _cases(session, scope, policy)
    lines += _sources(manifest)
    lines.append(_freshness(manifest, period_end(run_dir, period), policy))
    lines.append(_tie_outs(output(run_dir, "reconciliations"), period, policy))
    lines.append(_entries(output(run_dir, "journal", "period", "batch_id"), period))
    held = output(run_dir, "held")
    count = 0 if held is None else held.select("file", "row").unique().height
    lines.append(BoardLine("rows held", f"{count:,}" if count else "none", count > 0))
    _, problem = verify(session)
    lines.append(BoardLine("audit log", "whole" if problem is None else problem, problem is not None))
    return lines


def _cases(session: Session, scope: str, policy: ClosePolicy) -> list[BoardLine]:
    query = sa.select(Case.severity, sa.func.count()).where(Case.scope == scope, Case.state == "open").group_by(Case.severity)
    counts = {str(row[0]): int(row[1]) for row in session.execute(query).all()}
    return [
        BoardLine(f"open cases, {severity}", f"{counts.get(severity, 0):,}", counts.get(severity, 0) > 0 and severity in policy.blocked_by)
        for severity in ("critical", "high", "medium", "low")
    ]


def _sources(manifest: dict[str, Any]) -> list[BoardLine]:
    unread = sorted({each["path"] for each in manifest["files"] if each["failure"]})
    kinds = {each["rule"] for each in manifest["findings"]}
    missing = sorted(kinds & {"missing_source", "source_missing", "source_empty"})
    answer = ", ".join([*unread, *(name.replace("_", " ") for name in missing)])
    unapproved = "mapping_changed" in kinds
    return [
        BoardLine("missing or unreadable sources", answer or "none", bool(answer)),
        BoardLine("mappings changed since their approval", "yes" if unapproved else "none", unapproved),
    ]


def _freshness(manifest: dict[str, Any], end: dt.date | None, policy: ClosePolicy) -> BoardLine:
    as_of = dt.date.fromisoformat(manifest["as_of"])
    if end is None:
        return BoardLine("snapshot", f"as of {as_of}", blocks=False)
    late = (as_of - end).days
    if late < 0:
        return BoardLine("snapshot", f"as of {as_of}, before the period ends on {end}", blocks=True)
    return BoardLine("snapshot", f"as of {as_of}, {late} days after the period's end", late > policy.snapshot_within_days)


def period_end(run_dir: Path, period: str) -> dt.date | None:
    """Return the last day of a period: of the fiscal calendars of a run that name it, the latest, else of the month; None for no period."""
    calendars = output(run_dir, "golden/fiscal_period", "period", "end_date")
    end = None if calendars is None else calendars.filter(pl.col("period") == period)["end_date"].max()
    if isinstance(end, dt.date):
        return end
    try:
        first = dt.date.fromisoformat(f"{period}-01")
    except ValueError:
        return None
    return (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)


def _tie_outs(frame: pl.DataFrame | None, period: str, policy: ClosePolicy) -> BoardLine:
    question = "tie-outs with an unexplained difference"
    if frame is None:
        return BoardLine(question, "no tie-out was made", blocks=True)
    within = frame.filter(pl.col("period").is_null() | (pl.col("period") <= period))
    above = pl.col("unexplained").abs() > pl.lit(policy.unexplained_above).cast(pl.Decimal(38, 6))
    # What cannot be compared does not tie.
    wrong = within.filter(above | (pl.col("status") == "not_comparable"))
    names = sorted(set(wrong["reconciliation"].to_list()))
    return BoardLine(question, ", ".join(names) if names else "none", bool(names))


def _entries(frame: pl.DataFrame | None, period: str) -> BoardLine:
    question = "proposed entries not approved"
    if frame is None or frame.height == 0:
        return BoardLine(question, "none", blocks=False)
    batches = frame.filter(pl.col("period") == period)["batch_id"].n_unique()
    answer = "none" if not batches else "1 batch is a draft" if batches == 1 else f"{batches:,} batches are drafts"
    return BoardLine(question, answer, blocks=False)
