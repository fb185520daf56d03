"""The audit log: every entry carries the hash of the one before, so that nothing can be changed unseen."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.sight import EVERYTHING, Sight
from adapters.store.tables import AuditEntry, AuditHead, Base

_PARTS: Final = ("sequence", "at", "actor", "identity", "action", "subject", "body", "previous_hash")


@dataclass(frozen=True, slots=True)
class Actor:
    """Say who acts, in which roles and on what they see: `signed_in` people were identified, `asserted` ones only say who they are."""

    name: str
    identity: str = "asserted"
    roles: frozenset[str] = frozenset()
    sight: Sight = EVERYTHING


def is_same_person(one: str, other: str) -> bool:
    """Say whether two names are those of one person, however they are capitalized, spaced or encoded."""
    first, second = (" ".join(unicodedata.normalize("NFKC", each).split()).casefold() for each in (one, other))
    return first == second


RUNNER: Final = Actor("tieout", "run")
"""The program itself, when a run is published."""


def now() -> dt.datetime:
    """Return the present instant; the store is the only place that reads a clock."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def take_turn(session: Session) -> AuditHead:
    """Let nobody else change the store until the caller's transaction ends; return the end of the log."""
    return session.execute(sa.select(AuditHead).where(AuditHead.head_id == 1).with_for_update()).scalar_one()


def take_turn_on(session: Session, row: Base) -> None:
    """Take the turn for an act on a row: of two at once, the second waits here and finds what the first did."""
    take_turn(session)
    session.flush()
    session.refresh(row)


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
    count, end = 0, ""

    def counted() -> Iterator[AuditEntry]:
        nonlocal count, end
        for entry in session.execute(sa.select(AuditEntry).order_by(AuditEntry.sequence)).scalars():
            count, end = count + 1, entry.hash
            yield entry

    problem = first_broken(counted())
    if problem is not None:
        return count, problem
    head = session.execute(sa.select(AuditHead)).scalar_one()
    if (head.sequence, head.hash) != (count, end):
        return count, f"the log ends at entry {count}, but {head.sequence} were written"
    return count, None


def first_broken(entries: Iterable[AuditEntry]) -> str | None:
    """Return what is wrong with the first entry of a log that is not as it was written, or None."""
    before = ""
    for place, entry in enumerate(entries, start=1):
        if entry.sequence != place:
            return f"entry {place} is missing"
        if entry.previous_hash != before or entry.hash != entry_hash(entry):
            return f"entry {place} ({entry.action} of {entry.subject}, {entry.at}) was changed after it was written"
        before = entry.hash
    return None
