"""Reading exported files: tables of text with row numbers; what cannot be read is held, never lost."""

from __future__ import annotations

import fnmatch
import hashlib
import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import polars as pl

from adapters.intake.delimited import read_delimited
from adapters.intake.json_text import read_json
from adapters.intake.table import (
    ROW,
    FileFailure,
    FileRead,
    HeldRow,
    RawTable,
    ReadOptions,
    read_result,
)

__all__ = ["ROW", "FileFailure", "FileRead", "HeldRow", "RawTable", "ReadOptions", "find_files", "read_file"]

_Format = Literal["csv", "tsv", "ndjson", "json", "xlsx", "parquet"]
_FORMATS: Final[dict[str, _Format]] = {
    ".csv": "csv", ".txt": "csv", ".tsv": "tsv", ".tab": "tsv", ".ndjson": "ndjson", ".jsonl": "ndjson",
    ".json": "json", ".xlsx": "xlsx", ".parquet": "parquet",
}  # fmt: skip
_COMPRESSED: Final = frozenset({".zip", ".gz", ".bz2", ".xz", ".7z", ".zst"})


def find_files(root: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files below a folder that match a pattern, sorted; a root that is a file is itself.

    Names are compared without case; hidden files and lock files of office programs are not exports.
    """
    if root.is_file():
        return [root]
    wanted = [pattern.lower() for pattern in patterns]
    found = []
    for path in sorted(root.rglob("*")):
        shown = path.relative_to(root).as_posix()
        hidden = any(part.startswith((".", "~$")) for part in shown.split("/"))
        if not hidden and path.is_file() and any(_matches(shown.lower(), pattern) for pattern in wanted):
            found.append(path)
    return found


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) and name.count("/") == pattern.count("/")


def format_of(path: Path) -> _Format | None:
    """Return the format a file's ending says, or None when Tieout does not read it."""
    return _FORMATS.get(path.suffix.lower())


def read_file(path: Path, shown_as: str, options: ReadOptions) -> FileRead:
    """Read one file; whatever is wrong with its content comes back as held rows or a failure."""
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = "not_found" if isinstance(error, FileNotFoundError) else "unreadable"
        return read_result(shown_as, "", [], [], FileFailure(reason, f"{shown_as} cannot be opened."))
    sha256 = hashlib.sha256(data).hexdigest()
    if not data:
        return read_result(shown_as, sha256, [], [], FileFailure("empty_file", f"{shown_as} is empty."))
    form = options.format or format_of(path)
    if form is None:
        compressed = path.suffix.lower() in _COMPRESSED
        reason = "compressed" if compressed else "unknown_format"
        message = f"{shown_as} is compressed." if compressed else f"{shown_as} has the ending '{path.suffix}'."
        return read_result(shown_as, sha256, [], [], FileFailure(reason, message))
    if form == "parquet":
        return _read_parquet(data, shown_as, sha256)
    if form == "xlsx":
        from adapters.intake.workbook import read_workbook  # the workbook library is slow to import

        return read_workbook(data, shown_as, sha256, options)
    reader = read_json if form in ("json", "ndjson") else read_delimited
    return reader(data, shown_as, sha256, replace(options, format=form))


def _read_parquet(data: bytes, file: str, sha256: str) -> FileRead:
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        message = f"{file} is not a Parquet file that can be read."
        return read_result(file, sha256, [], [], FileFailure("broken_parquet", message, str(error)[:100]))
    header = tuple(frame.columns)
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    rows = frame.with_columns(
        *(pl.col(name).cast(pl.String, strict=False) for name in nested if frame.schema[name] == pl.Binary()),
        (pl.int_range(pl.len(), dtype=pl.Int64) + 1).alias(ROW),
    ).drop(list(nested))
    return read_result(file, sha256, [RawTable(file, "", rows, header, typed=True)], [])
