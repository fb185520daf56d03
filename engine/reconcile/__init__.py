"""Reconciliation: what must tie to what, how it does, and exactly where it does not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import polars as pl

from engine.findings import finish_findings
from engine.policy.kinds.base import PolicyFile
from engine.policy.kinds.checks import CheckPolicy
from engine.policy.kinds.flow import FlowPolicy
from engine.policy.kinds.reconciliation import PER, Pass, ReconciliationPolicy
from engine.policy.loaded import LoadedPolicy, PolicySet
from engine.reconcile.breaks import find_breaks, with_causes
from engine.reconcile.checks import CHECK_SCHEMA, run_check_policy
from engine.reconcile.coverage import with_coverage
from engine.reconcile.decided import decided_of
from engine.reconcile.flows import FLOW_SCHEMA, run_flow_policy
from engine.reconcile.frames import PassSpec
from engine.reconcile.passes import match_lines
from engine.reconcile.sides import TwoSides, applicable_parts, read_sides, system_name
from engine.reconcile.sources import period_of
from engine.reconcile.tieouts import NOT_COMPARABLE, TIEOUT_SCHEMA, matrix, tie_out
from engine.reconcile.told import (
    Told,
    bias_findings,
    break_findings,
    coverage_findings,
    total_findings,
    uncovered_findings,
    unknown_findings,
)
from engine.reconcile.tolerance import Budget, Tolerance
from engine.reconcile.written import EXPECTATION_SCHEMA, MATCH_SCHEMA, adjustment_rows, expectation_rows, match_rows
from engine.stage import Context, Facts, StageResult

__all__ = ["decide_reconciliation"]


@dataclass(slots=True)
class _Written:
    """Gather what the policies of one run write."""

    tieouts: list[pl.DataFrame] = field(default_factory=list)
    matches: list[pl.DataFrame] = field(default_factory=list)
    expectations: list[pl.DataFrame] = field(default_factory=list)
    entries: list[pl.DataFrame] = field(default_factory=list)
    checks: list[pl.DataFrame] = field(default_factory=list)
    flows: list[pl.DataFrame] = field(default_factory=list)


def decide_reconciliation(facts: Facts, policies: PolicySet, context: Context) -> StageResult:
    """Tie systems out by every reconciliation policy in force on the as-of date.

    Sides that name a system read `facts.sources`, the systems' own records in agreed ids; others the
    agreed records or an earlier stage's output. Frames: `matches`, `reconciliations`, `tieout_matrix`,
    `expectations`, `checks`, `flows`, and `journal` where a policy proposes entries for differences. Nothing is written
    where the facts hold no source records (a test of the stages before).
    """
    result = StageResult()
    written = _Written()
    period = period_of(facts, context)
    earlier = facts.frame("findings")
    before = [] if earlier is None else [earlier.collect().drop("finding_id")]
    if facts.sources:
        _check(facts, policies, context, written, result)
    # A tie-out that names causes is judged after those that find them.
    ordered = sorted(policies.of_kind(ReconciliationPolicy), key=lambda each: bool(each[1].known_causes))
    for loaded, policy in ordered:
        if not facts.sources or not _in_force(policy, context):
            continue
        known = finish_findings(*before, *result.findings) if policy.known_causes else None
        reason = _tie_out(loaded, policy, facts, context, period, known, written, result)
        if reason is not None:
            result.not_applicable.append((policy.id, reason))
    if facts.sources:
        _publish(written, result)
    return result


def _check(facts: Facts, policies: PolicySet, context: Context, written: _Written, result: StageResult) -> None:
    """Judge what must hold of single records, and the integration log."""
    for loaded, checks in policies.of_kind(CheckPolicy):
        if _in_force(checks, context):
            written.checks.append(run_check_policy(loaded, checks, facts, context, result))
    for loaded, flows in policies.of_kind(FlowPolicy):
        if _in_force(flows, context):
            written.flows.append(run_flow_policy(loaded, flows, facts, context, result))


def _in_force(policy: PolicyFile, context: Context) -> bool:
    return policy.effective_from <= context.as_of and (policy.effective_to is None or context.as_of <= policy.effective_to)


def _tie_out(
    loaded: LoadedPolicy, policy: ReconciliationPolicy, facts: Facts, context: Context, period: str, known: pl.DataFrame | None,
    written: _Written, result: StageResult,
) -> str | None:  # fmt: skip
    """Reconcile by one policy; return why it does not apply, or None."""
    parts = applicable_parts(loaded, policy, facts, context)
    if isinstance(parts, str):
        return parts
    sides = _with_budget_groups(read_sides(policy, *parts, facts), policy)
    passes = [_spec(place, each) for place, each in enumerate(policy.passes)]
    decided = decided_of(facts, policy.id, sides.left, sides.right)
    matched = match_lines(sides.left, sides.right, passes, by_currency=sides.by_currency, decided=decided)
    systems = system_name(parts[0]), system_name(parts[1])
    told = Told(loaded, policy, systems, period, context)
    breaks = with_coverage(find_breaks(sides, matched, policy, context), sides, parts, policy)
    breaks = with_causes(breaks, policy, known)
    tieouts = tie_out(sides, matched, breaks, policy, systems, period)
    written.tieouts.append(tieouts)
    result.findings += unknown_findings(sides, told)
    result.findings += uncovered_findings(tieouts, told)
    if not policy.passes:
        result.findings += total_findings(tieouts, told)
        return None
    uncovered = tieouts.filter(pl.col("status") == NOT_COMPARABLE)["scope"].unique()
    breaks = breaks.filter(~pl.col("legal_entity_id").is_in(uncovered.implode()).fill_null(value=False))
    written.matches.append(match_rows(sides, matched, policy))
    for rows, kept in (
        (expectation_rows(sides, matched, policy, context), written.expectations),
        (adjustment_rows(sides, matched, policy, context, period), written.entries),
    ):
        if rows is not None:
            kept.append(rows)
    result.findings += break_findings(breaks, told) + coverage_findings(breaks, told) + bias_findings(sides, matched, told)
    return None


def _spec(place: int, each: Pass) -> PassSpec:
    allowed = each.tolerance
    budget = None
    if each.budget is not None:
        month = ("_month",) if each.budget.period == "month" else ()
        budget = Budget(each.budget.amount, (*(PER[name] for name in each.budget.per), *month, "currency"))
    days = None if each.window is None else each.window.days
    tolerance = Tolerance(allowed.absolute, allowed.percent, allowed.needs)
    return PassSpec(
        place, each.id, each.match, tolerance, days, side=each.side, leave=each.ambiguous == "leave", budget=budget, search=each.search,
        together=each.untied == "suggest",
    )  # fmt: skip


def _with_budget_groups(sides: TwoSides, policy: ReconciliationPolicy) -> TwoSides:
    """Add the month of each left line where a budget is by month."""
    if not any(each.budget is not None and each.budget.period == "month" for each in policy.passes):
        return sides
    return replace(sides, left=sides.left.with_columns(pl.col("date").dt.strftime("%Y-%m").alias("_month")))


def _publish(written: _Written, result: StageResult) -> None:
    tieouts = pl.concat(written.tieouts) if written.tieouts else pl.DataFrame(schema=TIEOUT_SCHEMA)
    matches = pl.concat(written.matches) if written.matches else pl.DataFrame(schema=MATCH_SCHEMA)
    expectations = pl.concat(written.expectations) if written.expectations else pl.DataFrame(schema=EXPECTATION_SCHEMA)
    result.frames |= {
        "reconciliations": tieouts.lazy(), "tieout_matrix": matrix(tieouts).lazy(), "matches": matches.lazy(),
        "expectations": expectations.lazy(),
        "checks": (pl.concat(written.checks) if written.checks else pl.DataFrame(schema=CHECK_SCHEMA)).lazy(),
        "flows": (pl.concat(written.flows) if written.flows else pl.DataFrame(schema=FLOW_SCHEMA)).lazy(),
    }  # fmt: skip
    if written.entries:
        result.frames["journal"] = pl.concat(written.entries).lazy()
