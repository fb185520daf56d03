"""Checked trees to Polars expressions: exact decimals, three-valued logic, one lazy pass.

The only module that knows how a condition is evaluated. A comparison with a missing value is
missing, so a condition is true, false or unknown (null). Polars rounds products and quotients to
the wider of two scales, half-even; so every scale is widened before multiplying, and quotients are
computed in whole numbers.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import polars as pl

from engine.canonical.kinds import DECIMAL_PRECISION
from engine.condition.calendar import add_months, difference, elapsed_workdays, moved
from engine.condition.check import check_condition, check_value
from engine.condition.nodes import Op
from engine.condition.parse import parse_condition
from engine.condition.scope import BOOL, NULL, Category, Scope, Type, decimal
from engine.condition.typed import Typed, Value, whole_digits
from engine.diagnostics import Anchor, Diagnostic, sort_diagnostics

_WHOLE: Final = pl.Decimal(DECIMAL_PRECISION, 0)


@dataclass(frozen=True, slots=True)
class CompiledCondition:
    """Hold a compiled condition or value expression.

    `expression` gives a nullable Boolean for a condition, or the value's own type; with errors it
    is a null literal. `paths` are the columns it reads; `type` is the type of its result.
    """

    text: str
    expression: pl.Expr
    type: Type
    paths: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    typed: Typed | None = None

    @property
    def is_valid(self) -> bool:
        """Say whether the text compiled without an error."""
        return self.typed is not None


@dataclass(frozen=True, slots=True)
class Compiler:
    """Turn checked trees into expressions.

    `holidays` are no workdays. `constants` replaces names by values (`as_of`), so that they need
    no column.
    """

    holidays: tuple[dt.date, ...] = ()
    constants: Mapping[str, Value] = field(default_factory=dict)

    def expression(self, node: Typed) -> pl.Expr:
        """Return the expression of a checked tree, of the type the tree states."""
        if node.is_literal:
            return literal(node.value, node.type)
        if node.op is Op.PATH:
            name = str(node.value)
            return literal(self.constants[name], node.type) if name in self.constants else pl.col(name)
        if node.op in (Op.AND, Op.OR):
            parts = [self.expression(arg) for arg in node.args]
            return pl.all_horizontal(parts) if node.op is Op.AND else pl.any_horizontal(parts)
        if node.op is Op.NOT:
            return ~self.expression(node.args[0])
        if node.op is Op.IS_NULL:
            return self.expression(node.args[0]).is_null()
        if node.op is Op.IN:
            return self._is_one_of(node.args[0], node.args[1:])
        if node.op is Op.BETWEEN:
            value, low, high = node.args
            return self.compared(Op.GE, value, low) & self.compared(Op.LE, value, high)
        if node.op is Op.LIKE:
            return like(self.expression(node.args[0]), str(node.args[1].value))
        if node.op is Op.CASE:
            return self._case(node)
        if node.op is Op.CALL:
            return self._call(node)
        if node.op in (Op.ADD, Op.SUB, Op.MUL, Op.NEG):
            return self._arithmetic(node)
        return self.compared(node.op, *node.args)

    def is_lost(self, node: Typed) -> pl.Expr | None:
        """Return whether a product or quotient in a tree cannot be told though its parts are; None where none can fail."""
        failing = [each for each in node.walk() if (each.op is Op.MUL and not _fits(each)) or (each.op is Op.CALL and _divides(each))]
        if not failing:
            return None
        lost = [
            pl.all_horizontal([self.expression(part).is_not_null() for part in each.args]) & self.expression(each).is_null()
            for each in failing
        ]
        return pl.any_horizontal(lost)

    def as_type(self, node: Typed, target: Type) -> pl.Expr:
        """Return the expression widened to a type of the same category; what does not fit is null."""
        if node.type.category is Category.NULL:
            return pl.lit(None, dtype=target.dtype)
        if node.is_literal and node.type.category is Category.NUMBER:
            return literal(node.value, target)
        expression = self.expression(node)
        # A column may stand in a frame with fewer decimals than its field has; the cast costs nothing otherwise.
        sure = node.type.dtype == target.dtype and node.op is not Op.PATH
        return expression if sure else expression.cast(target.dtype, strict=False)

    def compared(self, op: Op, left: Typed, right: Typed) -> pl.Expr:
        """Return the comparison of two values that the checker found comparable."""
        first, second = self._aligned(left, right)
        comparisons = {
            Op.EQ: first.eq, Op.NE: first.ne, Op.LT: first.lt, Op.LE: first.le, Op.GT: first.gt, Op.GE: first.ge,
        }  # fmt: skip
        return comparisons[op](second)

    def _aligned(self, left: Typed, right: Typed) -> tuple[pl.Expr, pl.Expr]:
        first, second = left.type, right.type
        if first.category is Category.NUMBER:
            common = first if first.is_integer and second.is_integer else decimal(max(first.scale, second.scale))
            return self.as_type(left, common), self.as_type(right, common)
        if first.category is not second.category:
            return self._day(left), self._day(right)
        return self.expression(left), self.expression(right)

    def _day(self, node: Typed) -> pl.Expr:
        """Return the calendar day (UTC) of a date or time."""
        expression = self.expression(node)
        return expression.dt.date() if node.type.category is Category.TIME else expression

    def _is_one_of(self, value: Typed, items: Sequence[Typed]) -> pl.Expr:
        if value.type.category is Category.TEXT and all(item.is_literal for item in items):
            return self.expression(value).is_in([str(item.value) for item in items])
        return pl.any_horizontal([self.compared(Op.EQ, value, item) for item in items])

    def _case(self, node: Typed) -> pl.Expr:
        pairs = len(node.args) // 2
        has_default = len(node.args) % 2 == 1
        result = self.as_type(node.args[-1], node.type) if has_default else pl.lit(None, dtype=node.type.dtype)
        for index in reversed(range(pairs)):
            condition, value = node.args[2 * index], node.args[2 * index + 1]
            result = pl.when(self.expression(condition)).then(self.as_type(value, node.type)).otherwise(result)
        return result

    def _arithmetic(self, node: Typed) -> pl.Expr:
        if node.type.category is Category.DATE:
            date, span = node.args
            count = int(str(span.args[0].value))
            return moved(self._day(date), count if node.op is Op.ADD else -count, str(span.value), self.holidays)
        target = decimal(node.type.scale)
        parts = [self.as_type(arg, target) for arg in node.args]
        if node.op is Op.NEG:
            return pl.lit(Decimal(0), dtype=target.dtype) - parts[0]
        if node.op is Op.ADD:
            return parts[0] + parts[1]
        if node.op is Op.SUB:
            return parts[0] - parts[1]
        return parts[0] * parts[1] if _fits(node) else times(parts[0], parts[1], target.scale)

    def _call(self, node: Typed) -> pl.Expr:
        name = str(node.value)
        if name in ("ROUND", "ROUND_EVEN"):
            return self._round(node)
        if name in ("COALESCE", "LEAST", "GREATEST"):
            return self._several(name, [self.as_type(arg, node.type) for arg in node.args])
        if name in ("WORKDAYS", "DATE_DIFF"):
            start, end = (self._day(arg) for arg in node.args[-2:])
            return elapsed_workdays(start, end, self.holidays) if name == "WORKDAYS" else difference(str(node.args[0].value), start, end)
        if name == "ADD_MONTHS":
            return add_months(self._day(node.args[0]), self.expression(node.args[1]))
        if name in ("YEAR", "MONTH", "DAY", "LAST_DAY"):
            day = self._day(node.args[0])
            part = {"YEAR": day.dt.year, "MONTH": day.dt.month, "DAY": day.dt.day, "LAST_DAY": day.dt.month_end}[name]()
            return part if name == "LAST_DAY" else part.cast(pl.Int64)
        first = self.expression(node.args[0])
        if name == "STARTS_WITH":
            return first.str.starts_with(self.expression(node.args[1]))
        if name == "LENGTH":
            return first.str.len_chars().cast(pl.Int64)
        texts = {"UPPER": first.str.to_uppercase, "LOWER": first.str.to_lowercase, "TRIM": first.str.strip_chars, "ABS": first.abs}
        return texts[name]()

    @staticmethod
    def _several(name: str, parts: list[pl.Expr]) -> pl.Expr:
        if name == "COALESCE":
            return pl.coalesce(parts)
        extreme = pl.min_horizontal(parts) if name == "LEAST" else pl.max_horizontal(parts)
        # Polars passes over missing values; a comparison with a missing value is not known.
        known = pl.all_horizontal([part.is_not_null() for part in parts])
        return pl.when(known).then(extreme)

    def _round(self, node: Typed) -> pl.Expr:
        digits, half_even = node.type.scale, node.value == "ROUND_EVEN"
        above = node.args[0]
        if len(node.args) == 2:
            return quotient(
                self._unscaled(above), self._unscaled(node.args[1]), above.type.scale - node.args[1].type.scale, digits, half_even=half_even
            )
        expression = self.as_type(above, decimal(above.type.scale))
        if above.type.scale > digits:
            expression = expression.round(digits, mode="half_to_even" if half_even else "half_away_from_zero")
        return expression.cast(node.type.dtype, strict=False)

    def _unscaled(self, node: Typed) -> pl.Expr:
        """Return a decimal's digits as a whole number, 12.34 as 1234."""
        return self.as_type(node, decimal(node.type.scale)).to_physical().cast(_WHOLE)


