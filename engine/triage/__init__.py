"""Triage: findings to the few causes someone can act on."""

from __future__ import annotations

from engine.findings import empty_findings
from engine.policy.kinds.triage import TriagePolicy
from engine.policy.loaded import PolicySet
from engine.stage import Context, Facts, StageResult
from engine.triage.causes import causes_of
from engine.triage.dimensions import shared_dimensions
from engine.triage.mining import suggested_causes
from engine.triage.rollup import rolled_up
from engine.triage.rules import conclude

__all__ = ["decide_triage"]


def decide_triage(facts: Facts, policies: PolicySet, context: Context) -> StageResult:
    """Give every finding its cause; `facts` has the finished `findings` of all other stages.

    Frames: `causes` (one row each: owner, remedy, money, symptoms, chain) and `cause_suggestions`
    (what findings share that no rule names; suggestions, never facts). The result's findings are
    *all* findings, with `cause_id` and `cause_rule`, and those that triage makes of what many share.
    """
    result = StageResult()
    frame = facts.frame("findings")
    findings = empty_findings() if frame is None else frame.collect()
    # Where nothing was found no rule is asked.
    in_force = [] if findings.is_empty() else policies.in_force(TriagePolicy, context.as_of)
    dimensions = shared_dimensions(findings, facts)
    gathered = rolled_up(findings, dimensions, in_force)
    caused = causes_of(findings, gathered, conclude(gathered), in_force)
    result.findings.append(caused.findings)
    result.frames["causes"] = caused.causes.lazy()
    result.frames["cause_suggestions"] = suggested_causes(caused.findings, facts).lazy()
    return result
