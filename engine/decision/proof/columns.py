"""Columns that do nothing: inputs no rule asks for, and values no rule gives."""

from __future__ import annotations

from engine.decision.codes import DEAD_COLUMN, OUTPUT_NEVER_GIVEN
from engine.decision.proof.subject import Subject
from engine.diagnostics import Diagnostic


def dead_columns(subject: Subject) -> list[Diagnostic]:
    """Return the inputs whose every cell admits everything."""
    return [
        subject.at_table(DEAD_COLUMN, f"no rule asks for the input '{axis.input.name}'")
        for axis in subject.axes
        if all(cases == axis.everything for cases in axis.sets)
    ]


def values_never_given(subject: Subject) -> list[Diagnostic]:
    """Return the declared values that neither a rule nor the default gives; an expression may give any."""
    table = subject.table
    found = []
    for position, (name, kind) in enumerate(table.outputs.items()):
        given = [rule.outputs[position] for rule in table.rules]
        if table.default is not None:
            given.append(table.default[position])
        if any(each.expression is not None for each in given):
            continue
        left = [value for value in kind.values if value not in {each.value for each in given}]
        if left:
            words = ", ".join(f"'{value}'" for value in left)
            found.append(subject.at_table(OUTPUT_NEVER_GIVEN, f"no rule gives the output '{name}' the value {words}"))
    return found
