"""What every stage takes and gives: facts by entity, a context without clock or files, a result."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True, slots=True)
class Facts:
    """Hold one snapshot's records: by entity a frame of all systems' source records.

    `stated` says which columns a system's export has for an entity; a column it lacks is not
    stated and never drifts, while a blank in an exported column is a stated blank.
    """

    records: Mapping[str, pl.LazyFrame]
    stated: Mapping[tuple[str, str], frozenset[str]]
    as_of: dt.date

    def systems(self, entity: str) -> list[str]:
        """Return the systems that supply an entity, sorted."""
        return sorted(system for name, system in self.stated if name == entity)

    def frame(self, entity: str) -> pl.LazyFrame | None:
        """Return the source records of an entity, or None when no system supplies it."""
        return self.records.get(entity)


@dataclass(frozen=True, slots=True)
class Context:
    """Hold what a run knows beside facts and policies; nothing here is read from a clock."""

    as_of: dt.date
    known_on: dt.date | None = None
    holidays: tuple[dt.date, ...] = ()


@dataclass(slots=True)
class StageResult:
    """Hold what a stage made: output frames by name, findings, and policies that did not apply."""

    frames: dict[str, pl.LazyFrame] = field(default_factory=dict)
    findings: list[pl.DataFrame] = field(default_factory=list)
    not_applicable: list[tuple[str, str]] = field(default_factory=list)
