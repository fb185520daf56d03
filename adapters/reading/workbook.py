"""XLSX: the cells of one sheet as exact text, and rows written as a sheet. The only module that knows the workbook library."""

from __future__ import annotations

import datetime as dt
import io
import re
import warnings
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import zip_longest
from typing import Any, Final

import openpyxl
import polars as pl

from adapters.reading.header import MAX_COLUMNS, column_names, duplicate_name
from adapters.reading.table import ROW, HeldRow, RawTable, Reading, ReadOptions, failed, file_failure, held_row, limited
from engine.errors import UsageError

MAX_UNPACKED: Final = 2_000_000_000
"""Bytes a workbook may have when unpacked; a small file that unpacks to more is made to fill memory."""

MAX_RATIO: Final = 1_000
"""How many times larger than the file a workbook of more than 100 MB may be when unpacked."""

_LARGE: Final = 100_000_000
_FORMULA_TAG: Final = re.compile(rb"<(?:\w{1,8}:)?f[ />]")
_ERROR, _FORMULA = "error_cell", "formula_without_value"

Cells = list[str | None]


class _Sheet:
    """Go through a sheet's rows as text, with the reason a row must be held."""

    def __init__(self, data: bytes, name: str | None) -> None:
        with warnings.catch_warnings():
            # The library warns about styles and extensions, which hold no data.
            warnings.simplefilter("ignore")
            self._values = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            self.names = [sheet.title for sheet in self._values.worksheets]
            self.name = name if name is not None else next(iter(self.names), None)
            self._data = data

    def exists(self) -> bool:
        return self.name in self.names

    def rows(self) -> Iterator[tuple[int, Cells, str | None, str | None]]:
        """Yield row number, cells, and reason and text of the cell that holds the row."""
        values = _numbered(self._values[self.name])
        if not _has_formulas(self._data):
            for number, row in values:
                yield number, *_texts(row, ())
            return
        # A formula without a saved result looks like an empty cell, so the formulas are read beside.
        formulas = _numbered(openpyxl.load_workbook(io.BytesIO(self._data), read_only=True)[self.name])
        for (number, row), (_, written) in zip(values, formulas, strict=False):
            yield number, *_texts(row, written)


