"""Rules that could go without changing any output."""

from __future__ import annotations

from engine.decision.codes import RULE_REDUNDANT
from engine.decision.proof.firsts import first_hits
from engine.decision.proof.subject import Subject
from engine.decision.proof.sweep import Sweep, numbers_of
from engine.decision.proof.universe import TooManyCasesError
from engine.decision.proof.unreachable import ORDERED, never_holding
from engine.decision.rules import outcome_of
from engine.decision.table import HitPolicy
from engine.diagnostics import Diagnostic


def redundant(subject: Subject) -> list[Diagnostic]:
    """Return the rules whose records would get the same outputs from later rules or the default."""
    try:
        return subject.told(_redundant_rule(subject, number) for number in numbers_of(removable(subject)))
    except TooManyCasesError:
        return [subject.unproven("whether every rule is needed")]


def _redundant_rule(subject: Subject, number: int) -> Diagnostic:
    rule = subject.rules[number]
    return subject.at_rule(RULE_REDUNDANT, rule, f"without '{rule.id}' every record would get the same outputs")


def removable(subject: Subject) -> int:
    """Return the rules that decide some record, each of which other rules would decide alike (bits)."""
    hit = subject.table.hit
    if hit is HitPolicy.ANY:
        return ((1 << len(subject.rules)) - 1) & ~_needed_alone(subject) & ~never_holding(subject)
    first, needed = first_hits(subject) if hit in ORDERED else (0, 0)
    return first & ~needed


def _needed_alone(subject: Subject) -> int:
    sweep = Sweep(subject.axes, len(subject.rules), subject.budget)
    default = subject.table.default
    same = 0
    if default is not None:
        same = sum(1 << number for number, rule in enumerate(subject.rules) if rule.outcome == outcome_of(default))

    def leaf(alive: int) -> int:
        return alive & ~same if alive and not alive & (alive - 1) else 0

    def cut(alive: int, always: int) -> int:
        return always if always & (always - 1) else alive

    return sweep.gather(leaf, cut, until=sweep.everything)
