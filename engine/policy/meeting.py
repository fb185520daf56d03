"""Whether two conditions can hold for one record: both written as rows of a table, whose overlaps are proven as any table's are."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Final

from engine.condition import Scope
from engine.condition.nodes import TURNED, Node, Op
from engine.condition.parse import parse_condition
from engine.condition.scope import enum
from engine.decision.compile import compile_table
from engine.decision.proof.subject import Subject
from engine.decision.proof.universe import TooManyCasesError, axes_of
from engine.decision.proof.words import record_words
from engine.decision.table import DecisionTable, Grid, GridCell
from engine.diagnostics import Anchor

_NOWHERE: Final = Anchor("", 1, 1)
_MOST: Final = 64
"""Rows a condition may come to; beyond them it is not told."""

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_LITERALS: Final = (Op.TEXT, Op.NUMBER, Op.BOOL)

Row = dict[str, str]
"""By field, the cell that asks for its part of a condition."""


class _UntoldError(Exception):
    """A condition that is no row of cells: arithmetic, functions, a field beside another."""


def both_hold(one: str, other: str, scope: Scope) -> str | None:
    """Return a record, in words, that surely meets both conditions; None where none can, or where that cannot be told before a run."""
    nodes = [parse_condition(text, _NOWHERE).node for text in (one, other)]
    try:
        first, second = (list(_rows(node)) for node in nodes if node is not None)
    except (_UntoldError, ValueError):
        return None
    names = sorted({name for row in (*first, *second) for name in row})
    header = ("rule", *names, "-> is")
    lines = [(f"R-{place}", *(row.get(name, "-") for name in names), "x") for place, row in enumerate((*first, *second))]
    grid = Grid(tuple(map(_cell, header)), tuple(tuple(map(_cell, line)) for line in lines))
    table = compile_table(DecisionTable("where", {"is": enum("x")}, grid), scope).table
    if table is None:
        return None
    try:
        subject = Subject(table, tuple(axes_of(table)), _NOWHERE)
    except TooManyCasesError:
        return None
    for left, right in itertools.product(range(len(first)), range(len(first), len(lines))):
        shared = [axis.sets[left] & axis.sets[right] for axis in subject.axes]
        if all(shared):
            cases, sure = subject.choice(shared)
            if sure:
                return record_words(subject.axes, cases)
    return None


def _cell(text: str) -> GridCell:
    return GridCell(text, _NOWHERE)


def _rows(node: Node) -> Iterator[Row]:
    """Give a condition as rows of which one must be met; raises _UntoldError for what no row of cells can say."""
    if node.op is Op.OR:
        for each in node.args:
            yield from _rows(each)
    elif node.op is Op.AND:
        found = [list(_rows(each)) for each in node.args]
        if len(list(itertools.islice(itertools.product(*found), _MOST + 1))) > _MOST:
            raise _UntoldError
        for parts in itertools.product(*found):
            names = [name for part in parts for name in part]
            if len(set(names)) < len(names):
                # Two demands of one field stand in no cell of their own.
                raise _UntoldError
            yield {name: text for part in parts for name, text in part.items()}
    else:
        yield _demand(node)


def _demand(node: Node) -> Row:
    """Return one demand of one field as a cell."""
    op = Op(node.op)
    if op is Op.PATH:
        return {node.value: "true"}
    if op is Op.NOT:
        (inner,) = node.args
        if inner.op is Op.PATH:
            return {inner.value: "false"}
        if inner.op in (Op.IS_NULL, Op.IN) and inner.args[0].op is Op.PATH:
            ((name, text),) = _demand(inner).items()
            return {name: f"not({text})"}
        raise _UntoldError
    if node.op is Op.IS_NULL and node.args[0].op is Op.PATH:
        return {node.args[0].value: "null"}
    subject, *others = node.args or (node,)
    if subject.op in _LITERALS and len(others) == 1 and others[0].op is Op.PATH:
        subject, others, op = others[0], [subject], TURNED.get(op, op)
    if subject.op is not Op.PATH or any(each.op not in _LITERALS for each in others):
        raise _UntoldError
    return {subject.value: _demanded(op, [_literal(each) for each in others])}


def _demanded(op: Op, values: list[str]) -> str:
    if op in (Op.EQ, Op.IN):
        return ", ".join(values)
    if op is Op.NE:
        return f"not({values[0]})"
    if op in TURNED:
        return f"{op.value} {values[0]}"
    if op is Op.BETWEEN:
        return f"[{values[0]}..{values[1]}]"
    raise _UntoldError


def _literal(node: Node) -> str:
    """Return a literal as a cell has it: text in quotes, numbers, days and truth values as they are."""
    if node.op is Op.TEXT and not _DAY.match(node.value):
        return '"' + node.value.replace('"', '""') + '"'
    return node.value
