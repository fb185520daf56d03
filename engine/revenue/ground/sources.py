"""The source rows a figure rests on, where many come together."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.revenue.arithmetic.runs import begins

MOST: Final = 1_000
"""A row names at most so many places, the first of all in their order."""


def united(name: str) -> pl.Expr:
    """Return every place that the lists of a column name, each once, in their order, at most MOST of them."""
    return pl.col(name).explode().drop_nulls().unique().sort().head(MOST)


def united_by(rows: pl.DataFrame, keys: list[str], name: str) -> pl.DataFrame:
    """Return for each key what `united` gives of its rows, which stand together; mostly a key has one row with one place."""
    first = begins(*keys)
    alone = first & first.shift(-1, fill_value=True) & (pl.col(name).list.len() == 1) & pl.col(name).list.first().is_not_null()
    told = rows.select(*keys, name, alone.alias("→alone"), first.cum_sum().alias("→place"))
    several = told.filter(~pl.col("→alone").fill_null(value=False))
    one = told.filter("→alone").drop("→alone")
    if several.is_empty():
        return one.drop("→place")
    many = several.group_by("→place", maintain_order=True).agg(pl.col(keys).first(), united(name))
    return pl.concat([one, many.select(one.columns)]).sort("→place").drop("→place")
