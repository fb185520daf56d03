"""The functions of the language: their arguments and the type of what they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from engine.condition import codes
from engine.condition.combine import Combiner, Report
from engine.condition.nodes import Node, Op
from engine.condition.scope import BOOL, DATE, INT, TEXT, Category, Scope, Type, decimal
from engine.condition.typed import Typed, fraction

# More digits than any price or exchange rate has, and the most a quotient can be scaled by exactly.
MAX_DIGITS: Final = 12

# The scales of both sides of a quotient, and its digits, must leave room before the point.
_MAX_QUOTIENT_SCALE: Final = 26

DATE_UNITS: Final = ("day", "month", "year")


class Checker(Protocol):
    """What checks the arguments of a call: the checker of the whole condition."""

    combine: Combiner

    @property
    def report(self) -> Report:
        """Return what takes the mistakes."""

    def check(self, node: Node) -> Typed | None:
        """Return the node typed, or None after reporting what is wrong with it."""

    def check_rounded(self, node: Node) -> Typed | None:
        """Return the operand of a rounding typed, or None after reporting."""


_Check = Callable[[Node, Checker], Typed | None]


def check_call(node: Node, checker: Checker) -> Typed | None:
    """Check a function call; None after reporting."""
    found = FUNCTIONS.get(node.value)
    if found is None:
        near = Scope.unknown(node.value.lower(), [name.lower() for name in FUNCTIONS]).near
        hint = f", did you mean {near[0].upper()}?" if near else ""
        checker.report(codes.UNKNOWN_FUNCTION, node, f"there is no function {node.value}{hint}")
        return None
    least, most, usage, check = found
    if not least <= len(node.args) <= most:
        checker.report(codes.WRONG_ARGUMENTS, node, f"{node.value} needs {usage}", node)
        return None
    return check(node, checker)


def _made(node: Node, kind: Type, *args: Typed) -> Typed:
    return Typed(Op.CALL, kind, args, node.value, node.start, node.length)


def _args(node: Node, checker: Checker) -> list[Typed] | None:
    found = [checker.check(arg) for arg in node.args]
    known = [arg for arg in found if arg is not None]
    return known if len(known) == len(found) else None


def _wrong(node: Node, checker: Checker, at: Typed) -> None:
    checker.report(codes.WRONG_ARGUMENTS, at, f"{node.value} needs {FUNCTIONS[node.value][2]}", node)


def _of(category: Category, result: Type) -> _Check:
    def check(node: Node, checker: Checker) -> Typed | None:
        args = _args(node, checker)
        if args is None:
            return None
        wrong = [arg for arg in args if arg.type.category is not category]
        for arg in wrong:
            _wrong(node, checker, arg)
        return None if wrong else _made(node, result, *args)

    return check


def _dates(node: Node, checker: Checker, args: list[Typed]) -> list[Typed] | None:
    result: list[Typed] = []
    for arg in args:
        read = checker.combine.date_literal(arg) if arg.op is Op.TEXT else checker.combine.as_date(arg)
        if read is None:
            if arg.op is not Op.TEXT:
                _wrong(node, checker, arg)
            return None
        result.append(read)
    return result


def _of_dates(result: Type) -> _Check:
    def check(node: Node, checker: Checker) -> Typed | None:
        args = _args(node, checker)
        dates = None if args is None else _dates(node, checker, args)
        return None if dates is None else _made(node, result, *dates)

    return check


def _add_months(node: Node, checker: Checker) -> Typed | None:
    args = _args(node, checker)
    dates = None if args is None else _dates(node, checker, args[:1])
    if args is None or dates is None:
        return None
    if not args[1].type.is_integer:
        _wrong(node, checker, args[1])
        return None
    return _made(node, DATE, dates[0], args[1])


def _date_diff(node: Node, checker: Checker) -> Typed | None:
    unit = node.args[0]
    if unit.op is not Op.TEXT or unit.value.lower() not in DATE_UNITS:
        checker.report(codes.WRONG_ARGUMENTS, unit, "DATE_DIFF needs 'day', 'month' or 'year' first", node)
        return None
    found = [checker.check(arg) for arg in node.args[1:]]
    args = [arg for arg in found if arg is not None]
    dates = _dates(node, checker, args) if len(args) == len(found) else None
    if dates is None:
        return None
    named = Typed(Op.TEXT, TEXT, (), unit.value.lower(), unit.start, unit.length)
    return _made(node, INT, named, *dates)


def _round(node: Node, checker: Checker) -> Typed | None:
    digits = node.args[1] if len(node.args) > 1 else Node(Op.NUMBER, (), "0", node.start, node.length)
    if digits.op is not Op.NUMBER or "." in digits.value or int(digits.value) > MAX_DIGITS:
        message = f"{node.value} needs its digits written out, from 0 to {MAX_DIGITS}"
        checker.report(codes.WRONG_ARGUMENTS, digits, message, node)
        return None
    arg = checker.check_rounded(node.args[0])
    if arg is None:
        return None
    if arg.type.category is not Category.NUMBER:
        _wrong(node, checker, arg)
        return None
    above, below = fraction(arg)
    places = int(digits.value)
    result = decimal(places, arg.type.currency)
    if below is None:
        return _made(node, result, above)
    if max(above.type.scale, below.type.scale) + places > _MAX_QUOTIENT_SCALE:
        message = "the quotient needs more decimals than can be kept exactly; round one part first"
        checker.report(codes.TOO_MANY_DECIMALS, node.args[0], message, node)
        return None
    return _made(node, result, above, below)


def _same_number(node: Node, checker: Checker) -> Typed | None:
    args = _args(node, checker)
    if args is None:
        return None
    if args[0].type.category is not Category.NUMBER:
        _wrong(node, checker, args[0])
        return None
    return _made(node, args[0].type, *args)


def _united(node: Node, checker: Checker) -> Typed | None:
    args = _args(node, checker)
    united = None if args is None else checker.combine.united(args, node, node.value)
    if united is None:
        return None
    values, kind = united
    if node.value != "COALESCE" and kind.category not in (Category.NUMBER, Category.DATE, Category.TIME):
        _wrong(node, checker, values[0])
        return None
    if node.value != "COALESCE":
        missing = [value for value in values if value.type.category is Category.NULL]
        if missing:
            checker.report(codes.NULL_COMPARISON, missing[0], f"{node.value} with NULL is always missing", node)
            return None
    if kind.category in (Category.DATE, Category.TIME) and len({value.type.category for value in values} - {Category.NULL}) > 1:
        _wrong(node, checker, values[0])
        return None
    return _made(node, kind, *values)


def _if(node: Node, checker: Checker) -> Typed | None:
    return checker.check(Node(Op.CASE, node.args, "", node.start, node.length))


_MANY: Final = 100

FUNCTIONS: Final[dict[str, tuple[int, int, str, _Check]]] = {
    "COALESCE": (1, _MANY, "values of one kind", _united),
    "LEAST": (2, _MANY, "two or more numbers or dates", _united),
    "GREATEST": (2, _MANY, "two or more numbers or dates", _united),
    "IF": (2, 3, "a condition, a value and the value otherwise", _if),
    "ABS": (1, 1, "a number", _same_number),
    "ROUND": (1, 2, "a number and its digits", _round),
    "ROUND_EVEN": (1, 2, "a number and its digits", _round),
    "UPPER": (1, 1, "text", _of(Category.TEXT, TEXT)),
    "LOWER": (1, 1, "text", _of(Category.TEXT, TEXT)),
    "TRIM": (1, 1, "text", _of(Category.TEXT, TEXT)),
    "LENGTH": (1, 1, "text", _of(Category.TEXT, INT)),
    "STARTS_WITH": (2, 2, "two texts", _of(Category.TEXT, BOOL)),
    "YEAR": (1, 1, "a date", _of_dates(INT)),
    "MONTH": (1, 1, "a date", _of_dates(INT)),
    "DAY": (1, 1, "a date", _of_dates(INT)),
    "LAST_DAY": (1, 1, "a date", _of_dates(DATE)),
    "ADD_MONTHS": (2, 2, "a date and a whole number of months", _add_months),
    "DATE_DIFF": (3, 3, "two dates", _date_diff),
    "WORKDAYS": (2, 2, "two dates", _of_dates(INT)),
}
"""Every function: least and most arguments, what it needs in words, and its check."""
