"""Exact products and shares of money: one rounding, to the digits the currency has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from engine.canonical.kinds import DECIMAL_PRECISION, MONEY, Kind, polars_dtype
from engine.minor_units import rounded_money

PRICE: Final = polars_dtype(Kind.PRICE)
HOURS: Final = polars_dtype(Kind.HOURS)
RATE: Final = polars_dtype(Kind.RATE)

# Hours have 8 decimals and prices 10, so their product has 18 at most.
_PRODUCT: Final = pl.Decimal(DECIMAL_PRECISION, 18)


def product(first: pl.Expr, second: pl.Expr) -> pl.Expr:
    """Return an exact product of hours or an amount and a price or a rate, with 18 decimals."""
    return first.cast(_PRODUCT) * second.cast(_PRODUCT)


def with_share(rows: pl.LazyFrame, order: Sequence[str], group: str) -> pl.LazyFrame:
    """Add `→share`: each row's share of its group's `net_amount` in `currency` by `hours`, the shares adding up to it exactly.

    Shares are the differences of the rounded running share, in the given order, in which the rows come back; a group whose
    hours add up to nothing gives all to its first row.
    """
    total, hours = pl.col("net_amount"), pl.col("hours")
    running, whole = hours.cum_sum().over(group), hours.sum().over(group)
    part = product(total, running) / pl.when(whole != 0).then(whole).cast(_PRODUCT)
    upto = pl.when(running == whole).then(total).otherwise(rounded_money(part, pl.col("currency")))
    summed = rows.sort(group, *order, maintain_order=True).with_columns(upto.alias("→upto"))
    share = pl.col("→upto") - pl.col("→upto").shift(1).over(group).fill_null(0)
    return summed.with_columns(share.cast(MONEY).alias("→share")).drop("→upto")
