"""Orders agreed before their price: the estimate that stood for it ends when an amendment states it (606-10-25-11, 32-14)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.ground.records import Records

_UNCERTAIN: Final = ("bonus", "penalty", "usage", "rebate", "refund")
"""Kinds of uncertainty that stay one whatever an order is priced at."""


def until_priced(records: Records, estimates: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return an estimate of nothing on the day an order without a price gets one, where nobody estimates anew.

    The estimate stood for the price; beside it, it would count twice. It is that of a line which an amendment added without a price,
    or of a line with a price of its own where it began on the day of an order that states none (or was enforceable before it was priced).
    """
    days = pl.concat([_added(terms), _of_priced_lines(records, estimates, terms)])
    last = estimates.group_by("contract_line_id", "contract_id", maintain_order=True).agg(pl.col("as_of_date").max())
    hit = last.join(days, on="contract_line_id", how="inner").filter(pl.col("as_of_date") < pl.col("event_date"))
    return hit.select(
        "contract_line_id", "contract_id", pl.col("event_date").alias("as_of_date"), "evidence", pl.lit(0).cast(MONEY).alias("included"),
        pl.format("{}|priced", "contract_line_id").alias("estimate_id"),
    )  # fmt: skip


def _added(terms: pl.DataFrame) -> pl.DataFrame:
    """Return the day on which lines added without a price get one."""
    unpriced = pl.col("before.amount").is_null() & (pl.col("before.gross").fill_null(0) == 0)
    gets_one = (pl.col("action") == "change") & (pl.col("pricing") == "package") & unpriced & pl.col("amount").is_not_null()
    orders = terms.filter(pl.col("action") == "add")["contract_line_id"].unique()
    return _first(terms.filter(gets_one & pl.col("contract_line_id").is_in(orders.implode())))


def _of_priced_lines(records: Records, estimates: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return the day on which orders on lines with a price of their own are priced, where the line's estimate began with the order."""
    began = estimates.group_by("contract_line_id").agg(pl.col("as_of_date").min().alias("→began"))
    told = records.frame("amendment").select(
        "amendment_id", "is_enforceable", pl.coalesce("effective_date", "approved_date").alias("→effective")
    )
    changes = terms.filter((pl.col("action") == "change") & ~pl.col("variable_kind").is_in(list(_UNCERTAIN)).fill_null(value=False))
    steps = changes.join(began, on="contract_line_id", how="inner").join(told, on="amendment_id", how="left")
    is_priced = pl.col("stated.amount").is_not_null() & (pl.col("gross") != pl.col("before.gross")).fill_null(value=False)
    begins = (pl.col("→began") == pl.col("→effective")).fill_null(value=False)
    # Enforceable before its price was agreed: one record tells the order and its price.
    own = is_priced & begins & pl.col("is_enforceable").fill_null(value=False) & (pl.col("event_date") > pl.col("→effective"))
    opened = steps.filter(begins & pl.col("stated.amount").is_null()).group_by("contract_line_id").agg(pl.col("place").min().alias("→open"))
    steps = steps.join(opened, on="contract_line_id", how="left")
    return _first(steps.filter(own | (is_priced & (pl.col("place") > pl.col("→open")).fill_null(value=False))))


def _first(steps: pl.DataFrame) -> pl.DataFrame:
    days = steps.sort("place").group_by("contract_line_id", maintain_order=True)
    return days.agg(pl.col("event_date").first(), pl.col("evidence").first())
