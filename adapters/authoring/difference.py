"""Two policy folders over one snapshot: what the rules say differently, and the money that moves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from adapters.policy_folder import require_policies
from adapters.publish import is_published
from adapters.quality_gate import through_gate
from adapters.run import found_while_reading, known_decisions, run_id_of
from adapters.snapshot import SnapshotRead, read_snapshot
from adapters.store.database import store_url
from adapters.store.runs import scope_of
from engine.findings import finish_findings
from engine.impact import Decided, Impact, Reach, Sided, decide_both, decide_whole, impact_rows, measure_impact, reach_of
from engine.ownership import decide_ownership
from engine.pipeline import GOLDEN
from engine.policy.difference import RuleChange, policy_changes
from engine.policy.loaded import PolicySet
from engine.stage import Context, Facts

_BEFORE: Final = ("read", "quality", "ownership")


@dataclass(frozen=True)
class PolicyDifference:
    """Hold what differs between two folders: rules, and what it does to the books (None without a snapshot).

    `contracts` says by stage how many contracts were decided again (None: all); `run_id` names the
    published run whose figures stand for the old folder.
    """

    changes: list[RuleChange]
    impact: Impact | None
    as_of: dt.date | None = None
    contracts: Mapping[str, int | None] | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class Against:
    """Say what folders are compared on: a snapshot, and where runs of it may stand published."""

    snapshot: Path
    previous: Path | None = None
    mappings: Path | None = None
    as_of: dt.date | None = None
    out: Path = Path("runs")


def policy_difference(old: Path, new: Path, against: Against | None, progress: Callable[[str], None] = lambda _: None) -> PolicyDifference:
    """Compare two policy folders; with a snapshot, decide both over it as far as the change reaches.

    Raises PolicyError when a folder has mistakes, UsageError and SnapshotError as a run does.
    """
    before, after = require_policies(old), require_policies(new)
    changes = policy_changes(before, after)
    if against is None:
        return PolicyDifference(changes, None)
    reach = reach_of(changes)
    progress("Reading the snapshot")
    read = read_snapshot(against.snapshot, against.mappings)
    earlier = None if against.previous is None else read_snapshot(against.previous, against.mappings)
    as_of = against.as_of or read.file.as_of
    if reach.is_nothing:
        return PolicyDifference(changes, measure_impact(Sided(), Sided(), read.facts), as_of, {})
    progress("Deciding by both folders, as far as the change reaches")
    if reach.everything:
        sides = [_whole(read, earlier, each, as_of) for each in (before, after)]
        facts = agreed_records(read, earlier, before, context_of(before, as_of), None)[0]
        impact = measure_impact(sides[0], sides[1], facts)
        return PolicyDifference(changes, impact, as_of, dict.fromkeys(("billing", "revenue", "reconciliation")))
    return _reached(changes, read, earlier, before, after, as_of, reach, against.out)


def context_of(policies: PolicySet, as_of: dt.date) -> Context:
    """Return the context in which a folder decides as of a day."""
    return Context(as_of, None, policies.holidays())


def _whole(read: SnapshotRead, earlier: SnapshotRead | None, policies: PolicySet, as_of: dt.date) -> Sided:
    context = context_of(policies, as_of)
    gated = through_gate(read, policies, context)
    found = [found_while_reading(read, earlier, policies, context), *gated.result.findings]
    return decide_whole(gated.read.facts, policies, context, None if earlier is None else earlier.facts, found)


def _reached(
    changes: list[RuleChange], read: SnapshotRead, earlier: SnapshotRead | None, before: PolicySet, after: PolicySet, as_of: dt.date,
    reach: Reach, out: Path,
) -> PolicyDifference:  # fmt: skip
    context = context_of(before, as_of)
    decided_before = known_decisions(store_url(out), out, scope_of({"snapshot": read.file.snapshot}), as_of)
    run_id = run_id_of(read, earlier, before, context, decided_before)
    published = _published(out / run_id) if is_published(out, run_id) else None
    facts, found = agreed_records(read, earlier, before, context, published)
    facts = facts.with_outputs({name: frame.lazy() for name, frame in decided_before.items()})
    decided = decide_both(facts, before, after, context, reach, None if published is None else published.outputs, found)
    impact = measure_impact(decided.old, decided.new, facts)
    return PolicyDifference(changes, impact, as_of, _counted(decided), None if published is None else run_id)


def _counted(decided: Decided) -> dict[str, int | None]:
    return {stage: None if contracts is None else len(contracts) for stage, contracts in decided.contracts.items()}


@dataclass(frozen=True)
class Published:
    """Hold a published run's frames: agreed records and outputs, read when they are needed."""

    golden: dict[str, pl.LazyFrame]
    outputs: dict[str, pl.LazyFrame]
    findings: pl.DataFrame


def _published(run_dir: Path) -> Published:
    golden = {path.stem: pl.scan_parquet(path) for path in sorted((run_dir / "golden").glob("*.parquet"))}
    outputs = {path.stem: pl.scan_parquet(path) for path in sorted(run_dir.glob("*.parquet"))}
    return Published(golden, outputs, pl.read_parquet(run_dir / "findings.parquet"))


def agreed_records(
    read: SnapshotRead, earlier: SnapshotRead | None, policies: PolicySet, context: Context, published: Published | None
) -> tuple[Facts, pl.DataFrame]:  # fmt: skip
    """Return the agreed records with the systems' own beside them, and the findings of the stages before billing."""
    gated = through_gate(read, policies, context)
    owned = decide_ownership(gated.read.facts, policies, context, None if earlier is None else earlier.facts)
    if published is not None:
        found = published.findings.filter(pl.col("stage").is_in(_BEFORE))
        return replace(gated.read.facts, records=published.golden, sources=owned.sources), found
    golden = {name.removeprefix(GOLDEN): frame.collect().lazy() for name, frame in owned.frames.items() if name.startswith(GOLDEN)}
    found = finish_findings(found_while_reading(read, earlier, policies, context), *gated.result.findings, *owned.findings)
    return replace(gated.read.facts, records=golden, sources=owned.sources), found


def difference_as_json(difference: PolicyDifference, most: int) -> dict[str, Any]:
    """Return a difference as plain values: every change, and at most so many rows of each frame."""
    impact = difference.impact
    return {
        "as_of": difference.as_of, "base_run": difference.run_id, "contracts_decided_again": difference.contracts,
        "changes": [
            {"policy": each.policy, "kind": each.kind, "version": each.version, "subject": each.subject, "did": each.did,
             "place": each.place, "cells": [{"column": column, "was": was, "now": now} for column, was, now in each.cells]}
            for each in difference.changes
        ],
        "counts": None if impact is None else {name: getattr(impact, name).height for name in Impact.__slots__},
        **({} if impact is None else impact_rows(impact, most)),
    }  # fmt: skip
