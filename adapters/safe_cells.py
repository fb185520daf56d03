"""Cells that a spreadsheet program cannot take for a formula."""

from __future__ import annotations

import csv
import io
from typing import Final

STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "|")
"""What a spreadsheet program takes for the beginning of a formula."""


def safe_cell(value: object) -> str:
    """Return a value as the text of a cell: a text that would run as a formula begins with an apostrophe.

    Numbers stay as they are; a missing value is an empty cell.
    """
    if value is None:
        return ""
    text = str(value)
    if isinstance(value, str) and text.lstrip().startswith(STARTS):
        return f"'{text}"
    return text


def safe_csv(content: bytes) -> bytes:
    """Return a CSV file in which no cell runs as a formula; numbers with a sign stay as they are."""
    text = content.decode("utf-8-sig", errors="replace")
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    made = io.StringIO(newline="")
    csv.writer(made, delimiter=delimiter).writerows([cell if _is_number(cell) else safe_cell(cell) for cell in row] for row in rows)
    return made.getvalue().encode("utf-8-sig")


def _is_number(cell: str) -> bool:
    return cell.strip().lstrip("+-").replace(".", "").replace(",", "").isdigit()
