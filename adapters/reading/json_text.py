"""JSON and NDJSON: every complete record is read, numbers as written, up to the place where a file breaks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from adapters.reading.encoding import decode
from adapters.reading.envelope import IGNORED, parts
from adapters.reading.records import Number, Records
from adapters.reading.table import FileFailure, Reading, ReadOptions, failed, file_failure

_SPACE: Final = re.compile(r"[ \t\r\n]*")


class Document:
    """Walk a JSON text from value to value, so that what stands before a break can be used."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.repeated = False
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_float=Number, parse_int=Number, parse_constant=Number, strict=False
        )

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            self.repeated = True
        return found

    def peek(self) -> str:
        """Return the next character that is no white space; empty at the end."""
        match = _SPACE.match(self.text, self.position)
        self.position = match.end() if match else self.position
        return self.text[self.position : self.position + 1]

    def value(self) -> Any:
        """Return the value that stands here and go behind it; `repeated` tells of repeated names in it."""
        self.repeated = False
        self.peek()
        found, self.position = self._decoder.raw_decode(self.text, self.position)
        return found

    def expect(self, marks: str) -> str:
        """Go behind one of these characters; raises JSONDecodeError when another stands here."""
        found = self.peek()
        if not found or found not in marks:
            raise json.JSONDecodeError(f"expected one of {marks}", self.text, self.position)
        self.position += 1
        return found

    def entries(self) -> Iterator[str]:
        """Go through an object: yields each name, after which its value must be taken."""
        self.expect("{")
        if self.peek() == "}":
            self.position += 1
            return
        while True:
            if self.peek() != '"':
                raise json.JSONDecodeError("expected a name", self.text, self.position)
            name = self.value()
            self.expect(":")
            yield name
            if self.expect(",}") == "}":
                return

    def elements(self) -> Iterator[None]:
        """Go through an array: yields before each element, which must then be taken."""
        self.expect("[")
        if self.peek() == "]":
            self.position += 1
            return
        while True:
            yield
            if self.expect(",]") == "]":
                return


class _Walk:
    """Walk one document by its envelope and hand its records out; numbers go on over documents."""

    def __init__(self, options: ReadOptions, records: Records) -> None:
        self.options = options
        self.records = records
        self.number = 0
        self.keyed: dict[str, int] = {}
        self.path = [part for part in (options.path or "").split(".") if part]
        self.path_found = False

    def document(self, document: Document) -> None:
        """Walk a document; raises JSONDecodeError or RecursionError where it breaks."""
        if self.options.envelope == "keyed":
            self._pages(document)
        else:
            self._descend(document, self.path)

    def _pages(self, document: Document) -> None:
        if document.peek() == "[":
            for _ in document.elements():
                self._page(document)
        else:
            self._page(document)

    def _page(self, document: Document) -> None:
        if document.peek() != "{":
            self._not_a_record(document)
            return
        for stream in document.entries():
            mark = document.peek()
            if stream in IGNORED or mark not in "{[":
                document.value()
                continue
            keys = document.entries() if mark == "{" else (None for _ in document.elements())
            for key in keys:
                number = self.keyed[stream] = self.keyed.get(stream, 0) + 1
                self._take(document, number, stream, key)

    def _descend(self, document: Document, path: list[str]) -> None:
        if not path:
            self.path_found = True
            self._list(document)
        elif document.peek() == "[":
            for _ in document.elements():
                self._descend(document, path)
        elif document.peek() == "{":
            for name in document.entries():
                if name == path[0]:
                    self._descend(document, path[1:])
                else:
                    document.value()
        else:
            document.value()

    def _list(self, document: Document) -> None:
        if document.peek() != "[":
            self.number += 1
            self._take(document, self.number, "", None)
            return
        for _ in document.elements():
            self.number += 1
            self._take(document, self.number, "", None)

    def _not_a_record(self, document: Document) -> None:
        self.number += 1
        start = document.position
        document.value()
        self.records.hold(self.number, "not_a_record", document.text[start : document.position])

    def _take(self, document: Document, number: int, stream: str, key: str | None) -> None:
        document.peek()
        start = document.position
        value = document.value()
        place(
            self.records,
            self.options,
            number,
            value,
            document.text[start : min(start + 200, document.position)],
            document.repeated,
            stream,
            key,
        )


