"""Standalone selling prices: stated, from list, from cost, from a range, of an option; and what is missing (606-10-32-31 to 32-35)."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.canonical.kinds import MONEY, Kind, polars_dtype
from engine.revenue.arithmetic.numbers import HUNDRED, whole_number, wide
from engine.revenue.ground.records import Records

_PCT = polars_dtype(Kind.PCT)


def _share(amount: pl.Expr, percent: pl.Expr) -> pl.Expr:
    hundred = wide(HUNDRED)
    product = amount * whole_number(percent, _PCT)
    return (product.abs() + hundred // 2) // hundred * product.sign()


def with_ssp(lines: pl.DataFrame, records: Records, option_prices: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Add `ssp` (millionths, null: not known) and `ssp_source` to lines.

    In this order: as stated; judged; the share of list price; cost plus a margin; the point of a range (the
    contract's own price inside it, else the nearest end or the middle); the option's worth; null.
    """
    judged = (
        records.frame("judgement")
        .filter((pl.col("question") == "standalone_selling_price") & pl.col("contract_line_id").is_not_null())
        .filter(pl.col("decided_on").is_null() | (pl.col("decided_on") <= as_of))
        .sort("decided_on", "judgement_id")
        .group_by("contract_line_id", maintain_order=True)
        .agg(pl.col("conclusion").last().str.replace_all(",", "").str.to_decimal(scale=6).alias("judged"))
    )
    worth = option_prices.select("contract_line_id", pl.col("standalone_selling_price").alias("worth"))
    made = lines.join(judged, on="contract_line_id", how="left", maintain_order="left")
    made = made.join(worth, on="contract_line_id", how="left", maintain_order="left")
    by_cost = pl.col("ssp_method") == "cost_plus"
    own_margin = pl.when(pl.col("fee_on_line_id").is_null()).then(pl.col("fee_pct"))
    margin = pl.coalesce(own_margin, pl.col("cost_plus_margin"), pl.lit(0)).cast(_PCT) + pl.lit(100, dtype=_PCT)
    low, high, own = whole_number("ssp_low", MONEY), whole_number("ssp_high", MONEY), whole_number("amount", MONEY)
    middle = (low + high) // 2
    outside = pl.when(pl.col("ssp_range") == "mid").then(middle).otherwise(pl.when(own < low).then(low).otherwise(high))
    in_range = pl.when((own >= low) & (own <= high)).then(own).when(own.is_null()).then(middle).otherwise(outside)
    # Under the residual method a range may only bound the residual, which then is what no other line is.
    known = pl.any_horizontal(pl.col(name).is_not_null() for name in ("standalone_selling_price", "judged", "ssp_pct_of_list", "worth"))
    # A discount is no promise and has no such price.
    unknown = ~known & ~by_cost.fill_null(value=False) & (pl.col("amount") >= 0).fill_null(value=True)
    named = ((pl.col("ssp_method") == "residual").fill_null(value=False) | (unknown & pl.col("ssp_low").is_null())).any().over("group_id")
    bounded = unknown & (pl.col("allocation_method") == "residual") & ~named & pl.col("ssp_method").is_null()
    is_residual = (pl.col("ssp_method") == "residual").fill_null(value=False) | bounded
    sources = {
        "stated": whole_number("standalone_selling_price", MONEY),
        "judgement": whole_number("judged", MONEY),
        "share of list": _share(whole_number("list_price", MONEY), pl.col("ssp_pct_of_list")),
        "cost plus": pl.when(by_cost).then(_share(whole_number("estimated_cost", MONEY), margin)),
        "range": pl.when(pl.col("ssp_low").is_not_null() & pl.col("ssp_high").is_not_null() & ~is_residual).then(in_range),
        "option": whole_number("worth", MONEY),
    }
    source = pl.coalesce([pl.when(value.is_not_null()).then(pl.lit(name)) for name, value in sources.items()])
    found = pl.coalesce(list(sources.values()))
    # An agent sells its arranging: of a price stated in full only its commission is standalone price (55-38).
    kept = pl.when(pl.col("role") == "agent").then(_share(found, pl.coalesce("commission_pct", pl.lit(0)))).otherwise(found)
    return made.with_columns(kept.alias("ssp"), source.alias("ssp_source")).drop("judged", "worth")
