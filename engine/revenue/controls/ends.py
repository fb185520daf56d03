"""Ends of contracts ahead of time of which no record says when they were known: told, since what remains hangs on it."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.revenue.ground.end_days import PRESUMED, told_by_amendments
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.posting.claims import Agreed


def end_findings(contracts: pl.DataFrame, records: Agreed, as_of: dt.date) -> pl.DataFrame:
    """Return a finding for every contract whose end was presumed known on a day, or known to this run ahead of any record.

    `contracts`: contract_id, terminated_date, end_known_at.
    """
    held = records.frame("contract").filter(pl.col("terminated_date").is_not_null())
    if PRESUMED not in held.columns:
        held = held.with_columns(pl.lit(value=False).alias(PRESUMED))
    to_come = contracts.filter(pl.col("end_known_at").is_null() & (pl.col("terminated_date") > as_of))
    told = told_by_amendments(to_come.select("contract_id", pl.col("terminated_date").alias("→end")), records.frame)
    undated = to_come.filter(~pl.col("contract_id").is_in(told.implode()))["contract_id"]
    rows = held.filter(pl.col(PRESUMED) | pl.col("contract_id").is_in(undated.implode())).sort("contract_id")
    end, changed = pl.col("terminated_date").cast(pl.String), pl.col("terminated_recorded_at").dt.date().cast(pl.String)
    silent = "No record says when it was known that contract {} ends on {}"
    presumed = pl.format(f"{silent}; its record was last changed on {{}}, and the end counts from then.", "contract_id", end, changed)
    unknown = pl.format(f"{silent}: it counts from the day of the run.", "contract_id", end)
    remedy = "Export when the end was recorded (`terminated_recorded_at`), or the amendment that ends the contract."
    said = pl.when(PRESUMED).then(presumed).otherwise(unknown)
    return rows.select(
        *finding_columns("end_not_dated", "low", "contract", said, remedy), pl.col("contract_id").alias("entity_id"), "contract_id",
        "evidence",
    )  # fmt: skip
