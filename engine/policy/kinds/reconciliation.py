"""Reconciliation policies: what must tie to what, how lines meet, and what a difference means."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal

import polars as pl
import pydantic

from engine.canonical.kinds import Kind
from engine.condition import CompiledCondition, Scope, Type, compile_value, decimal, enum
from engine.condition.scope import Category
from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds.base import PolicyFile, RulePlace, Severity, Strict, Words, refuse_where
from engine.policy.kinds.sides import Side, Sides, check_side, check_supplied, compile_side, side_mistakes, side_places, sides_meaning
from engine.policy.names import near
from engine.policy.settled import condition_mistakes
from engine.policy.sheets import Sheet
from engine.policy.source import Document, Location

SEVERITY_WORDS: Final = ("low", "medium", "high", "critical")

BREAK_NAMES: Final[dict[str, Kind | Type]] = {
    "difference": decimal(6), "amount": decimal(6), "age_days": Kind.INT,
    "break": enum("differs", "missing_right", "missing_left", "total"), "currency": Kind.TEXT,
}  # fmt: skip
"""What a severity may speak of: `difference` and `amount` are without sign, in the line's currency."""

PER: Final = {"customer": "customer_id", "account": "account", "contract": "contract_id", "legal_entity": "legal_entity_id"}
"""The groups of a tolerance budget and of a bias, by the column that holds each."""


class Key(Strict):
    """Say what must be equal on both sides for lines to meet.

    `left` and `right` are names of the sides' keys or expressions. `normalized` compares letters and
    digits only, without case. `pattern_left` and `pattern_right` find the key in free text: the
    first group of the pattern, or the whole of what it finds.
    """

    WRITTEN: ClassVar[tuple[dict[str, Any], ...]] = (
        {"type": "string"},
        {
            "type": "object", "required": ["key"], "additionalProperties": False,
            "properties": {"key": {"type": "string"}, "normalized": {"type": "boolean"},
                           "pattern_left": {"type": "string"}, "pattern_right": {"type": "string"}},
        },
    )  # fmt: skip
    """The short forms an author may write, as JSON Schemas: the name of a key both sides have, alone or with its settings."""

    left: str
    right: str
    normalized: bool = False
    pattern_left: str | None = None
    pattern_right: str | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"left": value, "right": value}
        if isinstance(value, dict) and "key" in value:
            rest = {name: each for name, each in value.items() if name != "key"}
            return {"left": value["key"], "right": value["key"], **rest}
        return value


def _as_keys(value: Any) -> Any:
    return (value,) if isinstance(value, str | dict) else value


Keys = Annotated[tuple[Key, ...], pydantic.BeforeValidator(_as_keys)]


class Window(Strict):
    """Say how near lines must be in time: a date, or a service period `start..end`, on each side."""

    left: str
    right: str
    days: int = pydantic.Field(default=0, ge=0, le=3660)

    @staticmethod
    def edges(text: str) -> tuple[str, str]:
        """Return the fields of the first and last day that a side's text names."""
        first, _, last = text.partition("..")
        return first.strip(), (last or first).strip()


class Allowed(Strict):
    """Say what residual a match may leave: an amount, a percent of the larger side, both or either."""

    absolute: Decimal | None = pydantic.Field(default=None, ge=0)
    percent: Decimal | None = pydantic.Field(default=None, ge=0, le=100)
    needs: Literal["both", "either"] = "both"


class BudgetLimit(Strict):
    """Say how much residual is let through in all, for each of `per` and, with a period, each month."""

    amount: Decimal = pydantic.Field(ge=0)
    per: Words = ()
    period: Literal["month", "none"] = "none"


class DriftLimit(Strict):
    """Say when small residuals lean to one side too often to be noise."""

    items: int = pydantic.Field(default=20, ge=2)
    share: Decimal = pydantic.Field(default=Decimal(90), gt=50, le=100)
    amount: Decimal = pydantic.Field(default=Decimal(1), ge=0)
    per: Words = ()
    severity: Severity = "medium"


