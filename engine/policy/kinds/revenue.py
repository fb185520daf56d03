"""Revenue policies: how each promise is recognized, the accounting choices, and the accounts."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final, Literal

import pydantic

from engine.canonical.kinds import FieldSpec, Kind
from engine.condition import Scope, Type, entity_scope, enum
from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds.base import RulePlace, Strict, refuse_where
from engine.policy.kinds.revenue_settings import Convention, Licence, Measure, RevenueSettings, Timing
from engine.policy.kinds.table import TablePolicy, compile_policy_table, table_rules
from engine.policy.names import near
from engine.policy.sheets import Sheet
from engine.policy.source import Document
from engine.policy.wording import in_yaml, needed, told_once

ACCOUNT_ROLES: Final = (
    "revenue", "contract_asset", "contract_liability", "receivable", "refund_liability", "deposit_liability",
    "loss_provision", "cost_of_revenue", "unbilled_receivable", "tax_payable", "allowance", "credit_loss_expense",
    "intercompany", "rounding", "contract_cost_asset", "contract_cost_expense", "return_asset", "inventory", "payable",
    "interest_income", "interest_expense", "fx", "cash", "customer_payment_asset", "opening_equity",
)  # fmt: skip
"""Roles of ledger accounts; `cost_asset` is another word for `contract_cost_asset`."""


class Assignment(Strict):
    """What one contract or line is given instead of what the table and the settings say."""

    settings: dict[str, Any] = pydantic.Field(default_factory=dict)
    timing: Timing | None = None
    measure: Measure | None = None
    convention: Convention | None = None
    principal: bool | None = None
    loss_scope: bool | None = None
    nature: Literal["right_to_access", "right_to_use"] | None = None
    licence: Licence | None = None


class PolicyChange(Strict):
    """What a version changes for contracts signed before it (ASC 250): nothing (`new_facts`), or all of them from its first day.

    A change in an estimate is caught up in the period of the change (250-10-45-17). A change of principle goes through opening
    equity, with the periods before restated (`retrospective`) or not (`modified_retrospective`; 250-10-45-5 to 45-8). The
    correction of an error restates the periods it is of (250-10-45-23).
    """

    kind: Literal["new_facts", "estimate", "principle", "error"]
    transition: Literal["retrospective", "modified_retrospective"] | None = None
    reason: str | None = None

    @pydantic.model_validator(mode="after")
    def _has_its_transition(self) -> PolicyChange:
        if (self.kind == "principle") != (self.transition is not None):
            raise ValueError("a change of principle names its transition, and only that does")
        return self


class RevenuePolicy(TablePolicy):
    """How each promise is recognized: a table giving timing, measure and convention; settings; accounts.

    `change` says what a later version of the policy is for contracts signed before its first day.
    """

    policy: Literal["revenue"]
    item: Literal["obligation"] = "obligation"
    settings: RevenueSettings = RevenueSettings()
    accounts: dict[str, str] = pydantic.Field(default_factory=dict)
    assign: dict[str, Assignment] = pydantic.Field(default_factory=dict)
    second_book: dict[str, Any] = pydantic.Field(default_factory=dict)
    change: PolicyChange | None = None

    def settings_of(self, key: str) -> RevenueSettings:
        """Return the settings of a contract or line that has overrides; raises pydantic.ValidationError when they are wrong."""
        return RevenueSettings.model_validate(_merged(self.settings.model_dump(), self.assign[key].settings))

    def for_second_book(self) -> RevenuePolicy:
        """Return the policy as its second book has it (the same where it keeps none); raises pydantic.ValidationError."""
        settings = RevenueSettings.model_validate(_merged(self.settings.model_dump(), self.second_book))
        return self.model_copy(update={"settings": settings, "second_book": {}})


def _merged(value: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    made = copy.deepcopy(value)
    for name, each in over.items():
        old = made.get(name)
        made[name] = _merged(old, each) if isinstance(old, dict) and isinstance(each, Mapping) else each
    return made


def treatment_scope(_: RevenuePolicy | None = None) -> Scope:
    """Return what the table may ask: a line's fields and what they reach, and the line's licence and billing choices."""
    extra: dict[str, Kind | FieldSpec | Type] = {
        "as_of": Kind.DATE, "licence_nature": enum("right_to_access", "right_to_use"), "as_invoiced": Kind.BOOL,
    }  # fmt: skip
    return entity_scope("contract_line", extra=extra)


def check_revenue(policy: RevenuePolicy, document: Document, sheet: Sheet | None) -> list[Diagnostic]:
    """Check the table, what the standard allows, the roles of accounts and every override."""
    _, found = compile_policy_table(policy, document, sheet, treatment_scope())
    found += refuse_where(policy, document)
    if policy.applies_by not in (None, "contract.signed_date", "signed_date"):
        message = "a revenue policy is chosen by the day the contract was signed: write `applies_by: contract.signed_date`, or leave it out"
        found.append(document.diagnostic(codes.UNKNOWN_FIELD, ("applies_by",), message))
    for path, reason in policy.settings.refused():
        found.append(document.diagnostic(codes.INVALID_VALUE, ("settings", *path), reason, prefer_key=True))
    for output in ("timing", "measure"):
        if output not in policy.outputs:
            found.append(document.diagnostic(codes.MISSING_SETTING, ("outputs",), f"the table gives no '{output}'", prefer_key=True))
    roles = (*ACCOUNT_ROLES, "cost_asset")
    for role in policy.accounts:
        if role not in roles:
            message = f"'{role}' is no role of an account{near(role, roles)}"
            found.append(document.diagnostic(codes.UNKNOWN_SETTING, ("accounts", role), message, prefer_key=True))
    return found + _second_book(policy, document) + _overrides(policy, document)


def _second_book(policy: RevenuePolicy, document: Document) -> list[Diagnostic]:
    """Check the settings of the second book as those of the first."""
    place = ("second_book",)
    try:
        refused = list(policy.for_second_book().settings.refused()) if policy.second_book else []
    except pydantic.ValidationError as error:
        messages = [_refused(each) for each in told_once(error.errors())]
        return [document.diagnostic(codes.INVALID_VALUE, place, message, prefer_key=True) for message in messages]
    return [document.diagnostic(codes.INVALID_VALUE, place, f"{'.'.join(path)}: {reason}", prefer_key=True) for path, reason in refused]


def _refused(mistake: Mapping[str, Any], of: str = "") -> str:
    """Return a mistake in settings that lie over others; their own names are below what they are given for."""
    name = ".".join(str(part) for part in mistake["loc"])
    if mistake["type"] == "extra_forbidden":
        return f"there is no setting '{name}'{of}"
    return f"'{name}'{of} cannot be {in_yaml(mistake.get('input'))}: {needed(mistake)}"


def _overrides(policy: RevenuePolicy, document: Document) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for key, each in policy.assign.items():
        if not each.settings:
            continue
        place = ("assign", key)
        try:
            refused = list(policy.settings_of(key).refused())
        except pydantic.ValidationError as error:
            for mistake in told_once(error.errors()):
                found.append(document.diagnostic(codes.INVALID_VALUE, place, _refused(mistake, f" of '{key}'"), prefer_key=True))
            continue
        for path, reason in refused:
            found.append(document.diagnostic(codes.INVALID_VALUE, place, f"{'.'.join(path)}: {reason}", prefer_key=True))
    return found


def revenue_rules(policy: RevenuePolicy, document: Document, sheet: Sheet | None) -> list[RulePlace]:
    """Return every rule of the table with its place."""
    return table_rules(policy, document, sheet)
