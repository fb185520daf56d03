"""A mapping in reverse: canonical records written as the vendor's own export.

What the forward reading does to a cell is undone: renames, units, words, signs, dates. What reading
looks up in another stream is written there, under the key that leads to it. A value that the
vendor's columns cannot hold is refused, never lost.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field

import polars as pl

from adapters.mapping.casting import prepared
from adapters.mapping.model import EntityRule, FieldRule, Lookup, Mapping
from adapters.mapping.vendor_cells import cell_text, is_reversible, plain_number, shared_words
from engine.canonical.kinds import FieldSpec
from engine.canonical.schema import PROVENANCE, entity_spec
from engine.errors import UsageError


@dataclass(frozen=True, slots=True)
class _Rows:
    """Hold rows for a stream that lookups go to, and the columns they are found by."""

    stream: str
    keys: tuple[str, ...]
    frame: pl.DataFrame


@dataclass(slots=True)
class _Part:
    """Hold one entity's rows while they are written: the records, the vendor's columns so far."""

    rule: EntityRule
    mapping: Mapping
    records: pl.DataFrame
    columns: dict[str, pl.Series] = field(default_factory=dict)

    @property
    def specs(self) -> dict[str, FieldSpec]:
        """Return the entity's fields with those of provenance."""
        return {**entity_spec(self.rule.entity).fields, **PROVENANCE}

    def evaluated(self, text: pl.Expr) -> pl.Series:
        """Return an expression over the records as a column of text."""
        return self.records.select(text.cast(pl.String).alias("text"))["text"]

    def frame(self) -> pl.DataFrame:
        """Return the vendor's columns as a frame."""
        return pl.DataFrame([series.alias(name) for name, series in self.columns.items()])


def carried_fields(mapping: Mapping, entity: str) -> frozenset[str]:
    """Return the fields of an entity that the mapping's reverse writes; none when it has no such entity."""
    rule = _rule_of(mapping, entity)
    return frozenset() if rule is None else frozenset(name for name, each in rule.fields.items() if is_reversible(each))


