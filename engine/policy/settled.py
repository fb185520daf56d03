"""Conditions that no record can change: true of every one, or of none. Their tests are put before the proof of tables as rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import reduce
from itertools import product
from typing import Final

import polars as pl

from engine.condition import CompiledCondition
from engine.condition.compile import Compiler
from engine.condition.nodes import COMPARISONS, CONTRARY, TURNED, Op
from engine.condition.parse import parse_condition
from engine.condition.render import render_text
from engine.condition.scope import BOOL, INT, Category
from engine.condition.typed import Typed, never_missing
from engine.decision.cells import Alternative, Cell, Exact, Literal, Missing, Other, compared_with
from engine.decision.proof.sweep import Sweep
from engine.decision.proof.universe import TooManyCasesError, axes_of
from engine.decision.rules import CheckedTable, Input, Rule
from engine.decision.table import Aggregation, HitPolicy
from engine.diagnostics import Anchor, Code, Diagnostic, Span
from engine.policy.codes import CONDITION_ALWAYS, CONDITION_NEVER

TRUE, FALSE, UNKNOWN = 1, 2, 4
_ANY: Final = TRUE | FALSE | UNKNOWN
_BUDGET: Final = 20_000
_MOST_TESTS: Final = 200
_ANYTHING: Final = Cell("-", None)
_GIVEN: Final[tuple[Alternative, ...]] = (Other((Missing(),)),)


def condition_mistakes(compiled: CompiledCondition, anchor: Anchor) -> list[Diagnostic]:
    """Return what is wrong with a condition: its mistakes, else what of it is settled before any record is read."""
    return [*compiled.diagnostics, *settled_parts(compiled, anchor)]


def settled_parts(compiled: CompiledCondition, anchor: Anchor) -> list[Diagnostic]:
    """Tell the parts of a condition, and the conditions of a CASE in it, that are true of every record or of none."""
    if compiled.typed is None:
        return []
    found: list[Diagnostic] = []
    for part, code, verdict in _settled(compiled.typed, is_whole=True):
        is_whole = part is compiled.typed
        span = anchor.span(compiled.text, 0 if is_whole else part.start, len(compiled.text) if is_whole else part.length)
        found.append(Diagnostic(code, span, f"`{_written(part, compiled.text)}` {verdict}", anchor.line_text))
    return found


def _written(part: Typed, text: str) -> str:
    """Return a part of a condition as its author would write it, cut where it is long."""
    whole = parse_condition(text, Anchor("", 1, 1)).node
    place = (part.op, part.start, part.length)
    own = next((each for each in whole.walk() if (each.op, each.start, each.length) == place), None) if whole is not None else None
    words = render_text(own) if own is not None else text
    return words if len(words) <= 80 else words[:79] + "…"


def _settled(node: Typed, *, is_whole: bool = False) -> Iterator[tuple[Typed, Code, str]]:
    if node.type.category is Category.BOOL and (is_whole or not node.is_literal):
        truth = truths(node)
        if not truth & TRUE:
            yield node, CONDITION_NEVER, "is true of no record"
            return
        if not truth & FALSE:
            yield node, CONDITION_ALWAYS, "is true of every record" + (", unless a value is missing" if truth & UNKNOWN else "")
            return
    for each in node.args:
        yield from _settled(each)


def truths(node: Typed) -> int:
    """Return what a condition can come to (bits: true, false, unknown); where that cannot be told, all of them."""
    if node.op is Op.NOT:
        return _negated(truths(node.args[0]))
    if node.op not in (Op.AND, Op.OR):
        return _together(node.op, (node,))
    parts = [truths(group[0]) if len(group) == 1 else _together(node.op, group) for group in _grouped(node.args)]
    return reduce(lambda one, other: _joined(node.op, one, other), parts)


def _negated(truth: int) -> int:
    return truth & UNKNOWN | (FALSE if truth & TRUE else 0) | (TRUE if truth & FALSE else 0)


def _joined(op: Op, one: int, other: int) -> int:
    """Return what two conditions that have nothing in common can come to together."""
    first, second = ([bit for bit in (TRUE, FALSE, UNKNOWN) if truth & bit] for truth in (one, other))
    return reduce(int.__or__, (_of_both(op, pair) for pair in product(first, second)), 0)


def _of_both(op: Op, parts: Sequence[int]) -> int:
    """Return AND or OR of truths, by the logic of three values."""
    strong, weak = (FALSE, TRUE) if op is Op.AND else (TRUE, FALSE)
    return strong if strong in parts else UNKNOWN if UNKNOWN in parts else weak


def _grouped(nodes: Sequence[Typed]) -> list[tuple[Typed, ...]]:
    """Return conditions in groups that have no term in common."""
    groups: list[tuple[set[Hashable], list[Typed]]] = []
    for node in nodes:
        terms = {_key(each) for each in _terms(node)}
        meets = [group for group in groups if group[0] & terms]
        groups = [group for group in groups if group not in meets]
        groups.append((terms.union(*(names for names, _ in meets)), [*(each for _, several in meets for each in several), node]))
    return [tuple(several) for _, several in groups]


def _terms(node: Typed) -> Iterator[Typed]:
    if node.op is Op.PATH:
        yield node
    for each in node.args:
        yield from _terms(each)


def _key(node: Typed) -> Hashable:
    """Return what makes two expressions the same, wherever they stand."""
    return node.op, node.value, node.type.scale, tuple(_key(each) for each in node.args)


@dataclass
class _Tests:
    """Gather the tests of a condition as columns (what is tested) and rows (a test, and its contrary)."""

    inputs: dict[Hashable, Input] = field(default_factory=dict)
    rows: list[tuple[int, tuple[Alternative, ...]]] = field(default_factory=list)

    def add(self, key: Hashable, subject: Typed, holds: tuple[Alternative, ...], fails: tuple[Alternative, ...]) -> Callable[[int], int]:
        """Return how a test is read off the rows that are alive."""
        name = f"term {len(self.inputs)}"
        made = Input(name, replace(subject.type, currency=None), name, typed=subject)
        to = self.inputs.setdefault(key, made)
        place = list(self.inputs.values()).index(to)
        yes, no = 1 << len(self.rows), 2 << len(self.rows)
        self.rows += [(place, holds), (place, fails)]
        if len(self.rows) > _MOST_TESTS:
            raise TooManyCasesError
        return lambda alive: TRUE if alive & yes else FALSE if alive & no else UNKNOWN

    def table(self) -> CheckedTable:
        """Return the tests as a table: each row asks of one column."""
        rules = []
        for number, (place, alternatives) in enumerate(self.rows):
            cells = [_ANYTHING] * len(self.inputs)
            cells[place] = Cell(str(number), alternatives)
            rules.append(Rule(str(number), tuple(cells), (), "", "", Span("", 1, 1)))
        return CheckedTable("", tuple(self.inputs.values()), {}, tuple(rules), HitPolicy.RULE_ORDER, Aggregation.NONE, None, Compiler())


def _together(op: Op, nodes: Sequence[Typed]) -> int:
    """Return what conditions that share terms can come to, joined by AND or OR; all where that takes too long."""
    tests = _Tests()
    try:
        read = [_reading(node, tests) for node in nodes]
        sweep = Sweep(axes_of(tests.table()), len(tests.rows), _BUDGET)
        return sweep.gather(lambda alive: _of_both(op, [each(alive) for each in read]), lambda alive, _: alive, until=_ANY)
    except TooManyCasesError:
        return _ANY


def _reading(node: Typed, tests: _Tests) -> Callable[[int], int]:
    """Return how the truth of a condition is read off the rows that are alive."""
    if node.op in (Op.AND, Op.OR):
        parts = [_reading(each, tests) for each in node.args]
        return lambda alive: _of_both(node.op, [each(alive) for each in parts])
    if node.op is Op.NOT:
        inner = _reading(node.args[0], tests)
        return lambda alive: _negated(inner(alive))
    if not node.paths():
        constant = pl.select(Compiler().expression(node)).item()
        return lambda _: UNKNOWN if constant is None else TRUE if constant else FALSE
    if node.op is Op.IN:
        return _reading(replace(node, op=Op.OR, args=tuple(Typed(Op.EQ, BOOL, (node.args[0], each)) for each in node.args[1:])), tests)
    if node.op is Op.BETWEEN:
        value, low, high = node.args
        return _reading(replace(node, op=Op.AND, args=(Typed(Op.GE, BOOL, (value, low)), Typed(Op.LE, BOOL, (value, high)))), tests)
    if node.op is Op.IS_NULL:
        return tests.add(_key(node.args[0]), node.args[0], (Missing(),), _GIVEN)
    return _compared(node, tests) if node.op in COMPARISONS else _opaque(node, tests)


def _opaque(node: Typed, tests: _Tests) -> Callable[[int], int]:
    """Take a condition that is no comparison as it is: true, false or unknown."""
    return tests.add(_key(node), node, (Exact(True),), (Exact(False),))


def _compared(node: Typed, tests: _Tests) -> Callable[[int], int]:
    op, (left, right) = node.op, node.args
    if not left.paths():
        op, left, right = TURNED.get(op, op), right, left
    if _key(left) == _key(right):
        agrees = op in (Op.EQ, Op.LE, Op.GE)
        return tests.add(_key(left), left, _GIVEN if agrees else (), () if agrees else _GIVEN)
    if not right.paths():
        value = _literal(right)
        if value is None or (op in TURNED and left.type.values):
            return _opaque(node, tests)
        return tests.add(_key(left), left, (compared_with(op, value),), (compared_with(CONTRARY[op], value),))
    if repr(_key(right)) < repr(_key(left)):
        op, left, right = TURNED.get(op, op), right, left
    # How two values compare is a term of its own: below 0, 0 or above.
    sure = never_missing(left) and never_missing(right)
    relation = Typed(Op.PATH, replace(INT, is_key=sure), (), "how they compare")
    holds, fails = (compared_with(each, Decimal(0)) for each in (op, CONTRARY[op]))
    return tests.add(("compared", _key(left), _key(right)), relation, (holds,), (fails,))


def _literal(node: Typed) -> Literal | None:
    """Return what is written out as a cell holds it; None for what no cell can."""
    value = node.value if node.is_literal else pl.select(Compiler().expression(node)).item()
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return value if isinstance(value, (str, bool, Decimal)) or type(value) is dt.date else None
