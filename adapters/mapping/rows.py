"""Rows of a stream as a mapping sees them: columns by alias, conditions, lookups, versions.

Everything here is Polars over text columns; a column that an export lacks reads as blank.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from adapters.mapping.casting import trimmed
from adapters.mapping.model import Condition, Conditions, Latest, Related

ROW = "_row"


def present(columns: Iterable[str], names: Iterable[str]) -> str | None:
    """Return the first of the aliases that the export has, compared without case and spaces at the ends."""
    by_name = {column.strip().lower(): column for column in columns}
    for name in names:
        found = by_name.get(name.strip().lower())
        if found is not None:
            return found
    return None


def column_text(columns: Iterable[str], names: Iterable[str]) -> pl.Expr:
    """Return the trimmed text of the column the aliases name; blank where the export lacks it."""
    name = present(columns, names)
    # An export that types its columns (Parquet) is compared by the text a CSV of it would have.
    return pl.lit(None, dtype=pl.String) if name is None else trimmed(pl.col(name).cast(pl.String))


def holds(columns: Iterable[str], conditions: Conditions) -> pl.Expr:
    """Return whether all conditions hold on a row (never null)."""
    columns = list(columns)
    tests = [_one(column_text(columns, names.split(" | ")), condition) for names, condition in conditions.items()]
    return pl.all_horizontal(tests) if tests else pl.lit(value=True)


def _one(text: pl.Expr, condition: Condition) -> pl.Expr:
    tests: list[pl.Expr] = []
    word = text.str.to_lowercase()
    if condition.any_of is not None:
        tests.append(word.is_in([value.lower() for value in condition.any_of]).fill_null(value=False))
    if condition.none_of is not None:
        tests.append(~word.is_in([value.lower() for value in condition.none_of]).fill_null(value=False))
    if condition.blank is not None:
        tests.append(text.is_null() if condition.blank else text.is_not_null())
    return pl.all_horizontal(tests) if tests else pl.lit(value=True)


def related_keys(frame: pl.DataFrame, related: Related, streams: Mapping[str, pl.DataFrame]) -> pl.Series:
    """Return, row by row, whether the related stream has a row with equal keys that counts."""
    other = streams.get(related.stream)
    if other is None or other.height == 0:
        return pl.Series("related", [False] * frame.height, dtype=pl.Boolean)
    ours = [column_text(frame.columns, name.split(" | ")) for name in related.on]
    theirs = [column_text(other.columns, name.split(" | ")) for name in related.on.values()]
    names = [f"k{index}" for index in range(len(ours))]
    # A column that the export lacks is one blank; it holds for every row.
    left = frame.with_columns(expr.alias(name) for expr, name in zip(ours, names, strict=True)).select(names).with_row_index("i")
    right = (
        other.filter(holds(other.columns, related.when))
        .select(expr.alias(name) for expr, name in zip(theirs, names, strict=True))
        .unique()
    )
    found = left.join(right, on=names, how="semi")["i"]
    return left.select(pl.col("i").is_in(found.implode()).alias("related")).to_series()


def lookup(
    frame: pl.DataFrame, related: Related, take: Iterable[str], streams: Mapping[str, pl.DataFrame]
) -> pl.Series:
    """Return the text of the other stream's column for each row; the first row with equal keys gives it."""
    other = streams.get(related.stream)
    if other is None or other.height == 0:
        return pl.Series("value", [None] * frame.height, dtype=pl.String)
    names = [f"k{index}" for index in range(len(related.on))]
    # A column that the export lacks is one blank; it holds for every row.
    keyed = frame.with_columns(
        column_text(frame.columns, name.split(" | ")).alias(alias)
        for name, alias in zip(related.on, names, strict=True)
    )
    left = keyed.select(names).with_row_index("i")
    right = (
        other.filter(holds(other.columns, related.when))
        .select(
            *(
                column_text(other.columns, name.split(" | ")).alias(alias)
                for name, alias in zip(related.on.values(), names, strict=True)
            ),
            column_text(other.columns, take).alias("value"),
        )
        .drop_nulls(names)
        .unique(names, keep="first", maintain_order=True)
    )
    return left.join(right, on=names, how="left", maintain_order="left").sort("i")["value"]


def last_versions(frame: pl.DataFrame, latest: Latest) -> pl.Series:
    """Return whether each row is the last version of its record (ties: the later row)."""
    order = column_text(frame.columns, latest.order)
    # Versions are counted 1, 2, … 10: numbers are compared as numbers, anything else as text.
    ranked = frame.select(
        pl.struct(column_text(frame.columns, (name,)).alias(f"k{i}") for i, name in enumerate(latest.by)).alias("by"),
        order.cast(pl.Int64, strict=False).alias("number"),
        order.alias("text"),
    ).with_row_index("i")
    last = ranked.sort("number", "text", "i", nulls_last=False).group_by("by", maintain_order=True).last()["i"]
    return ranked.select(pl.col("i").is_in(last.implode()).alias("last")).to_series()
