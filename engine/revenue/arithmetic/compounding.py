"""Growth factors at 28 digits, computed once per distinct rate and months, and the rate a price implies."""

from __future__ import annotations

import decimal
import functools
from decimal import Decimal
from typing import Final, TypeAlias

import polars as pl

from engine.nothing import of_nothing

DIGITS: Final = 28

RATE: Final = pl.Decimal(38, DIGITS)
"""Percent a year; a rate that a price implies needs all its digits."""

Flows: TypeAlias = tuple[tuple[tuple[int, Decimal], ...], ...]
"""By payment, what it pays for: months from payment to transfer (negative: paid after) and amount."""

FINE: Final = pl.Decimal(38, 20)
"""Amounts inside a calculation: money with digits enough that only posting rounds."""

_FACTOR_HIGH: Final = pl.Decimal(38, 14)

# Working digits beyond the 28 that are kept, so that a power is right in its last one.
_CONTEXT: Final = decimal.Context(prec=50, rounding=decimal.ROUND_HALF_EVEN)
_SPLIT: Final = Decimal("1e-14")


@functools.cache
def growth(rate: Decimal, months: int, compounding: str, step: int) -> Decimal:
    """Return what 1 grows to over whole months at a rate in percent a year.

    monthly: (1 + r/12)^months; annual: (1 + r)^(months/12); period: r for the months of one step of
    payment, compounded once a step.
    """
    with decimal.localcontext(_CONTEXT):
        if compounding == "annual":
            return (1 + rate / 100) ** (Decimal(months) / 12)
        if compounding == "monthly":
            return (1 + rate / 1200) ** months
        if compounding == "period":
            return (1 + rate * step / 1200) ** (Decimal(months) / step)
    raise AssertionError(f"compounding '{compounding}' is not one the policy admits")


@of_nothing
def with_factors(frame: pl.DataFrame, months: str, name: str) -> pl.DataFrame:
    """Add the growth factor over the months in column `months`, as two columns `<name>_high` and `<name>_low`.

    Needs `rate` (percent a year), `compounding` and `step`. The factor is high + low × 10⁻¹⁴: 14
    decimals each, so that a product with money stays exact in 38 digits.
    """
    keys = ["rate", months, "compounding", "step"]
    pairs = frame.select(keys).unique().drop_nulls()
    rows = []
    for rate, count, compounding, step in pairs.rows():
        factor = _to_digits(growth(rate, count, compounding, step))
        high = factor.quantize(_SPLIT, rounding=decimal.ROUND_DOWN)
        rows.append((high, _CONTEXT.multiply(factor - high, Decimal("1e14")).quantize(_SPLIT, rounding=decimal.ROUND_DOWN)))
    schema = {f"{name}_high": _FACTOR_HIGH, f"{name}_low": _FACTOR_HIGH}
    factors = pl.concat([pairs, pl.DataFrame(rows, schema=schema, orient="row")], how="horizontal")
    return frame.join(factors, on=keys, how="left", maintain_order="left")


def grown(amount: pl.Expr, name: str) -> pl.Expr:
    """Return an amount times the factor that `with_factors` added, with 20 decimals."""
    high, low = pl.col(f"{name}_high"), pl.col(f"{name}_low")
    fine = amount.cast(FINE)
    return fine * high.cast(FINE) + fine * (low.cast(FINE) / pl.lit(Decimal(10) ** 14, dtype=FINE))


def period_rate(rate: Decimal, compounding: str, step: int) -> Decimal:
    """Return the rate of one compounding period, in percent."""
    months = {"monthly": 1, "annual": 12}.get(compounding, step)
    return _to_digits(_CONTEXT.divide(rate * months, Decimal(12)))


@functools.cache
def implied_rate(flows: Flows, price: Decimal, compounding: str, step: int) -> Decimal | None:
    """Return the percent a year at which promised payments are worth the cash price at transfer, or None.

    `flows`: by payment what it pays for, as (months, amount): months from payment to transfer, negative when it is paid after. What
    one payment pays for at several transfers costs the same at each (606-10-32-16).
    The value of the payments moves one way with the rate when all lie on one side of the transfer;
    where no rate between -99 % and 1,000 % fits, there is none.
    """
    low, high = Decimal(-99), Decimal(1000)
    if compounding == "period":
        # A step longer than a year would let 1 + r × step/12 reach zero.
        low = max(low, Decimal(-1188) / max(step, 1))
    with decimal.localcontext(_CONTEXT):
        at_low, at_high = (_value(flows, rate, compounding, step) - price for rate in (low, high))
        if (at_low > 0) == (at_high > 0):
            return None
        for _ in range(140):
            middle = (low + high) / 2
            if (_value(flows, middle, compounding, step) - price > 0) == (at_low > 0):
                low = middle
            else:
                high = middle
        return _to_digits((low + high) / 2)


def _value(flows: Flows, rate: Decimal, compounding: str, step: int) -> Decimal:
    total = Decimal(0)
    for paid in flows:
        if len(paid) == 1:
            total += paid[0][1] * _grown(paid[0][0], rate, compounding, step)
        else:
            amount = sum((part for _, part in paid), Decimal(0))
            total += amount * amount / sum((part / _grown(months, rate, compounding, step) for months, part in paid), Decimal(0))
    return total


def _grown(months: int, rate: Decimal, compounding: str, step: int) -> Decimal:
    factor = _power(rate, abs(months), compounding, step)
    return factor if months >= 0 else 1 / factor


def _power(rate: Decimal, months: int, compounding: str, step: int) -> Decimal:
    return growth.__wrapped__(rate, months, compounding, step)


def _to_digits(value: Decimal) -> Decimal:
    """Return the value with 28 significant digits, no more than 28 decimals."""
    rounded = decimal.Context(prec=DIGITS).plus(value)
    finest = Decimal(1).scaleb(-DIGITS)
    return rounded.quantize(finest, context=_CONTEXT) if abs(rounded) < 1 else rounded
