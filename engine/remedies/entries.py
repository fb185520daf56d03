"""Journal entries as remedies: what brings the ledger to what policy gives, accruals, and what books a tolerated residual."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import polars as pl

from engine.canonical.kinds import MONEY
from engine.policy.kinds.remedy import EntrySides
from engine.policy.kinds.revenue import RevenuePolicy
from engine.policy.loaded import PolicySet

_DAYS = ("posting_date", "reversal_date")

PERIODS = ("legal_entity_id", "start_date", "end_date", "status")
"""The columns of fiscal periods that tell when an entry may post."""


NUMBERED = "TIEOUT-"
"""How the journal number of an entry that was drafted here begins."""

# The longest number of a journal that every ledger takes is 21 characters (QuickBooks); the reversal's has one more than this.
_DIGITS = 13


def entry_number(key: pl.Expr) -> pl.Expr:
    """Return the journal number of an entry: the same for the same remedy, so that a ledger takes it once."""
    return pl.concat_str(pl.lit(NUMBERED), key.str.head(_DIGITS))


def number_of(key: str) -> str:
    """Return the journal number of the entry of one remedy."""
    return f"{NUMBERED}{key[:_DIGITS]}"


def account_codes(policies: PolicySet, on: dt.date) -> dict[str, str]:
    """Return the accounts that the revenue policies give to roles, the latest that has begun by a day."""
    begun = [policy for _, policy in policies.of_kind(RevenuePolicy) if policy.effective_from <= on]
    return {role: account for policy in begun for role, account in policy.accounts.items()}


def with_entry(
    rows: pl.DataFrame, entry: EntrySides, codes: dict[str, str], entities: pl.DataFrame, periods: pl.DataFrame, as_of: dt.date
) -> pl.DataFrame:
    """Give findings that state what policy gives (`owner_value`) and what stands there the entry for the difference.

    Where policy gives more, `entry.debit` is debited; where it gives less, the other way round. A
    finding without both amounts, or without a difference, has no entry; one of which `entry.only` wants none keeps its row
    without accounts. `entities`: contract_id and legal_entity_id; `periods`: PERIODS.
    """
    wanted, there = (pl.col(name).cast(MONEY, strict=False) for name in ("owner_value", "consumer_value"))
    gap = wanted - there
    debit, credit = (pl.lit(codes.get(role, role)) for role in (entry.debit, entry.credit))
    named = rows.join(entities, on="contract_id", how="left", maintain_order="left", suffix="_of_contract").with_columns(
        pl.coalesce("legal_entity_id", "legal_entity_id_of_contract").alias("legal_entity_id")
    )
    with_sides = named.with_columns(
        pl.when(gap > 0).then(debit).otherwise(credit).alias("debit_account"),
        pl.when(gap > 0).then(credit).otherwise(debit).alias("credit_account"), gap.abs().alias("amount"), (gap > 0).alias("_lacking"),
    ).filter(pl.col("amount") > 0)  # fmt: skip
    dated = _dated(with_sides, entry, periods, as_of)
    if entry.only == "both":
        return dated
    return dated.with_columns(pl.when("_lacking").then(pl.col(name)).alias(name) for name in ("debit_account", "credit_account", *_DAYS))


def _dated(rows: pl.DataFrame, entry: EntrySides, periods: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Add the day the entry posts, which no closed period holds, and the day it is taken back."""
    today = pl.lit(as_of)
    wanted = today if entry.posts == "as_of" else pl.min_horizontal(pl.coalesce("since", today), today)
    rows = rows.with_columns(wanted.alias("posting_date")).with_row_index("_at")
    own = rows.select("_at", "posting_date", "legal_entity_id").join(periods.select(PERIODS), on="legal_entity_id", how="inner")
    inside = pl.col("posting_date").is_between(pl.col("start_date"), pl.col("end_date"))
    shut = own.filter(inside & pl.col("status").is_in(["closed", "locked"])).select("_at")
    is_open = ~pl.col("status").is_in(["closed", "locked"]).fill_null(value=False)
    later = own.join(shut, on="_at", how="semi").filter(is_open & (pl.col("start_date") > pl.col("posting_date")))
    first = later.group_by("_at").agg(pl.col("start_date").min().alias("_open"))
    rows = rows.join(first, on="_at", how="left", maintain_order="left")
    # Where no open period is known, the entry posts on the day of the run, never into what is closed.
    is_shut = pl.col("_at").is_in(shut["_at"].implode())
    rows = rows.with_columns(pl.when(is_shut).then(pl.coalesce("_open", today)).otherwise("posting_date").alias("posting_date"))
    if entry.reverses == "never":
        return rows.with_columns(pl.lit(None, dtype=pl.Date).alias("reversal_date")).drop("_at", "_open")
    own = rows.select("_at", "posting_date", "legal_entity_id").join(periods.select(PERIODS), on="legal_entity_id", how="inner")
    following = own.filter(pl.col("start_date") > pl.col("posting_date")).group_by("_at").agg(pl.col("start_date").min().alias("_next"))
    rows = rows.join(following, on="_at", how="left", maintain_order="left")
    next_month = pl.col("posting_date").dt.month_end().dt.offset_by("1d")
    return rows.with_columns(pl.coalesce("_next", next_month).alias("reversal_date")).drop("_at", "_open", "_next")


def approved_elsewhere(rows: pl.DataFrame, contracts: Collection[str]) -> pl.DataFrame:
    """Take the entry off rows of contracts whose revenue entries are approved: those are posted from their batch."""
    named = pl.col("contract_id").is_in(list(contracts)).fill_null(value=False)
    entry = [pl.when(~named).then(pl.col(name)).alias(name) for name in ("debit_account", "credit_account", *_DAYS)]
    said = pl.when(named).then(pl.lit("Post what the ledger lacks of the contract's approved batches.")).otherwise("remedy")
    return rows.with_columns(*entry, said.alias("remedy"))


def without_entry(rows: pl.DataFrame) -> pl.DataFrame:
    """Give rows the columns of an entry, empty; their amount is what is at risk."""
    nothing = [pl.lit(None, dtype=pl.String).alias(name) for name in ("debit_account", "credit_account")]
    days = [pl.lit(None, dtype=pl.Date).alias(name) for name in _DAYS]
    return rows.with_columns(*nothing, *days, pl.col("amount_at_risk").alias("amount"))


def legal_entities(journal: pl.DataFrame) -> pl.DataFrame:
    """Return the legal entity in whose books each contract stands."""
    named = journal.select("contract_id", "legal_entity_id").drop_nulls().sort("contract_id", "legal_entity_id")
    return named.unique("contract_id", keep="first", maintain_order=True)


def tolerated(journal: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return a row for each proposed entry that books what a match left over: both accounts, the amount, what it is for."""
    own = journal.filter((pl.col("batch_id") == pl.col("rule")) & pl.col("journal_id").str.starts_with("ADJ-"))
    debit, credit = own.filter(pl.col("debit") > 0), own.filter(pl.col("credit") > 0)
    both = debit.join(credit.select("journal_id", pl.col("account").alias("credit_account")), on="journal_id", how="inner")
    return both.select(
        pl.col("journal_id").alias("entity_id"), pl.col("account").alias("debit_account"), "credit_account",
        pl.col("debit").alias("amount"), "currency", "legal_entity_id", "contract_id", pl.col("reason").alias("instruction"), "evidence",
        pl.lit("journal").alias("entity"), pl.lit(as_of).alias("posting_date"),
    )  # fmt: skip