def write_streams(mapping: Mapping, records: MappingType[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Return the vendor's streams as frames of text; entities sharing a stream share its rows' columns.

    Raises UsageError when two values that differ would stand in one cell.
    """
    parts: dict[str, list[_Part]] = {}
    related: list[_Rows] = []
    for entity, frame in records.items():
        rule = _rule_of(mapping, entity)
        if rule is not None:
            part = _Part(rule, mapping, frame)
            _write_columns(part)
            related += _write_lookups(part)
            _complete(part)
            parts.setdefault(rule.stream, []).append(part)
    order = {name: place for place, name in enumerate(mapping.streams)}
    streams = {name: _gathered(parts[name]) for name in sorted(parts, key=order.__getitem__)}
    for each in related:
        streams[each.stream] = _merged(streams.get(each.stream), each)
    return streams


def _rule_of(mapping: Mapping, entity: str) -> EntityRule | None:
    return next((each for each in mapping.entities if each.entity == entity and each.unpivot is None), None)


def _first(alias: str) -> str:
    return alias.split(" | ", maxsplit=1)[0]


def _targets(rule: FieldRule, spec: FieldSpec) -> list[str]:
    """Return the vendor's columns a field is written to; a key stands in each it may be read from."""
    if rule.source is not None:
        return [_first(rule.source[0])]
    if rule.first_of is not None:
        return [_first(each) for each in (rule.first_of if spec.is_key else rule.first_of[:1])]
    return [_first(rule.prefer[0])] if rule.prefer else []


def _write_columns(part: _Part) -> None:
    """Write what stands in the entity's own rows."""
    derived: list[tuple[str, str]] = []
    for name, each in part.rule.fields.items():
        if name not in part.records.columns or not is_reversible(each):
            continue
        if each.join is not None:
            pieces = pl.col(name).str.split(each.separator)
            for place, column in enumerate(each.join):
                _put(part, _first(column), part.evaluated(pieces.list.get(place, null_on_oob=True)))
            continue
        for target in _targets(each, part.specs[name]):
            if each.pattern is not None:
                derived.append((target, name))
            else:
                _put(part, target, part.evaluated(_text(part, name, target)))
    for target, name in derived:
        if target not in part.columns:
            text = part.evaluated(_text(part, name, target))
            # A part of a cell is written alone; reading must find it again.
            found = pl.DataFrame({"text": text}).select(prepared(pl.col("text"), part.rule.fields[name])).to_series()
            _put(part, target, _agreed(text, found.fill_null(""), target, part.rule.entity))


def _text(part: _Part, name: str, target: str) -> pl.Expr:
    rule = part.rule.fields[name]
    if rule.map is not None:
        others = [
            (other, each) for other, each in part.rule.fields.items()
            if other != name and each.map is not None and other in part.records.columns
            and target in [_first(alias) for alias in (each.source or each.first_of or ())]
        ]  # fmt: skip
        if others:
            return shared_words(part.records, [(name, rule), *others])
    return cell_text(pl.col(name), part.specs[name], rule, part.mapping)


def _put(part: _Part, column: str, text: pl.Series) -> None:
    before = part.columns.get(column)
    part.columns[column] = text if before is None else _agreed(before, text, column, part.rule.entity)


def _agreed(one: pl.Series, other: pl.Series, column: str, entity: str) -> pl.Series:
    """Return two columns as one, each filling the other's blanks; refuses values that differ."""
    both = pl.DataFrame({"one": one, "other": other})
    apart = both.filter((pl.col("one") != pl.col("other")).fill_null(value=False)).head(1)
    if apart.height:
        raise UsageError(
            f"The column {column} cannot hold both '{apart['one'][0]}' and '{apart['other'][0]}' of {entity}.",
            "Give each value a column of its own in the mapping.",
        )
    return both.select(pl.coalesce("one", "other")).to_series()


def _write_lookups(part: _Part) -> list[_Rows]:
    """Write the keys of what reading looks up, and return the rows the lookups lead to."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[str, FieldRule, Lookup]]] = {}
    for name, each in part.rule.fields.items():
        if each.lookup is None or each.prefer or each.pattern or name not in part.records.columns or not is_reversible(each):
            continue
        on = tuple((_first(ours), _first(theirs)) for ours, theirs in each.lookup.on.items())
        groups.setdefault((each.lookup.stream, on), []).append((name, each, each.lookup))
    return [rows for (stream, on), members in groups.items() for rows in _related(part, stream, on, members)]


def _related(
    part: _Part, stream: str, on: tuple[tuple[str, str], ...], members: list[tuple[str, FieldRule, Lookup]]
) -> list[_Rows]:  # fmt: skip
    taken = _taken(part, members)
    missing = [ours for ours, _ in on if ours not in part.columns]
    if missing:
        # The vendor's own id is not known: one value is its own key, several together are numbered.
        key = next(iter(taken.values())) if len(taken) == 1 else _numbered(list(taken.values()))
        part.columns |= dict.fromkeys(missing, key)
    keys = {theirs: part.columns[ours] for ours, theirs in on}
    frame = pl.DataFrame([series.alias(name) for name, series in (keys | {k: v for k, v in taken.items() if k not in keys}).items()])
    rows = [_distinct(stream, tuple(keys), frame, part.rule.entity)]
    for _, _, lookup in members:
        value, then = taken[_first(lookup.take[0])], lookup.then
        while then is not None:
            theirs, take = _first(next(iter(then.on.values()))), _first(then.take[0])
            words = pl.DataFrame([value.alias(theirs), value.alias(take)])
            rows.append(_distinct(then.stream, (theirs,), words, part.rule.entity))
            then = then.then
    return rows


def _taken(part: _Part, members: list[tuple[str, FieldRule, Lookup]]) -> dict[str, pl.Series]:
    """Return by column what the lookups take; both sides of a signed amount are one column."""
    signed: dict[str, pl.Expr] = {}
    texts: dict[str, pl.Series] = {}
    for name, rule, lookup in members:
        column = _first(lookup.take[0])
        if rule.sign in ("positive", "negative"):
            amount = pl.col(name).fill_null(0) * (1 if rule.sign == "positive" else -1)
            signed[column] = signed[column] + amount if column in signed else amount
            continue
        text = part.evaluated(cell_text(pl.col(name), part.specs[name], rule, part.mapping))
        texts[column] = _agreed(texts[column], text, column, part.rule.entity) if column in texts else text
    return texts | {column: part.evaluated(plain_number(amount)) for column, amount in signed.items()}


def _numbered(values: list[pl.Series]) -> pl.Series:
    joined = pl.DataFrame([series.alias(str(place)) for place, series in enumerate(values)]).select(
        pl.when(pl.any_horizontal(pl.all().is_not_null())).then(pl.concat_str(pl.all().fill_null(""), separator="\x1f"))
    )
    return joined.to_series().rank("dense").cast(pl.Int64).cast(pl.String)


def _distinct(stream: str, keys: tuple[str, ...], frame: pl.DataFrame, entity: str) -> _Rows:
    rows = frame.drop_nulls(keys).unique(maintain_order=True)
    again = rows.filter(pl.struct(keys).is_duplicated()).head(1)
    if again.height:
        raise UsageError(
            f"{entity} says two things of one row of {stream}: {again.to_dicts()[0]}.", "Look the value up by a key of its own."
        )
    return _Rows(stream, keys, rows)


def _complete(part: _Part) -> None:
    """Write the columns that conditions and versions ask for and no field fills."""
    height = part.records.height
    for names, condition in part.rule.when.items():
        column = _first(names)
        if column not in part.columns and condition.any_of is not None:
            part.columns[column] = pl.Series([condition.any_of[0]], dtype=pl.String).new_from_index(0, height)
    latest = part.rule.latest
    if latest is not None:
        key = part.evaluated(entity_spec(part.rule.entity).display_key())
        for name in latest.by:
            part.columns.setdefault(_first(name), key)
        first = pl.Series(["1"], dtype=pl.String).new_from_index(0, height)
        part.columns.setdefault(_first(latest.order[0]), first)


def _gathered(parts: list[_Part]) -> pl.DataFrame:
    """Return a stream's rows; records that several rows name (`distinct`) stand on those rows."""
    plain = [each for each in parts if not each.rule.distinct]
    named = [each for each in parts if each.rule.distinct]
    if not plain:
        return pl.concat([each.frame() for each in named], how="diagonal")
    rows = pl.concat([each.frame() for each in plain], how="diagonal")
    for each in named:
        spec = entity_spec(each.rule.entity)
        keys = tuple(column for name in spec.keys for column in _targets(each.rule.fields[name], spec.fields[name]))
        found = _distinct(each.rule.stream, keys, each.frame(), each.rule.entity)
        before = rows.height
        rows = _merged(rows, found)
        if rows.height != before:
            lone = rows.row(before, named=True)
            raise UsageError(
                f"The {each.rule.entity} {lone[keys[0]]} has no row to stand on in {each.rule.stream}.",
                "Write it from a source with the canonical adapter.",
            )
    return rows


def _merged(base: pl.DataFrame | None, rows: _Rows) -> pl.DataFrame:
    """Return a stream's rows with what the given rows add to those of equal keys, and the others after them."""
    if base is None:
        return rows.frame
    base = base.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in rows.keys if name not in base.columns)
    added = [name for name in rows.frame.columns if name not in rows.keys]
    renamed = rows.frame.rename({name: f"@{name}" for name in added})
    joined = base.join(renamed, on=rows.keys, how="left", maintain_order="left")
    for name in added:
        text = joined[f"@{name}"]
        whole = _agreed(joined[name], text, name, rows.stream) if name in base.columns else text
        joined = joined.with_columns(whole.alias(name))
    rest = rows.frame.join(base, on=rows.keys, how="anti", maintain_order="left")
    return pl.concat([joined.drop(f"@{name}" for name in added), rest], how="diagonal")
