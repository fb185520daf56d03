"""Streams to canonical records: one pass per entity rule, with every row's outcome accounted.

A source row ends as used, held or set aside, and counts once however many records it makes:
held when any of its records is held, else used when it made one, else set aside by the first
filter that kept it out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field

import polars as pl

from adapters.mapping.casting import NEVER, REASONS, Cast, cast_field
from adapters.mapping.model import EntityRule, FieldRule, Lookup, Mapping, Related, Unpivot
from adapters.mapping.origin import adjusted, field_text, typed_cast
from adapters.mapping.rows import ROW, column_text, holds, last_versions, present, related_keys
from engine.canonical.kinds import DECIMAL_SCALE, FieldSpec
from engine.canonical.schema import PROVENANCE, EntitySpec, entity_spec
from engine.readings import HELD_SCHEMA, VALUE_SHOWN

FILE = "_file"
INDEX = "_n"
CARRIED = (FILE, ROW, INDEX)

# `Total`, `Grand Totals (5 records)`, `Summe: 1.234,50`, `Record count: 12`: what stands in the first cell of a line below the rows.
_TOTALS = (
    r"(?i)^(((grand|sub)[ -]?)?totals?|summe|gesamt|gesamtsumme|zwischensumme|(record|row|line)s?[ _-]?count)"
    r"\s*[:=]?\s*\(?[\d.,']*( (records?|rows|lines))?\)?$"
)


@dataclass
class StreamRows:
    """Hold the rows of one stream and what became of each, by position."""

    frame: pl.DataFrame
    used: pl.Series = field(init=False)
    held: pl.Series = field(init=False)
    reason: pl.Series = field(init=False)

    def __post_init__(self) -> None:
        count = self.frame.height
        self.used = pl.Series([False] * 0, dtype=pl.Boolean).extend_constant(False, count)
        self.held = self.used.clone()
        self.reason = pl.Series([], dtype=pl.String).extend_constant(None, count)

    def mark_used(self, rows: pl.Series) -> None:
        """Mark the rows at these positions as used."""
        self.used = _flagged(self.used, rows)

    def mark_held(self, rows: pl.Series) -> None:
        """Mark the rows at these positions as held."""
        self.held = _flagged(self.held, rows)

    def mark_set_aside(self, kept_out: pl.Series, reason: str) -> None:
        """Note why rows were kept out, where no earlier filter did."""
        frame = pl.DataFrame({"reason": self.reason, "out": kept_out})
        chosen = pl.when(pl.col("reason").is_null() & pl.col("out")).then(pl.lit(reason)).otherwise(pl.col("reason"))
        self.reason = frame.select(chosen.alias("reason")).to_series()

    def outcome(self) -> pl.DataFrame:
        """Return file and outcome (`used`, `held`, or `set_aside:<reason>`) of each row."""
        outcome = (
            pl.when(self.held).then(pl.lit("held"))
            .when(self.used).then(pl.lit("used"))
            .otherwise(pl.lit("set_aside:") + self.reason.fill_null("not_claimed"))
        )  # fmt: skip
        return self.frame.select(pl.col(FILE), outcome.alias("outcome"))


def _flagged(flags: pl.Series, rows: pl.Series) -> pl.Series:
    # One row may stand here several times (a timecard makes a record of each day, a list of each element).
    named = rows.unique()
    if named.len() == 0:
        return flags
    if named.len() == flags.len():
        return pl.Series([], dtype=pl.Boolean).extend_constant(True, flags.len())
    marks = pl.select(pl.int_range(flags.len()).is_in(named.cast(pl.Int64).implode()).alias("m")).to_series()
    return flags | marks


@dataclass(frozen=True)
class EntityRecords:
    """Hold one entity's records of one source: typed rows, the columns stated, the held rows."""

    entity: str
    frame: pl.DataFrame
    stated: frozenset[str]
    held: pl.DataFrame
    distinct: bool = False


