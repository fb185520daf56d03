"""Overlaps: two rules that hold for one record although the hit policy admits one answer."""

from __future__ import annotations

from collections.abc import Iterator

from engine.decision.codes import NOT_PROVEN, RULES_OVERLAP
from engine.decision.proof.subject import Subject
from engine.decision.proof.sweep import numbers_of
from engine.decision.proof.words import record_words
from engine.decision.table import HitPolicy
from engine.diagnostics import Diagnostic


def overlaps(subject: Subject) -> list[Diagnostic]:
    """Return the overlaps of a UNIQUE table, and of an ANY table those whose rules give different outputs."""
    if subject.table.hit not in (HitPolicy.UNIQUE, HitPolicy.ANY):
        return []
    return subject.told(_found(subject))


def overlapping(subject: Subject) -> list[int]:
    """Return for each rule the other rules that hold for some record it holds for (bits)."""
    shared = [(1 << len(subject.rules)) - 1] * len(subject.rules)
    for axis in subject.axes:
        union: dict[int, int] = {}
        for number, cases in enumerate(axis.sets):
            if cases not in union:
                union[cases] = 0
                for place in numbers_of(cases):
                    union[cases] |= axis.cases[place].rules
            shared[number] &= union[cases]
    return [bits & ~(1 << number) for number, bits in enumerate(shared)]


def _found(subject: Subject) -> Iterator[Diagnostic]:
    for first, bits in enumerate(overlapping(subject)):
        for second in numbers_of(bits >> first + 1 << first + 1):
            one, other = subject.rules[first], subject.rules[second]
            same_cells = all(axis.sets[first] == axis.sets[second] for axis in subject.axes)
            if same_cells or (subject.table.hit is HitPolicy.ANY and one.outcome == other.outcome):
                continue
            cases, sure = subject.choice([axis.sets[first] & axis.sets[second] for axis in subject.axes])
            record = record_words(subject.axes, cases)
            if sure:
                yield subject.at_rule(RULES_OVERLAP, other, f"'{one.id}' and '{other.id}' both hold for {record}", one)
            else:
                message = f"'{one.id}' and '{other.id}' would both hold for {record}; whether there can be one is not proven"
                yield subject.at_rule(NOT_PROVEN, other, message, one)
