"""Which promises the price of a contract is shared over, and which bear what concerns all of it (606-10-32-28, 32-36, 32-40)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.revenue.arithmetic.exact import units_of_a_millionth

POOLED: Final = ("fixed", "periodic", "percent_of", "package")
"""Ways of pricing whose lines share in the contract's price; the others are priced by themselves (32-40)."""

PRICED_BY_ITSELF: Final = ("hours", "capped", "tiers", "cost_plus", "noncash")
"""Those whose own price is what the work, or what is received in kind, comes to; they bear what concerns the contract where nothing else
does (32-42)."""


def shared_amounts(signed: pl.DataFrame, terms: pl.DataFrame, initial: pl.DataFrame) -> pl.Series:
    """Return the groups in whose price is an amount of the whole contract: a variable one, or a discount, now or later."""
    given = terms.filter((pl.col("action") == "add") & (pl.col("pooled") < 0) & (pl.col("standalone_selling_price").fill_null(0) == 0))
    later = signed.join(given.select("contract_id").unique(), on="contract_id", how="semi")
    found = [initial.filter("has_whole").select("group_id"), signed.filter("is_borne").select("group_id"), later.select("group_id")]
    return pl.concat(found)["group_id"].unique()


def with_pooled_promises(signed: pl.DataFrame, contracts: pl.DataFrame, whole: pl.Series) -> pl.DataFrame:
    """Add `is_pooled`: the line's price is shared over the contract's promises. `whole`: groups with an amount of the whole contract.

    `by_work`: a line priced by its work (hours, tiers, cost), or by what is received for it in kind, that bears such amounts, as nothing
    else is promised.
    """
    # What is paid in kind at its value of inception is part of that price, measured at receipt it has a price of its own.
    measured = contracts.select("contract_id", (pl.col("setting.noncash.measured_at") != "receipt").alias("→fixed_in_kind"))
    signed = signed.join(measured, on="contract_id", how="left", maintain_order="left")
    in_kind = (pl.col("pricing") == "noncash") & pl.col("→fixed_in_kind").fill_null(value=True)
    # A column of its own: a list of lines inside a window is held once for every window.
    signed = signed.with_columns(((pl.col("pricing").is_in(list(POOLED)) & ~_on_work(signed)) | in_kind).alias("→shares"))
    # What is passed on at its own price needs no standalone price and takes no part in a discount.
    is_apart = (pl.col("offering") == "pass_through") & pl.col("ssp").is_null() & (pl.col("pricing") == "fixed")
    signed = signed.with_columns((is_apart & (pl.len().over("group_id") > 1)).fill_null(value=False).alias("→apart"))
    # Where nothing else is promised, amounts of the whole contract are shared by these prices.
    others = (pl.col("→shares") & ~pl.col("→apart") & ~pl.col("is_borne")).any().over("group_id")
    alone = ~others & pl.col("group_id").is_in(whole.implode())
    signed = signed.with_columns(
        (pl.col("→apart") & alone & (pl.col("pooled") > 0)).fill_null(value=False).alias("→bears"),
        (pl.col("pricing").is_in(list(PRICED_BY_ITSELF)) & alone).fill_null(value=False).alias("by_work"),
    )
    unit = units_of_a_millionth()
    return signed.with_columns(
        ((pl.col("→shares") & (~pl.col("→apart") | pl.col("→bears"))) | pl.col("by_work")).alias("is_pooled"),
        pl.when("→bears").then(pl.col("pooled") // unit).otherwise(pl.col("ssp")).alias("ssp"),
    ).drop("→shares", "→apart", "→bears")


def _on_work(lines: pl.DataFrame) -> pl.Expr:
    """Tell fees that are a percent of work priced by itself (hours, tiers, cost): they have its level as their own price (32-40)."""
    by_work = lines.filter(~pl.col("pricing").is_in(list(POOLED)))["contract_line_id"]
    return (pl.col("pricing") == "percent_of") & pl.col("fee_on_line_id").is_in(by_work.implode()).fill_null(value=False)
