"""Names in canonical sources that are not canonical: a column that is not read, a file that is no entity's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.canonical.schema import ENTITIES, PROVENANCE, entity_spec
from engine.policy.names import nearest


@dataclass(frozen=True, slots=True)
class Unknown:
    """Name a column of an entity's file, or a whole file (`entity` None), and the nearest known name (None: none is near)."""

    entity: str | None
    name: str
    near: str | None
    is_deeper: bool = False
    """The file bears an entity's name and lies in a folder that the source's path does not read."""


def unknown_columns(header: Sequence[str], entities: Sequence[str]) -> tuple[Unknown, ...]:
    """Return the columns of a file that no field of its entities bears the name of; the nearest is a field the file lacks."""
    there = {name.strip().lower() for name in header}
    fields = {name for entity in entities for name in (*entity_spec(entity).fields, *PROVENANCE)}
    absent = sorted(fields - there)
    strange = [name.strip() for name in header if name.strip() and name.strip().lower() not in fields]
    return tuple(Unknown(entities[0], name, nearest(name.lower(), absent)) for name in strange)


def unknown_file(path: str) -> Unknown:
    """Return a file that bears no entity's name."""
    stem = Path(path).stem
    if stem.lower().partition("-")[0] in ENTITIES:
        return Unknown(None, stem, None, is_deeper=True)
    return Unknown(None, stem, nearest(stem.lower(), ENTITIES))
