"""CSV and TSV: every record accounted for, all cells as text.

The file is cut into physical lines at once; lines without a quote are judged by counting
delimiters, lines whose quotes open and close properly by one regular expression, and only the
rest goes through the record splitter, which holds a line it cannot complete and resumes at the
next. Polars then parses a text that holds nothing but good records.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from adapters.intake.table import ROW, FileFailure, FileRead, HeldRow, RawTable, ReadOptions, read_result, shown

# A quoted cell may hold line ends, but a quote that is never closed must not swallow the file.
MAX_LINES_IN_CELL: Final = 2_000
_OTHER_DELIMITERS: Final = (",", ";", "\t", "|")
_REPLACEMENT: Final = "\ufffd"


@dataclass
class _Split:
    """Collect the good records (line number and text) and the held rows of one file."""

    file: str
    held: list[HeldRow] = field(default_factory=list)

    def hold(self, row: int, text: str, reason: str) -> None:
        self.held.append(HeldRow(self.file, row, None, shown(text), reason))


def read_delimited(data: bytes, file: str, sha256: str, options: ReadOptions) -> FileRead:
    """Read a delimited file's bytes; see the module's description."""
    decoded = _decode(data, options.encoding)
    if isinstance(decoded, FileFailure):
        return read_result(file, sha256, [], [], decoded)
    text, is_damaged = decoded
    delimiter = options.delimiter or ("\t" if options.format == "tsv" else ",")
    split = _Split(file)
    lines = _lines(text)
    start = _first_line(lines, options.skip_rows)
    if start is None:
        return read_result(file, sha256, [], [], FileFailure("empty_file", f"{file} holds no header and no rows."))
    header, consumed = _header(lines, start, delimiter)
    failure = _header_failure(header, delimiter, file)
    if failure is not None:
        return read_result(file, sha256, [], _all_held(lines, consumed, file), failure)
    body = pl.DataFrame({"text": lines.slice(consumed)}).with_row_index(ROW, offset=consumed + 1)
    records = _records(body.filter(pl.col("text").str.strip_chars() != ""), header, delimiter, is_damaged, split)
    frame = _parse(records, header, delimiter)
    return read_result(file, sha256, [RawTable(file, "", frame, tuple(header))], split.held)


def _decode(data: bytes, encoding: str) -> tuple[str, bool] | FileFailure:
    """Return the text and whether some bytes could not be decoded (they become U+FFFD)."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif data[:3] == b"\xef\xbb\xbf":
        data, encoding = data[3:], "utf-8"
    if data[:4] in (b"PK\x03\x04", b"\x1f\x8b\x08\x00", b"PAR1") or data[:4] == b"\xd0\xcf\x11\xe0":
        return FileFailure("not_text", "The file bears the name of a text file but is an archive or a workbook.")
    try:
        return data.decode(encoding), False
    except UnicodeDecodeError:
        return data.decode(encoding, errors="replace"), True
    except LookupError:
        return FileFailure("not_text", f"The declared encoding '{encoding}' is not known.")


def _lines(text: str) -> pl.Series:
    normal = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    return pl.Series("text", normal.split("\n"), dtype=pl.String)


def _first_line(lines: pl.Series, skip: int) -> int | None:
    filled = (lines.slice(skip).str.strip_chars() != "").arg_true()
    return None if filled.len() == 0 else skip + int(filled[0])


def _header(lines: pl.Series, start: int, delimiter: str) -> tuple[list[str], int]:
    """Return the header's cells and the number of lines before the first record."""
    fields = split_record(lines[start], delimiter)
    last = start
    text = lines[start]
    while fields is None and last + 1 < lines.len() and last - start < 50:
        last += 1
        text = f"{text}\n{lines[last]}"
        fields = split_record(text, delimiter)
    if fields is None:
        fields, last = lines[start].split(delimiter), start
    return [name.strip() for name in fields], last + 1


def _header_failure(header: list[str], delimiter: str, file: str) -> FileFailure | None:
    if len(header) == 1:
        other = [each for each in _OTHER_DELIMITERS if each != delimiter and each in header[0]]
        if other:
            name = "tab" if other[0] == "\t" else other[0]
            return FileFailure("wrong_delimiter", f"{file} seems to separate its columns by '{name}'.", "line 1")
    filled = [name for name in header if name]
    twice = sorted({name for name in filled if filled.count(name) > 1})
    if twice:
        return FileFailure("duplicate_header", f"{file} has the column '{twice[0]}' twice.", "line 1")
    if "\x00" in "".join(header):
        return FileFailure("not_text", f"{file} holds NUL characters in its header.", "line 1")
    return None


def _all_held(lines: pl.Series, consumed: int, file: str) -> list[HeldRow]:
    """Count the rows behind a header that cannot be used: they are held, not lost."""
    rows = int((lines.slice(consumed).str.strip_chars() != "").sum() or 0)
    return [HeldRow(file, consumed + 1, None, None, "unusable_header", rows)] if rows else []


def split_record(text: str, delimiter: str) -> list[str] | None:
    """Return the cells of one record, or None when its quotes are not properly opened and closed."""
    if '"' not in text:
        return text.split(delimiter)
    cells: list[str] = []
    position, end = 0, len(text)
    while True:
        if position < end and text[position] == '"':
            close = position + 1
            while True:
                close = text.find('"', close)
                if close < 0:
                    return None
                if text[close + 1 : close + 2] != '"':
                    break
                close += 2
            cells.append(text[position + 1 : close].replace('""', '"'))
            position = close + 1
            if position == end:
                return cells
            if text[position] != delimiter:
                return None
            position += 1
        else:
            stop = text.find(delimiter, position)
            cell = text[position:] if stop < 0 else text[position:stop]
            if '"' in cell:
                return None
            cells.append(cell)
            if stop < 0:
                return cells
            position = stop + 1