def map_entity(
    rule: EntityRule, mapping: Mapping, streams: MappingType[str, StreamRows], parents: MappingType[str, str]
) -> EntityRecords | None:
    """Make the records of one entity rule; None when the snapshot has no file of its stream.

    `parents` names the parent stream of each child stream, whose rows take the outcome.
    """
    rows = streams.get(rule.stream)
    if rows is None:
        return None
    spec = entity_spec(rule.entity)
    frames = {name: each.frame for name, each in streams.items()}
    selected = _select(rule, mapping, rows, frames)
    owner = streams[parents.get(rule.stream, rule.stream)]
    off_total = selected.clear()
    if rule.unpivot is not None:
        off = _off_total(selected, rule.unpivot)
        off_total, selected = selected.filter(off), _unpivoted(selected.filter(~off), rule.unpivot)
    missing = _missing_keys(rule, spec, selected.columns, frames)
    if missing and selected.height:
        held = _held_rows(selected, rule.entity, pl.lit(missing), pl.lit(None, dtype=pl.String), "missing_column")
        owner.mark_held(held[INDEX])
        return EntityRecords(rule.entity, _no_records(spec), frozenset(), held.drop(INDEX))
    typed = _typed(rule, spec, selected, mapping, frames)
    good, held, repeats = _split(rule, spec, typed)
    if rule.unpivot is not None and off_total.height:
        held = pl.concat([held, _held_off_total(rule, rule.unpivot, off_total)])
    owner.mark_held(held[INDEX])
    # With `distinct`, a row that names a record again did its part: it is used, not a repeat.
    owner.mark_used(typed.frame[INDEX] if rule.distinct else good[INDEX])
    _mark_looked_up(rule, selected, streams, parents)
    if repeats.len():
        kept_out = pl.select(pl.int_range(owner.frame.height).is_in(repeats.cast(pl.Int64).implode())).to_series()
        owner.mark_set_aside(kept_out, "repeated_row")
    stated = frozenset(name for name in rule.fields if _is_stated(rule.fields[name], selected.columns, frames))
    return EntityRecords(rule.entity, good.drop(INDEX), stated, held.drop(INDEX), rule.distinct)


def _mark_looked_up(
    rule: EntityRule, frame: pl.DataFrame, streams: MappingType[str, StreamRows], parents: MappingType[str, str]
) -> None:
    """Mark rows of other streams whose values went into records: they were used."""
    for lookup in (one for each in rule.fields.values() if each.lookup is not None for one in each.lookup.alternatives()):
        other = streams.get(lookup.stream)
        if other is None or lookup.stream in parents or frame.height == 0:
            continue
        back = Related(stream="", on={theirs: ours for ours, theirs in lookup.on.items()})
        named = related_keys(other.frame, back, {"": frame})
        other.mark_used(other.frame[INDEX].filter(named))
        if lookup.then is not None and (last := streams.get(lookup.then.stream)) is not None:
            onward = Related(stream="", on={theirs: " | ".join(lookup.take) for theirs in lookup.then.on.values()})
            last.mark_used(last.frame[INDEX].filter(related_keys(last.frame, onward, {"": other.frame.filter(named)})))


def _no_records(spec: EntitySpec) -> pl.DataFrame:
    return pl.DataFrame(schema={**{n: f.dtype for n, f in spec.fields.items()}, FILE: pl.String(), ROW: pl.Int64()})


