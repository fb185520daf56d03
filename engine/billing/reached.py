"""Which items a change of billing policies can reach, told by the tables alone."""

from __future__ import annotations

import polars as pl

from engine.billing.eligibility import items_judged_apart
from engine.billing.references import golden_frames
from engine.policy.kinds.billing import BillingPolicy
from engine.policy.loaded import PolicySet
from engine.stage import Context, Facts


def billing_reach(facts: Facts, old: PolicySet, new: PolicySet, context: Context) -> list[str] | None:
    """Return the contracts with an item that the tables of two folders judge differently, sorted; None for every contract.

    Only rows of tables may differ between the folders: whoever changes prices, caps, checks or
    conditions reaches every contract. So does an item without a contract that is judged differently.
    """
    before, after = old.versions(BillingPolicy), new.versions(BillingPolicy)
    if before.keys() != after.keys():
        return None
    frames = golden_frames(facts, context.as_of)
    found: list[pl.DataFrame] = []
    for name in before:
        if [each.fingerprint for each, _ in before[name]] == [each.fingerprint for each, _ in after[name]]:
            continue
        if [_without_rules(policy) for _, policy in before[name]] != [_without_rules(policy) for _, policy in after[name]]:
            return None
        pairs = zip(before[name], after[name], strict=True)
        found += pl.collect_all([items_judged_apart(old_version, new_version, frames, context) for old_version, new_version in pairs])
    if not found:
        return []
    contracts = pl.concat(found)["item.contract_id"].unique().sort()
    return None if contracts.null_count() else contracts.to_list()


def _without_rules(policy: BillingPolicy) -> dict[str, object]:
    return policy.model_dump(exclude={"rules", "rules_file", "title", "note", "reference", "owner"})
