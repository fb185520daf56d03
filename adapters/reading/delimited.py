"""CSV and TSV: every line becomes a row of text or a held row, and is counted once.

Lines are judged all at once; only lines with an odd number of quotation marks are looked at one
by one. The good records are then parsed by Polars, which would pad short lines without a word, and
its count is compared with ours.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

import polars as pl

from adapters.reading.encoding import REPLACED, decode
from adapters.reading.header import MAX_COLUMNS, column_names, duplicate_name
from adapters.reading.lines import Lines, is_blank, physical_lines
from adapters.reading.quoting import LineAccess, Quoting, Spans, spans
from adapters.reading.table import (
    HELD_LISTED,
    ROW,
    FileFailure,
    HeldRow,
    RawTable,
    Reading,
    ReadOptions,
    failed,
    held_row,
    limited,
)

_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}

# Beyond so many open lines it is faster to take all lines at once than each stretch by itself.
_MANY_OPEN: Final = 200

_GOOD, _BLANK, _OPEN = "good", "blank", "open"


@dataclass(frozen=True)
class _Header:
    cells: list[str]
    first: int
    last: int


@dataclass(frozen=True)
class _Body:
    """The lines below the header: frame of `line`, `index` (in the file, from 0) and `state`."""

    frame: pl.DataFrame
    found: Spans


def read_delimited(data: bytes, shown_as: str, options: ReadOptions, delimiter: str) -> Reading:
    """Return the one table of a delimited text file, its held rows, and why it failed if it did.

    Raises ValueError when the delimiter declared is not one ASCII character.
    """
    delimiter = options.delimiter or delimiter
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n':
        raise ValueError(f"the delimiter must be one ASCII character that is no quotation mark: {delimiter!r}")
    decoded = decode(data, options.encoding)
    if isinstance(decoded, FileFailure):
        return Reading(failure=decoded)
    encoded = decoded.text.encode("utf-8")
    split = physical_lines(encoded, decoded.text)
    damaged = decoded.damaged
    del decoded
    header = _header(split, delimiter, options.skip_rows)
    if header is None:
        return failed("empty_file", "The file is empty." if options.skip_rows == 0 else "No header follows the lines skipped.")
    refusal = _refused(header, split, delimiter, damaged)
    if refusal is not None:
        rows = _rows_below(split, header, delimiter)
        held = [held_row(shown_as, header.last + 2, "file_failed", rows=rows)] if rows else []
        return failed(*refusal, held=held)
    body = _judged(split, header, Quoting(delimiter), damaged)
    return _table(body, encoded, split, header, delimiter, shown_as)


def _header(split: Lines, delimiter: str, skip_rows: int) -> _Header | None:
    quoting = Quoting(delimiter)
    below = split.lines.slice(skip_rows)
    blank = below.head(1000).to_frame().select(is_blank(pl.col("line"), delimiter)).to_series()
    if blank.all():
        blank = below.to_frame().select(is_blank(pl.col("line"), delimiter)).to_series()
    position = (~blank).arg_max() if not blank.all() else None
    if position is None:
        return None
    first = skip_rows + position
    access = LineAccess(split.lines, split.ends, many=False)
    last = first
    if access.text(first, first).count('"') % 2:
        odd = (split.lines.slice(first + 1).str.count_matches('"', literal=True) % 2 == 1).arg_true()
        last = first + 1 + int(odd[0]) if odd.len() else first
    cells = quoting.cells(access.text(first, last))
    return _Header([], first, first) if cells is None else _Header(cells, first, last)


def _refused(header: _Header, split: Lines, delimiter: str, damaged: bool) -> tuple[str, str, str] | None:
    """Return reason, message and position of what makes the header unusable."""
    position = f"line {header.first + 1}"
    text = "".join(header.cells)
    if not header.cells:
        return "broken_header", "The quotation marks in the header line do not match.", position
    if damaged and REPLACED in text:
        return "bad_encoding", "The header holds bytes that are not in the encoding declared.", position
    if "\0" in text:
        return "not_text", "The header holds NUL bytes.", position
    if not text.strip():
        return "blank_header", "The header line names no column.", position
    if len(header.cells) > MAX_COLUMNS:
        return "too_many_columns", f"The header names {len(header.cells)} columns.", position
    if len(header.cells) == 1:
        outside = Quoting(delimiter).outside(split.lines[header.first])
        other = next((name for mark, name in _DELIMITERS.items() if mark != delimiter and mark in outside), None)
        if other is not None:
            expected = _DELIMITERS.get(delimiter, repr(delimiter))
            return "wrong_delimiter", f"The file was read as separated by {expected}, but its header uses {other}.", position
    name = duplicate_name(header.cells)
    if name is not None:
        return "duplicate_header", f"Two columns are named {name[:80]!r}.", position
    return None


def _rows_below(split: Lines, header: _Header, delimiter: str) -> int:
    below = split.lines.slice(header.last + 1).to_frame()
    return int(below.select((~is_blank(pl.col("line"), delimiter)).sum()).item())


def _judged(split: Lines, header: _Header, quoting: Quoting, damaged: bool) -> _Body:
    """Judge every line below the header by itself, then pair the open ones."""
    width = len(header.cells)
    frame = split.lines.to_frame().with_row_index("index").with_columns(pl.col("index").cast(pl.Int64))
    frame = frame.slice(header.last + 1)
    marks = frame["line"].str.count_matches('"', literal=True)
    cells = frame["line"].str.count_matches(quoting.delimiter, literal=True).alias("cells") + 1
    frame = frame.with_columns(cells.cast(pl.Int64), marks.alias("marks"))
    quoted = frame.filter((pl.col("marks") > 0) & (pl.col("marks") % 2 == 0))
    stray = pl.lit(value=False)
    if quoted.height:
        outside = pl.col("line").str.replace_all('"[^"]*"', "")
        judged = quoted.select(
            "index",
            cells=outside.str.count_matches(quoting.delimiter, literal=True).cast(pl.Int64) + 1,
            formed=pl.col("line").str.contains(quoting.line_pattern),
        )
        frame = (
            frame.drop("cells")
            .join(judged, on="index", how="left", maintain_order="left")
            .with_columns(cells=pl.coalesce("cells", cells.cast(pl.Int64)))
        )
        stray = ~pl.col("formed").fill_null(value=True)
    line = pl.col("line")
    # A table of one column has no delimiters: there a line of spaces is blank all the same.
    blank = (pl.col("marks") == 0) & (pl.col("cells") == 1) & is_blank(line, quoting.delimiter)
    broken = line.str.contains(REPLACED, literal=True) if damaged else pl.lit(value=False)
    state = (
        pl.when(blank).then(pl.lit(_BLANK))
        .when(pl.col("marks") % 2 == 1).then(pl.lit(_OPEN))
        .when(broken).then(pl.lit("bad_encoding"))
        .when(line.str.contains("\0", literal=True)).then(pl.lit("nul_bytes"))
        .when(stray).then(pl.lit("stray_quote"))
        .when(pl.col("cells") < width).then(pl.lit("short_row"))
        .when(pl.col("cells") > width).then(pl.lit("long_row"))
        .otherwise(pl.lit(_GOOD))
    )  # fmt: skip
    frame = frame.select("index", "line", state=state)
    return _Body(frame, _paired(frame, split, quoting, width, header.last + 1, damaged))


def _paired(frame: pl.DataFrame, split: Lines, quoting: Quoting, width: int, start: int, damaged: bool) -> Spans:
    opening = frame.filter(pl.col("state") == _OPEN)["index"].to_list()
    if not opening:
        return Spans()
    access = LineAccess(split.lines, split.ends, many=len(opening) > _MANY_OPEN)
    above = pl.Series([False], dtype=pl.Boolean).new_from_index(0, start)
    # A line whose marks are all doubled stays inside a quoted cell, though it may be a row by itself.
    within = (pl.col("state") == _GOOD) & pl.col("line").str.contains('^(?:[^"]|"")*$')
    complete = pl.concat([above, frame.select(within).to_series().alias("")])
    found = spans(opening, access, complete, quoting, width)
    records = []
    for first, last, text in found.records:
        if damaged and REPLACED in text:
            found.broken.append((first, last, "bad_encoding"))
        elif "\0" in text:
            found.broken.append((first, last, "nul_bytes"))
        else:
            records.append((first, last, text))
    found.records = records
    return found


def _table(body: _Body, encoded: bytes, split: Lines, header: _Header, delimiter: str, shown_as: str) -> Reading:
    frame, found = body.frame, body.found
    covered = _covered(found, frame)
    single = frame.filter(~covered)
    good = single.filter(pl.col("state") == _GOOD)
    held = _held(single, found, split, delimiter, shown_as)
    spanning = pl.DataFrame(
        {"index": [first for first, _, _ in found.records], "line": [text for _, _, text in found.records]},
        schema={"index": pl.Int64, "line": pl.String},
    )
    whole = not held and good.height == single.height and isinstance(split.ends, str)
    starts = pl.concat([good["index"], spanning["index"]]).sort() if spanning.height else good["index"]
    if whole:
        buffer = io.BytesIO(_below_header(encoded, header))
    else:
        records = pl.concat([good.select("index", "line"), spanning]).sort("index").select("line")
        buffer = io.BytesIO()
        records.write_csv(buffer, include_header=False, quote_style="never")
        buffer.seek(0)
    parsed = _parsed(buffer, len(header.cells), delimiter, starts.len())
    if parsed is None:
        records = pl.concat([good.select("index", "line"), spanning]).sort("index")
        parsed = _parsed_slowly(records["line"], len(header.cells), Quoting(delimiter))
    table = _blank_to_null(parsed)
    repeated = _repeats_header(table, header.cells)
    held += [held_row(shown_as, index + 1, "repeated_header", header.cells[0]) for index in starts.filter(repeated).to_list()]
    table.columns = column_names(header.cells)
    table = table.with_columns((starts + 1).alias(ROW)).filter(~repeated)
    return Reading((RawTable(shown_as, "", table, tuple(header.cells)),), limited(held))


def _covered(found: Spans, frame: pl.DataFrame) -> pl.Series:
    """Return which lines belong to a record of several lines, or to a broken line already named."""
    stretches = [(first, last) for first, last, _ in (*found.records, *found.broken)]
    if not stretches or not frame.height:
        return pl.Series([], dtype=pl.Boolean).extend_constant(False, frame.height)
    bounds = pl.DataFrame(stretches, schema={"first": pl.Int64, "last": pl.Int64}, orient="row").sort("first")
    joined = frame.select("index").join_asof(bounds, left_on="index", right_on="first", strategy="backward")
    return joined.select((pl.col("index") <= pl.col("last")).fill_null(value=False)).to_series()


def _held(single: pl.DataFrame, found: Spans, split: Lines, delimiter: str, shown_as: str) -> list[HeldRow]:
    bad = single.filter(~pl.col("state").is_in([_GOOD, _BLANK]))
    held = [held_row(shown_as, index + 1, state, line) for index, line, state in bad.head(HELD_LISTED).iter_rows()]
    rest = bad.slice(HELD_LISTED).group_by("state").agg(pl.col("index").min(), pl.len())
    held += [held_row(shown_as, index + 1, state, rows=rows) for state, index, rows in rest.iter_rows()]
    for first, last, reason in found.broken:
        lines = split.lines.slice(first, last - first + 1)
        rows = 1
        if reason == "ambiguous_quotes":
            rows = int(lines.to_frame().select((~is_blank(pl.col("line"), delimiter)).sum()).item())
        held.append(held_row(shown_as, first + 1, reason, lines[0], rows=rows))
    return held


def _below_header(encoded: bytes, header: _Header) -> bytes:
    position = 0
    for _ in range(header.last + 1):
        position = encoded.find(b"\n", position) + 1
        if position == 0:
            return b""
    return encoded[position:]


def _columns(width: int) -> dict[str, pl.DataType]:
    """Return the schema while a file is read; its own names may mean something to Polars."""
    return {f"c{number}": pl.String() for number in range(width)}


def _parsed(buffer: io.BytesIO, width: int, delimiter: str, records: int) -> pl.DataFrame | None:
    """Return the records as Polars reads them; None when it counts otherwise than we did."""
    schema = _columns(width)
    if records == 0:
        return pl.DataFrame(schema=schema)
    try:
        frame = pl.read_csv(buffer, has_header=False, schema=schema, infer_schema=False, separator=delimiter)
    except pl.exceptions.PolarsError:
        return None
    return frame if frame.height == records and frame.width == width else None


def _parsed_slowly(records: pl.Series, width: int, quoting: Quoting) -> pl.DataFrame:
    return pl.DataFrame([quoting.cells(record) for record in records], schema=_columns(width), orient="row")


def _blank_to_null(frame: pl.DataFrame) -> pl.DataFrame:
    """Make cells without anything but white space null; others keep their text."""
    if frame.height == 0:
        return frame
    spaced = frame.select(pl.all().str.contains(r"^(?:\s|$)").any()).row(0)
    suspects = [name for name, found in zip(frame.columns, spaced, strict=True) if found]
    return frame.with_columns(pl.when(pl.col(name).str.strip_chars().str.len_bytes() > 0).then(pl.col(name)) for name in suspects)


def _repeats_header(table: pl.DataFrame, header: list[str]) -> pl.Series:
    """Return which rows say the header again, row by row."""
    same = pl.Series([True], dtype=pl.Boolean).new_from_index(0, table.height)
    for column, cell in zip(table.iter_columns(), header, strict=True):
        if not same.any():
            break
        same &= (column == cell) if cell.strip() else column.is_null()
    return same.fill_null(value=False)
