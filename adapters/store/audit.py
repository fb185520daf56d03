"""The audit log: every entry carries the hash of the one before, so that nothing can be changed unseen."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.sight import EVERYTHING, Sight
from adapters.store.tables import AuditEntry, AuditHead

_PARTS: Final = ("sequence", "at", "actor", "identity", "action", "subject", "body", "previous_hash")


@dataclass(frozen=True, slots=True)
class Actor:
    """Say who acts, in which roles and on what they see: `signed_in` people were identified, `asserted` ones only say who they are."""

    name: str
    identity: str = "asserted"
    roles: frozenset[str] = frozenset()
    sight: Sight = EVERYTHING


RUNNER: Final = Actor("tieout", "run")
"""The program itself, when a run is published."""


def now() -> dt.datetime:
    """Return the present instant; the store is the only place that reads a clock."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def take_turn(session: Session) -> AuditHead:
    """Let nobody else change the store until the caller's transaction ends; return the end of the log."""
    return session.execute(sa.select(AuditHead).where(AuditHead.head_id == 1).with_for_update()).scalar_one()


def record(session: Session, actor: Actor, action: str, subject: str, body: Mapping[str, Any]) -> AuditEntry:
    """Add an entry at the end of the log, within the caller's transaction."""
    head = take_turn(session)
    entry = AuditEntry(
        sequence=head.sequence + 1, at=now().isoformat(), actor=actor.name, identity=actor.identity, action=action, subject=subject,
        body=json.dumps(body, sort_keys=True, ensure_ascii=False, default=str), previous_hash=head.hash,
    )  # fmt: skip
    entry.hash = entry_hash(entry)
    head.sequence, head.hash = entry.sequence, entry.hash
    session.add(entry)
    session.flush()
    return entry


def entry_hash(entry: AuditEntry) -> str:
    """Return the SHA-256 over an entry's parts and the hash before it."""
    text = "\x1f".join(str(getattr(entry, name)) for name in _PARTS)
    return hashlib.sha256(text.encode()).hexdigest()


def verify(session: Session) -> tuple[int, str | None]:
    """Return how many entries the log has, and what is wrong with it (None: it is whole)."""
    before, count = "", 0
    for entry in session.execute(sa.select(AuditEntry).order_by(AuditEntry.sequence)).scalars():
        count += 1
        if entry.sequence != count:
            return count, f"entry {count} is missing"
        if entry.previous_hash != before or entry.hash != entry_hash(entry):
            return count, f"entry {count} ({entry.action} of {entry.subject}, {entry.at}) was changed after it was written"
        before = entry.hash
    head = session.execute(sa.select(AuditHead)).scalar_one()
    if (head.sequence, head.hash) != (count, before):
        return count, f"the log ends at entry {count}, but {head.sequence} were written"
    return count, None
