"""The mapping files shipped with Tieout (and a team's own), loaded and checked."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic

from adapters.mapping.checks import check_mapping
from adapters.mapping.model import EntityRule, FieldRule, Lookup, Mapping, StreamRule
from engine.canonical.schema import ENTITIES, PROVENANCE
from engine.diagnostics import Diagnostic
from engine.errors import PolicyError, UsageError
from engine.policy import codes
from engine.policy.load import fingerprint_texts
from engine.policy.names import near
from engine.policy.source import Document, SourceText, parse_document
from engine.policy.wording import needed

SOURCES = Path(__file__).parent.parent / "sources"
CANONICAL = "canonical"


@dataclass(frozen=True, slots=True)
class LoadedMapping:
    """Hold a mapping with the fingerprint of its text."""

    mapping: Mapping
    fingerprint: str
    text: str = ""


def adapter_names() -> list[str]:
    """Return the names of the shipped adapters, sorted."""
    return sorted([CANONICAL, *(path.stem for path in SOURCES.glob("*.yaml"))])


def load_mapping(name: str, folder: Path | None = None) -> LoadedMapping:
    """Load an adapter's mapping: from a team's folder when it has one, else the shipped one.

    Raises UsageError for an unknown adapter or folder and PolicyError when the mapping has mistakes.
    """
    if folder is not None and not folder.is_dir():
        raise UsageError(f"There is no folder of mappings at {folder}.", "Give the folder that holds your <adapter>.yaml files.")
    if name == CANONICAL:
        return canonical_mapping()
    for path in ([folder / f"{name}.yaml"] if folder else []) + [SOURCES / f"{name}.yaml"]:
        if path.is_file():
            mapping, diagnostics, fingerprint = read_mapping(path)
            if mapping is None or any(each.is_error for each in diagnostics):
                raise PolicyError(f"The mapping {path.name} has mistakes.", diagnostics)
            return LoadedMapping(mapping, fingerprint, path.read_text(encoding="utf-8"))
    names = sorted({*adapter_names(), *(path.stem for path in folder.glob("*.yaml"))}) if folder else adapter_names()
    raise UsageError(f"There is no adapter '{name}'{near(name, names)}.".replace("?.", "?"), f"The adapters are {', '.join(names)}.")


def read_mapping(path: Path) -> tuple[Mapping | None, list[Diagnostic], str]:
    """Read a mapping file; return it with every diagnostic and its fingerprint."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"The mapping {path} is no UTF-8 text.", "Save the file as UTF-8.") from error
    except OSError as error:
        raise UsageError(f"The mapping {path} cannot be opened.", "Give the path of a mapping file, as in mappings/own.yaml.") from error
    mapping, diagnostics, fingerprint = _read_text(path.name, text)
    return mapping, list(diagnostics), fingerprint


@functools.lru_cache(maxsize=64)
def _read_text(name: str, text: str) -> tuple[Mapping | None, tuple[Diagnostic, ...], str]:
    """Read a mapping's text once: a snapshot and the one before it are read with the same mappings."""
    fingerprint = fingerprint_texts({name: text})
    document, diagnostics = parse_document(SourceText(name, text))
    if not isinstance(document.value, dict):
        remedy = "Start the file with `adapter:`, `title:`, `streams:` and `entities:`."
        nothing = document.diagnostic(codes.NOT_A_MAPPING, (), "the file holds no settings", remedy=remedy)
        return None, tuple(diagnostics or [nothing]), fingerprint
    settings = _texts(document.value)
    try:
        mapping = Mapping.model_validate(settings)
    except pydantic.ValidationError as error:
        found = [_diagnostic(document, each) for each in error.errors()]
        return None, (*diagnostics, *found, *_others(settings, error, document)), fingerprint
    return mapping, (*diagnostics, *check_mapping(mapping, document)), fingerprint


def _texts(value: Any) -> Any:
    """Give numbers and booleans back as the words they were written with; mappings speak text."""
    if isinstance(value, dict):
        return {key: _texts(each) if key not in _TYPED else each for key, each in value.items()}
    if isinstance(value, list):
        return [_texts(each) for each in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None else str(value)


def _others(settings: Any, error: pydantic.ValidationError, document: Document) -> list[Diagnostic]:
    """Return the mistakes in names beside those in shape: the mapping is checked without the fields that have no shape."""
    for each in error.errors():
        match each["loc"]:
            case ("entities", int(index), "fields", str(name), *_):
                settings["entities"][index]["fields"].pop(name, None)
            case _:
                return []
    try:
        mapping = Mapping.model_validate(settings)
    except pydantic.ValidationError:
        return []
    # A key that was taken out is mapped, though wrongly.
    return [each for each in check_mapping(mapping, document) if each.code is not codes.MISSING_SETTING]


_TYPED = frozenset({"version", "skip_rows", "distinct", "reciprocal", "blank", "columns"})


_SETTINGS = sorted(
    {info.alias or name for model in (Mapping, StreamRule, EntityRule, FieldRule, Lookup) for name, info in model.model_fields.items()}
)


def _diagnostic(document: Document, error: object) -> Diagnostic:
    assert isinstance(error, dict)
    location = tuple(error["loc"])
    while location and location not in document.values:
        location = location[:-1]
    name = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        return document.diagnostic(codes.UNKNOWN_SETTING, location, f"unknown setting '{name}'{near(name, _SETTINGS)}")
    if error["type"] == "missing":
        return document.diagnostic(codes.MISSING_SETTING, location, f"the setting '{name}' is missing", prefer_key=True)
    return document.diagnostic(codes.INVALID_VALUE, location, f"'{name}': {needed(error)}")


@functools.cache
def canonical_mapping() -> LoadedMapping:
    """Return the adapter of files that bear the canonical names already."""
    streams: dict[str, StreamRule] = {}
    rules: list[EntityRule] = []
    for name, spec in ENTITIES.items():
        endings = ("csv", "txt", "tsv", "ndjson", "jsonl", "json", "xlsx", "parquet")
        files = [pattern for each in endings for pattern in (f"{name}.{each}", f"{name}-*.{each}", f"{name}/*.{each}")]
        streams[name] = StreamRule(files=tuple(files))
        own = ("source_file", "source_row", "record_hash")
        names = [*spec.fields, *(each for each in PROVENANCE if each not in own)]
        rules.append(EntityRule.model_validate({
            "entity": name, "from": name, "fields": {each: {"from": each} for each in names},
        }))  # fmt: skip
    mapping = Mapping(
        adapter=CANONICAL,
        title="Files that bear the canonical names",
        streams=streams,
        entities=tuple(rules),
        time=(
            "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%d %H:%M:%S%.fZ",
            "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d",
        ),
    )  # fmt: skip
    return LoadedMapping(mapping, fingerprint_texts({CANONICAL: mapping.model_dump_json()}))
