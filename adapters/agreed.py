"""Agreed records as a run publishes them: each with the hash of what it says, sorted by key."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import polars as pl

from adapters.publish import Encoded, encoded
from engine.canonical.schema import entity_spec
from engine.hashing import hash_columns
from engine.order import sorted_by


class AgreedWriter:
    """Make the agreed records ready to publish while the stages decide of them; use it as a context."""

    def __init__(self) -> None:
        self._beside = ThreadPoolExecutor(1)
        self._begun: dict[str, Future[Encoded]] = {}

    def __enter__(self) -> AgreedWriter:
        return self

    def __exit__(self, *_: object) -> None:
        # A run that fails does not wait for files nobody will have.
        self._beside.shutdown(cancel_futures=True)

    def begin(self, records: Mapping[str, pl.LazyFrame]) -> None:
        """Take the agreed records by entity, as soon as they stand."""
        self._begun = {name: self._beside.submit(_ready, frame, name) for name, frame in records.items()}

    def ready(self) -> dict[str, Encoded]:
        """Return each entity's file, when all are made."""
        return {name: each.result() for name, each in self._begun.items()}


def _ready(frame: pl.LazyFrame, entity: str) -> Encoded:
    return encoded(agreed_output(frame.collect(), entity))


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

