"""Numbers that every room of revenue counts in: wide integers, and no money at all."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY

WIDE: Final = pl.Int128()
"""Integers that hold a money amount times a measure without overflow (up to 1.7e38)."""

ZERO: Final = pl.lit(0, dtype=MONEY)
"""No money, as an expression."""


def wide(value: int) -> pl.Expr:
    """Return a whole number as an Int128 literal."""
    return pl.lit(value, dtype=WIDE)
