"""The source rows a figure rests on, where many come together."""

from __future__ import annotations

from typing import Final

import polars as pl

MOST: Final = 1_000
"""A row names at most so many places, the first of all in their order."""


def united(name: str) -> pl.Expr:
    """Return every place that the lists of a column name, each once, in their order, at most MOST of them."""
    return pl.col(name).explode().drop_nulls().unique().sort().head(MOST)
