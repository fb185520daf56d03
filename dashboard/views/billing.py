"""Billing: what is ready to invoice, what is held and why, and how old the unbilled work is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import polars as pl

from dashboard.views.names import names_beside
from dashboard.views.tables import Column, FrameRows
from dashboard.views.workspace import RunEntry, lies, output

AGES: Final = ("0–30", "31–60", "61–90", "over 90")

_ITEM: Final = (
    Column("item_type", "Item", "code", filtered=True), Column("item_id", "Id", searched=True),
    Column("contract", "Contract", searched=True), Column("project", "Project", searched=True),
)  # fmt: skip
_MONEY: Final = (Column("amount_unbilled", "Not billed", "money"), Column("amount", "Amount", "money"))
_WHY: Final = (
    Column("reason", "Why", filtered=True), Column("item_date", "Of", "date"), Column("age", "Days", "count"),
    Column("rule", "Rule", filtered=True, searched=True), Column("period", "Period", filtered=True, shown=False),
    Column("currency", "Currency", filtered=True, shown=False), Column("contract_id", "Contract id", searched=True, shown=False),
    Column("project_id", "Project id", searched=True, shown=False), Column("key", "Key", shown=False),
    Column("evidence", "Source rows", "list", shown=False),
)  # fmt: skip

READY: Final = (*_ITEM, *_MONEY, Column("earliest_bill_date", "From", "date"), *_WHY)
HELD: Final = (*_ITEM, *_MONEY, *_WHY)
ALL: Final = (*_ITEM, Column("decision", "Decision", "code", filtered=True), *_MONEY, Column("amount_billed", "Billed", "money"), *_WHY)

_UNBILLED: Final = ("billable", "partially_billed", "on_hold")


def decisions(run: RunEntry) -> pl.LazyFrame | None:
    """Return the decision on every item with its age in days; None when no billing policy applied."""
    frame = output(run, "billing_decisions")
    if frame is None:
        return None
    age = (pl.lit(run.as_of) - pl.col("item_date")).dt.total_days().clip(lower_bound=0)
    key = pl.concat_str("item_type", pl.lit(":"), "item_id")
    return frame.with_columns(age.alias("age"), key.alias("key"))


def items(run: RunEntry, frame: pl.LazyFrame, columns: Sequence[Column], where: pl.Expr | None = None) -> FrameRows:
    """Return decided items as rows, with names beside their ids."""
    names, place = names_beside(run, frame), lies(run, "billing_decisions")
    return FrameRows(frame, columns, ["item_type", "item_id"], where=where, names=names, lies=place)


def sees_item(run: RunEntry, identity: str) -> bool:
    """Say whether the run decided an item and the person sees it; an identity is `time_entry:T1`."""
    frame = output(run, "billing_decisions")
    item_type, _, item_id = identity.partition(":")
    if frame is None:
        return False
    found = frame.filter((pl.col("item_type") == item_type) & (pl.col("item_id") == item_id))
    return bool(found.select(pl.len()).collect().item())


def is_ready() -> pl.Expr:
    """Return whether an item may be invoiced now."""
    return pl.col("decision").is_in(["billable", "partially_billed"])


def is_held() -> pl.Expr:
    """Return whether an item may not be invoiced yet, for a reason."""
    return pl.col("decision") == "on_hold"


def reasons(frame: pl.LazyFrame) -> pl.DataFrame:
    """Return by reason and currency what is held and what it is worth, the most money first: what to unblock first."""
    sums = frame.filter(is_held()).group_by("reason", "currency").agg(pl.len().alias("items"), pl.col("amount_unbilled").sum())
    return sums.sort("amount_unbilled", "reason", "currency", descending=[True, False, False], nulls_last=True).collect()


def ageing(frame: pl.LazyFrame) -> pl.DataFrame:
    """Return by currency and age of the work what is earned or held and not billed; what is not due yet is left out."""
    bands = pl.when(pl.col("age") <= 30).then(0).when(pl.col("age") <= 60).then(1).when(pl.col("age") <= 90).then(2).otherwise(3)
    unbilled = frame.filter(pl.col("decision").is_in(_UNBILLED) & (pl.col("item_date") <= _today(frame)) & (pl.col("amount_unbilled") != 0))
    sums = unbilled.group_by("currency", bands.alias("place")).agg(pl.col("amount_unbilled").sum(), pl.len().alias("items"))
    named = pl.col("place").replace_strict(dict(enumerate(AGES)), return_dtype=pl.String)
    return sums.sort("currency", "place").with_columns(named.alias("days")).drop("place").collect()


def _today(frame: pl.LazyFrame) -> dt.date:
    """Return the run's day: what is dated later has age zero, and is not due."""
    day = frame.filter(pl.col("age") > 0).select((pl.col("item_date") + pl.duration(days=pl.col("age"))).max()).collect().item()
    return day if isinstance(day, dt.date) else dt.date.max
