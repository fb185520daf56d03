"""Text to physical lines: what ends a line, and what each line looks like."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

_ANY_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Lines:
    """Hold the physical lines without their ends, and the end of each: one text where all are the same."""

    lines: pl.Series
    ends: str | Sequence[str]


def physical_lines(data: bytes, text: str) -> Lines:
    """Split UTF-8 bytes (and the same as text) at line feeds, carriage returns, or both."""
    returns, feeds, pairs = data.count(b"\r"), data.count(b"\n"), data.count(b"\r\n")
    if not data:
        return Lines(pl.Series("line", [], dtype=pl.String), "\n")
    if returns == pairs and pairs in (0, feeds):
        return Lines(pl.read_lines(io.BytesIO(data), name="line").to_series(), "\r\n" if pairs else "\n")
    ends = _ANY_END.findall(text)
    lines = _ANY_END.split(text)
    if lines[-1] == "":
        lines.pop()
    else:
        ends.append("")
    return Lines(pl.Series("line", lines, dtype=pl.String), ends)


def is_blank(line: pl.Expr, delimiter: str) -> pl.Expr:
    """Return whether a line holds nothing but spaces; a delimiter that is white space is something."""
    text = line.str.strip_chars(" ") if delimiter.isspace() else line.str.strip_chars()
    return text.str.len_bytes() == 0
