"""Documents that came after the close of their period: dated by their own day, booked in the first open one (250-10; VOCABULARY 15)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from engine.revenue.ground.frames import DAY, Books
from engine.revenue.ground.rates import with_rate
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
    booked = as_arrived(dated, books.contracts, books.lines, books.periods, "date").drop("known_at")
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
