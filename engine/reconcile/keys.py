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
    several = [
        refs for lines in sides if references in lines.columns
        for refs in lines.filter(pl.col(references).list.len() > 1)[references].to_list()
    ]
    first: dict[str, str] = {}

    def head(name: str) -> str:
        while first.get(name, name) != name:
            name = first[name]
        return name

    for refs in several:
        heads = sorted({head(each) for each in refs})
        first |= dict.fromkeys([*heads, *refs], heads[0])
    shared = {name: head(name) for name in first}
    kept = [lines.drop(references, strict=False) for lines in sides]
    return [lines.with_columns(pl.col(key).replace(shared)) for lines in kept] if shared else kept


def add_key(part: Part, keys: Sequence[Key], side: str, column: str, wanted: Wanted) -> None:
    """Add a column with the joined key of a pass; missing where any part of it is missing."""
    texts: list[pl.Expr] = []
    for key in keys:
        text, paths = key_part(part, key, side)
        wanted.paths += paths
        texts.append(text)
    joined = texts[0] if len(texts) == 1 else pl.concat_str(texts, separator=SEPARATOR)
    wanted.expressions[column] = joined.alias(column)