def place(
    records: Records, options: ReadOptions, number: int, value: Any, text: str, repeated: bool,
    stream: str = "", key: str | None = None,
) -> None:  # fmt: skip
    """Put one element's records into their streams, or hold it."""
    if repeated:
        records.hold(number, "duplicate_key", text)
        return
    found = parts(value, options.envelope, stream, key)
    if found is None:
        records.hold(number, "not_a_record", text)
        return
    for name, record in found:
        records.add(number, name, record, text)


def read_json(data: bytes, shown_as: str, options: ReadOptions, by_line: bool) -> Reading:
    """Return the tables of a JSON or NDJSON file, its held rows, and why or where it failed if it did."""
    decoded = decode(data, options.encoding)
    if isinstance(decoded, FileFailure):
        return Reading(failure=decoded)
    text = decoded.text
    start = text.lstrip()[:1]
    if not start:
        return failed("empty_file", "The file is empty.")
    suspicious = decoded.damaged or "\\u" in text or "\0" in text
    records = Records(shown_as, options.children, suspicious, decoded.damaged)
    walk = _Walk(options, records)
    if start == "[" or not (by_line or _is_by_line(text)):
        failure = _read_document(text, walk, records)
    else:
        failure = None
        _read_lines(text, walk, records)
    if failure is None and walk.path and not walk.path_found:
        failure = file_failure("path_not_found", f"The file has no '{options.path}'.")
    if not records.streams and failure is None and options.envelope in ("none", "list"):
        records.empty()
    return Reading(records.tables(), records.all_held(), failure)


def _is_by_line(text: str) -> bool:
    """Tell whether a file named .json holds one object per line."""
    first, _, rest = text.lstrip().partition("\n")
    if not rest.strip():
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return True


def _read_document(text: str, walk: _Walk, records: Records) -> FileFailure | None:
    document = Document(text)
    if document.peek() not in "{[":
        return file_failure("not_a_list", "The file is one JSON value without records.", "line 1")
    try:
        walk.document(document)
        if document.peek():
            raise json.JSONDecodeError("text after the end", text, document.position)
    except RecursionError:
        return _broken("too_deep", "is nested too deeply", document.position, document, walk, records)
    except json.JSONDecodeError as error:
        return _broken("broken_json", "is not valid JSON", max(error.pos, document.position), document, walk, records)
    return None


def _broken(reason: str, what: str, at: int, document: Document, walk: _Walk, records: Records) -> FileFailure:
    """Hold what stands behind the last complete element as one row, and say where the file breaks."""
    text = document.text
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    rest = text[document.position : document.position + 1000].strip(" ,]}\r\n\t")
    if rest:
        row = max(walk.number, *walk.keyed.values(), 0) if walk.keyed else walk.number
        records.hold(max(row, 1), reason, rest)
    position = f"line {line}, column {column}"
    return file_failure(reason, f"The file {what} at {position}; what stands before was read.", position)


def _read_lines(text: str, walk: _Walk, records: Records) -> None:
    if "\n" not in text:
        text = text.replace("\r", "\n")
    paged = bool(walk.path) or walk.options.envelope == "keyed"
    document = Document("")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        document.text, document.position = line, 0
        try:
            value = document.value()
            if document.peek():
                raise json.JSONDecodeError("text after the end", line, document.position)
        except RecursionError:
            records.hold(number, "too_deep", line)
        except json.JSONDecodeError:
            records.hold(number, "bad_encoding" if records.damaged and "\ufffd" in line else "broken_json", line)
        else:
            if paged and not document.repeated:
                document.position = 0
                walk.document(document)
            else:
                place(records, walk.options, number, value, line, document.repeated)
