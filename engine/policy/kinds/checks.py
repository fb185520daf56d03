"""Check policies: one condition that must hold of every record, or of every group of records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pydantic

from engine.canonical.kinds import FieldSpec, Kind
from engine.condition import CompiledCondition, Scope, Type, compile_condition, compile_value, decimal, entity_scope
from engine.condition.scope import Category
from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds.base import PolicyFile, RulePlace, Severity, Strict, Words
from engine.policy.kinds.sides import Lookup, check_lookups, check_supplied, extra_names
from engine.policy.names import near
from engine.policy.outputs import READABLE
from engine.policy.settled import condition_mistakes
from engine.policy.sheets import Sheet
from engine.policy.source import Document, Location


class Group(Strict):
    """Say which records are judged together: those that share the fields of `by`.

    Conditions then speak of the first record's fields, of `records` (how many there are), of the
    distinct values counted in `count` and of the sums in `sum`. `called` names the group.
    """

    by: Words
    called: str
    count: dict[str, str] = pydantic.Field(default_factory=dict)
    sum: dict[str, str] = pydantic.Field(default_factory=dict)


class Check(Strict):
    """Say what must hold; where it does not, or is not known, that is a finding.

    `sequence` instead of `must` asks that the running numbers in a field have no gap, for each of
    `per`. `dated` tells since when a finding stands: a field, or an expression that gives a day (of a sequence a field).
    `unstated` says what becomes of a check whose fields no source states.
    """

    id: str
    must: str | None = None
    sequence: str | None = None
    per: Words = ()
    dated: str | None = None
    where: str | None = None
    kind: str = pydantic.Field(pattern=r"^[a-z][a-z0-9_]*$")
    severity: Severity = "medium"
    says: str
    remedy: str
    owner: str | None = None
    amount: str | None = None
    related: str | None = None
    unstated: Literal["not_applicable", "fails"] = "not_applicable"

    @pydantic.model_validator(mode="after")
    def _one_demand(self) -> Check:
        if (self.must is None) == (self.sequence is None):
            raise ValueError("a check has either `must` or `sequence`")
        return self


class CheckPolicy(PolicyFile):
    """What must hold of the records of an entity: of the systems named, else of the agreed ones."""

    policy: Literal["check"]
    entity: str
    system: Words = ()
    with_sums: dict[str, Lookup] = pydantic.Field(default_factory=dict, alias="with")
    group: Group | None = None
    checks: tuple[Check, ...]
    needs: Words = ()
    unless_supplied: Words = ()


def record_scope(policy: CheckPolicy) -> Scope:
    """Return what the policy's `where` and the expressions of its group may speak of."""
    return entity_scope(policy.entity, READABLE, extra_names(policy.entity, policy.with_sums))


def check_scope(policy: CheckPolicy) -> Scope:
    """Return what its checks may speak of: the record, and what is counted and summed of its group."""
    names: dict[str, Kind | FieldSpec | Type] = {}
    if policy.group is not None:
        names = dict.fromkeys(("records", *policy.group.count), Kind.INT)
        names |= dict.fromkeys(policy.group.sum, decimal(6, "currency"))
    return entity_scope(policy.entity, READABLE, {**extra_names(policy.entity, policy.with_sums), **names})


def compiled_in(scope: Scope, text: str, document: Document, place: Location, *, is_condition: bool) -> CompiledCondition:
    """Compile a text of a check at its place."""
    return (compile_condition if is_condition else compile_value)(text, scope, document.anchor_of(place))


def check_checks(policy: CheckPolicy, document: Document, _: Sheet | None) -> list[Diagnostic]:
    """Check the entity, the fields of the group and every condition."""
    if policy.entity not in READABLE:
        message = f"'{policy.entity}' is no canonical entity and no output{near(policy.entity, READABLE)}"
        return [document.diagnostic(codes.UNKNOWN_ENTITY, ("entity",), message)]
    found = check_lookups(policy.entity, policy.with_sums, document, ("with",))
    found += check_supplied(policy.needs, document, "needs") + check_supplied(policy.unless_supplied, document, "unless_supplied")
    if any(each.is_error for each in found):
        return found
    if policy.where is not None:
        compiled = compiled_in(record_scope(policy), policy.where, document, ("where",), is_condition=True)
        found += condition_mistakes(compiled, document.anchor_of(("where",)))
    if policy.group is not None:
        found += _check_fields(policy, policy.group.by, document, ("group", "by"))
        for part in ("count", "sum"):
            for name, text in getattr(policy.group, part).items():
                found += compiled_in(record_scope(policy), text, document, ("group", part, name), is_condition=False).diagnostics
    seen: set[str] = set()
    for index, each in enumerate(policy.checks):
        place = ("checks", index)
        if each.id in seen:
            found.append(document.diagnostic(codes.DUPLICATE_ID, (*place, "id"), f"the check id '{each.id}' is given twice"))
        seen.add(each.id)
        found += _check_one(policy, each, document, place)
    return found


def _check_one(policy: CheckPolicy, each: Check, document: Document, place: Location) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    scope = check_scope(policy)
    for name in ("must", "where"):
        text = getattr(each, name)
        if text is not None:
            compiled = compiled_in(scope, text, document, (*place, name), is_condition=True)
            found += condition_mistakes(compiled, document.anchor_of((*place, name)))
    wanted = {"amount": (Category.NUMBER,), "related": (Category.TEXT,), "dated": (Category.DATE, Category.TIME)}
    for name, categories in wanted.items():
        text = getattr(each, name)
        if text is not None:
            compiled = compiled_in(scope, text, document, (*place, name), is_condition=False)
            found += compiled.diagnostics
            if compiled.is_valid and compiled.type.category not in categories:
                message = f"`{text}` is {compiled.type.words}; here {Type(categories[0]).words} is needed"
                found.append(document.diagnostic(codes.INVALID_VALUE, (*place, name), message))
    if each.sequence is not None:
        found += _check_fields(policy, (each.sequence,), document, (*place, "sequence"))
        # Its day is that of the number before, not of the record the finding stands on.
        found += _check_fields(policy, (each.dated,), document, (*place, "dated")) if each.dated and not found else []
    return found + _check_fields(policy, each.per, document, (*place, "per"))


def _check_fields(policy: CheckPolicy, names: Words, document: Document, place: Location) -> list[Diagnostic]:
    fields: Mapping[str, FieldSpec] = READABLE[policy.entity].fields
    known = {**fields, "source_system": None}
    return [
        document.diagnostic(codes.UNKNOWN_FIELD, place, f"'{policy.entity}' has no field '{name}'{near(name, known)}")
        for name in names
        if name not in known
    ]


def check_rules(policy: CheckPolicy, document: Document, _: Sheet | None) -> list[RulePlace]:
    """Return every check with its place and sentence."""
    return [
        RulePlace(each.id, document.span_of(("checks", index)), each.says, policy.reference) for index, each in enumerate(policy.checks)
    ]
