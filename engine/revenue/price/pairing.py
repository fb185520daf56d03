"""Which payment pays for which transfer: the earliest money for the earliest performance."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing

_CARRIED: Final = ["paid_date", "bears_from", "transfer_date", "contract_line_id"]

@of_nothing
def paired(transfers: pl.DataFrame, payments: pl.DataFrame) -> pl.DataFrame:
    """Return parts of a contract's promise with the day each is paid and the day it is transferred.

    `transfers`: contract_id, contract_line_id, date, amount. `payments`: contract_id, date, amount,
    is_retention, bears_from (the day the money is there; null: the promised one). Both run from
    the first to the last of a contract; what no payment covers, and money held back as retention, counts
    as paid at transfer. Money beyond what is promised pays for nothing.
    Columns: contract_id, contract_line_id, paid_date, bears_from, transfer_date, promised.
    """
    delivered = _ends(transfers.filter(pl.col("amount") > 0), "date", "contract_line_id").rename({"date": "transfer_date"})
    total = delivered.group_by("contract_id").agg(pl.col("end").max().alias("total"))
    counted = payments.filter((pl.col("amount") > 0) & ~pl.col("is_retention").fill_null(value=False))
    paid = (
        _ends(counted.with_columns(pl.coalesce("bears_from", "date").alias("bears_from")), "date", "bears_from")
        .rename({"date": "paid_date"})
        .join(total, on="contract_id", how="inner")
        .with_columns(pl.min_horizontal("end", "total"))
    )
    ends = pl.concat(
        [
            delivered.select("contract_id", "end", "contract_line_id", "transfer_date"),
            paid.select("contract_id", "end", "paid_date", "bears_from"),
        ],
        how="diagonal",
    )
    # One row per end of either side; each takes payment and transfer of the next end that has them.
    marks = (
        ends.group_by("contract_id", "end")
        .agg(*(pl.col(name).drop_nulls().sort().first() for name in _CARRIED))
        .sort("contract_id", "end")
        .with_columns(
            pl.col(_CARRIED).backward_fill().over("contract_id", order_by="end"),
            (pl.col("end") - pl.col("end").shift(1).over("contract_id", order_by="end").fill_null(0)).cast(MONEY).alias("promised"),
        )
    )
    return marks.filter(pl.col("promised") > 0).select(
        "contract_id",
        "contract_line_id",
        pl.coalesce("paid_date", "transfer_date").alias("paid_date"),
        pl.coalesce("bears_from", "transfer_date").alias("bears_from"),
        "transfer_date",
        "promised",
    )


def _ends(rows: pl.DataFrame, date: str, then: str) -> pl.DataFrame:
    """Return the rows with the running total of their contract at each, in order of date."""
    keys = ["contract_id", date, then]
    summed = rows.group_by(keys).agg(pl.col("amount").sum()).sort(keys)
    return summed.with_columns(pl.col("amount").cum_sum().over("contract_id", order_by=keys[1:]).cast(MONEY).alias("end"))
