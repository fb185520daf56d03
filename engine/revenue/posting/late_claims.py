"""Documents that came after the close of their period: dated by their own day, booked in the first open one (250-10; VOCABULARY 15)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from engine.revenue.ground.frames import DAY, Books
from engine.revenue.ground.rates import RATE, mean_rate, with_rate
from engine.revenue.posting.claims import Agreed, Claims
from engine.revenue.recognition.standing import as_arrived

OWN_DAY: Final = "own_day"
"""Column of `Claims.billed` and `cash`: the day on the document (null: the day it counts from)."""

_DOCUMENTS: Final = (("billed", "invoice", "invoice_id"), ("cash", "payment", "payment_id"))


def as_booked(claims: Claims, books: Books, records: Agreed) -> Claims:
    """Let invoices and payments first known after a close count from the first day of the first open period."""
    made = {name: _booked(getattr(claims, name), records.frame(entity), key, books) for name, entity, key in _DOCUMENTS}
    return replace(claims, **made)


def _booked(rows: pl.DataFrame, documents: pl.DataFrame, key: str, books: Books) -> pl.DataFrame:
    known = documents.select(key, "known_at").drop_nulls() if "known_at" in documents.columns else pl.DataFrame()
    if rows.is_empty() or known.is_empty() or not books.periods["closed_at"].count():
        return rows.with_columns(pl.lit(None, dtype=DAY).alias(OWN_DAY))
    dated = rows.join(known.unique(key, keep="first"), on=key, how="left", maintain_order="left")
    dated = dated.with_columns(pl.col("date").alias(OWN_DAY))
    booked = as_arrived(dated, books, "date").drop("known_at")
    late = pl.when(pl.col(OWN_DAY) != pl.col("date")).then(OWN_DAY)
    return booked.with_columns(late.alias(OWN_DAY)).sort("contract_id", "date", maintain_order=True)


def late_cash_rates(steps: pl.DataFrame, cash: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """Add `late_rate`: of money booked late the rate of the day it was paid, at which it is worth what it was (IAS 21.21).

    `steps`: contract_id, date, seq and both currencies. `cash`: payments in sequence.
    """
    late = cash.filter(pl.col(OWN_DAY).is_not_null())
    pairs = steps.select("contract_id", "currency", "functional_currency").unique()
    asked = late.join(pairs, on="contract_id", how="inner")
    found = with_rate(asked, rates, day=OWN_DAY, kind="spot", name="late_rate") if asked.height else asked.with_columns(
        pl.lit(None, dtype=rates.schema["rate"]).alias("late_rate")
    )  # fmt: skip
    each = found.group_by("contract_id", "date", "seq").agg(pl.col("late_rate").first())
    return steps.join(each, on=["contract_id", "date", "seq"], how="left", maintain_order="left")


def late_bill_rates(steps: pl.DataFrame, billed: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """Add `billed_rate`: where invoices are booked late, what the day's invoices are worth, each at the rate of its own day.

    What they claim ahead became a liability on that day, whenever anybody heard of it (830-20-30-1, IAS 21.22, IFRIC 22.8). Null elsewhere.
    `steps`: contract_id, date, seq and both currencies; positions of a day come before its payments (seq 0).
    """
    late = billed.filter(pl.col(OWN_DAY).is_not_null() & (pl.col("net") > 0)).select("contract_id", "date").unique()
    if late.is_empty():
        return steps.with_columns(pl.lit(None, dtype=RATE).alias("billed_rate"))
    pairs = steps.select("contract_id", "currency", "functional_currency").unique()
    asked = billed.filter(pl.col("net") > 0).join(late, on=["contract_id", "date"], how="semi").join(pairs, on="contract_id", how="inner")
    dated = with_rate(asked.with_columns(pl.coalesce(OWN_DAY, "date").alias("→own")), rates, day="→own", kind="spot", name="→rate")
    mean = dated.group_by("contract_id", "date").agg(mean_rate("→rate", pl.col("net") + pl.col("tax")).alias("billed_rate"))
    mean = mean.with_columns(pl.lit(0, dtype=steps.schema["seq"]).alias("seq"))
    return steps.join(mean, on=["contract_id", "date", "seq"], how="left", maintain_order="left")
