"""Segments: what is earned between two events of an obligation, as one exact formula.

Cumulative revenue on a day = base + at cost + (remaining − at cost) × (done − done at its start) ÷ (all − done at its start).
At cost is what is not installed, beyond what was not at the start (`u0`); while the whole cannot be told, all cost since the start.
A catch-up keeps the start and changes what remains; a prospective change starts anew from what was earned. Work that a
later report takes back below that start goes back as it was earned: of what the start stood for, its share.
"""

from __future__ import annotations

import polars as pl

from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import units_of_a_millionth, with_cumulative
from engine.revenue.arithmetic.numbers import wide


def segment_part(m: str = "m", mt: str = "mt") -> tuple[pl.Expr, pl.Expr]:
    """Return (numerator, denominator) of what a segment has earned; the whole when nothing is left to do, nothing while that is unknown."""
    done = pl.max_horizontal(pl.col(m) - pl.col("m0"), wide(0))
    total = pl.col(mt) - pl.col("m0")
    is_over = total <= 0
    over = pl.when(pl.col(mt) == 0).then(wide(0)).otherwise(wide(1))
    numerator = pl.when(is_over).then(over).otherwise(pl.min_horizontal(done, total))
    return numerator, pl.when(is_over).then(wide(1)).otherwise(total)


def at_cost_of_start() -> pl.Expr:
    """Return what of a state is earned at cost beside its measure: a segment that starts there counts on from it (`u0`).

    While the whole cannot be told, all cost is; what of it was measured as done is no part of it (25-37, 55-21(b)).
    """
    return pl.when(pl.col("mt") == 0).then(pl.max_horizontal(pl.col("u") - pl.col("m") * units_of_a_millionth(), wide(0))).otherwise("u")


def _at_cost(u: str, behind: pl.Expr | None) -> pl.Expr:
    """Return what the segment has earned at cost, never more than is left to earn; `behind`: what was by its start, beside `u0`."""
    start = pl.col("u0") if behind is None else pl.col("u0") + behind
    grown = pl.max_horizontal(pl.col(u) - start, wide(0))
    return pl.when(pl.col("rem") > 0).then(pl.min_horizontal(grown, pl.col("rem"))).otherwise(wide(0))


@of_nothing
def with_revenue(
    rows: pl.DataFrame, *, minor: str | None = None, units: str | None = None, m: str = "m", mt: str = "mt", u: str = "u"
) -> pl.DataFrame:
    """Add cumulative revenue from the columns of a segment (and half_even) and a measure: in whole minor units, in units, or both."""
    numerator, denominator = segment_part(m, mt)
    unknown = pl.col(mt) == 0
    is_unknown = rows.select(unknown.any()).item()
    cost = _at_cost(u, pl.when(unknown).then(pl.col("m0") * units_of_a_millionth()).otherwise(wide(0)) if is_unknown else None)
    base, rest = pl.col("base") + cost, pl.col("rem") - cost
    # Time never runs back: a term moved to later has not begun, and keeps what was earned before.
    timed = pl.col("measure") == "time_elapsed" if "measure" in rows.columns else pl.lit(value=False)
    # What is done in full (a right that lapsed) is not taken back, however its measure counts; of what began at nothing nothing is.
    below = ((pl.col(m) < pl.col("m0")) & (pl.col("m0") > 0) & (pl.col(m) < pl.col(mt)) & ~timed).fill_null(value=False)
    if rows.select(below.any()).item():
        stood = pl.col("base") + pl.when(pl.col(mt) <= pl.col("m0")).then(pl.col("rem")).otherwise(wide(0))
        base, rest = pl.when(below).then(cost).otherwise(base), pl.when(below).then(stood).otherwise(rest)
        numerator = pl.when(below).then(pl.max_horizontal(pl.col(m), wide(0))).otherwise(numerator)
        denominator = pl.when(below).then(pl.col("m0")).otherwise(denominator)
    return with_cumulative(
        rows, base=base, amount=rest, numerator=numerator, denominator=denominator, half_even=pl.col("half_even"), minor=minor, units=units,
    )  # fmt: skip
