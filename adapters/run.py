"""A run: read, decide, publish. The one place that wires readers, policies, stages and results."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from adapters.ahead import AheadWriter
from adapters.alerts import tell_news
from adapters.approved import APPROVED
from adapters.decided import Decided, as_inputs, decided_before, fingerprint
from adapters.policy_folder import SHIPPED, policy_files, require_policies
from adapters.publish import MANIFEST, Encoded, is_published, publish_run, remove_leftovers
from adapters.quality import DocsWriter
from adapters.quality_gate import INDEX, data_docs, docs_suites, through_gate
from adapters.remedies import draft_files
from adapters.snapshot import FileAccount, SnapshotRead, read_snapshot
from adapters.snapshot_file import SNAPSHOT_FILE, load_snapshot_file
from adapters.store.database import open_store, store_url
from adapters.store.policy_versions import require_approved, require_approved_mappings
from adapters.store.runs import enter_run, scope_of
from engine.canonical.schema import SCHEMA_VERSION
from engine.errors import StoreError
from engine.findings import finish_findings, severity_rank
from engine.pipeline import GOLDEN, findings_by_rule, run_stages
from engine.policy.kinds.alerts import AlertsPolicy
from engine.policy.kinds.quality import QualityPolicy
from engine.policy.kinds.registry import KINDS
from engine.policy.kinds.run import RunPolicy
from engine.policy.loaded import PolicySet
from engine.policy.unknown import misnamed_systems
from engine.readings import HELD_SCHEMA, reading_findings
from engine.remedies import propose_remedies
from engine.stage import Context, StageResult

RUN_ID_LENGTH = 16
_SEVERITY_DEFAULT = "high"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class RunOutcome:
    """Hold a run's folder and what a summary needs."""

    run_id: str
    run_dir: Path
    manifest: dict[str, Any]
    is_new: bool
    fails: bool


def run_snapshot(
    snapshot: Path,
    *,
    policies: Path = SHIPPED,
    mappings: Path | None = None,
    as_of: dt.date | None = None,
    previous: Path | None = None,
    out: Path = Path("runs"),
    store: str | None = None,
    known_on: dt.date | None = None,
    decided: Decided | None = None,
    check_approval: bool = True,
    progress: Progress = lambda _: None,
) -> RunOutcome:
    """Run a snapshot against policies and publish the result; a run that stands already is returned.

    `decided`: what people decided before (entries posted, matches, estimates); where it is not given, what the store
    knows of this snapshot's scope.

    The run's folder comes first, then its entry in the store, where its findings move the cases; a
    crash between the two is made good by running again.

    Where the run policy asks for approved policies or mappings, others are refused (`check_approval`: a run performed
    again is not asked).

    Raises TieoutError subclasses: wrong usage, policies with mistakes, results that cannot be written.
    """
    policy_set = require_policies(policies)
    demand = policy_set.run_policy(as_of or load_snapshot_file(snapshot).as_of) if check_approval else None
    if demand is not None and (demand.approved_policies or demand.approved_adapters):
        # The store that says what is approved may stand in a folder that no run has made yet.
        out.mkdir(parents=True, exist_ok=True)
    if demand is not None and demand.approved_policies is not None:
        require_approved(store_url(out, store), policy_set, signed_in=demand.approved_policies == "signed_in")
    with data_docs(policy_set) as docs:
        return _run(
            snapshot, policies, policy_set, mappings, as_of, previous, out, store, known_on, decided, docs, progress,
            mappings_approved=None if demand is None else demand.approved_adapters,
        )  # fmt: skip