class Pass(Strict):
    """Say how lines meet in one pass; lines that an earlier pass used are gone.

    `search: false` takes a key as a whole: of a balance, some of its lines mean nothing. With
    `untied: suggest` the lines of a key that do not tie are suggested together, for a person to decide.
    """

    id: str
    match: Literal["one_to_one", "one_to_many", "many_to_one", "many_to_many", "net"]
    on: Keys
    window: Window | None = None
    tolerance: Allowed = Allowed()
    budget: BudgetLimit | None = None
    ambiguous: Literal["suggest", "leave"] = "suggest"
    side: Literal["left", "right", "both"] = "both"
    search: bool = True
    untied: Literal["suggest", "leave"] = "leave"


class Expectation(Strict):
    """Say by when a left line must stand on the right, and when its absence is a breach.

    `within` is a date over the left line's fields. Past it the expectation is late; past `breached`
    (where given) it is breached. `waived` is a condition under which nothing is expected any more.
    """

    within: str
    breached: str | None = None
    waived: str | None = None
    status: tuple[Literal["expected", "late", "met", "breached", "waived"], ...] = ("expected", "late", "met", "breached", "waived")


class BreakCase(Strict):
    """Say what one sort of break is called, how grave it is and what to do."""

    kind: str | None = pydantic.Field(default=None, pattern=r"^[a-z][a-z0-9_]*$")
    severity: str | None = None
    owner: str | None = None
    remedy: str | None = None
    says: str | None = None
    name: Literal["left", "right"] | None = None


class Breaks(BreakCase):
    """Say what becomes of lines that do not tie; the cases refine what stands beside them.

    `pair_on` names the keys by which an unmatched left and an unmatched right are one break that
    differs; without it, those of the first pass.
    """

    differs: BreakCase | Literal["ignore"] | None = None
    missing_right: BreakCase | Literal["ignore"] | None = None
    missing_left: BreakCase | Literal["ignore"] | None = None
    pair_on: Keys = ()

    def case(self, name: str) -> BreakCase | None:
        """Return what holds for a sort of break, with the general settings filled in; None = no finding."""
        own = getattr(self, name, None)
        if own == "ignore":
            return None
        own = own or BreakCase()
        return BreakCase(**{each: getattr(own, each) or getattr(self, each) for each in BreakCase.model_fields})


class Adjustment(Strict):
    """Say which entry is proposed for the residual of a match: left above right, or below it."""

    account: str
    against: str
    passes: Words = ()
    reason: str = "difference within tolerance"


class Cause(Strict):
    """Name a kind of finding that explains a break of the same record, or of the same contract."""

    WRITTEN: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string"},)
    """The short forms an author may write, as JSON Schemas."""

    kind: str
    by: Literal["record", "contract"] = "record"

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value


class ReconciliationPolicy(PolicyFile):
    """What must tie to what.

    Without passes only the totals are compared. `currency` says whether amounts are compared as they
    are or converted, unrounded, to functional currency at the record's own rate or at a rate of the
    table; a total is rounded once. `rounding` is what each converted line may be off (half a minor
    unit); `within` what a total may be off before it is a break. With `count` a line counts 1, however
    many records it joins. The policy does not apply when an entity of `needs` is not supplied, or one
    of `unless_supplied` is. `dated_alike: false` says that the two sides' dates mean different days, so that a month of which
    one side has no lines may still have them on the other. `remeasured_at` says that a ledger may carry what is compared at a
    rate of the as-of date (`closing`): what that changes is exchange (ASC 830-20-35-1, IAS 21.28). It is so where it explains the
    whole difference of two totals, or where the ledger holds lines that a side's `remeasures` names. `as_exported` says that the
    amounts are those of the day of the export (what is still open): between exports of two days they differ as time goes on.
    """

    policy: Literal["reconciliation"]
    left: Sides
    right: Sides
    currency: Literal["contract", "functional"] = "contract"
    rate_type: Literal["own", "spot", "average", "closing"] = "own"
    rate_days: int = pydantic.Field(default=31, ge=0)
    remeasured_at: Literal["spot", "average", "closing"] | None = None
    passes: tuple[Pass, ...] = ()
    by_period: bool = False
    count: bool = False
    dated_alike: bool = True
    as_exported: bool = False
    within: Decimal = Decimal(0)
    rounding: Decimal = Decimal("0.005")
    expect: Expectation | None = None
    breaks: Breaks = Breaks()
    drift: DriftLimit | None = None
    adjustment: Adjustment | None = None
    known_causes: tuple[Cause, ...] = ()
    needs: Words = ()
    unless_supplied: Words = ()
    says: str | None = None


