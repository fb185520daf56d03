"""Whatever happens to a file on its way, every line of it ends as exactly one row or held row."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.reading import FileRead, ReadOptions, read_file

QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

LINE_END = re.compile(r"\r\n|\r|\n")

# A held stretch of these reasons may span several lines.
SPANNING = {"ambiguous_quotes", "bad_encoding", "nul_bytes", "repeated_header"}

one_line = st.text(alphabet=st.sampled_from('ab1 ,;"\t.é😀=-\u2028\x0b'), max_size=8)
many_lines = st.text(alphabet=st.sampled_from('ab1 "é\n\r'), max_size=8)
cells = st.one_of(one_line, many_lines)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    width = draw(st.integers(2, 8))
    rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width), max_size=8))
    return [f"c{number}" for number in range(width)], rows


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["cut", "flip", "line", "quote", "comma", "double"]))
        if kind == "cut":
            data = data[:position]
        elif kind == "flip":
            data = data[:position] + bytes([draw(st.integers(0, 255))]) + data[position + 1 :]
        elif kind == "line":
            lines = data.split(b"\n")
            del lines[draw(st.integers(0, len(lines) - 1))]
            data = b"\n".join(lines)
        elif kind == "double":
            data += data[position:]
        else:
            data = data[:position] + (b'"' if kind == "quote" else b",") + data[position:]
    return data


def written(header: list[str], rows: list[list[str]], quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n", quoting=quoting)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def read(data: bytes, name: str, options: ReadOptions | None = None) -> FileRead:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        return read_file(path, name, options)


def check_count(found: FileRead) -> None:
    rows = sum(table.frame.height for table in found.tables if not table.parent)
    assert found.rows_read == rows + sum(each.rows for each in found.held)


def blank_as_none(cell: str) -> str | None:
    return cell if cell.strip() else None


@QUICK
@given(tables(), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_an_undamaged_table_is_read_exactly_as_it_was_written(table: tuple[list[str], list[list[str]]], quoting: Literal[0, 1]) -> None:
    header, rows = table
    found = read(written(header, rows, quoting), "time.csv")
    assert found.failure is None
    assert found.held == ()
    frame = found.tables[0].frame
    assert frame.drop("_row").rows() == [tuple(map(blank_as_none, row)) for row in rows]


@QUICK
@given(tables())
def test_row_numbers_are_those_of_the_lines_where_records_start(table: tuple[list[str], list[list[str]]]) -> None:
    header, rows = table
    expected = []
    line = 2
    for row in rows:
        expected.append(line)
        line += 1 + sum(len(LINE_END.findall(cell)) for cell in row)
    assert read(written(header, rows), "time.csv").tables[0].frame["_row"].to_list() == expected


def stretches(content: bytes, starts: list[int]) -> Iterator[str]:
    """Yield the text from each of these lines up to the next."""
    text = content.decode("utf-8", "replace").removeprefix("\ufeff")
    ends = [0, *(match.end() for match in LINE_END.finditer(text))]
    for first, behind in pairwise([*starts, len(ends) + 1]):
        yield text[ends[first - 1] : ends[behind - 1] if behind <= len(ends) else None]


def records_in(text: str) -> list[tuple[str | None, ...]]:
    """Return the records that Python's own reader finds, without blank lines."""
    records = csv.reader(io.StringIO(text, newline=""), strict=True)
    return [tuple(map(blank_as_none, record)) for record in records if record and (len(record) > 1 or record[0].strip())]


@QUICK
@given(st.data())
def test_every_line_of_a_damaged_table_is_one_row_or_held_row(data: st.DataObject) -> None:
    content = data.draw(damaged(written(*data.draw(tables()))))
    found = read(content, "time.csv")
    check_count(found)
    if not found.tables or content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return
    table = found.tables[0]
    meaning: list[tuple[int, tuple[str | None, ...] | str]] = [(row[-1], row[:-1]) for row in table.frame.rows()]
    meaning += [(each.row or 0, each.reason) for each in found.held]
    meaning.sort(key=itemgetter(0))
    header, *texts = stretches(content, [1, *(start for start, _ in meaning)])
    assert records_in(header) == [tuple(map(blank_as_none, table.header))]
    for (_, expected), text in zip(meaning, texts, strict=True):
        if isinstance(expected, tuple):
            # In a table of one column a blank record looks like a blank line to Python's reader.
            assert records_in(text) == ([] if expected == (None,) else [expected])
        elif expected not in SPANNING:
            assert len([line for line in LINE_END.split(text) if line.strip()]) == 1


@QUICK
@given(st.data())
def test_damaged_json_is_counted_and_never_raises(data: st.DataObject) -> None:
    scalar = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5))
    value = st.recursive(scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3))
    records = data.draw(st.lists(st.dictionaries(st.sampled_from(["id", "hours", "data", "lines"]), value, max_size=4), max_size=4))
    by_line = data.draw(st.booleans())
    text = "\n".join(map(json.dumps, records)) if by_line else json.dumps(records)
    content = data.draw(damaged(text.encode())) if text else b""
    envelopes: list[Literal["none", "airbyte", "django", "keyed", "list"]] = ["none", "airbyte", "django", "keyed", "list"]
    envelope = data.draw(st.sampled_from(envelopes))
    options = ReadOptions(envelope=envelope, path=data.draw(st.sampled_from([None, "data"])), children=("lines", "data.lines"))
    check_count(read(content, "time.ndjson" if by_line else "time.json", options))


@QUICK
@given(st.binary(max_size=200), st.sampled_from(["csv", "tsv", "json", "ndjson", "parquet", "xlsx"]))
def test_bytes_of_any_kind_never_raise(content: bytes, ending: str) -> None:
    check_count(read(content, f"time.{ending}"))
