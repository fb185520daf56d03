"""Quality policies: which expectations an entity's source records must meet, in Great Expectations' own format."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Literal

from engine.canonical.kinds import Kind
from engine.canonical.schema import ENTITIES, PROVENANCE, EntitySpec
from engine.condition import compile_condition
from engine.diagnostics import Anchor, Diagnostic
from engine.policy import codes
from engine.policy.kinds.base import PolicyFile, RulePlace, Severity, Words, refuse_where
from engine.policy.names import near
from engine.policy.settled import settled_parts
from engine.policy.sheets import Sheet
from engine.policy.source import Document
from engine.policy.where import policy_scope

_COLUMN: Final = ("column", "mostly", "row_condition", "condition_parser")
_BOUNDS: Final = ("min_value", "max_value")
_STRICT: Final = ("strict_min", "strict_max")

SUPPORTED: Final[Mapping[str, tuple[str, ...]]] = {
    "expect_column_values_to_not_be_null": _COLUMN,
    "expect_column_values_to_be_null": _COLUMN,
    "expect_column_values_to_be_in_set": (*_COLUMN, "value_set"),
    "expect_column_values_to_not_be_in_set": (*_COLUMN, "value_set"),
    "expect_column_values_to_be_between": (*_COLUMN, *_BOUNDS, *_STRICT),
    "expect_column_values_to_be_unique": _COLUMN,
    "expect_column_values_to_match_regex": (*_COLUMN, "regex"),
    "expect_column_values_to_not_match_regex": (*_COLUMN, "regex"),
    "expect_column_value_lengths_to_be_between": (*_COLUMN, *_BOUNDS, *_STRICT),
    "expect_column_value_lengths_to_equal": (*_COLUMN, "value"),
    "expect_column_pair_values_a_to_be_greater_than_b": ("column_A", "column_B", "or_equal", "ignore_row_if", "mostly", *_COLUMN[2:]),
    "expect_column_pair_values_to_be_equal": ("column_A", "column_B", "ignore_row_if", "mostly", *_COLUMN[2:]),
    "expect_compound_columns_to_be_unique": ("column_list", "ignore_row_if", "mostly", *_COLUMN[2:]),
    "expect_column_to_exist": ("column",),
    "expect_table_row_count_to_be_between": (*_BOUNDS, *_STRICT),
    "expect_table_row_count_to_equal": ("value",),
    "expect_column_min_to_be_between": (*_COLUMN, *_BOUNDS, *_STRICT),
    "expect_column_max_to_be_between": (*_COLUMN, *_BOUNDS, *_STRICT),
    "expect_column_sum_to_be_between": (*_COLUMN, *_BOUNDS, *_STRICT),
    "expect_column_unique_value_count_to_be_between": (*_COLUMN, *_BOUNDS, *_STRICT),
    "expect_column_distinct_values_to_be_in_set": (*_COLUMN, "value_set"),
    "expect_column_distinct_values_to_contain_set": (*_COLUMN, "value_set"),
    "expect_column_distinct_values_to_equal_set": (*_COLUMN, "value_set"),
}
"""The expectations Tieout judges, with the settings it knows of each; another is told, never passed over."""

_NAMED: Final = ("column", "column_A", "column_B")


class QualityPolicy(PolicyFile):
    """Expectations of an entity's source records, before any of them is used.

    `held`: records that fail leave the run and stand in held.parquet. `warned`: they stay, and each is a
    finding. `level` is the severity of the findings, `system` limits the suite to what those systems hold.
    """

    policy: Literal["quality"]
    entity: str
    severity: Literal["held", "warned"] = "warned"
    suite: str
    level: Severity = "medium"
    system: Words = ()


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expectation of a suite: its type, its settings as written, and the id its findings bear."""

    rule: str
    type: str
    kwargs: Mapping[str, Any]
    notes: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns it speaks of."""
        return (*[str(self.kwargs[name]) for name in _NAMED if name in self.kwargs], *map(str, self.kwargs.get("column_list", ())))

    @property
    def says(self) -> str:
        """Return the expectation as a sentence."""
        rest = {name: value for name, value in self.kwargs.items() if name not in (*_NAMED, "column_list", "condition_parser")}
        told = ", ".join(f"{name.replace('_', ' ')} {_told(value)}" for name, value in sorted(rest.items()))
        return f"{self.notes or self.type.replace('_', ' ')}: {', '.join(self.columns) or 'the table'}" + (f" ({told})" if told else "")


def _told(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def read_suite(policy_id: str, text: str) -> list[Expectation]:
    """Read a suite as Great Expectations writes it; raises ValueError when the text is no suite."""
    try:
        body = json.loads(text, parse_float=Decimal)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"it is no JSON: {error}") from error
    parts = body.get("expectations") if isinstance(body, dict) else None
    if not isinstance(parts, list):
        raise ValueError("it has no list `expectations`")
    found: list[Expectation] = []
    for number, each in enumerate(parts, start=1):
        if not isinstance(each, dict) or not isinstance(each.get("kwargs", {}), dict):
            raise ValueError(f"expectation {number} is no object with `type` and `kwargs`")
        meta = each.get("meta") or {}
        notes = each.get("notes") or each.get("description") or ""
        rule = str(meta.get("rule") or f"{policy_id}-{number}")
        found.append(Expectation(rule, str(each.get("type") or each.get("expectation_type")), each.get("kwargs", {}), str(notes), meta))
    return found


def check_quality(policy: QualityPolicy, document: Document, sheet: Sheet | None) -> list[Diagnostic]:
    """Check entity, suite, types, columns, bounds, patterns and row conditions."""
    found = refuse_where(policy, document)
    spec = ENTITIES.get(policy.entity)
    if spec is None:
        message = f"'{policy.entity}' is no canonical entity{near(policy.entity, ENTITIES)}"
        return [*found, document.diagnostic(codes.UNKNOWN_ENTITY, ("entity",), message)]
    if sheet is None or sheet.text is None:
        message = f"there is no readable file {policy.suite} beside the policy"
        return [*found, document.diagnostic(codes.QUALITY_SUITE, ("suite",), message)]
    try:
        suite = read_suite(policy.id, sheet.text)
    except ValueError as error:
        return [*found, document.diagnostic(codes.QUALITY_SUITE, ("suite",), f"{sheet.file} cannot be read: {error}")]
    for number, each in enumerate(suite, start=1):
        for code, message in _mistakes(each, spec):
            found.append(document.diagnostic(code, ("suite",), f"{sheet.file}, expectation {number} ({each.type}): {message}"))
        for settled in _settled(each, policy.entity, {**spec.fields, **PROVENANCE}):
            message = f"{sheet.file}, expectation {number} ({each.type}), row_condition: {settled.message}"
            found.append(document.diagnostic(settled.code, ("suite",), message))
    return found


def _settled(each: Expectation, entity: str, known: Mapping[str, Any]) -> list[Diagnostic]:
    """Return what of an expectation's row condition no record can change."""
    terms = read_condition(str(each.kwargs.get("row_condition", "")), known)
    if not terms:
        return []
    anchor = Anchor("", 1, 1)
    return settled_parts(compile_condition(" AND ".join(_as_policies_write(*term) for term in terms), policy_scope(entity), anchor), anchor)


