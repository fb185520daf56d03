"""Keys of a pass: one text per line, equal on both sides where lines may meet."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from engine.policy.kinds.reconciliation import Key, Pass
from engine.reconcile.frames import SEPARATOR
from engine.reconcile.lines import Part, Wanted


def key_part(part: Part, key: Key, side: str) -> tuple[pl.Expr, tuple[str, ...]]:
    """Return the text of one key on one side, and the paths it reads."""
    if part.has_no(getattr(key, side)):
        return pl.lit(None, dtype=pl.String), ()
    compiled = part.compiled(getattr(key, side))
    text = compiled.expression.cast(pl.String)
    pattern = _pattern(key, side)
    if pattern is not None:
        text = text.str.extract(pattern, _group(pattern))
    return _plain(text, key), compiled.paths


def _pattern(key: Key, side: str) -> str | None:
    return key.pattern_left if side == "left" else key.pattern_right


def _group(pattern: str) -> int:
    return 1 if re.compile(pattern).groups else 0


def _plain(text: pl.Expr, key: Key) -> pl.Expr:
    if not key.normalized:
        return text
    text = text.str.to_uppercase().str.replace_all(r"[^\p{L}\p{N}]", "")
    return pl.when(text != "").then(text)


def add_references(part: Part, each: Pass, side: str, column: str, wanted: Wanted) -> None:
    """Add every reference that a line's text names, where a pass of several lines meets by one found in free text."""
    pattern = _pattern(each.on[0], side)
    if each.match in ("one_to_one", "net") or len(each.on) != 1 or pattern is None or part.has_no(getattr(each.on[0], side)):
        return
    compiled = part.compiled(getattr(each.on[0], side))
    found = compiled.expression.cast(pl.String).str.extract_all(pattern)
    one = _plain(pl.element().str.extract(pattern, _group(pattern)), each.on[0])
    wanted.add(column, compiled, found.list.eval(one).list.drop_nulls().list.unique().list.sort())


def with_shared_keys(sides: Sequence[pl.DataFrame], references: str, key: str) -> list[pl.DataFrame]:
    """Give lines that one text names together one key, the first of theirs, on both sides; the references go.

    A payment that names two invoices meets both, whatever else names one of them.
    """
    several = [lines[references].filter(lines[references].list.len() > 1) for lines in sides if references in lines.columns]
    kept = [lines.drop(references, strict=False) for lines in sides]
    shared = _first_of_all(pl.concat(several)) if any(each.len() for each in several) else None
    return kept if shared is None else [lines.with_columns(pl.col(key).replace(shared["name"], shared["first"])) for lines in kept]


def _first_of_all(together: pl.Series) -> pl.DataFrame:
    """Return for every name the first of all names that hang together with it, over however many lists (name, first).

    Names are gathered under the first that one of their lists holds, and lists told by those, until each list has one: at
    least every second name goes at each turn.
    """
    names = pl.DataFrame({"name": together}).with_row_index("list").explode("name").unique()
    found = names.select("name", pl.col("name").alias("first")).unique()
    while True:
        least = names.with_columns(pl.col("name").min().over("list").alias("first"))
        first = _followed(least.group_by("name").agg(pl.col("first").min()))
        if (first["name"] == first["first"]).all():
            return found.sort("name")
        found = found.with_columns(pl.col("first").replace(first["name"], first["first"]))
        names = names.with_columns(pl.col("name").replace(first["name"], first["first"])).unique()


def _followed(first: pl.DataFrame) -> pl.DataFrame:
    """Return names with the last to which one leads after the other; each turn goes twice as far."""
    while True:
        further = first.with_columns(pl.col("first").replace(first["name"], first["first"]))
        if (further["first"] == first["first"]).all():
            return first
        first = further


def add_key(part: Part, keys: Sequence[Key], side: str, column: str, wanted: Wanted) -> None:
    """Add a column with the joined key of a pass; missing where any part of it is missing."""
    texts: list[pl.Expr] = []
    for key in keys:
        text, paths = key_part(part, key, side)
        wanted.paths += paths
        texts.append(text)
    joined = texts[0] if len(texts) == 1 else pl.concat_str(texts, separator=SEPARATOR)
    wanted.expressions[column] = joined.alias(column)
