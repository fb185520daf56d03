"""Text to typed values with loss detection: a cell is read exactly, or its row is held.

Every function returns a `Cast`: the typed expression and, for cells that are not blank, an
expression naming the reason the cell cannot be read (null = read well). Nothing is rounded but
the declared divisions of minutes, seconds and reciprocals, half-up at the field's scale.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import polars as pl

from adapters.mapping.model import FieldRule, Mapping
from engine.canonical.kinds import DECIMAL_DIGITS, DECIMAL_PRECISION, DECIMAL_SCALE, FIRST_DAY, FieldSpec, Kind

REASONS: Final[dict[str, str]] = {
    "not_a_number": "Write the amount as digits with the declared decimal sign, without exponent, formula or text.",
    "too_many_decimals": "The value has more decimal places than can be kept exactly; export it with fewer.",
    "number_too_large": "The value has more digits than any amount can have; correct it in the source.",
    "not_a_whole_number": "Write a whole number.",
    "not_a_date": "Write the date as the mapping declares, or declare the format of this export (a workbook's day numbers: `sheet_days`).",
    "date_out_of_range": "The year is outside 1900-2999; correct it in the source.",
    "not_a_time": "Write the time in the format the mapping declares, or declare the format of this export.",
    "not_a_boolean": "Write one of the words the mapping declares for true and false.",
    "unknown_value": "Correct the value in the source, or add the word to the mapping.",
    "division_by_zero": "The divisor is zero; correct it in the source.",
    "total_differs": "The cells do not add up to the total beside them; correct the one or the other in the source.",
    "mangled_id": "A spreadsheet made a number, a day or a row of # of the id, and its digits are lost; "
    "export it again, or import the column as text before saving.",
    "missing_key": "The record has no id; complete it in the source.",
    "total_line": "The row is the sum or the count of those above it and no record; leave it out of the export.",
    "duplicate_key": "Two records of this system have the same id; remove or correct one in the source.",
    "missing_column": "The file lacks the column that identifies the record; export it, or add its name to the mapping.",
}

# A workbook counts days from here; before 1 March 1900 it counts a day that never was.
DAY_ZERO: Final = dt.date(1899, 12, 30)
_FIRST_SURE_DAY: Final = 61

# What a spreadsheet makes of an id that looks like a number (12345678901234567), like a day (3-4), or is wider than its column.
_MANGLED: Final = r"^(?:\d(?:[.,]\d+)?E\+\d{1,3}|\d{1,2}-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)|#{3,})$"

_UNIT_DIVISOR: Final = {"cents": 100, "minutes": 60, "seconds": 3600}

Expr = pl.Expr

NEVER: Final = pl.lit(None, dtype=pl.String)
"""The reason of a cell that can always be read."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Hold a typed expression and the reason expression (text, null where the cell was read)."""

    value: Expr
    reason: Expr


def trimmed(text: Expr) -> Expr:
    """Return the text without surrounding white space; blank becomes null."""
    stripped = text.str.strip_chars()
    return pl.when(stripped != "").then(stripped)


def cast_field(text: Expr, spec: FieldSpec, rule: FieldRule, mapping: Mapping) -> Cast:
    """Return how a field's trimmed text becomes its typed value."""
    text = prepared(text, rule)
    if spec.kind in DECIMAL_SCALE:
        return _decimal(text, spec, rule)
    if spec.kind is Kind.INT:
        return _integer(text, rule)
    if spec.kind is Kind.DATE:
        return _date(text, rule, mapping)
    if spec.kind is Kind.TIME:
        return _time(text, rule, mapping)
    if spec.kind is Kind.BOOL:
        return _boolean(text, rule, mapping)
    if spec.kind is Kind.ENUM:
        return _enum(text, spec, rule)
    made = _text(text, rule)
    if spec.kind is Kind.ID:
        return Cast(made.value, pl.coalesce(made.reason, _reason(text, text.str.contains(_MANGLED), "mangled_id")))
    return Cast(_currency(made.value), made.reason) if spec.name.endswith("currency") else made