def _as_policies_write(name: str, test: str, value: Any) -> str:
    """Return a term of a row condition in the words of policies; as in pandas, a missing value differs from every value."""
    if test in ("isnull", "notnull"):
        return f"{name} IS {'NOT ' if test == 'notnull' else ''}NULL"
    written = "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)
    if test == "!=":
        return f"({name} <> {written} OR {name} IS NULL)"
    return f"{name} {'=' if test == '==' else test} {written}"


def _mistakes(each: Expectation, spec: EntitySpec) -> list[tuple[Any, str]]:
    if each.type not in SUPPORTED:
        return [(codes.QUALITY_UNSUPPORTED, f"Tieout does not judge it{near(each.type, SUPPORTED)}")]
    found: list[tuple[Any, str]] = []
    known = {**spec.fields, **PROVENANCE}
    for name in each.columns:
        if name not in known:
            found.append((codes.UNKNOWN_FIELD, f"'{spec.name}' has no field '{name}'{near(name, known)}"))
    for name in each.kwargs:
        if name not in SUPPORTED[each.type]:
            found.append((codes.QUALITY_UNSUPPORTED, f"Tieout does not know its setting '{name}'{near(name, SUPPORTED[each.type])}"))
    found += [(codes.QUALITY_SUITE, message) for message in _wrong_bounds(each)]
    if "regex" in each.kwargs:
        try:
            re.compile(str(each.kwargs["regex"]))
        except re.error as error:
            found.append((codes.QUALITY_SUITE, f"its pattern is wrong: {error}"))
        if re.search(r"\(\?[=!<]|\\[1-9]", str(each.kwargs["regex"])):
            found.append((codes.QUALITY_UNSUPPORTED, "its pattern looks around or back, which is not judged"))
    if "row_condition" in each.kwargs and read_condition(str(each.kwargs["row_condition"]), known) is None:
        message = "its row_condition is none that is judged: `field == 'x'`, `!=`, `<`, `>`, `.isnull()`, `.notnull()`, joined by `and`"
        found.append((codes.QUALITY_UNSUPPORTED, message))
    texts = {Kind.ID, Kind.TEXT, Kind.ENUM}
    if ("regex" in each.kwargs or "lengths" in each.type) and not all(known[name].kind in texts for name in each.columns if name in known):
        found.append((codes.QUALITY_SUITE, "it looks at text, and the field is none"))
    return found


