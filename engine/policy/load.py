"""Policy texts to a checked policy set: every diagnostic of every file at once, then the meaning."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pydantic

from engine.canonical.kinds import Kind
from engine.canonical.schema import ENTITIES, entity_spec
from engine.condition import CompiledCondition, compile_condition, entity_scope
from engine.diagnostics import Diagnostic, Span, sort_diagnostics
from engine.policy import codes, models
from engine.policy.models import POLICY_MODELS, CalendarPolicy, OwnershipPolicy, PolicyFile, RunPolicy
from engine.policy.source import Document, SourceText, parse_document

_Kind = typing.TypeVar("_Kind", bound=PolicyFile)


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """Hold one policy with the document it was read from and its fingerprint."""

    policy: PolicyFile
    document: Document
    fingerprint: str

    def place(self, *location: str | int) -> str:
        """Return `file:line` of a part of the policy."""
        span = self.document.span_of(location)
        return f"{span.file}:{span.line}"


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Hold every policy of a folder; `fingerprint` covers all their texts."""

    policies: tuple[LoadedPolicy, ...]
    fingerprint: str

    def of_kind(self, kind: type[_Kind]) -> list[tuple[LoadedPolicy, _Kind]]:
        """Return the policies of one kind, in order of id and date."""
        return [(each, each.policy) for each in self.policies if isinstance(each.policy, kind)]

    def run_policy(self) -> RunPolicy | None:
        """Return the run policy in the folder, the latest version when there are several."""
        found = self.of_kind(RunPolicy)
        return found[-1][1] if found else None

    def calendar(self) -> CalendarPolicy | None:
        """Return the calendar in the folder."""
        found = self.of_kind(CalendarPolicy)
        return found[-1][1] if found else None


def fingerprint_texts(texts: Mapping[str, str]) -> str:
    """Return the SHA-256 over names and texts; line ends do not count."""
    digest = hashlib.sha256()
    for name in sorted(texts):
        digest.update(f"{name}\x1f{texts[name].replace(chr(13), '')}\x1e".encode())
    return digest.hexdigest()


def load_policies(sources: Iterable[SourceText]) -> tuple[PolicySet, list[Diagnostic]]:
    """Read every policy text; return the policies that are sound and all diagnostics, sorted."""
    loaded: list[LoadedPolicy] = []
    found: list[Diagnostic] = []
    texts: dict[str, str] = {}
    for source in sorted(sources, key=lambda each: each.file):
        texts[source.file] = source.text
        document, diagnostics = parse_document(source)
        found += diagnostics
        if document.value is None and diagnostics:
            continue
        policy, diagnostics = _validated(document)
        found += diagnostics
        if policy is not None:
            loaded.append(LoadedPolicy(policy, document, fingerprint_texts({source.file: source.text})))
    loaded.sort(key=lambda each: (each.policy.policy, each.policy.id, each.policy.effective_from))
    for each in loaded:
        found += _meaning(each)
    found += _repeated_ids(loaded)
    return PolicySet(tuple(loaded), fingerprint_texts(texts)), sort_diagnostics(found)


