"""Billing policies: when an item may be billed, at which rate, up to which cap, and what is checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import pydantic

from engine.canonical.kinds import FieldSpec, Kind
from engine.canonical.schema import entity_spec
from engine.condition import Scope, Type, compile_value
from engine.condition.scope import Category, Unresolved, decimal, enum
from engine.decision import parse_hit
from engine.decision.codes import HIT_POLICY
from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds import billing_codes
from engine.policy.kinds.base import Lag, RulePlace, Severity, Strict, Words
from engine.policy.kinds.table import TablePolicy, compile_policy_table, table_rules
from engine.policy.names import near
from engine.policy.sheets import Sheet
from engine.policy.source import Document, Location
from engine.policy.where import policy_scope, where_mistakes

DECISIONS: Final = ("billable", "billed", "partially_billed", "on_hold", "billed_otherwise", "not_billable")
"""Every decision of an item; a table gives billable, on_hold, billed_otherwise or not_billable."""

TABLE_DECISIONS: Final = ("billable", "on_hold", "billed_otherwise", "not_billable")

ITEM_ENTITY: Final = {
    "time_entry": "time_entry", "expense": "expense", "milestone": "milestone", "fee": "billing_plan_line",
}  # fmt: skip
"""The entity whose fields a policy of each item speaks of: a fee due looks like a line of a billing plan."""

ITEM_DATE: Final = {"time_entry": "work_date", "expense": "incurred_date", "milestone": "due_date", "fee": "due_date"}
"""The date of an item: its period, its exchange rate and, by default, the version of the policy."""

_EXTRA: Final[dict[str, Kind | Type]] = {
    "value": decimal(6), "rate": decimal(10), "billed": enum("none", "part", "all"),
}  # fmt: skip
_ROLE: Final[dict[str, Kind | Type]] = {"role": Kind.TEXT}
_FEE: Final[dict[str, Kind | Type]] = {"item_type": enum("billing_plan_line", "fee")}

CHECKS: Final[dict[str, tuple[str, ...]]] = {
    "not_billed": ("time_entry", "expense", "milestone", "fee"),
    "stale_unbilled": ("time_entry", "expense", "milestone", "fee"),
    "marked_billed": ("time_entry", "expense", "milestone"),
    "billed_twice": ("time_entry", "expense", "milestone", "fee"),
    "billed_unapproved": ("time_entry", "expense"),
    "billed_not_billable": ("time_entry", "expense"),
    "over_cap": ("time_entry", "expense"),
    "rate_below_card": ("time_entry",),
    "rate_missing": ("time_entry",),
    "duplicate_time_entry": ("time_entry",),
    "late_activation": ("time_entry",),
    "expense_without_receipt": ("expense",),
    "milestone_not_accepted": ("milestone",),
    "duplicate_invoice": ("fee",),
}
"""Every check by its kind of finding, and the items whose policy may ask for it."""

_NEED_AFTER: Final = ("stale_unbilled", "late_activation")

_FUNCTION: Final = re.compile(r"(rate_card|price_tier|marked_up)\s*\(\s*([\w.,\s]*)\)\Z")
_ARGUMENTS: Final = {"rate_card": "role, work_date", "price_tier": "hours"}


def _sources(value: Any) -> Any:
    """Join what a flow list cut apart at the comma of `rate_card(role, work_date)` or `marked_up(time_entry.cost_rate, 15)`."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Sequence):
        return value
    joined: list[str] = []
    for each in value:
        if joined and joined[-1].count("(") > joined[-1].count(")"):
            joined[-1] = f"{joined[-1]}, {each}"
        else:
            joined.append(str(each))
    return tuple(joined)


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, dict) else value


class Cap(Strict):
    """Say up to which amount, or how many hours, the items of a scope are billed, in which order."""

    id: str | None = None
    scope: Words = ("contract_line",)
    amount: str | int | Decimal | None = None
    hours: str | int | Decimal | None = None
    order: Words = ()
    over_cap: Literal["not_billable", "on_hold"] = "not_billable"
    says: str | None = None
    reference: str | None = None

    @pydantic.model_validator(mode="after")
    def _one_measure(self) -> Cap:
        if (self.amount is None) == (self.hours is None):
            raise ValueError("give a cap either an `amount` or `hours`")
        return self

    @property
    def measure(self) -> tuple[str, str]:
        """Return which measure is capped, and the field or number that says how far."""
        return ("amount", str(self.amount)) if self.amount is not None else ("hours", str(self.hours))


