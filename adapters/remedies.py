"""Drafts of remedies: one upload file for each system and act, in the system's own columns where it has them.

Every row begins with its key, by which a system (or a person) sees that it was applied before. Cells
that a spreadsheet would run as a formula are written as text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping as MappingType
from typing import Final

import polars as pl

from adapters.entry_drafts import JOURNAL, Ledger, entry_lines, own_entries
from adapters.mapping.library import CANONICAL
from adapters.mapping.model import EntityRule, FieldRule, Mapping
from adapters.mapping.reverse import carried_fields, write_streams
from adapters.snapshot import SnapshotRead, has_stream, read_stream
from adapters.snapshot_file import Source
from engine.canonical.schema import ENTITIES, EntitySpec, file_and_row
from engine.errors import UsageError
from engine.exchange import home_currency

FOLDER: Final = "remedies"

_FORMULA: Final = r"^[=+\-@\t\r|]"
_NUMBER: Final = r"^[+-]?\d+(\.\d+)?$"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")

_SHOWN: Final = (
    "remedy_key", "entity", "entity_id", "related_entity", "related_id", "field", "before", "value", "amount", "currency",
    "instruction",
)  # fmt: skip


def draft_files(remedies: pl.DataFrame, read: SnapshotRead) -> dict[str, bytes]:
    """Return every draft by its path in the run's folder."""
    adapters = {each.system: read.mappings[each.adapter].mapping for each in read.file.sources if each.adapter in read.mappings}
    found: dict[str, bytes] = {}
    # Corrections have a file for each field; what else is done in a system stands in one file.
    apart = [pl.when(pl.col("action") == "correct_field").then(pl.col(name)).alias(f"@{name}") for name in ("entity", "field")]
    for key, rows in remedies.with_columns(apart).group_by("system", "action", "@entity", "@field", maintain_order=True):
        system, action, entity, field = (None if part is None else str(part) for part in key)
        plain = rows.drop("@entity", "@field")
        name = "-".join(_UNSAFE.sub("_", part) for part in (action, entity, field) if part)
        table = None
        if action == "correct_field" and system in adapters and field is not None and entity is not None and entity in ENTITIES:
            table = _in_own_columns(plain, adapters[system], system, ENTITIES[entity], field, read.facts.records)
        place = f"{FOLDER}/{_UNSAFE.sub('_', system or 'unknown')}/{name}"
        if action == "journal_entry":
            found |= _entry_files(plain, place, system or "unknown", read)
            continue
        found[f"{place}.csv"] = _csv(plain.select(_SHOWN) if table is None else table)
    return found


def _entry_files(rows: pl.DataFrame, place: str, system: str, read: SnapshotRead) -> dict[str, bytes]:
    """Return journal entries in the ledger's own columns with their note; under canonical names what those cannot say."""
    lines = entry_lines(rows)
    ledger = _ledger(system, read)
    own = None if ledger is None else own_entries(lines, ledger)
    if own is None:
        return {f"{place}.csv": _csv(lines)}
    files = {f"{place}.md": own.note.encode()}
    if own.table.height:
        files[f"{place}.csv"] = _csv(own.table)
    if own.left_out:
        files[f"{place}-other_currency.csv"] = _csv(lines.filter(pl.col("remedy_key").is_in(own.left_out)))
    return files


def _ledger(system: str, read: SnapshotRead) -> Ledger | None:
    """Return what the snapshot tells of a system that entries go to; None where none of its sources has journals."""
    sources = [each for each in read.file.sources if each.system == system and each.adapter in read.mappings]
    # A vendor's export says what its ledger looks like; canonical files beside it add to it.
    known = [(each, rule) for each in sorted(sources, key=lambda each: each.adapter == CANONICAL) for rule in _journal_rules(read, each)]
    if not known:
        return None
    source, rule = known[0]
    columns = frozenset(name for each in read.files if each.source == system for name in each.columns)
    accounts = read.facts.records.get("account")
    chart = None
    if accounts is not None:
        own = accounts.filter(pl.col("source_system") == system).select("account").collect()["account"]
        chart = frozenset(own.drop_nulls()) or None
    rows = functools.cache(lambda name: read_stream(read, source, name))
    return Ledger(system, read.mappings[source.adapter].mapping, rule, columns, rows, _functional(read), chart)


