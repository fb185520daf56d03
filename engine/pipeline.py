"""The straight line of stages; nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from engine.billing import decide_billing
from engine.findings import finish_findings
from engine.kpi import measure_kpis
from engine.ownership import decide_ownership
from engine.policy.loaded import PolicySet
from engine.reconcile import decide_reconciliation
from engine.revenue import decide_revenue
from engine.stage import Context, Facts, StageResult
from engine.triage import decide_triage

GOLDEN: Final = "golden/"

Stage = Callable[[Facts, PolicySet, Context], StageResult]

DECISIONS: Final[dict[str, Stage]] = {"billing": decide_billing, "revenue": decide_revenue, "reconciliation": decide_reconciliation}
"""The stages after ownership by name, in order; each reads agreed records, the outputs and the `findings` before it."""


OnMade = Callable[[Mapping[str, pl.LazyFrame]], None]


def run_stages(
    facts: Facts, policies: PolicySet, context: Context, previous: Facts | None = None, found: Sequence[pl.DataFrame] = (),
    decided: Mapping[str, pl.LazyFrame] | None = None, on_made: OnMade | None = None,
) -> StageResult:  # fmt: skip
    """Run every stage over one snapshot; findings of all stages, and those `found` before, stand in the result.

    `decided`: what people decided before, by name: `approved_entries` of batches posted earlier (columns of `journal`; only what
    is left of them is proposed), `decided_matches` (a row a line), `attested_estimates` of costs at completion.
    `on_made` is given the outputs of a stage by name as soon as they stand, while the next one decides.
    """
    whole = decide_ownership(facts, policies, context, previous)
    # Made once: the stages read each of them many times.
    whole.frames = {name: frame.collect().lazy() for name, frame in whole.frames.items()}
    whole.findings += found
    agreed = {name.removeprefix(GOLDEN): frame for name, frame in whole.frames.items() if name.startswith(GOLDEN)}
    if on_made is not None:
        on_made(whole.frames)
    agreed |= decided or {}
    rest = run_decisions(replace(facts, records=agreed, sources=whole.sources), policies, context, whole.findings, on_made)
    # What came back has the findings of every stage, each with its cause.
    whole.findings = []
    whole.add(rest)
    return whole


def run_decisions(
    agreed: Facts, policies: PolicySet, context: Context, found: Sequence[pl.DataFrame] = (), on_made: OnMade | None = None,
    with_kpis: bool = True, last: str | None = None,
) -> StageResult:  # fmt: skip
    """Run the stages after ownership over agreed records; KPIs count the findings of all, and triage comes last.

    The result's findings are all findings, those `found` before included, with their causes. Nothing depends on KPIs, so that
    who does not ask for them can do without. `last`: the stage (of DECISIONS) after which to end, for who asks for no more: its
    outputs and findings are those of a whole run, but for the findings' causes.
    """
    whole = StageResult()
    agreed = agreed.with_outputs({"findings": finish_findings(*found).lazy()})
    for name, stage in DECISIONS.items():
        result = stage(agreed, policies, context)
        whole.add(result)
        outputs = {name: whole.frames[name] for name in result.frames}
        if on_made is not None:
            on_made(outputs)
        if name == last:
            whole.findings += found
            return whole
        agreed = agreed.with_outputs({**outputs, "findings": finish_findings(*found, *whole.findings).lazy()})
    if with_kpis:
        whole.add(measure_kpis(agreed, policies, context))
        agreed = agreed.with_outputs({"findings": finish_findings(*found, *whole.findings).lazy()})
    whole.findings = []
    whole.add(decide_triage(agreed, policies, context))
    return whole


def findings_by_rule(findings: pl.DataFrame) -> list[dict[str, object]]:
    """Return how many findings each rule made, by severity from the gravest."""
    order = pl.col("severity").replace_strict({"critical": 0, "high": 1, "medium": 2, "low": 3}, return_dtype=pl.Int8)
    counted = findings.group_by("rule", "severity").agg(pl.len().alias("count"))
    return counted.sort(order, "rule").select("rule", "severity", "count").to_dicts()
