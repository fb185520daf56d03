"""One side of a reconciliation: which lines it holds, of which system, and what each amounts to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import pydantic

from engine.canonical.kinds import FieldSpec, Kind
from engine.condition import CompiledCondition, Scope, Type, compile_condition, compile_value, decimal, entity_scope, enum
from engine.condition.scope import Category, Unresolved
from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds.base import Strict, Words
from engine.policy.names import near
from engine.policy.outputs import READABLE
from engine.policy.settled import condition_mistakes
from engine.policy.source import Document, Location
from engine.policy.where import AS_OF

AS_OF_PERIOD: Final = "as_of_period"
"""The label of the fiscal period that holds the run's date."""

ENDED_PERIOD: Final = "ended_period"
"""The label of the last fiscal period that has ended by the run's date: what is due at a period's end is due of this one."""

ENDED_ON: Final = "ended_on"
"""The last day of that period."""

ITEM_ENTITIES: Final = ("time_entry", "expense", "milestone", "billing_plan_line")
"""Entities whose records have billing decisions."""

DECISION_COLUMNS: Final[dict[str, Kind | Type]] = {
    "decision": enum("billable", "billed", "partially_billed", "on_hold", "billed_otherwise", "not_billable"),
    "amount": decimal(6, "currency"), "amount_billed": decimal(6, "currency"), "amount_unbilled": decimal(6, "currency"),
    "earliest_bill_date": Kind.DATE,
}  # fmt: skip
"""What a billing decision adds to its item, where the item has no field of that name."""

PERIOD_COLUMNS: Final[dict[str, Kind | Type]] = {
    "fiscal_period.status": enum("open", "closed", "locked"), "fiscal_period.closed_at": Kind.TIME,
    "fiscal_period.reopened_at": Kind.TIME, "fiscal_period.start_date": Kind.DATE, "fiscal_period.end_date": Kind.DATE,
}  # fmt: skip
"""What the fiscal period of a record adds, where the record names its legal entity and period."""


class Lookup(Strict):
    """Say what is added to each line from other records that name it: the sum of a field, the last of their days, or their number.

    They name it in `on`; the line bears the same in `by`, a field or what it refers to, by default in `on` as well. `last` is a
    day of those records, or of what they refer to.
    """

    entity: str
    system: Words = ()
    on: str
    by: str | None = None
    sum: str | None = None
    last: str | None = None
    where: str | None = None

    @pydantic.model_validator(mode="after")
    def _one_figure(self) -> Lookup:
        if self.sum is not None and self.last is not None:
            raise ValueError("what is added is a `sum` or the `last` day, not both; give it two names")
        return self

    @property
    def kind(self) -> Kind | Type:
        """Return what it adds: an amount, a day or a number of records."""
        if self.last is not None:
            return Kind.DATE
        return Kind.INT if self.sum is None else decimal(6, "currency")


class Side(Strict):
    """Say which lines stand on a side and what each amounts to.

    With `system` the lines are the source records of those systems, without it the agreed records;
    an output of an earlier stage has no system. Where none of them supplies such records, those of
    `otherwise` stand in (a PSA that also invoices). `amount_in` says whether the amount is in the
    record's currency or already in functional currency; of the latter `original` states the amount in the
    record's currency, so that a difference of rates is known for one. `sum` joins lines that share these keys
    into one; `called` names what a joined line is. A key that is `null` has no value on this side: its
    lines do not meet by it. Totals are told by `scope`, by default the legal
    entity. `remeasures` says which lines of a ledger book its remeasurement at the closing rate.
    """

    entity: str
    system: Words = ()
    otherwise: Words = ()
    where: str | None = None
    amount: str
    amount_in: Literal["contract", "functional"] = "contract"
    original: str | None = None
    currency: str | None = None
    rate: str | None = None
    date: str | None = None
    legal_entity: str | None = None
    scope: str | None = None
    contract: str | None = None
    customer: str | None = None
    remeasures: str | None = None
    keys: dict[str, str | None] = pydantic.Field(default_factory=dict)
    with_sums: dict[str, Lookup] = pydantic.Field(default_factory=dict, alias="with")
    sum: Words = ()
    called: str | None = None


