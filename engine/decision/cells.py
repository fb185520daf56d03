"""Cells of inputs: decision-table shorthand (S-FEEL unary tests) to typed tests.

Bare words are text where the input is text, and names of other fields where it is a number or a
date. Whatever needs another field or a whole condition becomes one Boolean expression.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import polars as pl

from engine.canonical.kinds import Kind
from engine.condition.codes import EMPTY_INTERVAL
from engine.condition.compile import Compiler, compile_condition
from engine.condition.nodes import Op
from engine.condition.scope import BOOL, DATE, Category, Scope, Type, decimal
from engine.condition.typed import Typed
from engine.decision.codes import CELL_SYNTAX, CELL_TOO_LONG, CELL_TYPE, NOT_WITHOUT_NULL
from engine.decision.table import GridCell
from engine.diagnostics import Code, Diagnostic, Level

Literal = str | bool | Decimal | dt.date


@dataclass(frozen=True, slots=True)
class Exact:
    """Match one value."""

    value: Literal


@dataclass(frozen=True, slots=True)
class Bound:
    """Match the values between two ends; an end of None is open to that side."""

    low: Literal | None
    low_closed: bool
    high: Literal | None
    high_closed: bool


@dataclass(frozen=True, slots=True)
class Missing:
    """Match the missing value."""


@dataclass(frozen=True, slots=True)
class Against:
    """Compare the input with another field."""

    op: Op
    other: Typed


@dataclass(frozen=True, slots=True)
class Holds:
    """Match where a whole condition on the input holds."""

    expression: pl.Expr
    typed: Typed


@dataclass(frozen=True, slots=True)
class Other:
    """Match every value that is given and fits none of the alternatives."""

    alternatives: tuple[Alternative, ...]


Alternative = Exact | Bound | Missing | Against | Holds | Other


@dataclass(frozen=True, slots=True)
class Cell:
    """Hold a typed cell: the alternatives of which one must match; none at all means any value."""

    text: str
    alternatives: tuple[Alternative, ...] | None

    @property
    def needs_expression(self) -> bool:
        """Say whether the cell depends on more than the input's own value."""
        return any(_is_expression(each) for each in self.alternatives or ())

    def paths(self) -> set[str]:
        """Return the columns the cell reads beside its input's."""
        found: set[str] = set()
        waiting = list(self.alternatives or ())
        while waiting:
            each = waiting.pop()
            if isinstance(each, Other):
                waiting += each.alternatives
            elif isinstance(each, (Against, Holds)):
                found |= set((each.other if isinstance(each, Against) else each.typed).paths())
        return found


def _is_expression(alternative: Alternative) -> bool:
    if isinstance(alternative, Other):
        return any(_is_expression(each) for each in alternative.alternatives)
    return isinstance(alternative, (Against, Holds))


@dataclass(frozen=True, slots=True)
class InputType:
    """Say what a cell is checked against: the input's name, type, column and the names around it."""

    name: str
    type: Type
    column: str
    scope: Scope
    compiler: Compiler


class _WrongCellError(Exception):
    """A place in a cell that cannot be read; never leaves this module."""

    def __init__(self, code: Code, message: str, start: int, length: int = 1) -> None:
        super().__init__(message)
        self.code, self.message, self.start, self.length = code, message, start, length


