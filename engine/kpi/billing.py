"""Facts of billing: decisions by item, time on invoices, and invoices with what is still open."""

from __future__ import annotations

import polars as pl

from engine.canonical.billing import POSTED
from engine.canonical.kinds import MONEY
from engine.kpi.places import HOURS, aged, records, with_places
from engine.stage import Context, Facts
from engine.workdays import elapsed_workdays


def decision_facts(facts: Facts, context: Context) -> pl.LazyFrame:
    """Return every billing decision with the date and the place of its item."""
    decisions = facts.frame("billing_decisions")
    assert decisions is not None, "the facts need billing decisions"
    made = decisions.with_columns(pl.coalesce("item_date", "earliest_bill_date").alias("date"))
    columns = [
        "date", "project_id", "contract_id", "contract_line_id", "currency", "item_type", "decision", "quantity", "quantity_billed",
        "amount", "amount_billed", "amount_unbilled", "earliest_bill_date", "rule", "reason",
    ]  # fmt: skip
    return aged(with_places(made.select(columns), facts), "date", context.as_of).drop("contract_line_id")


def billed_time_facts(facts: Facts, context: Context) -> pl.LazyFrame:
    """Return each approved time entry on each posted invoice that bills it."""
    invoices = records(facts, "invoice").filter(pl.col("status").is_in(POSTED) & (pl.col("kind") == "invoice"))
    lines = records(facts, "invoice_line").select("invoice_line_id", "invoice_id", "time_entry_id")
    single = lines.filter(pl.col("time_entry_id").is_not_null()).select("invoice_id", "time_entry_id")
    pairs = records(facts, "invoice_line_time").select("invoice_line_id", "time_entry_id")
    several = pairs.join(lines.select("invoice_line_id", "invoice_id"), on="invoice_line_id").select("invoice_id", "time_entry_id")
    entries = records(facts, "time_entry").select(
        "time_entry_id", "project_id", "contract_line_id", "hours", pl.col("approved_at").dt.date().alias("approved")
    )
    made = (
        pl.concat([single, several])
        .unique()
        .join(invoices.select("invoice_id", "invoice_date", "currency", "customer_id", "legal_entity_id"), on="invoice_id")
        .join(entries, on="time_entry_id")
        .filter(pl.col("approved").is_not_null() & pl.col("invoice_date").is_not_null())
    )
    days = pl.max_horizontal((pl.col("invoice_date") - pl.col("approved")).dt.total_days(), pl.lit(0))
    workdays = elapsed_workdays(pl.col("approved"), pl.col("invoice_date"), context.holidays).cast(pl.Int64)
    shown = made.select(
        pl.col("invoice_date").alias("date"), "project_id", "contract_line_id", "currency", "customer_id", "legal_entity_id",
        pl.col("hours").cast(HOURS), days.cast(pl.Int64).alias("days"), workdays.alias("workdays"),
    )  # fmt: skip
    return with_places(shown, facts).drop("contract_line_id")


def invoice_facts(facts: Facts, context: Context) -> pl.LazyFrame:
    """Return posted invoices and credit notes with the amount open at the as-of date.

    Open is what the system states as due, with what came in after the day, else gross less the payments applied by then; a document
    that was paid in full by then, or is paid on a day that nobody tells, is not open.
    """
    posted = records(facts, "invoice").filter(pl.col("status").is_in(POSTED) & (pl.col("invoice_date") <= context.as_of))
    joined = posted.join(_paid(facts, context), on=["invoice_id", "currency"], how="left", nulls_equal=True)
    zero = pl.lit(0).cast(MONEY)
    paid, later, day = pl.col("paid").fill_null(zero), pl.col("later").fill_null(zero), pl.col("fully_paid_date")
    rest = pl.col("gross_amount") - paid
    # What is due, and that a document is paid, is told as of the export: a payment after the day was open on it.
    undated = day.is_null() & pl.col("amount_due").is_null() & (pl.col("status") == "paid")
    stands = pl.when(undated.fill_null(value=False)).then(later).otherwise(pl.coalesce(pl.col("amount_due") + later, rest))
    open_amount = pl.when(day <= context.as_of).then(zero).when(day > context.as_of).then(rest).otherwise(stands)
    overdue = pl.when(open_amount != 0).then((pl.lit(context.as_of) - pl.col("due_date")).dt.total_days())
    made = joined.select(
        pl.col("invoice_date").alias("date"), "customer_id", "contract_id", "legal_entity_id", "currency", "kind", "net_amount",
        "gross_amount", open_amount.cast(MONEY).alias("open_amount"), overdue.alias("days_overdue"), "due_date",
    )  # fmt: skip
    return aged(with_places(made, facts), "due_date", context.as_of)


def _paid(facts: Facts, context: Context) -> pl.LazyFrame:
    """Return invoice_id, currency and what came in of it in its own currency by the as-of date (`paid`), and after it (`later`).

    A payment that is applied counts by its applications, not by the invoice it names.
    """
    payments = records(facts, "payment").filter(pl.col("paid_date").is_not_null())
    applied = records(facts, "payment_application").select("payment_id", "invoice_id", "amount", pl.col("currency").alias("→own"))
    names = ["invoice_id", "paid_date", "amount", "→own", "currency"]
    named = payments.filter(pl.col("invoice_id").is_not_null()).join(applied, on="payment_id", how="anti")
    whole = named.with_columns(pl.col("currency").alias("→own")).select(names)
    parts = applied.join(payments.select("payment_id", "paid_date", "currency"), on="payment_id").select(names)
    own = records(facts, "invoice").select("invoice_id", pl.col("currency").alias("→invoice"))
    each = pl.concat([whole, parts]).join(own, on="invoice_id")
    stated = pl.coalesce("→own", "currency", "→invoice")
    kept = each.filter(stated.eq_missing(pl.col("→invoice")))
    is_later = pl.col("paid_date") > context.as_of
    return kept.group_by("invoice_id", pl.col("→invoice").alias("currency")).agg(
        *(pl.col("amount").filter(when).sum().alias(name) for name, when in (("paid", ~is_later), ("later", is_later)))
    )
