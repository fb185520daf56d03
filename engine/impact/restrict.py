"""The agreed records that some contracts can depend on: theirs, and whatever names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Final

import polars as pl

from engine.canonical.schema import ENTITIES
from engine.stage import Facts

# In this order each entity's records are known by those before it.
_WALK: Final = (
    "contract", "amendment", "amendment_line", "contract_line", "project", "contract_line", "time_entry", "expense", "milestone",
    "invoice_line_time", "invoice_line", "invoice", "invoice_line", "bill_line", "bill",
    "payment_application", "payment",
)  # fmt: skip

_CHAIN: Final = 6


def of_contracts(facts: Facts, contracts: Sequence[str]) -> Facts:
    """Return the facts with the records that belong to contracts or that name something of theirs.

    Records of entities that name no contract (people, rates, exchange rates) all stay. Other contracts'
    records may stay in part, so only what is decided about these contracts holds.
    """
    known: dict[str, pl.DataFrame] = {"contract": _combined(facts, contracts)}
    for entity in _WALK[1:]:
        _learn(facts, entity, known)
    kept = [_kept(name, frame, known) for name, frame in facts.records.items()]
    # Made once: a stage reads each of them many times.
    made = pl.collect_all(kept)
    return replace(facts, records={name: frame.lazy() for name, frame in zip(facts.records, made, strict=True)})


def _learn(facts: Facts, entity: str, known: dict[str, pl.DataFrame]) -> None:
    """Add to what is known the entity's records that name something of it; along chains what names these, too, as a credit note does."""
    names_its_own = any(each.reference == entity for each in ENTITIES[entity].fields.values())
    for _ in range(_CHAIN if names_its_own else 1):
        before = known[entity].height if entity in known else 0
        found = _ids(facts, entity, known)
        if found is not None:
            known[entity] = pl.concat([known[entity], found]).unique() if entity in known else found
        if entity not in known or known[entity].height == before:
            return


def _combined(facts: Facts, contracts: Sequence[str]) -> pl.DataFrame:
    """Return the contracts and those combined with them, as one column `id`."""
    found = pl.DataFrame({"id": pl.Series(contracts, dtype=pl.String)})
    frame = facts.frame("contract")
    if frame is None or "combined_with_contract_id" not in frame.collect_schema().names():
        return found
    pairs = frame.filter(pl.col("combined_with_contract_id").is_not_null()).select(
        pl.col("contract_id").alias("id"), pl.col("combined_with_contract_id").alias("other")
    ).collect()  # fmt: skip
    both = pl.concat([pairs, pairs.select(pl.col("other").alias("id"), pl.col("id").alias("other"))])
    for _ in range(_CHAIN if both.height else 0):
        found = pl.concat([found, both.join(found, on="id", how="semi").select(pl.col("other").alias("id"))]).unique()
    return found


def _ids(facts: Facts, entity: str, known: dict[str, pl.DataFrame]) -> pl.DataFrame | None:
    """Return the ids of an entity's records that name something known, and what they name (lines by project and added lines)."""
    frame = facts.frame(entity)
    key = ENTITIES[entity].keys[0]
    parts = []
    if frame is not None and key in frame.collect_schema().names():
        condition = _names(entity, frame, known)
        if condition is not None:
            parts.append(frame.filter(condition).select(pl.col(key).alias("id")).collect())
    for other, name in (("amendment_line", "contract_line_id"), ("contract_line", "project_id"), ("invoice_line_time", "invoice_line_id"),
                        ("invoice_line", "invoice_id"), ("bill_line", "bill_id"), ("payment_application", "payment_id")):  # fmt: skip
        if name == f"{entity}_id" and other in known:
            named = facts.frame(other)
            condition = None if named is None else _names(other, named, known)
            if named is not None and condition is not None:
                parts.append(named.filter(condition).select(pl.col(name).alias("id")).collect())
    return pl.concat(parts).drop_nulls().unique() if parts else None


def _names(entity: str, frame: pl.LazyFrame, known: dict[str, pl.DataFrame]) -> pl.Expr | None:
    """Return the condition that a record names something known; None when the entity names nothing of the kind."""
    present = frame.collect_schema().names()
    own = ENTITIES[entity].keys[0] if entity in ENTITIES else ""
    fields = ENTITIES[entity].fields if entity in ENTITIES else {}
    named = {name: fields[name].reference if name in fields else None for name in present if name != own}
    tests = [
        pl.col(name).is_in(known[other]["id"].implode()) for name, reference in named.items() for other in known
        if other == reference or name == f"{other}_id"
    ]  # fmt: skip
    if entity in known and own in present:
        tests.append(pl.col(own).is_in(known[entity]["id"].implode()))
    return reduce(lambda one, other: one | other, (each.fill_null(value=False) for each in tests)) if tests else None


def _kept(name: str, frame: pl.LazyFrame, known: dict[str, pl.DataFrame]) -> pl.LazyFrame:
    condition = _names(name, frame, known)
    return frame if condition is None else frame.filter(condition)
