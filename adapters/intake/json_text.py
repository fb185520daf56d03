"""JSON and NDJSON: exact numbers, envelopes opened, nested objects as dotted columns.

Numbers are kept as they are written (no binary fractions on the way), `null` is null. A list
inside a record becomes a table of its own only where the mapping asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from adapters.intake.table import ROW, FileFailure, FileRead, HeldRow, RawTable, ReadOptions, read_result, shown

MAX_DEPTH: Final = 60
INDEX: Final = "_index"
_META: Final = frozenset({"results", "count", "meta", "links"})

Element = tuple[int, Any]


class _RepeatedNameError(ValueError):
    """An object gives one name twice."""


class _TooDeepError(ValueError):
    """A value is nested deeper than records are."""


@dataclass
class _Sorted:
    """Collect the records of each stream, and held rows, while a file is walked."""

    file: str
    options: ReadOptions
    streams: dict[str, list[tuple[int, dict[str, Any]]]] = field(default_factory=dict)
    held: list[HeldRow] = field(default_factory=list)

    def add(self, row: int, stream: str, record: Any) -> None:
        if isinstance(record, dict):
            self.streams.setdefault(stream, []).append((row, record))
        else:
            self.hold(row, "not_an_object", json.dumps(record, default=str))

    def hold(self, row: int, reason: str, value: str | None, rows: int = 1) -> None:
        self.held.append(HeldRow(self.file, row, None, shown(value), reason, rows))


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RepeatedNameError
    return found


def _constant(text: str) -> str:
    return text


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=str, parse_int=str, parse_constant=_constant, strict=False
)


def read_json(data: bytes, file: str, sha256: str, options: ReadOptions) -> FileRead:
    """Read a JSON or NDJSON file's bytes; see the module's description."""
    text = data.decode("utf-8-sig", errors="replace")
    if not text.strip():
        return read_result(file, sha256, [], [], FileFailure("empty_file", f"{file} holds nothing."))
    found = _Sorted(file, options)
    failure = None
    if options.format == "ndjson":
        _read_lines(text, found)
    else:
        failure = _read_document(text, found)
    tables = [table for stream in found.streams for table in _tables(stream, found)]
    return read_result(file, sha256, tables, sorted(found.held, key=lambda each: each.row or 0), failure)


def _read_lines(text: str, found: _Sorted) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = _DECODER.decode(line.strip())
        except _RepeatedNameError:
            found.hold(number, "duplicate_name", line)
        except RecursionError:
            found.hold(number, "too_deep", line)
        except ValueError:
            found.hold(number, "bad_encoding" if "\ufffd" in line else "broken_json", line)
        else:
            _place(number, value, found)


def _read_document(text: str, found: _Sorted) -> FileFailure | None:
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        found.hold(1, "too_deep", None)
        return FileFailure("too_deep", f"{found.file} is nested too deeply to be read.")
    except _RepeatedNameError:
        return _read_elements(text, found)
    except json.JSONDecodeError:
        return _read_elements(text, found)
    return _open(value, found)


def _open(value: Any, found: _Sorted) -> FileFailure | None:
    """Hand out the records of a whole document by its envelope."""
    options = found.options
    if options.envelope == "keyed" and isinstance(value, dict):
        for stream, records in value.items():
            if stream in _META or not isinstance(records, dict):
                continue
            for number, record in enumerate(records.values(), start=1):
                found.add(number, stream, record)
        return None
    if options.envelope == "list" and isinstance(value, dict):
        for part in (options.path or "").split("."):
            value = value.get(part) if isinstance(value, dict) and part else value
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        return FileFailure("not_records", f"{found.file} holds no list of records.")
    for number, element in enumerate(value, start=1):
        _place(number, element, found)
    return None


def _place(number: int, value: Any, found: _Sorted) -> None:
    """Put one element into the table of its stream."""
    envelope = found.options.envelope
    if not isinstance(value, dict):
        found.add(number, "", value)
    elif envelope == "airbyte" and "stream" in value and "data" in value:
        found.add(number, str(value["stream"]), value["data"])
    elif envelope == "django" and "model" in value and isinstance(value.get("fields"), dict):
        found.add(number, str(value["model"]), {"pk": value.get("pk"), **value["fields"]})
    elif envelope == "list" and len(value) == 1 and isinstance(next(iter(value.values())), dict):
        stream = next(iter(value))
        found.add(number, stream, value[stream])
    elif envelope == "list" and all(isinstance(each, dict) for each in value.values()) and len(value) <= 3 and value:
        # Chargebee lists each invoice beside its customer: every part is a record of its own stream.
        for stream, record in value.items():
            found.add(number, stream, record)
    else:
        found.add(number, "", value)


def _read_elements(text: str, found: _Sorted) -> FileFailure:
    """Read the complete elements of a list that breaks somewhere; the rest is one held row."""
    position = 0
    while position < len(text) and text[position] not in "[{":
        position += 1
    number, end, broken = 0, len(text), None
    if position < end and text[position] == "[":
        for number, value, where in _elements(text, position + 1):
            position = where
            if isinstance(value, HeldRow):
                found.hold(number, value.reason, value.value)
            else:
                _place(number, value, found)
        broken = position
    line = text.count("\n", 0, broken or 0) + 1
    column = (broken or 0) - (text.rfind("\n", 0, broken or 0) + 1) + 1
    rest = text[broken or 0 :].strip(" ,]\r\n\t")
    if rest:
        found.hold(number + 1, "broken_json", rest)
        message = f"{found.file} is not valid JSON from line {line}, column {column} on."
        return FileFailure("broken_json", message, f"line {line}, column {column}")
    return FileFailure("broken_json", f"{found.file} gives one name twice in an object.", f"line {line}")


def _elements(text: str, position: int) -> Iterator[tuple[int, Any, int]]:
    number = 0
    while True:
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        if position >= len(text) or text[position] == "]":
            return
        number += 1
        try:
            value, position = _DECODER.raw_decode(text, position)
            yield number, value, position
        except _RepeatedNameError:
            _, position = json.JSONDecoder(parse_float=str, parse_int=str, strict=False).raw_decode(text, position)
            yield number, HeldRow("", number, None, None, "duplicate_name"), position
        except (ValueError, RecursionError):
            return


def _tables(stream: str, found: _Sorted) -> list[RawTable]:
    records = found.streams[stream]
    prefix = f"{stream}." if stream else ""
    children = [name.removeprefix(prefix) for name in found.options.children if name.startswith(prefix)]
    columns: dict[str, list[str | None]] = {}
    nested: dict[str, list[tuple[int, int, Any, int]]] = {name: [] for name in children}
    rows: list[int] = []
    for number, record in records:
        try:
            flat = dict(_flat(record, "", 0))
        except _TooDeepError:
            found.hold(number, "too_deep", None)
            continue
        position = len(rows)
        rows.append(number)
        for name, value in flat.items():
            if isinstance(value, list):
                if name in nested:
                    nested[name] += [(number, index, each, position) for index, each in enumerate(value)]
                continue
            column = columns.get(name)
            if column is None:
                column = columns[name] = [None] * len(records)
            column[position] = value
    frame = pl.DataFrame(
        {**{name: values[: len(rows)] for name, values in columns.items()}, ROW: rows},
        schema={**dict.fromkeys(columns, pl.String()), ROW: pl.Int64()},
    )
    table = RawTable(found.file, stream, frame, tuple(columns))
    return [table, *(_child(table, name, items) for name, items in nested.items() if items)]


def _child(parent: RawTable, name: str, items: list[tuple[int, int, Any, int]]) -> RawTable:
    """Return the table of a list inside records, each row with its parent's scalar columns."""
    columns: dict[str, list[str | None]] = {}
    for position, (_, _, element, _) in enumerate(items):
        flat = dict(_flat(element, "", 0)) if isinstance(element, dict) else {"value": _scalar(element)}
        for key, value in flat.items():
            if not isinstance(value, list):
                columns.setdefault(key, [None] * len(items))[position] = value
    frame = pl.DataFrame(
        {**columns, INDEX: [str(index) for _, index, _, _ in items], ROW: [number for number, _, _, _ in items]},
        schema={**dict.fromkeys(columns, pl.String()), INDEX: pl.String(), ROW: pl.Int64()},
    )
    outer = parent.frame.drop(ROW)[[position for _, _, _, position in items]]
    frame = pl.concat([frame, outer.rename({column: f"parent.{column}" for column in outer.columns})], how="horizontal")
    stream = f"{parent.stream}.{name}" if parent.stream else name
    return RawTable(parent.file, stream, frame, tuple(columns), parent=parent.stream or "-")


def _flat(record: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > MAX_DEPTH:
        raise _TooDeepError
    for name, value in record.items():
        if isinstance(value, dict):
            if name != "attributes":
                yield from _flat(value, f"{prefix}{name}.", depth + 1)
        elif isinstance(value, list):
            yield prefix + name, value
        else:
            yield prefix + name, _scalar(value)


def _scalar(value: Any) -> str | None:
    if value is None or isinstance(value, list):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text if text.strip() else None
