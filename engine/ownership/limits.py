"""Conditions that limit a policy or a rule to some records, judged on the agreed record."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from engine.condition import attach_references
from engine.ownership.identity import IDENTITY
from engine.policy.loaded import LoadedPolicy
from engine.policy.where import compile_where
from engine.stage import Context, Facts


@dataclass(frozen=True, slots=True)
class Limits:
    """Hold what a condition of a policy is judged on: the golden records and what they refer to."""

    loaded: LoadedPolicy
    entity: str
    golden: pl.DataFrame
    facts: Facts
    context: Context

    def kept(self, records: pl.DataFrame, where: str | None, place: tuple[str | int, ...]) -> pl.DataFrame:
        """Return the records whose identity meets the condition; unknown does not meet it."""
        if where is None:
            return records
        condition = compile_where(self.entity, where, self.loaded.document, place)
        assert condition.is_valid, "a policy set with errors does not run"
        known = self.golden.lazy().with_columns(pl.lit(self.context.as_of).alias("as_of"))
        paths = [path for path in condition.paths if path != "as_of"]
        reached = attach_references(known, self.entity, paths, dict(self.facts.records))
        met = reached.filter(condition.expression.fill_null(value=False)).select(IDENTITY).collect()
        return records.join(met, on=IDENTITY, how="semi", maintain_order="left")