def _as_sides(value: Any) -> Any:
    return (value,) if isinstance(value, dict) else value


Sides = Annotated[tuple[Side, ...], pydantic.BeforeValidator(_as_sides)]


def sides_meaning(sides: tuple[Side, ...]) -> list[str]:
    """Return what the parts of a side hold, in an order of its own: two sides of one meaning are the same records."""
    return sorted(" ".join(repr(each.model_dump(exclude={"called"})).split()) for each in sides)


def side_places(document: Document, name: str, sides: tuple[Side, ...]) -> list[tuple[Location, Side]]:
    """Return each part of a side with its place: a side is written as one map or as a list of them."""
    value = document.value.get(name) if isinstance(document.value, dict) else None
    is_list = isinstance(value, list)
    return [((name, index) if is_list else (name,), each) for index, each in enumerate(sides)]


def extra_names(entity: str, with_sums: Mapping[str, Lookup] | None = None) -> dict[str, Kind | FieldSpec | Type]:
    """Return the names a record of an entity has beside its own fields and references."""
    names: dict[str, Kind | FieldSpec | Type] = {AS_OF: Kind.DATE, AS_OF_PERIOD: Kind.PERIOD}
    names |= {ENDED_PERIOD: Kind.PERIOD, ENDED_ON: Kind.DATE}
    fields = READABLE[entity].fields
    if entity in ITEM_ENTITIES:
        names |= {name: kind for name, kind in DECISION_COLUMNS.items() if name not in fields}
    if {"legal_entity_id", "period"} <= set(fields):
        names |= PERIOD_COLUMNS
    names |= {name: each.kind for name, each in (with_sums or {}).items()}
    return names


def side_scope(side: Side) -> Scope:
    """Return what the expressions of a side may speak of."""
    return entity_scope(side.entity, READABLE, extra_names(side.entity, side.with_sums))


def compile_side(side: Side, text: str, document: Document, place: Location, *, is_condition: bool = False) -> CompiledCondition:
    """Compile an expression or condition over the lines of a side."""
    compiled = compile_condition if is_condition else compile_value
    return compiled(text if is_condition else own_contract(side, text), side_scope(side), document.anchor_of(place))


def side_mistakes(side: Side, text: str, document: Document, place: Location) -> list[Diagnostic]:
    """Return what is wrong with a condition over the lines of a side, and what of it no line can change."""
    return condition_mistakes(compile_side(side, text, document, place, is_condition=True), document.anchor_of(place))


CONTRACT: Final = "contract_id"
_CONTRACT_PATHS: Final = tuple(f"{name}.contract_id" for name in ("contract_line", "project", "invoice", "bill"))


def own_contract(side: Side, text: str) -> str:
    """Return an expression as it stands; of `contract_id` alone, where lines have none, the contract that what they refer to is of."""
    if text != CONTRACT or CONTRACT in READABLE[side.entity].fields:
        return text
    scope = side_scope(side)
    reached = [name for name in _CONTRACT_PATHS if not isinstance(scope.resolve(name), Unresolved)]
    return f"COALESCE({', '.join(reached)})" if len(reached) > 1 else "".join(reached) or text


def default_path(side: Side, *names: str) -> str | None:
    """Return the first of the names that means something on the side."""
    scope = side_scope(side)
    return next((name for name in names if not isinstance(scope.resolve(name), Unresolved)), None)


