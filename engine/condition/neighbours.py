"""Small wrong changes of a condition, to see whether any test notices: signs, bounds, alternatives, what joins and what is left out."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Final

from engine.condition.nodes import Node, Op
from engine.condition.parse import parse_condition
from engine.condition.render import render_text
from engine.diagnostics import Anchor

_OTHER: Final = {Op.EQ: Op.NE, Op.NE: Op.EQ, Op.LT: Op.LE, Op.LE: Op.LT, Op.GT: Op.GE, Op.GE: Op.GT, Op.AND: Op.OR, Op.OR: Op.AND}
_DENIED: Final = (Op.IS_NULL, Op.BETWEEN, Op.LIKE, Op.IN)
_NOTHING: Final = "nothing"
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


def neighbours(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield each small change of a condition or value: what stood there, what stands there instead, and the whole text with it.

    Signs the other way or with their bound, numbers, days and lengths of time one step on, one alternative or one part of a
    conjunction less, AND for OR, a negation less, missing for not missing. Text that is no condition yields nothing.
    """
    node = parse_condition(text, Anchor("", 1, 1)).node
    if node is None:
        return
    seen = {render_text(node)}
    for was, now, whole in _changes(node):
        changed = render_text(whole)
        if changed not in seen:
            seen.add(changed)
            yield was, now, changed


def next_value(text: str) -> str:
    """Return a number's or a day's next: the last digit, or the day, one on."""
    if _DAY.match(text):
        return str(dt.date.fromisoformat(text) + dt.timedelta(days=1))
    value = Decimal(text)
    return f"{value + Decimal(1).scaleb(int(value.as_tuple().exponent)):f}"


def _changes(node: Node) -> Iterator[tuple[str, str, Node]]:
    """Yield each change in a tree: the words of the part that was, of the part that is, and the tree with it."""
    yield from _other(node)
    # What is denied already is not denied once more.
    inner = node.args[0] if node.op is Op.NOT and node.args[0].op in _DENIED else node
    for place, each in enumerate(inner.args):
        for was, now, changed in _changes(each):
            whole = replace(inner, args=(*inner.args[:place], changed, *inner.args[place + 1 :]))
            yield was, now, whole if inner is node else replace(node, args=(whole,))


def _other(node: Node) -> Iterator[tuple[str, str, Node]]:
    if node.op in (Op.AND, Op.OR):
        for place, left_out in enumerate(node.args):
            rest = (*node.args[:place], *node.args[place + 1 :])
            yield render_text(left_out), _NOTHING, rest[0] if len(rest) == 1 else replace(node, args=rest)
    for instead in _instead(node):
        yield render_text(node), render_text(instead), instead


def _instead(node: Node) -> Iterator[Node]:
    if node.op in _OTHER:
        yield replace(node, op=_OTHER[node.op])
    elif node.op is Op.NOT:
        yield node.args[0]
    elif node.op is Op.NUMBER or (node.op is Op.TEXT and _DAY.match(node.value)):
        yield replace(node, value=next_value(node.value))
    elif node.op in _DENIED:
        if node.op is Op.IN and len(node.args) > 2:
            for place in range(1, len(node.args)):
                yield replace(node, args=(*node.args[:place], *node.args[place + 1 :]))
        yield Node(Op.NOT, (node,))