def _journal_rules(read: SnapshotRead, source: Source) -> list[EntityRule]:
    """Return how a source's journals are read: the ways its export has files for, else the first way its mapping knows."""
    rules = [each for each in read.mappings[source.adapter].mapping.entities if each.entity == JOURNAL and each.unpivot is None]
    return [each for each in rules if has_stream(read, source, each.stream)] or rules[:1]


def _functional(read: SnapshotRead) -> dict[str, str]:
    """Return the functional currency by legal entity; under "" that of books which name none: of documents at the rate 1."""
    found: dict[str, str] = {}
    entities = read.facts.records.get("legal_entity")
    if entities is not None:
        found |= dict(entities.select("legal_entity_id", "functional_currency").drop_nulls().unique().sort(pl.all()).collect().iter_rows())
    home = home_currency(read.facts)
    return found if home is None else {**found, "": home}


def _in_own_columns(
    rows: pl.DataFrame, mapping: Mapping, system: str, spec: EntitySpec, field: str, records: MappingType[str, pl.LazyFrame]
) -> pl.DataFrame | None:  # fmt: skip
    """Return the correction as the system's own columns: its key and the field; None where its export cannot say it."""
    wanted = [*spec.keys, field]
    if field not in spec.fields or not set(wanted) <= carried_fields(mapping, spec.name) or spec.name not in records:
        return None
    place = file_and_row()
    own = records[spec.name].filter(pl.col("source_system") == system).select(*spec.keys, place.alias("evidence")).collect()
    told = rows.select("remedy_key", "value", "evidence").explode("evidence").join(own, on="evidence", how="inner", maintain_order="left")
    told = told.unique("remedy_key", keep="first", maintain_order=True)
    if told.height != rows.height:
        return None
    value = pl.col("value").str.to_date(strict=False) if spec.fields[field].dtype == pl.Date() else pl.col("value").cast(
        spec.fields[field].dtype, strict=False
    )  # fmt: skip
    corrected = told.select("remedy_key", *spec.keys, value.alias(field))
    if corrected[field].null_count() > told["value"].null_count():
        return None
    try:
        streams = write_streams(mapping, {spec.name: corrected.select(wanted)})
    except UsageError:
        return None
    rule = next(each for each in mapping.entities if each.entity == spec.name)
    table = streams.get(rule.stream)
    if table is None or table.height != corrected.height:
        return None
    # What the whole export needs beside the key and the field would overwrite what nobody wants changed.
    key_columns, own_columns = ({name for each in names for name in _columns(rule.fields[each])} for names in (spec.keys, [field]))
    kept = [name for name in table.columns if name in key_columns | own_columns]
    if not own_columns & set(kept) or not key_columns & set(kept):
        return None
    return pl.concat([corrected.select("remedy_key"), table.select(kept)], how="horizontal")


def _columns(rule: FieldRule) -> list[str]:
    return [name.split(" | ", maxsplit=1)[0] for part in (rule.source, rule.first_of, rule.prefer, rule.join) for name in part or ()]


def _csv(table: pl.DataFrame) -> bytes:
    texts = [pl.col(name).cast(pl.String).alias(name) for name in table.columns]
    safe = [
        pl.when(pl.col(name).str.contains(_FORMULA) & ~pl.col(name).str.contains(_NUMBER)).then(pl.lit("'") + pl.col(name))
        .otherwise(pl.col(name)).alias(name)
        for name in table.columns
    ]  # fmt: skip
    return table.select(texts).select(safe).write_csv(line_terminator="\r\n").encode()