def near(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean 'x'?` for the nearest known word, or nothing."""
    match = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean '{match[0]}'?" if match else ""


def _validated(document: Document) -> tuple[PolicyFile | None, list[Diagnostic]]:
    value = document.value
    if not isinstance(value, dict):
        return None, [document.diagnostic(codes.NOT_A_MAPPING, (), "the file holds no settings (key: value)")]
    kind = value.get("policy")
    model = POLICY_MODELS.get(str(kind))
    if model is None:
        known = ", ".join(POLICY_MODELS)
        message = f"'{kind}' is no kind of policy{near(str(kind), POLICY_MODELS)}; the kinds are {known}"
        return None, [document.diagnostic(codes.UNKNOWN_POLICY_KIND, ("policy",), message)]
    try:
        return model.model_validate(value), []
    except pydantic.ValidationError as error:
        return None, [_from_pydantic(document, model, each) for each in error.errors()]


_SETTINGS = sorted(
    {name for part in (models.OwnershipRule, models.Presence, models.AmendedTotal, models.Freshness) for name in part.model_fields}
)


def _from_pydantic(document: Document, model: type[PolicyFile], error: typing.Any) -> Diagnostic:
    location = tuple(error["loc"])
    while location and location not in document.values and location not in document.keys and error["type"] != "missing":
        location = location[:-1]
    name = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        message = f"unknown setting '{name}'{near(name, [*_SETTINGS, *model.model_fields])}"
        return document.diagnostic(codes.UNKNOWN_SETTING, location, message, prefer_key=True)
    if error["type"] == "missing":
        return document.diagnostic(codes.MISSING_SETTING, location, f"the setting '{name}' is missing", prefer_key=True)
    text = str(error["msg"]).removeprefix("Value error, ")
    message = f"'{name}' cannot be {error.get('input')!r}: {text[:1].lower()}{text[1:]}"
    return document.diagnostic(codes.INVALID_VALUE, location, message)


def _meaning(loaded: LoadedPolicy) -> list[Diagnostic]:
    policy, document = loaded.policy, loaded.document
    found: list[Diagnostic] = []
    if policy.effective_to is not None and policy.effective_to < policy.effective_from:
        message = f"the policy ends on {policy.effective_to}, before it begins on {policy.effective_from}"
        found.append(document.diagnostic(codes.DATES_REVERSED, ("effective_to",), message))
    if policy.reference is None:
        found.append(document.diagnostic(codes.MISSING_REFERENCE, ("id",), f"'{policy.id}' names no reference"))
    found += _conditions(policy, document)
    if isinstance(policy, OwnershipPolicy):
        found += _ownership_meaning(policy, document)
    return found


def _conditions(policy: PolicyFile, document: Document) -> list[Diagnostic]:
    """Check every condition against the fields it may speak of, before any data is read."""
    if not isinstance(policy, OwnershipPolicy):
        if policy.where is None:
            return []
        message = f"a {policy.policy} policy holds for the whole run; it cannot be limited by a condition"
        return [document.diagnostic(codes.CONDITION_NOT_ALLOWED, ("where",), message)]
    if policy.entity not in ENTITIES:
        return []
    found: list[Diagnostic] = []
    for place, text in policy.conditions():
        found += compile_where(policy.entity, text, document, place).diagnostics
    return found


def compile_where(entity: str, text: str, document: Document, place: tuple[str | int, ...]) -> CompiledCondition:
    """Compile a `where` over an entity's fields and what its references reach; `as_of` is the run's date."""
    scope = entity_scope(entity, extra={"as_of": Kind.DATE})
    return compile_condition(text, scope, document.anchor_of(place))


def _ownership_meaning(policy: OwnershipPolicy, document: Document) -> list[Diagnostic]:
    if policy.entity not in ENTITIES:
        message = f"'{policy.entity}' is no canonical entity{near(policy.entity, ENTITIES)}"
        return [document.diagnostic(codes.UNKNOWN_ENTITY, ("entity",), message)]
    fields = entity_spec(policy.entity).fields
    found: list[Diagnostic] = []
    if policy.applies_by is not None and policy.applies_by not in fields:
        message = f"'{policy.entity}' has no field '{policy.applies_by}'{near(policy.applies_by, fields)}"
        found.append(document.diagnostic(codes.UNKNOWN_FIELD, ("applies_by",), message))
    named: list[tuple[tuple[str | int, ...], str]] = []
    named += [(("match",), name) for name in policy.match]
    named += [(("suggest_by",), name) for name in policy.suggest_by]
    named += [(("rules", index, "field"), rule.field) for index, rule in enumerate(policy.rules)]
    named += [(("presence", index, "since"), each.since) for index, each in enumerate(policy.presence) if each.since]
    for location, name in named:
        if name not in fields:
            message = f"'{policy.entity}' has no field '{name}'{near(name, fields)}"
            found.append(document.diagnostic(codes.UNKNOWN_FIELD, location, message))
    seen: dict[str, tuple[str | int, ...]] = {}
    for index, rule_id in enumerate([rule.id for rule in policy.rules]):
        place = ("rules", index, "id")
        if rule_id in seen:
            found.append(document.diagnostic(codes.DUPLICATE_ID, place, f"the rule id '{rule_id}' is given twice"))
        seen[rule_id] = place
    return found


def _repeated_ids(loaded: list[LoadedPolicy]) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for before, after in itertools.pairwise(loaded):
        if before.policy.id != after.policy.id or before.policy.policy != after.policy.policy:
            continue
        ends = before.policy.effective_to
        if ends is None or ends >= after.policy.effective_from:
            other: Span = before.document.span_of(("id",))
            message = f"'{after.policy.id}' is in force twice from {after.policy.effective_from}"
            item = after.document.diagnostic(codes.DUPLICATE_ID, ("id",), message)
            found.append(Diagnostic(item.code, item.span, item.message, item.line_text, related=(other,)))
    return found
