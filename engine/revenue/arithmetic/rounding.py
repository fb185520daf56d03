"""Exact quotients to posted money, rounded to the minor unit (`engine.minor_units`) by a mode."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import DECIMAL_SCALE, MONEY, Kind
from engine.revenue.arithmetic.numbers import WIDE, whole_number, wide

_MONEY_SCALE: Final = DECIMAL_SCALE[Kind.MONEY]

_POWERS: Final[dict[int, int]] = {digits: 10 ** (_MONEY_SCALE - digits) for digits in range(_MONEY_SCALE + 1)}


def units(amount: pl.Expr) -> pl.Expr:
    """Return a MONEY amount as an exact Int128 count of millionths, the unit of all quotients here."""
    return whole_number(amount, MONEY)


def units_per_minor(digits: pl.Expr) -> pl.Expr:
    """Return how many millionths one minor unit has (1 cent = 10,000)."""
    return digits.cast(pl.Int64()).replace_strict(_POWERS, return_dtype=pl.Int64()).cast(WIDE)


def money(millionths: pl.Expr) -> pl.Expr:
    """Return an Int128 count of millionths as MONEY."""
    return millionths.cast(WIDE).reinterpret(dtype=MONEY)


def round_quotient(numerator: pl.Expr, denominator: pl.Expr, mode: pl.Expr | str = "half_up") -> pl.Expr:
    """Return numerator / denominator as a whole Int128, ties by mode: half_up (away from zero) or half_even.

    Both are integers; a zero or missing denominator gives null. The sign is handled symmetrically:
    rounding the negative of a quotient gives the negative of its rounding.
    """
    numerator, denominator = numerator.cast(WIDE), denominator.cast(WIDE)
    safe = pl.when(denominator != 0).then(denominator.abs())
    floor, rest = numerator.abs() // safe, numerator.abs() % safe
    twice = rest * 2
    even = (mode if isinstance(mode, pl.Expr) else pl.lit(mode)) == "half_even"
    tie_up = pl.when(even).then(floor % 2 == 1).otherwise(pl.lit(value=True))
    up = (twice > safe) | ((twice == safe) & tie_up)
    return (floor + up.cast(WIDE)) * numerator.sign() * denominator.sign()


def truncate_quotient(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Return numerator / denominator as a whole Int128 towards zero; null where the denominator is 0."""
    numerator, denominator = numerator.cast(WIDE), denominator.cast(WIDE)
    safe = pl.when(denominator != 0).then(denominator.abs())
    return (numerator.abs() // safe) * numerator.sign() * denominator.sign()


def round_share(amount: pl.Expr, part: pl.Expr, whole: pl.Expr, digits: pl.Expr, mode: pl.Expr | str = "half_up") -> pl.Expr:
    """Return amount × part / whole as MONEY rounded once, to the currency's minor unit.

    `amount` is MONEY, `part` and `whole` are integers of one unit (days, measure units, millionths of money).
    """
    minor = units_per_minor(digits)
    return money(round_quotient(units(amount) * part.cast(WIDE), whole.cast(WIDE) * minor, mode) * minor)


def round_money(amount: pl.Expr, digits: pl.Expr, mode: pl.Expr | str = "half_up") -> pl.Expr:
    """Return a MONEY amount rounded to the currency's minor unit."""
    return round_share(amount, wide(1), wide(1), digits, mode)
