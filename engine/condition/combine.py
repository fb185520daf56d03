"""Which values go together: comparing, uniting branches, dates written as text, and currencies."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal, Protocol

from engine.canonical.kinds import Kind
from engine.condition import codes
from engine.condition.nodes import Node, Op
from engine.condition.scope import DATE, INT, TIME, Category, Type
from engine.condition.typed import Typed
from engine.diagnostics import Code

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?Z\Z")
_PERIOD: Final = re.compile(r"\d{4}-\d{2}\Z")

# Numbers that are counted in something else than a currency.
_NO_AMOUNT: Final = {Kind.HOURS: "hours", Kind.QTY: "a quantity", Kind.PCT: "a percentage", Kind.RATE: "an exchange rate"}
_DAYS: Final = frozenset({Category.DATE, Category.TIME})


class Report(Protocol):
    """Take one mistake at a place; `within` is the expression to show."""

    def __call__(self, code: Code, at: Node | Typed, message: str, within: Node | Typed | None = None) -> None:
        """Add the diagnostic."""


class Combiner:
    """Bring values to one type, reporting those that do not go together."""

    def __init__(self, report: Report, equal: Sequence[tuple[str, str]]) -> None:
        self._report = report
        self.equal: tuple[tuple[str, str], ...] = tuple(equal)

    def compared(self, left: Typed, right: Typed, op: Op, node: Node) -> tuple[Typed, Typed] | None:
        """Return both sides ready to be compared, or None after reporting why they cannot be."""
        sides = self._dated(left, right)
        if sides is None:
            return None
        left, right = sides
        first, second = left.type, right.type
        if first.category is not second.category and not (first.category in _DAYS and second.category in _DAYS):
            bare = any(_is_bare_date(each) for each in (left, right)) and not _DAYS.isdisjoint((first.category, second.category))
            hint = "; write a date in quotes, '2026-01-31'" if bare else ""
            self._apart(left, right, f"cannot compare {first.words} with {second.words}{hint}", node)
            return None
        if first.category in (Category.SPAN, Category.NULL):
            self._apart(left, right, f"cannot compare {first.words}", node)
            return None
        if op not in (Op.EQ, Op.NE) and not self._ordered(left, right, node):
            return None
        if first.category is Category.NUMBER:
            return (left, right) if self._amounts_agree(left, right, node) else None
        if first.category is Category.TEXT and not self._texts_agree(left, right, node):
            return None
        return left, right

    def _apart(self, left: Typed, right: Typed, message: str, node: Node) -> None:
        self._report(codes.TYPE_MISMATCH, left if left.is_literal else right, message, node)

    def _ordered(self, left: Typed, right: Typed, node: Node) -> bool:
        for side in (left, right):
            if side.type.category is Category.BOOL or side.type.kind is Kind.ENUM:
                self._report(codes.TYPE_MISMATCH, side, "these values have no order; use = or <>", node)
                return False
        return True

    def _texts_agree(self, left: Typed, right: Typed, node: Node) -> bool:
        for side, other in ((left, right), (right, left)):
            if not other.is_literal:
                continue
            if side.type.values and other.value not in side.type.values:
                self._unknown_value(side, other)
                return False
            if side.type.kind is Kind.PERIOD and not _PERIOD.match(str(other.value)):
                self._report(codes.NOT_A_DATE, other, f"'{other.value}' is not a period (YYYY-NN)")
                return False
        first, second = left.type.values, right.type.values
        if first and second and not set(first) & set(second):
            message = "the two fields have no value in common, so they are never equal"
            self._report(codes.UNKNOWN_ENUM_VALUE, right, message, node)
            return False
        return True

    def _unknown_value(self, side: Typed, literal: Typed) -> None:
        near = difflib.get_close_matches(str(literal.value).lower(), side.type.values, n=1, cutoff=0.5)
        name = f"'{side.value}'" if side.op is Op.PATH else "this"
        hint = f", did you mean '{near[0]}'?" if near else f"; it has {', '.join(side.type.values)}"
        self._report(codes.UNKNOWN_ENUM_VALUE, literal, f"{name} never has the value '{literal.value}'{hint}")

    def _amounts_agree(self, left: Typed, right: Typed, node: Node) -> bool:
        for amount, other in ((left, right), (right, left)):
            counted = _NO_AMOUNT.get(other.type.kind) if other.type.kind is not None else None
            if amount.type.currency is not None and counted is not None:
                self._report(codes.TYPE_MISMATCH, other, f"an amount does not go together with {counted}", node)
                return False
        return self.currency([left, right], node) is not False

    def currency(self, values: Sequence[Typed], node: Node) -> str | Literal[False] | None:
        """Return the one currency path of the values, None when they have none, False when they differ."""
        tagged = [value for value in values if value.type.currency is not None]
        for other in tagged[1:]:
            first, second = str(tagged[0].type.currency), str(other.type.currency)
            if not self._same(first, second):
                message = f"amounts in '{first}' and '{second}' cannot be combined without a conversion"
                self._report(codes.CURRENCY_MISMATCH, other, message, node)
                return False
        return tagged[0].type.currency if tagged else None

    def quotient_currency(self, above: Typed, below: Typed, node: Node) -> str | None:
        """Return the currency of a division: none when both are amounts, which must agree."""
        if below.type.currency is not None:
            if above.type.currency is not None:
                self.currency([above, below], node)
            return None
        return above.type.currency

    def _same(self, first: str, second: str) -> bool:
        reached, waiting = {first}, [first]
        while waiting:
            each = waiting.pop()
            for one, other in self.equal:
                for here, there in ((one, other), (other, one)):
                    if here == each and there not in reached:
                        reached.add(there)
                        waiting.append(there)
        return second in reached

    def _dated(self, left: Typed, right: Typed) -> tuple[Typed, Typed] | None:
        """Read a text literal beside a date or time as one."""
        if left.type.category in _DAYS and right.op is Op.TEXT:
            read = self.date_literal(right, left.type)
            return None if read is None else (left, read)
        if right.type.category in _DAYS and left.op is Op.TEXT:
            read = self.date_literal(left, right.type)
            return None if read is None else (read, right)
        return left, right

    def date_literal(self, literal: Typed, like: Type = DATE) -> Typed | None:
        """Return a text literal as a date (or an instant beside a time), or None after reporting."""
        text = str(literal.value)
        try:
            if _DATE.match(text):
                return replace(literal, type=DATE, value=dt.date.fromisoformat(text))
            if like.category is Category.TIME and _INSTANT.match(text):
                return replace(literal, type=TIME, value=dt.datetime.fromisoformat(text))
        except ValueError:
            pass
        self._report(codes.NOT_A_DATE, literal, f"'{text}' is not a date (YYYY-MM-DD)")
        return None

    def as_date(self, value: Typed) -> Typed | None:
        """Return a value that is a date or reads as one, or None without reporting."""
        if value.type.category in _DAYS:
            return value
        if value.op is Op.TEXT and _DATE.match(str(value.value)):
            return self.date_literal(value)
        return None

    def united(self, values: Sequence[Typed], node: Node, what: str) -> tuple[list[Typed], Type] | None:
        """Return branch values brought to one type, or None after reporting."""
        known = [value for value in values if value.type.category is not Category.NULL]
        if not known:
            self._report(codes.WRONG_ARGUMENTS, node, f"{what} has only missing values", node)
            return None
        model = next((value for value in known if value.op is not Op.TEXT), known[0])
        brought: list[Typed] = []
        for value in values:
            ready: Typed | None = value
            if model.type.category in _DAYS and value.op is Op.TEXT:
                ready = self.date_literal(value, model.type)
                if ready is None:
                    return None
            assert ready is not None
            if ready.type.category not in (model.type.category, Category.NULL):
                message = f"{what} mixes {model.type.words} with {ready.type.words}"
                self._report(codes.TYPE_MISMATCH, ready, message, node)
                return None
            brought.append(ready)
        kind = self._one_type([value for value in brought if value.type.category is not Category.NULL], node)
        return None if kind is None else (brought, kind)

    def _one_type(self, known: Sequence[Typed], node: Node) -> Type | None:
        first = known[0].type
        kinds = {value.type.kind for value in known if not value.is_literal}
        kind = kinds.pop() if len(kinds) == 1 else None
        if first.category is Category.NUMBER:
            currency = self.currency(known, node)
            if currency is False:
                return None
            if all(value.type.is_integer for value in known):
                return INT
            return Type(Category.NUMBER, kind, max(value.type.scale for value in known), currency=currency)
        if first.category is Category.TEXT:
            listed = [value.type.values or ((str(value.value),) if value.is_literal else ()) for value in known]
            if all(listed):
                merged = tuple(dict.fromkeys(word for words in listed for word in words))
                return Type(Category.TEXT, Kind.ENUM, values=merged)
            return Type(Category.TEXT, kind if kind is not Kind.ENUM else Kind.TEXT)
        if first.category is Category.SPAN:
            self._report(codes.TYPE_MISMATCH, known[0], "a length of time stands only beside a date", node)
            return None
        return first


def _is_bare_date(value: Typed) -> bool:
    """Say whether a value is a difference of plain numbers, as a date without quotes reads."""
    return value.op is Op.SUB and all(each.is_literal or _is_bare_date(each) for each in value.args)
