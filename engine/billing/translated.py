"""Invoices in another currency than what they bill: each amount told in the item's currency before any two are added."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from engine.billing.currency import attach_exchange, exchange_table
from engine.billing.ledger import item_ledger
from engine.billing.money import product
from engine.billing.references import frame_of
from engine.minor_units import rounded_money
from engine.policy.kinds.billing import BillingPolicy, BillingSettings


def bills_in_other_currencies(frames: Mapping[str, pl.LazyFrame]) -> bool:
    """Say whether some invoice is in another currency than a contract it bills.

    The lines of an invoice that names no contract are looked at one by one, and so are lines with a currency of their own.
    """
    if "invoice" not in frames:
        return False
    contracts = frame_of(frames, "contract").select("contract_id", pl.col("currency").alias("→currency"))
    invoices = frame_of(frames, "invoice").select("invoice_id", "contract_id", "currency")
    if _differs(invoices.join(contracts, on="contract_id", how="inner")):
        return True
    if "invoice_line" not in frames:
        return False
    lines = frame_of(frames, "invoice_line").select("invoice_id", "contract_line_id", pl.col("currency").alias("→own"))
    bare = invoices.filter(pl.col("contract_id").is_null()).select("invoice_id")
    own = pl.col("→own").is_not_null()
    unsure = pl.concat([lines.filter(own), lines.filter(~own).join(bare, on="invoice_id", how="semi")])
    owners = frame_of(frames, "contract_line").select("contract_line_id", pl.col("contract_id").alias("→contract"))
    told = unsure.join(invoices, on="invoice_id", how="left").join(owners, on="contract_line_id", how="left")
    both = {"contract_id": pl.coalesce("→contract", "contract_id"), "currency": pl.coalesce("→own", "currency")}
    named = told.with_columns(**both)
    return _differs(named.join(contracts, on="contract_id", how="inner"))


def _differs(invoiced: pl.LazyFrame) -> bool:
    return bool(invoiced.select((pl.col("currency") != pl.col("→currency")).any()).collect().item())


def translated_ledger(items: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame], policy: BillingPolicy) -> pl.LazyFrame:
    """Return by item what is invoiced of it, in its currency, at the rate of the day on which each currency first billed it.

    What is invoiced in one currency is netted before it is translated, so that a credit takes back what it credits. Without a rate the
    quantity decides: what is wholly billed is worth what the item is.
    """
    settings = policy.settings
    about = items.select("item.id", "item.amount", "item.quantity", "item.currency")
    parts = item_ledger(frames, policy.item, by_currency=True).join(about, on="item.id", how="inner")
    source, target = pl.col("ledger.currency"), pl.col("item.currency")
    table = exchange_table(frames, settings.exchange_rate_type)
    parts = attach_exchange(parts, table, source, target, pl.col("ledger.first_date"), settings.exchange_rate_days, "→rate")
    share = product(pl.col("item.amount"), pl.col("ledger.quantity") / pl.when(pl.col("item.quantity") != 0).then(pl.col("item.quantity")))
    amount = rounded_money(pl.coalesce(product(pl.col("ledger.amount"), pl.col("→rate")), share), target)
    other = (source != target).fill_null(value=False)
    told = parts.with_columns(pl.when(other).then(amount).otherwise("ledger.amount").alias("ledger.amount"))
    return told.group_by("item.id").agg(
        pl.col("ledger.quantity", "ledger.amount", "ledger.lines").sum(), pl.col("ledger.currency").max(), pl.col("ledger.first_date").min()
    )


def translated_lines(
    lines: pl.LazyFrame, fees: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame], settings: BillingSettings
) -> pl.LazyFrame:  # fmt: skip
    """Return the invoice lines that bill fees with their amounts in the fees' currency; those without a rate bill nothing.

    A line counts at the rate of its invoice's day, a credit at that of the invoice it corrects.
    """
    key = pl.coalesce("contract_line_id", "contract_id").alias("→key")
    targets = fees.select(key, "item.currency").drop_nulls().group_by("→key").agg(pl.col("item.currency").min())
    corrected = frame_of(frames, "invoice").select("invoice_id", "invoice_date")
    corrected = corrected.rename({"invoice_id": "corrects_invoice_id", "invoice_date": "→first"})
    joined = lines.join(targets, on="→key", how="left").join(corrected, on="corrects_invoice_id", how="left")
    table, target = exchange_table(frames, settings.exchange_rate_type), pl.col("item.currency")
    day = pl.coalesce("→first", "invoice_date")
    rated = attach_exchange(joined, table, pl.col("currency"), target, day, settings.exchange_rate_days, "→rate")
    other = (pl.col("currency") != target).fill_null(value=False)
    amount = rounded_money(product(pl.col("net_amount"), pl.col("→rate")), target)
    told = rated.with_columns(pl.when(other).then(amount).otherwise("net_amount").alias("net_amount"))
    return told.drop("→rate", "→first", "item.currency").drop_nulls("net_amount")
