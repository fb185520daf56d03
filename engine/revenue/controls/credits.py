"""Credits of contracts in which nothing but work as invoiced or use is promised: no price bears them (606-10-32-36, 55-18)."""

from __future__ import annotations

import polars as pl

from engine.nothing import of_nothing
from engine.revenue.ground.finding_columns import finding_columns, plain_text
from engine.revenue.price.pricing import OUTSIDE


def unborne_credits(contracts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every line below 0 that lowers no price, as its contracts promise only what is paid as it is done.

    Contracts of which nothing else is promised at all are told by themselves (`price_without_promise` in `missing`).
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