def prepared(text: Expr, rule: FieldRule) -> Expr:
    """Return what of a cell's text counts: the part a pattern finds, without the words for nothing."""
    if rule.pattern is not None:
        if rule.template is None:
            text = trimmed(text.str.extract(rule.pattern, 1))
        else:
            text = pl.when(text.str.contains(rule.pattern)).then(text.str.replace(rule.pattern, rule.template))
    if rule.null_values:
        text = pl.when(~text.is_in(list(rule.null_values))).then(text)
    return text


def _mapped(text: Expr, rule: FieldRule) -> Expr:
    if rule.map is None:
        return text
    default = pl.lit(rule.otherwise, dtype=pl.String) if rule.otherwise is not None else pl.lit(None, dtype=pl.String)
    words = text.replace_strict(rule.map, default=default, return_dtype=pl.String)
    return pl.when(text.is_not_null()).then(words)


def _with_fallback(value: Expr, text: Expr, fallback: object, dtype: pl.DataType) -> Expr:
    if fallback is None:
        return value
    return pl.when(text.is_null()).then(pl.lit(fallback, dtype=dtype)).otherwise(value)


def _reason(text: Expr, bad: Expr, name: str) -> Expr:
    return pl.when(text.is_not_null() & bad.fill_null(value=True)).then(pl.lit(name))


def _text(text: Expr, rule: FieldRule) -> Cast:
    value = _mapped(text, rule)
    reason = NEVER if rule.map is None else _reason(text, value.is_null(), "unknown_value")
    return Cast(_with_fallback(value, text, rule.fallback, pl.String()), reason)


def _currency(code: Expr) -> Expr:
    """Return a code of ISO 4217 as it is written there: `eur` and `Eur` are EUR."""
    return pl.when(code.str.len_bytes() == 3).then(code.str.to_uppercase()).otherwise(code)


def _enum(text: Expr, spec: FieldSpec, rule: FieldRule) -> Cast:
    if rule.map is not None:
        value = _mapped(text, rule)
    else:
        # Most cells hold a word of the model as it is; only the others are looked at closely.
        known = text.is_in(list(spec.values))
        word = pl.when(~known).then(text).str.to_lowercase().str.replace_all(r"[\s-]+", "_")
        value = pl.when(known).then(text).when(word.is_in(list(spec.values))).then(word)
    bad = value.is_null()
    return Cast(_with_fallback(value, text, rule.fallback, pl.String()), _reason(text, bad, "unknown_value"))


def _boolean(text: Expr, rule: FieldRule, mapping: Mapping) -> Cast:
    yes = [word.lower() for word in (rule.true or mapping.true)]
    no = [word.lower() for word in (rule.false or mapping.false)]
    word = text.str.to_lowercase()
    value = pl.when(word.is_in(yes)).then(pl.lit(value=True)).when(word.is_in(no)).then(pl.lit(value=False))
    fallback = None if rule.fallback is None else rule.fallback == "true"
    return Cast(_with_fallback(value, text, fallback, pl.Boolean()), _reason(text, value.is_null(), "not_a_boolean"))


def _plain_number(text: Expr, rule: FieldRule) -> Expr:
    """Return the number with a point as decimal sign and without thousands signs and symbols."""
    if rule.decimal == "." and not (rule.strip or rule.thousands):
        return text
    for character in rule.strip:
        text = text.str.replace_all(character, "", literal=True)
    if rule.thousands:
        text = text.str.replace_all(rule.thousands, "", literal=True)
    if rule.decimal != ".":
        # A point in a number whose decimal sign is the comma would silently change its size.
        text = text.str.replace_all(".", "?", literal=True).str.replace_all(rule.decimal, ".", literal=True)
    return text.str.strip_chars()