def _select(
    rule: EntityRule, mapping: Mapping, rows: StreamRows, frames: MappingType[str, pl.DataFrame]
) -> pl.DataFrame:
    frame = rows.frame
    keep = pl.Series([], dtype=pl.Boolean).extend_constant(True, frame.height)
    tests = [(each.reason, each.when) for each in (*mapping.set_aside, *rule.set_aside)]
    for reason, when in tests:
        if not all(present(frame.columns, name.split(" | ")) for name in when):
            continue
        out = frame.select(holds(frame.columns, when).alias("out")).to_series()
        rows.mark_set_aside(out, reason)
        keep = keep & ~out
    if rule.when:
        # A condition on columns that the export lacks is one value; it holds for every row.
        inside = frame.with_columns(holds(frame.columns, rule.when).alias("@in"))["@in"]
        keep = keep & inside
        rows.mark_set_aside(~inside, "other_kind")
    for related, wanted in ((rule.exists, True), (rule.missing, False)):
        if related is None:
            continue
        found = related_keys(frame, related, frames)
        inside = found if wanted else ~found
        keep = keep & inside
        if related.reason is not None:
            rows.mark_set_aside(~inside, related.reason)
    kept = frame.filter(keep)
    if rule.latest is not None and kept.height:
        last = last_versions(kept, rule.latest)
        older = pl.select(pl.int_range(frame.height).is_in(kept.filter(~last)[INDEX].cast(pl.Int64).implode()))
        rows.mark_set_aside(older.to_series(), "earlier_version")
        kept = kept.filter(last)
    return kept


def _off_total(frame: pl.DataFrame, unpivot: Unpivot) -> pl.Series:
    """Return whether a row's cells add up to another total than it states."""
    total = _hundred_millionths(column_text(frame.columns, unpivot.total))
    cells = [column_text(frame.columns, names.split(" | ")).fill_null("0") for names in unpivot.columns]
    added = pl.sum_horizontal((_hundred_millionths(each) for each in cells), ignore_nulls=False)
    return frame.with_columns((added != total).fill_null(value=False).alias("@off"))["@off"]


def _hundred_millionths(text: pl.Expr) -> pl.Expr:
    # What is no number is held by the cell's own reading.
    return pl.when(text.str.contains(r"^[+-]?\d+\.?\d*$")).then(text).str.to_decimal(scale=8)


def _held_off_total(rule: EntityRule, unpivot: Unpivot, frame: pl.DataFrame) -> pl.DataFrame:
    name = next((name for name, each in rule.fields.items() if each.source and unpivot.value in each.source), unpivot.value)
    return _held_rows(frame, rule.entity, pl.lit(name), column_text(frame.columns, unpivot.total), "total_differs")


def _unpivoted(frame: pl.DataFrame, unpivot: Unpivot) -> pl.DataFrame:
    """Make a row of each filled, non-zero cell, with its day and its own identity."""
    parts: list[pl.DataFrame] = []
    for column, offset in unpivot.columns.items():
        text = column_text(frame.columns, column.split(" | "))
        start = column_text(frame.columns, unpivot.start).str.to_date("%Y-%m-%d", strict=False)
        part = frame.with_columns(
            text.alias(unpivot.value),
            (start + pl.duration(days=offset)).dt.to_string("%Y-%m-%d").alias(unpivot.day),
            pl.lit(str(offset)).alias(unpivot.identity),
        )
        parts.append(part.filter(pl.col(unpivot.value).str.contains(r"[^0.+\-\s]")))
    return pl.concat(parts) if parts else frame


def _missing_keys(
    rule: EntityRule, spec: EntitySpec, columns: list[str], frames: MappingType[str, pl.DataFrame]
) -> str | None:
    for name in spec.keys:
        each = rule.fields.get(name)
        if each is None or (each.fallback is None and not _is_stated(each, columns, frames)):
            return name
    return None


def _is_stated(rule: FieldRule, columns: list[str], frames: MappingType[str, pl.DataFrame]) -> bool:
    """Say whether this export states the field: one of its columns is there, or the one it is looked up in."""
    if rule.lookup is not None:
        own = present(columns, (*rule.prefer, *rule.if_not_found))
        return own is not None or any(_can_be_found(each, columns, frames) for each in rule.lookup.alternatives())
    if rule.header is not None or rule.from_header is not None:
        return any(re.fullmatch(rule.header or rule.from_header or "", column.strip()) for column in columns)
    names = rule.source or rule.first_of or rule.join
    if names is None:
        return True
    return any(present(columns, name.split(" | ")) for name in names)


