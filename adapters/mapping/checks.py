"""What can be wrong in a mapping beyond its shape: names, streams, conversions, patterns and constants."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator
from typing import Final

import polars as pl

from adapters.mapping.casting import cast_field
from adapters.mapping.model import EntityRule, FieldRule, Lookup, Mapping, Related
from adapters.mapping.settled import settled_conditions
from engine.canonical.kinds import DECIMAL_SCALE, FieldSpec, Kind
from engine.canonical.schema import ENTITIES, PROVENANCE
from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.names import near
from engine.policy.source import Document

Place = tuple[str | int, ...]

_DECIMALS: Final = frozenset(DECIMAL_SCALE)
_NUMBERS: Final = _DECIMALS | {Kind.INT}
_WORDS: Final = frozenset({Kind.ID, Kind.TEXT, Kind.ENUM, Kind.PERIOD})

CONVERSIONS: Final[dict[str, frozenset[Kind]]] = {
    "unit": _DECIMALS, "plus": _DECIMALS, "minus": _DECIMALS, "divide_by": _DECIMALS, "reciprocal": _DECIMALS,
    "sign": _DECIMALS, "negate_when": _NUMBERS, "decimal": _NUMBERS, "thousands": _NUMBERS, "strip": _NUMBERS,
    "date": frozenset({Kind.DATE}), "exclusive_end": frozenset({Kind.DATE}), "time": frozenset({Kind.TIME}),
    "true": frozenset({Kind.BOOL}), "false": frozenset({Kind.BOOL}), "map": _WORDS, "otherwise": _WORDS,
    "fallback": frozenset(Kind) - {Kind.DATE, Kind.TIME},
}  # fmt: skip
"""The kinds of field each conversion is for; on any other it would silently do nothing."""

_EPOCHS: Final = ("epoch_s", "epoch_ms", "sheet_days")
# Two digits of the year stand for two centuries.
_NO_CENTURY: Final = ("%y", "%D", "%g")


def check_mapping(mapping: Mapping, document: Document) -> list[Diagnostic]:
    """Return every mistake of a mapping that has the right shape, each at its place in the file."""
    return [document.diagnostic(code, place, message, prefer_key=key) for code, place, message, key in _mistakes(mapping)]


Mistake = tuple[object, Place, str, bool]


def _mistakes(mapping: Mapping) -> Iterator[Mistake]:
    for setting in ("date", "time"):
        yield from _formats(getattr(mapping, setting), (setting,), setting)
    if mapping.zone not in zoneinfo.available_timezones():
        yield codes.INVALID_VALUE, ("zone",), f"'{mapping.zone}' is no time zone; write one such as UTC or Europe/Berlin", False
    known = mapping.stream_names()
    for index, rule in enumerate(mapping.entities):
        place: Place = ("entities", index)
        yield from _streams(rule, known, place)
        if rule.entity not in ENTITIES:
            message = f"'{rule.entity}' is no canonical entity{near(rule.entity, ENTITIES)}"
            yield codes.UNKNOWN_ENTITY, (*place, "entity"), message, False
            continue
        yield from _fields(rule, mapping, place)
    yield from settled_conditions(mapping)


def _streams(rule: EntityRule, known: list[str], place: Place) -> Iterator[Mistake]:
    named: list[tuple[str, Place]] = [(rule.stream, (*place, "from"))]
    related: tuple[tuple[str, Related | None], ...] = (("exists", rule.exists), ("missing", rule.missing))
    named += [(each.stream, (*place, setting, "stream")) for setting, each in related if each is not None]
    for name, each in rule.fields.items():
        if each.lookup is not None:
            named += _looked_through(each.lookup, (*place, "fields", name, "lookup"))
    for name, where in named:
        if name not in known:
            yield codes.INVALID_VALUE, where, f"'{name}' is no declared stream{near(name, known)}", False


def _looked_through(lookup: Lookup, where: Place) -> Iterator[tuple[str, Place]]:
    yield lookup.stream, (*where, "stream")
    for setting, onward in (("then", lookup.then), ("else", lookup.otherwise)):
        if onward is not None:
            yield from _looked_through(onward, (*where, setting))


def _fields(rule: EntityRule, mapping: Mapping, place: Place) -> Iterator[Mistake]:
    specs = {**ENTITIES[rule.entity].fields, **PROVENANCE}
    for name, each in rule.fields.items():
        where: Place = (*place, "fields", name)
        spec = specs.get(name)
        if spec is None:
            yield codes.UNKNOWN_FIELD, where, f"'{rule.entity}' has no field '{name}'{near(name, specs)}", True
            continue
        yield from _conversions(name, each, spec, where)
        yield from _constants(each, spec, mapping, where)
    for key in ENTITIES[rule.entity].keys:
        if key not in rule.fields:
            message = f"the key '{key}' of '{rule.entity}' is not mapped"
            yield codes.MISSING_SETTING, (*place, "fields"), message, True


def _conversions(name: str, rule: FieldRule, spec: FieldSpec, where: Place) -> Iterator[Mistake]:
    for setting, kinds in CONVERSIONS.items():
        if setting in rule.model_fields_set and spec.kind not in kinds:
            yield codes.INVALID_VALUE, (*where, setting), f"'{setting}' does nothing on '{name}', which is {spec.kind.value}", True
    for setting in ("date", "time"):
        yield from _formats(getattr(rule, setting) or (), (*where, setting), setting)
    for setting in ("pattern", "header", "from_header"):
        text = getattr(rule, setting)
        problem = None if text is None else _pattern_problem(text, grouped=setting != "from_header" and rule.template is None)
        if problem is not None:
            yield codes.INVALID_VALUE, (*where, setting), f"the pattern {text!r} {problem}", False


def _formats(formats: tuple[str, ...], where: Place, setting: str) -> Iterator[Mistake]:
    for form in formats:
        problem = None
        if form not in _EPOCHS and "%" not in form:
            problem = "is no format: write the day %d, the month %m, the year %Y, or epoch_s, epoch_ms, sheet_days"
        elif any(each in form for each in _NO_CENTURY):
            problem = "leaves the century open; write the year with four digits (%Y)"
        elif setting == "date" and form not in _EPOCHS and not _reads_a_day(form):
            problem = "does not read a date of its own form"
        if problem is not None:
            yield codes.INVALID_VALUE, where, f"'{form}' {problem}", False


def _reads_a_day(form: str) -> bool:
    """Say whether Polars knows the format: text written with it is read back."""
    try:
        written = pl.select(pl.datetime(2026, 3, 4, time_zone="UTC").dt.to_string(form.replace("%.f", "").replace("%#z", "%z"))).item()
        return pl.select(pl.lit(written).str.to_date(form.replace("%.f", ""), strict=False).is_not_null()).item() is True
    except (pl.exceptions.PolarsError, ValueError):
        return False


def _pattern_problem(text: str, *, grouped: bool) -> str | None:
    try:
        compiled = re.compile(text)
        pl.select(pl.lit("").str.contains(text))
    except (re.error, pl.exceptions.PolarsError):
        return "is no regular expression"
    return "has no group in parentheses that says what counts" if grouped and compiled.groups == 0 else None


def _constants(rule: FieldRule, spec: FieldSpec, mapping: Mapping, where: Place) -> Iterator[Mistake]:
    if spec.kind is Kind.ENUM:
        words = [*(rule.map or {}).values(), *(word for word in (rule.fallback, rule.otherwise) if word is not None)]
        words += [rule.const] if rule.const is not None and rule.map is None else []
        for word in words:
            if word not in spec.values:
                yield codes.INVALID_VALUE, where, f"'{word}' is none of {', '.join(spec.values)}{near(word, spec.values)}", False
        return
    plain = FieldRule.model_validate({"from": "x", "true": ["true"], "false": ["false"]})
    for setting, text, read in (("const", rule.const, rule), ("fallback", rule.fallback, plain)):
        kinds = CONVERSIONS.get(setting, frozenset(Kind))
        if text is not None and spec.kind in kinds and not _is_read(text, spec, read.model_copy(update={"fallback": None}), mapping):
            yield codes.INVALID_VALUE, (*where, setting), f"'{text}' cannot be read as {spec.kind.value}", False


def _is_read(text: str, spec: FieldSpec, rule: FieldRule, mapping: Mapping) -> bool:
    try:
        cast = cast_field(pl.lit(text), spec, rule, mapping)
        return pl.select(cast.value.is_not_null()).item() is True
    except pl.exceptions.PolarsError:
        return False
