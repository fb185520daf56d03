"""Keys of a pass: one text per line, equal on both sides where lines may meet."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from engine.policy.kinds.reconciliation import Key
from engine.reconcile.frames import SEPARATOR
from engine.reconcile.lines import Part, Wanted


def key_part(part: Part, key: Key, side: str) -> tuple[pl.Expr, tuple[str, ...]]:
    """Return the text of one key on one side, and the paths it reads."""
    if part.has_no(getattr(key, side)):
        return pl.lit(None, dtype=pl.String), ()
    compiled = part.compiled(getattr(key, side))
    text = compiled.expression.cast(pl.String)
    pattern = key.pattern_left if side == "left" else key.pattern_right
    if pattern is not None:
        group = 1 if "(" in pattern.replace("\\(", "").replace("(?:", "") else 0
        text = text.str.extract(pattern, group)
    if key.normalized:
        text = text.str.to_uppercase().str.replace_all(r"[^\p{L}\p{N}]", "")
        text = pl.when(text != "").then(text)
    return text, compiled.paths


def add_key(part: Part, keys: Sequence[Key], side: str, column: str, wanted: Wanted) -> None:
    """Add a column with the joined key of a pass; missing where any part of it is missing."""
    texts: list[pl.Expr] = []
    for key in keys:
        text, paths = key_part(part, key, side)
        wanted.paths += paths
        texts.append(text)
    joined = texts[0] if len(texts) == 1 else pl.concat_str(texts, separator=SEPARATOR)
    wanted.expressions[column] = joined.alias(column)
