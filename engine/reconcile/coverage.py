"""What the other side cannot have: lines of days that its export does not reach.

Two snapshots rarely cover the same days. A line beyond the days of the other side is no break: nothing says that it is
missing there. It counts as timing, and one finding says which part could not be compared.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from engine.policy.kinds.reconciliation import ReconciliationPolicy
from engine.reconcile.breaks import MISSING_LEFT, MISSING_RIGHT
from engine.reconcile.lines import Part
from engine.reconcile.sides import TwoSides
from engine.reconcile.tieouts import NOT_FEW, UNCOVERED

EXPORTED: Final = "exported"
AFTER: Final = "after"
BEFORE: Final = "before"


@dataclass(frozen=True, slots=True)
class Reach:
    """Hold the days a side covers: of its first and last month with lines, and that of its export where it ends it."""

    first: dt.date | None
    last: dt.date | None
    exported: dt.date | None


def with_coverage(
    breaks: pl.DataFrame, sides: TwoSides, parts: tuple[Sequence[Part], Sequence[Part]], policy: ReconciliationPolicy
) -> pl.DataFrame:
    """Add `uncovered`: why the other side cannot have a missing line, and `reach`, the day at which that side ends or begins.

    Beyond the day of the other system's export (`exported`) that is certain. A whole month without any line of the other
    side, `after` its last one or `before` its first, says it of lines dated alike where they are not just a few.
    """
    excused = pl.col("expectation").is_in(["expected", "waived"]).fill_null(value=False)
    alone = pl.col("break").is_in([MISSING_RIGHT, MISSING_LEFT]) & ~excused
    if breaks.filter(alone).height == 0:
        return breaks.with_columns(pl.lit(None, dtype=pl.String).alias(UNCOVERED), pl.lit(None, dtype=pl.Date).alias("reach"))
    why, reach = pl.lit(None, dtype=pl.String), pl.lit(None, dtype=pl.Date)
    exported = [_exported(each) for each in parts]
    for sort, lines, side in ((MISSING_RIGHT, sides.right, 1), (MISSING_LEFT, sides.left, 0)):
        # What both exports are too early for is no difference of theirs.
        ends = exported[side] if exported[side] < exported[1 - side] else None
        other = _reach(lines, ends, by_month=policy.dated_alike)
        beyond = _beyond(other, has_due="due" in breaks.columns)
        mine = alone & (pl.col("break") == sort)
        days = {EXPORTED: other.exported, AFTER: other.last, BEFORE: other.first}
        why = pl.when(mine).then(beyond).otherwise(why)
        reach = pl.when(mine).then(beyond.replace_strict(days, default=None, return_dtype=pl.Date)).otherwise(reach)
    marked = breaks.with_columns(why.alias(UNCOVERED), reach.alias("reach"))
    stands = (pl.col(UNCOVERED) == EXPORTED) | (pl.len().over("break", UNCOVERED) >= NOT_FEW)
    return marked.with_columns(pl.when(stands).then(pl.col(UNCOVERED, "reach")))


def _reach(lines: pl.DataFrame, exported: dt.date | None, *, by_month: bool) -> Reach:
    dates = lines.select(pl.col("date").min().dt.month_start().alias("first"), pl.col("date").max().dt.month_end().alias("last"))
    first, last = dates.row(0) if by_month else (None, None)
    return Reach(first, last, exported)


def _exported(parts: Sequence[Part]) -> dt.date:
    """Return the day on which a side's systems were exported; the run's where it is not a system's, or not known."""
    return min(_exported_part(part) or part.context.as_of for part in parts)


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
