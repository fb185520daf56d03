"""Exact quotients to posted money: minor units, rounding modes, splits that add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from engine.canonical.kinds import DECIMAL_SCALE, Kind, polars_dtype

MONEY: Final = polars_dtype(Kind.MONEY)

WIDE: Final = pl.Int128()
"""Integers that hold a money amount times a measure without overflow (up to 1.7e38)."""

DEFAULT_MINOR_DIGITS: Final = 2

# ISO 4217 currencies whose minor unit is not a hundredth.
_MINOR_DIGITS: Final[dict[str, int]] = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}

_MONEY_SCALE: Final = DECIMAL_SCALE[Kind.MONEY]

_POWERS: Final[dict[int, int]] = {digits: 10 ** (_MONEY_SCALE - digits) for digits in range(_MONEY_SCALE + 1)}


def minor_digits(currency: pl.Expr) -> pl.Expr:
    """Return the decimals of a currency's minor unit (JPY 0, KWD 3; 2 where nothing else is known)."""
    return currency.replace_strict(_MINOR_DIGITS, default=DEFAULT_MINOR_DIGITS, return_dtype=pl.Int64())


def units(amount: pl.Expr) -> pl.Expr:
    """Return a MONEY amount as an exact Int128 count of millionths, the unit of all quotients here."""
    return amount.cast(MONEY).to_physical().cast(WIDE)


def units_per_minor(digits: pl.Expr) -> pl.Expr:
    """Return how many millionths one minor unit has (1 cent = 10,000)."""
    return digits.cast(pl.Int64()).replace_strict(_POWERS, return_dtype=pl.Int64()).cast(WIDE)


def money(millionths: pl.Expr) -> pl.Expr:
    """Return an Int128 count of millionths as MONEY."""
    # A cast of the integer gives whole currency units; dividing by the scale keeps all six digits exactly.
    return millionths.cast(MONEY) / pl.lit(10**_MONEY_SCALE, dtype=MONEY)


def wide(value: int) -> pl.Expr:
    """Return a whole number as an Int128 literal."""
    return pl.lit(value, dtype=WIDE)


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


def largest_remainder(numerator: pl.Expr, denominator: pl.Expr, order: Sequence[str], group: Sequence[str]) -> pl.Expr:
    """Return whole Int128 shares of a group that add up to the group's rounded total.

    Every exact share numerator / denominator (one positive denominator in a group) is cut towards
    zero; the units that are left go to the largest cut-off parts, ties to the first by `order`.
    Shares of mixed sign keep the sum; split(-x) = -split(x).
    """
    keys = list(group)
    whole = round_quotient(numerator.sum().over(keys), denominator.first().over(keys))
    cut = truncate_quotient(numerator, denominator)
    left = whole - cut.sum().over(keys)
    # A unit goes where the cut-off part points the way the total still has to go.
    part = (numerator - cut * denominator) * left.sign()
    rank = pl.struct((part * -1).alias("part"), *order).rank("ordinal").over(keys)
    return cut + pl.when(rank <= left.abs()).then(left.sign()).otherwise(wide(0))


def post_schedule(
    numerator: pl.Expr, denominator: pl.Expr, *, order: Sequence[str], group: Sequence[str],
    mode: pl.Expr | str = "half_up", schedule: pl.Expr | str = "cumulative",
) -> pl.Expr:  # fmt: skip
    """Return the whole amounts to post per period of a schedule, as Int128, from exact cumulative figures.

    `numerator` / `denominator` is what is earned through the row's period, in the unit to be posted;
    rows of a group stand in `order`. schedule: `cumulative` rounds every cumulative figure and posts
    differences; `last_period_plug` rounds every period and leaves the rest to the last;
    `largest_remainder` cuts every period and hands the rest to the largest cut-off parts. Where a
    group's denominator changes from row to row only cumulative rounding is defined, and is used.
    """
    keys, places = list(group), list(order)
    through = round_quotient(numerator, denominator, mode)
    cumulative = through - through.shift(1).over(keys, order_by=places).fill_null(0)
    period = numerator - numerator.shift(1).over(keys, order_by=places).fill_null(0)
    rounded = round_quotient(period, denominator, mode)
    last = _row_number(places).over(keys) == pl.len().over(keys)
    total = through.last().over(keys, order_by=places)
    plug = pl.when(last).then(total - rounded.sum().over(keys) + rounded).otherwise(rounded)
    remainder = largest_remainder(period, denominator, places, keys)
    chosen = schedule if isinstance(schedule, pl.Expr) else pl.lit(schedule)
    same = denominator.n_unique().over(keys) == 1
    return (
        pl.when(same & (chosen == "last_period_plug")).then(plug)
        .when(same & (chosen == "largest_remainder")).then(remainder)
        .otherwise(cumulative)
    )  # fmt: skip


def give_residue(rounded: pl.Expr, total: pl.Expr, *, key: str, group: Sequence[str], residual_to: pl.Expr) -> pl.Expr:
    """Return rounded shares with (total − their sum) given to the owner that the policy names.

    residual_to: `largest` (greatest absolute share), `last`, `first` (by `key`), or `named(<key>)`;
    ties and a key that is not in the group go to the lowest key.
    """
    keys = list(group)
    name = pl.col(key)
    named = residual_to.str.extract(r"^named\((.*)\)$")
    has_named = (name == named).fill_null(value=False).max().over(keys)
    score = (
        pl.when(residual_to == "largest").then(rounded.cast(MONEY).abs())
        .when(has_named & (name == named)).then(pl.lit(1, dtype=MONEY))
        .otherwise(pl.lit(0, dtype=MONEY))
    )  # fmt: skip
    by_key = name.rank("ordinal").over(keys).cast(pl.Int64())
    backwards = residual_to == "last"
    place = pl.when(backwards).then(by_key * -1).otherwise(by_key)
    best = pl.struct((score * -1).alias("score"), place.alias("place")).rank("ordinal").over(keys) == 1
    residue = total - rounded.sum().over(keys)
    return pl.when(best).then(rounded + residue).otherwise(rounded)


def _row_number(order: Sequence[str]) -> pl.Expr:
    return pl.struct(*order).rank("ordinal")
