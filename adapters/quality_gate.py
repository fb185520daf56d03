"""The quality gate in a run: what fails is held and counted as held, and Data Docs are made beside the run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from adapters.quality import DOCS, DocsWriter, suites_of
from adapters.snapshot import FileAccount, SnapshotRead
from engine.policy.kinds.quality import QualityPolicy, read_suite
from engine.policy.loaded import PolicySet
from engine.quality import CLEAN, HELD, check_quality
from engine.stage import Context, StageResult

SWITCH: Final = "TIEOUT_DATA_DOCS"
"""Set to `off`, no Data Docs are made: the gate's verdicts stand in quality/checks.parquet all the same."""

INDEX: Final = f"{DOCS}/index.html"


@dataclass(frozen=True, slots=True)
class Gated:
    """Hold what is left of a snapshot after the gate, and what the gate made."""

    read: SnapshotRead
    result: StageResult
    checks: pl.DataFrame


def through_gate(read: SnapshotRead, policies: PolicySet, context: Context) -> Gated:
    """Judge what was read; records that are held leave it, and rows read = used + held + set aside stays true."""
    result = check_quality(read.facts, policies, context)
    checks = result.frames.pop("quality_checks").collect()
    held = result.frames.pop(HELD).collect()
    clean = {name.removeprefix(CLEAN): result.frames.pop(name) for name in list(result.frames) if name.startswith(CLEAN)}
    if not held.height:
        return Gated(read, result, checks)
    facts = replace(read.facts, records={**read.facts.records, **clean})
    files = _recounted(read, held)
    return Gated(replace(read, facts=facts, held=pl.concat([read.held, held]), files=files), result, checks)


def _recounted(read: SnapshotRead, held: pl.DataFrame) -> list[FileAccount]:
    """Count the rows that the gate held as held; a row that was held already, or holds several records, counts once."""
    place = ["file", "row"]
    newly = held.select(place).unique().join(read.held.select(place).unique(), on=place, how="anti")
    counts = dict(newly.group_by("file").len().iter_rows())
    return [
        replace(each, rows_used=each.rows_used - counts.get(each.path, 0), rows_held=each.rows_held + counts.get(each.path, 0))
        for each in read.files
    ]


@contextlib.contextmanager
def data_docs(policies: PolicySet) -> Iterator[DocsWriter | None]:
    """Start making Data Docs, where there are suites and nobody switched it off."""
    if not policies.of_kind(QualityPolicy) or os.environ.get(SWITCH) == "off":
        yield None
        return
    with DocsWriter() as writer:
        yield writer


def docs_suites(policies: PolicySet, checks: pl.DataFrame, run_id: str, as_of: str) -> list[dict[str, Any]]:
    """Return every suite that was judged, with its verdicts, as the writer of Data Docs needs it."""
    suites: dict[str, Mapping[str, Any]] = {}
    for loaded, policy in policies.of_kind(QualityPolicy):
        text = "" if loaded.sheet is None else loaded.sheet.text or ""
        parts = [{"rule": each.rule, "type": each.type, "kwargs": _plain(each.kwargs)} for each in read_suite(policy.id, text)]
        suites[policy.id] = {"entity": policy.entity, "expectations": parts}
    return suites_of(checks.to_dicts(), suites, run_id, as_of)


def _plain(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return an expectation's settings with numbers as the library's pages show them."""
    return {name: value if isinstance(value, str | int | bool | list) or value is None else float(value) for name, value in kwargs.items()}
