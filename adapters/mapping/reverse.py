"""A mapping in reverse: canonical records written as the vendor's own export.

What the forward reading does to a cell is undone: renames, units, words, signs, dates. Columns the
forward reading fills by lookup stand on the other stream and are left out here; conditions that
chose the rows (`when`) are written as the columns they test.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType

import polars as pl

from adapters.mapping.model import EntityRule, FieldRule, Mapping
from engine.canonical.kinds import DECIMAL_SCALE, FieldSpec, Kind
from engine.canonical.schema import PROVENANCE, entity_spec


def write_streams(mapping: Mapping, records: MappingType[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Return the vendor's streams as frames of text; entities sharing a stream share its rows' columns."""
    parts: dict[str, list[pl.DataFrame]] = {}
    written: set[tuple[str, str]] = set()
    for rule in mapping.entities:
        frame = records.get(rule.entity)
        # A second rule reads other rows of the same stream into the same entity; a record is written once.
        if frame is not None and frame.height and (rule.entity, rule.stream) not in written:
            written.add((rule.entity, rule.stream))
            parts.setdefault(rule.stream, []).append(entity_rows(rule, mapping, frame))
    return {stream: pl.concat(frames, how="diagonal") for stream, frames in parts.items()}


def entity_rows(rule: EntityRule, mapping: Mapping, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of one entity in the vendor's columns, as text."""
    specs = {**entity_spec(rule.entity).fields, **PROVENANCE}
    columns: dict[str, pl.Expr] = {}
    for name, each in rule.fields.items():
        target = _target(each)
        if name in frame.columns and target is not None:
            text = cell_text(pl.col(name), specs[name], each, mapping)
            columns[target] = pl.coalesce(columns[target], text) if target in columns else text
    for names, condition in rule.when.items():
        column = names.split(" | ")[0]
        if column not in columns and condition.any_of is not None:
            columns[column] = pl.lit(condition.any_of[0])
    return frame.select(text.alias(column) for column, text in columns.items())


def _target(rule: FieldRule) -> str | None:
    """Return the vendor's column a field is written to; None when it stands elsewhere."""
    if rule.source is not None:
        return rule.source[0].split(" | ")[0]
    if rule.first_of is not None:
        return rule.first_of[0].split(" | ")[0]
    return None


def cell_text(value: pl.Expr, spec: FieldSpec, rule: FieldRule, mapping: Mapping) -> pl.Expr:
    """Return a typed value as the text the vendor would have exported."""
    if spec.kind in DECIMAL_SCALE:
        return _number(value, rule)
    if spec.kind is Kind.BOOL:
        yes, no = (rule.true or mapping.true)[0], (rule.false or mapping.false)[0]
        return pl.when(value).then(pl.lit(yes)).when(~value).then(pl.lit(no))
    if spec.kind is Kind.DATE:
        day = value.dt.offset_by("1d") if rule.exclusive_end else value
        return day.dt.to_string((rule.date or mapping.date)[0])
    if spec.kind is Kind.TIME:
        return _instant(value, (rule.time or mapping.time)[0])
    text = value.cast(pl.String)
    if rule.map is not None:
        words: dict[str, str] = {}
        for word, meaning in rule.map.items():
            words.setdefault(meaning, word)
        text = text.replace(words)
    return text


def _instant(value: pl.Expr, form: str) -> pl.Expr:
    if form == "epoch_s":
        return value.dt.epoch("s").cast(pl.String)
    if form == "epoch_ms":
        return value.dt.epoch("ms").cast(pl.String)
    # What reading takes with or without fractions and with any offset is written plainly in UTC.
    plain = form.replace("%.f", "").replace("%#z", "Z").replace("%:z", "Z").replace("%z", "Z")
    return value.dt.to_string(plain)


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
    text = number.cast(pl.String)
    text = pl.when(text.str.contains(".", literal=True)).then(text.str.strip_chars_end("0").str.strip_chars_end(".")).otherwise(text)
    return text if rule.decimal == "." else text.str.replace(".", rule.decimal, literal=True)