def _records(body: pl.DataFrame, header: list[str], delimiter: str, is_damaged: bool, split: _Split) -> pl.DataFrame:
    """Return the good records as line number and text; what is not good is held."""
    width = len(header)
    sign = f"\\x{{{ord(delimiter):x}}}"
    cell = f'(?:"(?:[^"]|"")*"|[^"{sign}]*)'
    text = pl.col("text")
    has_quote = text.str.contains('"', literal=True)
    well_formed = text.str.contains(f"^{cell}(?:{sign}{cell})*$")
    bare = pl.when(has_quote).then(text.str.replace_all(r'"(?:[^"]|"")*"', "")).otherwise(text)
    judged = body.with_columns(
        has_quote.alias("quoted"),
        (~has_quote | well_formed).alias("simple"),
        (bare.str.count_matches(delimiter, literal=True) + 1).cast(pl.Int64).alias("width"),
    )
    if not judged["simple"].all():
        judged = _rejoined(judged, width, delimiter, split)
    problem = (
        pl.when(text.str.contains("\x00", literal=True)).then(pl.lit("nul_byte"))
        .when(pl.lit(is_damaged) & text.str.contains(_REPLACEMENT, literal=True)).then(pl.lit("bad_encoding"))
        .when(text == delimiter.join(header)).then(pl.lit("repeated_header"))
        .when(pl.col("width") < width).then(pl.lit("short_row"))
        .when(pl.col("width") > width).then(pl.lit("long_row"))
    )  # fmt: skip
    judged = judged.with_columns(problem.alias("problem"))
    for row, content, reason in judged.filter(pl.col("problem").is_not_null()).select(ROW, "text", "problem").iter_rows():
        split.hold(row, content, reason)
    split.held.sort(key=lambda each: each.row or 0)
    return judged.filter(pl.col("problem").is_null()).select(ROW, "text", "quoted")


def _rejoined(judged: pl.DataFrame, width: int, delimiter: str, split: _Split) -> pl.DataFrame:
    """Join the lines of multi-line records; hold lines that complete no record."""
    rows, texts = judged[ROW].to_list(), judged["text"].to_list()
    simple = judged["simple"].to_list()
    joined: dict[int, tuple[str, int]] = {}
    dropped: set[int] = set()
    index = 0
    while index < len(rows):
        if simple[index]:
            index += 1
            continue
        found = _complete(texts, index, width, delimiter)
        if found is None:
            split.hold(rows[index], texts[index], "bad_quotes")
            dropped.add(index)
            index += 1
            continue
        record, last = found
        joined[index] = (record, width)
        dropped.update(range(index + 1, last + 1))
        index = last + 1
    keep = [position not in dropped for position in range(len(rows))]
    merged = [joined[position][0] if position in joined else texts[position] for position in range(len(rows))]
    widths = [joined[position][1] if position in joined else value for position, value in enumerate(judged["width"])]
    return judged.with_columns(pl.Series("text", merged), pl.Series("width", widths, dtype=pl.Int64)).filter(
        pl.Series(keep, dtype=pl.Boolean)
    )


def _complete(texts: list[str], start: int, width: int, delimiter: str) -> tuple[str, int] | None:
    """Return the record that starts at a line and the index of its last line, or None."""
    if texts[start].count('"') % 2 == 0:
        return None
    parts = [texts[start]]
    for last in range(start + 1, min(start + MAX_LINES_IN_CELL, len(texts))):
        parts.append(texts[last])
        if texts[last].count('"') % 2 == 0:
            continue
        record = "\n".join(parts)
        cells = split_record(record, delimiter)
        if cells is None or len(cells) != width:
            return None
        return record, last
    return None


def _parse(records: pl.DataFrame, header: list[str], delimiter: str) -> pl.DataFrame:
    """Parse good records into text columns; blank cells are null, `_row` is the line."""
    names = [name or f"column {position + 1}" for position, name in enumerate(header)]
    schema = dict.fromkeys(names, pl.String())
    if records.height == 0:
        return pl.DataFrame(schema={**schema, ROW: pl.Int64()})
    if len(names) == 1 or not records["quoted"].any():
        frame = _split_plain(records, names, delimiter)
    else:
        buffer = io.BytesIO("\n".join(records["text"].to_list()).encode())
        frame = pl.read_csv(buffer, has_header=False, separator=delimiter, infer_schema=False, new_columns=names)
        if frame.height != records.height or frame.width != len(names):
            cells = [split_record(text, delimiter) or [] for text in records["text"]]
            frame = pl.DataFrame({name: [row[i] for row in cells] for i, name in enumerate(names)}, schema=schema)
    blank_to_null = [pl.when(pl.col(name).str.strip_chars() != "").then(pl.col(name)).alias(name) for name in names]
    return frame.select(blank_to_null).with_columns(records[ROW].cast(pl.Int64))


def _split_plain(records: pl.DataFrame, names: list[str], delimiter: str) -> pl.DataFrame:
    if len(names) == 1:
        cells = [(split_record(text, delimiter) or [text])[0] for text in records["text"]]
        return pl.DataFrame({names[0]: cells}, schema={names[0]: pl.String()})
    buffer = io.BytesIO("\n".join(records["text"].to_list()).encode())
    return pl.read_csv(buffer, has_header=False, separator=delimiter, infer_schema=False, new_columns=names,
                       quote_char=None)  # fmt: skip
