"""What comes of no rows: no rows, at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

import polars as pl

Given = ParamSpec("Given")
Made = TypeVar("Made", pl.DataFrame, tuple[pl.DataFrame, pl.DataFrame], list[pl.DataFrame])


def of_nothing(make: Callable[Given, Made]) -> Callable[Given, Made]:
    """Let a function that gives no rows for a first frame without rows give them at once: its columns are kept from the first time.

    A function of a dozen steps takes milliseconds over nothing as over ten rows, and most of what a contract may have it has not.
    What it gives must depend on the columns of its frames and on the names it is handed, on nothing else: what holds the frames of a
    firm and can do `without_rows` is handed over so, since all of the firm would be gone through for nothing.
    """
    return _at_once(make, [next(iter(inspect.signature(make).parameters))])


def of_no(*names: str) -> Callable[[Callable[Given, Made]], Callable[Given, Made]]:
    """Do as `of_nothing` does where any of the frames of these names has no rows."""
    return lambda make: _at_once(make, names)


def _at_once(make: Callable[Given, Made], names: list[str] | tuple[str, ...]) -> Callable[Given, Made]:
    known: dict[tuple[object, ...], Made] = {}
    order = list(inspect.signature(make).parameters)
    decisive = [(name, order.index(name)) for name in names]

    @wraps(make)
    def told(*args: Given.args, **named: Given.kwargs) -> Made:
        if not any(_is_nothing(args[place] if place < len(args) else named.get(name)) for name, place in decisive):
            return make(*args, **named)
        given = dict(zip(order, args, strict=False)) | named
        key = tuple(
            (name, each if isinstance(each, str) else tuple(each.schema.items()))
            for name, each in given.items()
            if isinstance(each, pl.DataFrame | str)
        )
        found = known.get(key)
        if found is None:
            emptied = {name: _without_rows(each) for name, each in named.items()}
            found = known[key] = cast("Callable[..., Made]", make)(*map(_without_rows, args), **emptied)
        return found

    return told


def _without_rows(given: object) -> object:
    return given.without_rows() if hasattr(given, "without_rows") else given


def _is_nothing(given: object) -> bool:
    return isinstance(given, pl.DataFrame) and not given.height
