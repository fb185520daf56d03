"""The slow interpreter of conditions: one record at a time, plain Python, three-valued logic.

Written from the language's description, not from its compiler. A condition is a nested tuple such
as `("and", ("=", ("field", "a"), ("number", "1.5")), …)`; `text_of` writes it down with every
bracket, `evaluate` computes it with Decimal and None for what is missing or unknown.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

Tree = tuple[Any, ...]
Record = Mapping[str, Any]

_WIDE = Context(prec=120)


def text_of(tree: Tree) -> str:  # noqa: PLR0912 - one branch for each operator
    """Write a tree as condition text."""
    head, *rest = tree
    if head == "field":
        return str(rest[0])
    if head == "number":
        return str(rest[0])
    if head in {"text", "date"}:
        return "'" + str(rest[0]).replace("'", "''") + "'"
    if head == "bool":
        return "TRUE" if rest[0] else "FALSE"
    if head in {"and", "or"}:
        return "(" + f" {head.upper()} ".join(text_of(each) for each in rest) + ")"
    if head == "not":
        return f"(NOT {text_of(rest[0])})"
    if head == "in":
        return f"({text_of(rest[0])} IN ({', '.join(text_of(each) for each in rest[1:])}))"
    if head == "between":
        return f"({text_of(rest[0])} BETWEEN {text_of(rest[1])} AND {text_of(rest[2])})"
    if head == "missing":
        return f"({text_of(rest[0])} IS NULL)"
    if head == "like":
        return f"({text_of(rest[0])} LIKE {text_of(rest[1])})"
    if head == "negative":
        return f"(-({text_of(rest[0])}))"
    if head == "later":
        return f"({text_of(rest[0])} {'+' if rest[1] >= 0 else '-'} {abs(rest[1])} {rest[2]})"
    if head == "case":
        pairs = [f"WHEN {text_of(rest[at])} THEN {text_of(rest[at + 1])}" for at in range(0, len(rest) - 1, 2)]
        default = f" ELSE {text_of(rest[-1])}" if len(rest) % 2 else ""
        return f"(CASE {' '.join(pairs)}{default} END)"
    if head == "call":
        return f"{rest[0]}({', '.join(each if isinstance(each, str) else text_of(each) for each in rest[1:])})"
    return f"({text_of(rest[0])} {head} {text_of(rest[1])})"


def evaluate(tree: Tree, record: Record, holidays: tuple[dt.date, ...] = ()) -> Any:
    """Compute a tree for one record; None is missing, or unknown."""
    head, *rest = tree
    if head == "field":
        return record[rest[0]]
    if head == "number":
        return Decimal(rest[0])
    if head == "date":
        return dt.date.fromisoformat(rest[0])
    if head in {"text", "bool"}:
        return rest[0]
    if head == "case":
        for at in range(0, len(rest) - 1, 2):
            if evaluate(rest[at], record, holidays) is True:
                return evaluate(rest[at + 1], record, holidays)
        return evaluate(rest[-1], record, holidays) if len(rest) % 2 else None
    if head == "call":
        return _call(rest[0], rest[1:], record, holidays)
    if head == "later":
        return _later(evaluate(rest[0], record, holidays), rest[1], rest[2], holidays)
    values = [evaluate(each, record, holidays) for each in rest]
    return _operation(head, values)


def _operation(head: str, values: list[Any]) -> Any:
    if head == "and":
        return False if False in values else (None if None in values else True)
    if head == "or":
        return True if True in values else (None if None in values else False)
    if head == "missing":
        return values[0] is None
    if head == "in":
        return _operation("or", [_operation("=", [values[0], each]) for each in values[1:]])
    if head == "between":
        return _operation("and", [_operation(">=", values[:2]), _operation("<=", [values[0], values[2]])])
    if None in values:
        return None
    table: dict[str, Callable[..., Any]] = {
        "not": lambda a: not a, "=": lambda a, b: a == b, "<>": lambda a, b: a != b, "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b, "+": _WIDE.add,
        "-": _WIDE.subtract, "*": _WIDE.multiply, "negative": _WIDE.minus, "like": _like,
    }  # fmt: skip
    return table[head](*[Decimal(each) if head in "+-*negative" and not isinstance(each, bool) else each for each in values])


def _like(text: str, pattern: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(_like(text[at:], pattern[1:]) for at in range(len(text) + 1))
    return bool(text) and (pattern[0] in ("_", text[0])) and _like(text[1:], pattern[1:])


def _exact(tree: Tree, record: Record, holidays: tuple[dt.date, ...]) -> Fraction | None:
    """Compute arithmetic with division, exactly; None for a missing part or a division by zero."""
    head, *rest = tree
    if head in {"+", "-", "*", "/"}:
        left, right = (_exact(each, record, holidays) for each in rest)
        if left is None or right is None or (head == "/" and right == 0):
            return None
        return {"+": left + right, "-": left - right, "*": left * right, "/": left / right if right else left}[head]
    value = evaluate(tree, record, holidays)
    return None if value is None else Fraction(value)


def round_exactly(value: Fraction, digits: int, *, half_even: bool) -> Decimal:
    """Round a fraction once."""
    scaled = value * 10**digits
    whole = abs(scaled.numerator) // scaled.denominator
    rest = abs(scaled) - whole
    if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and (not half_even or whole % 2 == 1)):
        whole += 1
    return Decimal(whole if scaled >= 0 else -whole).scaleb(-digits, _WIDE)


def _call(name: str, arguments: list[Any], record: Record, holidays: tuple[dt.date, ...]) -> Any:
    if name in {"ROUND", "ROUND_EVEN"}:
        exact = _exact(arguments[0], record, holidays)
        return None if exact is None else round_exactly(exact, int(arguments[1]), half_even=name == "ROUND_EVEN")
    if name == "DATE_DIFF":
        start, end = (evaluate(each, record, holidays) for each in arguments[1:])
        return None if start is None or end is None else _difference(arguments[0].strip("'"), start, end)
    values = [evaluate(each, record, holidays) for each in arguments]
    if name == "IF":
        return values[1] if values[0] is True else values[2]
    if name == "COALESCE":
        return next((value for value in values if value is not None), None)
    if None in values:
        return None
    table: dict[str, Callable[..., Any]] = {
        "ABS": abs, "LEAST": min, "GREATEST": max, "UPPER": str.upper, "LOWER": str.lower, "TRIM": str.strip, "LENGTH": len,
        "STARTS_WITH": str.startswith, "YEAR": lambda day: day.year, "MONTH": lambda day: day.month, "DAY": lambda day: day.day,
        "LAST_DAY": lambda day: day.replace(day=calendar.monthrange(day.year, day.month)[1]),
        "ADD_MONTHS": lambda day, months: _months_later(day, int(months)),
        "WORKDAYS": lambda start, end: _workdays(start, end, holidays),
    }  # fmt: skip
    return table[name](*values)


def _months_later(day: dt.date, months: int) -> dt.date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _is_workday(day: dt.date, holidays: tuple[dt.date, ...]) -> bool:
    return day.weekday() < 5 and day not in holidays


def _workdays(start: dt.date, end: dt.date, holidays: tuple[dt.date, ...]) -> int:
    if end < start:
        return -_workdays(end, start, holidays)
    return sum(_is_workday(start + dt.timedelta(days=step), holidays) for step in range(1, (end - start).days + 1))


def _later(day: dt.date | None, count: int, unit: str, holidays: tuple[dt.date, ...]) -> dt.date | None:
    if day is None:
        return None
    if unit == "days":
        return day + dt.timedelta(days=count)
    if unit in {"months", "years"}:
        return _months_later(day, count * (12 if unit == "years" else 1))
    step = 1 if count >= 0 else -1
    if count == 0:
        while not _is_workday(day, holidays):
            day -= dt.timedelta(days=1)
        return day
    left = abs(count)
    while left:
        day += dt.timedelta(days=step)
        left -= _is_workday(day, holidays)
    return day


def _difference(unit: str, start: dt.date, end: dt.date) -> int:
    if unit == "day":
        return (end - start).days
    if end < start:
        return -_difference(unit, end, start)
    months = 0
    while _months_later(start, months + 1) <= end:
        months += 1
    return months if unit == "month" else months // 12

