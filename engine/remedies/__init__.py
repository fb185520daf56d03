"""Remedies: what would mend each cause, as rows that can be drafted, released and looked for in the next run."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.findings import MONEY
from engine.hashing import ID_LENGTH, hash_columns
from engine.policy.kinds.remedy import RemedyPolicy
from engine.policy.loaded import PolicySet
from engine.stage import Context

__all__ = ["REMEDY_SCHEMA", "propose_remedies"]

REMEDY_SCHEMA: Final[dict[str, pl.DataType]] = {
    "remedy_key": pl.String(), "batch": pl.String(), "rule": pl.String(), "action": pl.String(), "system": pl.String(),
    "entity": pl.String(), "entity_id": pl.String(), "related_entity": pl.String(), "related_id": pl.String(), "field": pl.String(),
    "value": pl.String(), "before": pl.String(), "amount": MONEY, "currency": pl.String(), "finding_id": pl.String(),
    "cause_id": pl.String(), "contract_id": pl.String(), "instruction": pl.String(), "evidence": pl.List(pl.String()),
}  # fmt: skip
"""Columns of `remedies.parquet`. `remedy_key` is the same for the same act on the same finding, so that it is never
applied twice; a `batch` is what is released together: all that is done to one record in one system."""


def propose_remedies(findings: pl.DataFrame, policies: PolicySet, context: Context) -> pl.DataFrame:
    """Return a row for each finding that a policy has a remedy for; what another finding explains needs none of its own.

    Findings that triage gathers are mended one by one: the cause they share is only their name.
    """
    rules = [
        (each, policy.owner)
        for _, policy in policies.of_kind(RemedyPolicy)
        if policy.effective_from <= context.as_of and (policy.effective_to is None or context.as_of <= policy.effective_to)
        for each in policy.remedies
    ]
    made_by_triage = findings.filter(pl.col("stage") == "triage")["finding_id"]
    of_their_own = (pl.col("cause_id") == pl.col("finding_id")) | pl.col("cause_id").is_in(made_by_triage.implode())
    waiting = findings.filter(of_their_own.fill_null(value=True) & (pl.col("stage") != "triage"))
    found = [pl.DataFrame(schema=REMEDY_SCHEMA)]
    for each, _ in rules:
        mine = waiting.filter(pl.col("kind").is_in(list(each.kinds)))
        waiting = waiting.filter(~pl.col("kind").is_in(list(each.kinds)))
        target = {"consumer": pl.col("systems").list.last(), "owner": pl.col("systems").list.first()}.get(each.target, pl.lit(each.target))
        keyed = mine.with_columns(
            pl.lit(each.id).alias("rule"), pl.lit(each.action).alias("action"), target.fill_null("unknown").alias("system"),
            pl.col("owner_value").alias("value"), pl.col("consumer_value").alias("before"), pl.col("amount_at_risk").alias("amount"),
            pl.coalesce("remedy", pl.lit(each.says)).alias("instruction"),
        )  # fmt: skip
        record = ["system", "action", "entity", "entity_id"]
        keyed = keyed.with_columns(
            hash_columns([pl.col("finding_id"), pl.col("action"), pl.col("system"), pl.col("value")], length=ID_LENGTH).alias("remedy_key"),
            hash_columns([pl.col(name) for name in record], length=ID_LENGTH).alias("batch"),
        )  # fmt: skip
        found.append(keyed.select(pl.col(name).cast(dtype) for name, dtype in REMEDY_SCHEMA.items()))
    return pl.concat(found).sort("system", "action", "entity", "entity_id", "field", "remedy_key", nulls_last=True)
