"""A period's revenue pushed down to the time worked in it, by hours, amount or cost (setting `pushdown.by`)."""

from __future__ import annotations

import polars as pl

from engine.revenue.exact import minor_money, money_units, part_units, units_to_minor, wide
from engine.revenue.frames import empty, shaped
from engine.revenue.periods import with_period
from engine.revenue.schedule import TIME_REVENUE

RULE = "pushdown"


def time_revenue(
    performance: pl.DataFrame, worked: pl.DataFrame, lines: pl.DataFrame, contracts: pl.DataFrame, periods: pl.DataFrame
) -> pl.DataFrame:
    """Return each time entry's share in its line's revenue of its period; the shares of a period sum to its revenue.

    `worked`: the time that counts (`delivered.counted_time`). What rounding leaves goes along the entries in the
    order of their ids, so that every prefix is right to half a minor unit. Columns: `schedule.TIME_REVENUE`.
    """
    by = contracts.select("contract_id", pl.col("setting.pushdown.by").alias("by"), "minor_digits", "currency")
    about = lines.select("contract_line_id", "contract_id", "calendar").join(by, on="contract_id", how="inner")
    known = worked.join(about, on="contract_line_id", how="inner")
    if known.is_empty():
        return empty(TIME_REVENUE)
    entries = with_period(known, periods, "date")
    weight = (
        pl.when(pl.col("by") == "amount")
        .then(pl.col("value"))
        .when(pl.col("by") == "cost")
        .then(pl.col("cost").cast(pl.Decimal(38, 6)).to_physical().cast(pl.Int128))
        .otherwise(pl.col("hours").cast(pl.Decimal(38, 8)).to_physical().cast(pl.Int128))
    )
    earned = performance.filter(~pl.col("is_planned")).group_by("contract_line_id", "relates_to_period").agg(pl.col("amount").sum())
    rows = entries.with_columns(weight.fill_null(0).alias("weight")).join(
        earned.rename({"relates_to_period": "period"}), on=["contract_line_id", "period"], how="inner"
    )
    key = ["contract_line_id", "period"]
    rows = rows.sort("contract_line_id", "period", "time_entry_id")
    whole = pl.col("weight").sum().over(key)
    minor = units_to_minor(money_units(pl.col("amount"), pl.col("minor_digits")))
    through = part_units(minor, pl.col("weight").cum_sum().over(key), pl.when(whole > 0).then(whole))
    before = part_units(minor, pl.col("weight").cum_sum().over(key) - pl.col("weight"), pl.when(whole > 0).then(whole))
    share = (through - before).fill_null(wide(0))
    made = rows.with_columns(minor_money(share, pl.col("minor_digits")).alias("recognized_amount"), pl.lit(RULE).alias("rule"))
    return shaped(made.filter(whole > 0), TIME_REVENUE).sort("time_entry_id", "period")
