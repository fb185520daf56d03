"""Tax policies: which tax code a sale bears, by seller, customer and place of service."""

from __future__ import annotations

from typing import Literal

from engine.condition import Scope
from engine.decision import parse_hit
from engine.decision.codes import HIT_POLICY
from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds import billing_codes
from engine.policy.kinds.base import RulePlace, Severity
from engine.policy.kinds.table import TablePolicy, compile_policy_table, table_rules
from engine.policy.sheets import Sheet
from engine.policy.source import Document
from engine.policy.where import policy_scope, where_mistakes

ENTITY = "invoice_line"


class TaxPolicy(TablePolicy):
    """Which tax code the lines of invoices bear; a null code leaves a line unjudged."""

    policy: Literal["tax"]
    severity: Severity = "high"
    remedy: str | None = None


def tax_scope() -> Scope:
    """Return what a tax table may speak of: invoice lines, and what they refer to."""
    return policy_scope(ENTITY)


def check_tax(policy: TaxPolicy, document: Document, sheet: Sheet | None) -> list[Diagnostic]:
    """Check the table, its output and the condition of a tax policy."""
    found = compile_policy_table(policy, document, sheet, tax_scope())[1]
    hit = parse_hit(policy.hit)
    if hit is not None and hit[0].is_multiple:
        message = f"a line has one tax code, and '{policy.hit}' gives several; use FIRST, UNIQUE, ANY or PRIORITY"
        found.append(document.diagnostic(HIT_POLICY, ("hit",), message))
    if policy.outputs != {"tax_code": "text"}:
        message = "a tax table has one output, `tax_code: text`"
        found.append(document.diagnostic(billing_codes.TAX_OUTPUT, ("outputs",), message, prefer_key=True))
    if policy.where is not None:
        found += where_mistakes(ENTITY, policy.where, document, ("where",))
    if policy.applies_by not in (None, "invoice_date"):
        message = "a tax policy is chosen by the invoice's date: write `applies_by: invoice_date`, or leave it out"
        found.append(document.diagnostic(codes.UNKNOWN_FIELD, ("applies_by",), message))
    return found


def tax_rules(policy: TaxPolicy, document: Document, sheet: Sheet | None) -> list[RulePlace]:
    """Return every rule of a tax policy with its place."""
    return table_rules(policy, document, sheet)