def _can_be_found(lookup: Lookup, columns: list[str], frames: MappingType[str, pl.DataFrame]) -> bool:
    """Say whether the keys of a lookup and the column it takes are exported, and those of the next step."""
    other = frames.get(lookup.stream)
    if other is None or present(other.columns, lookup.take) is None:
        return False
    if not all(present(columns, ours.split(" | ")) for ours in lookup.on):
        return False
    return lookup.then is None or any(_can_be_found(each, ["value"], frames) for each in lookup.then.alternatives())


@dataclass(frozen=True)
class _Typed:
    """Hold typed rows with a reason column (`?name`) for each field that can fail, and what it takes to show a cell."""

    frame: pl.DataFrame
    fallible: tuple[str, ...]
    source: pl.DataFrame
    shown: MappingType[str, pl.Expr]

    def with_cells(self, held: pl.Series) -> pl.DataFrame:
        """Return the rows that are held, with the cells as the export has them (`=name`)."""
        cells = self.source.filter(held).with_columns(each.alias(f"={name}") for name, each in self.shown.items())
        return pl.concat([self.frame.filter(held), cells.select(f"={name}" for name in self.shown)], how="horizontal")


def _typed(
    rule: EntityRule, spec: EntitySpec, frame: pl.DataFrame, mapping: Mapping, frames: MappingType[str, pl.DataFrame]
) -> _Typed:  # fmt: skip
    """Return the typed rows."""
    columns: list[pl.Expr] = []
    fallible: list[str] = []
    shown: dict[str, pl.Expr] = {}
    work, texts = frame, dict[str, pl.Expr]()
    for name, each in rule.fields.items():
        if _typed_source(each, work) is None:
            texts[name], work = field_text(name, each, work, frames)
    # Each text is made once: a cast asks for its own many times, and Polars would make it again each time.
    known = work.with_columns(text.alias(f"→{name}") for name, text in texts.items())
    for name, each in rule.fields.items():
        cast = _cast(name, each, spec.fields.get(name) or PROVENANCE[name], work, mapping)
        columns.append(cast.value.alias(name))
        if not cast.reason.meta.eq(NEVER):
            fallible.append(name)
            columns.append(cast.reason.cast(pl.String).alias(f"?{name}"))
            shown[name] = _shown(name, each, work)
    return _Typed(known.select(*columns, *CARRIED), tuple(fallible), work, shown)


def _typed_source(rule: FieldRule, frame: pl.DataFrame) -> str | None:
    """Return the column a field is read from where the export typed it."""
    source = None if rule.source is None else present(frame.columns, rule.source)
    return None if source is None or frame.schema[source] == pl.String else source


def _shown(name: str, rule: FieldRule, frame: pl.DataFrame) -> pl.Expr:
    """Return the text that a held row shows: the cell as the export has it."""
    if f"@{name}" in frame.columns:
        return pl.col(f"@{name}")
    if rule.source is not None:
        source = present(frame.columns, rule.source)
        return pl.lit(None, dtype=pl.String) if source is None else pl.col(source).cast(pl.String)
    return field_text(name, rule, frame, {})[0]


def _cast(name: str, rule: FieldRule, spec: FieldSpec, frame: pl.DataFrame, mapping: Mapping) -> Cast:
    source = _typed_source(rule, frame)
    if source is None:
        cast = cast_field(pl.col(f"→{name}"), spec, rule, mapping)
    else:
        cast = typed_cast(source, frame.schema[source], spec, rule, mapping)
    return adjusted(cast, rule, spec, frame, mapping)


