"""Why a rule decided, and why another did not: told from the class codes of a trace alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.decision.compile import CompiledTable
from engine.decision.rules import CheckedTable, Rule
from engine.diagnostics import Span


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """Say for one cell of a rule what it needed, what the input was, and whether it held."""

    input: str
    needed: str
    was: str
    holds: bool


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """Say for one rule whether it held, cell by cell, and where it is written."""

    rule: str
    place: Span
    note: str
    reference: str
    cells: tuple[CellOutcome, ...]

    @property
    def holds(self) -> bool:
        """Say whether every cell held."""
        return all(cell.holds for cell in self.cells)

    @property
    def failed(self) -> tuple[CellOutcome, ...]:
        """Return the cells that did not hold."""
        return tuple(cell for cell in self.cells if not cell.holds)

    def sentence(self) -> str:
        """Return the outcome as one sentence with the rule's file and line."""
        place = f"{self.rule} ({self.place.file}:{self.place.line})"
        if self.holds:
            told = ", ".join(f"{cell.input} is {cell.was}" for cell in self.cells) or "it asks for nothing"
            return f"{place} holds: {told}."
        told = ", ".join(f"{cell.input} needs {cell.needed} but was {cell.was}" for cell in self.failed)
        return f"{place} does not hold: {told}."


def explain_rules(compiled: CompiledTable, codes: Sequence[int], values: Mapping[str, object] | None = None) -> list[RuleOutcome]:
    """Return the outcome of every rule for one row, in the order the rules are looked at.

    `codes` are the values of the row's `trace`. `values` are the row's inputs by name, where they
    are at hand; else the class tells what the value was. ValueError when the codes are not of this
    table.
    """
    table = compiled.table
    if table is None or len(codes) < len(compiled.slots):
        raise ValueError(f"the trace does not belong to the table '{compiled.id}'")
    return [_outcome(compiled, table, rule, codes, values or {}) for rule in table.rules]


def why(compiled: CompiledTable, codes: Sequence[int], values: Mapping[str, object] | None = None) -> list[RuleOutcome]:
    """Return the rules that held for one row; the first of them decided."""
    return [outcome for outcome in explain_rules(compiled, codes, values) if outcome.holds]


def why_not(
    compiled: CompiledTable, codes: Sequence[int], rule: str, values: Mapping[str, object] | None = None
) -> RuleOutcome:
    """Return the outcome of one rule for one row; KeyError when the table has no such rule."""
    for outcome in explain_rules(compiled, codes, values):
        if outcome.rule == rule:
            return outcome
    raise KeyError(rule)


def nearest(compiled: CompiledTable, codes: Sequence[int], values: Mapping[str, object] | None = None) -> RuleOutcome | None:
    """Return the rule that failed by the fewest cells, or None when every rule held."""
    failing = [outcome for outcome in explain_rules(compiled, codes, values) if not outcome.holds]
    return min(failing, key=lambda outcome: len(outcome.failed), default=None)


def _outcome(
    compiled: CompiledTable, table: CheckedTable, rule: Rule, codes: Sequence[int], values: Mapping[str, object]
) -> RuleOutcome:
    cells: list[CellOutcome] = []
    known = _class_names(compiled, codes)
    for number, slot in enumerate(compiled.slots):
        cell = rule.cells[slot.input]
        if cell.alternatives is None or cell.text not in slot.matching:
            continue
        name = table.inputs[slot.input].name
        was = _told(values[name]) if name in values else known.get(slot.input, "another value")
        holds = bool(slot.matching[cell.text] >> int(codes[number]) & 1)
        cells.append(CellOutcome(name, cell.text, was, holds))
    return RuleOutcome(rule.id, rule.place, rule.note, rule.reference, tuple(cells))


def _class_names(compiled: CompiledTable, codes: Sequence[int]) -> dict[int, str]:
    """Return, by input, the name of the class its value fell into."""
    return {
        slot.input: slot.names[int(codes[number])]
        for number, slot in enumerate(compiled.slots)
        if slot.names != ("fails", "holds")
    }


def _told(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
