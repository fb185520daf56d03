"""A table over time: each record is decided by the version in force on its own date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from engine.decision.compile import CompiledTable
from engine.decision.rules import TEMPORARY

NO_VERSION: Final = "no_version"


@dataclass(frozen=True, slots=True)
class TableVersion:
    """Hold one version: in force from its first day through its last (None: without end)."""

    table: CompiledTable
    effective_from: dt.date
    effective_to: dt.date | None = None


class VersionedTable:
    """Decide each record by the version in force on the date that `applies_by` names.

    A record without that date, or with one no version covers, gets the status `no_version`.
    ValueError when versions overlap, have errors, or give an output in different kinds.
    """

    def __init__(self, versions: Sequence[TableVersion], applies_by: str) -> None:
        self.versions: tuple[TableVersion, ...] = tuple(sorted(versions, key=lambda each: each.effective_from))
        self.applies_by = applies_by
        for earlier, later in zip(self.versions, self.versions[1:], strict=False):
            if earlier.effective_to is None or earlier.effective_to >= later.effective_from:
                raise ValueError(f"two versions of '{later.table.id}' are in force on {later.effective_from}")
        self._schema = self._united()

    @property
    def paths(self) -> tuple[str, ...]:
        """Return every column that any version reads, and the deciding date, sorted."""
        return tuple(sorted({self.applies_by, *(path for each in self.versions for path in each.table.paths)}))

    def in_force(self, day: dt.date | None) -> TableVersion | None:
        """Return the version of a day, or None."""
        for each in self.versions:
            if day is not None and each.effective_from <= day and (each.effective_to is None or day <= each.effective_to):
                return each
        return None

    def apply(self, frame: pl.LazyFrame, *, prefix: str = "", trace: bool = False) -> pl.LazyFrame:
        """Add the decision columns of `CompiledTable.apply`, and `version`: the first day of the version.

        With `trace` each row has the struct of its own version: `trace_0` for the first version,
        `trace_1` for the second, …, null for the others.
        """
        before = frame.collect_schema().names()
        day = pl.col(self.applies_by).cast(pl.Date)
        for number, each in enumerate(self.versions):
            frame = each.table.apply(frame, prefix=f"{TEMPORARY}v{number}.", trace=trace)
        columns = [self._picked(name, dtype, day).alias(prefix + name) for name, dtype in self._schema.items()]
        columns.append(self._version(day).alias(f"{prefix}version"))
        if trace:
            columns += [
                pl.when(_covers(each, day)).then(pl.col(f"{TEMPORARY}v{number}.trace")).alias(f"{prefix}trace_{number}")
                for number, each in enumerate(self.versions)
            ]
        return frame.select(*(pl.col(name) for name in before), *columns)

    def _picked(self, name: str, dtype: pl.DataType, day: pl.Expr) -> pl.Expr:
        nothing = {"status": pl.lit(NO_VERSION), "hits": pl.lit(0, dtype=pl.UInt32)}
        result = nothing.get(name, pl.lit(None, dtype=dtype))
        for number, each in enumerate(self.versions):
            if name in each.table.schema():
                value = pl.col(f"{TEMPORARY}v{number}.{name}").cast(dtype)
                result = pl.when(_covers(each, day)).then(value).otherwise(result)
        return result

    def _version(self, day: pl.Expr) -> pl.Expr:
        result = pl.lit(None, dtype=pl.Date)
        for each in self.versions:
            result = pl.when(_covers(each, day)).then(pl.lit(each.effective_from)).otherwise(result)
        return result

    def _united(self) -> dict[str, pl.DataType]:
        schema: dict[str, pl.DataType] = {}
        for each in self.versions:
            for name, dtype in each.table.schema().items():
                schema[name] = _wider(schema[name], dtype, name) if name in schema else dtype
        last = ("rule", "rules", "hits", "status")
        return {name: schema[name] for name in (*(name for name in schema if name not in last), *last) if name in schema}


def _covers(version: TableVersion, day: pl.Expr) -> pl.Expr:
    begun = day >= pl.lit(version.effective_from)
    if version.effective_to is None:
        return begun
    return begun & (day <= pl.lit(version.effective_to))


def _wider(first: pl.DataType, second: pl.DataType, name: str) -> pl.DataType:
    if first == second:
        return first
    if isinstance(first, pl.Decimal) and isinstance(second, pl.Decimal):
        return first if first.scale >= second.scale else second
    raise ValueError(f"the output '{name}' is of different kinds in two versions of the table")