def check_reconciliation(policy: ReconciliationPolicy, document: Document, _: Sheet | None) -> list[Diagnostic]:
    """Check the sides, the passes' keys and windows, the expectation and the severities."""
    found = refuse_where(policy, document)
    found += check_supplied(policy.needs, document, "needs") + check_supplied(policy.unless_supplied, document, "unless_supplied")
    if policy.remeasured_at is not None and (policy.passes or policy.currency != "functional"):
        message = "totals are remeasured where they are compared in functional currency and without passes"
        found.append(document.diagnostic(codes.INVALID_VALUE, ("remeasured_at",), message))
    sides = [("left", policy.left), ("right", policy.right)]
    placed = {name: side_places(document, name, each) for name, each in sides}
    for parts in placed.values():
        for place, side in parts:
            found += check_side(side, document, place)
    if any(each.is_error for each in found):
        return found
    if sides_meaning(policy.left) == sides_meaning(policy.right):
        message = "the right side is the left side: every line meets itself"
        found.append(document.diagnostic(codes.SAME_SIDES, ("right",), message, prefer_key=True))
    seen: set[str] = set()
    for index, each in enumerate(policy.passes):
        if each.id in seen:
            found.append(document.diagnostic(codes.DUPLICATE_ID, ("passes", index, "id"), f"the pass id '{each.id}' is given twice"))
        seen.add(each.id)
        found += _check_pass(each, placed, document, ("passes", index))
    found += _check_keys(policy.breaks.pair_on, placed, document, ("breaks", "pair_on"), ("left", "right"))
    found += _check_per(() if policy.drift is None else policy.drift.per, document, ("drift", "per"))
    if policy.expect is not None:
        found += _check_expectation(policy.expect, placed["left"], document)
    return found + _check_severities(policy.breaks, document)


def _check_pass(
    each: Pass, placed: dict[str, list[tuple[Location, Side]]], document: Document, place: Location
) -> list[Diagnostic]:
    names: tuple[str, ...] = ("left", "right")
    if each.match == "net" and each.side != "both":
        names = (each.side,)
    found = _check_keys(each.on, placed, document, (*place, "on"), names)
    found += _check_per(() if each.budget is None else each.budget.per, document, (*place, "budget", "per"))
    if each.window is None:
        return found
    for name in names:
        for text in Window.edges(getattr(each.window, name)):
            for _, side in placed[name]:
                found += _of(side, text, document, (*place, "window", name), Category.DATE, Category.TIME)
    return found


def _check_per(per: Words, document: Document, place: Location) -> list[Diagnostic]:
    return [
        document.diagnostic(codes.INVALID_VALUE, place, f"'{name}' is no group{near(name, PER)}; the groups are {', '.join(PER)}")
        for name in per
        if name not in PER
    ]


def _check_keys(
    keys: Keys, placed: dict[str, list[tuple[Location, Side]]], document: Document, place: Location, names: tuple[str, ...]
) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for index, key in enumerate(keys):
        at = (*place, index)
        for name in names:
            text = getattr(key, name)
            for _, side in placed[name]:
                if text not in side.keys:
                    where = (*at, name) if (*at, name) in document.values else at
                    found += compile_side(side, text, document, where).diagnostics
        for name in ("pattern_left", "pattern_right"):
            pattern = getattr(key, name)
            problem = None if pattern is None else _pattern_problem(pattern)
            if problem is not None:
                found.append(document.diagnostic(codes.INVALID_VALUE, (*at, name), f"'{pattern}' is no pattern: {problem}"))
    return found


