"""Ownership: golden records, and every place where a system disagrees with the owner of a field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from engine.canonical.schema import EntitySpec, entity_spec, file_and_row
from engine.ownership.amended import amended_findings
from engine.ownership.crosswalk import in_agreed_keys, translate_references
from engine.ownership.drift import Sides, drift_findings
from engine.ownership.golden import golden_records
from engine.ownership.identity import IDENTITY, Identified, identify
from engine.ownership.limits import Limits
from engine.ownership.presence import missing_findings
from engine.ownership.twins import twin_findings
from engine.policy.claimed import both_apply
from engine.policy.kinds.ownership import OwnershipPolicy
from engine.policy.loaded import LoadedPolicy, PolicySet
from engine.stage import Context, Facts, StageResult

__all__ = ["decide_ownership"]


def decide_ownership(facts: Facts, policies: PolicySet, context: Context, previous: Facts | None = None) -> StageResult:
    """Make golden records of every entity and findings where systems disagree with owners.

    Frames are named `golden/<entity>`; `sources` are the source records in agreed ids. A version of a policy decides the records whose
    `applies_by` date lies in its dates (the as-of date where the policy names none). A policy
    whose entity, or whose owner's side of it, no source supplies is reported as not applicable.
    """
    result = StageResult()
    versions: dict[str, list[tuple[LoadedPolicy, OwnershipPolicy]]] = {}
    # Policies with a condition come first, since they except from the others, as in billing.
    for loaded, policy in sorted(policies.of_kind(OwnershipPolicy), key=lambda each: each[1].where is None):
        reason = _why_not(policy, facts)
        if reason is None:
            versions.setdefault(policy.entity, []).append((loaded, policy))
        else:
            result.not_applicable.append((policy.id, reason))
    identified = _identified_entities(facts, versions)
    facts = translate_references(facts, identified)
    result.sources = in_agreed_keys(facts, identified)
    if previous is not None:
        previous = translate_references(previous, _identified_entities(previous, versions))
    for entity in sorted(facts.records):
        spec = entity_spec(entity)
        golden: list[pl.DataFrame] = []
        decided: list[tuple[OwnershipPolicy, pl.DataFrame]] = []
        for loaded, policy in versions.get(entity, []):
            golden.append(_decide(loaded, policy, facts, previous, context, result, decided))
            decided.append((policy, golden[-1].select(spec.keys)))
        if not golden and len(facts.systems(entity)) > 1:
            result.findings += twin_findings(facts.records[entity], spec)
        result.frames[f"golden/{entity}"] = _with_the_rest(golden, spec, facts)
    return result


def _identified_entities(facts: Facts, versions: dict[str, list[tuple[LoadedPolicy, OwnershipPolicy]]]) -> dict[str, Identified]:
    identified: dict[str, Identified] = {}
    for entity, policies in versions.items():
        found = _identified(policies[-1][1], entity_spec(entity), facts)
        if found is not None:
            identified[entity] = found
    return identified


def _why_not(policy: OwnershipPolicy, facts: Facts) -> str | None:
    name = policy.entity.replace("_", " ")
    supplied = facts.systems(policy.entity)
    if not supplied:
        return f"no source of the snapshot supplies {name} records"
    involved = {*policy.owner_system, *(owner for rule in policy.rules for owner in rule.owner)}
    if not involved & set(supplied):
        return f"{', '.join(sorted(involved))} supplies no {name} records in this snapshot"
    return None


def _decide(
    loaded: LoadedPolicy, policy: OwnershipPolicy, facts: Facts, previous: Facts | None, context: Context, result: StageResult,
    before: Sequence[tuple[OwnershipPolicy, pl.DataFrame]],
) -> pl.DataFrame:  # fmt: skip
    """Add one policy version's findings to the result; return its golden records with their identity.

    What a policy `before` decided is left to it; where both are limited, that is a finding.
    """
    spec = entity_spec(policy.entity)
    now = _identified(policy, spec, facts)
    assert now is not None, "a policy that applies has records"
    golden = golden_records(now.records, spec, {rule.field: rule.owner for rule in policy.rules}, policy.owner_system)
    golden = golden.filter(_in_force(policy, context))
    limits = Limits(loaded, policy.entity, golden, facts, context)
    golden = _left_over(limits.kept(golden, policy.where, ("where",)), policy, spec, before, result)
    decided = golden.select(IDENTITY)
    records = now.records.join(decided, on=IDENTITY, how="semi", maintain_order="left")
    earlier = None if previous is None else _identified(policy, spec, previous)
    sides = Sides(records, None if earlier is None else earlier.records, facts, previous)
    found: list[pl.DataFrame] = []
    for index, rule in enumerate(policy.rules):
        limited = replace(sides, now=limits.kept(records, rule.where, ("rules", index, "where")))
        found += drift_findings(rule, policy, spec, limited, context)
    for index, presence in enumerate(policy.presence):
        owned = limits.kept(records, presence.where, ("presence", index, "where"))
        found += missing_findings(presence, policy, spec, owned, facts, context)
    found += amended_findings(policy, golden, facts, previous)
    if now.suggested.height:
        found.append(_suggestion_findings(now.suggested, policy, spec))
    result.findings += [frame.with_columns(pl.lit(loaded.fingerprint).alias("policy_fingerprint")) for frame in found]
    return golden


def _left_over(
    golden: pl.DataFrame, policy: OwnershipPolicy, spec: EntitySpec, before: Sequence[tuple[OwnershipPolicy, pl.DataFrame]],
    result: StageResult,
) -> pl.DataFrame:  # fmt: skip
    """Return the records that no policy before decided; tell those that a limited one did although this one is for them too."""
    for first, keys in before:
        if policy.where is not None and first.id != policy.id:
            both = golden.join(keys, on=list(spec.keys), how="semi").select(pl.concat_str(spec.keys, separator="|"))
            result.findings.append(both_apply("ownership", spec.name, first, policy, both.to_series().to_list()))
        golden = golden.join(keys, on=list(spec.keys), how="anti", maintain_order="left")
    return golden


def _in_force(policy: OwnershipPolicy, context: Context) -> pl.Expr:
    """Return whether the version decides a record: by the record's own date, else by the as-of date."""
    day = pl.lit(context.as_of) if policy.applies_by is None else pl.col(policy.applies_by).cast(pl.Date)
    # A record without the date is not outside every version: it is judged as of the run.
    day = pl.coalesce(day, pl.lit(context.as_of))
    begun = day >= pl.lit(policy.effective_from)
    return begun if policy.effective_to is None else begun & (day <= pl.lit(policy.effective_to))


