"""Conditions of policy files, compiled over an entity's fields and what its references reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.canonical.kinds import FieldSpec, Kind
from engine.canonical.schema import ENTITIES
from engine.condition import CompiledCondition, Scope, Type, compile_condition, entity_scope
from engine.diagnostics import Diagnostic
from engine.policy.settled import condition_mistakes
from engine.policy.source import Document, Location

AS_OF = "as_of"


def policy_scope(entity: str, extra: Mapping[str, Kind | FieldSpec | Type] | None = None) -> Scope:
    """Return what a condition about an entity may speak of; `as_of` is the run's date."""
    return entity_scope(entity, extra={AS_OF: Kind.DATE, **(extra or {})})


def compile_where(
    entity: str,
    text: str,
    document: Document,
    place: Location,
    extra: Mapping[str, Kind | FieldSpec | Type] | None = None,
) -> CompiledCondition:
    """Compile a condition over an entity; mistakes are diagnostics of the result, at their place."""
    return compile_condition(text, policy_scope(entity, extra), document.anchor_of(place))


def where_mistakes(
    entity: str,
    text: str,
    document: Document,
    place: Location,
    extra: Mapping[str, Kind | FieldSpec | Type] | None = None,
) -> list[Diagnostic]:
    """Return what is wrong with a condition over an entity, and what of it no record can change."""
    return condition_mistakes(compile_where(entity, text, document, place, extra), document.anchor_of(place))


def check_conditions(entity: str, conditions: Iterable[tuple[Location, str]], document: Document) -> list[Diagnostic]:
    """Return what is wrong with conditions about an entity; nothing when the entity itself is unknown."""
    if entity not in ENTITIES:
        return []
    return [each for place, text in conditions for each in where_mistakes(entity, text, document, place)]
