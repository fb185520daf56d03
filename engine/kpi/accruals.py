"""Facts of cut-off accruals: expenses with what became of them, and subcontractors' work beside what their bills charged for it."""

from __future__ import annotations

import polars as pl

from engine.canonical.billing import POSTED
from engine.canonical.kinds import MONEY
from engine.kpi.places import amount_of, records, with_places
from engine.stage import Context, Facts

_WHOSE = ("vendor_id", "project_id", "currency")
_OF = ("month", *_WHOSE)


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
    worked = work_of_vendors(facts).with_columns(pl.col("date").dt.month_end().alias("month")).drop("date")
    charged = _bills_of_vendors(facts)
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


def people_of_vendors(facts: Facts) -> pl.LazyFrame:
    """Return resource_id, vendor_id, rate and currency of the cost of people whom a vendor lends."""
    people = records(facts, "resource").filter(pl.col("vendor_id").is_not_null()).unique("resource_id", keep="any")
    return people.select("resource_id", "vendor_id", pl.col("cost_rate").alias("→rate"), pl.col("cost_currency").alias("→currency"))


def work_of_vendors(facts: Facts) -> pl.LazyFrame:
    """Return approved hours of vendors' people at cost: date, vendor_id, project_id, currency, worked."""
    entries = records(facts, "time_entry").filter(pl.col("status") == "approved")
    return entries.join(people_of_vendors(facts), on="resource_id").select(
        pl.col("work_date").alias("date"), "vendor_id", "project_id", pl.coalesce("cost_currency", "→currency").alias("currency"),
        amount_of(pl.col("hours"), pl.coalesce("cost_rate", "→rate")).cast(MONEY).alias("worked"),
    )  # fmt: skip


def _bills_of_vendors(facts: Facts) -> pl.LazyFrame:
    """Return posted bill lines that vendors who lend people charge for their work, with the month of their service.

    The vendor may stand on the lines alone. A line of an expense or of a milestone charges a price of its own and no hours.
    """
    bills = records(facts, "bill").filter(pl.col("status").is_in(POSTED)).select("bill_id", "vendor_id", "invoice_date", "currency")
    of_work = pl.col("expense_id").is_null() & pl.col("milestone_id").is_null()
    lines = records(facts, "bill_line").filter(of_work).select(
        "bill_id", "project_id", "net_amount", "service_end", pl.col("currency").alias("→own"), pl.col("vendor_id").alias("→vendor")
    )
    charged = lines.join(bills, on="bill_id").with_columns(pl.coalesce("vendor_id", "→vendor").alias("vendor_id"))
    return charged.join(people_of_vendors(facts), on="vendor_id", how="semi").select(
        pl.coalesce("service_end", "invoice_date").dt.month_end().alias("month"), "vendor_id", "project_id",
        pl.coalesce("→own", "currency").alias("currency"), "invoice_date", pl.col("net_amount").cast(MONEY),
    )  # fmt: skip


def work_not_billed(facts: Facts) -> pl.LazyFrame:
    """Return by day what a vendor's people worked and no bill charged by then, less what stood the day before.

    Columns: date, project_id, currency, cost. A bill of a vendor on a project takes back what stood for its people there, so
    that together with the bills their work counts once, and in the month it was done in.
    """
    billed = _bills_of_vendors(facts).select(pl.col("invoice_date").alias("date"), *_WHOSE, pl.col("net_amount").alias("billed"))
    daily = pl.concat([work_of_vendors(facts), billed], how="diagonal").group_by(*_WHOSE, "date").agg(pl.col("worked", "billed").sum())
    ordered = daily.filter(pl.col("date").is_not_null()).sort(*_WHOSE, "date", nulls_last=True)
    stands = (pl.col("worked").cum_sum() - pl.col("billed").cum_sum()).over(_WHOSE)
    told = ordered.with_columns(pl.max_horizontal(stands, pl.lit(0)).cast(MONEY).alias("stands"))
    moved = pl.col("stands") - pl.col("stands").shift(1).over(_WHOSE).fill_null(pl.lit(0).cast(MONEY))
    return told.select("date", "project_id", "currency", moved.cast(MONEY).alias("cost")).filter(pl.col("cost") != 0)
