"""Diagnostics: the policy author's mistakes, as positioned values that are collected, never raised.

A `Code` is one entry of the catalogue (`engine/policy/catalogue.py` gathers them all); a
`Diagnostic` is one occurrence at a place in a file. Rendering is text with the author's own line
and the spot marked; screens and JSON take the same record.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Say how bad a diagnostic is: an error stops a run, a warning and a hint do not."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Point at a place in a file: 1-based line and column, and how many characters to mark."""

    file: str
    line: int
    column: int
    length: int = 1


@dataclass(frozen=True, slots=True)
class Code:
    """Describe one kind of diagnostic: its stable kebab-case name, level, meaning and remedy."""

    name: str
    level: Level
    meaning: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Report one mistake at one place.

    `line_text` is the author's own line; `related` names the other places involved.
    """

    code: Code
    span: Span
    message: str
    line_text: str = ""
    remedy: str = ""
    related: tuple[Span, ...] = ()

    @property
    def is_error(self) -> bool:
        """Say whether this diagnostic stops a run."""
        return self.code.level is Level.ERROR

    def sort_key(self) -> tuple[str, int, int, str, str]:
        """Return the order diagnostics are shown in: file, line, column, code, message."""
        return (self.span.file, self.span.line, self.span.column, self.code.name, self.message)


@dataclass(frozen=True, slots=True)
class Anchor:
    """Map positions in a piece of text (a condition, a cell) to places in the file it stands in.

    `line` and `column` are where the text's first character stands. Text that was quoted or
    folded in the file keeps its first line's anchor; a block scalar gives each line `indent`.
    """

    file: str
    line: int
    column: int
    indent: int = 0
    line_text: str = ""

    def span(self, text: str, offset: int = 0, length: int = 1) -> Span:
        """Return the place of `text[offset:offset + length]` in the file."""
        before = text[: max(offset, 0)]
        newlines = before.count("\n")
        if newlines == 0:
            return Span(self.file, self.line, self.column + len(before), max(length, 1))
        column = self.indent + 1 + len(before) - (before.rfind("\n") + 1)
        return Span(self.file, self.line + newlines, column, max(length, 1))


def sort_diagnostics(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return the diagnostics without repeats, in the order they are shown."""
    unique = {(item.sort_key(), item.span.length): item for item in diagnostics}
    return [unique[place] for place in sorted(unique)]


def render_diagnostic(item: Diagnostic) -> str:
    """Return a diagnostic as text: place and message, the author's line, the spot, the remedy."""
    span = item.span
    lines = [f"{place_text(span)}: {item.code.level} {item.code.name}: {item.message}"]
    if item.line_text:
        shown, start = _excerpt(item.line_text, span.column)
        marks = min(span.length, max(len(shown) - start, 1))
        lines += [f"    {shown}", f"    {' ' * start}{'^' * marks}"]
    lines += [f"  see also {place_text(other)}" for other in item.related]
    remedy = item.remedy or item.code.remedy
    if remedy:
        lines.append(f"  remedy: {remedy}")
    return "\n".join(lines)


def place_text(span: Span) -> str:
    """Return a place as people write it: `file:line:column`, and for a workbook `file!B7`."""
    if not span.file.endswith(".xlsx"):
        return f"{span.file}:{span.line}:{span.column}"
    letters, rest = "", span.column
    while rest > 0:
        rest, sign = divmod(rest - 1, 26)
        letters = chr(ord("A") + sign) + letters
    return f"{span.file}!{letters}{span.line}"


def _excerpt(line: str, column: int, width: int = 120) -> tuple[str, int]:
    """Cut a long line around the spot; return it with the spot's offset in it."""
    text = line.replace("\t", " ")
    start = column - 1
    if len(text) <= width:
        return text, start
    first = max(start - width // 2, 0)
    return text[first : first + width], start - first
