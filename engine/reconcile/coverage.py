"""What the other side cannot have: lines of days, companies or currencies that its systems supply nothing of.

Two snapshots rarely cover the same days. A line beyond the days of the other side is no break: nothing says that it is
missing there. It counts as timing, and one finding says which part could not be compared. That is judged by everything the
other side's systems export, never by the lines of the tie-out alone: a ledger that has rent of March and no revenue of March
lacks the revenue.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from engine.policy.kinds.reconciliation import ReconciliationPolicy
from engine.policy.kinds.sides import ENDED_ON, ENDED_PERIOD
from engine.reconcile.breaks import MISSING_LEFT, MISSING_RIGHT
from engine.reconcile.lines import Part
from engine.reconcile.sides import TwoSides
from engine.reconcile.tieouts import INFERRED, NOT_FEW, UNCOVERED
from engine.stage import Facts

EXPORTED: Final = "exported"
AFTER, BEFORE = INFERRED

_DAYS: Final = {
    "time_entry": "work_date", "expense": "incurred_date", "invoice": "invoice_date", "bill": "invoice_date", "payment": "paid_date",
    "journal_line": "posting_date", "usage": "usage_date",
}  # fmt: skip
"""What happens in a system, by the day it happens. Master data says nothing of what a system covers."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Hold the days a side covers: of its first and last month with records, and that of its export where it ends it."""

    first: dt.date | None
    last: dt.date | None
    exported: dt.date | None


def covering(left: list[Part], right: list[Part]) -> tuple[list[Part], list[Part]]:
    """Return the parts as of the last day that all their systems cover, where they speak of the last period that has ended.

    A ledger exported before a period ended does not hold what is booked at its end: the period before is compared.
    """
    both = [*left, *right]
    if not any(word in part.side.model_dump_json() for part in both for word in (ENDED_PERIOD, ENDED_ON)):
        return left, right
    days = [day for part in both if (day := _exported_part(part)) is not None]
    if not days or min(days) >= both[0].context.as_of:
        return left, right
    context = replace(both[0].context, covered=min(days))
    return [replace(part, context=context) for part in left], [replace(part, context=context) for part in right]


def with_coverage(
    breaks: pl.DataFrame, sides: TwoSides, parts: tuple[Sequence[Part], Sequence[Part]], policy: ReconciliationPolicy
) -> pl.DataFrame:
    """Add `uncovered`: why the other side cannot have a missing line, and `reach`, the day at which that side ends or begins.

    Beyond the day of the other system's export (`exported`) that is certain. Months before the first record of the sort
    there (`before`) say it of lines dated alike where they are not just a few; so do months after the last record of any
    sort (`after`) where nothing says when that system was exported: an export of a stated day covers the days before it.
    Of figures as their systems held them on the day (`as_exported`) a difference says nothing where those days differ.
    """
    excused = pl.col("expectation").is_in(["expected", "waived"]).fill_null(value=False)
    alone = pl.col("break").is_in([MISSING_RIGHT, MISSING_LEFT]) & ~excused
    moved = ~excused if policy.as_exported else pl.lit(value=False)
    if breaks.filter(alone | moved).height == 0:
        return breaks.with_columns(pl.lit(None, dtype=pl.String).alias(UNCOVERED), pl.lit(None, dtype=pl.Date).alias("reach"))
    why, reach = pl.lit(None, dtype=pl.String), pl.lit(None, dtype=pl.Date)
    as_of = parts[0][0].context.as_of
    stated = [_exported(each) for each in parts]
    exported = [each or as_of for each in stated]
    if exported[0] != exported[1]:
        why = pl.when(moved).then(pl.lit(EXPORTED)).otherwise(why)
        reach = pl.when(moved).then(pl.lit(min(exported))).otherwise(reach)
    for sort, lines, side in ((MISSING_RIGHT, sides.right, 1), (MISSING_LEFT, sides.left, 0)):
        # What both exports are too early for is no difference of theirs.
        ends = exported[side] if exported[side] < exported[1 - side] else None
        mine = alone & (pl.col("break") == sort) & why.is_null()
        other = Reach(None, None, ends)
        if policy.dated_alike and breaks.filter(mine).height >= NOT_FEW:
            other = _reach(lines, parts[side], ends, is_dated=stated[side] is not None)
        beyond = _beyond(other, has_due="due" in breaks.columns)
        days = {EXPORTED: other.exported, AFTER: other.last, BEFORE: other.first}
        why = pl.when(mine).then(beyond).otherwise(why)
        reach = pl.when(mine).then(beyond.replace_strict(days, default=None, return_dtype=pl.Date)).otherwise(reach)
    marked = breaks.with_columns(why.alias(UNCOVERED), reach.alias("reach"))
    stands = (pl.col(UNCOVERED) == EXPORTED) | (pl.len().over("break", UNCOVERED) >= NOT_FEW)
    return marked.with_columns(pl.when(stands).then(pl.col(UNCOVERED, "reach")))


