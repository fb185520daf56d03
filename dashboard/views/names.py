"""Names instead of ids, where the agreed records have one."""

from __future__ import annotations

from typing import Final

import polars as pl

from adapters.publish import read_manifest
from dashboard.views.tables import Names
from dashboard.views.workspace import RunEntry, output

# By column: the agreed record, its key and its name.
_NAMED: Final = {
    "project_id": ("project", "name"), "customer_id": ("customer", "name"), "legal_entity_id": ("legal_entity", "name"),
    "contract_id": ("contract", "contract_number"),
}  # fmt: skip


def names_beside(run: RunEntry, frame: pl.LazyFrame) -> Names:
    """Return the names to show as `project`, `customer`, `legal_entity` and `contract` beside the ids a frame has."""
    there = frame.collect_schema().names()
    wanted = {key: named for key, named in _NAMED.items() if key in there and named[0] not in there}
    return Names({entity: (key, names_of(run, key, entity, name)) for key, (entity, name) in wanted.items()})


def names_of(run: RunEntry, key: str, entity: str, name: str = "name") -> pl.LazyFrame:
    """Return the names of an entity's records by id (`id`, `name`); the records' own id column where `key` is another."""
    records = output(run, f"golden/{entity}")
    key = key if key in _NAMED else f"{entity}_id"
    if records is None or name not in records.collect_schema().names():
        return pl.LazyFrame(schema={"id": pl.String(), "name": pl.String()})
    return records.select(pl.col(key).alias("id"), pl.col(name).alias("name")).drop_nulls().unique("id", keep="first", maintain_order=True)


def with_sentences(run: RunEntry, frame: pl.LazyFrame, rule: str, into: str) -> pl.LazyFrame:
    """Return a frame with the author's sentence on the rule a column names, or the rule's id without one."""
    rules = read_manifest(run.folder)["rules"]
    says = {key.rpartition("#")[2]: place["says"] for key, place in rules.items() if place.get("says")}
    named = pl.col(rule).replace_strict(says, default=None, return_dtype=pl.String) if says else pl.lit(None, pl.String)
    return frame.with_columns(pl.coalesce(named, rule).alias(into))


def with_scope_names(run: RunEntry, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Return a frame whose `scope` is told as `within`: a legal entity by its name, anything else as it is."""
    records = output(run, "golden/legal_entity")
    if records is None or "name" not in records.collect_schema().names():
        return frame.with_columns(pl.col("scope").alias("within"))
    names = records.select(pl.col("legal_entity_id").alias("scope"), pl.col("name").alias("within"))
    return frame.join(names, on="scope", how="left", maintain_order="left").with_columns(pl.coalesce("within", "scope").alias("within"))