def _identified(policy: OwnershipPolicy, spec: EntitySpec, facts: Facts) -> Identified | None:
    frame = facts.frame(policy.entity)
    if frame is None:
        return None
    return identify(frame.collect(), spec, policy.match, policy.suggest_by, policy.owner_system)


def _with_the_rest(golden: list[pl.DataFrame], spec: EntitySpec, facts: Facts) -> pl.LazyFrame:
    """Return the golden records of all versions; records that none decided pass as they are."""
    if not golden:
        return _pass_through(spec, facts)
    columns = [*spec.polars_schema(), "evidence"]
    decided = pl.concat([frame.drop(IDENTITY) for frame in golden], how="diagonal").unique(spec.keys, keep="first", maintain_order=True)
    places = decided.select(pl.col("evidence").explode()).unique().to_series()
    rest = _pass_through(spec, facts).filter(~pl.col("evidence").list.first().is_in(places.implode()))
    made = decided.with_columns(pl.lit(None, dtype=pl.String).alias("record_hash")).select(columns).lazy()
    return pl.concat([made, rest.select(columns)])


def _pass_through(spec: EntitySpec, facts: Facts) -> pl.LazyFrame:
    """Return the records of an entity without ownership policy: one per key, the first system's."""
    place = file_and_row()
    frame = facts.records[spec.name].with_columns(pl.concat_list(place).alias("evidence"))
    if len(facts.systems(spec.name)) > 1:
        frame = frame.sort("source_system").unique(list(spec.keys), keep="first", maintain_order=True)
    return frame


def _suggestion_findings(suggested: pl.DataFrame, policy: OwnershipPolicy, spec: EntitySpec) -> pl.DataFrame:
    message = pl.concat_str(
        pl.lit(f"{spec.name.replace('_', ' ').capitalize()} "), pl.col("left"), pl.lit(" and "), pl.col("right"),
        pl.lit(" share no key, but their "), pl.col("field"), pl.lit(" reads alike: "), pl.col("value"), pl.lit("."),
    )  # fmt: skip
    remedy = "If they are the same, give both the same key in their systems; if not, nothing is to be done."
    return suggested.select(
        pl.lit("ownership").alias("stage"), pl.lit("possible_same").alias("kind"), pl.lit(policy.id).alias("rule"),
        pl.lit("low").alias("severity"), pl.lit(spec.name).alias("entity"), pl.col("left").alias("entity_id"),
        pl.lit(spec.name).alias("related_entity"), pl.col("right").alias("related_id"), pl.col("field"),
        message.alias("message"), pl.lit(policy.owner).alias("owner"), pl.lit(remedy).alias("remedy"),
    )  # fmt: skip
