"""What hours cost and what they are worth: rates of people and of entries, and exact products of hours and prices."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import DECIMAL_SCALE, Kind, polars_dtype
from engine.revenue.arithmetic.numbers import HUNDRED, whole_number, wide
from engine.revenue.arithmetic.rounding import money, round_quotient, units, units_per_minor


def with_cost_rates(time: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Return time entries with the `cost_rate` and `cost_currency` they count at: their own, else those of who worked.

    A stated rate goes with its own currency. `people`: resource records.
    """
    own = people.select("resource_id", pl.col("cost_rate").alias("→rate"), pl.col("cost_currency").alias("→currency"))
    rows = time.join(own.unique("resource_id", keep="first"), on="resource_id", how="left", maintain_order="left")
    return rows.with_columns(
        pl.coalesce("cost_rate", "→rate").alias("cost_rate"),
        pl.when(pl.col("cost_rate").is_not_null()).then("cost_currency").otherwise("→currency").alias("cost_currency"),
    ).drop("→rate", "→currency")


def worth_of_hours(price: pl.Expr, digits: pl.Expr, factor: pl.Expr | None = None) -> pl.Expr:
    """Return a row's hours × MONEY price × factor (of HUNDRED, null: all of it) as money rounded once, to the minor unit of `digits`."""
    minor = units_per_minor(digits)
    product = units(price) * whole_number("hours", polars_dtype(Kind.HOURS)) * (wide(HUNDRED) if factor is None else factor)
    return money(round_quotient(product, wide(10 ** DECIMAL_SCALE[Kind.HOURS]) * HUNDRED * minor) * minor)
