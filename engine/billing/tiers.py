"""Prices by quantity: hours of a line priced by the tiers its running total passes."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from engine.billing.money import HOURS, PRICE, product
from engine.billing.references import frame_of
from engine.canonical.kinds import MONEY
from engine.minor_units import rounded_money


def tiered_amounts(frame: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame], rounding: str) -> pl.LazyFrame:
    """Add `→tiered`, the worth of time on lines with price tiers, and make its average price the rate.

    Approved client hours count in order of day and id. A tier begins after `from_quantity` and ends
    with `to_quantity`; a retrospective tier prices every hour of the line at the tier reached.
    """
    known = frame_of(frames, "price_tier").filter(pl.col("unit_price").is_not_null()).select(
        pl.col("contract_line_id"), pl.col("from_quantity").fill_null(0).cast(HOURS).alias("→low"),
        pl.col("to_quantity").cast(HOURS).alias("→high"), pl.col("unit_price").alias("→tier"),
        pl.col("is_retrospective").fill_null(value=False).alias("→back"),
    ).collect()  # fmt: skip
    if not known.height:
        return frame.with_columns(pl.lit(None, dtype=MONEY).alias("→tiered"))
    tiers = known.lazy()
    counted = pl.col("billable").fill_null(value=False) & (pl.col("status") == "approved")
    # As a condition on the entry itself it is met before anything is joined to the others.
    is_tiered = pl.col("contract_line_id").is_in(known["contract_line_id"].unique().implode())
    own = frame.filter(is_tiered & counted).select(
        "time_entry_id", "contract_line_id", "work_date", pl.col("item.quantity").alias("→hours")
    )
    upto = pl.col("→hours").cum_sum().over("contract_line_id", order_by=["work_date", "time_entry_id"])
    whole = pl.col("→hours").sum().over("contract_line_id")
    ranged = own.with_columns(upto.alias("→upto"), whole.alias("→whole")).join(tiers, on="contract_line_id", how="inner")
    overlap = pl.min_horizontal(pl.col("→upto"), pl.col("→high").fill_null(pl.col("→upto"))) - pl.max_horizontal(
        pl.col("→upto") - pl.col("→hours"), pl.col("→low")
    )
    reached = (pl.col("→whole") > pl.col("→low")) & (pl.col("→high").is_null() | (pl.col("→whole") <= pl.col("→high")))
    part = pl.when(pl.col("→back")).then(pl.when(reached).then(pl.col("→hours"))).otherwise(pl.when(overlap > 0).then(overlap))
    priced = ranged.with_columns(product(part.cast(HOURS), pl.col("→tier")).alias("→part")).drop_nulls("→part")
    totals = priced.group_by("time_entry_id").agg(pl.col("→part").sum().alias("→part"))
    worth = rounded_money(pl.col("→part"), pl.col("item.currency"), rounding)
    average = (pl.col("→part") / pl.when(pl.col("item.quantity") != 0).then(pl.col("item.quantity")).cast(pl.Decimal(38, 18))).round(
        10, mode="half_away_from_zero"
    )
    joined = frame.join(totals, on="time_entry_id", how="left", maintain_order="left")
    return joined.with_columns(
        worth.alias("→tiered"), pl.coalesce(average.cast(PRICE), "item.rate").alias("item.rate"),
        pl.when(pl.col("→part").is_not_null()).then(pl.lit("price_tier")).otherwise("item.rate_source").alias("item.rate_source"),
    ).drop("→part")  # fmt: skip
