"""Minor units of currencies (ISO 4217): how many digits after the point their amounts have, and amounts rounded to them."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY

_USUAL: Final = 2

_DIGITS: Final[dict[str, int]] = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""Currencies whose minor unit is not a hundredth."""

_MODES: Final = {"half_up": "half_away_from_zero", "half_even": "half_to_even"}


def minor_digits(currency: pl.Expr) -> pl.Expr:
    """Return the decimals of a currency's minor unit (JPY 0, KWD 3; 2 where nothing else is known)."""
    return currency.replace_strict(_DIGITS, default=_USUAL, return_dtype=pl.Int64())


def minor_unit(currency: pl.Expr) -> pl.Expr:
    """Return one minor unit of a currency as MONEY: a cent, a yen."""
    return minor_digits(currency).replace_strict({digits: Decimal(1).scaleb(-digits) for digits in range(5)}, return_dtype=MONEY)


def rounded(amount: pl.Expr, currency: pl.Expr, mode: str = "half_up") -> pl.Expr:
    """Return an amount in whole minor units of its currency, in its own decimals: half away from zero, or to even."""
    word = _MODES[mode]
    result = amount.round(_USUAL, mode=word)  # type: ignore[arg-type]
    for digits in sorted(set(_DIGITS.values())):
        names = [name for name, each in _DIGITS.items() if each == digits]
        result = pl.when(currency.is_in(names)).then(amount.round(digits, mode=word)).otherwise(result)  # type: ignore[arg-type]
    return result


def rounded_money(amount: pl.Expr, currency: pl.Expr, mode: str = "half_up") -> pl.Expr:
    """Return an amount as MONEY, rounded once to the minor unit of its currency (`rounded`)."""
    return rounded(amount, currency, mode).cast(MONEY)