def _wrong_bounds(each: Expectation) -> list[str]:
    """Return what is wrong with the bounds of an expectation."""
    low: Any = each.kwargs.get("min_value")
    high: Any = each.kwargs.get("max_value")
    found = [
        f"{name} {bound} is no exact number for Great Expectations; use whole numbers"
        for name, bound in zip(_BOUNDS, (low, high), strict=True)
        if not is_exact(bound)
    ]
    is_open = any(each.kwargs.get(name) for name in _STRICT)
    alike = any(isinstance(low, kind) and isinstance(high, kind) for kind in (str, int | Decimal))
    if alike and (low > high or (is_open and low == high)):
        found.append(f"no value lies between {low} and {high}; write the smaller bound first")
    return found


def is_exact(value: Any) -> bool:
    """Say whether a bound is the same in decimals and in the floats Great Expectations reads."""
    if not isinstance(value, Decimal):
        return True
    denominator = Fraction(value).denominator
    return denominator & (denominator - 1) == 0


_TERM: Final = re.compile(r"\s*(\w+)\s*(?:\.(isnull|notnull)\(\)|(==|!=|<=|>=|<|>)\s*('[^']*'|\"[^\"]*\"|-?\d+))\s*\Z")


def read_condition(text: str, known: Mapping[str, Any]) -> list[tuple[str, str, Any]] | None:
    """Return the terms of a row condition as (field, operator, value), or None when it is none that is judged."""
    terms: list[tuple[str, str, Any]] = []
    for part in re.split(r"\s+and\s+", text):
        match = _TERM.match(part)
        if match is None or match[1] not in known:
            return None
        value = match[4]
        quoted = value is not None and value[0] in "'\""
        terms.append((match[1], match[2] or match[3], value[1:-1] if quoted else None if value is None else int(value)))
    return terms


def quality_rules(policy: QualityPolicy, document: Document, sheet: Sheet | None) -> list[RulePlace]:
    """Return every expectation of the suite with its sentence; it stands where the policy names the suite."""
    if sheet is None or sheet.text is None:
        return []
    try:
        suite = read_suite(policy.id, sheet.text)
    except ValueError:
        return []
    return [RulePlace(each.rule, document.span_of(("suite",)), each.says, policy.reference) for each in suite]
