"""Conditions of a mapping that no row can change, proven as those of policies are."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.mapping.model import Condition, Conditions, EntityRule, Lookup, Mapping
from engine.condition.nodes import Op
from engine.condition.scope import BOOL, TEXT
from engine.condition.typed import Typed
from engine.diagnostics import Code
from engine.policy import codes
from engine.policy.settled import FALSE, TRUE, UNKNOWN, truths

Place = tuple[str | int, ...]


def settled_conditions(mapping: Mapping) -> Iterator[tuple[Code, Place, str, bool]]:
    """Tell each condition on rows that every row meets, or none, at its place."""
    for place, conditions in _conditions(mapping):
        truth = truths(_tree(conditions))
        if conditions and not truth & TRUE:
            yield codes.CONDITION_NEVER, place, "no row meets these conditions", True
        elif conditions and not truth & (FALSE | UNKNOWN):
            yield codes.CONDITION_ALWAYS, place, "every row meets these conditions", True


def _conditions(mapping: Mapping) -> Iterator[tuple[Place, Conditions]]:
    for number, aside in enumerate(mapping.set_aside):
        yield ("set_aside", number, "when"), aside.when
    for number, rule in enumerate(mapping.entities):
        yield from _of_entity(rule, ("entities", number))


def _of_entity(rule: EntityRule, place: Place) -> Iterator[tuple[Place, Conditions]]:
    yield (*place, "when"), rule.when
    for setting, related in (("exists", rule.exists), ("missing", rule.missing)):
        if related is not None:
            yield (*place, setting, "when"), related.when
    for number, aside in enumerate(rule.set_aside):
        yield (*place, "set_aside", number, "when"), aside.when
    for name, each in rule.fields.items():
        where = (*place, "fields", name)
        for setting in ("negate_when", "only_when"):
            yield (*where, setting), getattr(each, setting) or {}
        yield from _of_lookup(each.lookup, (*where, "lookup"))


def _of_lookup(lookup: Lookup | None, place: Place) -> Iterator[tuple[Place, Conditions]]:
    if lookup is not None:
        yield (*place, "when"), lookup.when
        yield from _of_lookup(lookup.then, (*place, "then"))
        yield from _of_lookup(lookup.otherwise, (*place, "else"))


def _tree(conditions: Conditions) -> Typed:
    """Return conditions on columns as one condition on their texts; letters count alike, large or small."""
    return _all([each for names, condition in conditions.items() for each in _tests(Typed(Op.PATH, TEXT, (), names), condition)])


def _tests(column: Typed, condition: Condition) -> Iterator[Typed]:
    if condition.any_of is not None:
        yield _one_of(column, condition.any_of)
    if condition.none_of is not None:
        yield _one_of(column, condition.none_of, negated=True)
    if condition.blank is not None:
        missing = Typed(Op.IS_NULL, BOOL, (column,))
        yield missing if condition.blank else Typed(Op.NOT, BOOL, (missing,))


def _one_of(column: Typed, words: tuple[str, ...], *, negated: bool = False) -> Typed:
    if not words:
        # Blank is one of no words, and none of no words as well.
        given = Typed(Op.NOT, BOOL, (Typed(Op.IS_NULL, BOOL, (column,)),))
        return given if negated else Typed(Op.BOOL, BOOL, (), value=False)
    listed = Typed(Op.IN, BOOL, (column, *(Typed(Op.TEXT, TEXT, (), word.lower()) for word in words)))
    return Typed(Op.NOT, BOOL, (listed,)) if negated else listed


def _all(parts: list[Typed]) -> Typed:
    return Typed(Op.AND, BOOL, tuple(parts)) if parts else Typed(Op.BOOL, BOOL, (), value=True)
