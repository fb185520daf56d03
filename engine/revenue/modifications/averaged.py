"""Prices that are what the whole of a measure makes of them (tiers, cost plus a fee), where a change has begun anew before."""

from __future__ import annotations

import polars as pl

from engine.revenue.arithmetic.exact import COEFFICIENT, part_units
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.progress.measured import Measures, with_progress


def with_averaged_base(rows: pl.DataFrame, measures: Measures) -> pl.DataFrame:
    """Add `→averaged`: what a new estimate of the whole adds to the value of what was done when a segment began (606-10-32-43, 32-45).

    Done then was so much (`m0`) of the whole, worth that part of the price: at the new whole it is that part of the new price. More to do
    at the same price leaves it as it was; a lower price of every unit lowers it. `averaged`: what tiers and fees come to now,
    `own.averaged`: what they gained. While the whole cannot be told, the part that was earned stands for it.
    """
    asked = (pl.col("own.averaged") != 0) & (pl.col("m0") > 0)
    if not rows.select(asked.any()).item():
        return rows.with_columns(wide(0).alias("→averaged"))
    told = rows.filter(asked)
    whole = with_progress(told.drop("m", "mt", "u"), measures, "date")["mt"].alias("→whole")
    done, before = pl.col("m0"), pl.col("averaged") - pl.col("own.averaged")
    old, new = (pl.max_horizontal(name, "m0") for name in ("mt", "→whole"))
    moved = part_units(pl.col("averaged") - pl.col("u0"), done, new) - part_units(before - pl.col("u0"), done, old)
    as_earned = part_units(pl.col("own.averaged"), pl.col("own_base"), wide(COEFFICIENT))
    is_told = (pl.col("mt") > 0) & (pl.col("→whole") > 0)
    made = told.with_columns(whole).with_columns(pl.when(is_told).then(moved).otherwise(as_earned).alias("→averaged"))
    return pl.concat([rows.filter(~asked).with_columns(wide(0).alias("→averaged")), made.select(*rows.columns, "→averaged")])


def with_averaged_earned(rows: pl.DataFrame, measures: Measures) -> pl.DataFrame:
    """Let `earned` value what was done in a segment by the whole that an estimate of the same day tells, where it makes the price.

    A change that starts anew finds it: units done before more are agreed are worth their part of the new whole at its price, as is work
    paid by its cost (606-10-32-43, 32-45).
    """
    asked = (pl.col("own.averaged") != 0) & (pl.col("m") > pl.col("m0")) & (pl.col("mt") > 0)
    if not rows.select(asked.any()).item():
        return rows
    told = rows.filter(asked)
    whole = with_progress(told.drop("m", "mt", "u"), measures, "date")["mt"].alias("→whole")
    done, left = pl.col("m") - pl.col("m0"), pl.col("→whole") - pl.col("m0")
    told = told.with_columns(whole).with_columns(pl.max_horizontal("→whole", "m").alias("→whole"))
    told = told.with_columns(part_units(pl.col("averaged"), left, pl.col("→whole")).alias("→rest"))
    moved = part_units(pl.col("→rest"), done, left) - part_units(pl.col("→rest"), done, pl.max_horizontal("mt", "m") - pl.col("m0"))
    made = told.with_columns((pl.col("earned") + moved).alias("earned"))
    return pl.concat([rows.filter(~asked), made.select(rows.columns)])
