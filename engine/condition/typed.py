"""The checked tree: every operation with its type, literals as exact values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from engine.canonical.kinds import DECIMAL_DIGITS, DECIMAL_PRECISION
from engine.condition.nodes import Op
from engine.condition.scope import Type, decimal

Value = str | bool | int | Decimal | dt.date | dt.datetime | None

_INTEGER_DIGITS: Final = 19

LITERALS: Final = frozenset({Op.TEXT, Op.NUMBER, Op.BOOL, Op.NULL})


@dataclass(frozen=True, slots=True)
class Typed:
    """Hold one checked operation.

    `value` is a path's column, a literal's exact value, a function's name, or the unit of a length
    of time. ROUND and ROUND_EVEN have a numerator and perhaps a denominator; their digits are the
    scale of their type.
    """

    op: Op
    type: Type
    args: tuple[Typed, ...] = ()
    value: Value = None
    start: int = 0
    length: int = 1

    @property
    def is_literal(self) -> bool:
        """Say whether this is a value written out."""
        return self.op in LITERALS

    def walk(self) -> Iterator[Typed]:
        """Yield the node and everything below it."""
        yield self
        for each in self.args:
            yield from each.walk()

    def paths(self) -> tuple[str, ...]:
        """Return the columns the expression reads, sorted."""
        return tuple(sorted({str(each.value) for each in self.walk() if each.op is Op.PATH}))


def never_missing(node: Typed) -> bool:
    """Say whether an expression surely has a value: keys, what is written out, and what is made of such."""
    if node.is_literal:
        return node.value is not None
    if node.op is Op.PATH:
        return node.type.is_key
    if node.op is Op.IS_NULL:
        return True
    if node.op is Op.CASE:
        return len(node.args) % 2 == 1 and all(never_missing(result) for result in (*node.args[1:-1:2], node.args[-1]))
    if node.op is Op.CALL and node.value == "COALESCE":
        return any(never_missing(arg) for arg in node.args)
    if node.op is Op.CALL and node.value in ("ROUND", "ROUND_EVEN") and len(node.args) == 2:
        return False
    return all(never_missing(arg) for arg in node.args)


def whole_digits(node: Typed) -> int:
    """Return how many digits a number can have before its point, at most."""
    if node.op is Op.MUL:
        return sum(whole_digits(arg) for arg in node.args)
    if node.op in (Op.ADD, Op.SUB):
        return max(whole_digits(arg) for arg in node.args) + 1
    if node.op is Op.NEG:
        return whole_digits(node.args[0])
    if node.op is Op.NUMBER and node.value is not None:
        return len(str(abs(int(Decimal(str(node.value))))))
    if node.type.is_integer:
        return _INTEGER_DIGITS
    return DECIMAL_DIGITS.get(node.type.kind, DECIMAL_PRECISION) if node.type.kind is not None else DECIMAL_PRECISION


def fraction(node: Typed) -> tuple[Typed, Typed | None]:
    """Return an arithmetic expression as one numerator and one denominator (None for 1).

    Only the end result is rounded then, so `x / y * 100` is exact until ROUND.
    """
    if node.op is Op.DIV:
        (left, left_under), (right, right_under) = fraction(node.args[0]), fraction(node.args[1])
        above = _product(left, right_under)
        return above if above is not None else left, _product(right, left_under)
    if node.op is Op.NEG:
        above, under = fraction(node.args[0])
        return Typed(Op.NEG, above.type, (above,), None, node.start, node.length), under
    if node.op is Op.MUL:
        (left, left_under), (right, right_under) = fraction(node.args[0]), fraction(node.args[1])
        above = _product(left, right)
        assert above is not None
        return above, _product(left_under, right_under)
    if node.op in (Op.ADD, Op.SUB):
        (left, left_under), (right, right_under) = fraction(node.args[0]), fraction(node.args[1])
        if left_under is None and right_under is None:
            return node, None
        crossed_left, crossed_right = _product(left, right_under), _product(right, left_under)
        assert crossed_left is not None and crossed_right is not None
        scale = max(crossed_left.type.scale, crossed_right.type.scale)
        joined = Typed(node.op, decimal(scale), (crossed_left, crossed_right), None, node.start, node.length)
        return joined, _product(left_under, right_under)
    return node, None


def _product(left: Typed | None, right: Typed | None) -> Typed | None:
    if left is None or right is None:
        return right if left is None else left
    return Typed(Op.MUL, decimal(left.type.scale + right.type.scale), (left, right), None, left.start, left.length)
