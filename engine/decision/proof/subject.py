"""A table under proof: its axes, its rules, and where to report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from engine.decision.codes import NOT_PROVEN
from engine.decision.proof.sweep import BUDGET, numbers_of
from engine.decision.proof.universe import Axis
from engine.decision.rules import CheckedTable, Rule
from engine.diagnostics import Anchor, Code, Diagnostic

# Findings of one lint; what is left is counted.
MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Subject:
    """Hold a checked table with its axes; `anchor` is where what concerns the whole table is reported."""

    table: CheckedTable
    axes: tuple[Axis, ...]
    anchor: Anchor
    budget: int = BUDGET
    walked: dict[str, int] = field(default_factory=dict)
    """What walks that several lints need have found."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return the rules in the order they are looked at."""
        return self.table.rules

    def at_table(self, code: Code, message: str, *others: Rule) -> Diagnostic:
        """Return a diagnostic about the whole table."""
        place = self.anchor.span("")
        return Diagnostic(code, place, message, self.anchor.line_text, related=tuple(rule.place for rule in others))

    def at_rule(self, code: Code, rule: Rule, message: str, *others: Rule) -> Diagnostic:
        """Return a diagnostic about a rule; `others` are the rules it has to do with."""
        return Diagnostic(code, rule.place, message, rule.line_text, related=tuple(other.place for other in others))

    def unproven(self, what: str) -> Diagnostic:
        """Return the diagnostic that a question could not be decided within the budget."""
        return self.at_table(NOT_PROVEN, f"{what} is not proven: the table has more cases than {self.budget:,} steps can look at")

    def told(self, found: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Return the first diagnostics of a lint, and how many more there are."""
        every = list(found)
        if len(every) <= MOST_TOLD:
            return every
        last = every[MOST_TOLD - 1]
        return [*every[: MOST_TOLD - 1], replace(last, message=f"{last.message}; and {len(every) - MOST_TOLD:,} more")]

    def choice(self, sets: Sequence[int]) -> tuple[list[int], bool]:
        """Return one case of each axis out of the given bit sets, and whether such a record surely exists."""
        cases, sure = [], True
        for axis, bits in zip(self.axes, sets, strict=True):
            places = numbers_of(bits)
            certain = [place for place in places if axis.cases[place].is_sure]
            known = [place for place in certain or places if axis.cases[place].stretch.value is not None]
            sure = sure and bool(certain)
            cases.append((known or certain or places)[0])
        return cases, sure

    def alive(self, cases: Sequence[int]) -> int:
        """Return the rules that hold in a case of every axis (bits)."""
        held = (1 << len(self.rules)) - 1
        for axis, place in zip(self.axes, cases, strict=True):
            held &= axis.cases[place].rules
        return held
