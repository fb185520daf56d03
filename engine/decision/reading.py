"""Tables as text and sheets to grids of cells, each with its exact place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from engine.decision.codes import TABLE_SHAPE
from engine.decision.table import Grid, GridCell
from engine.diagnostics import Anchor, Diagnostic, Span

_RULER: Final = re.compile(r":?-{2,}:?\Z")


def read_pipes(text: str, anchor: Anchor) -> tuple[Grid, list[Diagnostic]]:
    """Read a pipe table as it stands in a literal block; `anchor` is the block's first character."""
    rows: list[tuple[GridCell, ...]] = []
    diagnostics: list[Diagnostic] = []
    for index, line in enumerate(text.split("\n")):
        if not line.strip():
            continue
        shown = (" " * anchor.indent if index else " " * (anchor.column - 1)) + line.rstrip("\r")
        start = Anchor(anchor.file, anchor.line + index, anchor.indent + 1 if index else anchor.column, line_text=shown)
        cells = _pipe_cells(line.rstrip("\r"), start)
        if cells is None:
            place = start.span(line, len(line) - len(line.lstrip()), len(line.strip()))
            diagnostics.append(Diagnostic(TABLE_SHAPE, place, "a row of the table begins and ends with a bar |", shown))
        elif not all(_RULER.match(cell.text) or cell.text == "" for cell in cells) or not any(cell.text for cell in cells):
            rows.append(cells)
    return _grid(rows, diagnostics, anchor)


def _pipe_cells(line: str, start_of_line: Anchor) -> tuple[GridCell, ...] | None:
    lead = len(line) - len(line.lstrip())
    body = line.strip()
    if len(body) < 2 or not body.startswith("|") or not body.endswith("|") or body.endswith(r"\|"):
        return None
    cells: list[GridCell] = []
    start = lead + 1
    for match in re.finditer(r"\\.|\|", line[lead + 1 :]):
        if match[0] != "|":
            continue
        end = lead + 1 + match.start()
        cells.append(_pipe_cell(line, start, end, start_of_line))
        start = end + 1
    return tuple(cells)


def _pipe_cell(line: str, start: int, end: int, start_of_line: Anchor) -> GridCell:
    raw = line[start:end]
    blanks = len(raw) - len(raw.lstrip()) if raw.strip() else 0
    place = replace(start_of_line, column=start_of_line.column + start + blanks)
    return GridCell(raw.strip().replace(r"\|", "|"), place)


def read_csv(text: str, file: str) -> tuple[Grid, list[Diagnostic]]:
    """Read a table from CSV text (commas, or semicolons when the header has no comma)."""
    text = text.removeprefix("\ufeff")
    first = text.split("\n", 1)[0]
    separator = ";" if "," not in first and ";" in first else ","
    lines = text.split("\n")
    rows: list[tuple[GridCell, ...]] = []
    row: list[GridCell] = []
    position, line, column = 0, 1, 1
    unclosed: Span | None = None
    while position < len(text):
        raw, value, ended = _csv_field(text, position, separator)
        if ended is None:
            unclosed = Span(file, line, column)
            break
        lead = 1 if raw.startswith('"') else len(raw) - len(raw.lstrip(" "))
        row.append(GridCell(value.strip(), Anchor(file, line, column + lead, line_text=lines[line - 1].rstrip("\r"))))
        newlines = raw.count("\n")
        line, column = (line + newlines, len(raw) - raw.rfind("\n")) if newlines else (line, column + len(raw))
        position, column = ended + 1, column + 1
        if ended >= len(text) or text[ended] == "\n":
            if any(cell.text for cell in row):
                rows.append(tuple(row))
            row, line, column = [], line + 1, 1
    diagnostics = [Diagnostic(TABLE_SHAPE, unclosed, "a quote is not closed", lines[unclosed.line - 1])] if unclosed else []
    if row and any(cell.text for cell in row):
        rows.append(tuple(row))
    return _grid(rows, diagnostics, Anchor(file, 1, 1))


def _csv_field(text: str, start: int, separator: str) -> tuple[str, str, int | None]:
    """Return a field as written, its value, and where it ends (None when its quote stays open)."""
    if text.startswith('"', start):
        end = start + 1
        while True:
            end = text.find('"', end)
            if end < 0:
                return text[start:], text[start + 1 :], None
            if not text.startswith('"', end + 1):
                break
            end += 2
        value = text[start + 1 : end].replace('""', '"')
        close = _field_end(text, end + 1, separator)
        return text[start:close], value + text[end + 1 : close], close
    close = _field_end(text, start, separator)
    raw = text[start:close]
    return raw, raw.rstrip("\r"), close


def _field_end(text: str, start: int, separator: str) -> int:
    ends = [found for found in (text.find(separator, start), text.find("\n", start)) if found >= 0]
    return min(ends, default=len(text))


def read_rows(rows: Sequence[Sequence[str | None]], file: str) -> tuple[Grid, list[Diagnostic]]:
    """Read a table from the rows of an opened sheet; line and column of a cell are its row and column."""
    read = [
        tuple(
            GridCell((text or "").strip(), Anchor(file, number, column), is_sheet=True)
            for column, text in enumerate(row, start=1)
        )
        for number, row in enumerate(rows, start=1)
        if any((text or "").strip() for text in row)
    ]
    width = max((index for row in read[:1] for index, cell in enumerate(row, start=1) if cell.text), default=0)
    return _grid([_cut(row, width) for row in read], [], Anchor(file, 1, 1))


def _cut(row: tuple[GridCell, ...], width: int) -> tuple[GridCell, ...]:
    """Fit a sheet's row to its header: trailing blank cells mean nothing in a sheet."""
    kept = row[: max(width, max((index for index, cell in enumerate(row, start=1) if cell.text), default=0))]
    if not kept or len(kept) >= width:
        return kept
    last = kept[-1].anchor
    blanks = (GridCell("", Anchor(last.file, last.line, column), is_sheet=True) for column in range(len(kept) + 1, width + 1))
    return (*kept, *blanks)


def _grid(rows: list[tuple[GridCell, ...]], diagnostics: list[Diagnostic], anchor: Anchor) -> tuple[Grid, list[Diagnostic]]:
    if not rows:
        if not diagnostics:
            diagnostics.append(Diagnostic(TABLE_SHAPE, anchor.span(""), "the table has no header and no rules", anchor.line_text))
        return Grid(), diagnostics
    header, kept = rows[0], []
    for row in rows[1:]:
        if len(row) == len(header):
            kept.append(row)
            continue
        place = row[0].span() if row else anchor.span("")
        message = f"the row has {len(row)} cells, the header {len(header)}"
        diagnostics.append(Diagnostic(TABLE_SHAPE, place, message, row[0].anchor.line_text if row else ""))
    return Grid(header, tuple(kept)), diagnostics