class BillingCheck(Strict):
    """Ask for a check of what was billed, or was not; a failure is a finding of the check's kind."""

    id: str
    check: str
    after: Lag | None = None
    tolerance: Decimal = pydantic.Field(default=Decimal(0), ge=0)
    threshold: int = pydantic.Field(default=80, ge=1, le=100)
    severity: Severity = "medium"
    steward: str | None = None
    says: str
    where: str | None = None
    reference: str | None = None
    remedy: str | None = None


class BillingSettings(Strict):
    """Choose between the customs of billing; the first value named in the policy guide is the default."""

    proration: Literal[
        "actual_days", "monthly_even", "thirty_day", "thirty_360", "actual_365", "even_no_partial_first", "even_no_partial_last", "none",
    ] = "actual_days"  # fmt: skip
    fee_due: Literal["in_advance", "in_arrears"] = "in_advance"
    extension: Literal["added_term", "remaining_term"] = "added_term"
    rounding: Literal["half_up", "half_even"] = "half_up"
    markup_pct: Decimal = Decimal(0)
    hours_per_day: Decimal = pydantic.Field(default=Decimal(8), gt=0)
    billing_cycle: Literal["item", "week", "month", "quarter", "year"] = "month"
    exchange_rate_type: Literal["spot", "average", "closing"] = "spot"
    exchange_rate_days: int = pydantic.Field(default=7, ge=0)
    unfunded: Literal["on_hold", "not_billable"] = "on_hold"


class BillingPolicy(TablePolicy):
    """Which items may be billed and why, their price, their caps, and the checks over them."""

    policy: Literal["billing"]
    item: Literal["time_entry", "expense", "milestone", "fee"]
    rate: Annotated[tuple[str, ...], pydantic.BeforeValidator(_sources)] = ()
    cap: Annotated[tuple[Cap, ...], pydantic.BeforeValidator(_as_list), pydantic.Field(max_length=6)] = ()
    settings: BillingSettings = BillingSettings()
    checks: tuple[BillingCheck, ...] = ()

    @property
    def entity(self) -> str:
        """Return the entity whose fields the policy speaks of."""
        return ITEM_ENTITY[self.item]

    @property
    def deciding_date(self) -> str:
        """Return the field whose date chooses the version of the policy."""
        return self.applies_by or ITEM_DATE[self.item]


def billing_scope(item: str) -> Scope:
    """Return what a table about an item may speak of.

    Beside the record's own fields and what it refers to: `as_of`; `value`, what the item is worth at
    its rate; `rate`; `billed`, whether it stands on invoices (none, part, all); for time `role`; for
    fees `item_type`.
    """
    return policy_scope(ITEM_ENTITY[item], _extra(item))


def _extra(item: str) -> dict[str, Kind | FieldSpec | Type]:
    more = _ROLE if item == "time_entry" else _FEE if item == "fee" else {}
    return {**_EXTRA, **more}


def rate_source(text: str) -> tuple[str, str]:
    """Return a rate's source as (function, arguments), or ("", path) for a plain field."""
    found = _FUNCTION.match(text.strip())
    if found is None:
        return "", text.strip()
    return found[1], ", ".join(part.strip() for part in found[2].split(","))


def marked_up(argument: str) -> tuple[str, str]:
    """Return the price and the percent that the arguments of `marked_up(price, percent)` name; each may be missing ("")."""
    price, _, percent = argument.partition(", ")
    return price, percent


def is_percent(text: str) -> bool:
    """Say whether a percent is written out, and not a field's."""
    return re.fullmatch(r"\d+(\.\d+)?", text) is not None


def check_billing(policy: BillingPolicy, document: Document, sheet: Sheet | None) -> list[Diagnostic]:
    """Check everything a billing policy names: table, outputs, rates, caps, checks and conditions."""
    scope = billing_scope(policy.item)
    found = compile_policy_table(policy, document, sheet, scope)[1]
    found += _check_outputs(policy, document)
    hit = parse_hit(policy.hit)
    if hit is not None and hit[0].is_multiple:
        message = f"an item has one decision, and '{policy.hit}' gives several; use FIRST, UNIQUE, ANY or PRIORITY"
        found.append(document.diagnostic(HIT_POLICY, ("hit",), message))
    found += _check_date(policy, document)
    found += [each for index, text in enumerate(policy.rate) for each in _check_rate(policy, document, text, ("rate", index))]
    for index, cap in enumerate(policy.cap):
        found += _check_cap(policy, document, cap, index)
    found += _check_checks(policy, document)
    conditions: list[tuple[Location, str]] = [] if policy.where is None else [(("where",), policy.where)]
    conditions += [(("checks", index, "where"), each.where) for index, each in enumerate(policy.checks) if each.where is not None]
    for place, text in conditions:
        found += where_mistakes(policy.entity, text, document, place, _extra(policy.item))
    return found


