"""The auditor's bundle: everything it takes to perform a closed period again, offline, in one archive."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.close.period import altered_lines, refuse_altered, signatures
from adapters.safe_cells import safe_cell
from adapters.store.tables import AuditEntry, Case, PeriodClose, Run
from engine.errors import StoreError, UsageError

# A fixed date, so that the same close gives the same archive.
_DATED: Final = (1980, 1, 1, 0, 0, 0)
_CASE_COLUMNS: Final = (
    "case_id", "state", "severity", "rule", "entity", "entity_id", "contract_id", "amount", "currency", "message", "opened_on",
    "resolved_on", "resolution", "reason_code", "assignee",
)  # fmt: skip

AUDIT_COLUMNS: Final = ("sequence", "at", "actor", "identity", "action", "subject", "body", "previous_hash", "hash")

CONTENTS: Final = "contents.json"
"""The hash of every other file of a bundle."""
CERTIFICATE: Final = "certificate.json"
AUDIT: Final = "audit.json"
"""The audit log to the letter, an entry a line."""

_README: Final = """The close of {period}
=====================

contents.json      the hash of every file below
certificate.json   what was signed, with the hashes of the results and the exports, and the signatures
run/               the results, with the policies and mappings they were made with (run/inputs)
snapshot/          the exports as the systems wrote them{previous}
cases.csv          every case with its state
audit.csv          the log of what people did, each entry carrying the hash of the one before
audit.json         the same to the letter: cells of the CSV are made safe for spreadsheet programs

To see whether a file of this archive was altered, added or taken out:

    tieout close verify ARCHIVE

To perform the close again, with Tieout of the engine version {engine}:

    tieout replay run --snapshot snapshot{option}

It runs the exports against the policies in run/inputs and compares every result to the byte.
"""


def write_bundle(session: Session, close: PeriodClose, out: Path, target: Path) -> int:
    """Write the bundle of a close; return how many files it holds.

    Raises UsageError when the snapshot's folder is not where the run found it, or the evidence is not what was signed;
    StoreError when the archive cannot be written.
    """
    run = session.get(Run, close.run_id)
    if run is None:
        raise UsageError(f"The run {close.run_id} is not in the store.", "")
    refuse_altered(altered_lines(session, close, out))
    folders = {"run": out / close.run_id, "snapshot": _folder(run, "snapshot")}
    if run.came_from.get("previous"):
        folders["previous"] = _folder(run, "previous")
    log = list(session.execute(sa.select(AuditEntry).order_by(AuditEntry.sequence)).scalars())
    cases = sa.select(Case).where(Case.scope == close.scope).order_by(Case.case_id)
    texts = {
        "README.txt": _readme(close.period, run.engine_version, has_previous="previous" in folders),
        CERTIFICATE: json.dumps(_certificate(session, close), indent=2, sort_keys=True, ensure_ascii=False) + "\n",
        "cases.csv": _csv(_CASE_COLUMNS, session.execute(cases).scalars()),
        "audit.csv": _csv(AUDIT_COLUMNS, log),
        AUDIT: "".join(json.dumps({name: getattr(each, name) for name in AUDIT_COLUMNS}, ensure_ascii=False) + "\n" for each in log),
    }
    try:
        return _archive(target, folders, texts)
    except OSError as error:
        raise StoreError(f"The bundle could not be written to {target}.", "Free space or choose another place.") from error


def _readme(period: str, engine: str, *, has_previous: bool) -> str:
    previous = "\nprevious/          the exports of the night before" if has_previous else ""
    return _README.format(period=period, engine=engine, previous=previous, option=" --previous previous" if has_previous else "")


def _folder(run: Run, name: str) -> Path:
    path = Path(str(run.came_from.get(name) or ""))
    if not run.came_from.get(name) or not path.is_dir():
        raise UsageError(f"The {name} of the run {run.run_id} is not at {path}.", "Put the exports back where the run found them.")
    return path


def _certificate(session: Session, close: PeriodClose) -> dict[str, Any]:
    signed = [
        {"role": each.role, "name": each.name, "identity": each.identity, "at": each.at.isoformat()} for each in signatures(session, close)
    ]
    return {**close.certificate, "certificate_hash": close.certificate_hash, "state": close.state, "signatures": signed}


def _csv(columns: tuple[str, ...], rows: Any) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([safe_cell(getattr(row, name)) for name in columns] for row in rows)
    return text.getvalue()


def _archive(target: Path, folders: dict[str, Path], texts: dict[str, str]) -> int:
    hashes: dict[str, str] = {}
    partial = target.with_name(target.name + ".partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:

            def add(name: str, content: bytes) -> None:
                archive.writestr(zipfile.ZipInfo(name, _DATED), content, zipfile.ZIP_DEFLATED)
                hashes[name] = hashlib.sha256(content).hexdigest()

            for name, text in sorted(texts.items()):
                add(name, text.encode())
            for name, folder in folders.items():
                for path in sorted(each for each in folder.rglob("*") if each.is_file()):
                    add(f"{name}/{path.relative_to(folder).as_posix()}", path.read_bytes())
            add(CONTENTS, (json.dumps(hashes, indent=1, sort_keys=True) + "\n").encode())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return len(hashes)