def _fits(product: Typed) -> bool:
    """Say whether a product can have no more digits than are kept."""
    return sum(whole_digits(arg) for arg in product.args) + product.type.scale <= DECIMAL_PRECISION


def _divides(call: Typed) -> bool:
    return call.value in ("ROUND", "ROUND_EVEN") and len(call.args) == 2


def literal(value: Value, kind: Type) -> pl.Expr:
    """Return a value as an expression of its type."""
    if kind.category is Category.NUMBER and value is not None and not kind.is_integer:
        return pl.lit(Decimal(str(value)), dtype=kind.dtype)
    return pl.lit(value, dtype=kind.dtype)


def times(left: pl.Expr, right: pl.Expr, scale: int) -> pl.Expr:
    """Return an exact product, null where it has more digits than can be kept: one damaged row leaves the others as they are."""
    one = pl.lit(Decimal(10**scale), dtype=_WHOLE).to_physical()
    # Each factor rounded up to a whole number: what these come to is more than the product.
    first, second = (each.to_physical().abs() // one + 1 for each in (left, right))
    room = pl.lit(Decimal(10 ** (DECIMAL_PRECISION - scale) - 1), dtype=_WHOLE).to_physical()
    return pl.when(first <= room // second).then(left) * right


def quotient(above: pl.Expr, below: pl.Expr, scale_lead: int, digits: int, *, half_even: bool) -> pl.Expr:
    """Return two whole decimals' quotient with so many digits, rounded once; null where `below` is 0.

    `scale_lead` is by how many decimals the numerator's scale exceeds the denominator's.
    """
    exponent = digits - scale_lead
    if exponent > 0:
        above = times(above, pl.lit(Decimal(10**exponent), dtype=_WHOLE), 0)
    elif exponent < 0:
        below = times(below, pl.lit(Decimal(10**-exponent), dtype=_WHOLE), 0)
    dividend, divisor = above.to_physical(), pl.when(below != 0).then(below).to_physical()
    negative = (dividend < 0) != (divisor < 0)
    size, part = dividend.abs(), divisor.abs()
    whole = size // part
    rest = size - whole * part
    # `rest` against `part - rest`: twice the rest could leave Int128.
    up = rest > part - rest
    tie = rest == part - rest
    up = up | (tie & (whole % 2 == 1)) if half_even else up | tie
    rounded = whole + up.cast(pl.Int128)
    signed = pl.when(negative).then(rounded * -1).otherwise(rounded).cast(_WHOLE)
    if digits == 0:
        return signed
    kind = pl.Decimal(DECIMAL_PRECISION, digits)
    return signed.cast(kind) * pl.lit(Decimal(1).scaleb(-digits), dtype=kind)


def like(text: pl.Expr, pattern: str) -> pl.Expr:
    """Return whether a text fits a LIKE pattern: % any characters, _ one character."""
    inner = pattern.strip("%")
    if "_" not in inner and "%" not in inner:
        starts, ends = pattern.startswith("%"), pattern.endswith("%")
        if not starts and not ends:
            return text == inner
        if inner and starts != ends:
            return text.str.ends_with(inner) if starts else text.str.starts_with(inner)
        if inner:
            return text.str.contains(inner, literal=True)
    words = {"%": ".*", "_": "."}
    body = "".join(words.get(sign, re.escape(sign)) for sign in pattern)
    return text.str.contains(f"(?s)^{body}$")


def compile_condition(
    text: str, scope: Scope, anchor: Anchor, *, holidays: Sequence[dt.date] = (), constants: Mapping[str, Value] | None = None
) -> CompiledCondition:
    """Compile a condition; its expression is a nullable Boolean (null = unknown)."""
    return _compile(text, scope, anchor, Compiler(tuple(holidays), constants or {}), is_condition=True)


def compile_value(
    text: str, scope: Scope, anchor: Anchor, *, holidays: Sequence[dt.date] = (), constants: Mapping[str, Value] | None = None
) -> CompiledCondition:
    """Compile an expression of any type."""
    return _compile(text, scope, anchor, Compiler(tuple(holidays), constants or {}), is_condition=False)


def _compile(text: str, scope: Scope, anchor: Anchor, compiler: Compiler, *, is_condition: bool) -> CompiledCondition:
    parsed = parse_condition(text, anchor)
    failed = BOOL if is_condition else NULL
    if parsed.node is None:
        return CompiledCondition(text, pl.lit(None, dtype=failed.dtype), failed, (), parsed.diagnostics)
    check = check_condition if is_condition else check_value
    typed, diagnostics = check(parsed.node, scope, text, anchor)
    told = tuple(sort_diagnostics(diagnostics))
    if typed is None:
        return CompiledCondition(text, pl.lit(None, dtype=failed.dtype), failed, (), told)
    paths = tuple(path for path in typed.paths() if path not in compiler.constants)
    return CompiledCondition(text, compiler.expression(typed), typed.type, paths, told, typed)
