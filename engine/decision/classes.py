"""Values to classes: each input is cut at the values its cells name, and every cell is constant on a class.

The class codes are what a decision is made from, and they are the trace: from a few small numbers
a row one can say for every rule which cell held and which failed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import gcd
from typing import Final

import polars as pl

from engine.canonical.kinds import DECIMAL_PRECISION
from engine.condition.compile import Compiler
from engine.condition.nodes import Op
from engine.condition.scope import Category
from engine.condition.typed import Typed
from engine.decision.cells import Against, Alternative, Bound, Cell, Exact, Holds, Literal, Missing, Other, literal_node
from engine.decision.rules import CheckedTable, Input

# Up to so many breakpoints, comparing with each is quicker than searching.
_FEW: Final = 4
# Days and whole numbers within such a span are looked up directly.
_WIDEST_LOOKUP: Final = 20_000
# Decimals whose digits are counted in steps stay well within Int64.
_WIDE_DIGITS: Final = 2**61


def cell_expression(cell: Cell, to: Input, compiler: Compiler) -> pl.Expr:
    """Return whether a cell matches; never null, since a comparison with a missing value does not match."""
    return _any([_alternative(each, to, compiler) for each in cell.alternatives or ()])


def _any(parts: list[pl.Expr]) -> pl.Expr:
    return pl.any_horizontal(parts) if parts else pl.lit(False)


def _alternative(each: Alternative, to: Input, compiler: Compiler) -> pl.Expr:
    mine = Typed(Op.PATH, to.type, (), to.column)
    if isinstance(each, Missing):
        return pl.col(to.column).is_null()
    if isinstance(each, Other):
        return pl.col(to.column).is_not_null() & ~_any([_alternative(inner, to, compiler) for inner in each.alternatives])
    if isinstance(each, Holds):
        return each.expression.fill_null(value=False)
    if isinstance(each, Against):
        return compiler.compared(each.op, mine, each.other).fill_null(value=False)
    if isinstance(each, Exact):
        return compiler.compared(Op.EQ, mine, literal_node(each.value, to.type)).fill_null(value=False)
    parts = []
    if each.low is not None:
        parts.append(compiler.compared(Op.GE if each.low_closed else Op.GT, mine, literal_node(each.low, to.type)))
    if each.high is not None:
        parts.append(compiler.compared(Op.LE if each.high_closed else Op.LT, mine, literal_node(each.high, to.type)))
    return pl.all_horizontal(parts).fill_null(value=False)


@dataclass(frozen=True, slots=True)
class Slot:
    """Hold one class code: its expression, how many classes it has, and which of them each cell matches.

    `matching` maps a cell's text to a bit set of classes; a slot of one whole-condition cell has
    the classes 0 (fails) and 1 (holds). `names` describes the classes for people.
    """

    input: int
    code: pl.Expr
    names: tuple[str, ...]
    matching: dict[str, int]

    @property
    def count(self) -> int:
        """Return the number of classes."""
        return len(self.names)


def class_slots(table: CheckedTable) -> list[Slot]:
    """Return the class codes a table needs: one for each input, one more for each cell that reads other fields."""
    slots: list[Slot] = []
    for index, each in enumerate(table.inputs):
        cells = {rule.cells[index].text: rule.cells[index] for rule in table.rules if rule.cells[index].alternatives is not None}
        plain = [cell for cell in cells.values() if not cell.needs_expression]
        if plain:
            slots.append(_slot(index, each, plain))
        for cell in cells.values():
            if cell.needs_expression:
                code = cell_expression(cell, each, table.compiler).cast(pl.UInt16)
                slots.append(Slot(index, code, ("fails", "holds"), {cell.text: 0b10}))
    return slots


def _slot(index: int, to: Input, cells: Sequence[Cell]) -> Slot:
    if to.type.category is Category.BOOL:
        places = {False: 1, True: 2}
        code = (pl.col(to.column).cast(pl.UInt16) + 1).fill_null(0)
        return Slot(index, code, ("missing", "no", "yes"), {cell.text: _listed(cell, places, 3) for cell in cells})
    values = sorted({value for cell in cells for value in literals_of(cell.alternatives or ())})
    if to.type.category is Category.TEXT and not any(_has_bound(cell.alternatives or ()) for cell in cells):
        code = _text_code(pl.col(to.column), [str(value) for value in values])
        places = {value: index + 2 for index, value in enumerate(values)}  # type: ignore[misc]
        names = ("missing", "another value", *(str(value) for value in values))
        return Slot(index, code, names, {cell.text: _listed(cell, places, len(names)) for cell in cells})
    count = 2 + 2 * len(values)
    place = {value: 2 + 2 * index for index, value in enumerate(values)}
    matching = {cell.text: _ranged(cell.alternatives or (), place, count) for cell in cells}
    return Slot(index, _ordered_code(to, values), _interval_names(values), matching)


def literals_of(alternatives: Sequence[Alternative]) -> Iterator[Literal]:
    """Yield every literal that a cell's alternatives name, inside a `not(…)` too."""
    for each in alternatives:
        if isinstance(each, Exact):
            yield each.value
        elif isinstance(each, Bound):
            yield from (end for end in (each.low, each.high) if end is not None)
        elif isinstance(each, Other):
            yield from literals_of(each.alternatives)


