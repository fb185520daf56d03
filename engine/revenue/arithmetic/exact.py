"""Exact integers behind every revenue figure: guarded minor units, quotients without overflow, one rounding.

An amount is a whole number of *units*: a minor unit (a cent) has 10^9 of them. What a formula shares
or measures is kept in units; only what is posted is rounded to the minor unit.

Bounds: amounts below 10^27 units (10^16 in a currency of cents), measures below 10^23. A measure
times a measure would not fit 128 bits from 10^19 on, so a quotient is divided in three steps with
remainders, which loses nothing.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing
from engine.revenue.arithmetic.numbers import FRACTION, WIDE, whole_number, wide

GUARD: Final = 10**9
"""Units of one minor unit."""

COEFFICIENT: Final = 10**15
"""The whole of a share that is carried from event to event (`modifications/evolve.py`)."""

_HALF: Final = GUARD // 2
# Amounts that were cut to units may lie a few units beside a tie; nothing that is not a tie lies so near.
_SNAP: Final = 500
_STEP: Final = 10**10
# Twice as much fits 64 bits.
_FITS: Final = 4 * 10**18
# So small that its remainder times 10^12 fits 64 bits.
_SMALL: Final = 9_000_000

# Eight places hold hours, quantities and prices.
_PRODUCT: Final = pl.Decimal(38, 8)

_UNITS_PER_MICRO: Final[dict[int, int]] = {digits: 10 ** (digits + 3) for digits in range(7)}
_MICROS_PER_MINOR: Final[dict[int, int]] = {digits: 10 ** (6 - digits) for digits in range(7)}


def _of_digits(digits: pl.Expr, values: dict[int, int]) -> pl.Expr:
    result = wide(values[2])
    for count, value in values.items():
        if count != 2:
            result = pl.when(digits == count).then(wide(value)).otherwise(result)
    return result


def money_units(amount: pl.Expr, digits: pl.Expr) -> pl.Expr:
    """Return a MONEY amount in units, exactly; `digits` are those of its currency's minor unit."""
    return whole_number(amount, MONEY) * _of_digits(digits, _UNITS_PER_MICRO)


def units_of_a_millionth() -> pl.Expr:
    """Return how many units a millionth of the row's currency is (`minor_digits`)."""
    return money_units(pl.lit(1).cast(MONEY), pl.col("minor_digits")) // 10**6


def times(quantity: pl.Expr, price: pl.Expr) -> pl.Expr:
    """Return a quantity at a price as money."""
    return (quantity.cast(_PRODUCT) * price.cast(_PRODUCT)).cast(MONEY)


def minor_money(minor: pl.Expr, digits: pl.Expr) -> pl.Expr:
    """Return whole minor units as MONEY."""
    # A decimal of six places is a count of millionths.
    return (minor.cast(WIDE) * _of_digits(digits, _MICROS_PER_MINOR)).reinterpret(dtype=MONEY)


def units_money(units: pl.Expr, digits: pl.Expr) -> pl.Expr:
    """Return units as MONEY, rounded to the minor unit."""
    return minor_money(units_to_minor(units), digits)


def units_to_minor(units: pl.Expr, half_even: pl.Expr | None = None) -> pl.Expr:
    """Return units rounded to whole minor units, ties away from zero (or to even)."""
    # One division: what lies at a tie, or so near that it was cut there, goes up above zero and down below.
    away = (units + pl.when(units >= 0).then(wide(_HALF + _SNAP)).otherwise(wide(_HALF - _SNAP - 1))) // GUARD
    if half_even is None:
        return away
    minor, is_tie = units // GUARD, (units % GUARD - _HALF).abs() <= _SNAP
    return pl.when(half_even & is_tie).then(minor + (minor % 2 != 0).cast(WIDE)).otherwise(away)


