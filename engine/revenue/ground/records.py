"""The agreed records as the revenue rooms read them: all columns, evidence, and only what was known."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import polars as pl

from engine.canonical.schema import PROVENANCE, empty_frame, entity_spec, file_and_row
from engine.only_line import line_of_expenses, only_line_of_project
from engine.revenue.ground.end_days import with_end_days
from engine.revenue.ground.frames import TEXTS
from engine.revenue.ground.named import NAMED, with_contract
from engine.revenue.ground.stated import STATED, in_currency_of_contract
from engine.revenue.ground.told_ends import with_told_ends
from engine.stage import Context, Facts

RESTORED: Final = "→restored"
"""Column of copies of records (`recognition/late.py`): what was rejected later than the copy knows, and billing says of it."""

COPY: Final = "\x1e"
"""Stands between the number of a copy and the id of its record (`late.py`)."""

_APPROVED_ITEMS: Final = ("time_entry", "expense")
_OF_PROJECTS: Final = ("time_entry", "expense", "milestone")
# Of two statements of a day the later in this order holds: the one known later.
_STATEMENTS: Final = {"progress": ("cost_to_date", "progress_id"), "cost_estimate": ("cost_estimate_id",)}


def original_id(name: str) -> pl.Expr:
    """Return an id without the number of the copy it stands in."""
    return pl.col(name).str.split(COPY).list.last()


@dataclass(frozen=True, slots=True)
class Records:
    """Hold the agreed records by entity, as known on a day; `frame` gives an entity's, empty when there are none."""

    facts: Facts
    as_of: dt.date
    known_on: dt.date | None
    held: dict[str, pl.DataFrame]

    def frame(self, entity: str) -> pl.DataFrame:
        """Return an entity's records with every canonical column, `evidence` and `known_at` (when the fact was first known)."""
        if entity not in self.held:
            self.held[entity] = self._read(entity)
        return self.held[entity]

    def output(self, name: str) -> pl.DataFrame | None:
        """Return an earlier stage's output, or None when that stage did not run."""
        found = self.facts.frame(name)
        return None if found is None else found.collect()

    def without(self, name: str) -> Records:
        """Return these records without an earlier output."""
        facts = replace(self.facts, records={each: frame for each, frame in self.facts.records.items() if each != name})
        return replace(self, facts=facts)

    def without_rows(self) -> Records:
        """Return records of nothing, with the columns that those read so far have."""
        held = {entity: frame.clear() for entity, frame in self.held.items()}
        return replace(self, facts=replace(self.facts, records={}), held=held)

    def _read(self, entity: str) -> pl.DataFrame:
        found = self.facts.frame(entity)
        if found is None:
            return _no_records(entity)
        schema, frame = entity_spec(entity).polars_schema(), found.collect()
        if "evidence" not in frame.columns:
            place = file_and_row()
            frame = frame.with_columns(pl.concat_list(place).alias("evidence"))
        known = pl.coalesce("approved_at", "recorded_at") if entity in _APPROVED_ITEMS else pl.col("recorded_at")
        frame = frame.select(*(pl.col(name).cast(dtype) for name, dtype in schema.items()), "evidence", known.alias("known_at"))
        if entity == "contract":
            frame = with_end_days(frame, self.frame)
        known_then = frame if self.known_on is None else _as_known(frame, entity, self.known_on)
        if entity in _STATEMENTS and known_then.height:
            known_then = known_then.sort("known_at", *_STATEMENTS[entity], nulls_last=False)
        if entity == "contract" and known_then.height:
            # Nobody has agreed by this day to an end that comes after it and is told later (606-10-25-10).
            to_come = (pl.col("terminated_recorded_at").dt.date() > self.as_of) & (pl.col("terminated_date") > self.as_of)
            return with_told_ends(not_ended(known_then, to_come), self.frame)
        if entity in _OF_PROJECTS and known_then["contract_line_id"].null_count():
            known_then = _on_only_line(known_then, entity, self.frame("contract_line"))
        if entity in NAMED and known_then.height:
            known_then = with_contract(known_then, entity, self.frame)
        return in_currency_of_contract(known_then, entity, self.frame) if entity in STATED and known_then.height else known_then


@cache
def _no_records(entity: str) -> pl.DataFrame:
    return empty_frame(entity).with_columns(
        pl.lit(None, dtype=TEXTS).alias("evidence"), pl.lit(None, dtype=PROVENANCE["recorded_at"].dtype).alias("known_at")
    )


def _on_only_line(rows: pl.DataFrame, entity: str, lines: pl.DataFrame) -> pl.DataFrame:
    """Return work with the line it is of, where it names the project alone, as in billing (`engine.only_line`)."""
    only = line_of_expenses(lines.lazy()) if entity == "expense" else only_line_of_project(lines.lazy())
    found = rows.join(only, on="project_id", how="left", maintain_order="left")
    return found.with_columns(pl.coalesce("contract_line_id", "→only").alias("contract_line_id")).drop("→only")


def restored(columns: list[str]) -> pl.Expr:
    """Tell whether a row counted by then though it was rejected since; False where the records are no copies."""
    return pl.col(RESTORED).fill_null(value=False) if RESTORED in columns else pl.lit(value=False)


def _as_known(frame: pl.DataFrame, entity: str, day: dt.date) -> pl.DataFrame:
    """Return the records as they stood at the end of a day: what came later is not there, what was approved later is not yet."""
    frame = frame.filter(pl.col("recorded_at").is_null() | (pl.col("recorded_at").dt.date() <= day))
    if entity == "contract":
        return not_ended(frame, pl.col("terminated_recorded_at").dt.date() > day)
    if entity not in _APPROVED_ITEMS:
        return frame
    frame = frame.filter(pl.col("submitted_at").is_null() | (pl.col("submitted_at").dt.date() <= day))
    frame = not_rejected(frame, pl.col("modified_at").dt.date() > day)
    is_later = pl.col("approved_at").dt.date() > day
    return frame.with_columns(
        pl.when(is_later).then(pl.lit("submitted")).otherwise(pl.col("status")).alias("status"),
        pl.when(~is_later.fill_null(value=False)).then(pl.col("approved_at")).alias("approved_at"),
    )


def not_rejected(items: pl.DataFrame, unknown: pl.Expr) -> pl.DataFrame:
    """Return time or expenses as they stood while it was `unknown` that they are rejected: approved, or submitted."""
    was = pl.when(pl.col("approved_at").is_not_null()).then(pl.lit("approved")).otherwise(pl.lit("submitted"))
    stood = (unknown & (pl.col("status") == "rejected") & pl.coalesce("submitted_at", "approved_at").is_not_null()).fill_null(value=False)
    return items.with_columns(pl.when(stood).then(was).otherwise("status").alias("status"))


def not_ended(contracts: pl.DataFrame, unknown: pl.Expr) -> pl.DataFrame:
    """Return contracts as they stood while it was `unknown` that they end."""
    running = ~unknown.fill_null(value=False)
    status = pl.when(running | pl.col("status").ne_missing("terminated")).then("status").otherwise(pl.lit("active"))
    ends = (pl.when(running).then(name).alias(name) for name in ("terminated_date", "terminated_recorded_at"))
    return contracts.with_columns(status.alias("status"), *ends)


def read_records(facts: Facts, context: Context) -> Records:
    """Return the agreed records of a run."""
    return Records(facts, context.as_of, context.known_on, {})
