"""Every kind of policy by the word its files bear in `policy:`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from engine.diagnostics import Diagnostic
from engine.policy.kinds import (
    access,
    alerts,
    billing,
    cases,
    checks,
    close,
    flow,
    kpi,
    ownership,
    quality,
    reconciliation,
    remedy,
    retention,
    revenue,
    run,
    tax,
    triage,
)
from engine.policy.kinds.base import PolicyFile, RulePlace
from engine.policy.sheets import Sheet
from engine.policy.source import Document

# The first argument is the kind's own model, which a mapping of all kinds cannot say.
Check = Callable[[Any, Document, Sheet | None], list[Diagnostic]]
Rules = Callable[[Any, Document, Sheet | None], list[RulePlace]]


def no_rules(_: PolicyFile, __: Document, ___: Sheet | None) -> list[RulePlace]:
    """Return the rules of a policy that has only settings: none."""
    return []


@dataclass(frozen=True, slots=True)
class PolicyKind:
    """Hold a kind's model, the check of what its names mean, and where its rules stand."""

    model: type[PolicyFile]
    check: Check
    rules: Rules = no_rules


KINDS: Final[dict[str, PolicyKind]] = {
    "ownership": PolicyKind(ownership.OwnershipPolicy, ownership.check_ownership, ownership.ownership_rules),
    "revenue": PolicyKind(revenue.RevenuePolicy, revenue.check_revenue, revenue.revenue_rules),
    "kpi": PolicyKind(kpi.KpiPolicy, kpi.check_kpi),
    "reconciliation": PolicyKind(
        reconciliation.ReconciliationPolicy, reconciliation.check_reconciliation, reconciliation.reconciliation_rules
    ),
    "billing": PolicyKind(billing.BillingPolicy, billing.check_billing, billing.billing_rules),
    "tax": PolicyKind(tax.TaxPolicy, tax.check_tax, tax.tax_rules),
    "cases": PolicyKind(cases.CasesPolicy, cases.check_cases),
    "check": PolicyKind(checks.CheckPolicy, checks.check_checks, checks.check_rules),
    "flow": PolicyKind(flow.FlowPolicy, flow.check_flow, flow.flow_rules),
    "close": PolicyKind(close.ClosePolicy, close.check_close),
    "access": PolicyKind(access.AccessPolicy, access.check_access),
    "quality": PolicyKind(quality.QualityPolicy, quality.check_quality, quality.quality_rules),
    "remedy": PolicyKind(remedy.RemedyPolicy, remedy.check_remedy, remedy.remedy_rules),
    "triage": PolicyKind(triage.TriagePolicy, triage.check_triage, triage.triage_rules),
    "alerts": PolicyKind(alerts.AlertsPolicy, alerts.check_alerts, alerts.alert_rules),
    "retention": PolicyKind(retention.RetentionPolicy, retention.check_retention),
    "run": PolicyKind(run.RunPolicy, run.check_run),
    "calendar": PolicyKind(run.CalendarPolicy, run.check_whole_run),
}
