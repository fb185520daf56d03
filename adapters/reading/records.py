"""Nested objects to rows: dotted columns, lists as tables of their own where the mapping asks.

A record is flattened as a whole before any of it enters a table, so that a record that has to be
held leaves nothing behind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from adapters.reading.encoding import REPLACED
from adapters.reading.header import column_names
from adapters.reading.table import INDEX, ROW, HeldRow, RawTable, held_row, limited

MAX_DEPTH: Final = 64
"""Levels of nesting that a business record may have."""

MAX_NESTED_COLUMNS: Final = 2_000
"""Columns that records of one stream may have together; objects keyed by id would have thousands."""

VALUE: Final = "value"
PARENT: Final = "parent."


class Number(str):
    """A number exactly as the file writes it."""

    __slots__ = ()


class _HoldError(Exception):
    """The record cannot become a row; the argument is the reason."""


@dataclass
class _Row:
    stream: str
    parent: str
    number: int
    index: int
    cells: dict[str, str | None]


@dataclass
class _Stream:
    """Hold the columns of one table while it grows, all of the same length."""

    name: str
    parent: str
    columns: dict[str, list[str | None]] = field(default_factory=dict)
    folded: dict[str, str] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)

    def check(self, cells: dict[str, str | None]) -> None:
        """Raise when the table cannot take these columns."""
        new = [name for name in cells if name not in self.columns]
        if len(self.columns) + len(new) > MAX_NESTED_COLUMNS:
            raise _HoldError("too_many_columns")
        folded: dict[str, str] = {}
        for name in new:
            key = name.strip().casefold()
            if key in self.folded or key in folded:
                raise _HoldError("duplicate_key")
            folded[key] = name

    def add(self, row: _Row) -> None:
        for name in row.cells:
            if name not in self.columns:
                self.columns[name] = [None] * len(self.numbers)
                self.folded[name.strip().casefold()] = name
        for name, column in self.columns.items():
            column.append(row.cells.get(name))
        self.numbers.append(row.number)
        self.indexes.append(str(row.index))

    def table(self, file: str) -> RawTable:
        header = tuple(self.columns)
        names = column_names(header)
        series = [pl.Series(name, column, dtype=pl.String) for name, column in zip(names, self.columns.values(), strict=True)]
        if self.parent:
            series.append(pl.Series(INDEX, self.indexes, dtype=pl.String))
        series.append(pl.Series(ROW, self.numbers, dtype=pl.Int64))
        return RawTable(file, self.name, pl.DataFrame(series), header, parent=self.parent)


@dataclass
class Records:
    """Collect the rows of every stream of a file, and what was held.

    `suspicious` says that texts may hold characters that cannot be kept (the file is damaged or
    escapes characters), `damaged` that U+FFFD stands for lost bytes.
    """

    file: str
    children: tuple[str, ...]
    suspicious: bool = False
    damaged: bool = False
    streams: dict[str, _Stream] = field(default_factory=dict)
    held: list[HeldRow] = field(default_factory=list)

    def hold(self, number: int, reason: str, text: str | None) -> None:
        """Hold the record of this number."""
        self.held.append(held_row(self.file, number, reason, text))

    def add(self, number: int, stream: str, record: dict[str, Any], text: str) -> None:
        """Make a record a row of its stream, and rows of its child tables; or hold it."""
        try:
            rows = list(self._rows(number, stream, record))
            for row in rows:
                if self.suspicious:
                    _check_characters(row.cells, self.damaged)
                self._stream(row).check(row.cells)
        except _HoldError as problem:
            self.hold(number, str(problem), text)
            return
        for row in rows:
            self._stream(row).add(row)

    def empty(self) -> None:
        """Note that the file holds a list without records."""
        self.streams[""] = _Stream("", "")

    def tables(self) -> tuple[RawTable, ...]:
        """Return the tables in the order their streams first appeared, children after their parents."""
        return tuple(stream.table(self.file) for stream in self.streams.values() if stream.numbers or not stream.parent)

    def all_held(self) -> tuple[HeldRow, ...]:
        """Return the held rows in file order."""
        return limited(self.held)

    def _stream(self, row: _Row) -> _Stream:
        return self.streams.setdefault(row.stream, _Stream(row.stream, row.parent))

    def _rows(self, number: int, stream: str, record: dict[str, Any]) -> Iterator[_Row]:
        cells: dict[str, str | None] = {}
        lists: dict[str, list[Any]] = {}
        self._flatten(record, stream, "", cells, lists, 0)
        yield _Row(stream, "", number, 0, cells)
        yield from self._child_rows(number, stream, cells, lists, 1)

    def _child_rows(
        self, number: int, stream: str, cells: dict[str, str | None], lists: dict[str, list[Any]], depth: int
    ) -> Iterator[_Row]:
        above = {f"{PARENT}{name}": value for name, value in cells.items()} if lists else {}
        for path, elements in lists.items():
            name = f"{stream}.{path}" if stream else path
            for index, element in enumerate(elements):
                own: dict[str, str | None] = {}
                inner: dict[str, list[Any]] = {}
                if isinstance(element, dict):
                    self._flatten(element, name, "", own, inner, depth)
                else:
                    own[VALUE] = _scalar(element)
                row = _Row(name, stream or "-", number, index, {**own, **above})
                yield row
                yield from self._child_rows(number, name, row.cells, inner, depth + 1)

    def _flatten(
        self, record: dict[str, Any], stream: str, prefix: str,
        cells: dict[str, str | None], lists: dict[str, list[Any]], depth: int,
    ) -> None:  # fmt: skip
        if depth > MAX_DEPTH:
            raise _HoldError("too_deep")
        for key, value in record.items():
            name = prefix + key
            if isinstance(value, dict):
                if not _is_salesforce_type(key, value):
                    self._flatten(value, stream, f"{name}.", cells, lists, depth + 1)
            elif isinstance(value, list) and self._is_child(stream, name):
                lists[name] = value
            elif name in cells:
                raise _HoldError("duplicate_key")
            else:
                cells[name] = _scalar(value)

    def _is_child(self, stream: str, path: str) -> bool:
        return path in self.children or f"{stream}.{path}" in self.children


def _is_salesforce_type(key: str, value: dict[str, Any]) -> bool:
    """Tell Salesforce's own note on each record from an object the business named `attributes`."""
    return key == "attributes" and bool(value) and value.keys() <= {"type", "url"}


def _scalar(value: Any) -> str | None:
    """Return a value's text; blank text, null and empty lists are null."""
    if isinstance(value, str):
        return str(value) if value.strip() else None
    if value is None or value == []:
        return None
    return render(value)


def render(value: Any, depth: int = 0) -> str:
    """Return a JSON value as text with its numbers as they were written."""
    if depth > MAX_DEPTH:
        raise _HoldError("too_deep")
    if isinstance(value, dict):
        parts = (f"{json.dumps(key, ensure_ascii=False)}:{render(each, depth + 1)}" for key, each in value.items())
        return "{" + ",".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ",".join(render(each, depth + 1) for each in value) + "]"
    if isinstance(value, Number):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _check_characters(cells: dict[str, str | None], damaged: bool) -> None:
    """Raise when a name or a text holds characters that cannot be kept."""
    for text in (*cells, *cells.values()):
        if text is None:
            continue
        if "\0" in text:
            raise _HoldError("nul_bytes")
        if damaged and REPLACED in text:
            raise _HoldError("bad_encoding")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise _HoldError("bad_encoding") from None
