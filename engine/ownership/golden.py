"""Golden records: one record an identity, field by field from the system that owns the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from engine.canonical.schema import EntitySpec, file_and_row
from engine.ownership.identity import IDENTITY


def golden_records(
    records: pl.DataFrame, spec: EntitySpec, owners: Mapping[str, Sequence[str]], default: Sequence[str]
) -> pl.DataFrame:
    """Return one row an identity: each field from the first of its owners that has a value.

    `owners` gives the owning systems of a field in order; other fields follow `default`. A system
    not named comes last, in alphabetical order, so that a fact only one system knows is kept.
    """
    systems = sorted(records["source_system"].unique().drop_nulls().to_list())
    orders = {name: _order(owners.get(name, default), systems) for name in spec.fields}
    distinct = {tuple(order) for order in orders.values()}
    result = records.select(IDENTITY).unique().sort(IDENTITY)
    for order in sorted(distinct):
        names = [name for name in spec.fields if tuple(orders[name]) == order and name not in spec.keys]
        result = result.join(_first_values(records, names, order), on=IDENTITY, how="left", maintain_order="left")
    source = _first_values(records, [*spec.keys, *_PROVENANCE], _order(default, systems))
    result = result.join(source, on=IDENTITY, how="left", maintain_order="left")
    evidence = records.group_by(IDENTITY).agg(file_and_row().unique().sort().alias("evidence"))
    columns = [*spec.fields, *_PROVENANCE, "evidence"]
    return result.join(evidence, on=IDENTITY, how="left", maintain_order="left").select(IDENTITY, *columns)


_PROVENANCE = (
    "source_system", "source_id", "source_file", "source_row", "extracted_at", "recorded_at", "modified_at",
    "created_by", "entry_mode",
)  # fmt: skip


def _order(first: Sequence[str], systems: Sequence[str]) -> list[str]:
    return [name for name in first if name in systems] + [name for name in systems if name not in first]


def _first_values(records: pl.DataFrame, names: Sequence[str], order: Sequence[str]) -> pl.DataFrame:
    """Return for each identity and field the first non-null value in the systems' order."""
    rank = pl.col("source_system").replace_strict(
        {name: index for index, name in enumerate(order)}, default=len(order), return_dtype=pl.Int32
    )
    ranked = records.with_columns(rank.alias("_rank")).sort(IDENTITY, "_rank", "_record")
    return ranked.group_by(IDENTITY, maintain_order=True).agg(pl.col(name).drop_nulls().first() for name in names)
