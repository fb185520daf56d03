"""What lines are expected to cost in all, as signed, as amended and as reported."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import FIRST_DAY, MONEY


def total_cost_history(
    lines: pl.DataFrame, progress: pl.DataFrame, amendment: pl.DataFrame, amendment_line: pl.DataFrame
) -> pl.DataFrame:  # fmt: skip
    """Return each line's estimated total cost over time: contract_line_id, end_date, estimated_total_cost."""
    beginning = pl.lit(FIRST_DAY)
    signed = lines.select(
        "contract_line_id", pl.coalesce("from_date", beginning).alias("end_date"), pl.col("estimated_cost").alias("estimated_total_cost")
    )
    # Agreed ahead, a change is in the price from approval on, and so is what it costs.
    known = pl.min_horizontal("effective_date", "approved_date").alias("end_date")
    approved = amendment.filter(pl.col("status") == "approved").select("amendment_id", known)
    stated = amendment_line.select("amendment_id", "contract_line_id", pl.col("estimated_cost").alias("estimated_total_cost"))
    amended = stated.join(approved, on="amendment_id", how="inner").select("contract_line_id", "end_date", "estimated_total_cost")
    observed = progress.select("contract_line_id", pl.col("as_of_date").alias("end_date"), "estimated_total_cost")
    # Of one day the observation has the last word: it holds the estimate after an amendment.
    every = pl.concat([frame.with_columns(pl.col("estimated_total_cost").cast(MONEY)) for frame in (signed, amended, observed)])
    return every.filter(pl.col("estimated_total_cost").is_not_null())
