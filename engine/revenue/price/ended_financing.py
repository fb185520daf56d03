"""Contracts that end with money in advance: what of its interest stays (606-10-32-15, 25-10)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.ground.frames import Books

_EXPENSE: Final = "expense"

_OUTSIDE: Final = ("as_invoiced", "usage", "royalty", "accrual")
"""Bases of revenue that is no part of the price stated."""


@of_nothing
def until_ended(accrued: pl.DataFrame, parts: pl.DataFrame, books: Books, as_of: dt.date) -> pl.DataFrame:
    """Return the interest without what money that goes back would have borne: from the end of a contract on there is none.

    What is not transferred by then was no advance for anything, so that on the last day the expense comes to what was earned
    less the stated price of it. Contracts that finance their customers, too, stay as they are.
    """
    ended = books.contracts.filter(pl.col("terminated_date") <= as_of)
    ended = ended.select("contract_id", "calendar", pl.col("terminated_date").alias("posting_date"))
    mine = parts.join(ended.drop("calendar"), on="contract_id", how="inner")
    only = (pl.col("direction") == _EXPENSE).all().over("contract_id")
    mine = mine.filter(only & (pl.col("to_date") > pl.col("posting_date")).any().over("contract_id"))
    if not mine.height:
        return accrued
    ended = ended.join(mine.select("contract_id").unique(), on="contract_id", how="semi")
    rest = accrued.join(ended, on="contract_id", how="anti")
    kept = accrued.join(ended.select("contract_id", pl.col("posting_date").alias("→end")), on="contract_id", how="inner")
    kept = kept.filter(pl.col("posting_date") <= pl.col("→end")).select(accrued.columns)
    last = _last(ended, kept, books)
    made = pl.concat([rest, kept, last.select(pl.col(name).cast(kind) for name, kind in accrued.schema.items())])
    return made.sort("contract_id", "posting_date", "direction")


def _last(ended: pl.DataFrame, kept: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Return what the last day brings the interest of each contract to."""
    earned = books.performance.filter(~pl.col("is_planned") & ~pl.col("basis").is_in(list(_OUTSIDE)).fill_null(value=False))
    earned = earned.group_by("contract_id").agg(pl.col("amount").sum().alias("→earned"))
    borne = kept.group_by("contract_id").agg(pl.col("interest").sum().alias("→borne"))
    price = books.price.select("contract_id", pl.col("date").alias("posting_date"), "stated", "included_variable").sort("posting_date")
    made = ended.sort("posting_date").join_asof(price, on="posting_date", by="contract_id", check_sortedness=False)
    starts = books.periods.select("calendar", pl.col("start_date").alias("posting_date"), "period").sort("posting_date")
    made = made.join_asof(starts, on="posting_date", by="calendar", check_sortedness=False)
    for frame in (earned, borne):
        made = made.join(frame, on="contract_id", how="left", maintain_order="left")
    made = made.with_columns(pl.col("→earned", "→borne", "stated", "included_variable").fill_null(ZERO))
    whole = pl.max_horizontal(pl.col("→earned") - pl.col("stated") - pl.col("included_variable"), ZERO)
    made = made.with_columns((whole - pl.col("→borne")).cast(MONEY).alias("interest"), pl.lit(_EXPENSE).alias("direction"))
    return made.filter(pl.col("interest") != 0)
