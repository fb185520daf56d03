"""What comes of no rows: no rows, at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import polars as pl

Given = ParamSpec("Given")


def of_nothing(make: Callable[Given, pl.DataFrame]) -> Callable[Given, pl.DataFrame]:
    """Let a function that gives no rows for a first frame without rows give them at once: its columns are kept from the first time.

    A function of a dozen steps takes milliseconds over nothing as over ten rows, and most of what a contract may have it has not.
    What it gives must depend on the columns of its frames and on the names it is handed, on nothing else.
    """
    known: dict[tuple[object, ...], pl.DataFrame] = {}

    @wraps(make)
    def told(*args: Given.args, **named: Given.kwargs) -> pl.DataFrame:
        first = args[0]
        if not isinstance(first, pl.DataFrame) or first.height:
            return make(*args, **named)
        told_by = (each for each in (*args, *named.values()) if isinstance(each, pl.DataFrame | str))
        key = tuple(each if isinstance(each, str) else tuple(each.schema.items()) for each in told_by)
        found = known.get(key)
        if found is None:
            found = make(*args, **named)
            if found.is_empty():
                known[key] = found
        return found

    return told
