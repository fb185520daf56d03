"""Runs: which there are, the one before, and what changed between two."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from adapters.compare import compare_runs
from adapters.publish import read_manifest
from adapters.sight import EVERYTHING, tells_cost
from dashboard.views.tables import Column
from dashboard.views.workspace import RunEntry, output

COLUMNS: Final = (
    Column("as_of", "Business date", "date"),
    Column("scope", "Firm", filtered=True, searched=True),
    Column("snapshot", "Snapshot", searched=True),
    Column("findings", "Exceptions found", "count"),
    Column("published", "Published (UTC)", "date"),
    Column("run_id", "Run", searched=True),
)

FILE_COLUMNS: Final = (
    Column("source", "System", filtered=True),
    Column("path", "File", searched=True),
    Column("rows_read", "Rows read", "count"),
    Column("rows_used", "Used", "count"),
    Column("rows_held", "Held", "count"),
    Column("rows_set_aside", "Set aside", "count"),
    Column("failure", "Failure", "code", filtered=True),
    Column("sha256", "SHA-256", shown=False),
)


def runs_frame(runs: Sequence[RunEntry]) -> pl.LazyFrame:
    """Return the runs as rows."""
    rows = [
        {"as_of": each.as_of, "scope": each.scope, "snapshot": each.snapshot, "findings": _found(each), "published": each.published_at,
         "run_id": each.run_id}
        for each in runs
    ]  # fmt: skip
    schema = pl.Schema(
        {"as_of": pl.Date(), "scope": pl.String(), "snapshot": pl.String(), "findings": pl.Int64(), "published": pl.Datetime("us", "UTC"),
         "run_id": pl.String()}
    )  # fmt: skip
    return pl.LazyFrame(rows, schema=schema, orient="row")


@functools.lru_cache(maxsize=256)
def _found(run: RunEntry) -> int | None:
    """Return how many exceptions a run found, of those that a person sees."""
    if run.sight == EVERYTHING:
        return run.findings
    findings = output(run, "findings")
    return None if findings is None else int(findings.select(pl.len()).collect().item())


def run_before(runs: Sequence[RunEntry], run: RunEntry) -> RunEntry | None:
    """Return the firm's run of the day before, or the one published before on the same day."""
    same = [each for each in runs if each.scope == run.scope]
    place = next((index for index, each in enumerate(same) if each.run_id == run.run_id), None)
    return None if place is None or place + 1 >= len(same) else same[place + 1]


@functools.lru_cache(maxsize=32)
def _compared(earlier: Path, later: Path) -> dict[str, Any]:
    return compare_runs(earlier, later)


def compared(earlier: RunEntry, later: RunEntry) -> dict[str, Any]:
    """Return what differs between two runs, with its cause. Raises StoreError when one cannot be read."""
    found = _compared(earlier.folder, later.folder)
    if later.sight == EVERYTHING:
        return found
    parts = {name: _seen_rows(run, found[name]) for name, run in (("opened", later), ("closed", earlier), ("changed", later))}
    # Figures, rows and files are of the whole firm.
    whole = {**found, "kpis": [each for each in found["kpis"] if later.sight.cost_rates or not tells_cost(each["kpi"], each["dimension"])]}
    if not later.sight.is_whole:
        whole |= {"kpis": [], "rows": {}, "contents": {}, "files": {}, "decisions": {}}
    return {**whole, **parts}


def _seen_rows(run: RunEntry, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    findings = output(run, "findings")
    if findings is None or not rows:
        return []
    ids = set(findings.select("finding_id").collect()["finding_id"].to_list())
    return [each for each in rows if each["finding_id"] in ids]


def files_frame(run: RunEntry) -> pl.LazyFrame:
    """Return the files a run read, with their rows counted."""
    rows = [
        {name: each.get(name) for name in ("source", "path", "rows_read", "rows_used", "rows_held", "failure", "sha256")}
        | {"rows_set_aside": sum(each["rows_set_aside"].values())}
        for each in read_manifest(run.folder)["files"]
    ]
    counts = dict.fromkeys(("rows_read", "rows_used", "rows_held", "rows_set_aside"), pl.Int64)
    schema = {"source": pl.String, "path": pl.String, **counts, "failure": pl.String, "sha256": pl.String}
    return pl.LazyFrame(rows, schema=schema, orient="row")
