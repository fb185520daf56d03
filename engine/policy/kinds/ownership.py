"""Ownership policies: which system owns which field, and what a difference means."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import pydantic

from engine.canonical.kinds import Kind
from engine.canonical.schema import ENTITIES, entity_spec
from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds.base import Lag, OnFinding, PolicyFile, RulePlace, Severity, Strict, Words
from engine.policy.names import near
from engine.policy.sheets import Sheet
from engine.policy.source import Document, Location
from engine.policy.where import check_conditions


class OwnershipRule(Strict):
    """Say which system owns a field, which systems copy it, and what a difference means."""

    id: str
    field: str
    owner: Words
    consumers: Words = ()
    within: Lag | None = None
    tolerance: Decimal = pydantic.Field(default=Decimal(0), ge=0)
    on_drift: OnFinding = "finding"
    severity: Severity = "medium"
    steward: str | None = None
    says: str
    reference: str | None = None
    where: str | None = None
    remedy: str | None = None


class Presence(Strict):
    """Say in which systems a record of the owner must stand too, and how soon."""

    id: str
    consumers: Words
    within: Lag | None = None
    since: str | None = None
    severity: Severity = "high"
    steward: str | None = None
    says: str
    where: str | None = None
    remedy: str | None = None


class AmendedTotal(Strict):
    """Say that an amended total is the total before it plus the stated change."""

    id: str
    tolerance: Decimal = pydantic.Field(default=Decimal(0), ge=0)
    severity: Severity = "high"
    steward: str | None = None
    says: str
    remedy: str | None = None


class OwnershipPolicy(PolicyFile):
    """Source of record, field by field, for one entity."""

    policy: Literal["ownership"]
    entity: str
    match: Words = ()
    suggest_by: Words = ()
    owner_system: Words
    rules: tuple[OwnershipRule, ...] = ()
    presence: tuple[Presence, ...] = ()
    amended_total: AmendedTotal | None = None
    amended_value: AmendedTotal | None = None
    unauthorized_change: OnFinding = "finding"

    def amended_rules(self) -> list[tuple[str, AmendedTotal]]:
        """Return what is said of amended totals, by its key: after an amended total, after the value as signed alone."""
        named = (("amended_total", self.amended_total), ("amended_value", self.amended_value))
        return [(name, each) for name, each in named if each is not None]

    def conditions(self) -> list[tuple[Location, str]]:
        """Return every condition of the policy with its place."""
        found: list[tuple[Location, str]] = []
        if self.where is not None:
            found.append((("where",), self.where))
        found += [(("rules", i, "where"), each.where) for i, each in enumerate(self.rules) if each.where is not None]
        found += [(("presence", i, "where"), each.where) for i, each in enumerate(self.presence) if each.where is not None]
        return found


def check_ownership(policy: OwnershipPolicy, document: Document, _: Sheet | None) -> list[Diagnostic]:
    """Check the entity, fields, rule ids and conditions an ownership policy names."""
    found = check_conditions(policy.entity, policy.conditions(), document)
    if policy.entity not in ENTITIES:
        message = f"'{policy.entity}' is no canonical entity{near(policy.entity, ENTITIES)}"
        return [*found, document.diagnostic(codes.UNKNOWN_ENTITY, ("entity",), message)]
    fields = entity_spec(policy.entity).fields
    if policy.applies_by is not None and policy.applies_by not in fields:
        message = f"'{policy.entity}' has no field '{policy.applies_by}'{near(policy.applies_by, fields)}"
        found.append(document.diagnostic(codes.UNKNOWN_FIELD, ("applies_by",), message))
    named: list[tuple[Location, str]] = []
    named += [(("match",), name) for name in policy.match]
    named += [(("suggest_by",), name) for name in policy.suggest_by]
    named += [(("rules", index, "field"), rule.field) for index, rule in enumerate(policy.rules)]
    named += [(("presence", index, "since"), each.since) for index, each in enumerate(policy.presence) if each.since]
    for location, name in named:
        if name not in fields:
            message = f"'{policy.entity}' has no field '{name}'{near(name, fields)}"
            found.append(document.diagnostic(codes.UNKNOWN_FIELD, location, message))
    for index, rule in enumerate(policy.rules):
        if len(rule.owner) == 1 and rule.owner[0] in rule.consumers:
            message = f"{rule.owner[0]} owns {rule.field} and cannot copy it from itself"
            found.append(document.diagnostic(codes.INVALID_VALUE, ("rules", index, "consumers"), message))
    for index, each in enumerate(policy.presence):
        if each.since is not None and each.since in fields and fields[each.since].kind not in (Kind.DATE, Kind.TIME):
            message = f"'{each.since}' is no day; here a date is needed"
            found.append(document.diagnostic(codes.INVALID_VALUE, ("presence", index, "since"), message))
    return found + _repeated_rules(policy, document) + _owned_twice(policy, document)


def _repeated_rules(policy: OwnershipPolicy, document: Document) -> list[Diagnostic]:
    seen: set[str] = set()
    found: list[Diagnostic] = []
    for place, rule in _places(policy):
        if rule.id in seen:
            found.append(document.diagnostic(codes.DUPLICATE_ID, (*place, "id"), f"the rule id '{rule.id}' is given twice"))
        seen.add(rule.id)
    return found


def _owned_twice(policy: OwnershipPolicy, document: Document) -> list[Diagnostic]:
    """Tell fields that two rules own: the agreed record takes one owner, whatever limits the rules."""
    found: list[Diagnostic] = []
    owners: dict[str, OwnershipRule] = {}
    for index, rule in enumerate(policy.rules):
        first = owners.setdefault(rule.field, rule)
        if first is not rule and (first.owner != rule.owner or first.where is None or rule.where is None):
            message = f"'{first.id}' and '{rule.id}' both say who owns {rule.field}"
            found.append(document.diagnostic(codes.POLICIES_COMPETE, ("rules", index, "field"), message))
    return found


def ownership_rules(policy: OwnershipPolicy, document: Document, _: Sheet | None) -> list[RulePlace]:
    """Return every rule of an ownership policy with its place."""
    return [
        RulePlace(rule.id, document.span_of(place), rule.says, getattr(rule, "reference", None) or policy.reference)
        for place, rule in _places(policy)
    ]


def _places(policy: OwnershipPolicy) -> list[tuple[Location, OwnershipRule | Presence | AmendedTotal]]:
    rules: list[tuple[Location, OwnershipRule | Presence | AmendedTotal]] = []
    rules += [(("rules", index), each) for index, each in enumerate(policy.rules)]
    rules += [(("presence", index), each) for index, each in enumerate(policy.presence)]
    return rules + [((name,), each) for name, each in policy.amended_rules()]
