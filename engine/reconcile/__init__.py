"""Reconciliation: what must tie to what, how it does, and exactly where it does not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from engine.findings import finish_findings
from engine.policy.kinds.checks import CheckPolicy
from engine.policy.kinds.flow import FlowPolicy
from engine.policy.kinds.reconciliation import PER, Pass, ReconciliationPolicy
from engine.policy.loaded import LoadedPolicy, PolicySet
from engine.reconcile.breaks import find_breaks, with_causes
from engine.reconcile.checks import CHECK_SCHEMA, run_check_policy
from engine.reconcile.coverage import covering, supplied, with_coverage
from engine.reconcile.decided import decided_of
from engine.reconcile.flows import FLOW_SCHEMA, run_flow_policy
from engine.reconcile.frames import PassSpec
from engine.reconcile.passes import Matched, match_lines
from engine.reconcile.sides import TwoSides, applicable_parts, read_sides, system_name
from engine.reconcile.sources import ended_period, period_of
from engine.reconcile.tieouts import NOT_COMPARABLE, TIEOUT_SCHEMA, matrix, tie_out
from engine.reconcile.told import (
    Told,
    bias_findings,
    break_findings,
    coverage_findings,
    earlier_period_findings,
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


# Two tie-outs go through at a time: what one does alone leaves a processor to the other.
_AT_ONCE: Final = 2


@dataclass(slots=True)
class _Made:
    """Hold what one policy makes: rows to write, findings, or why it does not apply."""

    written: _Written = field(default_factory=_Written)
    findings: list[pl.DataFrame] = field(default_factory=list)
    not_applicable: str | None = None


@dataclass(frozen=True, slots=True)
class _Compared:
    """Hold the two sides of one policy, their matches and where they break; `supplied` tells what their systems hold anything of."""

    sides: TwoSides
    matched: Matched
    breaks: pl.DataFrame
    told: Told
    period: str | None
    supplied: tuple[Callable[[], pl.DataFrame | None], ...]


def decide_reconciliation(facts: Facts, policies: PolicySet, context: Context) -> StageResult:
    """Tie systems out by every reconciliation policy in force on the as-of date.

    Sides that name a system read `facts.sources`, the systems' own records in agreed ids; others the
    agreed records or an earlier stage's output. Frames: `matches`, `reconciliations`, `tieout_matrix`,
    `expectations`, `checks`, `flows`, and `journal` where a policy proposes entries for differences. Nothing is written
    where the facts hold no source records (a test of the stages before).
    """
    result = StageResult()
    if not facts.sources:
        return result
    written = _Written()
    period = period_of(facts, context)
    earlier = facts.frame("findings")
    before = [] if earlier is None else [earlier.collect().drop("finding_id")]
    _check(facts, policies, context, written, result)
    in_force = policies.in_force(ReconciliationPolicy, context.as_of)
    # A tie-out that names causes is judged after those that find them; matching knows nothing of the others.
    alone, caused = ([each for each in in_force if bool(each[1].known_causes) is named] for named in (False, True))

    def compared(each: tuple[LoadedPolicy, ReconciliationPolicy]) -> _Compared | str:
        return _compare(*each, facts, context, period)

    def tied(each: tuple[LoadedPolicy, ReconciliationPolicy]) -> _Made:
        return _judge(each[1], compared(each), None)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        made_alone, compared_caused = pool.map(tied, alone), pool.map(compared, caused)
        for (_, policy), made in zip(alone, made_alone, strict=True):
            _add(made, policy, written, result)
        for (_, policy), each in zip(caused, compared_caused, strict=True):
            known = finish_findings(*before, *result.findings)
            _add(_judge(policy, each, known), policy, written, result)
    _publish(written, result)
    return result


def _check(facts: Facts, policies: PolicySet, context: Context, written: _Written, result: StageResult) -> None:
    """Judge what must hold of single records, and the integration log."""
    for loaded, checks in policies.in_force(CheckPolicy, context.as_of):
        written.checks.append(run_check_policy(loaded, checks, facts, context, result))
    for loaded, flows in policies.in_force(FlowPolicy, context.as_of):
        written.flows.append(run_flow_policy(loaded, flows, facts, context, result))


def _compare(
    loaded: LoadedPolicy, policy: ReconciliationPolicy, facts: Facts, context: Context, period: str
) -> _Compared | str:  # fmt: skip
    """Match the two sides of one policy and list where they break, or say why the policy does not apply."""
    parts = applicable_parts(loaded, policy, facts, context)
    if isinstance(parts, str):
        return parts
    parts = covering(*parts)
    context = parts[0][0].context
    sides = _with_budget_groups(read_sides(policy, *parts, facts), policy)
    passes = [_spec(place, each) for place, each in enumerate(policy.passes)]
    decided = decided_of(facts, policy.id, sides.left, sides.right)
    matched = match_lines(sides.left, sides.right, passes, by_currency=sides.by_currency, decided=decided)
    breaks = with_coverage(find_breaks(sides, matched, policy, context), sides, parts, policy)
    there = tuple(functools.partial(supplied, each) for each in parts)
    told = Told(loaded, policy, (system_name(parts[0]), system_name(parts[1])), period, context)
    ended = ended_period(facts, context)[0]
    earlier = None if ended == ended_period(facts, replace(context, covered=None))[0] else ended
    return _Compared(sides, matched, breaks, told, earlier, there)


def _judge(policy: ReconciliationPolicy, compared: _Compared | str, known: pl.DataFrame | None) -> _Made:
    """Say what one policy's matches and breaks come to; findings `known` before may explain a break."""
    made = _Made()
    if isinstance(compared, str):
        made.not_applicable = compared
        return made
    sides, matched, told = compared.sides, compared.matched, compared.told
    breaks = with_causes(compared.breaks, policy, known)
    tieouts = tie_out(sides, matched, breaks, policy, told.systems, told.period, compared.supplied)
    made.written.tieouts.append(tieouts)
    made.findings += unknown_findings(sides, told) + earlier_period_findings(told, compared.period)
    made.findings += uncovered_findings(tieouts, told)
    if not policy.passes:
        made.findings += total_findings(tieouts, told)
        return made
    uncovered = tieouts.filter(pl.col("status") == NOT_COMPARABLE)["scope"].unique()
    breaks = breaks.filter(~pl.col("legal_entity_id").is_in(uncovered.implode()).fill_null(value=False))
    made.written.matches.append(match_rows(sides, matched, policy))
    for rows, kept in (
        (expectation_rows(sides, matched, policy, told.context), made.written.expectations),
        (adjustment_rows(sides, matched, policy, told.context, told.period), made.written.entries),
    ):
        if rows is not None:
            kept.append(rows)
    made.findings += break_findings(breaks, told) + coverage_findings(breaks, told) + bias_findings(sides, matched, told)
    return made


def _add(made: _Made, policy: ReconciliationPolicy, written: _Written, result: StageResult) -> None:
    if made.not_applicable is not None:
        result.not_applicable.append((policy.id, made.not_applicable))
    for each in ("tieouts", "matches", "expectations", "entries"):
        getattr(written, each).extend(getattr(made.written, each))
    result.findings += made.findings


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
