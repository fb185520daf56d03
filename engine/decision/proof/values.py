"""The elementary values of a typed input: one for each stretch on which every cell says the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import Final

from engine.condition.scope import Category
from engine.condition.typed import never_missing
from engine.decision.cells import Alternative, Bound, Literal, Other
from engine.decision.classes import literals_of
from engine.decision.rules import Input

ANOTHER: Final = "\N{HORIZONTAL ELLIPSIS}another value"
"""Stands for every text that no cell names."""

_STEP: Final = {Category.DATE: dt.timedelta(days=1), Category.TIME: dt.timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Hold one value (None: missing) that stands for all values its cells cannot tell apart.

    `low` and `high` are the ends of an open stretch between two named values, None for no end;
    a named value has itself for both.
    """

    value: Literal | None
    low: Literal | None = None
    high: Literal | None = None

    @property
    def is_point(self) -> bool:
        """Say whether this is one value and no stretch."""
        return self.value is not None and self.low == self.value == self.high

    def words(self) -> str:
        """Return the value as an author would say it."""
        if self.value is None:
            return "missing"
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if self.value == ANOTHER:
            return "with a value no rule names"
        if isinstance(self.value, str) and not self.is_point:
            ends = [f"after '{self.low}'"] if self.low is not None else []
            return " and ".join([*ends, *([f"before '{self.high}'"] if self.high is not None else [])])
        if isinstance(self.value, Decimal):
            return f"{self.value.normalize():f}"
        return "blank" if self.value == "" else str(self.value)


def stretches(to: Input, alternatives: Iterable[Alternative]) -> list[Stretch]:
    """Return the stretches of an input, without a missing value where it surely has one; what its type cannot hold is left out."""
    each = list(alternatives)
    missing = [] if to.typed is not None and never_missing(to.typed) else [Stretch(None)]
    if to.type.category is Category.BOOL:
        return [*missing, _point(value=False), _point(value=True)]
    if to.type.values:
        return [*missing, *(_point(value) for value in to.type.values)]
    points = sorted(set(literals_of(each)))
    if to.type.category is Category.TEXT:
        if not any(_has_bound(alternative) for alternative in each):
            return [*missing, *(_point(value) for value in points), Stretch(ANOTHER)]
        return [*missing, *_texts([str(point) for point in points])]
    return [*missing, *_ordered(to, points)]


def _point(value: Literal) -> Stretch:
    return Stretch(value, value, value)


def _has_bound(each: Alternative) -> bool:
    return isinstance(each, Bound) or (isinstance(each, Other) and any(_has_bound(inner) for inner in each.alternatives))


def _texts(points: Sequence[str]) -> Iterator[Stretch]:
    if points[0]:
        yield Stretch("", None, points[0])
    for low, high in pairwise([*points, None]):
        assert low is not None
        yield _point(low)
        if high is None or low + "\x00" < high:
            yield Stretch(low + "\x00", low, high)


def _ordered(to: Input, points: Sequence[Literal]) -> Iterator[Stretch]:
    if not points:
        yield Stretch(dt.date(2026, 1, 1) if to.type.category in _STEP else Decimal(1))
        return
    yield Stretch(_near(to, points[0], -1), None, points[0])
    for low, high in pairwise([*points, None]):
        assert low is not None
        if _fits(to, low):
            yield _point(low)
        between = _near(to, low, 1)
        if high is not None and not between < high:  # type: ignore[operator]
            between = _next(to, low)
        if high is None or between < high:  # type: ignore[operator]
            yield Stretch(between, low, high)


def _grain(to: Input) -> Decimal:
    return Decimal(1).scaleb(-to.type.scale)


def _fits(to: Input, value: Literal) -> bool:
    return not isinstance(value, Decimal) or value == value.quantize(_grain(to), ROUND_FLOOR)


def _near(to: Input, value: Literal, step: int) -> Literal:
    """Return a round value one step away, that the type can hold."""
    if isinstance(value, Decimal):
        moved = (value + step).quantize(_grain(to), ROUND_FLOOR)
        return moved if to.type.scale else moved.to_integral_value()
    assert isinstance(value, dt.date)
    return value + step * dt.timedelta(days=1)


def _next(to: Input, value: Literal) -> Literal:
    """Return the least value of the type above another."""
    if isinstance(value, Decimal):
        return value.quantize(_grain(to), ROUND_FLOOR) + _grain(to)
    assert isinstance(value, dt.date)
    return value + dt.timedelta(days=1)
