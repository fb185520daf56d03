"""Quoted cells: which lines are well formed, and records that span several lines.

A quotation mark opens a cell only at its start and closes it only before a delimiter or the end
of the line; inside, two stand for one. A record that is still open at the end of its line has an
odd number of marks, and so has the line that ends it: lines are paired by that, so that each line
is looked at no more than twice however the file is broken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

# A table as wide as this hardly meets a sentence with just as many delimiters.
_WIDE = 6


@dataclass(frozen=True)
class Quoting:
    """Know the patterns of one delimiter."""

    delimiter: str

    @property
    def line_pattern(self) -> str:
        """Return the pattern of a well-formed line, for Polars."""
        mark = re.escape(self.delimiter)
        cell = rf'(?:"(?:[^"]|"")*"|[^"{mark}]*)'
        return f"^{cell}(?:{mark}{cell})*$"

    def cells(self, record: str) -> list[str] | None:
        """Return the cells of a record, which may span lines; None when it is not well formed."""
        mark = re.escape(self.delimiter)
        cell = re.compile(rf'(?:"([^"]*+(?:""[^"]*+)*+)"|([^"{mark}\r\n]*+))({mark}|\Z)')
        found: list[str] = []
        position = 0
        while True:
            match = cell.match(record, position)
            if match is None:
                return None
            quoted = match.group(1)
            found.append(match.group(2) if quoted is None else quoted.replace('""', '"'))
            position = match.end()
            if not match.group(3):
                return found

    def opens(self, line: str) -> bool:
        """Tell whether a line is well formed up to a quoted cell that is open at its end."""
        mark = re.escape(self.delimiter)
        cell = rf'(?:"[^"]*+(?:""[^"]*+)*+"|[^"{mark}]*+)'
        return re.fullmatch(rf'(?:{cell}{mark})*+"[^"]*+(?:""[^"]*+)*+', line) is not None

    def outside(self, record: str) -> str:
        """Return the text outside quotation marks."""
        return re.sub(r'"[^"]*"', "", record)


@dataclass
class Spans:
    """Hold the records of several lines, as first line, last line and text, and the lines that are none."""

    records: list[tuple[int, int, str]] = field(default_factory=list)
    broken: list[tuple[int, int, str]] = field(default_factory=list)


class LineAccess:
    """Give lines by index as Python text with their line ends."""

    def __init__(self, lines: pl.Series, ends: str | Sequence[str], many: bool) -> None:
        self._lines = lines
        self._all = lines.to_list() if many else None
        self._ends = ends

    def text(self, first: int, last: int) -> str:
        """Return the lines from first to last, both included, as the file has them."""
        every = self._all
        lines = self._lines.slice(first, last - first + 1).to_list() if every is None else every[first : last + 1]
        if isinstance(self._ends, str):
            return self._ends.join(lines)
        ends = [*self._ends[first:last], ""]
        return "".join(line + end for line, end in zip(lines, ends, strict=True))


def spans(opening: list[int], access: LineAccess, complete: pl.Series, quoting: Quoting, width: int) -> Spans:
    """Pair lines with an odd number of quotation marks to records of several lines.

    `complete` says which lines are well-formed records by themselves and could as well be text
    inside a quoted cell. A line whose record cannot
    be completed is broken alone, and reading goes on with the line after it.
    """
    found = Spans()
    consumed = -1
    for place, first in enumerate(opening):
        if first <= consumed:
            continue
        if not quoting.opens(access.text(first, first)):
            found.broken.append((first, first, "stray_quote"))
            continue
        last = opening[place + 1] if place + 1 < len(opening) else first
        record = access.text(first, last)
        cells = quoting.cells(record)
        if cells is None or len(cells) != width:
            found.broken.append((first, first, "unclosed_quote" if cells is None else _wrong_width(cells, width)))
        elif _ambiguous(first, last, access, complete, quoting, width):
            found.broken.append((first, last, "ambiguous_quotes"))
            consumed = last
        else:
            found.records.append((first, last, record))
            consumed = last
    return found


def _wrong_width(cells: list[str], width: int) -> str:
    return "short_row" if len(cells) < width else "long_row"


def _ambiguous(first: int, last: int, access: LineAccess, complete: pl.Series, quoting: Quoting, width: int) -> bool:
    """Tell whether a line inside a quoted cell is itself a complete row, so that rows may have been swallowed."""
    if width == 1:
        return False
    inside = complete.slice(first + 1, last - first - 1)
    if width >= _WIDE:
        return bool(inside.any()) or _closes_whole_row(access.text(last, last), quoting, width)
    mark = re.escape(quoting.delimiter)
    return any(not re.search(rf"{mark}\s", access.text(line, line)) for line in (inside.arg_true() + first + 1).to_list())


def _closes_whole_row(line: str, quoting: Quoting, width: int) -> bool:
    """Tell whether the part of the last line inside the cell has as many delimiters as a row."""
    within = re.match(r'(?:[^"]|"")*', line)
    return within is not None and within.group().count(quoting.delimiter) == width - 1
