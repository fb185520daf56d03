"""What a run writes of the core: obligations, modifications, the revenue schedule, and revenue pushed down to time."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import Kind, polars_dtype
from engine.revenue.frames import FRACTION, MONEY, TEXT, TEXTS, Books, shaped

SCHEDULE: Final[dict[str, pl.DataType]] = {
    "contract_id": TEXT,
    "contract_line_id": TEXT,
    "obligation_id": TEXT,
    "period": TEXT,
    "relates_to_period": TEXT,
    "nature": TEXT,
    "basis": TEXT,
    "planned_amount": MONEY,
    "recognized_amount": MONEY,
    "catch_up_amount": MONEY,
    "currency": TEXT,
    "functional_amount": MONEY,
    "progress": FRACTION,
    "rule": TEXT,
    "evidence": TEXTS,
}
"""Columns of `revenue_schedule.parquet`; `functional_amount` is filled where currencies are translated."""

TIME_REVENUE: Final[dict[str, pl.DataType]] = {
    "time_entry_id": TEXT,
    "contract_line_id": TEXT,
    "period": TEXT,
    "hours": polars_dtype(Kind.HOURS),
    "recognized_amount": MONEY,
    "currency": TEXT,
    "rule": TEXT,
}

_KEY: Final = ("contract_id", "contract_line_id", "obligation_id", "period", "relates_to_period", "nature", "basis")


def revenue_schedule(performance: pl.DataFrame) -> pl.DataFrame:
    """Return revenue by obligation, line, period, origin period, nature and basis: recognized through as_of, planned after.

    `performance` with `functional_amount`, as the posting room translated it.
    """
    planned = pl.when("is_planned").then(pl.col("amount")).otherwise(pl.lit(0, dtype=MONEY))
    done = pl.when("is_planned").then(pl.lit(0, dtype=MONEY)).otherwise(pl.col("amount"))
    caught = pl.when("is_planned").then(pl.lit(0, dtype=MONEY)).otherwise(pl.col("catch_up_amount"))
    # By what it changed revenue is split in `modifications`; here a change is one row.
    basis = pl.when(pl.col("nature").is_in(["modification", "estimate_change"])).then(pl.lit("catch_up")).otherwise(pl.col("basis"))
    made = performance.with_columns(
        planned.alias("planned_amount"), done.alias("recognized_amount"), caught.alias("catch_up_amount"), basis.alias("basis")
    )
    summed = (
        made.with_columns(_code().alias("→key"))
        .group_by("→key", maintain_order=True)
        .agg(
            pl.col("planned_amount", "recognized_amount", "catch_up_amount").sum(),
            # The sum of nothing is not an amount: planned revenue is not translated.
            pl.when(pl.col("functional_amount").count() > 0).then(pl.col("functional_amount").sum()).alias("functional_amount"),
            pl.col(*_KEY, "currency", "rule", "evidence").first(),
            pl.col("progress").filter(~pl.col("is_planned")).last(),
        )
    )
    return shaped(summed, SCHEDULE).sort(_KEY)


def _code() -> pl.Expr:
    """Return one integer per combination of the key: grouping by it is much quicker than by seven texts."""
    wide = pl.lit(0, dtype=pl.Int128)
    for name, bits in (
        ("contract_line_id", 24),
        ("obligation_id", 24),
        ("period", 12),
        ("relates_to_period", 12),
        ("nature", 4),
        ("basis", 6),
    ):
        wide = wide * 2**bits + pl.col(name).cast(pl.Categorical).to_physical().fill_null(0).cast(pl.Int128)
    return wide


def obligations_output(books: Books) -> pl.DataFrame:
    """Return the obligations as a run writes them."""
    names = (
        "contract_id",
        "obligation_id",
        "version",
        "effective_date",
        "standalone_selling_price",
        "ssp_share",
        "allocated_amount",
        "allocated_variable",
        "carve_amount",
        "method",
        "timing",
        "measure",
        "convention",
        "progress",
        "currency",
        "role",
        "rule",
        "evidence",
    )
    return books.obligations.select(names)
