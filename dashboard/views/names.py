"""Names instead of ids, where the agreed records have one."""

from __future__ import annotations

from typing import Final

import polars as pl

from dashboard.views.workspace import RunEntry, output

# By column: the agreed record, its key and its name.
_NAMED: Final = {
    "project_id": ("project", "name"), "customer_id": ("customer", "name"), "legal_entity_id": ("legal_entity", "name"),
    "contract_id": ("contract", "contract_number"),
}  # fmt: skip


def with_names(run: RunEntry, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Return a frame with `project`, `customer`, `legal_entity` and `contract` beside their ids: the name, or the id without one."""
    there = frame.collect_schema().names()
    for key, (entity, name) in _NAMED.items():
        if key not in there or entity in there:
            continue
        records = output(run, f"golden/{entity}")
        if records is None or name not in records.collect_schema().names():
            frame = frame.with_columns(pl.col(key).alias(entity))
            continue
        names = records.select(key, pl.col(name).alias(entity))
        frame = frame.join(names, on=key, how="left", maintain_order="left").with_columns(pl.coalesce(entity, key).alias(entity))
    return frame
