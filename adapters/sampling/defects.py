"""The register of planted defects: what goes wrong where, and which finding must say so.

Each defect takes a contract (or a customer) of its own, so that one never hides or feeds another.
A firm too small to have a fit record does without the defect, and the register without its line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from adapters.sampling.calendar import Calendar
from adapters.sampling.contracts import Deal
from adapters.sampling.mistakes import Mistakes
from adapters.sampling.nights import Edit


@dataclass(frozen=True, slots=True)
class Expected:
    """Name a finding that a defect must lead to: `kind` is the finding's code, `stage` who finds it."""

    defect: str
    kind: str
    entity: str
    entity_id: str
    stage: str
    note: str


@dataclass(slots=True)
class Register:
    """Gather the defects while they are planted.

    `frames` is the clean firm, by entity. Mistakes happen on the way, edits show in one system's
    export, additions are records of their own.
    """

    deals: Sequence[Deal]
    calendar: Calendar
    nights: int
    frames: Mapping[str, pl.DataFrame]
    mistakes: Mistakes = field(default_factory=Mistakes)
    edits: list[Edit] = field(default_factory=list)
    additions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    expected: list[Expected] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def take_deal(self, fits: Callable[[Deal], bool]) -> Deal | None:
        """Return the first contract that fits and bears no defect yet, and take it."""
        for deal in self.deals:
            if deal.id not in self.taken and fits(deal):
                self.taken.add(deal.id)
                return deal
        return None

    def take_row(self, rows: pl.DataFrame) -> dict[str, Any] | None:
        """Return the first row whose contract bears no defect yet, and take that contract."""
        fit = rows.filter(~pl.col("contract_id").is_in(list(self.taken))).head(1)
        if fit.height == 0:
            return None
        row = fit.to_dicts()[0]
        self.taken.add(row["contract_id"])
        return row

    def month(self, back: int) -> str | None:
        """Return the period so many months before the last, or None when the firm is younger."""
        place = len(self.calendar.month_starts) - 1 - back
        return self.calendar.month_starts[place].strftime("%Y-%m") if place >= 0 else None

    def expect(self, defect: str, kind: str, entity: str, entity_id: str, stage: str, note: str) -> None:
        """Add a finding to the register."""
        self.expected.append(Expected(defect, kind, entity, entity_id, stage, note))

    def edit(
        self, system: str, entity: str, key: str, values: Mapping[str, object] | None, *, first_night: int = 0
    ) -> None:  # fmt: skip
        """Change or, without values, remove a record in one system's export from a night on."""
        self.edits.append(Edit(system, entity, key, values, first_night))

    def happen(self, **changes: Any) -> None:
        """Let further mistakes happen: sets and tuples grow, mappings gain keys."""
        merged: dict[str, Any] = {}
        for name, value in changes.items():
            before = getattr(self.mistakes, name)
            merged[name] = before + value if isinstance(before, tuple) else before | value
        self.mistakes = replace(self.mistakes, **merged)

    def add(self, entity: str, row: dict[str, Any]) -> None:
        """Add a record of its own."""
        self.additions.setdefault(entity, []).append(row)


EXPECTED_COLUMNS = ("defect", "kind", "entity", "entity_id", "stage", "note")


def expected_frame(expected: Sequence[Expected]) -> pl.DataFrame:
    """Return the expected findings as a table, in the order they were planted."""
    rows = [{name: getattr(each, name) for name in EXPECTED_COLUMNS} for each in expected]
    return pl.DataFrame(rows, schema=dict.fromkeys(EXPECTED_COLUMNS, pl.String()))
