"""Batches of proposed entries: one per legal entity and period, with control totals in each currency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.runs import begins
from engine.revenue.ground.frames import TEXT

BATCHES: Final[dict[str, pl.DataType]] = {
    "batch_id": TEXT, "legal_entity_id": TEXT, "period": TEXT, "currency": TEXT, "journals": pl.Int64(), "lines": pl.Int64(),
    "debit": MONEY, "credit": MONEY, "functional_debit": MONEY, "functional_credit": MONEY, "status": TEXT,
}  # fmt: skip
"""Columns of `journal_batches.parquet`: control totals of a batch in each currency."""


def batch_totals(entries: pl.DataFrame) -> pl.DataFrame:
    """Return what entries come to by batch and currency (BATCHES); functional totals are in the legal entity's currency."""
    # Lines of an entry stand together: what is summed by texts is what each run of them comes to.
    counts = (pl.col("line") == 1).cast(pl.Int64).alias("journals"), pl.lit(1, dtype=pl.Int64).alias("lines")
    told = entries.lazy().with_columns(begins("batch_id", "currency").cum_sum().alias("run"), *counts)
    return batches([_added_up(told, "run").collect()])


def batches(totals: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the control totals of every batch by currency, summed over blocks of entries (BATCHES)."""
    return _added_up(pl.concat(totals).lazy(), "batch_id", "currency").collect().sort("batch_id", "currency")


def _added_up(rows: pl.LazyFrame, *keys: str) -> pl.LazyFrame:
    """Return BATCHES by the keys: counts and amounts summed, of texts the first."""
    texts = [name for name, dtype in BATCHES.items() if dtype == TEXT and name not in keys]
    numbers = [name for name, dtype in BATCHES.items() if dtype != TEXT]
    summed = rows.group_by(keys, maintain_order=True).agg(pl.col(texts).first(), pl.col(numbers).sum())
    return summed.select(pl.col(name).cast(dtype) for name, dtype in BATCHES.items())
