"""Money agreed in advance that was not paid when it was due: from which day there is an advance at all (606-10-45-2, 32-20)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_no, of_nothing
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.price.pairing import paired

_OWN: Final = ["contract_id", "date", "amount"]
_ON_ITS_DAY: Final = [pl.lit(value=False).alias("is_retention"), pl.lit(None, dtype=pl.Date).alias("bears_from")]


@of_no("payments")
def cash_of_contracts(invoices: pl.DataFrame, payments: pl.DataFrame) -> pl.DataFrame:
    """Return what customers paid when, without tax: payment_id, contract_id (else the invoice's), date, amount, currency, evidence."""
    owner = invoices.select(
        "invoice_id", pl.col("contract_id").alias("of_invoice"), pl.col("net_amount").alias("net"),
        (pl.col("net_amount") + pl.col("tax_amount").fill_null(0)).alias("gross"),
    ).unique("invoice_id", keep="first")  # fmt: skip
    amount = pl.col("amount").cast(MONEY)
    is_taxed = (pl.col("gross") != pl.col("net")) & (pl.col("gross") > 0)
    named = payments.join(owner, on="invoice_id", how="left", maintain_order="left")
    # Money beyond an invoice is not tax.
    so_far = amount.cum_sum().over("invoice_id", order_by=["paid_date", "payment_id"])
    within = pl.min_horizontal(so_far, pl.col("gross").cast(MONEY))
    taxless = round_share(within, units(pl.col("net").cast(MONEY)), units(pl.col("gross").cast(MONEY)), pl.lit(6)) + so_far - within
    named = named.with_columns(taxless.cast(MONEY).alias("→taxless"))
    net = pl.col("→taxless") - pl.col("→taxless").shift(1).over("invoice_id", order_by=["paid_date", "payment_id"]).fill_null(0)
    return named.select(
        "payment_id", pl.coalesce("contract_id", "of_invoice").alias("contract_id"), pl.col("paid_date").alias("date"),
        pl.when(is_taxed).then(net.cast(MONEY)).otherwise(amount).alias("amount"), "currency", "evidence",
    )  # fmt: skip


@of_nothing
def once_paid(
    promised: pl.DataFrame, contracts: pl.DataFrame, lines: pl.DataFrame, cash: pl.DataFrame, openings: pl.DataFrame, as_of: dt.date
) -> pl.DataFrame:
    """Return promised payments with `bears_from`: of conditional ones, the day their money came; null where it is the promised day.

    `promised`: contract_id, date, amount, is_retention, is_conditional. `cash`: from `cash_of_contracts`. The earliest money is for
    what is due first; what is not there by as_of comes no earlier than the day after. Only of contracts whose one promise passes at
    a point in time: beside others, and over time, prices already earned would move with every run, so that the promised days stay.
    A contract taken over with an opening position, or paid in another currency, keeps them too: its money is not all told here.
    """
    single = lines.group_by("contract_id").agg(
        ((pl.col("okey").n_unique() == 1) & (pl.col("timing") == "point_in_time").all()).alias("is_single")
    )
    foreign = cash.join(contracts.select("contract_id", pl.col("currency").alias("own")), on="contract_id", how="inner")
    foreign = foreign.filter(pl.col("currency") != pl.col("own"))
    asked = promised.filter("is_conditional").join(single.filter("is_single"), on="contract_id", how="semi")
    for untold in (foreign, openings):
        asked = asked.join(untold, on="contract_id", how="anti")
    mine = promised.join(asked, on="contract_id", how="semi").with_row_index("contract_line_id")
    rest = promised.join(asked, on="contract_id", how="anti").with_columns(pl.lit(None, dtype=pl.Date).alias("bears_from"))
    if mine.is_empty():
        return rest
    came = cash.filter(pl.col("date") <= as_of).select(_OWN)
    to_come = mine.group_by("contract_id").agg(pl.col("amount").sum()).with_columns(pl.lit(as_of).dt.offset_by("1d").alias("date"))
    parts = paired(mine.select("contract_line_id", *_OWN), pl.concat([came, to_come.select(_OWN)]).with_columns(_ON_ITS_DAY))
    parts = parts.select("contract_line_id", pl.col("promised").alias("amount"), "paid_date").join(
        mine.drop("amount"), on="contract_line_id", how="inner"
    )
    comes_later = pl.col("is_conditional") & (pl.col("paid_date") > pl.col("date"))
    return pl.concat([rest, parts.with_columns(pl.when(comes_later).then("paid_date").alias("bears_from")).select(rest.columns)])
