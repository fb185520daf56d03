"""From which day a contract is one: as known now, and in closed periods as it was known at their close (606-10-25-1, 250-10-45)."""

from __future__ import annotations

import polars as pl

from engine.revenue.ground.frames import Books


def with_force(rows: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Add `in_force`: whether the contract meets the criteria on the row's `date`; `rows` have its gate and gate_date."""
    steps = books.extra.get("force")
    if steps is None:
        met = (pl.col("gate") == "met") & (pl.col("date") >= pl.col("gate_date"))
        return rows.with_columns(met.fill_null(value=False).alias("in_force"))
    found = rows.with_row_index("→row").sort("date").join_asof(steps.sort("date"), on="date", by="contract_id", check_sortedness=False)
    return found.sort("→row").drop("→row").with_columns(pl.col("in_force").fill_null(value=False))