def _run(
    snapshot: Path, policies: Path, policy_set: PolicySet, mappings: Path | None, as_of: dt.date | None, previous: Path | None, out: Path,
    store: str | None, known_on: dt.date | None, decided: Decided | None, docs: DocsWriter | None, progress: Progress,
    *, mappings_approved: str | None,
) -> RunOutcome:  # fmt: skip
    progress("Reading the snapshot")
    read = read_snapshot(snapshot, mappings)
    if mappings_approved is not None:
        used = {name: each.fingerprint for name, each in read.mappings.items()}
        require_approved_mappings(store_url(out, store), used, signed_in=mappings_approved == "signed_in")
    before = None if previous is None else read_snapshot(previous, mappings)
    context = Context(as_of or read.file.as_of, known_on, policy_set.holidays())
    came_from = {"snapshot": str(snapshot.resolve()), "previous": None if previous is None else str(previous.resolve())}
    if decided is None:
        decided = known_decisions(store_url(out, store), out, scope_of({"snapshot": read.file.snapshot}), context.as_of)
    run_id = run_id_of(read, before, policy_set, context, decided)
    if is_published(out, run_id):
        manifest = json.loads((out / run_id / MANIFEST).read_text(encoding="utf-8"))
        enter_run(store_url(out, store), out / run_id, came_from)
        return RunOutcome(run_id, out / run_id, manifest, is_new=False, fails=_fails(manifest, policy_set))
    remove_leftovers(out)
    progress("Judging the records' quality")
    found = [found_while_reading(read, before, policy_set, context)]
    gated = through_gate(read, policy_set, context)
    read = gated.read
    if docs is not None:
        docs.tell(docs_suites(policy_set, gated.checks, run_id, str(context.as_of)))
    progress("Deciding")
    found += gated.result.findings
    said = {name: frame.lazy() for name, frame in decided.items()}
    with AheadWriter() as ahead:
        result = run_stages(
            read.facts, policy_set, context, None if before is None else before.facts, found, said, on_made=ahead.begin
        )  # fmt: skip
        outputs = ahead.ready(result.frames)
    result.not_applicable = [*gated.result.not_applicable, *result.not_applicable]
    findings = finish_findings(*result.findings)
    remedies = _remedies(findings, policy_set, context, result, decided)
    progress("Writing the results")
    frames = {"findings": findings, "held": _sorted_held(read.held), "quality/checks": gated.checks, "remedies": remedies, **outputs}
    manifest = _manifest(run_id, read, before, policy_set, context, decided, result, frames, findings)
    pages = draft_files(remedies, read)
    pages |= {} if docs is None else docs.pages()
    run_dir = publish_run(out, run_id, frames, manifest, _inputs(policies, read) | as_inputs(decided), pages)
    enter_run(store_url(out, store), run_dir, came_from)
    for problem in _tell(store_url(out, store), out, run_id, policy_set):
        progress(problem)
    return RunOutcome(run_id, run_dir, manifest, is_new=True, fails=_fails(manifest, policy_set))


def _remedies(findings: pl.DataFrame, policy_set: PolicySet, context: Context, result: StageResult, decided: Decided) -> pl.DataFrame:
    """Return what is proposed for the findings, beside the entries and the periods of the run."""
    entries, periods = (
        None if (found := result.frames.get(name)) is None else found.collect() for name in ("journal", f"{GOLDEN}fiscal_period")
    )
    signed = frozenset(decided[APPROVED]["contract_id"].drop_nulls()) if APPROVED in decided else frozenset()
    return propose_remedies(findings, policy_set, context, entries, periods, signed)


def known_decisions(address: str, out: Path, scope: str, as_of: dt.date) -> Decided:
    """Return what people decided; a store that is not there yet knows nothing, one that fails says so when the run is entered."""
    try:
        return decided_before(address, out, scope, as_of)
    except StoreError:
        return {}


def _tell(address: str, out: Path, run_id: str, policies: PolicySet) -> list[str]:
    """Tell the channels of the alerts policy what is news; return what went wrong, which never stops a run."""
    if not policies.of_kind(AlertsPolicy):
        return []
    store = open_store(address)
    try:
        return tell_news(store, out, run_id, policies)
    finally:
        store.close()


def _inputs(policies: Path, read: SnapshotRead) -> dict[str, bytes]:
    """Return the policies and mappings a run was made with, by their path in its `inputs` folder."""
    found = {f"policies/{name}": content for name, content in policy_files(policies).items()}
    return found | {f"mappings/{name}.yaml": each.text.encode() for name, each in read.mappings.items() if each.text}


