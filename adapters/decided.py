"""What people decided before a run and the run goes by: posted entries, decided matches, attested estimates."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import polars as pl

from adapters.approved import APPROVED, approved_entries
from adapters.store.attestations import attested_estimates
from adapters.store.database import open_store
from adapters.store.match_decisions import decided_lines

MATCHES: Final = "decided_matches"
ESTIMATES: Final = "attested_estimates"
NAMES: Final = (APPROVED, MATCHES, ESTIMATES)
"""The names under which the stages find them, and of the files a run keeps them in."""

Decided = Mapping[str, pl.DataFrame]
"""By name the rows people decided; what nobody decided is not there."""


def decided_before(address: str, out: Path, scope: str, as_of: dt.date) -> dict[str, pl.DataFrame]:
    """Return what was decided for a scope on runs through a day. Raises UsageError when posted entries cannot be told."""
    found: dict[str, pl.DataFrame | None] = {APPROVED: approved_entries(address, out, scope, as_of)}
    store = open_store(address)
    try:
        with store.read() as session:
            found[MATCHES] = decided_lines(session, scope, as_of)
            found[ESTIMATES] = attested_estimates(session, scope, as_of)
    finally:
        store.close()
    return {name: frame for name, frame in found.items() if frame is not None}


def kept_decisions(inputs: Path) -> dict[str, pl.DataFrame]:
    """Return the decisions that a run kept among its inputs."""
    return {name: pl.read_parquet(inputs / f"{name}.parquet") for name in NAMES if (inputs / f"{name}.parquet").is_file()}


def as_inputs(decided: Decided) -> dict[str, bytes]:
    """Return the files that a run keeps of the decisions it was made with, by their name in `inputs`."""
    found = {}
    for name, frame in decided.items():
        content = io.BytesIO()
        frame.write_parquet(content)
        found[f"{name}.parquet"] = content.getvalue()
    return found


def fingerprint(rows: pl.DataFrame) -> str:
    """Return a hash of decided rows' content: with others it is another run."""
    told = rows.select(pl.col(name) for name in sorted(rows.columns) if not rows.schema[name].is_nested())
    return hashlib.sha256(told.sort(told.columns, nulls_last=True).write_csv().encode()).hexdigest()