def _has_bound(alternatives: Sequence[Alternative]) -> bool:
    return any(isinstance(each, Bound) or (isinstance(each, Other) and _has_bound(each.alternatives)) for each in alternatives)


def _listed(cell: Cell, places: dict[bool, int] | dict[Literal, int], count: int) -> int:
    def bits(alternatives: Sequence[Alternative]) -> int:
        found = 0
        for each in alternatives:
            if isinstance(each, Missing):
                found |= 1
            elif isinstance(each, Exact):
                found |= 1 << places[each.value]  # type: ignore[index]
            elif isinstance(each, Other):
                found |= (1 << count) - 2 & ~bits(each.alternatives)
        return found

    return bits(cell.alternatives or ())


def _ranged(alternatives: Sequence[Alternative], place: dict[Literal, int], count: int) -> int:
    """Return the classes that match: 0 missing, then open interval, point, open interval, …"""
    found = 0
    for each in alternatives:
        if isinstance(each, Missing):
            found |= 1
        elif isinstance(each, Exact):
            found |= 1 << place[each.value]
        elif isinstance(each, Other):
            found |= (1 << count) - 2 & ~_ranged(each.alternatives, place, count)
        elif isinstance(each, Bound):
            first = 1 if each.low is None else place[each.low] + (0 if each.low_closed else 1)
            last = count - 1 if each.high is None else place[each.high] - (0 if each.high_closed else 1)
            found |= (1 << last + 1) - (1 << first)
    return found


def _interval_names(values: Sequence[Literal]) -> tuple[str, ...]:
    if not values:
        return ("missing", "any value")
    names = ["missing", f"below {values[0]}"]
    for low, high in pairwise(values):
        names += [str(low), f"between {low} and {high}"]
    return (*names, str(values[-1]), f"above {values[-1]}")


def _text_code(column: pl.Expr, values: Sequence[str]) -> pl.Expr:
    if len(values) <= _FEW:
        found = pl.lit(1, dtype=pl.UInt16)
        for index, value in enumerate(values, start=1):
            found = found + (column == value).cast(pl.UInt16) * index
        return pl.when(column.is_not_null()).then(found).otherwise(pl.lit(0, dtype=pl.UInt16)).cast(pl.UInt16)
    codes = pl.Series(range(2, len(values) + 2), dtype=_code_type(len(values) + 2))
    known = column.replace_strict(pl.Series(values, dtype=pl.String), codes, default=1, return_dtype=codes.dtype)
    return pl.when(column.is_not_null()).then(known).otherwise(pl.lit(0, dtype=codes.dtype))


def _code_type(count: int) -> type[pl.DataType]:
    return pl.UInt16 if count < 2**16 else pl.UInt32