def _fails(manifest: dict[str, Any], policies: PolicySet) -> bool:
    policy = policies.run_policy(dt.date.fromisoformat(manifest["as_of"]))
    threshold = severity_rank(_SEVERITY_DEFAULT if policy is None else policy.fail_on)
    return any(severity_rank(each["severity"]) >= threshold for each in manifest["findings"])


def found_while_reading(read: SnapshotRead, before: SnapshotRead | None, policies: PolicySet, context: Context) -> pl.DataFrame:
    """Return the findings about the reading itself."""
    failures = [
        {"path": each.path, "source": each.source, "reason": each.failure, "message": each.message, "remedy": each.remedy}
        for each in read.files
        if each.failure is not None
    ]
    sources = [(each.system, each.extracted_at) for each in read.file.sources]
    fingerprints = {name: each.fingerprint for name, each in read.mappings.items()}
    earlier = [] if before is None else [each.system for each in before.file.sources]
    demand = policies.run_policy(context.as_of)
    unknown = [
        {"source": each.source, "path": each.path, "entity": one.entity, "name": one.name, "near": one.near, "is_deeper": one.is_deeper}
        for each in read.files
        for one in each.unknown
    ]
    misnamed = misnamed_systems(policies.policies, [each.system for each in read.file.sources])
    return reading_findings(
        read.held, failures, read.expectations, sources, read.empty_sources, fingerprints, demand, context, earlier, unknown, misnamed,
        _not_there(read, before, demand),
    )  # fmt: skip


def _not_there(read: SnapshotRead, before: SnapshotRead | None, demand: RunPolicy | None) -> dict[tuple[str, str], str]:
    """Return, by system and entity, why a file of it should be there: the previous snapshot had records, or the run policy demands it.

    A system without any file is another finding. An export without rows is there, and so is a file that cannot be read.
    """
    exported = {each.source for each in read.files if each.entities or each.failure}
    there = {(each.source, name) for each in read.files for name in each.entities} | {(system, name) for name, system in read.facts.stated}
    required = {} if demand is None else demand.required_records
    missing = {(system, name): "which the run policy requires" for system, names in required.items() for name in names}
    for name, system in () if before is None else before.facts.stated:
        frame = None if before is None or (system, name) in there else before.facts.records.get(name)
        if frame is not None and (count := frame.filter(pl.col("source_system") == system).select(pl.len()).collect().item()):
            missing[system, name] = f"of which the previous snapshot had {count:,} record{'' if count == 1 else 's'}"
    return {key: why for key, why in sorted(missing.items()) if key[0] in exported and key not in there}


def _ageless(read: SnapshotRead, policies: PolicySet, as_of: dt.date) -> list[tuple[str, str]]:
    """Return the run policy with each system whose age it cannot judge."""
    policy = policies.run_policy(as_of)
    if policy is None or policy.freshness is None:
        return []
    unknown = dict.fromkeys(each.system for each in read.file.sources if each.extracted_at is None)
    return [(policy.id, f"the snapshot does not say when {system} was exported, so its age is not known") for system in unknown]


def _sorted_held(held: pl.DataFrame) -> pl.DataFrame:
    return held.select(list(HELD_SCHEMA)).sort(list(HELD_SCHEMA), nulls_last=True)


