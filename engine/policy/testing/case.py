"""Test files as authors write them, to records with exact types and expectations with their places."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final

import polars as pl

from engine.canonical.kinds import DECIMAL_DIGITS, DECIMAL_PRECISION, DECIMAL_SCALE, FieldSpec, Kind
from engine.canonical.schema import ENTITIES, PROVENANCE, EntitySpec
from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.names import near
from engine.policy.source import Document, Location
from engine.stage import Facts

SETTINGS: Final = ("test", "case", "source", "variant", "note", "policies", "as_of", "known_on", "given", "expect")

UNNOTICED: Final = "unnoticed"
"""Where a test file says why no test looks at a change of a table."""

_SOURCE: Final = "source_system"


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """Hold one test: what is given, under which overrides of policies, and what is expected.

    `given` holds agreed records by entity, `sources` records that name their system and so pass
    ownership first. `expect` is as written; `place` leads to it in `document`.
    """

    name: str
    document: Document
    as_of: dt.date
    known_on: dt.date | None
    policies: Mapping[str, Any]
    given: Mapping[str, pl.DataFrame]
    sources: Mapping[str, pl.DataFrame]
    expect: Mapping[str, Any]
    place: Location = ("expect",)

    @property
    def file(self) -> str:
        """Return the file the test stands in."""
        return self.document.source.file

    def agreed(self) -> Facts:
        """Return the given agreed records as the stages after ownership read them."""
        stated = {(entity, "given"): frozenset(frame.columns) for entity, frame in self.given.items()}
        return Facts({entity: frame.lazy() for entity, frame in self.given.items()}, stated, self.as_of)

    def claimed(self) -> Facts | None:
        """Return the given source records as ownership reads them, or None when there are none."""
        if not self.sources:
            return None
        stated = {
            (entity, str(system)): frozenset(name for name in frame.columns if frame.filter(pl.col(_SOURCE) == system)[name].count())
            for entity, frame in self.sources.items()
            for system in frame[_SOURCE].unique().to_list()
        }
        return Facts({entity: frame.drop("evidence").lazy() for entity, frame in self.sources.items()}, stated, self.as_of)


def read_tests(document: Document) -> tuple[list[PolicyTest], list[Diagnostic]]:
    """Read a test file: one test, or several under `tests` that share what stands beside it."""
    reader = _Reader(document)
    value = document.value
    if not isinstance(value, dict):
        return [], [document.diagnostic(codes.NOT_A_MAPPING, (), "the file holds no settings (key: value)")]
    value = {name: each for name, each in value.items() if name != UNNOTICED}
    if "tests" not in value:
        made = reader.test(value, (), {})
        return [made] if made is not None else [], reader.found
    shared = {name: each for name, each in value.items() if name != "tests"}
    tests = []
    listed = value["tests"] if isinstance(value["tests"], list) else []
    if not listed:
        reader.report(codes.INVALID_VALUE, ("tests",), "`tests` is a list of tests")
    for index, each in enumerate(listed):
        if not isinstance(each, dict):
            reader.report(codes.INVALID_VALUE, ("tests", index), "a test is written as settings (key: value)")
            continue
        made = reader.test(each, ("tests", index), shared)
        if made is not None:
            tests.append(made)
    return tests, reader.found


@dataclass(slots=True)
class _Reader:
    document: Document
    found: list[Diagnostic] = field(default_factory=list)

    def report(self, code: Any, place: Location, message: str, *, prefer_key: bool = False) -> None:
        self.found.append(self.document.diagnostic(code, place, message, prefer_key=prefer_key))

    def test(self, own: dict[str, Any], place: Location, shared: Mapping[str, Any]) -> PolicyTest | None:
        before = len(self.found)
        for name in own:
            if name not in SETTINGS:
                self.report(codes.UNKNOWN_SETTING, (*place, name), f"unknown setting '{name}'{near(name, SETTINGS)}", prefer_key=True)
        merged = {**shared, **own}
        for name in ("test", "as_of", "expect"):
            if merged.get(name) is None:
                self.report(codes.MISSING_SETTING, place, f"the setting '{name}' is missing", prefer_key=True)
        as_of = self._date(merged.get("as_of"), (*place, "as_of"))
        known_on = self._date(merged.get("known_on"), (*place, "known_on"))
        rows = [*self._rows(shared.get("given"), ("given",)), *self._rows(own.get("given"), (*place, "given"))]
        expect = self._expected(merged.get("expect"), (*place, "expect") if "expect" in own else ("expect",))
        policies = self._mapping(merged.get("policies"), (*place, "policies"))
        given, sources = self._frames(rows)
        if len(self.found) > before or as_of is None:
            return None
        return PolicyTest(
            str(merged["test"]), self.document, as_of, known_on, policies, given, sources, expect,
            (*place, "expect") if "expect" in own else ("expect",),
        )  # fmt: skip

    def _mapping(self, value: Any, place: Location) -> dict[str, Any]:
        if value is None or isinstance(value, dict):
            return value or {}
        self.report(codes.INVALID_VALUE, place, f"'{place[-1]}' is written as settings (key: value)")
        return {}

    def _expected(self, value: Any, place: Location) -> dict[str, Any]:
        """Return what is expected of each output: rows (nothing written is no row), of findings `none` or their modes."""
        made: dict[str, Any] = {}
        for output, rows in self._mapping(value, place).items():
            if output == "findings":
                if rows not in (None, "none") and not isinstance(rows, dict):
                    self.report(codes.INVALID_VALUE, (*place, output), "findings are 'none' or {contains | excludes | exactly: [...]}")
                made[output] = rows
                continue
            made[output] = [] if rows is None else rows if isinstance(rows, list) else [rows]
            for index, row in enumerate(made[output]):
                if not isinstance(row, dict):
                    message = f"what is expected of '{output}' is a list of rows {{column: value}}"
                    self.report(codes.INVALID_VALUE, (*place, output, index), message)
        return made

    def _date(self, value: Any, place: Location) -> dt.date | None:
        if value is None:
            return None
        try:
            return dt.date.fromisoformat(str(value))
        except ValueError:
            self.report(codes.INVALID_VALUE, place, f"'{value}' is not a date (YYYY-MM-DD)")
            return None

    def _rows(self, given: Any, place: Location) -> Iterator[tuple[str, Location, dict[str, Any]]]:
        for entity, rows in self._mapping(given, place).items():
            if entity not in ENTITIES:
                message = f"'{entity}' is no canonical entity{near(entity, ENTITIES)}"
                self.report(codes.UNKNOWN_ENTITY, (*place, entity), message, prefer_key=True)
                continue
            listed = [] if rows is None else rows if isinstance(rows, list) else [rows]
            for index, row in enumerate(listed):
                if isinstance(row, dict):
                    yield entity, (*place, entity, index), row
                else:
                    message = f"the records of '{entity}' are a list of rows {{field: value}}"
                    self.report(codes.INVALID_VALUE, (*place, entity, index), message)

    def _frames(self, rows: list[tuple[str, Location, dict[str, Any]]]) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame]]:
        agreed: dict[str, list[dict[str, Any]]] = {}
        sources: dict[str, list[dict[str, Any]]] = {}
        seen: dict[tuple[str, ...], int] = {}
        for entity, place, row in rows:
            record = self._record(ENTITIES[entity], row, place)
            if record[_SOURCE] is None:
                self._once(ENTITIES[entity], record, place, seen)
            (sources if record[_SOURCE] is not None else agreed).setdefault(entity, []).append(record)
        return _typed(agreed), _typed(sources)

    def _once(self, spec: EntitySpec, record: dict[str, Any], place: Location, seen: dict[tuple[str, ...], int]) -> None:
        """Report an agreed record that is given twice: ownership leaves one of each key, and so must a test."""
        key = (spec.name, *(str(record.get(name)) for name in spec.keys))
        if key in seen:
            message = f"the {spec.name} '{'|'.join(key[1:])}' is given twice (first in line {seen[key]}); agreed records have one row a key"
            self.report(codes.INVALID_VALUE, place, message)
        seen.setdefault(key, record["source_row"])

    def _record(self, spec: EntitySpec, row: dict[str, Any], place: Location) -> dict[str, Any]:
        fields = {**spec.fields, **PROVENANCE}
        line = self.document.span_of(place).line
        record: dict[str, Any] = {"source_file": self.document.source.file, "source_row": line, _SOURCE: None}
        for name, value in row.items():
            if name not in fields:
                message = f"'{spec.name}' has no field '{name}'{near(name, fields)}"
                self.report(codes.UNKNOWN_FIELD, (*place, name), message, prefer_key=True)
                continue
            record[name] = self._value(fields[name], value, (*place, name))
        for name in spec.keys:
            if record.get(name) is None:
                self.report(codes.MISSING_SETTING, place, f"the key '{name}' is missing")
        record["evidence"] = [f"{self.document.source.file}:{line}"]
        return record

    def _value(self, spec: FieldSpec, value: Any, place: Location) -> Any:
        if value is None:
            return None
        try:
            return field_value(spec, value)
        except ValueError as error:
            self.report(codes.INVALID_VALUE, place, f"'{spec.name}' cannot be '{value}': {error}")
            return None


def field_value(spec: FieldSpec, value: Any) -> Any:
    """Return a value as written in a test, in the exact type of a field; ValueError says why not."""
    if isinstance(value, list | dict):
        raise ValueError("a single value is needed")
    if spec.kind in DECIMAL_SCALE:
        return _decimal(value, DECIMAL_SCALE[spec.kind], DECIMAL_DIGITS[spec.kind])
    text = "true" if value is True else "false" if value is False else str(value)
    if spec.kind is Kind.BOOL:
        if text not in ("true", "false"):
            raise ValueError("write true or false")
        return text == "true"
    if spec.kind is Kind.INT:
        return _whole(text)
    if spec.kind is Kind.DATE:
        return _day(text)
    if spec.kind is Kind.TIME:
        return _instant(text)
    if spec.values and text not in spec.values:
        raise ValueError(f"it is one of {', '.join(spec.values)}{near(text, spec.values)}")
    return text


def _whole(text: str) -> int:
    return int(_decimal(text, 0, 17))


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError("write a day that exists as YYYY-MM-DD") from None


def _instant(text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("write a moment that exists as YYYY-MM-DDThh:mm:ssZ") from None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def _decimal(value: Any, scale: int, digits: int) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("it is no number") from None
    if not number.is_finite():
        raise ValueError("it is no number")
    if number.adjusted() >= digits:
        raise ValueError(f"it has more than {digits} digits before the point")
    if number != number.quantize(Decimal(1).scaleb(-scale), context=Context(prec=DECIMAL_PRECISION)):
        raise ValueError(f"it has more than {scale} decimals")
    return number


def _typed(records: Mapping[str, list[dict[str, Any]]]) -> dict[str, pl.DataFrame]:
    frames = {}
    for entity, rows in records.items():
        schema = {**ENTITIES[entity].polars_schema(), "evidence": pl.List(pl.String())}
        columns = {name: pl.Series(name, [row.get(name) for row in rows], dtype=dtype, strict=True) for name, dtype in schema.items()}
        frames[entity] = pl.DataFrame(columns)
    return frames