_COMPARISON: Final = re.compile(r"(<=|>=|<>|!=|<|>|=)\s*")
_INTERVAL: Final = re.compile(r"[\[\](]")
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?\Z")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_DATE_CALL: Final = re.compile(r"date\s*\(\s*[\"'](.*?)[\"']\s*\)\Z", re.IGNORECASE)
_QUOTED: Final = re.compile(r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'")
_NAME: Final = re.compile(r"[^\W\d][\w. ]*\Z")
_END: Final = r"""(?:\s*"[^"]*"\s*|\s*'[^']*'\s*|\s*date\s*\([^)]*\)\s*|[^,"'()\[\]]*?)"""
_WHOLE_INTERVAL: Final = re.compile(rf"[\[\](]{_END}\.\.{_END}[\])\[]")
_NOT: Final = re.compile(r"not\s*\((.*)\)\Z", re.DOTALL)
MAX_CHARACTERS: Final = 4_000
_MAX_NOTS: Final = 20
_OPS: Final = {"<": Op.LT, "<=": Op.LE, ">": Op.GT, ">=": Op.GE, "=": Op.EQ, "<>": Op.NE, "!=": Op.NE}


def read_cell(cell: GridCell, to: InputType) -> tuple[Cell, list[Diagnostic]]:
    """Read a cell for its input; a cell with errors comes back as one that matches nothing."""
    text = cell.text
    if text in {"", "-", "\N{EN DASH}", "\N{EM DASH}"}:
        return Cell(text, None), []
    if len(text) > MAX_CHARACTERS:
        # Told by the check of the whole table, which looks at outputs and notes as well.
        return Cell(text, ()), []
    diagnostics: list[Diagnostic] = []
    try:
        if text.startswith("?"):
            return _whole_condition(cell, to)
        alternatives = _alternatives(text, 0, to)
    except _WrongCellError as wrong:
        message = f"{wrong.message} in `{_short(text)}`" if wrong.length < len(text) else wrong.message
        place = cell.span(wrong.start, max(wrong.length, 1))
        return Cell(text, ()), [Diagnostic(wrong.code, place, message, cell.anchor.line_text)]
    inverted = any(isinstance(each, Other) for each in alternatives)
    takes_missing = any(isinstance(each, Missing) for each in alternatives)
    if inverted and not takes_missing and not to.type.is_key and not _excludes_missing(alternatives):
        message = f"`{_short(text)}` does not match a missing {to.name}; write `{_short(text)}, null` if it should"
        diagnostics.append(Diagnostic(NOT_WITHOUT_NULL, cell.span(), message, cell.anchor.line_text))
    return Cell(text, alternatives), diagnostics


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"


def _excludes_missing(alternatives: tuple[Alternative, ...]) -> bool:
    return any(isinstance(each, Missing) for other in alternatives if isinstance(other, Other) for each in other.alternatives)


def _alternatives(text: str, start: int, to: InputType, depth: int = 0) -> tuple[Alternative, ...]:
    if depth > _MAX_NOTS:
        raise _WrongCellError(CELL_TOO_LONG, f"not(…) is nested deeper than {_MAX_NOTS} levels", start)
    result: list[Alternative] = []
    for place, part in _split(text, start):
        if not part:
            raise _WrongCellError(CELL_SYNTAX, "empty alternative (stray comma)", place)
        inner = _NOT.match(part)
        if inner is not None:
            result.append(Other(_alternatives(inner[1], place + inner.start(1), to, depth + 1)))
        else:
            result.append(_alternative(part, place, to))
    return tuple(result)


def _split(text: str, start: int) -> list[tuple[int, str]]:
    """Split at commas outside quotes and brackets; return each part with its place."""
    parts: list[tuple[int, str]] = []
    begin = position = depth = 0
    while position < len(text):
        before = text[begin:position].rstrip()
        interval = _WHOLE_INTERVAL.match(text, position) if not before or before[-1] in ",(" else None
        if interval:
            # Its brackets need not pair: (0..100].
            position = interval.end()
            continue
        quoted = _QUOTED.match(text, position) if _opens_quote(text, position) else None
        if quoted:
            position = quoted.end()
            continue
        sign = text[position]
        if sign in "\"" and quoted is None:
            raise _WrongCellError(CELL_SYNTAX, "a quote is not closed", start + position)
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth <= 0:
            parts.append((begin, text[begin:position]))
            begin, depth = position + 1, 0
        position += 1
    parts.append((begin, text[begin:]))
    return [(start + at + len(part) - len(part.lstrip()), part.strip()) for at, part in parts]


def _opens_quote(text: str, position: int) -> bool:
    """Say whether a quote begins a value here (an apostrophe within a word does not)."""
    if text[position] == '"':
        return True
    before = text[:position].rstrip()
    return text[position] == "'" and (not before or before[-1] in ",([<>=.]")


def _alternative(part: str, place: int, to: InputType) -> Alternative:
    if part.lower() == "null":
        return Missing()
    compared = _COMPARISON.match(part)
    if compared is not None:
        return _comparison(_OPS[compared[1]], part[compared.end() :].strip(), place + compared.end(), to)
    if _INTERVAL.match(part) and ".." in part:
        return _interval(part, place, to)
    value = _value(part, place, to)
    return Exact(value) if not isinstance(value, Typed) else _against(Op.EQ, value, to, place, len(part))


def _comparison(op: Op, text: str, place: int, to: InputType) -> Alternative:
    if not text:
        raise _WrongCellError(CELL_SYNTAX, f"a value is missing after '{op.value}'", place)
    if text.lower() == "null":
        if op is Op.EQ:
            return Missing()
        if op is Op.NE:
            return Other((Missing(),))
    value = _value(text, place, to)
    if op not in (Op.EQ, Op.NE):
        _check_order(to, place, len(text))
    if isinstance(value, Typed):
        return _against(op, value, to, place, len(text))
    return compared_with(op, value)


def compared_with(op: Op, value: Literal) -> Alternative:
    """Return the alternative that a comparison with a value written out is."""
    bounds: dict[Op, Alternative] = {
        Op.EQ: Exact(value), Op.NE: Other((Exact(value),)), Op.LT: Bound(None, False, value, False),
        Op.LE: Bound(None, False, value, True), Op.GT: Bound(value, False, None, False), Op.GE: Bound(value, True, None, False),
    }  # fmt: skip
    return bounds[op]


def _interval(part: str, place: int, to: InputType) -> Alternative:
    if part[-1] not in "])[":
        raise _WrongCellError(CELL_SYNTAX, "an interval ends with ] or )", place + len(part) - 1)
    _check_order(to, place, len(part))
    low_text, _, high_text = part[1:-1].partition("..")
    low_at = place + 1 + len(low_text) - len(low_text.lstrip())
    high_at = place + 1 + len(low_text) + 2 + len(high_text) - len(high_text.lstrip())
    if not low_text.strip() or not high_text.strip():
        raise _WrongCellError(CELL_SYNTAX, "an interval needs both ends", place, len(part))
    low, high = _value(low_text.strip(), low_at, to), _value(high_text.strip(), high_at, to)
    low_closed, high_closed = part[0] == "[", part[-1] == "]"
    if isinstance(low, Typed) or isinstance(high, Typed):
        above = _end(Op.GE if low_closed else Op.GT, low, to, low_at)
        below = _end(Op.LE if high_closed else Op.LT, high, to, high_at)
        both = Typed(Op.AND, above.typed.type, (above.typed, below.typed))
        return Holds(above.expression & below.expression, both)
    if low > high or (low == high and not (low_closed and high_closed)):  # type: ignore[operator]
        raise _WrongCellError(EMPTY_INTERVAL, f"no value lies in {part}", place, len(part))
    return Bound(low, low_closed, high, high_closed)


def _end(op: Op, value: Literal | Typed, to: InputType, place: int) -> Holds:
    if not isinstance(value, Typed):
        value = literal_node(value, to.type)
    against = _against(op, value, to, place, 1)
    mine = Typed(Op.PATH, to.type, (), to.column)
    return Holds(to.compiler.compared(op, mine, against.other), Typed(op, BOOL, (mine, against.other)))


def literal_node(value: Literal, like: Type) -> Typed:
    """Return a literal of a cell as a checked node, to be compared with a value of type `like`."""
    if isinstance(value, Decimal):
        scale = max(-int(value.as_tuple().exponent), 0)
        return Typed(Op.NUMBER, decimal(scale), (), value)
    if isinstance(value, dt.date):
        return Typed(Op.TEXT, DATE, (), value)
    return Typed(Op.BOOL if isinstance(value, bool) else Op.TEXT, replace(like, values=()), (), value)


def _against(op: Op, other: Typed, to: InputType, place: int, length: int) -> Against:
    mine, theirs = to.type, other.type
    days = (Category.DATE, Category.TIME)
    if mine.category is not theirs.category and not (mine.category in days and theirs.category in days):
        raise _WrongCellError(CELL_TYPE, f"cannot compare {mine.words} with {theirs.words}", place, length)
    if mine.currency is not None and theirs.currency is not None and mine.currency != theirs.currency:
        pairs = {frozenset(pair) for pair in to.scope.same_currency}
        if frozenset((mine.currency, theirs.currency)) not in pairs:
            message = f"amounts in '{mine.currency}' and '{theirs.currency}' cannot be compared without a conversion"
            raise _WrongCellError(CELL_TYPE, message, place, length)
    return Against(op, other)


def _check_order(to: InputType, place: int, length: int) -> None:
    if to.type.category is Category.BOOL or to.type.kind is Kind.ENUM:
        raise _WrongCellError(CELL_TYPE, f"the values of {to.name} have no order; list the values", place, length)


def _value(text: str, place: int, to: InputType) -> Literal | Typed:
    """Read one value for the input, or the other field that a bare word names."""
    quoted = _QUOTED.fullmatch(text)
    plain = text[1:-1].replace(text[0] * 2, text[0]) if quoted else text
    category = to.type.category
    if category is Category.TEXT:
        return _text_value(plain, place, len(text), to, is_quoted=quoted is not None)
    if category is Category.NUMBER and _NUMBER.match(text):
        return _number_value(text, place, to)
    if category in (Category.DATE, Category.TIME):
        call = _DATE_CALL.match(text)
        plain = call[1] if call else plain
        if _DATE.match(plain) or call:
            try:
                return dt.date.fromisoformat(plain)
            except ValueError:
                raise _WrongCellError(CELL_TYPE, f"'{plain}' is not a date (YYYY-MM-DD)", place, len(text)) from None
    if category is Category.BOOL and plain.lower() in {"true", "false", "yes", "no"}:
        return plain.lower() in {"true", "yes"}
    if quoted is None and _NAME.match(text):
        found = to.scope.resolve(text)
        if isinstance(found, tuple):
            return Typed(Op.PATH, found[1], (), found[0])
    raise _WrongCellError(CELL_TYPE, f"{to.name} is {to.type.words}, and '{_short(plain)}' is not", place, len(text))


def _text_value(plain: str, place: int, length: int, to: InputType, *, is_quoted: bool) -> Literal | Typed:
    if to.type.values and plain not in to.type.values:
        if not is_quoted and isinstance(found := to.scope.resolve(plain), tuple) and found[1].category is Category.TEXT:
            return Typed(Op.PATH, found[1], (), found[0])
        near = difflib.get_close_matches(plain.lower(), to.type.values, n=1, cutoff=0.5)
        hint = f", did you mean '{near[0]}'?" if near else f"; it has {', '.join(to.type.values)}"
        raise _WrongCellError(CELL_TYPE, f"{to.name} never has the value '{_short(plain)}'{hint}", place, length)
    if not is_quoted and "." in plain and isinstance(found := to.scope.resolve(plain), tuple):
        return Typed(Op.PATH, found[1], (), found[0])
    if to.type.kind is Kind.PERIOD and not re.match(r"\d{4}-\d{2}\Z", plain):
        raise _WrongCellError(CELL_TYPE, f"'{plain}' is not a period (YYYY-NN)", place, length)
    return plain


def _number_value(text: str, place: int, to: InputType) -> Decimal:
    value = Decimal(text)
    decimals = len(text.partition(".")[2])
    if len(text) - decimals > 20 or decimals > 12:
        raise _WrongCellError(CELL_TYPE, f"'{text}' has more digits than {to.name} can have", place, len(text))
    return value


def _whole_condition(cell: GridCell, to: InputType) -> tuple[Cell, list[Diagnostic]]:
    """Compile `? LIKE 'SUB-%'`: each `?` outside quotes stands for the input."""
    pieces = re.split(r"('(?:[^']|'')*')", cell.text)
    name = "cell_input"
    text = "".join(piece if piece.startswith("'") else piece.replace("?", name) for piece in pieces)
    scope = to.scope.extended({name: to.type}, {name: to.column})
    compiled = compile_condition(
        text, scope, cell.anchor, holidays=to.compiler.holidays, constants=to.compiler.constants
    )
    longer = len(name) - 1
    told: list[Diagnostic] = []
    for each in compiled.diagnostics:
        shift = each.span.column - cell.anchor.column
        before = sum(1 for index, at in enumerate(_marks(cell.text)) if at + longer * index < shift)
        offset = max(shift - before * longer, 0)
        length = max(min(each.span.length, len(cell.text) - offset), 1)
        message = each.message.replace(name, "?")
        told.append(replace(each, span=cell.span(offset, length), message=message))
    if compiled.typed is None:
        return Cell(cell.text, ()), told
    return Cell(cell.text, (Holds(compiled.expression, compiled.typed),)), told


def _marks(text: str) -> list[int]:
    """Return where `?` stands outside quotes."""
    quoted = [match.span() for match in re.finditer(r"'(?:[^']|'')*'", text)]
    return [at for at, sign in enumerate(text) if sign == "?" and not any(start <= at < end for start, end in quoted)]


def is_error(diagnostics: list[Diagnostic]) -> bool:
    """Say whether any of the diagnostics stops a run."""
    return any(each.code.level is Level.ERROR for each in diagnostics)
