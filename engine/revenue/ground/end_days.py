"""The day on which it became known that a contract ends, where no record states it."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

PRESUMED = "end_presumed"
"""Column of contracts: their `terminated_recorded_at` is the day their record was last changed."""


def with_end_days(contracts: pl.DataFrame, frame: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
    """Return contracts with `terminated_recorded_at` where nobody states it and the record was last changed before the end (`PRESUMED`).

    It was known by that day at the latest (606-10-25-10). An amendment that tells the end tells when it was known, too.
    """
    end, changed = pl.col("terminated_date"), pl.col("modified_at")
    silent = pl.col("terminated_recorded_at").is_null() & (changed.dt.date() < end)
    asked = contracts.filter(silent).select("contract_id", end.alias("→end"))
    if not asked.height:
        return contracts.with_columns(pl.lit(value=False).alias(PRESUMED))
    by_amendment = told_by_amendments(asked, frame)
    by_record = silent & ~pl.col("contract_id").is_in(by_amendment.implode())
    return contracts.with_columns(
        pl.when(by_record).then("modified_at").otherwise("terminated_recorded_at").alias("terminated_recorded_at"),
        by_record.fill_null(value=False).alias(PRESUMED),
    )


def told_by_amendments(ended: pl.DataFrame, frame: Callable[[str], pl.DataFrame]) -> pl.Series:
    """Return the contracts of which an approved amendment is dated on the end or states it; `ended`: contract_id, →end."""
    approved = frame("amendment").filter(pl.col("status") == "approved").join(ended, on="contract_id", how="inner")
    lines = frame("amendment_line").join(approved.select("amendment_id", "contract_id", "→end"), on="amendment_id", how="inner")
    told = [approved.filter(pl.col("effective_date") == pl.col("→end")), lines.filter(pl.col("end_date") == pl.col("→end"))]
    return pl.concat([each.select("contract_id") for each in told])["contract_id"].unique()
