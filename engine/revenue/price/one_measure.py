"""One measure an obligation: which of its lines decides how all of them are earned, whatever their ids (606-10-25-32)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.revenue.arithmetic.runs import counted
from engine.revenue.price.pricing import OUTSIDE

_ORDER: Final = ("cost_to_cost", "hours", "units", "milestones", "observed", "cost_recovery", "usage", "time_elapsed")
"""Among equals what shows performance goes before the passing of time."""


def with_one_measure(lines: pl.DataFrame) -> pl.DataFrame:
    """Add `rank` (the least decides how its obligation is treated) and give every line its obligation's `timing` and `measure`.

    The obligation as a whole is judged (606-10-25-22, 25-27, 25-32): of its lines with a price, those it was signed with decide; what
    passes over time before what passes at a point, since the whole is then transferred over time (Example 11 Case B); then the
    greater price, then what the policy assigns line by line. `own.timing`, `own.measure`: the line's own. A line that only bears an
    uncertainty, without price and day of its own, has the term of the others.
    """
    made = lines.with_columns(
        pl.col("timing").alias("own.timing"), pl.col("measure").alias("own.measure"), pl.lit(0, dtype=pl.Int32).alias("rank")
    )
    inside = ~pl.col("pricing").is_in(list(OUTSIDE)) & pl.col("measure").is_not_null()
    several = made.filter(pl.col("okey").is_duplicated()).filter(inside)
    if not several.height:
        return made
    ranked = _ranked(several)
    of_all = ranked.group_by("okey").agg(
        pl.col("timing", "measure").sort_by("→rank").first().name.prefix("→"),
        pl.col("begins").filter(~pl.col("→is_bare")).min().alias("→begins"),
        pl.col("ends").filter(~pl.col("→is_bare")).max().alias("→ends"),
    )
    known = ranked.select("okey", "contract_line_id", "→rank", "→is_bare").join(of_all, on="okey", how="left").drop("okey")
    made = made.join(known, on="contract_line_id", how="left", maintain_order="left")
    return made.with_columns(
        pl.coalesce("→timing", "timing").alias("timing"),
        pl.coalesce("→measure", "measure").alias("measure"),
        pl.coalesce("→rank", "rank").alias("rank"),
        *(pl.when("→is_bare").then(pl.coalesce(f"→{name}", name)).otherwise(name).alias(name) for name in ("begins", "ends")),
    ).drop("→timing", "→measure", "→rank", "→is_bare", "→begins", "→ends")


def _ranked(lines: pl.DataFrame) -> pl.DataFrame:
    """Return lines of obligations of several with `→rank` (1 for the one that decides) and `→is_bare` (it only bears an uncertainty)."""
    treated = ["okey", "timing", "measure"]
    worth = pl.coalesce("amount", "standalone_selling_price", pl.lit(0)).abs()
    summed = lines.group_by(treated).agg(worth.sum().alias("→worth"))
    place = pl.col("measure").replace_strict(_ORDER, range(len(_ORDER)), default=len(_ORDER), return_dtype=pl.Int32)
    unpriced = (pl.col("amount") == 0).fill_null(value=False)
    undated = pl.all_horizontal(pl.col("start_date", "end_date").is_null()) & (pl.coalesce("standalone_selling_price", pl.lit(0)) == 0)
    at_a_point = pl.col("timing") != "over_time"
    ranked = lines.join(summed, on=treated, how="left").sort(
        "okey", unpriced, "added_place", at_a_point, pl.col("→worth") * -1, ~pl.col("is_assigned"), place, worth * -1, "contract_line_id"
    )
    return ranked.with_columns(counted("okey").cast(pl.Int32).alias("→rank"), (unpriced & undated).alias("→is_bare"))
