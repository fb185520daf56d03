"""KPIs: figures with formula, numerator, denominator, target and status, as finance's policies define them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import polars as pl

from engine.kpi.accruals import expense_facts, subcontract_facts
from engine.kpi.anomalies import anomaly_findings, judged_figures, ranked
from engine.kpi.billing import billed_time_facts, decision_facts, invoice_facts
from engine.kpi.books import backlog_facts, balance_facts, margin_facts, revenue_facts
from engine.kpi.delivery import activation_facts, capacity_facts, planned_facts, time_facts
from engine.kpi.measure import KPI_SCHEMA, Material, measure_kpi
from engine.kpi.missed import missed_targets
from engine.kpi.moved import moved_figures
from engine.kpi.observed import finding_facts, record_facts, reported_facts
from engine.kpi.places import records
from engine.policy.facts import FACTS
from engine.policy.kinds.kpi import KpiPolicy
from engine.policy.loaded import LoadedPolicy, PolicySet
from engine.stage import Context, Facts, StageResult

__all__ = ["measure_kpis"]

_BUILDERS: Final[Mapping[str, Callable[[Facts, Context], pl.LazyFrame]]] = {
    "time": time_facts, "capacity": capacity_facts, "planned": planned_facts, "activations": activation_facts,
    "decisions": decision_facts, "billed_time": billed_time_facts, "invoices": invoice_facts, "records": record_facts,
    "findings": finding_facts, "revenue": revenue_facts, "balances": balance_facts, "backlog": backlog_facts,
    "margin": margin_facts, "reported": reported_facts, "expenses": expense_facts, "subcontracts": subcontract_facts,
}  # fmt: skip


def measure_kpis(facts: Facts, policies: PolicySet, context: Context) -> StageResult:
    """Measure every KPI whose facts are there; the others are reported as not applicable.

    The frame `kpis` has a row for each KPI, period, dimension and unit; a target that is missed, a move beyond its limit and a
    month that stands out is a finding where the policy gives it a severity. `kpi_anomalies` ranks what policies look for.
    """
    result = StageResult()
    applicable: list[tuple[LoadedPolicy, KpiPolicy]] = []
    for loaded, policy in policies.of_kind(KpiPolicy):
        reason = _why_not(policy, facts)
        if reason is None:
            applicable.append((loaded, policy))
        else:
            result.not_applicable.append((policy.id, reason))
    if not policies.of_kind(KpiPolicy):
        return result
    built = _built([policy for _, policy in applicable], facts, context)
    material = Material(built, records(facts, "exchange_rate"), _reporting_currency(facts), context.as_of)
    rows = [measure_kpi(loaded, policy, material) for loaded, policy in applicable]
    frames = pl.collect_all(rows) if rows else []
    made = pl.concat(frames) if frames else pl.DataFrame(schema=KPI_SCHEMA)
    result.frames["kpis"] = made.sort("kpi", "period", "dimension", "unit").lazy()
    result.findings += [missed_targets(loaded, policy, made, context.as_of) for loaded, policy in applicable]
    result.findings += [moved_figures(loaded, policy, made, context.as_of) for loaded, policy in applicable if policy.change]
    judged = [(loaded, policy, judged_figures(loaded, policy, made, material)) for loaded, policy in applicable if policy.anomaly]
    if judged:
        result.frames["kpi_anomalies"] = ranked([figures for *_, figures in judged]).lazy()
        result.findings += [anomaly_findings(*each) for each in judged]
    return result


def _built(policies: Sequence[KpiPolicy], facts: Facts, context: Context) -> dict[str, pl.LazyFrame]:
    """Return the facts the policies measure, each made once.

    Left lazy, every measure would make its facts anew: each filters them in its own way, so no two plans are alike.
    """
    names = sorted({measure.facts for policy in policies for _, measure in policy.measures()})
    made = pl.collect_all([_BUILDERS[name](facts, context) for name in names])
    return {name: frame.lazy() for name, frame in zip(names, made, strict=True)}


def _reporting_currency(facts: Facts) -> str | None:
    """Return the currency all legal entities report in, or None when they state none or several."""
    found = records(facts, "legal_entity").select(pl.col("reporting_currency").drop_nulls().unique()).collect().to_series()
    return str(found[0]) if found.len() == 1 else None


def _why_not(policy: KpiPolicy, facts: Facts) -> str | None:
    for _, measure in policy.measures():
        for name in FACTS[measure.facts].needs:
            if facts.frame(name) is None:
                return f"it needs {name.replace('_', ' ')} records, which this run does not have"
    return None
