"""Typed values as the text a vendor would have exported: what casting does to a cell, undone."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from adapters.mapping.casting import DAY_ZERO
from adapters.mapping.model import FieldRule, Mapping
from engine.canonical.kinds import DECIMAL_SCALE, FieldSpec, Kind

_SEPARATOR = "\x1f"
_BLANK = "\x00"


def is_reversible(rule: FieldRule) -> bool:
    """Say whether a field's value can be written back exactly; sums, quotients and headers cannot."""
    computed = rule.plus or rule.minus or rule.divide_by or rule.negate_when or rule.only_when
    return not computed and rule.header is None and rule.from_header is None


def cell_text(value: pl.Expr, spec: FieldSpec, rule: FieldRule, mapping: Mapping) -> pl.Expr:
    """Return a typed value as the text the vendor would have exported."""
    if spec.kind in DECIMAL_SCALE:
        return _number(value, rule)
    if spec.kind is Kind.BOOL:
        yes, no = (rule.true or mapping.true)[0], (rule.false or mapping.false)[0]
        return pl.when(value).then(pl.lit(yes)).when(~value).then(pl.lit(no))
    if spec.kind is Kind.DATE:
        day = value.dt.offset_by("1d") if rule.exclusive_end else value
        form = (rule.date or mapping.date)[0]
        return (day - pl.lit(DAY_ZERO)).dt.total_days().cast(pl.String) if form == "sheet_days" else day.dt.to_string(form)
    if spec.kind is Kind.TIME:
        return _instant(value, (rule.time or mapping.time)[0])
    text = value.cast(pl.String)
    if rule.map is not None:
        words: dict[str, str] = {}
        for word, meaning in rule.map.items():
            words.setdefault(meaning, word)
        text = text.replace(words)
    return text


def shared_words(frame: pl.DataFrame, readers: Sequence[tuple[str, FieldRule]]) -> pl.Expr:
    """Return the word of a column that several fields read: the first that means what all of them hold.

    Where no word does, the first field's own word is taken.
    """
    names = [name for name, _ in readers]
    joined = pl.concat_str([pl.col(name).cast(pl.String).fill_null(_BLANK) for name in names], separator=_SEPARATOR)
    words: dict[str, str | None] = {}
    for values in frame.select(names).unique().iter_rows():
        words[_SEPARATOR.join(_BLANK if each is None else str(each) for each in values)] = _word(readers, values)
    return joined.replace_strict(words, return_dtype=pl.String)


def _word(readers: Sequence[tuple[str, FieldRule]], values: Sequence[object]) -> str | None:
    if values[0] is None:
        return None
    for word in readers[0][1].map or {}:
        meanings = [(rule.map or {}).get(word, rule.otherwise) for _, rule in readers]
        if all(meaning == value for meaning, value in zip(meanings, values, strict=True)):
            return word
    own = [word for word, meaning in (readers[0][1].map or {}).items() if meaning == values[0]]
    return own[0] if own else str(values[0])


def plain_number(number: pl.Expr) -> pl.Expr:
    """Return a decimal as digits without needless zeros."""
    text = number.cast(pl.String)
    is_broken = text.str.contains(".", literal=True)
    return pl.when(is_broken).then(text.str.strip_chars_end("0").str.strip_chars_end(".")).otherwise(text)


def _instant(value: pl.Expr, form: str) -> pl.Expr:
    if form == "epoch_s":
        return value.dt.epoch("s").cast(pl.String)
    if form == "epoch_ms":
        return value.dt.epoch("ms").cast(pl.String)
    # What reading takes with or without fractions and with any offset is written in UTC, with the fraction there is.
    utc = form.replace("%#z", "Z").replace("%:z", "Z").replace("%z", "Z")
    plain = value.dt.to_string(utc.replace("%.f", ""))
    if "%.f" not in utc:
        return plain
    return pl.when(value.dt.microsecond() != 0).then(value.dt.to_string(utc.replace("%.f", "%.6f"))).otherwise(plain)


def _number(value: pl.Expr, rule: FieldRule) -> pl.Expr:
    factor = {"cents": 100, "minutes": 60, "seconds": 3600}.get(rule.unit or "")
    number = value
    if factor is not None:
        # Minutes and seconds are whole in the source; the division made when reading is undone exactly.
        digits = 0 if rule.unit in ("minutes", "seconds") else 4
        number = (value.cast(pl.Decimal(38, 8)) * factor).round(digits, mode="half_away_from_zero")
    elif rule.unit == "fraction":
        number = value.cast(pl.Decimal(38, 12)) / 100
    elif rule.reciprocal:
        number = pl.lit(1).cast(pl.Decimal(38, 12)) / pl.when(value != 0).then(value.cast(pl.Decimal(38, 12)))
    text = plain_number(number)
    return text if rule.decimal == "." else text.str.replace(".", rule.decimal, literal=True)
