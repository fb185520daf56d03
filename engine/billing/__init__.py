"""Billing: what may be billed, what is billed, what is held and why; one decision for every item."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from engine.billing.caps import apply_caps
from engine.billing.decisions import DECISION_SCHEMA, published, with_decision, with_eligibility, written_down
from engine.billing.eligibility import Version, covers_everything, in_force, judged_items, unjudged_items, with_items
from engine.billing.findings import billing_findings
from engine.billing.fired import billing_fired, billing_held
from engine.billing.funding import apply_funding
from engine.billing.gate import stopped_lines
from engine.billing.reached import billing_reach
from engine.billing.references import golden_frames
from engine.billing.tax import tax_findings
from engine.billing.unblock import unblocking_actions
from engine.billing.why import ItemExplanation, explain_item
from engine.policy.claimed import both_apply
from engine.policy.kinds.billing import ITEM_ENTITY, BillingPolicy
from engine.policy.loaded import PolicySet
from engine.stage import Context, Facts, StageResult

__all__ = [
    "ItemExplanation",
    "billing_fired",
    "billing_held",
    "billing_reach",
    "decide_billing",
    "explain_item",
    "stopped_lines",
    "unblocking_actions",
]


def decide_billing(facts: Facts, policies: PolicySet, context: Context) -> StageResult:
    """Decide every time entry, expense, milestone and fee due; `facts` hold agreed records.

    The frame is `billing_decisions` (`DECISION_SCHEMA`), one row an item, several where a cap, a
    write-down or funding splits it. Findings say what was billed against the policies and what was
    not billed. Policies whose items no source supplies are reported as not applicable.
    """
    result = StageResult()
    by_item = _by_item(policies)
    every = [version for by_id in by_item.values() for versions in by_id for version in versions]
    frames = with_items(golden_frames(facts, context.as_of), every, context)
    decided: list[pl.DataFrame] = []
    unfunded: dict[str, str] = {}
    for item, by_id in by_item.items():
        versions = [each for group in by_id for each in group]
        reason = _why_not(item, frames)
        if reason is not None:
            result.not_applicable += [(group[0][1].id, reason) for group in by_id]
            continue
        rows, overlaps = _decided_items(by_id, frames, context)
        result.findings += overlaps
        unfunded |= dict.fromkeys(rows["item.type"].unique().to_list(), in_force(versions, context)[1].settings.unfunded)
        decided.append(rows)
    result.findings += tax_findings(frames, policies, context)
    if not decided:
        result.frames["billing_decisions"] = pl.LazyFrame(schema=DECISION_SCHEMA)
        return result
    funded = apply_funding(pl.concat(decided, how="diagonal"), frames, unfunded, context.as_of)
    rows = with_decision(funded)
    result.frames["billing_decisions"] = published(rows, frames).lazy()
    result.findings += billing_findings(rows, policies, frames, context, result)
    return result


def _by_item(policies: PolicySet) -> dict[str, list[list[Version]]]:
    """Return by item its policies' versions: policies with a condition first, since they except from the others."""
    found: dict[str, list[list[Version]]] = {}
    for _, versions in sorted(policies.versions(BillingPolicy).items(), key=lambda each: (each[1][-1][1].where is None, each[0])):
        found.setdefault(versions[-1][1].item, []).append(versions)
    return dict(sorted(found.items()))


def _decided_items(
    policies: list[list[Version]], frames: Mapping[str, pl.LazyFrame], context: Context
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:  # fmt: skip
    """Return the items of a kind with eligibility, write-downs and caps applied; the first policy that covers one counts.

    The second are the findings of items that two policies with a condition cover.
    """
    parts: list[pl.DataFrame] = []
    overlaps: list[pl.DataFrame] = []
    for versions in policies:
        rows = with_eligibility(judged_items(versions, frames, context)).collect()
        if versions[-1][1].where is not None:
            overlaps += [_both_cover(part, before, rows, versions) for part, before in zip(parts, policies, strict=False)]
        parts.append(apply_caps(written_down(_not_in(rows, parts)), in_force(versions, context)[1], context.as_of))
    if not covers_everything(policies):
        rest = with_eligibility(unjudged_items(policies[-1][-1], frames, context)).collect()
        parts.append(_not_in(rest, parts))
    return pl.concat(parts, how="diagonal") if len(parts) > 1 else parts[0], overlaps


def _both_cover(part: pl.DataFrame, first: list[Version], rows: pl.DataFrame, second: list[Version]) -> pl.DataFrame:
    """Return the finding of the items that an earlier policy decides although a later one, limited too, is for them as well."""
    ids = rows.select("item.id").join(part.select("item.id"), on="item.id", how="semi")["item.id"].unique().to_list()
    return both_apply("billing", second[-1][1].item, first[-1][1], second[-1][1], ids)


def _not_in(rows: pl.DataFrame, parts: list[pl.DataFrame]) -> pl.DataFrame:
    for part in parts:
        rows = rows.join(part.select("item.id"), on="item.id", how="anti", maintain_order="left")
    return rows


def _why_not(item: str, frames: Mapping[str, pl.LazyFrame]) -> str | None:
    sources = [ITEM_ENTITY[item]] + (["contract_line"] if item == "fee" else [])
    if any(name in frames for name in sources):
        return None
    return f"no source of the snapshot supplies {item.replace('_', ' ')} records"
