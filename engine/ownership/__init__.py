"""Ownership: golden records, and every place where a system disagrees with the owner of a field."""

from __future__ import annotations

import polars as pl

from engine.canonical.schema import EntitySpec, entity_spec
from engine.ownership.amended import amended_findings
from engine.ownership.drift import Sides, drift_findings
from engine.ownership.golden import golden_records
from engine.ownership.identity import IDENTITY, Identified, identify
from engine.ownership.presence import missing_findings
from engine.policy.load import LoadedPolicy, PolicySet
from engine.policy.models import OwnershipPolicy
from engine.stage import Context, Facts, StageResult

__all__ = ["decide_ownership"]


def decide_ownership(facts: Facts, policies: PolicySet, context: Context, previous: Facts | None = None) -> StageResult:
    """Make golden records of every entity and findings where systems disagree with owners.

    Frames are named `golden/<entity>`. A policy whose entity, or whose owner's side of it, no
    source supplies is reported as not applicable.
    """
    result = StageResult()
    in_force = [
        (loaded, policy) for loaded, policy in policies.of_kind(OwnershipPolicy) if _is_in_force(policy, context)
    ]
    decided: set[str] = set()
    for loaded, policy in in_force:
        reason = _why_not(policy, facts)
        if reason is not None:
            result.not_applicable.append((policy.id, reason))
            continue
        decided.add(policy.entity)
        _decide_entity(loaded, policy, facts, previous, context, result)
    for entity in sorted(set(facts.records) - decided):
        result.frames[f"golden/{entity}"] = _pass_through(entity_spec(entity), facts)
    return result


def _is_in_force(policy: OwnershipPolicy, context: Context) -> bool:
    return policy.effective_from <= context.as_of and (policy.effective_to is None or context.as_of <= policy.effective_to)


def _why_not(policy: OwnershipPolicy, facts: Facts) -> str | None:
    name = policy.entity.replace("_", " ")
    supplied = facts.systems(policy.entity)
    if not supplied:
        return f"no source of the snapshot supplies {name} records"
    involved = {*policy.owner_system, *(owner for rule in policy.rules for owner in rule.owner)}
    if not involved & set(supplied):
        return f"{', '.join(sorted(involved))} supplies no {name} records in this snapshot"
    return None


def _decide_entity(
    loaded: LoadedPolicy, policy: OwnershipPolicy, facts: Facts, previous: Facts | None, context: Context, result: StageResult
) -> None:  # fmt: skip
    spec = entity_spec(policy.entity)
    now = _identified(policy, spec, facts)
    assert now is not None
    before = None if previous is None else _identified(policy, spec, previous)
    sides = Sides(now.records, None if before is None else before.records, facts, previous)
    found: list[pl.DataFrame] = []
    for rule in policy.rules:
        found += drift_findings(rule, policy, spec, sides, context)
    for presence in policy.presence:
        found += missing_findings(presence, policy, spec, now.records, facts, context)
    golden = golden_records(now.records, spec, {rule.field: rule.owner for rule in policy.rules}, policy.owner_system)
    if policy.amended_total is not None:
        found += amended_findings(policy.amended_total, golden, facts, previous)
    if now.suggested.height:
        found.append(_suggestion_findings(now.suggested, policy, spec))
    result.frames[f"golden/{policy.entity}"] = golden.drop(IDENTITY).lazy()
    result.findings += [frame.with_columns(pl.lit(loaded.fingerprint).alias("policy_fingerprint")) for frame in found]


def _identified(policy: OwnershipPolicy, spec: EntitySpec, facts: Facts) -> Identified | None:
    frame = facts.frame(policy.entity)
    if frame is None:
        return None
    return identify(frame.collect(), spec, policy.match, policy.suggest_by, policy.owner_system)


def _pass_through(spec: EntitySpec, facts: Facts) -> pl.LazyFrame:
    """Return the records of an entity without ownership policy: one per key, the first system's."""
    frame = facts.records[spec.name].with_columns(
        pl.concat_list(
            pl.concat_str([pl.col("source_file"), pl.col("source_row").cast(pl.String)], separator=":")
        ).alias("evidence")
    )
    if len(facts.systems(spec.name)) > 1:
        frame = frame.sort("source_system").unique(list(spec.keys), keep="first", maintain_order=True)
    return frame


def _suggestion_findings(suggested: pl.DataFrame, policy: OwnershipPolicy, spec: EntitySpec) -> pl.DataFrame:
    message = pl.concat_str(
        pl.lit(f"{spec.name.replace('_', ' ').capitalize()} "), pl.col("left"), pl.lit(" and "), pl.col("right"),
        pl.lit(" share no key, but their "), pl.col("field"), pl.lit(" reads alike: "), pl.col("value"), pl.lit("."),
    )  # fmt: skip
    return suggested.select(
        pl.lit("ownership").alias("stage"), pl.lit("possible_same").alias("kind"), pl.lit(policy.id).alias("rule"),
        pl.lit("low").alias("severity"), pl.lit(spec.name).alias("entity"), pl.col("left").alias("entity_id"),
        pl.lit(spec.name).alias("related_entity"), pl.col("right").alias("related_id"), pl.col("field"),
        message.alias("message"), pl.lit(policy.owner).alias("owner"),
        pl.lit("If they are the same, give both the same key in their systems; if not, nothing is to be done.").alias("remedy"),
    )  # fmt: skip
