"""Journal entries as remedies: what brings the ledger to what policy gives, and what books a tolerated residual."""

from __future__ import annotations

import polars as pl

from engine.findings import MONEY
from engine.policy.kinds.remedy import EntrySides
from engine.policy.kinds.revenue import RevenuePolicy
from engine.policy.loaded import PolicySet

_NAMES = ("debit_account", "credit_account", "legal_entity_id", "amount")


def account_codes(policies: PolicySet) -> dict[str, str]:
    """Return the accounts that the revenue policies give to roles."""
    return {role: account for _, policy in policies.of_kind(RevenuePolicy) for role, account in policy.accounts.items()}


def with_entry(rows: pl.DataFrame, entry: EntrySides, codes: dict[str, str], entities: pl.DataFrame) -> pl.DataFrame:
    """Give findings that state what policy gives (`owner_value`) and what stands there the entry for the difference.

    Where policy gives more, `entry.debit` is debited; where it gives less, the other way round. A
    finding without both amounts, or without a difference, has no entry. `entities`: contract_id and
    legal_entity_id.
    """
    wanted, there = (pl.col(name).cast(MONEY, strict=False) for name in ("owner_value", "consumer_value"))
    gap = wanted - there
    debit, credit = (pl.lit(codes.get(role, role)) for role in (entry.debit, entry.credit))
    return (
        rows.join(entities, on="contract_id", how="left", maintain_order="left")
        .with_columns(
            pl.when(gap > 0).then(debit).otherwise(credit).alias("debit_account"),
            pl.when(gap > 0).then(credit).otherwise(debit).alias("credit_account"), gap.abs().alias("amount"),
        )
        .filter(pl.col("amount") > 0)
    )  # fmt: skip


def without_entry(rows: pl.DataFrame) -> pl.DataFrame:
    """Give rows the columns of an entry, empty; their amount is what is at risk."""
    nothing = [pl.lit(None, dtype=pl.String).alias(name) for name in _NAMES[:-1]]
    return rows.with_columns(*nothing, pl.col("amount_at_risk").alias("amount"))


def legal_entities(journal: pl.DataFrame) -> pl.DataFrame:
    """Return the legal entity in whose books each contract stands."""
    named = journal.select("contract_id", "legal_entity_id").drop_nulls().sort("contract_id", "legal_entity_id")
    return named.unique("contract_id", keep="first", maintain_order=True)


def tolerated(journal: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each proposed entry that books what a match left over: both accounts, the amount, what it is for."""
    own = journal.filter((pl.col("batch_id") == pl.col("rule")) & pl.col("journal_id").str.starts_with("ADJ-"))
    debit, credit = own.filter(pl.col("debit") > 0), own.filter(pl.col("credit") > 0)
    both = debit.join(credit.select("journal_id", pl.col("account").alias("credit_account")), on="journal_id", how="inner")
    return both.select(
        pl.col("journal_id").alias("entity_id"), pl.col("account").alias("debit_account"), "credit_account",
        pl.col("debit").alias("amount"), "currency", "legal_entity_id", "contract_id", pl.col("reason").alias("instruction"), "evidence",
        pl.lit("journal").alias("entity"),
    )  # fmt: skip
