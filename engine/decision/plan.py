"""Two ways to find the rules that hold, with the same result.

`BooleanPlan` makes each distinct cell one Boolean column: best for small tables. `ClassPlan` looks
the rules up by class codes: inputs are merged, as far as the lookup lists stay small, into states
that stand for a set of rules still alive, so most tables take one list access per input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import polars as pl

from engine.decision.classes import Slot, cell_expression
from engine.decision.rules import TEMPORARY, CheckedTable

INDEX: Final = f"{TEMPORARY}index"
HITS: Final = f"{TEMPORARY}hits"

_WORD: Final = 64
# Entries of one lookup list; beyond it the inputs are kept apart and their rule sets intersected.
_LARGEST_LIST: Final = 200_000
# With many words of rules each word is looked up per row, so the lists must fit the processor's cache.
_LARGEST_LIST_OF_MANY: Final = 40_000
_MANY_WORDS: Final = 8


class Plan(Protocol):
    """Find the rules that hold for each row."""

    def attach(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Add the index of the first rule that holds (null for none) and the number that hold."""

    def hit(self, rule: int) -> pl.Expr:
        """Return whether a rule holds, on an attached frame."""


@dataclass(frozen=True, slots=True)
class BooleanPlan:
    """Evaluate every distinct cell once, and each rule as the conjunction of its cells."""

    table: CheckedTable

    def attach(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Add the index of the first rule that holds (null for none) and the number that hold."""
        cells: dict[tuple[int, str], pl.Expr] = {}
        for rule in self.table.rules:
            for index, cell in enumerate(rule.cells):
                if cell.alternatives is not None and (index, cell.text) not in cells:
                    cells[index, cell.text] = cell_expression(cell, self.table.inputs[index], self.table.compiler)
        names = {key: f"{TEMPORARY}cell.{number}" for number, key in enumerate(cells)}
        frame = frame.with_columns(expression.alias(names[key]) for key, expression in cells.items())
        holding = []
        for number, rule in enumerate(self.table.rules):
            parts = [pl.col(names[index, cell.text]) for index, cell in enumerate(rule.cells) if cell.alternatives is not None]
            holding.append((pl.all_horizontal(parts) if parts else pl.lit(True)).alias(f"{TEMPORARY}rule.{number}"))
        frame = frame.with_columns(holding)
        rules = range(len(self.table.rules))
        first = pl.coalesce([pl.when(self.hit(rule)).then(pl.lit(rule, dtype=pl.UInt32)) for rule in rules])
        return frame.with_columns(first.alias(INDEX), _total([self.hit(rule).cast(pl.UInt32) for rule in rules]).alias(HITS))

    def hit(self, rule: int) -> pl.Expr:
        """Return whether a rule holds, on an attached frame."""
        return pl.col(f"{TEMPORARY}rule.{rule}")


def _total(parts: Sequence[pl.Expr]) -> pl.Expr:
    return pl.sum_horizontal(parts).cast(pl.UInt32)


@dataclass(slots=True)
class _Group:
    """Hold slots merged into one state: the lists that lead to it, and the rules alive in each state."""

    slots: list[int] = field(default_factory=list)
    lists: list[pl.Series] = field(default_factory=list)
    states: list[int] = field(default_factory=list)


class ClassPlan:
    """Look the rules up by class codes; `slots` are the table's, their codes in columns named by `code`."""

    def __init__(self, rules: int, slots: Sequence[Slot], masks: Sequence[Sequence[int]], code: Callable[[int], str]) -> None:
        self._rules = rules
        self._slots = slots
        self._code = code
        self._words = max((rules + _WORD - 1) // _WORD, 1)
        self._groups = _grouped(rules, masks)

    def attach(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Add the index of the first rule that holds (null for none) and the number that hold."""
        states = [self._state(group) for group in self._groups]
        frame = frame.with_columns(state.alias(f"{TEMPORARY}state.{number}") for number, state in enumerate(states))
        if len(self._groups) == 1:
            return self._attach_single(frame)
        frame = frame.with_columns(self._word(number).alias(f"{TEMPORARY}word.{number}") for number in range(self._words))
        words = [pl.col(f"{TEMPORARY}word.{number}") for number in range(self._words)]
        found = [
            pl.when(word != 0).then(word.bitwise_trailing_zeros().cast(pl.UInt32) + pl.lit(_WORD * number, dtype=pl.UInt32))
            for number, word in enumerate(words)
        ]
        hits = _total([word.bitwise_count_ones().cast(pl.UInt32) for word in words])
        return frame.with_columns(pl.coalesce(found).alias(INDEX), hits.alias(HITS))

    def _attach_single(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        masks = self._groups[0].states
        first = pl.Series([(mask & -mask).bit_length() - 1 if mask else None for mask in masks], dtype=pl.UInt32)
        count = pl.Series([mask.bit_count() for mask in masks], dtype=pl.UInt32)
        state = pl.col(f"{TEMPORARY}state.0")
        return frame.with_columns(pl.lit(first).gather(state).alias(INDEX), pl.lit(count).gather(state).alias(HITS))

    def _state(self, group: _Group) -> pl.Expr:
        state: pl.Expr | None = None
        for slot, steps in zip(group.slots, group.lists, strict=True):
            code = pl.col(self._code(slot)).cast(pl.UInt32)
            place = code if state is None else state * self._slots[slot].count + code
            state = pl.lit(steps).gather(place)
        return state if state is not None else pl.lit(0, dtype=pl.UInt32)

    def _word(self, number: int) -> pl.Expr:
        result: pl.Expr | None = None
        for index, group in enumerate(self._groups):
            bits = [mask >> _WORD * number & (1 << _WORD) - 1 for mask in group.states]
            part = pl.lit(pl.Series(bits, dtype=pl.UInt64)).gather(pl.col(f"{TEMPORARY}state.{index}"))
            result = part if result is None else result & part
        assert result is not None
        return result

    def hit(self, rule: int) -> pl.Expr:
        """Return whether a rule holds, on an attached frame."""
        if len(self._groups) == 1:
            holds = pl.Series([bool(mask >> rule & 1) for mask in self._groups[0].states])
            return pl.lit(holds).gather(pl.col(f"{TEMPORARY}state.0"))
        word = pl.col(f"{TEMPORARY}word.{rule // _WORD}")
        return (word & pl.lit(1 << rule % _WORD, dtype=pl.UInt64)) != 0


def class_masks(table: CheckedTable, slots: Sequence[Slot]) -> list[list[int]]:
    """Return, for every slot and class, the bit set of rules whose cell matches there."""
    everything = (1 << len(table.rules)) - 1
    result = []
    for slot in slots:
        rules = dict.fromkeys(slot.matching, 0)
        for number, rule in enumerate(table.rules):
            text = rule.cells[slot.input].text
            if text in rules and rule.cells[slot.input].alternatives is not None:
                rules[text] |= 1 << number
        concerned = 0
        changes: list[int] = [0] * (slot.count + 1)
        for text, mask in rules.items():
            concerned |= mask
            for start, end in _runs(slot.matching[text]):
                # The cells of one slot belong to different rules, so adding and removing is XOR.
                changes[start] ^= mask
                changes[end] ^= mask
        alive, masks = everything & ~concerned, []
        for change in changes[:-1]:
            alive ^= change
            masks.append(alive)
        result.append(masks)
    return result


def _runs(bits: int) -> list[tuple[int, int]]:
    """Return the runs of set bits as (first, after last)."""
    runs, shift = [], 0
    while bits:
        low = (bits & -bits).bit_length() - 1
        bits >>= low
        length = (~bits & bits + 1).bit_length() - 1
        runs.append((shift + low, shift + low + length))
        bits >>= length
        shift += low + length
    return runs


def _grouped(rules: int, masks: Sequence[Sequence[int]]) -> list[_Group]:
    """Merge slots, small ones first, while the list of a merged state stays small."""
    everything = (1 << rules) - 1
    largest = _LARGEST_LIST if rules <= _WORD * _MANY_WORDS else _LARGEST_LIST_OF_MANY
    groups: list[_Group] = []
    group = _Group(states=[everything])
    for slot in sorted(range(len(masks)), key=lambda each: len(masks[each])):
        if group.slots and len(group.states) * len(masks[slot]) > largest:
            groups.append(group)
            group = _Group(states=[everything])
        known: dict[int, int] = {}
        steps = [known.setdefault(state & mask, len(known)) for state in group.states for mask in masks[slot]]
        group.slots.append(slot)
        group.lists.append(pl.Series(steps, dtype=pl.UInt32))
        group.states = list(known)
    groups.append(group)
    return groups
