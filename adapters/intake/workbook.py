"""XLSX: the exact text of cells, rows numbered as the sheet shows them. Imports openpyxl alone."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from typing import Any, Final

import openpyxl
import polars as pl

from adapters.intake.table import ROW, FileFailure, FileRead, HeldRow, RawTable, ReadOptions, read_result, shown

# A workbook of a million rows is about 500 MB unpacked; more is an attack or no export.
MAX_UNPACKED_BYTES: Final = 2_000_000_000


def read_workbook(data: bytes, file: str, sha256: str, options: ReadOptions) -> FileRead:
    """Read one sheet of a workbook; formulas count by their saved value."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(each.file_size for each in archive.infolist())
        if unpacked > MAX_UNPACKED_BYTES:
            return _failed(file, sha256, "too_large", f"{file} is {unpacked:,} bytes when unpacked.")
        values = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        formulas = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False)
    except Exception:  # noqa: BLE001 - openpyxl raises whatever its parsers raise on a damaged archive
        return _failed(file, sha256, "not_a_workbook", f"{file} is not a workbook that can be opened.")
    if options.sheet is not None and options.sheet not in values.sheetnames:
        return _failed(file, sha256, "missing_sheet", f"{file} has no sheet '{options.sheet}'.")
    name = options.sheet or values.sheetnames[0]
    try:
        return _read_sheet(values[name], formulas[name], file, sha256, options)
    except Exception:  # noqa: BLE001 - a sheet cut off in the middle fails only when its rows are read
        return _failed(file, sha256, "not_a_workbook", f"{file} is damaged inside.")


def _failed(file: str, sha256: str, reason: str, message: str) -> FileRead:
    return read_result(file, sha256, [], [], FileFailure(reason, message))


def _read_sheet(sheet: Any, formulas: Any, file: str, sha256: str, options: ReadOptions) -> FileRead:
    header: list[str] | None = None
    rows: list[list[str | None]] = []
    numbers: list[int] = []
    held: list[HeldRow] = []
    pairs = zip(sheet.iter_rows(values_only=True), formulas.iter_rows(values_only=True), strict=False)
    for number, (cells, written) in enumerate(pairs, start=1):
        if number <= options.skip_rows or all(cell is None for cell in (*cells, *written)):
            continue
        if header is None:
            header = [(_text(cell) or "").strip() for cell in cells]
            while header and not header[-1]:
                header.pop()
            twice = [name for name in header if name and header.count(name) > 1]
            if twice:
                return _failed(file, sha256, "duplicate_header", f"{file} has the column '{twice[0]}' twice.")
            continue
        reason = _reason(cells, written, len(header))
        if reason is not None:
            held.append(HeldRow(file, number, None, shown("|".join(_text(c) or "" for c in cells)), reason))
            continue
        rows.append([_text(cell) for cell in (*cells, *[None] * len(header))[: len(header)]])
        numbers.append(number)
    if header is None:
        return _failed(file, sha256, "empty_file", f"{file} holds no header and no rows.")
    names = [name or f"column {position + 1}" for position, name in enumerate(header)]
    data = {name: [row[position] for row in rows] for position, name in enumerate(names)}
    frame = pl.DataFrame({**data, ROW: numbers}, schema={**dict.fromkeys(names, pl.String()), ROW: pl.Int64()})
    return read_result(file, sha256, [RawTable(file, "", frame, tuple(names))], held)


def _reason(cells: tuple[Any, ...], written: tuple[Any, ...], width: int) -> str | None:
    if any(cell is not None and _text(cell) for cell in cells[width:]):
        return "long_row"
    for cell, formula in zip(cells, written, strict=False):
        if isinstance(cell, str) and cell.startswith("#") and cell.rstrip("!?").isupper() and cell != cell.strip("!?/"):
            return "cell_error"
        if cell in ("#N/A", "#NULL!"):
            return "cell_error"
        if cell is None and isinstance(formula, str) and formula.startswith("="):
            return "formula_without_value"
    return None


def _text(cell: Any) -> str | None:
    """Return a cell's text: whole numbers without a point, floats in their shortest form, ISO dates."""
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else format_float(cell)
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat(sep="T")
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    text = str(cell)
    return text if text.strip() else None


def format_float(value: float) -> str:
    """Return the shortest decimal text that reads back as the same number, without an exponent."""
    from decimal import Decimal

    return format(Decimal(repr(value)), "f")
