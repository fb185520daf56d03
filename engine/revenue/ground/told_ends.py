"""The last day of terminated contracts of which only their amendments say when they end."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl


def with_told_ends(contracts: pl.DataFrame, frame: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
    """Return contracts with `terminated_date` where they are terminated and approved amendments end all that they promise.

    606-10-25-10: the last day on which anything is still served, where an amendment states that day and it is no later than agreed before.
    """
    silent = ((pl.col("status") == "terminated") & pl.col("terminated_date").is_null()).fill_null(value=False)
    asked = contracts.filter(silent).select("contract_id", pl.col("end_date").alias("→agreed"))
    if not asked.height:
        return contracts
    changed = _changed_ends(asked, frame)
    lines = frame("contract_line").select("contract_line_id", "contract_id", pl.col("end_date").alias("→own"))
    lines = lines.join(asked.select("contract_id"), on="contract_id", how="semi")
    rows = changed.join(lines, on=["contract_id", "contract_line_id"], how="full", coalesce=True)
    rows = rows.filter(~pl.col("→gone").fill_null(value=False)).join(asked, on="contract_id", how="inner")
    rows = rows.with_columns(pl.coalesce("→changed", "→own").alias("→last"))
    within = (pl.col("→changed") <= pl.coalesce("→own", "→agreed")).fill_null(value=True)
    last = pl.col("→last").max()
    told = rows.group_by("contract_id").agg(
        pl.when(pl.col("→last").is_not_null().all() & ((pl.col("→changed") == last) & within).any()).then(last).alias("→told")
    )
    made = contracts.join(told, on="contract_id", how="left", maintain_order="left")
    return made.with_columns(pl.coalesce("terminated_date", "→told").alias("terminated_date")).drop("→told")


def _changed_ends(asked: pl.DataFrame, frame: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
    """Return by line of these contracts the last end that an approved amendment states (`→changed`), and whether one removes it."""
    approved = frame("amendment").filter(pl.col("status") == "approved").select("amendment_id", "contract_id", "effective_date")
    rows = frame("amendment_line").join(approved.join(asked, on="contract_id", how="semi"), on="amendment_id", how="inner")
    rows = rows.filter(pl.col("contract_line_id").is_not_null()).sort("effective_date", "amendment_id", "amendment_line_id")
    return rows.group_by("contract_id", "contract_line_id").agg(
        pl.col("end_date").drop_nulls().last().alias("→changed"), (pl.col("action") == "remove").any().alias("→gone")
    )