def _thousands_well_placed(text: Expr, rule: FieldRule) -> Expr:
    if not rule.thousands:
        return pl.lit(value=True)
    sign, point = _escaped(rule.thousands), _escaped(rule.decimal)
    return text.str.contains(rf"^[^0-9]*(\d+|\d{{1,3}}({sign}\d{{3}})+)({point}\d*)?[^0-9]*$")


def _escaped(character: str) -> str:
    return f"\\x{{{ord(character):x}}}"


def _decimal(text: Expr, spec: FieldSpec, rule: FieldRule) -> Cast:
    scale = DECIMAL_SCALE[spec.kind]
    wide = scale if rule.unit is None and rule.divide_by is None and not rule.reciprocal else 12
    number = _plain_number(text, rule)
    is_number = number.str.contains(r"^[+-]?(\d+\.?\d*|\.\d+)$") & _thousands_well_placed(text, rule)
    fits = number.str.contains(rf"^[+-]?\d*(\.\d{{0,{wide}}}0*)?$")
    small = number.str.contains(rf"^[+-]?0*\d{{0,{DECIMAL_PRECISION - wide - 1}}}(\.\d*)?$")
    readable = pl.when(is_number & fits & small).then(number.str.strip_prefix("+"))
    value = readable.str.to_decimal(scale=wide).cast(pl.Decimal(DECIMAL_PRECISION, wide))
    value = _converted(value, rule, scale).cast(spec.dtype)
    large = too_large(value, spec)
    reason = (
        pl.when(text.is_null()).then(None)
        .when(~is_number).then(pl.lit("not_a_number"))
        .when(~fits).then(pl.lit("too_many_decimals"))
        .when(~small | large).then(pl.lit("number_too_large"))
    )  # fmt: skip
    value = pl.when(~large).then(value)
    if rule.fallback is not None:
        fallback = pl.lit(rule.fallback).str.to_decimal(scale=scale).cast(spec.dtype)
        value = pl.when(text.is_null()).then(fallback).otherwise(value)
    return Cast(value, reason)


def too_large(value: Expr, spec: FieldSpec) -> Expr:
    """Return whether a decimal has more digits before the point than its kind can have."""
    return value.abs() >= pl.lit(Decimal(10 ** DECIMAL_DIGITS[spec.kind]), dtype=spec.dtype)


def _converted(value: Expr, rule: FieldRule, scale: int) -> Expr:
    """Apply the declared unit, reciprocal and sign to a decimal at a wide scale."""
    wide = pl.Decimal(DECIMAL_PRECISION, 12)
    if rule.unit in _UNIT_DIVISOR:
        value = (value.cast(wide) / _UNIT_DIVISOR[rule.unit]).round(scale, mode="half_away_from_zero")
    elif rule.unit == "fraction":
        value = value.cast(wide) * 100
    if rule.reciprocal:
        value = pl.lit(1).cast(wide) / pl.when(value != 0).then(value.cast(wide))
    if rule.sign == "positive":
        value = pl.when(value > 0).then(value).when(value.is_not_null()).then(value * 0)
    elif rule.sign == "negative":
        value = pl.when(value < 0).then(value * -1).when(value.is_not_null()).then(value * 0)
    elif rule.sign == "absolute":
        value = value.abs()
    return value


def _integer(text: Expr, rule: FieldRule) -> Cast:
    number = _plain_number(text, rule)
    whole = number.str.contains(r"^[+-]?\d{1,17}(\.0*)?$")
    digits = pl.when(whole).then(number.str.replace(r"\.0*$", "").str.strip_prefix("+"))
    value = digits.cast(pl.Int64, strict=False)
    fallback = None if rule.fallback is None else int(rule.fallback)
    return Cast(_with_fallback(value, text, fallback, pl.Int64()), _reason(text, value.is_null(), "not_a_whole_number"))


