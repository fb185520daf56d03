"""Promises on record that an amendment adds which nobody approved, or not yet (606-10-25-10, 25-11)."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.nothing import of_no
from engine.revenue.arithmetic.runs import without
from engine.revenue.ground.frames import setting
from engine.revenue.ground.records import Records


def is_agreed() -> pl.Expr:
    """Say whether an amendment changes its contract: approved, or enforceable before anybody approved it (25-11)."""
    return (pl.col("status") == "approved") | ((pl.col("status") == "draft") & pl.col("is_enforceable").fill_null(value=False))


def agreed_day() -> pl.Expr:
    """Return the day on which an amendment that counts was agreed: approved, or in effect where it is one or the other alone."""
    effective = pl.coalesce("effective_date", "approved_date")
    return pl.when(pl.col("status") == "approved").then(pl.coalesce("approved_date", "effective_date")).otherwise(effective)


@of_no("lines")
def without_not_agreed(lines: pl.DataFrame, records: Records, contracts: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return contract lines without those that stand in the contract only by amendments that do not count as of a day.

    An amendment counts that was agreed by then (in effect, where the policy dates changes by that); of one without a status nobody knows.
    """
    added = records.frame("amendment_line").filter((pl.col("action") == "add") & pl.col("contract_line_id").is_not_null())
    if not added.height:
        return lines
    dated = contracts.select("contract_id", setting("modification.date"))
    heads = records.frame("amendment").join(dated, on="contract_id", how="inner")
    by_effect = (pl.col("setting.modification.date") == "effective").fill_null(value=False)
    known = pl.when(by_effect).then(pl.coalesce("effective_date", "approved_date")).otherwise(agreed_day())
    counts = (is_agreed() & (known <= as_of)) | pl.col("status").is_null()
    told = added.join(heads.select("amendment_id", counts.fill_null(value=False).alias("→counts")), on="amendment_id", how="left")
    # An amendment that is not there was not known on the day asked for; else it is a mistake of the record, and takes nothing away.
    told = told.group_by("contract_line_id").agg(pl.col("→counts").fill_null(records.known_on is None).any())
    return without(lines, told.filter(~pl.col("→counts")), "contract_line_id")
