"""Milestones whose parts of the work do not fit together: told, since revenue is measured by them (606-10-55-17)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.revenue.ground.finding_columns import findings_of, plain_text
from engine.revenue.ground.records import Records
from engine.revenue.progress.observed import of_measure

_WHOLE: Final = 100
_REMEDY: Final = "State progress_pct of every milestone of the line, or of none; together they are 100 %."


def milestone_findings(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every line whose milestones state percentages and amounts, or come to more than all of it.

    Percentages beyond 100 earn nothing more; beside percentages an amount counts over the line's, and a milestone that states
    neither is no progress (VOCABULARY 9).
    """
    stated = records.frame("milestone").filter(pl.col("status").is_null() | (pl.col("status") != "rejected"))
    chosen = of_measure(lines, "milestones").drop("evidence")
    rows = stated.select("contract_line_id", "progress_pct", pl.col("amount").alias("→part"), "evidence").join(
        chosen, on="contract_line_id", how="inner"
    )
    by_line = rows.group_by("contract_line_id").agg(
        pl.col("progress_pct").sum().alias("→percent"),
        pl.col("progress_pct").is_not_null().any().alias("→by_percent"),
        (pl.col("progress_pct").is_null() & pl.col("→part").is_not_null()).sum().alias("→by_amount"),
        (pl.col("progress_pct").is_null() & pl.col("→part").is_null()).sum().alias("→by_nothing"),
        pl.col("evidence").explode().drop_nulls().unique().sort(),
    )
    hit = by_line.filter("→by_percent").join(chosen, on="contract_line_id", how="inner").sort("contract_line_id")
    more = pl.format("The milestones of {} come to {} % of it; beyond 100 % nothing more is earned.", "contract_line_id",
                     plain_text(pl.col("→percent")))  # fmt: skip
    amounts = pl.format("Of the milestones of {} some state a percentage and {} an amount alone, which counts over the line's amount.",
                        "contract_line_id", "→by_amount")  # fmt: skip
    nothing = pl.format("Of the milestones of {} some state a percentage and {} nothing; those are no progress.",
                        "contract_line_id", "→by_nothing")  # fmt: skip
    said = (
        pl.when(pl.col("→percent") > _WHOLE)
        .then(more)
        .when(pl.col("→by_amount") > 0)
        .then(amounts)
        .when(pl.col("→by_nothing") > 0)
        .then(nothing)
    )
    hit = hit.with_columns(said.alias("→said")).filter(pl.col("→said").is_not_null())
    return findings_of(hit, "contract_line", "amount", "milestones_unclear", "medium", pl.col("→said"), _REMEDY)