@functools.cache
def engine_version() -> str:
    """Return the hash of Tieout's own source: another engine is another run."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for folder in ("engine", "adapters"):
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\x1f" + path.read_bytes() + b"\x1e")
    return digest.hexdigest()[:RUN_ID_LENGTH]


def run_id_of(
    read: SnapshotRead, before: SnapshotRead | None, policies: PolicySet, context: Context, decided: Decided | None = None
) -> str:
    """Return the id of a run: the hash of everything that decides its content."""
    parts = {
        "snapshot": _content(read),
        "previous": None if before is None else _content(before),
        "policies": policies.fingerprint,
        "mappings": {name: each.fingerprint for name, each in read.mappings.items()},
        "engine": engine_version(),
        "schema": SCHEMA_VERSION,
        "as_of": str(context.as_of),
        "known_on": str(context.known_on),
    }
    parts |= {name: fingerprint(frame) for name, frame in (decided or {}).items()}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:RUN_ID_LENGTH]


def _content(read: SnapshotRead) -> dict[str, str]:
    found = {each.path: each.sha256 for each in read.files}
    path = read.root / SNAPSHOT_FILE
    found[SNAPSHOT_FILE] = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
    return found


def _file_entry(each: FileAccount) -> dict[str, Any]:
    return {
        "path": each.path, "source": each.source, "sha256": each.sha256, "rows_read": each.rows_read,
        "rows_used": each.rows_used, "rows_held": each.rows_held, "rows_set_aside": each.set_aside,
        "failure": each.failure, "position": each.position,
    }  # fmt: skip


def _manifest(
    run_id: str, read: SnapshotRead, before: SnapshotRead | None, policies: PolicySet, context: Context,
    decided: Decided, result: StageResult, frames: Mapping[str, pl.DataFrame | Encoded], findings: pl.DataFrame,
) -> dict[str, Any]:  # fmt: skip
    return {
        "run_id": run_id,
        "snapshot": read.file.snapshot,
        "previous_snapshot": None if before is None else before.file.snapshot,
        "schema_version": SCHEMA_VERSION,
        "engine_version": engine_version(),
        "as_of": str(context.as_of),
        "known_on": None if context.known_on is None else str(context.known_on),
        "files": [_file_entry(each) for each in sorted(read.files, key=lambda each: (each.path, each.source))],
        "inputs": {
            "snapshot": _content(read)[SNAPSHOT_FILE], "previous": None if before is None else _content(before),
            "decided": {name: fingerprint(frame) for name, frame in sorted(decided.items())},
        },
        "header_changes": _header_changes(read, before),
        "policies": [
            {"id": each.policy.id, "kind": each.policy.policy, "file": each.document.source.file,
             "fingerprint": each.fingerprint}
            for each in policies.policies
        ],
        "policies_fingerprint": policies.fingerprint,
        "rules": _rule_places(policies),
        "mappings": {name: each.fingerprint for name, each in sorted(read.mappings.items())},
        "not_applicable": [
            {"policy": name, "why": why}
            for name, why in (*_ageless(read, policies, context.as_of), *policies.out_of_force(context.as_of), *result.not_applicable)
        ],
        "control_totals": read.expectations,
        "counts": {name: frame.height for name, frame in sorted(frames.items())},
        "findings": findings_by_rule(findings),
        "data_docs": INDEX if policies.of_kind(QualityPolicy) else None,
    }  # fmt: skip


def _rule_places(policies: PolicySet) -> dict[str, dict[str, Any]]:
    """Return by `policy file#rule` where every rule stands, its sentence and its reference."""
    places: dict[str, dict[str, Any]] = {}
    for loaded in policies.policies:
        for rule in KINDS[loaded.policy.policy].rules(loaded.policy, loaded.document, loaded.sheet):
            place = {"file": rule.span.file, "line": rule.span.line, "says": rule.says, "reference": rule.reference}
            places[f"{loaded.document.source.file}#{rule.rule}"] = place
    return places


def _header_changes(read: SnapshotRead, before: SnapshotRead | None) -> list[dict[str, Any]]:
    """Return the columns that came and went in each file since the previous snapshot."""
    if before is None:
        return []
    earlier = {(each.source, each.path): set(each.columns) for each in before.files}
    changes = []
    for each in sorted(read.files, key=lambda one: (one.path, one.source)):
        known, now = earlier.get((each.source, each.path)), set(each.columns)
        if known is not None and known != now:
            changes.append({"path": each.path, "added": sorted(now - known), "removed": sorted(known - now)})
    return changes
