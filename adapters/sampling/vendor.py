"""Writing a night as the vendors' own exports, through the adapter mappings in reverse."""

from __future__ import annotations

import json
from collections.abc import Mapping as MappingType
from pathlib import Path
from typing import Any, Final

import polars as pl

from adapters.mapping.library import load_mapping
from adapters.mapping.model import Mapping
from adapters.mapping.reverse import carried_fields, write_streams
from engine.canonical.kinds import Kind
from engine.canonical.schema import PROVENANCE, entity_spec

ADAPTERS: Final[dict[str, str]] = {
    "crm": "salesforce", "psa": "kantata", "billing": "zuora", "erp": "netsuite", "revrec": "zuora_revenue",
}  # fmt: skip
"""Which vendor's export each system of the firm writes; the others bear the canonical names."""

# Kantata's interface answers in pages of keyed objects; what is long comes as a CSV export.
_PAGES: Final = frozenset({"workspaces", "users", "workspace_resources", "rate_card_roles", "stories", "accounts"})


def vendor_entities(system: str, records: MappingType[str, pl.DataFrame]) -> frozenset[str]:
    """Return the entities whose every column the system's vendor has a place for."""
    if system not in ADAPTERS:
        return frozenset()
    mapping = load_mapping(ADAPTERS[system]).mapping
    return frozenset(name for name in records if set(records[name].columns) <= carried_fields(mapping, name))


def write_export(system: str, records: MappingType[str, pl.DataFrame], folder: Path) -> None:
    """Write a system's records as its vendor's files, one a stream."""
    mapping = load_mapping(ADAPTERS[system]).mapping
    for stream, frame in write_streams(mapping, records).items():
        if ADAPTERS[system] == "kantata" and stream in _PAGES:
            _write_page(folder / _file_name(mapping, stream, ".json"), mapping, stream, frame)
        else:
            frame.write_csv(folder / _file_name(mapping, stream, ".csv"))


def _file_name(mapping: Mapping, stream: str, ending: str) -> str:
    return next(each for each in mapping.streams[stream].files if each.endswith(ending) and "*" not in each)


def _write_page(path: Path, mapping: Mapping, stream: str, frame: pl.DataFrame) -> None:
    """Write rows as one page: `results` names them in order, then one object a line under the stream's name."""
    name = mapping.streams[stream].name or stream
    bare = _bare_columns(mapping, stream)
    rows = [{column: _bare(text) if column in bare else text for column, text in row.items()} for row in frame.iter_rows(named=True)]
    results = json.dumps([{"key": name, "id": row["id"]} for row in rows])
    objects = ",\n".join(f"{json.dumps(row['id'])}: {json.dumps(_nested(row), ensure_ascii=False)}" for row in rows)
    path.write_text(f'{{"count": {len(rows)},\n"results": {results},\n"{name}": {{\n{objects}\n}}}}\n', encoding="utf-8")


def _bare_columns(mapping: Mapping, stream: str) -> frozenset[str]:
    """Return the columns that hold numbers and booleans, which JSON writes without quotes."""
    found: set[str] = set()
    for rule in mapping.entities:
        specs = {**entity_spec(rule.entity).fields, **PROVENANCE}
        if rule.stream == stream:
            found |= {
                each.source[0] for name, each in rule.fields.items()
                if each.source is not None and (each.unit is not None or specs[name].kind is Kind.BOOL)
            }  # fmt: skip
    return frozenset(found)


def _bare(text: str | None) -> object:
    return None if text is None else json.loads(text)


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    """Return `status.message` as an object of its own."""
    result: dict[str, Any] = {}
    for column, value in row.items():
        *above, name = column.split(".")
        inner = result
        for each in above:
            inner = inner.setdefault(each, {})
        inner[name] = value
    return result
