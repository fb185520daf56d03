"""Numbers that every room of revenue counts in: wide integers, and no money at all."""

from __future__ import annotations

from functools import cache
from typing import Final

import polars as pl

from engine.canonical.kinds import DECIMAL_SCALE, MONEY, Kind, polars_dtype

WIDE: Final = pl.Int128()
"""Integers that hold a money amount times a measure without overflow (up to 1.7e38)."""

FRACTION: Final = pl.Decimal(38, 12)
"""Progress and shares for people to read; figures are computed from exact integers, never from these."""

ZERO: Final = pl.lit(0, dtype=MONEY)
"""No money, as an expression."""

_PERCENT: Final = polars_dtype(Kind.PCT)

HUNDRED: Final[int] = 100 * 10 ** DECIMAL_SCALE[Kind.PCT]
"""A hundred percent, as `percent` tells it."""


@cache
def wide(value: int) -> pl.Expr:
    """Return a whole number as an Int128 literal; few are asked for, and often: each is made once."""
    return pl.lit(value, dtype=WIDE)


def whole_number(value: pl.Expr | str, dtype: pl.DataType) -> pl.Expr:
    """Return a decimal as the whole number it is kept as: how many of its last place it counts."""
    return (pl.col(value) if isinstance(value, str) else value).cast(dtype).to_physical().cast(WIDE)


def percent(value: pl.Expr | str) -> pl.Expr:
    """Return a percentage as a whole number (`HUNDRED` is all of it), 0 where none is known."""
    return whole_number(pl.coalesce(value, pl.lit(0)), _PERCENT)


def worth_of_units(quantity: pl.Expr | None = None) -> pl.Expr:
    """Return what all units of a row cost (MONEY): `quantity` (the row's own unless given) at its `unit_price`."""
    return ((pl.col("quantity") if quantity is None else quantity) * pl.col("unit_price")).cast(MONEY)
