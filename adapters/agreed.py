"""Agreed records as a run publishes them: each with the hash of what it says, sorted by key."""

from __future__ import annotations

import polars as pl

from engine.canonical.schema import entity_spec
from engine.hashing import hash_columns
from engine.order import sorted_by


def agreed_output(frame: pl.DataFrame, entity: str) -> pl.DataFrame:
    """Return an entity's agreed records with `record_hash`, the SHA-256 of their canonical fields as text."""
    spec = entity_spec(entity)
    hashed = frame.with_columns(hash_columns([_text(frame[name]) for name in spec.fields]).alias("record_hash"))
    return sorted_by(hashed.select(*spec.polars_schema(), "evidence"), spec.keys)


def _text(values: pl.Series) -> pl.Expr:
    """Return a column as text; moments, of which many are alike and which are slow to write, each written once."""
    if not values.dtype.is_temporal():
        return pl.col(values.name).cast(pl.String)
    distinct = values.unique().drop_nulls()
    return pl.col(values.name).replace_strict(distinct, distinct.cast(pl.String), default=None, return_dtype=pl.String)

