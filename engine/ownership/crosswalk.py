"""Crosswalk: references spoken in one system's ids, told in the ids of the agreed records.

A PSA project that names its contract by the PSA's own id means the agreed contract; without this
its contract would be an orphan and every comparison of such a field a difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from engine.canonical.schema import entity_spec
from engine.ownership.identity import IDENTITY, RECORD, Identified
from engine.stage import Facts


def translate_references(facts: Facts, identified: Mapping[str, Identified]) -> Facts:
    """Return the facts with every reference to an identified entity in the agreed record's id.

    Only ids that differ are touched: where all systems share ids, the facts come back as they are.
    """
    renamed = {name: pairs for name, each in identified.items() if (pairs := _renamed(each)).height}
    if not renamed:
        return facts
    records = dict(facts.records)
    for entity, frame in facts.records.items():
        for name, target in entity_spec(entity).references.items():
            if target in renamed and name not in entity_spec(entity).keys:
                frame = _translated(frame, name, renamed[target])  # noqa: PLW2901 - one reference after another
        records[entity] = frame
    return replace(facts, records=records)


def _renamed(identified: Identified) -> pl.DataFrame:
    """Return system, its id and the agreed id, where the two ids differ."""
    pairs = identified.records.select("source_system", RECORD, IDENTITY)
    return pairs.filter(pl.col(RECORD) != pl.col(IDENTITY)).unique(["source_system", RECORD], keep="first", maintain_order=True)


def _translated(frame: pl.LazyFrame, name: str, pairs: pl.DataFrame) -> pl.LazyFrame:
    agreed = pairs.lazy().rename({RECORD: name, IDENTITY: "_agreed"})
    return (
        frame.join(agreed, on=["source_system", name], how="left", maintain_order="left")
        .with_columns(pl.coalesce("_agreed", name).alias(name))
        .drop("_agreed")
    )


def in_agreed_keys(facts: Facts, identified: Mapping[str, Identified]) -> dict[str, pl.LazyFrame]:
    """Return the source records with their own id, too, in the agreed record's: sides of a tie-out meet by it."""
    records = dict(facts.records)
    for entity, each in identified.items():
        keys, pairs = entity_spec(entity).keys, _renamed(each)
        if len(keys) == 1 and pairs.height:
            records[entity] = _translated(records[entity], keys[0], pairs)
    return records
