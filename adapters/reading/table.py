"""What reading a file gives: tables of text, rows that could not be read, and why a file failed.

Nothing here knows a canonical entity. A cell keeps its text as the file has it; a blank one is null.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from engine.readings import VALUE_SHOWN

Format = Literal["csv", "tsv", "ndjson", "json", "xlsx", "parquet"]
Envelope = Literal["none", "airbyte", "django", "keyed", "list"]

ROW: Final = "_row"
"""The column that says where a record starts, counted from 1."""

INDEX: Final = "_index"
"""The column of a child table that says which element of the list a row is, counted from 0."""

HELD_LISTED: Final = 10_000
"""Held rows listed one by one; a file that is broken throughout has the others summed by reason."""

HELD_REASONS: Final[dict[str, str]] = {
    "short_row": "Complete the missing cells in the source, or export the file again.",
    "long_row": "Quote cells that contain the delimiter; where every row is so, take out the lines above the header (or declare them).",
    "unclosed_quote": "Close the quotation mark that the line opens, or export the file again.",
    "stray_quote": "Double each quotation mark inside a cell and quote the whole cell, or export the file again.",
    "ambiguous_quotes": "These lines can be read as one row or as several; close or double the quotation marks.",
    "bad_encoding": "Export the file as UTF-8, or declare the encoding it is written in.",
    "nul_bytes": "Remove the NUL characters; the file was probably damaged on the way, so export it again.",
    "repeated_header": "Remove the repeated header line; two exports were probably joined.",
    "broken_json": "Export the file again; the JSON breaks off or is invalid here.",
    "not_a_record": "Export records as JSON objects in the envelope the mapping declares.",
    "duplicate_key": "The record gives the same field twice; correct it in the source.",
    "too_deep": "The record is nested too deeply to be a business record; correct it in the source.",
    "too_many_columns": "The record would give the table too many columns; check the envelope and path declared.",
    "error_cell": "A cell shows a spreadsheet error; correct the formula and save the workbook again.",
    "formula_without_value": "A formula has no saved result; open the workbook, let it calculate, and save it.",
    "broken_workbook": "The sheet breaks off here; open the workbook and save it again.",
    "file_failed": "The row was counted but not read because the file failed; see the remedy for the file.",
}
"""Why a row is held, and what to do about it; the codes are stable."""

FAILURES: Final[dict[str, str]] = {
    "unreadable_file": "Check that the file exists and that you are allowed to read it.",
    "outside_snapshot": "Put the file itself into the snapshot folder instead of a link to another place.",
    "empty_file": "Export the file again; even an export without records has a header.",
    "unknown_format": "Export as CSV, TSV, JSON, NDJSON, XLSX or Parquet, or declare the format in the mapping.",
    "compressed_file": "Unpack the file and put the unpacked export into the snapshot.",
    "not_text": "The file is not text; export it again, or declare the format or encoding it really has.",
    "web_page": "The file is a web page, probably a login or error page; download the export again.",
    "unknown_encoding": "Declare an encoding such as utf-8, utf-16 or cp1252.",
    "bad_encoding": "Export the file as UTF-8, or declare the encoding it is written in.",
    "wrong_delimiter": "Declare the delimiter the file really uses, in the mapping or at its source in snapshot.yaml.",
    "broken_header": "Correct the quotation marks in the header line, or export the file again.",
    "blank_header": "Put the column names into the first line, or declare how many lines stand above it.",
    "duplicate_header": "Rename or remove one of the columns, so that each name stands for one column.",
    "too_many_columns": "Check that the file is a table with one record per line.",
    "broken_json": "Export the file again; the JSON breaks off or is invalid at the place shown.",
    "too_deep": "The JSON is nested too deeply to hold business records; export the file again.",
    "path_not_found": "Declare the path at which the file keeps its list of records.",
    "not_a_list": "Declare the path and envelope at which the file keeps its list of records.",
    "not_a_workbook": "Save the file as an .xlsx workbook without a password.",
    "broken_workbook": "Open the workbook in a spreadsheet program and save it again.",
    "sheet_not_found": "Name a sheet that the workbook has, or leave the sheet out to read the first.",
    "too_large": "Split the export into smaller files.",
    "broken_parquet": "Write the Parquet file again; it is cut off or damaged.",
}
"""Why a file fails as a whole, and what to do about it; the codes are stable."""


@dataclass(frozen=True)
class RawTable:
    """Hold the rows of one stream of a file: text columns (null = blank) and `_row` (Int64).

    `_row` is the physical line where the record starts (text files), the sheet row (workbooks)
    or the number of the element (arrays, Parquet), each counted from 1. `stream` is empty unless
    an envelope names streams. A child table holds the elements of a list inside records: it is named
    "<stream>.<path>" (or "<path>"), and `parent` is its parent's stream ("-" where that has no name).
    """

    file: str
    stream: str
    frame: pl.DataFrame
    header: tuple[str, ...]
    typed: bool = False
    parent: str = ""


@dataclass(frozen=True)
class HeldRow:
    """Name a row that was not read, why, and what to do; `rows` counts the rows it stands for."""

    file: str
    row: int | None
    value: str | None
    reason: str
    remedy: str
    rows: int = 1


@dataclass(frozen=True)
class FileFailure:
    """Say why a file could not be read as a whole, or beyond a point."""

    reason: str
    position: str | None
    message: str
    remedy: str


@dataclass(frozen=True)
class Reading:
    """Hold what a format reader found in a file."""

    tables: tuple[RawTable, ...] = ()
    held: tuple[HeldRow, ...] = ()
    failure: FileFailure | None = None


@dataclass(frozen=True)
class FileRead:
    """Hold everything read from one file.

    `rows_read` counts the rows of all tables but child tables, which repeat their parents, and held rows.
    """

    file: str
    sha256: str
    rows_read: int
    tables: tuple[RawTable, ...]
    held: tuple[HeldRow, ...]
    failure: FileFailure | None


@dataclass(frozen=True)
class ReadOptions:
    """State how a file is written; the defaults suit a plain UTF-8 export with the usual extension."""

    format: Format | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    envelope: Envelope = "none"
    path: str | None = None
    children: tuple[str, ...] = ()
    sheet: str | None = None
    skip_rows: int = 0


def shown(value: str | None) -> str | None:
    """Return the start of a value as it can be written anywhere."""
    if value is None:
        return None
    return value[:VALUE_SHOWN].encode("utf-8", "replace").decode("utf-8")


def held_row(file: str, row: int | None, reason: str, value: str | None = None, *, rows: int = 1) -> HeldRow:
    """Return a held row with the remedy of its reason."""
    return HeldRow(file, row, shown(value), reason, HELD_REASONS[reason], rows)


def file_failure(reason: str, message: str, position: str | None = None) -> FileFailure:
    """Return a failure with the remedy of its reason."""
    return FileFailure(reason, position, message, FAILURES[reason])


def failed(reason: str, message: str, position: str | None = None, held: Iterable[HeldRow] = ()) -> Reading:
    """Return the reading of a file that failed as a whole."""
    return Reading(held=tuple(held), failure=file_failure(reason, message, position))


def limited(held: list[HeldRow]) -> tuple[HeldRow, ...]:
    """Return held rows in file order; those beyond the listed ones are summed by reason."""
    held = sorted(held, key=lambda each: each.row or 0)
    rest: dict[str, list[HeldRow]] = {}
    for each in held[HELD_LISTED:]:
        rest.setdefault(each.reason, []).append(each)
    sums = [
        HeldRow(group[0].file, group[0].row, group[0].value, reason, group[0].remedy, sum(each.rows for each in group))
        for reason, group in rest.items()
    ]
    return (*held[:HELD_LISTED], *sums)
