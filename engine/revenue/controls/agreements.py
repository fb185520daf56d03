"""Agreements whose records do not fit together: amendments that reach nothing, contracts that cannot be combined."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.contracts.amendments import says_no_price
from engine.revenue.contracts.gate import combined_pairs
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.ground.records import Records


def combination_findings(records: Records, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every contract that is to be combined with one that nobody knows, or with one in another currency (25-9)."""
    named = records.frame("contract").select("contract_id", "combined_with_contract_id", "currency", "evidence", "total_value", "status")
    pairs = combined_pairs(named).filter(~pl.col("is_one")).drop("currency")
    hit = pairs.join(contracts.select("contract_id"), on="contract_id", how="semi")
    hit = hit.join(named.drop("combined_with_contract_id", "status"), on="contract_id", how="left").sort("contract_id")
    unknown = pl.format("Contract {} is to be combined with {}, which nobody knows; it is accounted for by itself.", "contract_id", "other")
    text = "Contract {} is to be combined with {}, which is in another currency; each is accounted for by itself."
    foreign = pl.format(text, "contract_id", "other")
    remedy = "Correct the contract it is combined with; promises in another currency stand as lines of one contract."
    return hit.select(
        *finding_columns("contracts_not_combined", "high", "contract", pl.when("is_known").then(foreign).otherwise(unknown), remedy),
        pl.col("contract_id").alias("entity_id"),
        "contract_id",
        pl.col("total_value").abs().cast(MONEY).alias("amount_at_risk"),
        "currency",
        "evidence",
    )


def unapplied_findings(records: Records, contracts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every approved amendment that changes nothing, or begins before its contract does.

    It has no date of effect or approval, or changes a line that its contract does not have, or has no more. One dated before its contract
    was signed is part of what was signed.
    """
    approved = records.frame("amendment").filter(pl.col("status") == "approved").drop("currency", strict=False)
    ours = approved.join(contracts.select("contract_id", "group_id", "signed_date", "currency"), on="contract_id", how="inner")
    every = records.frame("amendment_line")
    stated = every.select("amendment_id", "contract_line_id", "action")
    known = lines.select("contract_line_id", "group_id").with_columns(pl.lit(value=True).alias("is_known"))
    changed = stated.filter(pl.col("action").is_in(["change", "remove"]))
    changed = changed.join(ours.select("amendment_id", "group_id"), on="amendment_id", how="inner")
    lost = changed.join(known, on=["contract_line_id", "group_id"], how="left").filter(pl.col("is_known").is_null())
    lost = pl.concat([lost.select(stated.columns), _of_gone(every, ours).select(stated.columns)])
    lost = lost.group_by("amendment_id").agg(pl.col("contract_line_id").fill_null("a line without id").sort().alias("→lines"))
    day = pl.coalesce("approved_date", "effective_date")
    hit = ours.join(stated.select("amendment_id").unique(), on="amendment_id", how="semi").join(lost, on="amendment_id", how="left")
    undated = pl.format("Amendment {} is approved and has no date; it changes nothing.", "amendment_id")
    text = "Amendment {} changes {}, which is no promise of contract {} or was taken away; that part of it changes nothing."
    unknown = pl.format(text, "amendment_id", pl.col("→lines").list.join(", "), "contract_id")
    text = "Amendment {} is dated {}, before contract {} was signed; it counts as part of what was signed."
    early = pl.format(text, "amendment_id", day, "contract_id")
    latest = pl.max_horizontal("approved_date", "effective_date")
    why = pl.when(day.is_null()).then(undated).when(pl.col("→lines").is_not_null()).then(unknown)
    hit = hit.with_columns(why.when(latest < pl.col("signed_date")).then(early).otherwise(None).alias("→why"))
    hit = hit.filter(pl.col("→why").is_not_null()).sort("amendment_id")
    remedy = "Correct the dates of the amendment, or the lines that it names."
    return hit.select(
        *finding_columns("amendment_not_applied", "high", "amendment", pl.col("→why"), remedy),
        pl.col("amendment_id").alias("entity_id"),
        "contract_id",
        pl.col("amount_change").abs().cast(MONEY).alias("amount_at_risk"),
        "currency",
        "evidence",
    )


def _of_gone(stated: pl.DataFrame, amendments: pl.DataFrame) -> pl.DataFrame:
    """Return amendment lines that give a new term to a line which an earlier amendment took away."""
    day = pl.max_horizontal("approved_date", "effective_date")
    dated = stated.join(amendments.select("amendment_id", day.alias("→day")), on="amendment_id", how="inner")
    gone = dated.filter(pl.col("action") == "remove").group_by("contract_line_id").agg(pl.col("→day").min().alias("→gone"))
    later = dated.join(gone, on="contract_line_id", how="inner").filter((pl.col("action") == "change") & (pl.col("→day") > pl.col("→gone")))
    return later.filter(says_no_price() & pl.any_horizontal(pl.col("start_date", "end_date").is_not_null()))