def supplied(parts: Sequence[Part]) -> pl.DataFrame | None:
    """Return the legal entities and currencies (`scope`, `currency`) of which the systems of a side supply anything.

    None where a side is none of systems: agreed records and results cover everything.
    """
    frames: list[pl.LazyFrame] = []
    for systems, facts in _systems(parts):
        for entity in _DAYS:
            records = _of(facts, entity, systems)
            if records is None:
                continue
            names = records.collect_schema().names()
            scope = pl.col("legal_entity_id") if "legal_entity_id" in names else pl.lit(None, dtype=pl.String)
            currency = pl.col("currency") if "currency" in names else pl.lit(None, dtype=pl.String)
            frames.append(records.select(scope.alias("scope"), currency.alias("currency")).unique())
    if not frames:
        return None
    return pl.concat(frames).unique().collect()


def _systems(parts: Sequence[Part]) -> list[tuple[tuple[str, ...], Facts]]:
    return [(tuple(part.side.system), part.facts) for part in parts if part.side.system]


def _of(facts: Facts, entity: str, systems: Sequence[str]) -> pl.LazyFrame | None:
    """Return the records of an entity that any of the systems supplies; None where none does."""
    if entity not in facts.sources or not any((entity, system) in facts.stated for system in systems):
        return None
    return facts.sources[entity].filter(pl.col("source_system").is_in(list(systems)))


def _reach(lines: pl.DataFrame, parts: Sequence[Part], exported: dt.date | None, *, is_dated: bool) -> Reach:
    """Return the first and last month of a side: of its lines, and of whatever else its systems supply."""
    firsts, lasts = [lines["date"].min()], [lines["date"].max()]
    for part in parts:
        systems = tuple(part.side.system)
        for entity, day in _DAYS.items():
            records = _of(part.facts, entity, systems)
            if records is None or day not in records.collect_schema():
                continue
            first, last = records.select(pl.col(day).min().alias("first"), pl.col(day).max().alias("last")).collect().row(0)
            lasts.append(last)
            # A system may have taken over documents of years before it went live.
            firsts += [first] if entity == part.side.entity else []
    known = [each for each in firsts if isinstance(each, dt.date)], [each for each in lasts if isinstance(each, dt.date)]
    months = pl.DataFrame({"first": [min(known[0], default=None)], "last": [max(known[1], default=None)]}, schema_overrides=_DATES)
    first, last = months.select(pl.col("first").dt.month_start(), pl.col("last").dt.month_end()).row(0)
    return Reach(first, None if is_dated else last, exported)


_DATES: Final = {"first": pl.Date, "last": pl.Date}


def _exported(parts: Sequence[Part]) -> dt.date | None:
    """Return the day on which a side's systems were exported, the latest of several; None where it is not stated of one."""
    days = [_exported_part(part) for part in parts]
    known = [each for each in days if each is not None]
    return max(known) if known and len(known) == len(days) else None


def _exported_part(part: Part) -> dt.date | None:
    if not part.side.system or part.side.entity not in part.facts.sources:
        return None
    records = part.facts.sources[part.side.entity].filter(pl.col("source_system").is_in(list(part.side.system)))
    if "extracted_at" not in records.collect_schema():
        return None
    found: dt.date | None = records.select(pl.col("extracted_at").max().dt.date()).collect().item()
    return found


def _beyond(other: Reach, *, has_due: bool) -> pl.Expr:
    day = pl.col("date")
    # What is due only later may stand on the other side in a later month.
    asked = pl.coalesce("due", "date") if has_due else day
    return (
        pl.when(day > pl.lit(other.exported, dtype=pl.Date)).then(pl.lit(EXPORTED))
        .when(day > pl.lit(other.last, dtype=pl.Date)).then(pl.lit(AFTER))
        .when(asked < pl.lit(other.first, dtype=pl.Date)).then(pl.lit(BEFORE))
    )  # fmt: skip
