"""The last day of rights to draw on what was paid for or committed to: what is not used by then is earned (606-10-55-46 to 55-49)."""

from __future__ import annotations

import polars as pl

from engine.revenue.arithmetic.numbers import wide


def as_agreed(lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return the lines with the last day that was agreed for them before they lapsed; what has lapsed is not revived."""
    steps = terms.filter(pl.col("place") > 0).join(lines.select("contract_line_id", "ends"), on="contract_line_id", how="inner")
    if not steps.height:
        return lines
    # What was agreed before that day counts, though it takes effect after it (606-10-25-10).
    in_time = (pl.coalesce("agreed_on", "event_date") <= pl.coalesce("before.end_date", "ends")).fill_null(value=True)
    steps = steps.sort("contract_line_id", "place").filter(in_time.cum_min().over("contract_line_id", order_by="place"))
    # A term cut short ends with the change at the earliest.
    moved = pl.col("end_date") != pl.coalesce("before.end_date", "ends")
    steps = steps.filter(moved.fill_null(value=False)).group_by("contract_line_id", maintain_order=True).agg(
        pl.max_horizontal("end_date", "event_date").last().alias("→ends")
    )  # fmt: skip
    made = lines.join(steps, on="contract_line_id", how="left", maintain_order="left")
    return made.with_columns(pl.coalesce("→ends", "ends").alias("ends")).drop("→ends")


def expired(made: pl.DataFrame, chosen: pl.DataFrame, lapses: pl.Expr) -> pl.DataFrame:
    """Add the expiry of rights: what was not used by the last day of all lines of an obligation is earned then.

    `made`: observations (`OBSERVED`). `chosen`: the lines with `okey`, `ends`, `evidence` and what `lapses` asks: whether one is over.
    """
    is_over = lapses.fill_null(value=False).all()
    ending = (
        chosen.group_by("okey")
        .agg(is_over.alias("→over"), pl.col("ends").max().alias("date"), pl.col("evidence").explode().drop_nulls().unique().sort())
        .filter("→over").drop("→over")
    )
    rows = ending.with_columns(
        wide(1).alias("to_date"),
        wide(1).alias("total"),
        wide(0).alias("at_cost"),
        pl.lit("expiry").alias("basis"),
        pl.lit(value=False).alias("is_reestimate"),
    )
    limits = ending.select("okey", pl.col("date").alias("ended"))
    kept = made.join(limits, on="okey", how="left").filter(pl.col("ended").is_null() | (pl.col("date") < pl.col("ended"))).drop("ended")
    return pl.concat([kept, rows], how="diagonal")
