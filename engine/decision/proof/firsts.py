"""The walk behind ordered tables: which rules are ever the first to hold, and which of them matter."""

from __future__ import annotations

from engine.decision.proof.subject import Subject
from engine.decision.proof.sweep import Sweep, lowest
from engine.decision.rules import outcome_of


def first_hits(subject: Subject) -> tuple[int, int]:
    """Return the rules that are first for some record, and those of them for which what follows gives other outputs.

    Both are bit sets; what follows is the next rule that holds, else the default. Raises TooManyCasesError.
    """
    count = len(subject.rules)
    if "first" not in subject.walked:
        subject.walked["first"] = _walk(subject)
    both = subject.walked["first"]
    return both & ((1 << count) - 1), both >> count


def _walk(subject: Subject) -> int:
    default, count = subject.table.default, len(subject.rules)
    outcomes = [rule.outcome for rule in subject.rules]
    fallback = None if default is None else outcome_of(default)
    sweep = Sweep(subject.axes, count, subject.budget)

    def leaf(alive: int) -> int:
        if not alive:
            return 0
        first, rest = lowest(alive), alive & (alive - 1)
        following = outcomes[lowest(rest).bit_length() - 1] if rest else fallback
        return first if outcomes[first.bit_length() - 1] == following else first | first << count

    def cut(alive: int, always: int) -> int:
        # Nothing behind the second rule that holds in any case can be the first or the next.
        second = always & (always - 1)
        return alive & (((second & -second) << 1) - 1) if second else alive

    return sweep.gather(leaf, cut, until=sweep.everything << count | sweep.everything)
