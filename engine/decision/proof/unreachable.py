"""Rules that never decide: their cells admit nothing, or earlier rules take every record first."""

from __future__ import annotations

from engine.decision.codes import RULE_UNREACHABLE
from engine.decision.proof.firsts import first_hits
from engine.decision.proof.subject import Subject
from engine.decision.proof.sweep import numbers_of
from engine.decision.proof.universe import TooManyCasesError
from engine.decision.proof.words import record_words
from engine.decision.table import HitPolicy
from engine.diagnostics import Diagnostic

ORDERED = (HitPolicy.FIRST, HitPolicy.PRIORITY)


def unreachable(subject: Subject) -> list[Diagnostic]:
    """Return the rules that decide nothing, each with a record of its own and the rule that takes it."""
    found: list[Diagnostic] = []
    empty = never_holding(subject)
    for number in numbers_of(empty):
        rule = subject.rules[number]
        name = next(axis.input.name for axis in subject.axes if not axis.sets[number])
        cell = rule.cells[next(index for index, axis in enumerate(subject.axes) if not axis.sets[number])].text
        found.append(subject.at_rule(RULE_UNREACHABLE, rule, f"'{rule.id}' never holds: {name} is never {cell}"))
    if subject.table.hit in ORDERED:
        try:
            taken = ((1 << len(subject.rules)) - 1) & ~deciding(subject) & ~empty
        except TooManyCasesError:
            return subject.told([*found, subject.unproven("whether every rule can decide")])
        found += [_shadowed(subject, number) for number in numbers_of(taken) if not _repeats(subject, number)]
    return subject.told(found)


def never_holding(subject: Subject) -> int:
    """Return the rules with a cell that admits no value its input can have (bits)."""
    return sum(1 << number for number in range(len(subject.rules)) if any(not axis.sets[number] for axis in subject.axes))


def deciding(subject: Subject) -> int:
    """Return the rules that are the first to hold for some record (bits); raises TooManyCasesError."""
    return first_hits(subject)[0]


def _repeats(subject: Subject, number: int) -> bool:
    """Say whether an earlier rule asks for exactly the same, which is told as a duplicate or conflict."""
    return any(all(axis.sets[other] == axis.sets[number] for axis in subject.axes) for other in range(number))


def _shadowed(subject: Subject, number: int) -> Diagnostic:
    rule = subject.rules[number]
    cases, _ = subject.choice([axis.sets[number] for axis in subject.axes])
    winner = subject.rules[numbers_of(subject.alive(cases))[0]]
    record = record_words(subject.axes, cases)
    message = f"'{rule.id}' never decides: earlier rules take each of its records; {record} is decided by '{winner.id}'"
    return subject.at_rule(RULE_UNREACHABLE, rule, message, winner)
