"""The types a canonical field may have, and what each is in Polars.

Nothing here knows an entity. A kind fixes exactness: decimals carry a static scale, so that
no stage ever rounds by accident, and ids are text, so that `00123` stays `00123`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl

FIRST_DAY: Final = dt.date(1900, 1, 1)
"""No record is dated before this day: what holds from the beginning holds from here."""


class Kind(StrEnum):
    """Name the type of a canonical field, as the pages of the canonical model use the words."""

    ID = "id"
    TEXT = "text"
    ENUM = "enum"
    BOOL = "bool"
    INT = "int"
    MONEY = "money"
    PRICE = "price"
    QTY = "qty"
    RATE = "rate"
    HOURS = "hours"
    PCT = "pct"
    DATE = "date"
    TIME = "time"
    PERIOD = "period"


# Digits after the point. Money is wide enough for every currency and for the sub-cent amounts
# that usage billing exports; a value with more digits is held, never rounded.
DECIMAL_SCALE: Final[dict[Kind, int]] = {
    Kind.MONEY: 6,
    Kind.PRICE: 10,
    Kind.QTY: 10,
    Kind.RATE: 12,
    Kind.HOURS: 8,
    Kind.PCT: 8,
}

DECIMAL_PRECISION: Final = 38

# Digits before the point. No firm's records come near; a value beyond is damaged, and would leave
# the exact range once it is multiplied: hours times a price has twenty digits before the point.
DECIMAL_DIGITS: Final[dict[Kind, int]] = {
    Kind.MONEY: 15,
    Kind.PRICE: 12,
    Kind.QTY: 12,
    Kind.RATE: 12,
    Kind.HOURS: 8,
    Kind.PCT: 8,
}

_PLAIN_DTYPE: Final[dict[Kind, pl.DataType]] = {
    Kind.ID: pl.String(),
    Kind.TEXT: pl.String(),
    Kind.ENUM: pl.String(),
    Kind.PERIOD: pl.String(),
    Kind.BOOL: pl.Boolean(),
    Kind.INT: pl.Int64(),
    Kind.DATE: pl.Date(),
    Kind.TIME: pl.Datetime("us", "UTC"),
}


def polars_dtype(kind: Kind) -> pl.DataType:
    """Return the Polars type of a kind; decimals are `Decimal(38, scale of the kind)`."""
    scale = DECIMAL_SCALE.get(kind)
    if scale is not None:
        return pl.Decimal(DECIMAL_PRECISION, scale)
    return _PLAIN_DTYPE[kind]


MONEY: Final = polars_dtype(Kind.MONEY)
"""Amounts of money: `Decimal(38, 6)`."""


def is_decimal(kind: Kind) -> bool:
    """Say whether values of this kind are exact decimals."""
    return kind in DECIMAL_SCALE


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """Describe one canonical field to everything that is not pydantic.

    `currency` names where the currency of an amount stands: a field of the same record
    (`currency`), or a path through a reference (`contract.currency`); `own_currency` names the
    place that wins over it where filled. `reference` is the entity an id points at. `values` lists what an enum admits.
    """

    name: str
    kind: Kind
    meaning: str
    is_key: bool = False
    reference: str | None = None
    currency: str | None = None
    values: tuple[str, ...] = ()
    own_currency: str | None = None

    @property
    def currency_paths(self) -> tuple[str, ...]:
        """Return where the currency of an amount stands; the first that is filled holds."""
        return tuple(path for path in (self.own_currency, self.currency) if path is not None)

    @property
    def dtype(self) -> pl.DataType:
        """Return the Polars type of the field."""
        return polars_dtype(self.kind)
