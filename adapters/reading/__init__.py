"""Reading exported files: tables of text with row numbers; what cannot be read is held, never lost."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from adapters.reading.delimited import read_delimited
from adapters.reading.folder import Place, find_files, find_place, is_inside
from adapters.reading.json_text import read_json
from adapters.reading.parquet import read_parquet
from adapters.reading.table import (
    FAILURES,
    HELD_REASONS,
    INDEX,
    ROW,
    FileFailure,
    FileRead,
    Format,
    HeldRow,
    RawTable,
    Reading,
    ReadOptions,
    failed,
)

__all__ = [
    "FAILURES",
    "HELD_REASONS",
    "INDEX",
    "ROW",
    "FileFailure",
    "FileRead",
    "HeldRow",
    "Place",
    "RawTable",
    "ReadOptions",
    "find_files",
    "find_place",
    "format_of",
    "is_inside",
    "read_file",
]

_FORMATS: Final[dict[str, Format]] = {
    ".csv": "csv", ".txt": "csv", ".tsv": "tsv", ".tab": "tsv", ".ndjson": "ndjson", ".jsonl": "ndjson",
    ".json": "json", ".xlsx": "xlsx", ".xlsm": "xlsx", ".parquet": "parquet",
}  # fmt: skip
_COMPRESSED: Final = frozenset({".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".zst", ".rar"})


def format_of(path: Path) -> Format | None:
    """Return the format that a file's ending says, or None when it is not read."""
    return _FORMATS.get(path.suffix.lower())


def read_file(path: Path, shown_as: str, options: ReadOptions | None = None, *, root: Path | None = None) -> FileRead:
    """Read one file; whatever is wrong with its content comes back as held rows or a failure.

    A file that a link places outside `root` is refused. Raises ValueError for a delimiter that is
    not one ASCII character.
    """
    if root is not None and not is_inside(path, root):
        return _result(shown_as, "", failed("outside_snapshot", "The file is a link to a place outside the snapshot."))
    try:
        data = path.read_bytes()
    except OSError as error:
        detail = error.strerror or type(error).__name__
        return _result(shown_as, "", failed("unreadable_file", f"The file cannot be opened: {detail}."))
    return _result(shown_as, hashlib.sha256(data).hexdigest(), _read(data, path, shown_as, options or ReadOptions()))


def _read(data: bytes, path: Path, shown_as: str, options: ReadOptions) -> Reading:
    form = options.format or format_of(path)
    if form is None:
        ending = path.suffix.lower()
        if ending in _COMPRESSED:
            return failed("compressed_file", f"The file is compressed ({ending}).")
        if ending == ".xls":
            return failed("not_a_workbook", "The file is an old .xls workbook.")
        return failed("unknown_format", f"The file's ending {ending!r} is not one Tieout reads.")
    if form == "csv":
        return read_delimited(data, shown_as, options, ",")
    if form == "tsv":
        return read_delimited(data, shown_as, options, "\t")
    if form == "parquet":
        return read_parquet(data, shown_as)
    if form == "xlsx":
        from adapters.reading.workbook import read_workbook  # the workbook library is slow to import

        return read_workbook(data, shown_as, options)
    return read_json(data, shown_as, options, by_line=form == "ndjson")


def _result(shown_as: str, sha256: str, reading: Reading) -> FileRead:
    rows = sum(table.frame.height for table in reading.tables if not table.parent)
    rows += sum(each.rows for each in reading.held)
    return FileRead(shown_as, sha256, rows, reading.tables, reading.held, reading.failure)
