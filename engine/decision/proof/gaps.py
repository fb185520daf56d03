"""Gaps: records that meet no rule, each with the row that would close it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from engine.decision.codes import NOT_PROVEN, TABLE_GAP
from engine.decision.proof.subject import Subject
from engine.decision.proof.sweep import Sweep
from engine.decision.proof.universe import Axis, TooManyCasesError
from engine.decision.proof.words import cell_words, record_words
from engine.diagnostics import Diagnostic

_MOST_GAPS = 5


def gaps(subject: Subject) -> list[Diagnostic]:
    """Return the gaps of a table without a default, the widest stretches first found, at most five."""
    if subject.table.default is not None:
        return []
    found: list[Diagnostic] = []
    try:
        for box in gap_boxes(subject):
            if len(found) == _MOST_GAPS:
                more = f"{found[-1].message}; and there are more gaps"
                found[-1] = replace(found[-1], message=more)
                break
            found.append(_told(subject, box))
    except TooManyCasesError:
        found.append(subject.unproven("whether every record meets a rule"))
    return found


def gap_boxes(subject: Subject) -> Iterator[list[int]]:
    """Yield stretches without a rule as one bit set of cases for each axis; together they are all that no rule meets."""
    axes = list(subject.axes)
    rules = len(subject.rules)
    while True:
        sweep = Sweep(axes, rules, subject.budget)
        masks = sweep.uncovered()
        if masks is None:
            return
        chosen = dict(zip(sweep.order, masks, strict=True))
        box = [_with(axis, chosen[index]) for index, axis in enumerate(axes)]
        box = _widened(axes, box)
        yield box
        # The gap counts as closed while the next is looked for.
        axes = [_closed(axis, bits, rules) for axis, bits in zip(axes, box, strict=True)]
        rules += 1


def _with(axis: Axis, mask: int) -> int:
    return sum(1 << place for place, case in enumerate(axis.cases) if case.rules == mask)


def _widened(axes: list[Axis], box: list[int]) -> list[int]:
    """Return the box with every case added that still leaves no rule alive; inputs that need not be named come first."""
    places = range(len(axes))
    ways = [_widened_in(axes, list(box), [*places[start:], *places[:start]]) for start in places]
    return max(ways, key=lambda way: sum(bits == axis.everything for axis, bits in zip(axes, way, strict=True)), default=box)


def _widened_in(axes: list[Axis], box: list[int], order: list[int]) -> list[int]:
    admitted = [_union(axis, bits) for axis, bits in zip(axes, box, strict=True)]
    for index in order:
        elsewhere = -1
        for other, bits in enumerate(admitted):
            if other != index:
                elsewhere &= bits
        box[index] = sum(1 << place for place, case in enumerate(axes[index].cases) if not case.rules & elsewhere)
        admitted[index] = _union(axes[index], box[index])
    return box


def _union(axis: Axis, bits: int) -> int:
    found = 0
    for place, case in enumerate(axis.cases):
        if bits >> place & 1:
            found |= case.rules
    return found


def _closed(axis: Axis, bits: int, rule: int) -> Axis:
    cases = tuple(replace(case, rules=case.rules | (bits >> place & 1) << rule) for place, case in enumerate(axis.cases))
    return replace(axis, cases=cases, sets=(*axis.sets, bits))


def _told(subject: Subject, box: list[int]) -> Diagnostic:
    cases, sure = subject.choice(box)
    record = record_words(subject.axes, cases, box)
    cells = [cell_words(axis, bits) for axis, bits in zip(subject.axes, box, strict=True)]
    row = " | ".join(cell for cell in cells if cell is not None)
    closing = f"; the row that would close it: | {row} |" if None not in cells else ""
    if not sure:
        return subject.at_table(NOT_PROVEN, f"{record} would meet no rule; whether there can be one is not proven{closing}")
    return subject.at_table(TABLE_GAP, f"{record} meets no rule{closing}")
