"""The price at which work paid by its cost is settled when its contract ends (606-10-25-13, 32-14)."""

from __future__ import annotations

import polars as pl

from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import money_units

_LINE = "contract_line_id"


@of_nothing
def settled(levels: pl.DataFrame, terms: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return the levels of cost-plus work, from the end of its contract on what an amendment of that day states for it.

    What was agreed for it then is owed whatever it turns out to have cost: no estimate is left in it. A fee beside a price of its own
    stays an estimate. `levels`: of lines priced by their cost.
    """
    ends = contracts.filter(pl.col("terminated_date").is_not_null()).select("contract_id", pl.col("terminated_date").alias("→end"))
    stated = terms.filter((pl.col("action") == "change") & pl.col("stated.amount").is_not_null() & (pl.col("pricing") == "cost_plus"))
    stated = stated.join(ends, on="contract_id", how="inner").filter(pl.col("event_date") == pl.col("→end")).sort("place")
    last = stated.unique(_LINE, keep="last", maintain_order=True)
    if not last.height:
        return levels
    amount = money_units(pl.col("amount"), pl.col("minor_digits"))
    price = last.select(_LINE, pl.col("→end").alias("date"), amount.alias("level"), "evidence")
    before = levels.join(price.select(_LINE, pl.col("date").alias("→end")), on=_LINE, how="left", maintain_order="left")
    before = before.filter((pl.col("date") < pl.col("→end")).fill_null(value=True)).select(levels.columns)
    about = levels.drop("date", "level", "evidence").unique(_LINE, keep="first", maintain_order=True)
    return pl.concat([before, price.join(about, on=_LINE, how="inner").select(levels.columns)])
