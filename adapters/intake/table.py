"""What reading gives: tables of text with row numbers, held rows, and files that failed as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

ROW: Final = "_row"
VALUE_SHOWN: Final = 200

HELD_REASONS: Final[dict[str, str]] = {
    "short_row": "The row has fewer cells than the header; export the file again or complete the row.",
    "long_row": "The row has more cells than the header; put text that holds the delimiter in quotes.",
    "bad_quotes": "A quote is opened or closed in the wrong place; double quotes inside text must be doubled.",
    "bad_encoding": "The row holds bytes that are not in the declared encoding; export as UTF-8 or declare the encoding.",
    "nul_byte": "The row holds a NUL character; the file was damaged or is not text.",
    "repeated_header": "The header stands again in the middle of the file; export the parts separately.",
    "unusable_header": "The rows stand under a header that cannot be used; correct the header and export again.",
    "broken_json": "The JSON breaks here; export the file again.",
    "not_an_object": "The element is not an object with named values; export the records themselves.",
    "duplicate_name": "The object gives the same name twice; export the file again.",
    "too_deep": "The JSON is nested too deeply to be records; export the records themselves.",
    "cell_error": "A cell holds a spreadsheet error such as #REF!; correct it and save the workbook.",
    "formula_without_value": "A cell holds a formula without a saved value; open the workbook, recalculate and save it.",
}
"""Every reason a row can be held for while reading, with its remedy."""

FAILURES: Final[dict[str, str]] = {
    "empty_file": "Export the file again; it holds nothing.",
    "not_found": "Check the path in snapshot.yaml.",
    "outside_snapshot": "Put the file itself in the snapshot folder instead of a link to another place.",
    "compressed": "Unpack the file and put its content in the snapshot folder.",
    "unknown_format": "Export as CSV, TSV, JSON, NDJSON, XLSX or Parquet.",
    "wrong_delimiter": "Declare the delimiter in the mapping, or export with commas.",
    "duplicate_header": "Give every column its own name.",
    "not_text": "The file is not text; export it as CSV, JSON or XLSX.",
    "broken_json": "Export the file again; what stands before the break was read.",
    "too_deep": "Export the records themselves; the file is nested too deeply.",
    "not_records": "Export a list of records, or declare in the mapping where the list stands.",
    "not_a_workbook": "Save the file as an Excel workbook (.xlsx).",
    "missing_sheet": "Check the sheet's name in the mapping.",
    "too_large": "Split the workbook, or export as CSV.",
    "broken_parquet": "Write the Parquet file again; it is damaged or cut off.",
    "unreadable": "Check the file's permissions.",
}
"""Every reason a file can fail for as a whole, with its remedy."""


@dataclass(frozen=True, slots=True)
class RawTable:
    """Hold the rows of one stream of a file as text, each with its row number in `_row`.

    `_row` is the physical line where the record starts (text), the sheet's row (XLSX) or the
    element's number from 1 (JSON arrays, Parquet). Blank cells are null. Parquet keeps its types.
    """

    file: str
    stream: str
    frame: pl.DataFrame
    header: tuple[str, ...]
    typed: bool = False
    parent: str = ""


@dataclass(frozen=True, slots=True)
class HeldRow:
    """Report a row that cannot be read; `rows` counts the rows it stands for."""

    file: str
    row: int | None
    field: str | None
    value: str | None
    reason: str
    rows: int = 1

    @property
    def remedy(self) -> str:
        """Return what the user can do about it."""
        return HELD_REASONS[self.reason]


@dataclass(frozen=True, slots=True)
class FileFailure:
    """Report a file that cannot be read as a whole, with the position where it breaks."""

    reason: str
    message: str
    position: str | None = None

    @property
    def remedy(self) -> str:
        """Return what the user can do about it."""
        return FAILURES[self.reason]


@dataclass(frozen=True, slots=True)
class FileRead:
    """Hold what one file gave. rows_read = rows of its top-level tables + rows held."""

    file: str
    sha256: str
    rows_read: int
    tables: tuple[RawTable, ...] = ()
    held: tuple[HeldRow, ...] = ()
    failure: FileFailure | None = None


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Say how a file is laid out, as its mapping declares."""

    format: Literal["csv", "tsv", "ndjson", "json", "xlsx", "parquet"] | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    envelope: Literal["none", "airbyte", "django", "keyed", "list"] = "none"
    path: str | None = None
    children: tuple[str, ...] = ()
    sheet: str | None = None
    skip_rows: int = 0


def read_result(
    file: str, sha256: str, tables: list[RawTable], held: list[HeldRow], failure: FileFailure | None = None
) -> FileRead:
    """Return a file's result with its rows counted: child tables repeat their parents' rows."""
    rows = sum(table.frame.height for table in tables if not table.parent) + sum(each.rows for each in held)
    return FileRead(file, sha256, rows, tuple(tables), tuple(held), failure)


def shown(value: str | None) -> str | None:
    """Return a value cut to what people need to recognize it."""
    return None if value is None else value[:VALUE_SHOWN]
