"""Every record a table can meet, in finitely many cases: for each input its cases, for each case the rules that admit it.

A cell that reads another field is judged by how the two compare (below, equal, above, unknown); a
whole condition may hold or fail. Where such a comparison could not stand beside the other cells of
a record, a verdict that rests on it is only a possibility, and the case says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from engine.condition.nodes import Op
from engine.decision.cells import Against, Alternative, Bound, Exact, Holds, Literal, Missing, Other
from engine.decision.proof.values import Stretch, stretches
from engine.decision.rules import CheckedTable, Input

# Combinations of comparisons and conditions of one input; beyond them nothing is proven.
_MOST_CASES: Final = 4_096
_ALLOWED: Final = {
    Op.LT: "<", Op.LE: "<=", Op.GT: ">", Op.GE: ">=", Op.EQ: "=", Op.NE: "<>",
}  # fmt: skip

Relations = Mapping[str, str]


class TooManyCasesError(Exception):
    """More cases than are looked at; the question stays unproven."""


@dataclass(frozen=True, slots=True)
class Case:
    """Hold one case of an input: its stretch, how other fields compare, and the rules that admit it (bits).

    `is_sure` says that a record of this case can exist whatever its other inputs are.
    """

    stretch: Stretch
    beside: tuple[str, ...]
    rules: int
    is_sure: bool

    def words(self, name: str) -> str:
        """Return the case as part of a sentence."""
        return " and ".join([f"{name} {self.stretch.words()}", *self.beside])


@dataclass(frozen=True, slots=True)
class Axis:
    """Hold an input with its cases; `sets` gives for each rule the cases its cell admits (bits)."""

    input: Input
    cases: tuple[Case, ...]
    sets: tuple[int, ...]

    @property
    def everything(self) -> int:
        """Return the bit set of all cases."""
        return (1 << len(self.cases)) - 1


def axes_of(table: CheckedTable) -> list[Axis]:
    """Return the axes of a table in the order of its inputs; raises TooManyCasesError."""
    return [_axis(table, index) for index in range(len(table.inputs))]


def _axis(table: CheckedTable, index: int) -> Axis:
    to = table.inputs[index]
    cells = {rule.cells[index].text: rule.cells[index] for rule in table.rules}
    alternatives = [each for cell in cells.values() for each in cell.alternatives or ()]
    fields = sorted({str(each.other.value) for each in _all(alternatives) if isinstance(each, Against) and each.other.op is Op.PATH})
    conditions = [each for each in _all(alternatives) if _is_condition(each)]
    numbers = {id(each): number for number, each in enumerate(conditions)}
    pieces = stretches(to, alternatives)
    if len(pieces) * 4 ** len(fields) * 2 ** len(conditions) > _MOST_CASES:
        raise TooManyCasesError
    users = dict.fromkeys(cells, 0)
    for number, rule in enumerate(table.rules):
        users[rule.cells[index].text] |= 1 << number
    certain = not conditions and not _is_shared(table, index) and (not fields or _stands_alone(table, index, fields, len(pieces)))
    found: list[Case] = []
    for piece in pieces:
        by_rules: dict[int, Case] = {}
        for relation in product(*[("unknown",) if piece.value is None else ("unknown", "<", "=", ">")] * len(fields)):
            related = dict(zip(fields, relation, strict=True))
            for truth in product((False, True), repeat=len(conditions)):
                rules = 0
                for text, cell in cells.items():
                    if cell.alternatives is None or any(_admits(each, piece.value, related, truth, numbers) for each in cell.alternatives):
                        rules |= users[text]
                beside = (*(_compared(name, each) for name, each in related.items()), *_told(cells, conditions, truth))
                by_rules.setdefault(rules, Case(piece, beside, rules, certain))
        sure = certain or (len(by_rules) == 1 and not _is_shared(table, index))
        found += [Case(piece, each.beside if len(by_rules) > 1 else (), each.rules, sure) for each in by_rules.values()]
    sets = [0] * len(table.rules)
    for place, case in enumerate(found):
        for number in range(len(sets)):
            if case.rules >> number & 1:
                sets[number] |= 1 << place
    return Axis(to, tuple(found), tuple(sets))


def _is_condition(each: Alternative) -> bool:
    return isinstance(each, Holds) or (isinstance(each, Against) and each.other.op is not Op.PATH)


def _all(alternatives: list[Alternative]) -> Iterator[Alternative]:
    for each in alternatives:
        yield each
        if isinstance(each, Other):
            yield from _all(list(each.alternatives))


def _is_shared(table: CheckedTable, index: int) -> bool:
    """Say whether another input is made of the same fields, so that not every pair of their values can meet."""
    own = {table.inputs[index].column, *table.inputs[index].paths} - {"as_of"}
    return any(own & {each.column, *each.paths} for number, each in enumerate(table.inputs) if number != index)


def _stands_alone(table: CheckedTable, index: int, fields: list[str], pieces: int) -> bool:
    """Say whether nothing else in the table speaks of the fields an input is compared with."""
    if len(fields) > 1 or pieces > 2:
        return False
    others = {path for number, each in enumerate(table.inputs) if number != index for path in (each.column, *each.paths)}
    others |= {path for rule in table.rules for number, cell in enumerate(rule.cells) if number != index for path in cell.paths()}
    return fields[0] not in others


def _admits(
    each: Alternative, value: Literal | None, related: Relations, truth: tuple[bool, ...], numbers: Mapping[int, int]
) -> bool:
    if isinstance(each, Missing):
        return value is None
    if id(each) in numbers:
        return truth[numbers[id(each)]]
    if value is None or isinstance(each, Holds):
        return False
    if isinstance(each, Other):
        return not any(_admits(inner, value, related, truth, numbers) for inner in each.alternatives)
    if isinstance(each, Exact):
        return value == each.value
    if isinstance(each, Bound):
        above = each.low is None or value > each.low or (each.low_closed and value == each.low)  # type: ignore[operator]
        return above and (each.high is None or value < each.high or (each.high_closed and value == each.high))  # type: ignore[operator]
    relation = related[str(each.other.value)]
    if relation == "unknown":
        return False
    return relation != "=" if each.op is Op.NE else relation in _ALLOWED[each.op]


def _compared(name: str, relation: str) -> str:
    words = {"unknown": f"{name} missing", "<": f"below {name}", "=": f"equal to {name}", ">": f"above {name}"}
    return words[relation]


def _told(cells: Mapping[str, object], conditions: list[Alternative], truth: tuple[bool, ...]) -> Iterator[str]:
    texts = [text for text in cells if text not in {"", "-"}]
    for number, (_, holds) in enumerate(zip(conditions, truth, strict=True)):
        text = texts[number] if len(texts) == len(conditions) else "a condition on it"
        yield f"`{text}` {'holds' if holds else 'fails'}"
