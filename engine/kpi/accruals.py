"""Facts of cut-off accruals: expenses with what became of them, and subcontractors' work beside what their bills charged for it."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import MONEY
from engine.kpi.billing import POSTED
from engine.kpi.places import amount_of, records, with_places
from engine.stage import Context, Facts

_OF = ("month", "vendor_id", "project_id", "currency")


def expense_facts(facts: Facts, _: Context) -> pl.LazyFrame:
    """Return every expense with when it was submitted and approved."""
    made = records(facts, "expense").select(
        pl.col("incurred_date").alias("date"), "project_id", "contract_line_id", "currency", "category", "billable", "status",
        pl.col("amount").cast(MONEY), pl.col("submitted_at").dt.date().alias("submitted_on"),
        pl.col("approved_at").dt.date().alias("approved_on"),
    )  # fmt: skip
    return with_places(made, facts).drop("contract_line_id")


def subcontract_facts(facts: Facts, _: Context) -> pl.LazyFrame:
    """Return by month, vendor, project and currency the work of a vendor's people that no bill charged by the month's end.

    `accrued`: approved hours at cost, less what bills of that month's service dated by then charge; `billed`: what later bills charge.
    """
    people = records(facts, "resource").filter(pl.col("vendor_id").is_not_null())
    own = people.select("resource_id", "vendor_id", pl.col("cost_rate").alias("→rate"), pl.col("cost_currency").alias("→currency"))
    work = records(facts, "time_entry").filter(pl.col("status") == "approved").join(own.unique("resource_id", keep="any"), on="resource_id")
    has_rate = pl.col("cost_rate").is_not_null()
    worked = work.select(
        pl.col("work_date").dt.month_end().alias("month"), "vendor_id", "project_id",
        pl.when(has_rate).then("cost_currency").otherwise("→currency").alias("currency"),
        amount_of(pl.col("hours"), pl.coalesce("cost_rate", "→rate")).cast(MONEY).alias("worked"),
    )  # fmt: skip
    bills = records(facts, "bill").filter(pl.col("status").is_in(POSTED))
    bills = bills.join(people.select("vendor_id").unique(), on="vendor_id", how="semi")
    lines = records(facts, "bill_line").select("bill_id", "project_id", "net_amount", "service_end", pl.col("currency").alias("→own"))
    charged = lines.join(bills.select("bill_id", "vendor_id", "invoice_date", "currency"), on="bill_id").select(
        pl.coalesce("service_end", "invoice_date").dt.month_end().alias("month"), "vendor_id", "project_id",
        pl.coalesce("→own", "currency").alias("currency"), "invoice_date", pl.col("net_amount").cast(MONEY),
    )  # fmt: skip
    later = pl.col("invoice_date") > pl.col("month")
    charged = charged.with_columns(
        pl.when(later).then("net_amount").alias("billed"), pl.when(~later).then("net_amount").alias("charged")
    ).drop("invoice_date", "net_amount")  # fmt: skip
    whole = pl.concat([worked, charged], how="diagonal").group_by(_OF).agg(pl.col("worked", "charged", "billed").sum())
    accrued = pl.max_horizontal(pl.col("worked") - pl.col("charged"), pl.lit(0)).cast(MONEY)
    told = whole.with_columns(accrued.alias("accrued")).filter((pl.col("accrued") != 0) | (pl.col("billed") != 0))
    gap = (pl.col("accrued") - pl.col("billed")).abs().cast(MONEY)
    made = told.select(pl.col("month").alias("date"), "vendor_id", "project_id", "currency", "accrued", "billed", gap.alias("gap"))
    return with_places(made.sort("date", "vendor_id", "project_id", "currency"), facts)
