"""Types before data: every operation of a condition is checked, and all mistakes are told at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Final

from engine.canonical.kinds import Kind
from engine.condition import codes
from engine.condition.combine import Combiner, Report
from engine.condition.functions import check_call
from engine.condition.nodes import COMPARISONS, Node, Op
from engine.condition.scope import BOOL, DATE, INT, NULL, SPAN, TEXT, Category, Scope, Type, Unresolved, decimal
from engine.condition.typed import Typed
from engine.diagnostics import Anchor, Code, Diagnostic

# A product with more decimals leaves too few digits before the point of Decimal(38).
MAX_SCALE: Final = 24

_MAX_DIGITS: Final = 28
_MAX_INT64: Final = 2**63 - 1


def check_condition(node: Node, scope: Scope, text: str, anchor: Anchor) -> tuple[Typed | None, list[Diagnostic]]:
    """Check a tree that must be true or false; return it typed, or None, with every diagnostic."""
    typed, diagnostics = check_value(node, scope, text, anchor)
    if typed is not None and typed.type.category is not Category.BOOL:
        span = anchor.span(text, typed.start, typed.length)
        message = f"a condition is needed, but this is {typed.type.words}"
        diagnostics.append(Diagnostic(codes.NOT_A_CONDITION, span, message, anchor.line_text))
        return None, diagnostics
    return typed, diagnostics


def check_value(node: Node, scope: Scope, text: str, anchor: Anchor) -> tuple[Typed | None, list[Diagnostic]]:
    """Check a tree of any type; return it typed, or None, with every diagnostic."""
    checker = Checker(scope, text, anchor)
    typed = checker.check(node)
    return (None if checker.diagnostics else typed), checker.diagnostics


class Checker:
    """Walk one tree, collecting diagnostics; a part that is wrong comes back as None."""

    def __init__(self, scope: Scope, text: str, anchor: Anchor) -> None:
        self.scope = scope
        self.text = text
        self.anchor = anchor
        self.diagnostics: list[Diagnostic] = []
        self.combine = Combiner(self.report, scope.same_currency)
        self._rounded = False

    def report(self, code: Code, at: Node | Typed, message: str, within: Node | Typed | None = None) -> None:
        """Add a diagnostic at a node; `within` shows the expression it stands in."""
        if within is not None:
            excerpt = " ".join(self.text[within.start : within.start + within.length].split())
            message += f" in `{excerpt if len(excerpt) <= 80 else excerpt[:79] + '…'}`"
        span = self.anchor.span(self.text, at.start, at.length)
        self.diagnostics.append(Diagnostic(code, span, message, self.anchor.line_text))

    def check(self, node: Node) -> Typed | None:
        """Return the node typed, or None after reporting what is wrong with it."""
        rounded, self._rounded = self._rounded, False
        if node.op in (Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.NEG):
            self._rounded = rounded
            return self._arithmetic(node)
        if node.op in COMPARISONS:
            return self._comparison(node)
        return self._others()[node.op](node)

    def check_rounded(self, node: Node) -> Typed | None:
        """Check what ROUND rounds, where a division may stand."""
        self._rounded = True
        try:
            return self.check(node)
        finally:
            self._rounded = False

    def _others(self) -> dict[Op, Callable[[Node], Typed | None]]:
        return {
            Op.PATH: self._path, Op.TEXT: self._text, Op.NUMBER: self._number, Op.BOOL: self._boolean,
            Op.NULL: self._null, Op.AND: self._and, Op.OR: self._logic, Op.NOT: self._logic, Op.IN: self._in,
            Op.BETWEEN: self._between, Op.IS_NULL: self._is_null, Op.LIKE: self._like, Op.CASE: self._case,
            Op.CALL: self._call, Op.PERIOD: self._length_of_time,
        }  # fmt: skip

    def _path(self, node: Node) -> Typed | None:
        found = self.scope.resolve(node.value)
        if isinstance(found, Unresolved):
            code = codes.AMBIGUOUS_REFERENCE if found.is_ambiguous else codes.UNKNOWN_FIELD
            self.report(code, node, found.message)
            return None
        column, kind = found
        return Typed(Op.PATH, kind, (), column, node.start, node.length)

    def _text(self, node: Node) -> Typed:
        return Typed(Op.TEXT, TEXT, (), node.value, node.start, node.length)

    def _number(self, node: Node) -> Typed | None:
        digits = node.value.replace(".", "").lstrip("0")
        if len(digits) > _MAX_DIGITS:
            self.report(codes.NUMBER_OUT_OF_RANGE, node, f"the number has more than {_MAX_DIGITS} digits")
            return None
        whole = "." not in node.value and int(node.value) <= _MAX_INT64
        scale = len(node.value.partition(".")[2])
        value = int(node.value) if whole else Decimal(node.value)
        return Typed(Op.NUMBER, INT if whole else decimal(scale), (), value, node.start, node.length)

    def _boolean(self, node: Node) -> Typed:
        return Typed(Op.BOOL, BOOL, (), node.value == "true", node.start, node.length)

    def _null(self, node: Node) -> Typed:
        return Typed(Op.NULL, NULL, (), None, node.start, node.length)

    def _length_of_time(self, node: Node) -> Typed | None:
        count = self._number(node.args[0])
        if count is None or not isinstance(count.value, int) or count.value > 100_000:
            self.report(codes.WRONG_ARGUMENTS, node, "a length of time is a whole number of days, workdays, months or years")
            return None
        return Typed(Op.PERIOD, SPAN, (count,), node.value, node.start, node.length)

    def _all(self, nodes: Sequence[Node]) -> list[Typed] | None:
        found = [self.check(node) for node in nodes]
        typed = [each for each in found if each is not None]
        return typed if len(typed) == len(found) else None

    def _and(self, node: Node) -> Typed | None:
        with self._proven(node.args):
            return self._logic(node)

    def _logic(self, node: Node) -> Typed | None:
        args = self._all(node.args)
        if args is None:
            return None
        wrong = [arg for arg in args if arg.type.category is not Category.BOOL]
        for arg in wrong:
            message = f"{node.op.value} needs conditions, but this is {arg.type.words}"
            self.report(codes.NOT_A_CONDITION, arg, message, node)
        return None if wrong else self._made(node, BOOL, args)

    @contextmanager
    def _proven(self, conditions: Sequence[Node]) -> Iterator[None]:
        """Take equalities between names (and text) among the conditions as known to hold meanwhile."""
        before = self.combine.equal
        pairs = [pair for condition in conditions for pair in self._equalities(condition)]
        self.combine.equal = (*before, *pairs)
        try:
            yield
        finally:
            self.combine.equal = before

    def _equalities(self, condition: Node) -> list[tuple[str, str]]:
        if condition.op is Op.AND:
            return [pair for each in condition.args for pair in self._equalities(each)]
        if condition.op is not Op.EQ:
            return []
        names: list[str] = []
        for side in condition.args:
            found = self.scope.resolve(side.value) if side.op is Op.PATH else None
            if isinstance(found, tuple):
                names.append(found[0])
            elif side.op is Op.TEXT:
                names.append(f"'{side.value}'")
        return [(names[0], names[1])] if len(names) == 2 else []

    def _comparison(self, node: Node) -> Typed | None:
        if Op.NULL in (node.args[0].op, node.args[1].op):
            negated = " NOT" if node.op is Op.NE else ""
            self.report(codes.NULL_COMPARISON, node, f"use IS{negated} NULL to test for missing values", node)
            return None
        args = self._all(node.args)
        if args is None:
            return None
        pair = self.combine.compared(args[0], args[1], node.op, node)
        return None if pair is None else self._made(node, BOOL, pair)

    def _in(self, node: Node) -> Typed | None:
        if any(item.op is Op.NULL for item in node.args[1:]):
            self.report(codes.NULL_COMPARISON, node, "a list in IN cannot hold NULL; add OR … IS NULL", node)
            return None
        args = self._all(node.args)
        if args is None:
            return None
        pairs = [self.combine.compared(args[0], item, Op.EQ, node) for item in args[1:]]
        known = [pair for pair in pairs if pair is not None]
        if len(known) != len(pairs):
            return None
        return self._made(node, BOOL, (known[0][0], *(item for _, item in known)))

    def _between(self, node: Node) -> Typed | None:
        if any(bound.op is Op.NULL for bound in node.args[1:]):
            self.report(codes.NULL_COMPARISON, node, "BETWEEN needs two known bounds", node)
            return None
        args = self._all(node.args)
        if args is None:
            return None
        low = self.combine.compared(args[0], args[1], Op.GE, node)
        high = self.combine.compared(args[0], args[2], Op.LE, node)
        if low is None or high is None:
            return None
        if _is_reversed(low[1], high[1]):
            self.report(codes.EMPTY_INTERVAL, node, "no value lies between them; write the smaller bound first", node)
            return None
        return self._made(node, BOOL, (low[0], low[1], high[1]))

    def _is_null(self, node: Node) -> Typed | None:
        arg = self.check(node.args[0])
        return None if arg is None else self._made(node, BOOL, (arg,))

    def _like(self, node: Node) -> Typed | None:
        args = self._all(node.args)
        if args is None:
            return None
        if args[0].type.category is not Category.TEXT:
            self.report(codes.TYPE_MISMATCH, args[0], f"LIKE needs text, but this is {args[0].type.words}", node)
            return None
        return self._made(node, BOOL, args)

    def _case(self, node: Node) -> Typed | None:
        pairs = len(node.args) // 2
        conditions: list[Typed | None] = []
        results: list[Typed | None] = []
        for index in range(pairs):
            condition = self.check(node.args[2 * index])
            if condition is not None and condition.type.category is not Category.BOOL:
                message = f"WHEN needs a condition, but this is {condition.type.words}"
                self.report(codes.NOT_A_CONDITION, condition, message, node)
                condition = None
            conditions.append(condition)
            with self._proven((node.args[2 * index],)):
                results.append(self.check(node.args[2 * index + 1]))
        if len(node.args) % 2:
            results.append(self.check(node.args[-1]))
        known = [each for each in results if each is not None]
        if None in conditions or len(known) != len(results):
            return None
        united = self.combine.united(known, node, "CASE")
        if united is None:
            return None
        values, kind = united
        args = [each for pair in zip(conditions, values, strict=False) for each in pair if each is not None]
        return self._made(node, kind, [*args, *values[pairs:]])

    def _call(self, node: Node) -> Typed | None:
        return check_call(node, self)

    def _arithmetic(self, node: Node) -> Typed | None:
        if node.op is Op.DIV and not self._rounded:
            message = "'/' must be inside ROUND(x / y, digits) so that rounding is explicit"
            self.report(codes.DIVISION_OUTSIDE_ROUND, node, message, node)
            return None
        rounded = self._rounded
        args: list[Typed] = []
        for each in node.args:
            self._rounded = rounded
            typed = self.check(each)
            if typed is not None:
                args.append(typed)
        if len(args) != len(node.args):
            return None
        if node.op is Op.NEG:
            return self._negative(node, args[0])
        left, right = args
        if Category.SPAN in (left.type.category, right.type.category):
            return self._moved_date(node, left, right)
        for arg, other in ((left, right), (right, left)):
            if arg.type.category is not Category.NUMBER:
                self._not_a_number(node, arg, other)
                return None
        return self._numbers(node, left, right)

    def _not_a_number(self, node: Node, arg: Typed, other: Typed) -> None:
        hint = ""
        if arg.type.category in (Category.DATE, Category.TIME):
            both = other.type.category in (Category.DATE, Category.TIME)
            hint = "; use DATE_DIFF('day', from, to)" if both else "; write a length of time such as '5 days' or '5 workdays'"
        self.report(codes.TYPE_MISMATCH, arg, f"'{node.op.value}' needs numbers, but this is {arg.type.words}{hint}", node)

    def _negative(self, node: Node, arg: Typed) -> Typed | None:
        if arg.type.category is not Category.NUMBER:
            self.report(codes.TYPE_MISMATCH, arg, f"'-' needs a number, but this is {arg.type.words}", node)
            return None
        if isinstance(arg.value, (int, Decimal)) and arg.is_literal:
            return replace(arg, value=-arg.value, start=node.start, length=node.length)
        return self._made(node, replace(arg.type, is_integer=False), (arg,))

    def _moved_date(self, node: Node, left: Typed, right: Typed) -> Typed | None:
        if node.op is Op.ADD and left.type.category is Category.SPAN:
            left, right = right, left
        left = self.combine.as_date(left) or left
        if left.type.category is not Category.DATE or right.type.category is not Category.SPAN or node.op not in (Op.ADD, Op.SUB):
            self.report(codes.TYPE_MISMATCH, node, "a length of time can only be added to or taken from a date", node)
            return None
        return self._made(node, DATE, (left, right))

    def _numbers(self, node: Node, left: Typed, right: Typed) -> Typed | None:
        if node.op is Op.DIV:
            return self._made(node, decimal(0, self.combine.quotient_currency(left, right, node)), (left, right))
        if node.op is Op.MUL:
            return self._multiplied(node, left, right)
        currency = self.combine.currency([left, right], node)
        if currency is False:
            return None
        same = left.type.kind if left.type.kind is right.type.kind else None
        scale = max(left.type.scale, right.type.scale)
        return self._made(node, Type(Category.NUMBER, same, scale, currency=currency or None), (left, right))

    def _multiplied(self, node: Node, left: Typed, right: Typed) -> Typed | None:
        if left.type.currency is not None and right.type.currency is not None:
            self.report(codes.TYPE_MISMATCH, right, "an amount cannot be multiplied by an amount", node)
            return None
        scale = left.type.scale + right.type.scale
        if scale > MAX_SCALE:
            message = f"the product would carry {scale} decimals; round one factor first"
            self.report(codes.TOO_MANY_DECIMALS, node, message, node)
            return None
        # An amount times an exchange rate is in another currency, which the author has to know.
        converted = Kind.RATE in (left.type.kind, right.type.kind)
        currency = None if converted else left.type.currency or right.type.currency
        return self._made(node, decimal(scale, currency), (left, right))

    @staticmethod
    def _made(node: Node, kind: Type, args: Sequence[Typed]) -> Typed:
        return Typed(node.op, kind, tuple(args), node.value or None, node.start, node.length)


def _is_reversed(low: Typed, high: Typed) -> bool:
    """Say whether two bounds that are written out leave no value between them."""
    for kinds in ((int, Decimal), (dt.date,), (str,)):
        if low.is_literal and high.is_literal and isinstance(low.value, kinds) and isinstance(high.value, kinds):
            return bool(low.value > high.value)  # type: ignore[operator]
    return False


__all__ = ["MAX_SCALE", "Checker", "Report", "check_condition", "check_value"]