def _date(text: Expr, rule: FieldRule, mapping: Mapping) -> Cast:
    formats = rule.date or mapping.date
    one = _last_day if rule.exclusive_end else _one_date
    value = pl.coalesce([one(text, each) for each in formats])
    in_range = value.dt.year().is_between(FIRST_DAY.year, 2999)
    reason = (
        pl.when(text.is_null()).then(None)
        .when(value.is_null()).then(pl.lit("not_a_date"))
        .when(~in_range).then(pl.lit("date_out_of_range"))
    )  # fmt: skip
    return Cast(pl.when(in_range).then(value), reason)


def _one_date(text: Expr, form: str) -> Expr:
    if form == "epoch_s":
        return _epoch(text, 1_000_000).dt.date()
    if form == "epoch_ms":
        return _epoch(text, 1_000).dt.date()
    if form == "sheet_days":
        days = pl.when(text.str.contains(r"^\d{2,5}(\.0+)?$")).then(text.str.replace(r"\..*", "")).cast(pl.Int64, strict=False)
        return pl.lit(DAY_ZERO) + pl.duration(days=pl.when(days >= _FIRST_SURE_DAY).then(days))
    if form == "%Y-%m-%d":
        # chrono would also take `25-1-1`; ISO dates have exactly ten characters.
        text = pl.when(text.str.contains(r"^\d{4}-\d{2}-\d{2}$")).then(text)
    return text.str.to_date(form, strict=False)


def _last_day(text: Expr, form: str) -> Expr:
    """Return the last day of a period from when the next one begins, or from the last second before."""
    if form in ("epoch_s", "epoch_ms"):
        moment = _epoch(text, 1_000_000 if form == "epoch_s" else 1_000)
    elif "%H" in form:
        moment = text.str.to_datetime(form, time_unit="us", strict=False)
    else:
        return _one_date(text, form).dt.offset_by("-1d")
    return moment.dt.offset_by("-86399s").dt.date()


def _epoch(text: Expr, micro: int) -> Expr:
    whole = pl.when(text.str.contains(r"^-?\d{1,14}$")).then(text).cast(pl.Int64, strict=False)
    return (whole * micro).cast(pl.Datetime("us", "UTC"))


def _sheet_time(text: Expr) -> Expr:
    """Return the instant of a workbook's day number, whose fraction is the time of day, to the second."""
    number = pl.when(text.str.contains(r"^\d{2,5}(\.\d{1,15})?$")).then(text).str.to_decimal(scale=15)
    seconds = (number.cast(pl.Decimal(38, 15)) * 86_400).round(0, mode="half_away_from_zero").cast(pl.Int64)
    return pl.lit(DAY_ZERO).cast(pl.Datetime("us")) + pl.duration(seconds=pl.when(number >= _FIRST_SURE_DAY).then(seconds))


def _time(text: Expr, rule: FieldRule, mapping: Mapping) -> Cast:
    formats = rule.time or mapping.time
    value = pl.coalesce([_one_time(text, each, mapping.zone) for each in formats])
    in_range = value.dt.year().is_between(FIRST_DAY.year, 2999)
    reason = (
        pl.when(text.is_null()).then(None)
        .when(value.is_null()).then(pl.lit("not_a_time"))
        .when(~in_range).then(pl.lit("date_out_of_range"))
    )  # fmt: skip
    return Cast(pl.when(in_range).then(value), reason)


def _one_time(text: Expr, form: str, zone: str) -> Expr:
    if form == "epoch_s":
        return _epoch(text, 1_000_000)
    if form == "epoch_ms":
        return _epoch(text, 1_000)
    if form == "sheet_days":
        return _sheet_time(text).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    if "%z" in form or "%#z" in form or "%:z" in form:
        return text.str.to_datetime(form, time_unit="us", strict=False).dt.convert_time_zone("UTC")
    if "%H" not in form:
        day = _one_date(text, form).cast(pl.Datetime("us"))
        return day.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    naive = text.str.to_datetime(form, time_unit="us", time_zone=None, strict=False)
    return naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
