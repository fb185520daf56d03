"""Which payment pays for which transfer: the earliest money for the earliest performance."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing
from engine.revenue.arithmetic.rounding import round_share, units

_CARRIED: Final = ["paid_date", "bears_from", "transfer_date", "contract_line_id"]

@of_nothing
def paired(transfers: pl.DataFrame, payments: pl.DataFrame) -> pl.DataFrame:
    """Return parts of a contract's promise with the day each is paid and the day it is transferred.

    `transfers`: contract_id, contract_line_id, date, amount. `payments`: contract_id, date, amount,
    is_retention, bears_from (the day the money is there; null: the promised one). Both run from
    the first to the last of a contract; what no payment covers counts as paid at transfer. Money beyond
    what is promised pays for nothing. Money held back as retention is an even part of every transfer and
    is paired with none: its paid_date is null.
    Columns: contract_id, contract_line_id, paid_date, bears_from, transfer_date, promised.
    """
    transfers, held_back = _without_retention(transfers, payments)
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
    pairs = marks.filter(pl.col("promised") > 0).select(
        "contract_id",
        "contract_line_id",
        pl.coalesce("paid_date", "transfer_date").alias("paid_date"),
        pl.coalesce("bears_from", "transfer_date").alias("bears_from"),
        "transfer_date",
        "promised",
    )
    return pl.concat([pairs, held_back.select(pairs.columns)]) if held_back.height else pairs


def _without_retention(transfers: pl.DataFrame, payments: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the transfers less what is held back of each to protect performance (606-10-32-17(c)), and what is held back."""
    kept = payments.filter((pl.col("amount") > 0) & pl.col("is_retention").fill_null(value=False))
    kept = kept.group_by("contract_id").agg(pl.col("amount").sum().cast(MONEY).alias("→kept"))
    by_day = ["date", "contract_line_id"]
    positive = transfers.filter(pl.col("amount") > 0)
    of_kept = positive.join(kept, on="contract_id", how="inner").with_columns(
        units(pl.col("amount").cast(MONEY)).cum_sum().over("contract_id", order_by=by_day).alias("→so_far"),
        units(pl.col("amount").sum().over("contract_id").cast(MONEY)).alias("→all"),
    )
    if of_kept.is_empty():
        return transfers, of_kept
    most = pl.min_horizontal(pl.col("→kept"), pl.col("amount").sum().over("contract_id").cast(MONEY))
    shared = of_kept.with_columns(round_share(most, pl.col("→so_far"), pl.col("→all"), pl.lit(6)).alias("→shared"))
    before = pl.col("→shared").shift(1).over("contract_id", order_by=by_day).fill_null(0)
    shared = shared.with_columns((pl.col("→shared") - before).cast(MONEY).alias("promised"))
    owed = shared.with_columns((pl.col("amount") - pl.col("promised")).cast(transfers.schema["amount"]).alias("amount"))
    rest = positive.join(kept, on="contract_id", how="anti")
    held_back = shared.filter(pl.col("promised") > 0).select(
        "contract_id", "contract_line_id", pl.lit(None, dtype=pl.Date).alias("paid_date"), pl.col("date").alias("bears_from"),
        pl.col("date").alias("transfer_date"), "promised",
    )  # fmt: skip
    return pl.concat([rest, owed.select(rest.columns)]), held_back


def _ends(rows: pl.DataFrame, date: str, then: str) -> pl.DataFrame:
    """Return the rows with the running total of their contract at each, in order of date."""
    keys = ["contract_id", date, then]
    summed = rows.group_by(keys).agg(pl.col("amount").sum()).sort(keys)
    return summed.with_columns(pl.col("amount").cum_sum().over("contract_id", order_by=keys[1:]).cast(MONEY).alias("end"))
