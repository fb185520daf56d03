"""Checking an auditor's bundle by itself: each file against its hash, the certificate, the signatures and the audit log."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.close.bundle import AUDIT, AUDIT_COLUMNS, CERTIFICATE, CONTENTS
from adapters.close.certificate import certificate_hash, is_evidence
from adapters.store.audit import first_broken
from adapters.store.tables import AuditEntry, PeriodClose
from engine.errors import UsageError

_PIECE: Final = 2**20
# What is told of a close beside the certificate's own text.
_BESIDE: Final = ("certificate_hash", "state", "signatures")


@dataclass(frozen=True, slots=True)
class Verified:
    """Hold what a bundle says of itself, and what is wrong with it; whole when nothing is."""

    period: str
    state: str
    certificate: str
    log_end: str
    files: int
    wrong: tuple[str, ...]


def verify_bundle(file: Path) -> Verified:
    """Check a bundle of a close; every file that was altered, added or taken out is named.

    Whoever could write all hashes anew is told apart by the two that the firm has itself: that of the certificate and that of the
    log's end (`against_certificate`, `against_store`). Raises UsageError when the file is no bundle of a close.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            hashes, wrong = _hashes(archive)
            contents, certificate = (_parsed(archive, name, file) for name in (CONTENTS, CERTIFICATE))
            log = list(_log(archive)) if AUDIT in hashes else []
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UsageError(f"{file} cannot be read: it is damaged, or no bundle of a close.", _remedy()) from error
    listed = {str(name): str(digest) for name, digest in contents.items()}
    listed[CONTENTS] = hashes.get(CONTENTS, "")
    wrong += _compared(listed, hashes, "")
    wrong += _of_certificate(certificate, hashes)
    wrong += _of_log(certificate, log)
    own = str(certificate.get("certificate_hash"))
    end = log[-1].hash if log else ""
    return Verified(str(certificate.get("period")), str(certificate.get("state")), own, end, len(hashes), tuple(dict.fromkeys(wrong)))


def against_certificate(found: Verified, digest: str) -> list[str]:
    """Return what is wrong where a bundle does not rest on the certificate that somebody holds."""
    if found.certificate.casefold() == digest.strip().casefold():
        return []
    return [f"{CERTIFICATE}: it is {found.certificate}, and not the one held against it, {digest.strip()}"]


def against_store(session: Session, found: Verified) -> list[str] | None:
    """Return how a bundle differs from the firm's own store, which whoever wrote every hash anew cannot reach.

    None where the store knows no close of the period, so that there is nothing to compare.
    """
    known = session.scalars(sa.select(PeriodClose.certificate_hash).where(PeriodClose.period == found.period)).all()
    if not known:
        return None
    if found.certificate not in known:
        return [f"{CERTIFICATE}: the store knows a close of {found.period}, and not with the certificate {found.certificate}"]
    if session.scalar(sa.select(AuditEntry.sequence).where(AuditEntry.hash == found.log_end)) is None:
        return [f"{AUDIT}: its end, {found.log_end}, is no entry of the store's log"]
    return []


def _remedy() -> str:
    return "`tieout close bundle PERIOD` writes one; ask for it anew."


def _hashes(archive: zipfile.ZipFile) -> tuple[dict[str, str], list[str]]:
    """Return the hash of every file by name, and those that cannot be read or stand twice."""
    found: dict[str, str] = {}
    wrong: list[str] = []
    for each in archive.infolist():
        if each.filename in found:
            wrong.append(f"{each.filename}: it stands in the archive twice")
        digest = hashlib.sha256()
        try:
            with archive.open(each) as content:
                while piece := content.read(_PIECE):
                    digest.update(piece)
        except (zipfile.BadZipFile, zlib.error, EOFError):
            found[each.filename] = "damaged"
            continue
        found[each.filename] = digest.hexdigest()
    return found, wrong


def _parsed(archive: zipfile.ZipFile, name: str, file: Path) -> dict[str, Any]:
    try:
        value = json.loads(archive.read(name))
    except (KeyError, ValueError, RecursionError, zlib.error, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"The bundle {file} holds no readable {name}.", _remedy()) from error
    if not isinstance(value, dict):
        raise UsageError(f"The bundle {file} holds no readable {name}.", _remedy())
    return value


def _log(archive: zipfile.ZipFile) -> Iterator[AuditEntry]:
    """Give the entries of the log as far as they can be read; what cannot is told as an altered file."""
    try:
        for line in archive.read(AUDIT).decode().splitlines():
            told = json.loads(line)
            yield AuditEntry(**{name: told[name] for name in AUDIT_COLUMNS})
    except (KeyError, TypeError, ValueError, zlib.error, EOFError, zipfile.BadZipFile):
        return


def _compared(listed: Mapping[str, str], there: Mapping[str, str], below: str) -> list[str]:
    """Return how files differ from what is listed of them, by name."""
    wrong = []
    for name in sorted(listed.keys() | there.keys()):
        if name not in there:
            wrong.append(f"{below}{name}: the file is gone")
        elif name not in listed:
            wrong.append(f"{below}{name}: the file was added")
        elif there[name] != listed[name]:
            wrong.append(f"{below}{name}: the file was altered")
    return wrong


def _of_certificate(certificate: Mapping[str, Any], hashes: Mapping[str, str]) -> list[str]:
    """Return what is not as the certificate says: its own text, the results, the exports."""
    own = {name: value for name, value in certificate.items() if name not in _BESIDE}
    wrong = [] if certificate_hash(own) == certificate.get("certificate_hash") else [f"{CERTIFICATE}: its own text was altered"]
    results = {name.removeprefix("run/"): digest for name, digest in hashes.items() if name.startswith("run/")}
    wrong += _compared(dict(own.get("results") or {}), {name: each for name, each in results.items() if is_evidence(name)}, "run/")
    exports = {name.removeprefix("snapshot/"): digest for name, digest in hashes.items() if name.startswith("snapshot/")}
    signed = dict(own.get("snapshot_files") or {})
    return wrong + _compared(signed, {name: each for name, each in exports.items() if name in signed}, "snapshot/")


def _of_log(certificate: Mapping[str, Any], log: list[AuditEntry]) -> list[str]:
    """Return what is wrong with the log, and the acts on the close that it does not know."""
    problem = first_broken(log) if log else "it is empty or cannot be read"
    wrong = [] if problem is None else [f"{AUDIT}: {problem}"]
    period, digest = certificate.get("period"), certificate.get("certificate_hash")
    known = {(each.action, each.actor, each.identity, _body(each).get("role")) for each in log if _is_of(each, period, digest)}
    acts = {each[0] for each in known}
    if "close.started" not in acts:
        wrong.append(f"{CERTIFICATE}: the log knows no start of a close with this certificate")
    if certificate.get("state") in ("locked", "reopened") and "close.locked" not in acts:
        wrong.append(f"{CERTIFICATE}: the log knows no lock of a close with this certificate")
    wrong += [
        f"{CERTIFICATE}: the log knows no signature of {each.get('name')} as {each.get('role')}"
        for each in certificate.get("signatures") or []
        if ("close.signed", each.get("name"), each.get("identity"), each.get("role")) not in known
    ]
    return wrong


def _is_of(entry: AuditEntry, period: Any, digest: Any) -> bool:
    return bool(entry.subject == period and _body(entry).get("certificate") == digest)


def _body(entry: AuditEntry) -> dict[str, Any]:
    try:
        body = json.loads(entry.body)
    except (TypeError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}
