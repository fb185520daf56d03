"""What would flip a decision: the smallest set of changed inputs after which another rule decides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Final

from engine.decision.classes import Slot
from engine.decision.compile import CompiledTable
from engine.decision.rules import CheckedTable, OutputValue
from engine.decision.table import HitPolicy

MOST_CHANGES: Final = 3
"""More changed inputs than these are no flip but another record."""

_UNNAMED: Final = ("another value", "any value")


@dataclass(frozen=True, slots=True)
class Flip:
    """Hold a set of changes and the rule that would then decide; `changes` are inputs with what they would have to be."""

    rule: str | None
    changes: tuple[tuple[str, str], ...]

    def condition(self) -> str:
        """Return the changes as words: `status were approved and rate were not missing`."""
        return " and ".join(f"{name} were {value}" for name, value in self.changes)


def smallest_flip(
    compiled: CompiledTable, codes: Sequence[int], wanted: Callable[[Sequence[OutputValue]], bool], kept: Collection[str] = ()
) -> Flip | None:
    """Return the fewest changes after which the table gives outputs that are `wanted`; None when three do not suffice.

    `codes` are the classes of a row's trace, `kept` the inputs that nobody can change. Of sets as small,
    inputs as they are recorded come before computed ones, in the order of the table. Tables of several hits have no flip.
    """
    table = compiled.table
    if table is None or table.hit.is_multiple:
        return None
    free = [number for number, slot in enumerate(compiled.slots) if table.inputs[slot.input].name not in kept]
    free.sort(key=lambda number: (table.inputs[compiled.slots[number].input].computed is not None, number))
    for count in range(1, MOST_CHANGES + 1):
        for chosen in combinations(free, count):
            found = _with(compiled, table, list(codes), chosen, wanted)
            if found is not None:
                return found
    return None


def _with(
    compiled: CompiledTable, table: CheckedTable, codes: list[int], chosen: Sequence[int], wanted: Callable[[Sequence[OutputValue]], bool]
) -> Flip | None:  # fmt: skip
    """Return the flip that changes exactly these slots; named values come before stretches."""
    for classes in product(*(_targets(compiled.slots[number], codes[number]) for number in chosen)):
        changed = list(codes)
        for number, value in zip(chosen, classes, strict=True):
            changed[number] = value
        rule, outputs = _decision(compiled, table, changed)
        if outputs is not None and wanted(outputs):
            told = [_words(compiled, table, number, (codes[number], value), rule) for number, value in zip(chosen, classes, strict=True)]
            return Flip(rule, tuple(told))
    return None


def _targets(slot: Slot, now: int) -> list[int]:
    """Return the classes a value may be changed to: those with a name first, a missing value last."""
    places = [place for place in range(slot.count) if place != now]
    return sorted(places, key=lambda place: (slot.names[place] == "missing", slot.names[place] in _UNNAMED, place))


def _decision(compiled: CompiledTable, table: CheckedTable, codes: Sequence[int]) -> tuple[str | None, Sequence[OutputValue] | None]:
    """Return the rule that decides a row of these classes and its outputs; None where none or several do."""
    holding = [rule for rule in table.rules if rule_holds(compiled, rule.cells, codes)]
    if not holding:
        return None, table.default
    if table.hit is HitPolicy.UNIQUE and len(holding) > 1:
        return None, None
    return holding[0].id, holding[0].outputs


def rule_holds(compiled: CompiledTable, cells: Sequence[object], codes: Sequence[int]) -> bool:
    """Say whether a rule's cells all hold for a row of these classes."""
    for number, slot in enumerate(compiled.slots):
        text = getattr(cells[slot.input], "text", "")
        if text in slot.matching and not slot.matching[text] >> codes[number] & 1:
            return False
    return True


def _words(compiled: CompiledTable, table: CheckedTable, number: int, change: tuple[int, int], rule: str | None) -> tuple[str, str]:
    slot, (now, value) = compiled.slots[number], change
    name = table.inputs[slot.input].name
    if slot.names == ("fails", "holds"):
        (text,) = slot.matching
        return name, text if value else f"not {text}"
    deciding = next((each for each in table.rules if each.id == rule), None)
    cell = "" if deciding is None else deciding.cells[slot.input].text
    asked = cell in slot.matching and slot.matching[cell] >> value & 1 and deciding is not None
    if asked and cell not in ("", "-"):
        return name, cell
    return name, f"not {slot.names[now]}" if slot.names[value] in _UNNAMED else slot.names[value]