def _check_outputs(policy: BillingPolicy, document: Document) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    declared = policy.outputs.get("decision")
    if declared is None or isinstance(declared, str):
        message = f"a billing table has the output `decision: [{', '.join(TABLE_DECISIONS)}]`"
        found.append(document.diagnostic(billing_codes.BILLING_OUTPUT, ("outputs",), message, prefer_key=True))
    for word in declared if declared is not None and not isinstance(declared, str) else ():
        if word not in TABLE_DECISIONS:
            message = f"'{word}' is no decision a table can give{near(word, TABLE_DECISIONS)}; it gives {', '.join(TABLE_DECISIONS)}"
            found.append(document.diagnostic(billing_codes.BILLING_OUTPUT, ("outputs", "decision"), message))
    if policy.outputs.get("reason") != "text":
        found.append(
            document.diagnostic(
                billing_codes.BILLING_OUTPUT, ("outputs",), "a billing table has the output `reason: text`", prefer_key=True
            )
        )
    written = policy.outputs.get("write_down_pct")
    if written is not None and not str(written).startswith("decimal"):
        message = "`write_down_pct` is a percentage: declare it as decimal(2)"
        found.append(document.diagnostic(billing_codes.BILLING_OUTPUT, ("outputs", "write_down_pct"), message))
    for name in policy.outputs:
        if name not in ("decision", "reason", "write_down_pct"):
            known = ("decision", "reason", "write_down_pct")
            message = f"a billing table has no output '{name}'{near(name, known)}; it has {', '.join(known)}"
            found.append(document.diagnostic(billing_codes.BILLING_OUTPUT, ("outputs", name), message, prefer_key=True))
    return found


def _check_date(policy: BillingPolicy, document: Document) -> list[Diagnostic]:
    fields = entity_spec(policy.entity).fields
    if policy.applies_by is None:
        return []
    if policy.applies_by not in fields or fields[policy.applies_by].kind not in (Kind.DATE, Kind.TIME):
        dates = [name for name, spec in fields.items() if spec.kind in (Kind.DATE, Kind.TIME)]
        message = f"'{policy.applies_by}' is no date of a {policy.entity}{near(policy.applies_by, dates)}"
        return [document.diagnostic(codes.UNKNOWN_FIELD, ("applies_by",), message)]
    return []


def _check_rate(policy: BillingPolicy, document: Document, text: str, place: Location) -> list[Diagnostic]:
    if policy.item != "time_entry":
        return [document.diagnostic(billing_codes.RATE_SOURCE, place, "only time has a rate; other items bear their amount")]
    function, argument = rate_source(text)
    if function == "marked_up":
        return _check_marked_up(policy, document, argument, place)
    if function:
        if argument != _ARGUMENTS[function]:
            message = f"write {function}({_ARGUMENTS[function]})"
            return [document.diagnostic(billing_codes.RATE_SOURCE, place, message)]
        return []
    path = argument.removeprefix("time_entry.")
    spec = entity_spec("assignment").fields.get(path.removeprefix("assignment.")) if path.startswith("assignment.") else None
    if spec is not None and spec.kind is Kind.PRICE:
        return []
    resolved = billing_scope("time_entry").resolve(path)
    if isinstance(resolved, Unresolved) and not path.startswith("assignment."):
        return [document.diagnostic(billing_codes.RATE_SOURCE, place, resolved.message)]
    if isinstance(resolved, Unresolved) or resolved[1].category is not Category.NUMBER or resolved[1].currency is None:
        known = "time_entry.bill_rate, assignment.bill_rate, contract_line.unit_price, rate_card(role, work_date), price_tier(hours)"
        known += " or marked_up(time_entry.cost_rate, 15)"
        return [document.diagnostic(billing_codes.RATE_SOURCE, place, f"'{text}' is no price of an hour; write {known}")]
    return []


