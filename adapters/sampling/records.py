"""How the simulation holds records: canonical names, with every decimal as whole hundredths.

Exchange rates alone are whole millionths. `stated` turns such a frame into canonical records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import polars as pl

from engine.canonical.kinds import FieldSpec, Kind, is_decimal
from engine.canonical.schema import PROVENANCE, entity_spec

PolarsType = pl.DataType | type[pl.DataType]

_HUNDREDTH: Final = Decimal("0.01")
_MILLIONTH: Final = Decimal("0.000001")


def _field(entity: str, name: str) -> FieldSpec | None:
    return entity_spec(entity).fields.get(name) or PROVENANCE.get(name)


def record_frame(
    entity: str, rows: Sequence[Mapping[str, object]], columns: Sequence[str], extra: Mapping[str, Any] | None = None
) -> pl.DataFrame:
    """Return rows as a frame of the named columns; `extra` types those that are not canonical."""
    schema: dict[str, Any] = {}
    for name in columns:
        spec = _field(entity, name)
        if spec is None:
            schema[name] = (extra or {})[name]
        else:
            schema[name] = pl.Int64() if is_decimal(spec.kind) else spec.dtype
    return pl.DataFrame([{name: row.get(name) for name in columns} for row in rows], schema=schema)


def stated(entity: str, frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return the columns of a frame in their canonical types, in the given order."""
    return frame.select(_stated_column(entity, name, frame.schema[name]) for name in columns)


def _stated_column(entity: str, name: str, dtype: pl.DataType) -> pl.Expr:
    spec = _field(entity, name)
    if spec is None:
        raise KeyError(f"{entity} has no field {name}")
    column = pl.col(name)
    if not is_decimal(spec.kind) or dtype.is_decimal():
        return column.cast(spec.dtype)
    unit = _MILLIONTH if spec.kind is Kind.RATE else _HUNDREDTH
    return column.cast(spec.dtype) * pl.lit(unit)


def half_up(amount: pl.Expr, by: pl.Expr | int, per: pl.Expr | int) -> pl.Expr:
    """Return amount × by ÷ per as a whole number, halves away from zero; `per` is positive."""
    product = amount * by
    return product.sign() * ((2 * product.abs() + per) // (2 * pl.lit(per) if isinstance(per, int) else 2 * per))


def half_up_int(amount: int, by: int, per: int) -> int:
    """Return amount × by ÷ per as a whole number, halves away from zero; `per` is positive."""
    product = amount * by
    size = (2 * abs(product) + per) // (2 * per)
    return size if product >= 0 else -size