def _pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with a pattern, by the rules of the engine that runs it (which looks neither ahead nor behind)."""
    try:
        re.compile(pattern)
        pl.Series([""]).str.extract_all(pattern)
    except re.error as error:
        return str(error)
    except pl.exceptions.ComputeError:
        return "looking ahead or behind, and back references, are not supported"
    return None


def _of(side: Side, text: str, document: Document, place: Location, *wanted: Category) -> list[Diagnostic]:
    expression = side.keys.get(text, text)
    if expression is None:
        return []
    compiled = compile_side(side, expression, document, place)
    if compiled.is_valid and compiled.type.category not in wanted:
        message = f"`{text}` is {compiled.type.words}; here {Type(wanted[0]).words} is needed"
        return [document.diagnostic(codes.INVALID_VALUE, place, message)]
    return list(compiled.diagnostics)


def _check_expectation(expect: Expectation, left: list[tuple[Location, Side]], document: Document) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for _, side in left:
        found += _of(side, expect.within, document, ("expect", "within"), Category.DATE)
        if expect.breached is not None:
            found += _of(side, expect.breached, document, ("expect", "breached"), Category.DATE)
            found += _breached_first(expect, document)
        if expect.waived is not None:
            found += side_mistakes(side, expect.waived, document, ("expect", "waived"))
    return found


_DELAYED: Final = re.compile(r"\s*([\w.]+)\s*\+\s*(\d+)\s+(workdays?|days?)\s*\Z")


def _breached_first(expect: Expectation, document: Document) -> list[Diagnostic]:
    """Tell a breach that comes before what it is a breach of, where both are counted from one day in one unit."""
    within, breached = (_DELAYED.match(text or "") for text in (expect.within, expect.breached))
    if within is None or breached is None or within[1] != breached[1] or within[3].rstrip("s") != breached[3].rstrip("s"):
        return []
    if int(breached[2]) >= int(within[2]):
        return []
    message = f"what is due by {expect.within} cannot be breached by {expect.breached}"
    return [document.diagnostic(codes.INVALID_VALUE, ("expect", "breached"), message)]


def severity_condition(text: str, document: Document, place: Location) -> CompiledCondition:
    """Compile a severity that is written as an expression over a break."""
    return compile_value(text, Scope(BREAK_NAMES), document.anchor_of(place))


_OUTCOME: Final = re.compile(r"\b(?:THEN|ELSE)\s+'([^']*)'", re.IGNORECASE)
"""What a CASE gives, where it gives words."""


def _check_severities(breaks: Breaks, document: Document) -> list[Diagnostic]:
    cases: list[tuple[Location, BreakCase]] = [(("breaks",), breaks)]
    cases += [
        (("breaks", name), case)
        for name in ("differs", "missing_right", "missing_left")
        if isinstance(case := getattr(breaks, name), BreakCase)
    ]
    found: list[Diagnostic] = []
    for place, case in cases:
        text = case.severity
        if text is None or text in SEVERITY_WORDS:
            continue
        if text.replace("_", "").isalpha():
            message = f"'{text}' is no severity{near(text, SEVERITY_WORDS)}; write {', '.join(SEVERITY_WORDS)} or a CASE"
            found.append(document.diagnostic(codes.INVALID_VALUE, (*place, "severity"), message))
            continue
        compiled = severity_condition(text, document, (*place, "severity"))
        found += condition_mistakes(compiled, document.anchor_of((*place, "severity")))
        for word in dict.fromkeys(_OUTCOME.findall(text)):
            if word not in SEVERITY_WORDS:
                message = f"'{word}' is no severity{near(word, SEVERITY_WORDS)}; the severities are {', '.join(SEVERITY_WORDS)}"
                found.append(document.diagnostic(codes.INVALID_VALUE, (*place, "severity"), message))
    return found


def reconciliation_rules(policy: ReconciliationPolicy, document: Document, _: Sheet | None) -> list[RulePlace]:
    """Return the one rule of a reconciliation: the tie-out itself."""
    return [RulePlace(policy.id, document.span_of(("id",)), policy.says or policy.title, policy.reference)]


