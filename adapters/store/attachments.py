"""Files that belong to a case: kept beside the runs under the hash of their bytes, noted in its history."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.store.audit import Actor, now, record, take_turn
from adapters.store.case_work import note
from adapters.store.permissions import require
from adapters.store.tables import Attachment, Case
from engine.errors import StoreError, UsageError

FOLDER: Final = "attachments"

LARGEST: Final = 10 * 2**20
"""Bytes a file may have."""

# By ending, how such a file begins; None: it must be text.
_KINDS: Final[dict[str, tuple[bytes, ...] | None]] = {
    ".pdf": (b"%PDF-",),
    ".png": (b"\x89PNG\r\n\x1a\n",), ".jpg": (b"\xff\xd8\xff",), ".jpeg": (b"\xff\xd8\xff",), ".xlsx": (b"PK\x03\x04",),
    ".docx": (b"PK\x03\x04",), ".csv": None, ".txt": None, ".eml": None,
}  # fmt: skip
ENDINGS: Final = tuple(sorted(_KINDS))

_LONGEST_NAME: Final = 120
# Letters, digits and what cannot lead a file elsewhere.
_STRANGE: Final = re.compile(r"[^\w .()+-]", re.UNICODE)


def attach(session: Session, actor: Actor, case: Case, out: Path, name: str, content: bytes) -> Attachment:
    """Keep a file with a case; the same bytes lie on the disk once, whatever they are called.

    Raises UsageError for who may not, a file that is empty, too large or not of a kind that is taken, or one the case
    has already; StoreError when it cannot be written.
    """
    require(actor, "attach a file", case)
    called = _safe_name(name)
    _must_be_taken(called, content)
    digest = hashlib.sha256(content).hexdigest()
    # A purge that removes the same bytes is over, or has not begun.
    take_turn(session)
    known = sa.select(Attachment).where(Attachment.case_id == case.case_id, Attachment.sha256 == digest)
    if (same := session.execute(known).scalars().first()) is not None:
        raise UsageError(f"The case has this file already, as {same.name}.", "")
    _write(_path(out, digest), content)
    entry = Attachment(
        case_id=case.case_id, sha256=digest, name=called, size=len(content), said_by=actor.name, identity=actor.identity, said_at=now()
    )  # fmt: skip
    session.add(entry)
    session.flush()
    note(session, actor, case, "attached", {"file": called, "size": len(content), "sha256": digest})
    return entry


def attachments_of(session: Session, case: Case) -> list[Attachment]:
    """Return the files of a case, the oldest first."""
    query = sa.select(Attachment).where(Attachment.case_id == case.case_id).order_by(Attachment.attachment_id)
    return list(session.execute(query).scalars())


def read_attachment(out: Path, entry: Attachment) -> bytes:
    """Return the bytes of a file. Raises StoreError when they are gone or are not those that were attached."""
    try:
        content = _path(out, entry.sha256).read_bytes()
    except OSError as error:
        raise StoreError(f"The file {entry.name} is not in {out / FOLDER}.", "Bring the folder back from its copy.") from error
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise StoreError(f"The file {entry.name} was altered after it was attached.", "Bring the folder back from its copy.")
    return content


def forget_attachments(session: Session, actor: Actor, case_id: str) -> list[str]:
    """Take the files of a case out of the store; return their hashes."""
    gone = list(session.execute(sa.select(Attachment).where(Attachment.case_id == case_id)).scalars())
    for each in gone:
        record(session, actor, "attachment.purged", case_id, {"file": each.name, "sha256": each.sha256})
        session.delete(each)
    session.flush()
    return [each.sha256 for each in gone]


def remove_files(session: Session, out: Path, digests: Iterable[str]) -> None:
    """Remove the bytes of those files that no case has any more. Raises StoreError when one cannot be removed."""
    take_turn(session)
    for each in digests:
        if session.execute(sa.select(Attachment.attachment_id).where(Attachment.sha256 == each).limit(1)).first() is not None:
            continue
        try:
            _path(out, each).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{_path(out, each)} cannot be removed: {error.strerror}.", "Free it and purge again.") from error


def _path(out: Path, digest: str) -> Path:
    return out / FOLDER / digest[:2] / digest


def _safe_name(name: str) -> str:
    """Return a file's name without its folders and without characters that mean something elsewhere."""
    last = name.replace("\\", "/").rpartition("/")[2]
    called = _STRANGE.sub("_", last).strip(" .")
    path = Path(called)
    return path.stem[: _LONGEST_NAME - len(path.suffix)].strip() + path.suffix.lower()


def _must_be_taken(name: str, content: bytes) -> None:
    ending = Path(name).suffix
    if ending not in _KINDS:
        raise UsageError(f"A file such as '{name}' is not taken.", f"Taken are {', '.join(ENDINGS)}.")
    if not content:
        raise UsageError(f"The file {name} is empty.", "Attach the file itself.")
    if len(content) > LARGEST:
        raise UsageError(f"The file {name} has {len(content) / 2**20:,.1f} MiB.", f"At most {LARGEST // 2**20} MiB are taken.")
    begins = _KINDS[ending]
    if b"\x00" in content if begins is None else not content.startswith(begins):
        raise UsageError(f"The file {name} is not what its ending says.", "Save it anew in its own program.")


def _write(path: Path, content: bytes) -> None:
    if path.is_file():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        Path(handle.name).replace(path)
    except OSError as error:
        raise StoreError(f"The file could not be kept in {path.parent}: {error.strerror}.", "Free space and try again.") from error
