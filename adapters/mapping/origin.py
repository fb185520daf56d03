"""Where a field's text comes from, and cells that an export already typed (Parquet)."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingType
from typing import Final

import polars as pl

from adapters.mapping.casting import NEVER, Cast, cast_field, too_large, trimmed
from adapters.mapping.model import FieldRule, Lookup, Mapping
from adapters.mapping.rows import column_text, holds, lookup
from engine.canonical.kinds import DECIMAL_PRECISION, DECIMAL_SCALE, FieldSpec, Kind


def field_text(
    name: str, rule: FieldRule, frame: pl.DataFrame, streams: MappingType[str, pl.DataFrame]
) -> tuple[pl.Expr, pl.DataFrame]:
    """Return a field's trimmed text, and the frame with any column that had to be added for it."""
    columns = frame.columns
    if rule.const is not None:
        return pl.lit(rule.const), frame
    if rule.first_of is not None:
        return pl.coalesce([column_text(columns, each.split(" | ")) for each in rule.first_of]), frame
    if rule.join is not None:
        parts = [column_text(columns, each.split(" | ")) for each in rule.join]
        return pl.concat_str(parts, separator=rule.separator), frame
    if rule.lookup is not None:
        column = f"@{name}"
        found = _looked_up(frame, rule.lookup, streams)
        before, after = column_text(columns, rule.prefer), column_text(columns, rule.if_not_found)
        return pl.col(column), frame.with_columns(found.alias(column)).with_columns(pl.coalesce(before, column, after).alias(column))
    if rule.header is not None:
        return pl.lit(_captured(rule.header, columns), dtype=pl.String), frame
    if rule.from_header is not None:
        matching = [column for column in columns if re.fullmatch(rule.from_header, column.strip())]
        return column_text(columns, matching[:1]), frame
    assert rule.source is not None
    return column_text(columns, rule.source), frame


def _looked_up(frame: pl.DataFrame, rule: Lookup, streams: MappingType[str, pl.DataFrame]) -> pl.Series:
    found = lookup(frame, rule, rule.take, streams)
    if rule.then is not None:
        found = _looked_up(pl.DataFrame({"value": found}), rule.then, streams)
    if rule.otherwise is None:
        return found
    return pl.select(pl.coalesce(found, _looked_up(frame, rule.otherwise, streams))).to_series()


def _captured(pattern: str, columns: list[str]) -> str | None:
    for column in columns:
        match = re.fullmatch(pattern, column.strip())
        if match is not None:
            return match.group(1)
    return None


# What is said of the amount's own cell or of the whole.
_OF_PARTS: Final = {"pattern": None, "template": None, "fallback": None, "sign": None, "reciprocal": False}


def adjusted(cast: Cast, rule: FieldRule, spec: FieldSpec, frame: pl.DataFrame, mapping: Mapping) -> Cast:
    """Apply what depends on other columns: parts added, a divisor, a sign, a period's start, conditions."""
    value, reason = cast.value, cast.reason
    if rule.exclusive_end:
        # A period that ends the instant it begins (a fee) is one day and not none.
        inclusive = rule.model_copy(update={"exclusive_end": ()})
        start = cast_field(column_text(frame.columns, rule.exclusive_end), spec, inclusive, mapping).value
        value = pl.when(value < start).then(start).otherwise(value)
    for name, factor in [*((each, 1) for each in rule.plus), *((each, -1) for each in rule.minus)]:
        # A part is written as the amount itself is: in the same unit, with the same signs.
        part = cast_field(column_text(frame.columns, name.split(" | ")), spec, rule.model_copy(update=_OF_PARTS), mapping)
        value = (value + part.value.fill_null(0) * factor).cast(spec.dtype)
        reason = pl.coalesce(reason, part.reason)
    if rule.divide_by is not None:
        divisor = column_text(frame.columns, rule.divide_by).str.to_decimal(scale=6)
        safe = pl.when(divisor != 0).then(divisor)
        wide = pl.Decimal(DECIMAL_PRECISION, 12)
        value = (value.cast(wide) / safe.cast(wide)).round(DECIMAL_SCALE[spec.kind], mode="half_away_from_zero")
        value = value.cast(spec.dtype)
        reason = pl.when(cast.value.is_not_null() & safe.is_null()).then(pl.lit("division_by_zero")).otherwise(reason)
    if rule.negate_when is not None:
        value = pl.when(holds(frame.columns, rule.negate_when)).then(value * -1).otherwise(value)
    if rule.only_when is not None:
        counts = holds(frame.columns, rule.only_when)
        value, reason = pl.when(counts).then(value), pl.when(counts).then(reason)
    return Cast(value, reason)


def typed_cast(column: str, dtype: pl.DataType, spec: FieldSpec, rule: FieldRule, mapping: Mapping) -> Cast:
    """Return the cast of a column that the export typed; floats go through their shortest text."""
    source = pl.col(column)
    plain = rule.unit is None and rule.sign is None and not rule.reciprocal and not rule.exclusive_end and rule.map is None
    if plain and dtype == spec.dtype and spec.kind in DECIMAL_SCALE:
        large = too_large(source, spec)
        return Cast(pl.when(~large).then(source), pl.when(large).then(pl.lit("number_too_large")))
    if plain and dtype == spec.dtype and spec.kind is not Kind.ENUM:
        return Cast(source, NEVER)
    if plain and spec.kind in DECIMAL_SCALE and isinstance(dtype, pl.Decimal):
        value = source.cast(spec.dtype, strict=False)
        bad = source.is_not_null() & value.is_null()
        lossy = source.is_not_null() & (value.cast(pl.Decimal(38, max(dtype.scale, DECIMAL_SCALE[spec.kind]))) != source)
        large = bad | too_large(value, spec).fill_null(value=False)
        named = pl.when(large).then(pl.lit("number_too_large")).when(lossy).then(pl.lit("too_many_decimals"))
        return Cast(pl.when(~large).then(value), named)
    if plain and spec.kind is Kind.TIME and isinstance(dtype, pl.Datetime):
        zoned = source if dtype.time_zone else source.dt.replace_time_zone(mapping.zone)
        return Cast(zoned.dt.convert_time_zone("UTC").dt.cast_time_unit("us"), NEVER)
    if plain and spec.kind is Kind.DATE and isinstance(dtype, pl.Datetime):
        midnight = source.dt.time() == pl.time(0, 0, 0)
        reason = pl.when(source.is_not_null() & ~midnight).then(pl.lit("not_a_date"))
        return Cast(pl.when(midnight).then(source.dt.date()), reason)
    return cast_field(trimmed(source.cast(pl.String)), spec, rule, mapping)
