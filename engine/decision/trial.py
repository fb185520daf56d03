"""All mutants of a table tried on records at once: one table with every row that any of them has, asked once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from engine.condition import Scope
from engine.decision.compile import DEFAULT, compile_table
from engine.decision.mutants import Mutant
from engine.decision.rules import RULE_COLUMN, outcome_of
from engine.decision.table import DecisionTable, Grid, GridCell, HitPolicy

Verdict = tuple[str | None, tuple[object, ...]]
"""Which rule decides (`default`, or None where nothing or several contradicting rules do) and what it gives."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Hold the rows of a table and of all its mutants as one grid, whose rules are named by their number.

    `base` and `mutants` say which of its rows, in which order, make the table and each mutant.
    """

    grid: Grid
    base: tuple[int, ...]
    mutants: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    outcomes: tuple[tuple[object, ...], ...]
    hit: HitPolicy
    default: tuple[object, ...] | None
    ranks: tuple[tuple[int, ...], ...] = ()
    """The place of each row's outputs in their lists of values, where the hit policy goes by it."""

    def verdict(self, rows: Sequence[int], held: Collection[int]) -> Verdict:
        """Return what the table made of these rows says of a record for which these rows hold."""
        holding = [row for row in rows if row in held]
        if self.ranks:
            holding.sort(key=self.ranks.__getitem__)
        if not holding:
            return (None, ()) if self.default is None else (DEFAULT, self.default)
        if self.hit.is_multiple:
            return self.names[holding[0]], tuple((self.names[row], self.outcomes[row]) for row in holding)
        if self.hit is HitPolicy.UNIQUE and len(holding) > 1:
            return None, ()
        return self.names[holding[0]], self.outcomes[holding[0]]


def trial_of(table: DecisionTable, scope: Scope, made: Sequence[Mutant]) -> Trial:
    """Return the trial of a table's mutants; raises ValueError for a table with errors."""
    place = [cell.text for cell in table.grid.header].index(RULE_COLUMN)
    rows: dict[tuple[GridCell, ...], int] = {}

    def numbers(grid: Grid) -> tuple[int, ...]:
        return tuple(rows.setdefault(row, len(rows)) for row in grid.rows)

    base, others = numbers(table.grid), tuple(numbers(each.grid) for each in made)
    named = tuple(
        tuple(replace(cell, text=str(number)) if column == place else cell for column, cell in enumerate(row))
        for row, number in rows.items()
    )
    whole = Grid(table.grid.header, named)
    compiled = compile_table(replace(table, grid=whole, hit=HitPolicy.RULE_ORDER), scope).table
    if compiled is None:
        raise ValueError(f"the table '{table.id}' or one of its mutants has errors")
    outcomes = tuple(outcome_of(rule.outputs) for rule in compiled.rules)
    default = None if compiled.default is None else outcome_of(compiled.default)
    return Trial(whole, base, others, tuple(row[place].text for row in rows), outcomes, table.hit, default, _ranks(table, outcomes))


def _ranks(table: DecisionTable, outcomes: Sequence[tuple[object, ...]]) -> tuple[tuple[int, ...], ...]:
    if table.hit not in (HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER):
        return ()
    kinds = [(index, kind.values) for index, kind in enumerate(table.outputs.values()) if kind.values]
    return tuple(
        tuple(values.index(str(each[index])) if each[index] in values else len(values) for index, values in kinds) for each in outcomes
    )
