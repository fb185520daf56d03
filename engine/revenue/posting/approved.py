"""What is left to post beside approved batches: new entries less posted ones, never less than the difference."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.ground.frames import in_words

_ACCOUNT: Final = ("contract_id", "contract_line_id", "account_role", "account", "currency", "functional_currency", "legal_entity_id")

_SIDES: Final = (("debit", "credit"), ("functional_debit", "functional_credit"))


def left_to_post(entries: pl.DataFrame, posted: pl.DataFrame, periods: pl.DataFrame, calendars: pl.DataFrame) -> pl.DataFrame:
    """Return the entries that are not posted yet, and what the figures of approved batches have moved by since.

    `entries`: what the positions of today give (entries.JOURNAL). `posted`: the same columns of earlier approved
    batches, empty when there are none. An entry of an approved batch is not proposed again; where the sum of a contract's
    approved batches by account differs today, the difference posts on the first day of the first open period after them.
    `periods`: PERIODS; `calendars`: contract_id, calendar, head_id (the contract that its entries are named by).
    """
    if not posted.height:
        return entries
    posted = posted.select(pl.col(name).cast(kind) for name, kind in entries.schema.items())
    batches = posted.select("batch_id").unique()
    fresh = entries.join(batches, on="batch_id", how="anti", maintain_order="left")
    moved = _difference(entries.join(batches, on="batch_id", how="semi"), posted)
    if not moved.height:
        return fresh
    dated = _dated(moved, posted, periods, calendars)
    dated = dated.select(pl.col(name).cast(kind) for name, kind in fresh.schema.items())
    return pl.concat([fresh, dated]).sort("contract_id", "posting_date", "journal_id", "line")


def _difference(now: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Return by account what today's entries exceed the posted ones by, debit positive."""
    sums = []
    for frame, sign in ((now, 1), (before, -1)):
        net = [((pl.col(debit) - pl.col(credit)) * sign).cast(MONEY).alias(debit) for debit, credit in _SIDES]
        sums.append(frame.select(*_ACCOUNT, "rule", *net))
    # A difference posted in a later batch already is one of that batch's entries: only the sum over all of them tells.
    summed = pl.concat(sums).group_by(*_ACCOUNT).agg(pl.col("debit", "functional_debit").sum(), pl.col("rule").first())
    return summed.filter((pl.col("debit") != 0) | (pl.col("functional_debit") != 0))


def _dated(moved: pl.DataFrame, posted: pl.DataFrame, periods: pl.DataFrame, calendars: pl.DataFrame) -> pl.DataFrame:
    """Return the differences as entries of the first open period after all approved batches of the contract's calendar."""
    # A contract that is not there any more is taken back by calendar months.
    known = pl.col("calendar").fill_null("")
    dated = posted.join(calendars, on="contract_id", how="left").with_columns(known)
    last = dated.group_by("calendar").agg(pl.col("posting_date").max().alias("last"))
    ahead = periods.filter(pl.col("closed_at").is_null()).join(last, on="calendar", how="inner")
    approved = in_words(posted.select("period").unique())
    ahead = ahead.join(approved, on="period", how="anti")
    first = ahead.filter(pl.col("end_date") > pl.col("last")).sort("start_date").unique("calendar", keep="first", maintain_order=True)
    first = first.select("calendar", "period", pl.max_horizontal("start_date", pl.col("last").dt.offset_by("1d")).alias("posting_date"))
    rows = in_words(moved).join(calendars, on="contract_id", how="left").with_columns(known).join(first, on="calendar", how="inner")
    head = pl.coalesce("head_id", "contract_id").alias("head_id")
    rows = rows.with_columns(head).sort("head_id", "contract_id", "account_role", "contract_line_id", nulls_last=True)
    day = pl.col("posting_date").dt.strftime("%Y-%m-%d")
    entity = pl.col("legal_entity_id").fill_null("")
    sides = [
        pl.max_horizontal(pl.col(debit) * sign, ZERO).cast(MONEY).alias(name)
        for debit, credit in _SIDES
        for name, sign in ((debit, 1), (credit, -1))
    ]
    return rows.with_columns(
        pl.concat_str("head_id", day, pl.lit("difference"), separator="|").alias("journal_id"),
        pl.lit("difference to approved batches").alias("reason"),
        (pl.int_range(pl.len()).over("head_id") + 1).cast(pl.Int64).alias("line"),
        pl.concat_str(entity, pl.col("period"), separator="|").alias("batch_id"),
        pl.lit("draft").alias("status"), pl.lit([], dtype=pl.List(pl.String)).alias("evidence"), *sides,
    )  # fmt: skip
