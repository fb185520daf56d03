"""What is owed in another currency for costs of a contract: monetary until it is paid (830-20-35-1, IAS 21.23(a), 21.28)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.minor_units import minor_digits
from engine.nothing import of_nothing
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.ground.frames import TEXT, Books
from engine.revenue.ground.rates import translated, with_rate
from engine.revenue.posting.claims import Agreed

OWED_EXCHANGE: Final[dict[str, pl.DataType]] = {
    "contract_id": TEXT, "period": TEXT, "end_date": pl.Date(), "exchange": MONEY, "evidence": pl.List(TEXT),
}  # fmt: skip
"""Columns of `owed_exchange`."""


def owed_exchange(books: Books, records: Agreed, rates: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return what debts for contract costs rise by for rates alone, in the functional currency, by cost and period (OWED_EXCHANGE).

    Owed at the rate the cost came in at (`cost_rates`), it stands at the closing rate until its `paid_date` and leaves at the spot rate of
    that day. A cost of which no day of payment is known is remeasured where it is paid, in the payables ledger.
    """
    costs = books.extra.get("contract_costs")
    paid = records.frame("contract_cost").select("cost_id", "paid_date").drop_nulls()
    if costs is None or costs.is_empty() or paid.is_empty():
        return pl.DataFrame(schema=OWED_EXCHANGE)
    at_once = pl.when(pl.col("kind").eq_missing(pl.lit("delivery"))).then(ZERO).otherwise("expensed")
    about = books.contracts.select("contract_id", "calendar", pl.col("functional_currency").cast(TEXT))
    owed = costs.with_columns((pl.col("capitalized") + at_once).cast(MONEY).alias("owed")).filter(pl.col("owed") != 0)
    owed = owed.select("cost_id", "contract_id", "currency", "owed", "evidence", pl.col("end_date").alias("since"))
    owed = owed.join(paid, on="cost_id", how="inner").join(about, on="contract_id", how="inner")
    return _by_period(owed.filter(pl.col("currency") != pl.col("functional_currency")), books.periods, rates, as_of)


@of_nothing
def _by_period(owed: pl.DataFrame, periods: pl.DataFrame, rates: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    spans = periods.select("calendar", "period", "start_date", pl.min_horizontal("end_date", pl.lit(as_of)).alias("end_date"))
    rows = owed.join(spans.filter(pl.col("start_date") <= as_of), on="calendar", how="inner")
    rows = rows.filter((pl.col("end_date") >= pl.col("since")) & (pl.col("start_date") <= pl.max_horizontal("paid_date", "since")))
    is_paid = pl.col("paid_date") <= pl.col("end_date")
    rows = rows.with_columns(is_paid.alias("is_paid"), pl.min_horizontal("end_date", "paid_date").alias("→day"))
    for day, kind in (("since", "average"), ("→day", "spot"), ("→day", "closing")):
        rows = with_rate(rows, rates, day=day, kind=kind, name=f"→{kind}")
    rows = rows.with_columns(pl.when("is_paid").then("→spot").otherwise("→closing").alias("→rate")).sort("cost_id", "end_date")
    digits = minor_digits(pl.col("functional_currency"))
    rows = rows.with_columns(
        translated(pl.col("owed"), "→rate", digits).alias("stands"), translated(pl.col("owed"), "→average", digits).alias("came_in")
    )
    before = pl.coalesce(pl.col("stands").shift(1).over("cost_id"), "came_in")
    told = rows.with_columns((pl.col("stands") - before).cast(MONEY).alias("exchange"))
    # Without a rate the cost itself is a finding.
    return told.filter(pl.col("exchange").is_not_null() & (pl.col("exchange") != 0)).select(list(OWED_EXCHANGE))