def split(amount: pl.Expr, numerator: pl.Expr, denominator: pl.Expr) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Return |amount| × numerator ÷ denominator as (whole part, remainder, denominator of the remainder).

    numerator ≥ 0, denominator > 0 (a denominator of 0 gives null).
    """
    below = pl.when(denominator > 0).then(denominator)
    size = amount.abs()
    quotient, rest = size // below, size % below
    high, low = numerator // _STEP, numerator % _STEP
    first = rest * high
    second = (first % below) * _STEP + rest * low
    whole = quotient * numerator + (first // below) * _STEP + second // below
    return whole, second % below, below


def part_units(amount: pl.Expr, numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Return amount × numerator ÷ denominator in units, to the nearest unit."""
    whole, left, below = split(amount, numerator, denominator)
    return (whole + (left * 2 + below) // (below * 2)) * amount.sign()


def with_parts(frame: pl.DataFrame, **parts: tuple[pl.Expr, pl.Expr, pl.Expr]) -> pl.DataFrame:
    """Add amount × numerator ÷ denominator in units under each name, as `part_units` gives it.

    Step by step: an expression repeats what it is made of, so that a part of a part takes longer to plan than to compute.
    """
    given = frame.select(
        value.alias(f"{name}.{place}") for name, values in parts.items() for place, value in zip("and", values, strict=True)
    )
    made = given.select(part_units(*(pl.col(f"{name}.{place}") for place in "and")).alias(name) for name in parts)
    return frame.with_columns(made.get_columns())


def cumulative_minor(base: pl.Expr, amount: pl.Expr, numerator: pl.Expr, denominator: pl.Expr, half_even: pl.Expr | None = None) -> pl.Expr:
    """Return base + amount × numerator ÷ denominator rounded once, to whole minor units.

    Half away from zero (or to even), symmetrical in sign: a figure and its negative round alike.
    """
    whole, rest, _ = split(amount, numerator, denominator)
    has_rest = rest > 0
    floor = pl.when(amount < 0).then(base - whole - has_rest.cast(WIDE)).otherwise(base + whole)
    return _rounded(floor, has_rest, base % GUARD != 0, half_even)


def _rounded(floor: pl.Expr, has_rest: pl.Expr, is_cut: pl.Expr, half_even: pl.Expr | None) -> pl.Expr:
    """Round floor (+ something below one unit when `has_rest`) to minor units."""
    minor, left = floor // GUARD, floor % GUARD
    is_tie = ((left == _HALF) & ~has_rest) | (is_cut & ((left - _HALF).abs() <= _SNAP))
    tie_up = floor >= 0
    if half_even is not None:
        tie_up = pl.when(half_even).then(minor % 2 != 0).otherwise(tie_up)
    up = pl.when(is_tie).then(tie_up).otherwise(left >= _HALF)
    return minor + up.cast(WIDE)


def fraction(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Return numerator ÷ denominator as a decimal of 12 places for people to read (numerator ≤ 10^24)."""
    below = pl.when(denominator > 0).then(denominator)
    whole, rest = numerator // below, numerator % below
    # Twelve places of a large measure: cut both alike first.
    scale = pl.when(below >= 10**24).then(wide(10**6)).otherwise(wide(1))
    digits = (rest // scale * 10**12 + below // scale // 2) // (below // scale)
    return (whole * 10**12 + digits).reinterpret(dtype=FRACTION)


def with_fraction(rows: pl.DataFrame, name: str, numerator: pl.Expr, denominator: pl.Expr) -> pl.DataFrame:
    """Add numerator ÷ denominator as `fraction` gives it; where both are small, as days are, in numbers of 64 bits."""
    parts = rows.select(numerator.alias("n"), denominator.alias("d"))
    is_small = ((pl.col("n") < _SMALL) & (pl.col("d") < _SMALL)).fill_null(value=True)
    n, below = (pl.col(part).cast(pl.Int64, strict=False) for part in ("n", "d"))
    divisor = pl.when(below > 0).then(below)
    quick = (n // divisor) * 10**12 + (n % divisor * 10**12 + divisor // 2) // divisor
    told = parts.with_columns(is_small.alias("small"), quick.cast(WIDE).reinterpret(dtype=FRACTION).alias("quick"))
    large = told.filter(~pl.col("small"))
    if not large.height:
        return rows.with_columns(told["quick"].alias(name))
    exact = large.select(fraction(pl.col("n"), pl.col("d"))).to_series()
    place = (~pl.col("small")).cum_sum() - 1
    both = told.select(pl.when("small").then("quick").otherwise(pl.lit(exact).gather(pl.when(~pl.col("small")).then(place))).alias(name))
    return rows.with_columns(both.to_series())


@of_nothing
def with_cumulative(
    frame: pl.DataFrame,
    *,
    base: pl.Expr,
    amount: pl.Expr,
    numerator: pl.Expr,
    denominator: pl.Expr,
    half_even: pl.Expr,
    minor: str | None = None,
    units: str | None = None,
) -> pl.DataFrame:
    """Add base + amount × numerator ÷ denominator: rounded to whole minor units (`minor`), to the nearest unit (`units`).

    The same as `cumulative_minor` and `base + part_units`, step by step: on long frames an expression that repeats its
    parts would compute them again and again. Where every step fits 64 bits it takes half the memory. The denominator is positive.
    """
    col = pl.col
    parts = {"b": base, "a": amount, "n": numerator, "d": denominator, "even": half_even}
    given = frame.lazy().select(part.alias(name) for name, part in parts.items()).collect()
    staged = given.lazy().with_columns(col("b", "a", "n", "d").cast(_kind_of(given)))
    staged = staged.with_columns((col("a").abs() // col("d")).alias("q"), (col("a").abs() % col("d")).alias("r"))
    if (given.select(col("n").max()).item() or 0) < _STEP:
        # As of days: what is left of the amount times the measure fits, and is divided in one step.
        staged = staged.with_columns((col("r") * col("n")).alias("s"))
        whole = col("q") * col("n") + col("s") // col("d")
    else:
        staged = staged.with_columns((col("r") * (col("n") // _STEP)).alias("f"))
        staged = staged.with_columns(((col("f") % col("d")) * _STEP + col("r") * (col("n") % _STEP)).alias("s"))
        whole = col("q") * col("n") + (col("f") // col("d")) * _STEP + col("s") // col("d")
    staged = staged.with_columns(whole.alias("w"), (col("s") % col("d")).alias("r"))
    found = []
    if units is not None:
        nearest = (col("w") + (col("r") * 2 >= col("d")).cast(pl.Int64)) * col("a").sign()
        found.append((col("b") + nearest).cast(WIDE).alias(units))
    if minor is not None:
        staged = _with_minor(staged)
        found.append(col("minor").cast(WIDE).alias(minor))
    return frame.with_columns(staged.select(found).collect().get_columns())


def _kind_of(parts: pl.DataFrame) -> pl.DataType:
    """Return whole numbers of 64 bits where every step of `with_cumulative` fits them: a part of the whole, of moderate size."""
    col = pl.col
    sizes = parts.select(col("a", "b").abs().max(), col("n", "d").max(), (col("n") <= col("d")).all().alias("is_part"))
    amount, base, done, whole, is_part = sizes.row(0)
    return pl.Int64() if is_part and max(amount or 0, base or 0, (done or 1) * (whole or 0)) < _FITS else WIDE


def _with_minor(staged: pl.LazyFrame) -> pl.LazyFrame:
    """Add `minor`: b + a × n ÷ d in whole minor units, of which `w` is the whole part and `r` the rest."""
    col = pl.col
    staged = staged.with_columns((col("r") > 0).alias("rest"))
    up = pl.when(col("a") < 0).then(col("b") - col("w") - col("rest").cast(pl.Int64)).otherwise(col("b") + col("w"))
    staged = staged.with_columns(up.alias("floor"))
    staged = staged.with_columns((col("floor") // GUARD).alias("k"), (col("floor") % GUARD).alias("l"))
    is_cut = (col("b") % GUARD) != 0
    tie = ((col("l") == _HALF) & ~col("rest")) | (is_cut & ((col("l") - _HALF).abs() <= _SNAP))
    tie_up = pl.when(col("even")).then(col("k") % 2 != 0).otherwise(col("floor") >= 0)
    rounds_up = pl.when(tie).then(tie_up).otherwise(col("l") >= _HALF)
    return staged.with_columns((col("k") + rounds_up.cast(pl.Int64)).alias("minor"))
