"""What can be proven of a table before any data is read: gaps, overlaps, rules and columns that do nothing."""

from __future__ import annotations

from engine.decision.compile import CompiledTable
from engine.decision.proof.columns import dead_columns, values_never_given
from engine.decision.proof.gaps import gaps
from engine.decision.proof.overlaps import overlaps
from engine.decision.proof.redundant import redundant
from engine.decision.proof.repeated import repeated
from engine.decision.proof.subject import Subject
from engine.decision.proof.sweep import BUDGET
from engine.decision.proof.universe import TooManyCasesError, axes_of
from engine.decision.proof.unreachable import unreachable
from engine.diagnostics import Anchor, Diagnostic

_LINTS = (gaps, overlaps, unreachable, repeated, redundant, dead_columns, values_never_given)


def prove_table(compiled: CompiledTable, anchor: Anchor, *, budget: int = BUDGET) -> list[Diagnostic]:
    """Return everything that can be said of a table without data; nothing for a table with errors.

    Each verdict is exact over the types of the inputs and comes with a record that shows it; what
    takes more than `budget` steps, or rests on how fields compare, is said to be not proven.
    `anchor` is where what concerns the whole table is reported.
    """
    table = compiled.table
    if table is None:
        return []
    try:
        subject = Subject(table, tuple(axes_of(table)), anchor, budget)
    except TooManyCasesError:
        return [Subject(table, (), anchor, budget).unproven("what the table says of every record")]
    return [found for lint in _LINTS for found in lint(subject)]


__all__ = ["BUDGET", "prove_table"]
