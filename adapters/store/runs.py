"""Runs in the store: a run is published when its folder stands and the store knows it, both or neither."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.publish import MANIFEST
from adapters.sight import with_places
from adapters.store.audit import RUNNER, now, record
from adapters.store.case_life import move_cases
from adapters.store.database import open_store
from adapters.store.tables import Run

_DATE: Final = re.compile(r"[-_. ]*\d{4}[-_.]?\d{2}[-_.]?\d{2}[-_. ]*")


def scope_of(manifest: dict[str, Any]) -> str:
    """Return whose snapshots these are: the snapshot's name without its date, so that nights follow each other."""
    name = _DATE.sub("", str(manifest["snapshot"] or "")).strip("-_. ")
    return name or "snapshot"


def enter_run(url: str, run_dir: Path, came_from: Mapping[str, str | None]) -> None:
    """Enter a complete run in the store at an address; does nothing for a run it knows.

    `came_from` names the folders of the snapshot and the previous one, so that it can be replayed.

    Raises StoreError when the store cannot be reached: the results stand, and running again enters them.
    """
    store = open_store(url)
    try:
        with store.write() as session:
            register_run(session, run_dir, came_from)
    finally:
        store.close()


def register_run(session: Session, run_dir: Path, came_from: Mapping[str, str | None] | None = None) -> Run | None:
    """Enter a run whose folder is complete, and move the cases; None when it is known already.

    A run of an earlier day than the cases already show is entered and moves nothing: the past is
    re-performed, not relived.
    """
    text = (run_dir / MANIFEST).read_text(encoding="utf-8")
    manifest = json.loads(text)
    known_run = session.get(Run, manifest["run_id"])
    if known_run is not None:
        # A purged run that was made again stands again.
        known_run.purged_at = known_run.evidence_purged_at = None
        return None
    scope, as_of = scope_of(manifest), dt.date.fromisoformat(manifest["as_of"])
    findings = pl.read_parquet(run_dir / "findings.parquet")
    latest = business_day(session, scope)
    moves = latest is None or as_of >= latest
    known = manifest.get("known_on")
    run = Run(
        run_id=manifest["run_id"], scope=scope, snapshot=manifest["snapshot"], as_of=as_of,
        known_on=None if known is None else dt.date.fromisoformat(known), policies_fingerprint=manifest["policies_fingerprint"],
        engine_version=manifest["engine_version"], schema_version=manifest["schema_version"],
        manifest_sha256=hashlib.sha256(text.encode()).hexdigest(), findings=findings.height, moved_cases=moves, published_at=now(),
        came_from=dict(came_from or {}),
    )  # fmt: skip
    session.add(run)
    session.flush()
    moved = move_cases(session, run, manifest, with_places(run_dir, findings.lazy()).collect()) if moves else {}
    record(session, RUNNER, "run.published", run.run_id, {"scope": scope, "as_of": as_of, "manifest": run.manifest_sha256, "cases": moved})
    return run


def business_day(session: Session, scope: str | None = None) -> dt.date | None:
    """Return the day people's work is judged on: that of the latest run that moved cases, of a scope or of all; None before the first."""
    query = sa.select(sa.func.max(Run.as_of)).where(Run.moved_cases)
    day = session.execute(query if scope is None else query.where(Run.scope == scope)).scalar()
    return day if isinstance(day, dt.date) else None


def list_runs(session: Session) -> list[Run]:
    """Return the runs, the latest published first."""
    query = sa.select(Run).order_by(Run.published_at.desc(), Run.as_of.desc(), Run.run_id)
    return list(session.execute(query).scalars())