def _split(rule: EntityRule, spec: EntitySpec, typed: _Typed) -> tuple[pl.DataFrame, pl.DataFrame, pl.Series]:
    """Part the typed rows into records, held rows and repeats of a record already read."""
    frame, fallible = typed.frame, typed.fallible
    blank_key = pl.any_horizontal(
        pl.col(name).is_null() & (pl.col(f"?{name}").is_null() if name in fallible else pl.lit(value=True)) for name in spec.keys
    )
    bad = pl.any_horizontal(pl.col(f"?{name}").is_not_null() for name in fallible) if fallible else pl.lit(value=False)
    total = _is_total_line(rule, spec, frame)
    is_held = frame.with_columns((bad | blank_key | total).alias("@held"))["@held"]
    business = [name for name in rule.fields if name in spec.fields]
    good, reports = frame, [pl.DataFrame(schema={**HELD_SCHEMA, INDEX: frame.schema[INDEX]})]
    if is_held.any():
        good, held = frame.filter(~is_held), typed.with_cells(is_held)
        reports += [_held_rows(held.filter(pl.col(f"?{name}").is_not_null()), rule.entity, pl.lit(name), pl.col(f"={name}"), f"?{name}")
                    for name in fallible]  # fmt: skip
        no_key, nothing = held.filter(blank_key), pl.lit(None, dtype=pl.String)
        reports.append(_held_rows(no_key, rule.entity, pl.lit("|".join(spec.keys)), nothing, "missing_key"))
        reports.append(_held_rows(held.filter(total), rule.entity, pl.lit(spec.keys[0]), pl.col(spec.keys[0]), "total_line"))
    good, conflicts, repeats = _without_duplicates(rule, spec, good, business)
    if conflicts.height:
        shown = pl.concat_str([pl.col(name).cast(pl.String) for name in spec.keys], separator="|")
        reports.append(_held_rows(conflicts, rule.entity, pl.lit("|".join(spec.keys)), shown, "duplicate_key"))
    return good.select(*rule.fields, FILE, ROW, INDEX), pl.concat(reports), repeats


def _is_total_line(rule: EntityRule, spec: EntitySpec, frame: pl.DataFrame) -> pl.Expr:
    """Return whether a row is the sum or count of those above it: the word stands for its id, beside numbers or nothing."""
    never, key = pl.lit(value=False), spec.keys[0]
    if len(spec.keys) > 1 or frame.schema[key] != pl.String or not frame[key].str.contains(_TOTALS).any():
        return never
    words = [name for name in rule.fields if name in spec.fields and name != key and spec.fields[name].kind not in DECIMAL_SCALE]
    return pl.col(key).str.contains(_TOTALS) & pl.all_horizontal(pl.col(name).is_null() for name in words) if words else never


def _without_duplicates(
    rule: EntityRule, spec: EntitySpec, good: pl.DataFrame, business: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame, pl.Series]:
    nothing = pl.Series([], dtype=pl.Int64)
    key = pl.col(spec.keys[0]) if len(spec.keys) == 1 else pl.struct(spec.keys)
    if good.height == 0 or not (again := ~good.select(key.is_first_distinct()).to_series()).any():
        return good, good.clear(), nothing
    if rule.distinct:
        # The fullest of the rows that name one record, whatever their order in the file.
        ordered = good.sort(*business, INDEX, nulls_last=True)
        return ordered.unique(spec.keys, keep="first", maintain_order=True).sort(INDEX), good.clear(), nothing
    firsts, later = good.filter(~again), good.filter(again)
    same = later.join(firsts.select(business), on=business, how="semi", nulls_equal=True)
    conflicts = later.join(same.select(INDEX), on=INDEX, how="anti")
    return firsts, conflicts, same[INDEX]


def _held_rows(frame: pl.DataFrame, entity: str, name: pl.Expr, value: pl.Expr, reason: str) -> pl.DataFrame:
    """Return held rows; `reason` is a code of REASONS or the column that holds it."""
    code = pl.col(reason) if reason.startswith("?") else pl.lit(reason)
    return frame.select(
        pl.col(FILE).alias("file"),
        pl.col(ROW).alias("row"),
        pl.lit(entity).alias("entity"),
        name.alias("field"),
        value.str.slice(0, VALUE_SHOWN).alias("value"),
        code.alias("reason"),
        code.replace_strict(REASONS, return_dtype=pl.String).alias("remedy"),
        pl.col(INDEX),
    )
