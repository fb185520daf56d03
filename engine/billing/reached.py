"""Which items a change of billing policies can reach, told by the tables alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from engine.billing.eligibility import Version, judged_items
from engine.billing.references import golden_frames
from engine.policy.kinds.billing import BillingPolicy
from engine.policy.loaded import PolicySet
from engine.stage import Context, Facts

_SAID = ("table.decision", "table.reason", "table.rule", "table.status", "table.write_down_pct")


def billing_reach(facts: Facts, old: PolicySet, new: PolicySet, context: Context) -> list[str] | None:
    """Return the contracts with an item that the tables of two folders judge differently, sorted; None for every contract.

    Only rows of tables may differ between the folders: whoever changes prices, caps, checks or
    conditions reaches every contract. So does an item without a contract that is judged differently.
    """
    before, after = old.versions(BillingPolicy), new.versions(BillingPolicy)
    if before.keys() != after.keys():
        return None
    frames = golden_frames(facts)
    found: list[pl.DataFrame] = []
    for name in before:
        if [each.fingerprint for each, _ in before[name]] == [each.fingerprint for each, _ in after[name]]:
            continue
        if [_without_rules(policy) for _, policy in before[name]] != [_without_rules(policy) for _, policy in after[name]]:
            return None
        found.append(_judged_differently(before[name], after[name], frames, context))
    if not found:
        return []
    contracts = pl.concat(found)["item.contract_id"].unique().sort()
    return None if contracts.null_count() else contracts.to_list()


def _without_rules(policy: BillingPolicy) -> dict[str, object]:
    return policy.model_dump(exclude={"rules", "rules_file", "title", "note", "reference", "owner"})


def _judged_differently(
    old: Sequence[Version], new: Sequence[Version], frames: Mapping[str, pl.LazyFrame], context: Context
) -> pl.DataFrame:  # fmt: skip
    """Return the contract of each item that two versions of a table judge differently."""
    sides = []
    for versions in (old, new):
        judged = judged_items(versions, frames, context)
        present = judged.collect_schema().names()
        sides.append(judged.select("item.type", "item.id", "item.contract_id", *(name for name in _SAID if name in present)))
    one, other = pl.collect_all(sides)
    # Both come of the same items in the same order, unless the order of joins says otherwise.
    keys = ["item.type", "item.id"]
    said = [name for name in _SAID if name in one.columns]
    joined = one.join(other, on=keys, how="full", coalesce=True, suffix=".new")
    differs = pl.any_horizontal(~pl.col(name).eq_missing(pl.col(f"{name}.new")) for name in said)
    return joined.filter(differs).select(pl.coalesce("item.contract_id", "item.contract_id.new").alias("item.contract_id"))
