"""Prices for which nothing is promised, and credits that no price bears (606-10-25-10, 32-25, 32-36, 55-18)."""

from __future__ import annotations

import polars as pl

from engine.nothing import of_nothing
from engine.revenue.ground.finding_columns import finding_columns, findings_of, plain_text
from engine.revenue.ground.records import Records
from engine.revenue.price.pricing import OUTSIDE


def without_promise(records: Records, contracts: pl.DataFrame, lines: pl.DataFrame, obligations: pl.DataFrame) -> pl.DataFrame:
    """Return contracts with a price and nothing promised for it: no lines, or none but deductions.

    Where no system supplies lines at all, contracts are known by their heads alone, and none of them lacks a promise.
    """
    if not lines.height and not records.frame("contract_line").height:
        contracts = contracts.clear()
    added = lines.filter(pl.col("added_place") > 0).select("group_id")
    earning = pl.concat([obligations.select("group_id"), added]).unique()
    lined = lines.select("contract_id").unique()
    valued = (pl.col("total_value").fill_null(0) != 0) | pl.col("contract_id").is_in(lined["contract_id"].implode())
    hit = contracts.filter(valued & pl.col("is_signed")).join(earning, on="group_id", how="anti")
    # A credit alone is no contract of its own: it changes the price of the one it was given for (25-10, 32-25).
    credited = lines.filter(pl.col("amount") < 0).select("contract_id").unique()
    is_credit = pl.col("contract_id").is_in(credited["contract_id"].implode())
    said = (
        pl.when(is_credit)
        .then(pl.format("Contract {} holds nothing but credits, and no promise that bears them.", "contract_id"))
        .otherwise(pl.format("Contract {} has a price, but no line that promises anything for it.", "contract_id"))
    )
    remedy = (
        pl.when(is_credit)
        .then(pl.lit("Combine it with the contract it credits, or enter the credit there: as a line, a change or an estimate; "
                     "where it buys a promise back, state its standalone selling price."))
        .otherwise(pl.lit("Enter the lines of the contract, or correct their amounts."))
    )  # fmt: skip
    return findings_of(hit, "contract", "total_value", "price_without_promise", "high", said, remedy)


def unborne_credits(contracts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every line below 0 that lowers no price, as its contracts promise only what is paid as it is done.

    Contracts of which nothing else is promised at all are told by themselves (`without_promise`).
    """
    is_credit = (pl.col("amount") < 0) & (pl.col("standalone_selling_price").fill_null(0) == 0)
    is_credit = (is_credit & ~pl.col("pricing").is_in(list(OUTSIDE))).fill_null(value=False)
    paid_as_done = pl.col("pricing").is_in(list(OUTSIDE))
    nothing_else = (paid_as_done | is_credit).all().over("group_id") & paid_as_done.any().over("group_id")
    signed = lines.join(contracts.filter("is_signed").select("contract_id"), on="contract_id", how="semi")
    return _told(signed.with_columns(nothing_else.alias("→alone")).filter(is_credit & pl.col("→alone")))


@of_nothing
def _told(hit: pl.DataFrame) -> pl.DataFrame:
    hit = hit.unique("contract_line_id", keep="first").sort("contract_line_id")
    text = "{} takes {} off a contract that promises only what is paid as it is done: no revenue is lowered by it."
    said = pl.format(text, "contract_line_id", plain_text(pl.col("amount") * -1))
    remedy = "Enter the credit as an estimate of the contract or of the line it concerns (`variable_estimate`, below 0)."
    return hit.select(
        *finding_columns("price_without_promise", "high", "contract_line", said, remedy), pl.col("contract_line_id").alias("entity_id"),
        "contract_id", "evidence",
    )  # fmt: skip
