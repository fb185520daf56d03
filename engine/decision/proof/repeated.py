"""Rules that ask for exactly the same: duplicates when they give the same, conflicts when they do not."""

from __future__ import annotations

from collections.abc import Iterator

from engine.decision.codes import RULES_CONFLICT, RULES_DUPLICATE
from engine.decision.proof.subject import Subject
from engine.decision.proof.unreachable import never_holding
from engine.diagnostics import Diagnostic


def repeated(subject: Subject) -> list[Diagnostic]:
    """Return each rule that asks for what an earlier one asks for; several answers are what a table of many hits is for."""
    return subject.told(_found(subject))


def _found(subject: Subject) -> Iterator[Diagnostic]:
    first: dict[tuple[int, ...], int] = {}
    empty = never_holding(subject)
    for number, rule in enumerate(subject.rules):
        if empty >> number & 1:
            continue
        key = tuple(axis.sets[number] for axis in subject.axes)
        before = subject.rules[first.setdefault(key, number)]
        if before is rule:
            continue
        if before.outcome == rule.outcome:
            yield subject.at_rule(RULES_DUPLICATE, rule, f"'{rule.id}' asks for the same as '{before.id}' and gives the same", before)
        elif not subject.table.hit.is_multiple:
            yield subject.at_rule(RULES_CONFLICT, rule, f"'{rule.id}' asks for the same as '{before.id}' and gives something else", before)
