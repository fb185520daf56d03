"""How often each rule of the billing tables decides, and the money it decides."""

from __future__ import annotations

import polars as pl

from engine.billing.eligibility import compiled_table, judged_items
from engine.billing.references import golden_frames
from engine.decision.weigh import weigh_table
from engine.policy.kinds.billing import ITEM_ENTITY, BillingPolicy
from engine.policy.loaded import PolicySet
from engine.stage import Context, Facts


def billing_fired(facts: Facts, policies: PolicySet, context: Context) -> pl.DataFrame:
    """Return what every billing rule decides (`WEIGHED` of the tables, with `policy` and `version`); money is what items are worth."""
    frames = golden_frames(facts)
    found: list[pl.DataFrame] = []
    for loaded, policy in policies.of_kind(BillingPolicy):
        if ITEM_ENTITY[policy.item] not in frames:
            continue
        judged = judged_items([(loaded, policy)], frames, context, trace=True)
        rows = judged.select(
            "table.trace", pl.col("item.id").alias("id"), pl.col("item.amount").alias("amount"), pl.col("item.currency").alias("currency"),
            pl.col("item.date").alias("day"),
        )  # fmt: skip
        weighed = weigh_table(compiled_table((loaded, policy), context), rows, "table.trace")
        found.append(
            weighed.select(pl.lit(policy.id).alias("policy"), pl.lit(policy.effective_from).cast(pl.Date).alias("version"), pl.all())
        )
    return pl.concat(found) if found else pl.DataFrame()
