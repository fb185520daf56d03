"""Cells that a spreadsheet program cannot take for a formula."""

from __future__ import annotations

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
