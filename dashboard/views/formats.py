"""How values are written for people: thousands separated, negative in parentheses, currency beside the amount."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

MISSING: Final = "–"

_CENT: Final = Decimal("0.01")


def money(value: Decimal | None, currency: str | None = None) -> str:
    """Return an amount to the cent, negative in parentheses, with its currency; a dash when it is not known."""
    if value is None:
        return MISSING
    rounded = value.quantize(_CENT, ROUND_HALF_UP)
    text = f"({abs(rounded):,.2f})" if rounded < 0 else f"{rounded:,.2f}"
    return f"{text} {currency}" if currency else text


def is_currency(unit: str | None) -> bool:
    """Say whether a unit is a currency's code; a share or hours at risk are no money."""
    return unit is not None and len(unit) == 3 and unit.isupper()


def number(value: Decimal | int | None) -> str:
    """Return a quantity with as many decimals as it has, negative in parentheses."""
    if value is None:
        return MISSING
    exact = Decimal(value)
    text = f"{abs(exact):,f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"({text})" if exact < 0 else text


def measure(value: Decimal | None, unit: str | None) -> str:
    """Return a figure in its unit: a currency, per cent, days, hours or a count."""
    if value is None:
        return MISSING
    if unit == "count":
        return number(value)
    if is_currency(unit):
        return money(value, unit)
    rounded = number(value.quantize(_CENT, ROUND_HALF_UP))
    return f"{rounded} {'%' if unit == 'pct' else unit or ''}".rstrip()


def words(code: str | None) -> str:
    """Return a code as words: `partially_billed` is `partially billed`."""
    return MISSING if code is None else code.replace("_", " ")


def cell(value: Any, kind: str, currency: str | None = None) -> str:
    """Return the text of a table's cell by the kind of its column."""
    if value is None:
        return "" if kind in ("text", "code", "list") else MISSING
    if kind == "money":
        return money(value, currency) if currency is None or is_currency(currency) else measure(value, currency)
    if kind in ("number", "count") and isinstance(value, str):
        return value  # a figure told in its unit
    if kind in ("number", "count"):
        return number(value)
    if kind == "code":
        return words(str(value))
    if kind == "list":
        return ", ".join(str(each) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value)