def _check_marked_up(policy: BillingPolicy, document: Document, argument: str, place: Location) -> list[Diagnostic]:
    price, percent = marked_up(argument)
    if not price or not percent or ", " in percent:
        message = "write marked_up(time_entry.cost_rate, 15), or a percent of the record in place of 15"
        return [document.diagnostic(billing_codes.RATE_SOURCE, place, message)]
    found = _check_rate(policy, document, price, place)
    if found or is_percent(percent):
        return found
    resolved = billing_scope("time_entry").resolve(percent.removeprefix("time_entry."))
    if isinstance(resolved, Unresolved):
        return [document.diagnostic(billing_codes.RATE_SOURCE, place, resolved.message)]
    if resolved[1].kind is not Kind.PCT:
        return [document.diagnostic(billing_codes.RATE_SOURCE, place, f"'{percent}' is no percent")]
    return []


SCOPES: Final = ("contract_line", "project", "contract", "period")
"""What a cap may be counted over; `period` alone is each contract line's period."""


def _check_cap(policy: BillingPolicy, document: Document, cap: Cap, index: int) -> list[Diagnostic]:
    place: Location = ("cap", index) if ("cap", index) in document.values else ("cap",)
    found: list[Diagnostic] = []
    if policy.item not in ("time_entry", "expense"):
        return [document.diagnostic(billing_codes.CAP, place, "a cap limits time or expenses")]
    for word in cap.scope:
        if word not in SCOPES:
            message = f"'{word}' is no scope of a cap{near(word, SCOPES)}; it is one of {', '.join(SCOPES)}"
            found.append(document.diagnostic(billing_codes.CAP, (*place, "scope"), message))
    measure, text = cap.measure
    if measure == "hours" and policy.item != "time_entry":
        found.append(document.diagnostic(billing_codes.CAP, (*place, measure), "only time has hours"))
    compiled = compile_value(text, billing_scope(policy.item), document.anchor_of((*place, measure)))
    found += compiled.diagnostics
    if compiled.is_valid and compiled.type.category is not Category.NUMBER:
        found.append(document.diagnostic(billing_codes.CAP, (*place, measure), f"'{text}' is {compiled.type.words}, not a number"))
    fields = entity_spec(policy.entity).fields
    for name in cap.order:
        if name not in fields:
            message = f"'{policy.entity}' has no field '{name}'{near(name, fields)}"
            found.append(document.diagnostic(codes.UNKNOWN_FIELD, (*place, "order"), message))
    return found


def _check_checks(policy: BillingPolicy, document: Document) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    seen: set[str] = set()
    for index, each in enumerate(policy.checks):
        mine = [name for name, items in CHECKS.items() if policy.item in items]
        if each.check not in mine:
            message = f"'{each.check}' is no check of a {policy.item}{near(each.check, mine)}; the checks are {', '.join(mine)}"
            found.append(document.diagnostic(billing_codes.BILLING_CHECK, ("checks", index, "check"), message))
        if each.check in _NEED_AFTER and each.after is None:
            message = f"the check '{each.check}' needs `after`, such as '120 days'"
            found.append(document.diagnostic(billing_codes.BILLING_CHECK, ("checks", index), message))
        if each.id in seen:
            found.append(document.diagnostic(codes.DUPLICATE_ID, ("checks", index, "id"), f"the check id '{each.id}' is given twice"))
        seen.add(each.id)
    return found


def billing_rules(policy: BillingPolicy, document: Document, sheet: Sheet | None) -> list[RulePlace]:
    """Return every rule, cap and check of a billing policy with its place."""
    places = table_rules(policy, document, sheet)
    for index, cap in enumerate(policy.cap):
        place: Location = ("cap", index) if ("cap", index) in document.values else ("cap",)
        says = cap.says or f"What goes beyond the cap is {cap.over_cap.replace('_', ' ')}"
        places.append(RulePlace(cap_id(policy, index), document.span_of(place), says, cap.reference or policy.reference))
    for index, check in enumerate(policy.checks):
        span = document.span_of(("checks", index))
        places.append(RulePlace(check.id, span, check.says, check.reference or policy.reference))
    return places


def cap_id(policy: BillingPolicy, index: int) -> str:
    """Return the id of a cap's rule: its own, else made from the policy's."""
    own = policy.cap[index].id
    return own if own is not None else f"{policy.id}-cap" + (f"-{index + 1}" if index else "")