def _ordered_code(to: Input, values: Sequence[Literal]) -> pl.Expr:
    column, points = _comparable(to, values)
    kind = _code_type(2 + 2 * len(values))
    if len(values) <= _FEW:
        code = pl.lit(1, dtype=kind)
        for index in range(len(values)):
            point = pl.lit(points[index], dtype=points.dtype)
            code = code + (column >= point).cast(kind) + (column > point).cast(kind)
        return pl.when(column.is_not_null()).then(code).otherwise(pl.lit(0, dtype=kind)).cast(kind)
    if points.dtype in (pl.Int64, pl.Date):
        whole = points.to_physical().cast(pl.Int64).to_list()
        if whole[-1] - whole[0] <= _WIDEST_LOOKUP:
            return _looked_up(column.to_physical().cast(pl.Int64), whole, kind)
    if isinstance(points.dtype, pl.Decimal):
        digits = [int(value) for value in points.to_physical().to_list()]
        step = gcd(*(value - digits[0] for value in digits))
        if step > 1 and (digits[-1] - digits[0]) // step <= _WIDEST_LOOKUP and max(map(abs, digits)) < _WIDE_DIGITS:
            return _stepped(column.to_physical(), digits, step, kind)
    below = pl.lit(points).search_sorted(column, side="left").cast(pl.Int64)
    at = pl.lit(points).gather(below.clip(0, len(points) - 1)) == column
    return (below * 2 + 1 + at.cast(pl.Int64)).fill_null(0).cast(kind)


def _looked_up(column: pl.Expr, points: Sequence[int], kind: type[pl.DataType]) -> pl.Expr:
    """Return the class from a list with one entry for each whole number around the points."""
    first, last = points[0] - 1, points[-1] + 1
    place = {point: 2 + 2 * index for index, point in enumerate(points)}
    codes, current = [], 1
    for value in range(first, last + 1):
        code = place.get(value, current)
        current = code + 1 if value in place else current
        codes.append(code)
    return pl.lit(pl.Series(codes, dtype=kind)).gather(column.clip(first, last) - first).fill_null(0)


def _stepped(digits: pl.Expr, points: Sequence[int], step: int, kind: type[pl.DataType]) -> pl.Expr:
    """Return the class from a list with two entries for each step: on its first value, and behind it."""
    first, last = points[0], points[-1]
    place = {point: 2 + 2 * index for index, point in enumerate(points)}
    codes, current = [1, 1], 1
    for value in range(first, last + 1, step):
        codes.append(place.get(value, current))
        current = place[value] + 1 if value in place else current
        codes.append(current)
    near = digits.clip(pl.lit(first - 1, dtype=pl.Int128), pl.lit(last + 1, dtype=pl.Int128)).cast(pl.Int64) - (first - step)
    steps = near // step
    return pl.lit(pl.Series(codes, dtype=kind)).gather(steps * 2 + (near != steps * step).cast(pl.Int64)).fill_null(0)


def _comparable(to: Input, values: Sequence[Literal]) -> tuple[pl.Expr, pl.Series]:
    """Return the input's column and the points in one exact type."""
    column = pl.col(to.column)
    if to.type.category is Category.NUMBER:
        numbers = [value for value in values if isinstance(value, Decimal)]
        scale = max([to.type.scale, *(-int(value.as_tuple().exponent) for value in numbers)])
        if to.type.is_integer and scale == 0 and all(abs(value) < 2**62 for value in numbers):
            return column.cast(pl.Int64), pl.Series([int(value) for value in numbers], dtype=pl.Int64)
        kind = pl.Decimal(DECIMAL_PRECISION, scale)
        return column.cast(kind, strict=False), pl.Series(numbers, dtype=kind)
    if to.type.category is Category.TEXT:
        return column, pl.Series(values, dtype=pl.String)
    day = column.dt.date() if to.type.category is Category.TIME else column
    return day, pl.Series([value for value in values if isinstance(value, dt.date)], dtype=pl.Date)
