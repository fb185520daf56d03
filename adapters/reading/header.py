"""Header cells to column names: each name stands for one column, and none is ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

RESERVED: Final = frozenset({"_row", "_index", "_file", "_n"})
"""Column names that rows carry for provenance; a file's own column of that name gets `_in_file`."""

MAX_COLUMNS: Final = 20_000
"""More columns than any spreadsheet can have: the file is no table."""


def duplicate_name(header: Sequence[str]) -> str | None:
    """Return the first name that two columns have, compared without case and surrounding spaces."""
    seen: set[str] = set()
    for name in header:
        key = name.strip().casefold()
        if key and key in seen:
            return name.strip()
        seen.add(key)
    return None


def column_names(header: Sequence[str]) -> list[str]:
    """Return one distinct column name per header cell.

    A blank cell becomes `column_<number>`, and so does `*` or `^...$`, which Polars would take for
    a pattern over all columns.
    """
    taken = {name for name in header if name.strip()}
    names: list[str] = []
    for number, name in enumerate(header, start=1):
        if name.strip() and name not in RESERVED and not _is_pattern(name):
            names.append(name)
            continue
        chosen = f"{name}_in_file" if name in RESERVED else f"column_{number}"
        while chosen in taken:
            chosen += "_"
        taken.add(chosen)
        names.append(chosen)
    return names


def _is_pattern(name: str) -> bool:
    return name == "*" or (name.startswith("^") and name.endswith("$"))