def check_side(side: Side, document: Document, place: Location) -> list[Diagnostic]:
    """Check the entity, the expressions and the lookups of one side."""
    if side.entity not in READABLE:
        message = f"'{side.entity}' is no canonical entity and no output{near(side.entity, READABLE)}"
        return [document.diagnostic(codes.UNKNOWN_ENTITY, (*place, "entity"), message)]
    found = check_lookups(side.entity, side.with_sums, document, (*place, "with"))
    if side.where is not None:
        found += side_mistakes(side, side.where, document, (*place, "where"))
    if side.remeasures is not None:
        found += side_mistakes(side, side.remeasures, document, (*place, "remeasures"))
    found += _of_category(side, side.amount, document, (*place, "amount"), Category.NUMBER)
    for name in ("original", "currency", "rate", "legal_entity", "scope", "contract", "customer"):
        text = getattr(side, name)
        if text is not None:
            category = Category.NUMBER if name in ("original", "rate") else Category.TEXT
            found += _of_category(side, text, document, (*place, name), category)
    if side.date is not None:
        found += _of_category(side, side.date, document, (*place, "date"), Category.DATE, Category.TIME)
    for name, text in side.keys.items():
        if text is None:
            continue
        found += compile_side(side, text, document, (*place, "keys", name)).diagnostics
    for index, name in enumerate(side.sum):
        if name not in side.keys:
            found += compile_side(side, name, document, (*place, "sum", index)).diagnostics
    return found


def _of_category(side: Side, text: str, document: Document, place: Location, *wanted: Category) -> list[Diagnostic]:
    compiled = compile_side(side, text, document, place)
    if not compiled.is_valid or compiled.type.category in wanted:
        return list(compiled.diagnostics)
    message = f"`{text}` is {compiled.type.words}; here {Type(wanted[0]).words} is needed"
    return [*compiled.diagnostics, document.diagnostic(codes.INVALID_VALUE, place, message)]


def check_supplied(names: Words, document: Document, setting: str) -> list[Diagnostic]:
    """Check what a policy needs, or does without: entities, outputs, and fields written `entity.field`."""
    found: list[Diagnostic] = []
    for name in names:
        entity, _, field = name.partition(".")
        if entity not in READABLE:
            message = f"'{entity}' is no canonical entity and no output{near(entity, READABLE)}"
            found.append(document.diagnostic(codes.UNKNOWN_ENTITY, (setting,), message))
        elif field and field not in READABLE[entity].fields:
            message = f"'{entity}' has no field '{field}'{near(field, READABLE[entity].fields)}"
            found.append(document.diagnostic(codes.UNKNOWN_FIELD, (setting,), message))
    return found


def check_lookups(entity: str, lookups: Mapping[str, Lookup], document: Document, place: Location) -> list[Diagnostic]:
    """Check the entities, fields and conditions of what is added to each line."""
    found: list[Diagnostic] = []
    for name, lookup in lookups.items():
        at = (*place, name)
        if lookup.entity not in READABLE:
            message = f"'{lookup.entity}' is no canonical entity and no output{near(lookup.entity, READABLE)}"
            found.append(document.diagnostic(codes.UNKNOWN_ENTITY, (*at, "entity"), message))
            continue
        named = [(lookup.entity, lookup.on, "on"), *([(entity, lookup.on, "on")] if lookup.by is None else [])]
        if lookup.by is not None:
            found += compile_value(lookup.by, entity_scope(entity, READABLE), document.anchor_of((*at, "by"))).diagnostics
        named += [] if lookup.sum is None else [(lookup.entity, lookup.sum, "sum")]
        for owner, field, where in named:
            fields = READABLE[owner].fields
            if field not in fields:
                message = f"'{owner}' has no field '{field}'{near(field, fields)}"
                found.append(document.diagnostic(codes.UNKNOWN_FIELD, (*at, where), message))
        if lookup.last is not None:
            compiled = compile_value(lookup.last, entity_scope(lookup.entity, READABLE), document.anchor_of((*at, "last")))
            found += compiled.diagnostics
            if compiled.is_valid and compiled.type.category not in (Category.DATE, Category.TIME):
                message = f"`{lookup.last}` is {compiled.type.words}; here a date is needed"
                found.append(document.diagnostic(codes.INVALID_VALUE, (*at, "last"), message))
        if lookup.where is not None:
            scope = entity_scope(lookup.entity, READABLE, extra_names(lookup.entity))
            anchor = document.anchor_of((*at, "where"))
            found += condition_mistakes(compile_condition(lookup.where, scope, anchor), anchor)
    return found
