"""Prorated ends: part months by elapsed time, the full months between them equal and truncated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from engine.revenue.rounding import WIDE, round_quotient, truncate_quotient, units, wide
from engine.revenue.terms import DAY_SECONDS, Slot, Term, day_inside, days_between, instants, midnight, seconds_through, slot_inside

# Full months are split in units that every month's length divides: lcm(28..31, 35, 42).
_SPLIT: Final = 377580


@dataclass(frozen=True, slots=True)
class _Ends:
    """Hold the time of a term in its first and last part month and between them, and its full months."""

    total: pl.Expr
    first: pl.Expr
    last: pl.Expr
    full: pl.Expr
    starts_whole: pl.Expr
    ends_whole: pl.Expr


def _ends(term: Term) -> _Ends:
    """Return the parts of a term in seconds; a month served from its first to its last day is full."""
    begin, end = term.first_month, term.last_month
    start_at, end_at = instants(term)
    none = pl.lit(0, dtype=pl.Int64())
    starts_whole = start_at == midnight(begin.first)
    ends_whole = end_at == midnight(end.last) + DAY_SECONDS
    full = pl.max_horizontal(end.index - begin.index - 1 + starts_whole.cast(pl.Int64()) + ends_whole.cast(pl.Int64()), none)
    first = pl.when(starts_whole).then(none).otherwise(midnight(begin.last) + DAY_SECONDS - start_at)
    last = pl.when(ends_whole).then(none).otherwise(end_at - midnight(end.first))
    return _Ends(end_at - start_at, first, last, full, starts_whole, ends_whole)


def _full_months(term: Term, ends: _Ends, slot: Slot) -> tuple[pl.Expr, pl.Expr]:
    """Return the full months finished before a month, and whether that month is a full one itself."""
    first, last = term.first_month.index, term.last_month.index
    before = slot.index - first - pl.when(ends.starts_whole).then(0).otherwise(1)
    is_full = ((slot.index > first) | ends.starts_whole) & ((slot.index < last) | ends.ends_whole)
    return pl.max_horizontal(before, pl.lit(0, dtype=pl.Int64())), is_full & (ends.full > 0)


def prorated_measure(term: Term, day: pl.Expr, slot: Slot) -> pl.Expr:
    """Return elapsed time with the full months made equal, in seconds × full months × split units."""
    ends = _ends(term)
    before, is_full = _full_months(term, ends, slot)
    elapsed = seconds_through(term, day).cast(WIDE)
    months = pl.max_horizontal(ends.full, pl.lit(1, dtype=pl.Int64())).cast(WIDE) * wide(_SPLIT)
    middle = (ends.total - ends.first - ends.last).cast(WIDE)
    within = wide(_SPLIT) * (days_between(day, slot.first) + 1).cast(WIDE) // slot.days.cast(WIDE)
    equal = ends.first.cast(WIDE) * months + middle * (before.cast(WIDE) * wide(_SPLIT) + within)
    return pl.when(is_full).then(equal).otherwise(elapsed * months)


def rest_of_term(term: Term, after: pl.Expr | None) -> Term:
    """Return what is left of a term after a day, as a term of its own."""
    if after is None:
        return term
    moved = (after >= term.start).fill_null(value=False)
    start = pl.when(moved).then(after.dt.offset_by("1d")).otherwise(term.start)
    service_start = None if term.service_start_at is None else pl.when(~moved).then(term.service_start_at)
    return Term(start, term.end, None, service_start, term.service_end_at)


def truncated_minor(amount: pl.Expr, term: Term, at: pl.Expr, at_slot: Slot | None, unit: pl.Expr, mode: pl.Expr | str) -> pl.Expr:
    """Return what prorated ends post through a day, in minor units: full months truncated, the rest on the last."""
    ends = _ends(term)
    slot = slot_inside(term, at, at_slot)
    day = day_inside(term, at)
    total = round_quotient(units(amount), unit, mode)
    exact_total = ends.total.cast(WIDE) * unit
    share = round_quotient(units(amount) * ends.first.cast(WIDE), exact_total, mode)
    share_last = round_quotient(units(amount) * ends.last.cast(WIDE), exact_total, mode)
    before, is_full = _full_months(term, ends, slot)
    months = ends.full.cast(WIDE)
    month = truncate_quotient(total - share - share_last, months)
    begun = pl.when(before.cast(WIDE) == months - 1).then(total - share - share_last - month * (months - 1)).otherwise(month)
    within = truncate_quotient(begun * (days_between(day, slot.first) + 1).cast(WIDE), slot.days.cast(WIDE))
    by_time = round_quotient(units(amount) * seconds_through(term, day).cast(WIDE), exact_total, mode)
    in_last = (slot.index == term.last_month.index) & ~is_full & (ends.full > 0)
    to_go = round_quotient(units(amount) * (ends.total - seconds_through(term, day)).cast(WIDE), exact_total, mode)
    inside = (
        pl.when(is_full).then(share + month * before.cast(WIDE) + within)
        .when(in_last).then(total - to_go)
        .otherwise(by_time)
    )  # fmt: skip
    return pl.when(at < term.start).then(wide(0)).when(at >= term.end).then(total).otherwise(inside)
