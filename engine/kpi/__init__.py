"""KPIs: figures with formula, numerator, denominator, target and status, as finance's policies define them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import polars as pl

from engine.kpi.billing import billed_time_facts, decision_facts, invoice_facts
from engine.kpi.books import backlog_facts, balance_facts, margin_facts, revenue_facts
from engine.kpi.delivery import activation_facts, capacity_facts, planned_facts, time_facts
from engine.kpi.measure import KPI_SCHEMA, Material, measure_kpi
from engine.kpi.observed import finding_facts, record_facts, reported_facts
from engine.kpi.places import records
from engine.policy.facts import FACTS
from engine.policy.kinds.kpi import KpiPolicy
from engine.policy.loaded import PolicySet
from engine.stage import Context, Facts, StageResult

__all__ = ["measure_kpis"]

_BUILDERS: Final[Mapping[str, Callable[[Facts, Context], pl.LazyFrame]]] = {
    "time": time_facts, "capacity": capacity_facts, "planned": planned_facts, "activations": activation_facts,
    "decisions": decision_facts, "billed_time": billed_time_facts, "invoices": invoice_facts, "records": record_facts,
    "findings": finding_facts, "revenue": revenue_facts, "balances": balance_facts, "backlog": backlog_facts,
    "margin": margin_facts, "reported": reported_facts,
}  # fmt: skip


def measure_kpis(facts: Facts, policies: PolicySet, context: Context) -> StageResult:
    """Measure every KPI whose facts are there; the others are reported as not applicable.

    The frame `kpis` has a row for each KPI, period, dimension and unit.
    """
    result = StageResult()
    built: dict[str, pl.LazyFrame] = {}
    rows: list[pl.LazyFrame] = []
    material = Material(built, records(facts, "exchange_rate"), _reporting_currency(facts), context.as_of)
    for loaded, policy in policies.of_kind(KpiPolicy):
        reason = _why_not(policy, facts)
        if reason is not None:
            result.not_applicable.append((policy.id, reason))
            continue
        for _, measure in policy.measures():
            if measure.facts not in built:
                built[measure.facts] = _BUILDERS[measure.facts](facts, context)
        rows.append(measure_kpi(loaded, policy, material))
    if not policies.of_kind(KpiPolicy):
        return result
    frames = pl.collect_all(rows) if rows else []
    made = pl.concat(frames) if frames else pl.DataFrame(schema=KPI_SCHEMA)
    result.frames["kpis"] = made.sort("kpi", "period", "dimension", "unit").lazy()
    return result


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