def _numbered(sheet: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    # The size a sheet states may be wrong either way.
    sheet.reset_dimensions()
    return enumerate(sheet.iter_rows(), start=1)


def _has_formulas(data: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/"):
                tail = b""
                with archive.open(name) as part:
                    while chunk := part.read(1 << 20):
                        if _FORMULA_TAG.search(tail + chunk):
                            return True
                        tail = chunk[-16:]
    return False


def _texts(row: tuple[Any, ...], written: tuple[Any, ...]) -> tuple[Cells, str | None, str | None]:
    cells: Cells = []
    reason = shown = None
    for cell, formula in zip_longest(row, written[: len(row)]):
        value = cell.value
        if cell.data_type == "e":
            reason, shown = reason or _ERROR, shown or str(value)
        elif value is None and cell.data_type != "str" and formula is not None and formula.data_type == "f":
            # A saved result that is an empty text has the type `str`; a missing one has none.
            reason, shown = reason or _FORMULA, shown or str(formula.value)
        cells.append(_padded(cell) if type(value) is int else _text(value))
    while cells and cells[-1] is None:
        cells.pop()
    return cells, reason, shown


def _padded(cell: Any) -> str:
    """Return a whole number with the leading zeros that its format (`00000`, for ids) shows."""
    form = str(cell.number_format or "")
    return f"{cell.value:0{len(form)}d}" if form.strip("0") == "" else str(cell.value)


def _text(value: Any) -> str | None:
    """Return the exact text of a cell's value; blank is null."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = repr(value)
        return f"{Decimal(text):f}" if "e" in text else text
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time()
        return value.date().isoformat() if midnight else value.isoformat(sep="T")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        seconds = round(value.total_seconds())
        sign = "-" if seconds < 0 else ""
        hours, rest = divmod(abs(seconds), 3600)
        return f"{sign}{hours}:{rest // 60:02}:{rest % 60:02}"
    text = str(value)
    return text if text.strip() else None


def read_workbook(data: bytes, shown_as: str, options: ReadOptions) -> Reading:
    """Return the table of one sheet, its held rows, and why or where it failed if it did."""
    refusal = _refused(data)
    if refusal is not None:
        return failed(*refusal)
    try:
        sheet = _Sheet(data, options.sheet)
    except Exception:  # noqa: BLE001 - the library raises what it meets: KeyError, ParseError, BadZipFile
        return failed("broken_workbook", "The workbook is incomplete or damaged.")
    if not sheet.exists():
        if options.sheet is None:
            return failed("empty_file", "The workbook has no sheet with cells.")
        names = ", ".join(sheet.names)
        return failed("sheet_not_found", f"There is no sheet {options.sheet!r}; the workbook has: {names}.")
    return _table(sheet, shown_as, options.skip_rows)


def sheet_rows(data: bytes) -> tuple[dict[str, list[Cells]], str]:
    """Return the text of every sheet of a workbook by its name, or why it cannot be read.

    Row and column of a cell are its place in the lists, blank rows included.
    """
    refused = _refused(data)
    if refused is not None:
        return {}, refused[1]
    found: dict[str, list[Cells]] = {}
    for name in _Sheet(data, None).names:
        rows: list[Cells] = []
        for number, cells, reason, text in _Sheet(data, name).rows():
            if reason is not None:
                return {}, f"row {number} of the sheet '{name}' has a cell without a value ({text})"
            rows += [[] for _ in range(number - len(rows) - 1)]
            rows.append(cells)
        found[name] = rows
    return found, ""


def _refused(data: bytes) -> tuple[str, str] | None:
    if not data:
        return "empty_file", "The file is empty."
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        return "not_a_workbook", "The file is an old .xls workbook, or protected by a password."
    if not data.startswith(b"PK"):
        return "not_a_workbook", "The file is not an .xlsx workbook."
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
            unpacked = sum(each.file_size for each in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return "broken_workbook", "The workbook is cut off or damaged."
    if unpacked > MAX_UNPACKED or (unpacked > _LARGE and unpacked > MAX_RATIO * len(data)):
        return "too_large", f"The workbook unpacks to {unpacked:,} bytes."
    if "[Content_Types].xml" not in names:
        return "not_a_workbook", "The file is a ZIP archive but no workbook."
    return None


def _table(sheet: _Sheet, shown_as: str, skip_rows: int) -> Reading:
    header: list[str] = []
    rows: list[Cells] = []
    numbers: list[int] = []
    held: list[HeldRow] = []
    failure = None
    number = 0
    try:
        for number, cells, reason, shown in sheet.rows():
            if number <= skip_rows or (not cells and reason is None):
                continue
            if not header:
                header = [cell or "" for cell in cells]
                if refusal := _refused_header(header, number, reason):
                    return _counted(sheet, shown_as, number, refusal)
                continue
            problem = reason or _misfit(cells, header)
            if problem is not None:
                held.append(held_row(shown_as, number, problem, shown or _line(cells)))
                continue
            rows.append(cells + [None] * (len(header) - len(cells)))
            numbers.append(number)
    except Exception:  # noqa: BLE001 - a damaged part shows itself only while its rows are read
        held.append(held_row(shown_as, number + 1, "broken_workbook"))
        failure = file_failure("broken_workbook", "The sheet is damaged; what stands before was read.", f"row {number + 1}")
    if not header:
        return Reading(held=tuple(held), failure=failure or file_failure("empty_file", "The sheet has no header."))
    columns = list(zip(*rows, strict=True)) or [()] * len(header)
    series = [pl.Series(name, column, dtype=pl.String) for name, column in zip(column_names(header), columns, strict=True)]
    frame = pl.DataFrame([*series, pl.Series(ROW, numbers, dtype=pl.Int64)])
    return Reading((RawTable(shown_as, "", frame, tuple(header)),), limited(held), failure)


def _refused_header(header: list[str], number: int, reason: str | None) -> tuple[str, str, str] | None:
    position = f"row {number}"
    if reason is not None:
        return "broken_header", "A cell of the header has no value.", position
    if len(header) > MAX_COLUMNS:
        return "too_many_columns", f"The header names {len(header)} columns.", position
    name = duplicate_name(header)
    return None if name is None else ("duplicate_header", f"Two columns are named {name[:80]!r}.", position)


def _misfit(cells: Cells, header: list[str]) -> str | None:
    if len(cells) > len(header):
        return "long_row"
    same = len(cells) == len(header) and all((cell or "").strip() == name.strip() for cell, name in zip(cells, header, strict=True))
    return "repeated_header" if same else None


def _line(cells: Cells) -> str:
    return ",".join(cell or "" for cell in cells)


def _counted(sheet: _Sheet, shown_as: str, header_row: int, refusal: tuple[str, str, str]) -> Reading:
    """Return the failure of a sheet with its rows counted."""
    rows = 0
    try:
        rows = sum(1 for number, cells, reason, _ in sheet.rows() if number > header_row and (cells or reason))
    except Exception:  # noqa: BLE001 - see above; the rows before the damage are counted
        rows += 1
    held = [held_row(shown_as, header_row + 1, "file_failed", rows=rows)] if rows else []
    return failed(*refusal, held=held)


_NOT_IN_A_TITLE: Final = re.compile(r"[\[\]:*?/\\]")
_NOT_IN_A_CELL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_MONEY_FORMAT: Final = "#,##0.00;(#,##0.00)"
_LONGEST_TEXT: Final = 32_767


def write_workbook(title: str, header: Sequence[str], rows: Iterable[Sequence[Any]], money: Collection[str] = ()) -> bytes:
    """Return a workbook of one sheet: a header that stays in sight, then the rows.

    Texts are written as texts, so that none runs as a formula; numbers and dates stay what they are, and the
    columns named in `money` show two decimals, negative in parentheses.
    """
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(_NOT_IN_A_TITLE.sub(" ", title)[:31] or "Sheet")
    sheet.freeze_panes = "A2"
    amounts = [name in money for name in header]
    sheet.append([_written(sheet, name) for name in header])
    for row in rows:
        sheet.append([_written(sheet, value, is_money=is_money) for value, is_money in zip(row, amounts, strict=True)])
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _written(sheet: Any, value: Any, *, is_money: bool = False) -> Any:
    from openpyxl.cell import WriteOnlyCell

    if isinstance(value, dt.datetime):
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    if isinstance(value, str):
        cell = WriteOnlyCell(sheet, _NOT_IN_A_CELL.sub("", value)[:_LONGEST_TEXT])
        # The library would write a text that begins with `=` as a formula.
        cell.data_type = "s"
        return cell
    if is_money and value is not None:
        cell = WriteOnlyCell(sheet, value)
        cell.number_format = _MONEY_FORMAT
        return cell
    return value


HIDDEN: Final = "_tieout"
"""The hidden sheet of a workbook of tables: what was exported, so that edits can be told."""


@dataclass(frozen=True, slots=True)
class TableSheet:
    """Hold a table as a sheet: `locked` columns cannot be edited, `choices` are offered by column, `remarks` stand by row (header: 0)."""

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    locked: Collection[str] = ()
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    remarks: Mapping[tuple[int, int], str] = field(default_factory=dict)


def write_tables(sheets: Sequence[TableSheet], hidden: Sequence[Sequence[str]] = ()) -> bytes:
    """Return a workbook of tables for people to edit: text cells, lists to choose from, remarks; `hidden` is a sheet apart."""
    from openpyxl.comments import Comment
    from openpyxl.styles import Font, Protection
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    book = openpyxl.Workbook()
    book.remove(book.active)
    for each in sheets:
        sheet = book.create_sheet(each.name)
        for number, row in enumerate((each.header, *each.rows), start=1):
            for column, text in enumerate(row, start=1):
                cell = sheet.cell(number, column)
                cell.value, cell.data_type, cell.number_format = text, "s", "@"
                is_locked = number == 1 or each.header[column - 1] in each.locked
                cell.protection, cell.font = Protection(locked=is_locked), Font(bold=number == 1)
        for (number, column), text in each.remarks.items():
            sheet.cell(number + 1, column + 1).comment = Comment(text, "Tieout")
        for column, name in enumerate(each.header, start=1):
            letter = get_column_letter(column)
            widest = max(len(row[column - 1]) for row in (each.header, *each.rows))
            sheet.column_dimensions[letter].width = min(max(widest + 2, 8), 60)
            if name in each.choices:
                listed = DataValidation(type="list", formula1='"' + ",".join(each.choices[name]) + '"', allow_blank=True)
                sheet.add_data_validation(listed)
                listed.add(f"{letter}2:{letter}{len(each.rows) + 200}")
        sheet.freeze_panes = "B2"
        sheet.protection.sheet, sheet.protection.insertRows, sheet.protection.deleteRows = True, False, False
    kept = book.create_sheet(HIDDEN)
    kept.sheet_state = "hidden"
    for number, hidden_row in enumerate(hidden, start=1):
        for column, text in enumerate(hidden_row, start=1):
            cell = kept.cell(number, column)
            cell.value, cell.data_type = text, "s"
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def sheet_with_rows(data: bytes, name: str, rows: Sequence[Sequence[str]]) -> bytes:
    """Return a workbook with other rows of text in one sheet; everything else of it stays. Raises UsageError when it has no such sheet."""
    try:
        book = openpyxl.load_workbook(io.BytesIO(data))
        sheet = book[name]
    except (KeyError, zipfile.BadZipFile, ValueError, OSError) as error:
        raise UsageError(f"The workbook has no sheet {name} that can be written.", "Save it anew in its own program.") from error
    for place in range(1, max(sheet.max_row, len(rows)) + 1):
        row = rows[place - 1] if place <= len(rows) else [""] * len(rows[0])
        for column, text in enumerate(row, start=1):
            cell = sheet.cell(place, column)
            cell.value = text or None
            if text:
                # A text stays a text, whatever it begins with.
                cell.data_type = "s"
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()
