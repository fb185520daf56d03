"""Remedies: what would mend each cause, as rows that can be drafted, released and looked for in the next run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.errors import UsageError
from engine.hashing import ID_LENGTH, hash_columns
from engine.policy.kinds.remedy import RemedyPolicy
from engine.policy.loaded import PolicySet
from engine.remedies.entries import account_codes, approved_elsewhere, legal_entities, tolerated, with_entry, without_entry
from engine.stage import Context

__all__ = ["REMEDY_SCHEMA", "approver_role", "propose_remedies"]

REMEDY_SCHEMA: Final[dict[str, pl.DataType]] = {
    "remedy_key": pl.String(), "batch": pl.String(), "rule": pl.String(), "action": pl.String(), "system": pl.String(),
    "entity": pl.String(), "entity_id": pl.String(), "related_entity": pl.String(), "related_id": pl.String(), "field": pl.String(),
    "value": pl.String(), "before": pl.String(), "amount": MONEY, "currency": pl.String(), "finding_id": pl.String(),
    "cause_id": pl.String(), "contract_id": pl.String(), "instruction": pl.String(), "evidence": pl.List(pl.String()),
    "debit_account": pl.String(), "credit_account": pl.String(), "legal_entity_id": pl.String(), "posting_date": pl.Date(),
    "reversal_date": pl.Date(),
}  # fmt: skip
"""Columns of `remedies.parquet`. `remedy_key` is the same for the same act on the same finding, so that it is never
applied twice; a `batch` is what is released together: all that is done to one record in one system. The last five
columns are of journal entries; one with a `reversal_date` is taken back on that day."""

_JOURNAL: Final = {
    **dict.fromkeys(("journal_id", "batch_id", "rule", "account", "currency", "legal_entity_id", "contract_id", "reason"), pl.String()),
    "debit": MONEY, "credit": MONEY, "evidence": pl.List(pl.String()),
}  # fmt: skip

_PERIODS: Final[dict[str, pl.DataType]] = {
    "legal_entity_id": pl.String(), "start_date": pl.Date(), "end_date": pl.Date(), "status": pl.String()
}  # fmt: skip

_RECORD: Final = ("system", "action", "entity", "entity_id")


def propose_remedies(
    findings: pl.DataFrame, policies: PolicySet, context: Context, journal: pl.DataFrame | None = None,
    periods: pl.DataFrame | None = None, approved: Collection[str] = (),
) -> pl.DataFrame:  # fmt: skip
    """Return a row for each finding that a policy has a remedy for; what another finding explains needs none of its own.

    Findings that triage gathers are mended one by one: the cause they share is only their name.
    `journal` holds the entries the run proposes: it tells legal entities, and what books tolerated residuals. `periods` are
    the fiscal periods: an entry never posts into a closed one. `approved` are the contracts whose revenue entries are approved:
    what the ledger lacks of those is posted from their batch, never by a second entry.
    """
    journal = pl.DataFrame(schema=_JOURNAL) if journal is None else journal
    if periods is None:
        periods = pl.DataFrame(schema=_PERIODS)
    periods = periods.select(pl.col(name).cast(dtype) for name, dtype in _PERIODS.items())
    codes, entities = account_codes(policies, context.as_of), legal_entities(journal)
    in_force = policies.in_force(RemedyPolicy, context.as_of)
    rules = [
        (each, policy.owner)
        for _, policy in in_force
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
        mine = without_entry(mine) if each.entry is None else with_entry(mine, each.entry, codes, entities, periods, context.as_of)
        if each.entry is not None and {each.entry.debit, each.entry.credit} <= codes.keys():
            mine = approved_elsewhere(mine, approved)
        is_entry = pl.col("debit_account").is_not_null()
        # What has no entry is left to a person, who is told what the finding says.
        action = pl.when(is_entry).then(pl.lit(each.action)).otherwise(pl.lit("request" if each.entry else each.action))
        said = pl.when(is_entry).then(pl.lit(each.says)).otherwise(pl.coalesce("remedy", pl.lit(each.says)))
        keyed = mine.with_columns(
            pl.lit(each.id).alias("rule"), action.alias("action"), target.fill_null("unknown").alias("system"),
            pl.col("owner_value").alias("value"), pl.col("consumer_value").alias("before"), said.alias("instruction"),
        )  # fmt: skip
        found.append(_keyed(keyed, pl.col("finding_id")))
    found += [_adjusted(policy, journal, context) for _, policy in in_force if policy.adjustments is not None]
    return pl.concat(found).sort("system", "action", "entity", "entity_id", "field", "remedy_key", nulls_last=True)


def approver_role(policies: PolicySet, on: dt.date, rules: Iterable[str]) -> str:
    """Return the role that releases what these rules drafted: the one that the policy which states them names.

    Raises UsageError when several policies state them and name different roles.
    """
    drafted = set(rules)
    stated = {
        policy.id: policy.approver_role
        for _, policy in policies.in_force(RemedyPolicy, on)
        if drafted & {*(each.id for each in policy.remedies), *([] if policy.adjustments is None else [policy.adjustments.id])}
    }
    if len(set(stated.values())) > 1:
        told = ", ".join(f"'{name}' names {role}" for name, role in stated.items())
        message = f"The remedy is drafted by policies that name different approvers: {told}."
        raise UsageError(message, "Let them name the same `approver_role`.")
    return next(iter(stated.values()), "approver")


def _keyed(rows: pl.DataFrame, subject: pl.Expr) -> pl.DataFrame:
    """Give rows their key, that of the same act on the same subject, and the batch they are released in.

    A correction is the same act while its value is; an entry while what policy gives and what stands there are.
    """
    amounts = pl.concat_str("value", pl.col("before").fill_null(""), separator="|")
    value = pl.when(pl.col("action") == "journal_entry").then(amounts).otherwise("value")
    keyed = rows.with_columns(
        hash_columns([subject, pl.col("action"), pl.col("system"), value], length=ID_LENGTH).alias("remedy_key"),
        hash_columns([pl.col(name) for name in _RECORD], length=ID_LENGTH).alias("batch"),
    )
    return keyed.select(
        (pl.col(name) if name in keyed.columns else pl.lit(None)).cast(dtype).alias(name) for name, dtype in REMEDY_SCHEMA.items()
    )


def _adjusted(policy: RemedyPolicy, journal: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return a row for each entry a reconciliation proposes for a tolerated residual; it mends no finding."""
    assert policy.adjustments is not None
    rows = tolerated(journal, context.as_of).with_columns(
        pl.lit(policy.adjustments.id).alias("rule"), pl.lit("journal_entry").alias("action"),
        pl.lit(policy.adjustments.target).alias("system"), pl.col("amount").cast(pl.String).alias("value"),
        pl.lit(None, dtype=pl.String).alias("before"),
    )  # fmt: skip
    return _keyed(rows, pl.col("entity_id"))
