"""The straight line of stages; nothing else."""

from __future__ import annotations

import polars as pl

from engine.ownership import decide_ownership
from engine.policy.loaded import PolicySet
from engine.stage import Context, Facts, StageResult


def run_stages(facts: Facts, policies: PolicySet, context: Context, previous: Facts | None = None) -> StageResult:
    """Run every stage over one snapshot; findings of all stages stand in the result."""
    whole = StageResult()
    for result in (decide_ownership(facts, policies, context, previous),):
        whole.frames |= result.frames
        whole.findings += result.findings
        whole.not_applicable += result.not_applicable
    return whole


def findings_by_rule(findings: pl.DataFrame) -> list[dict[str, object]]:
    """Return how many findings each rule made, by severity from the gravest."""
    order = pl.col("severity").replace_strict({"critical": 0, "high": 1, "medium": 2, "low": 3}, return_dtype=pl.Int8)
    counted = findings.group_by("rule", "severity").agg(pl.len().alias("count"))
    return counted.sort(order, "rule").select("rule", "severity", "count").to_dicts()
