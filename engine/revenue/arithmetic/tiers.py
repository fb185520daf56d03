"""Prices by tiers of quantity: each tier its own units, or all units at the tier reached (606-10-32-8, 55-216)."""

from __future__ import annotations

import polars as pl

from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import times


def tier_value(quantities: pl.DataFrame, tiers: pl.DataFrame) -> pl.DataFrame:
    """Return what quantities cost where every tier prices only its own units: `row`, `value` (MONEY)."""
    low = pl.coalesce("from_quantity", pl.lit(0).cast(pl.Decimal(38, 10)))
    top = pl.when(pl.col("to_quantity").is_null()).then(pl.col("quantity")).otherwise(pl.min_horizontal("quantity", "to_quantity"))
    inside = pl.max_horizontal(top - low, pl.lit(0).cast(pl.Decimal(38, 10)))
    return (
        quantities.join(tiers.drop("evidence"), on="contract_line_id", how="inner")
        .with_columns(times(inside, pl.col("unit_price")).alias("value"))
        .group_by("row")
        .agg(pl.col("value").sum())
    )


@of_nothing
def worth_by_tiers(quantities: pl.DataFrame, tiers: pl.DataFrame) -> pl.DataFrame:
    """Return what quantities of lines with tiers cost: `row`, `value` (MONEY); retrospectively all units at the tier reached."""
    priced = tiers.filter(pl.col("unit_price").is_not_null()).join(quantities, on="contract_line_id", how="semi")
    each = tier_value(quantities, priced.filter(~pl.col("is_retrospective").fill_null(value=False)))
    whole = quantities.join(priced.filter("is_retrospective").drop("evidence"), on="contract_line_id", how="inner")
    reached = (pl.col("quantity") > pl.coalesce("from_quantity", pl.lit(0))) & (
        pl.col("to_quantity").is_null() | (pl.col("quantity") <= pl.col("to_quantity"))
    )
    worth = times(pl.col("quantity"), pl.col("unit_price"))
    return pl.concat([each, whole.filter(reached).select("row", worth.alias("value"))])
