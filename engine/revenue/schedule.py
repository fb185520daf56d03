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
    keyed = shaped(made.with_columns(_code(made).alias("→key")), SCHEDULE, keep=["→key", "is_planned"])
    shared = pl.col("→key").is_duplicated()
    # Mostly a row is one atom: only the others have something to sum.
    alone = keyed.filter(~shared).with_columns(pl.when(~pl.col("is_planned")).then(pl.col("progress")).alias("progress"))
    summed = (
        keyed.filter(shared)
        .group_by("→key", maintain_order=True)
        .agg(
            pl.col("planned_amount", "recognized_amount", "catch_up_amount").sum(),
            # The sum of nothing is not an amount: planned revenue is not translated.
            pl.when(pl.col("functional_amount").count() > 0).then(pl.col("functional_amount").sum()).alias("functional_amount"),
            pl.col(*_KEY, "currency", "rule", "evidence").first(),
            pl.col("progress").filter(~pl.col("is_planned")).last(),
        )
    )
    names = ["→key", *SCHEDULE]
    return pl.concat([alone.select(names), summed.select(names)]).sort("→key").drop("→key")


def _code(rows: pl.DataFrame) -> pl.Expr:
    """Return one whole number for each combination of the key, in its order: quicker to group and sort by than seven texts.

    The atoms stand in the order of contract, line and obligation (`frames.PERFORMANCE`): where one of them changes the
    next begins.
    """
    begins = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in _KEY[:3])
    code = begins.cum_sum().cast(pl.Int64)
    for name in _KEY[3:]:
        values = rows[name].drop_nulls().unique().sort()
        place = pl.col(name).cast(pl.Enum(values)).to_physical().cast(pl.Int64) + 1
        code = code * 2 ** (values.len() + 1).bit_length() + place.fill_null(0)
    return code


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
