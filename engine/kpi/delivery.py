"""Facts of delivery: time worked, capacity, planned hours, and how soon projects could begin."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.kpi.places import HOURS, amount_of, records, with_places
from engine.stage import Context, Facts
from engine.workdays import elapsed_workdays

# Hours of a full week where a system states none; the KPI's formula says so.
FULL_WEEK_HOURS = 40


def time_facts(facts: Facts, _: Context, *, but_of: pl.LazyFrame | None = None) -> pl.LazyFrame:
    """Return every time entry with its cost; those of some resources (`but_of`: resource_id) left out."""
    resource = records(facts, "resource").select(
        "resource_id", "role", pl.col("cost_rate").alias("resource.cost_rate"), pl.col("service_line").alias("resource.service_line"),
        pl.col("cost_currency").alias("resource.cost_currency"), pl.col("legal_entity_id").alias("resource.legal_entity_id"),
    ).unique("resource_id", keep="any")  # fmt: skip
    entries = records(facts, "time_entry").join(resource, on="resource_id", how="left")
    entries = entries if but_of is None else entries.join(but_of, on="resource_id", how="anti")
    rate = pl.coalesce("cost_rate", "resource.cost_rate")
    made = entries.select(
        pl.col("work_date").alias("date"), "project_id", "contract_line_id", "currency", "hours", "billable", "status", "role",
        amount_of(pl.col("hours"), rate).alias("cost"),
        pl.coalesce("cost_currency", "resource.cost_currency").alias("cost_currency"), "resource.service_line", "resource.legal_entity_id",
        pl.col("submitted_at").dt.date().alias("submitted_on"), pl.col("approved_at").dt.date().alias("approved_on"),
    )  # fmt: skip
    placed = with_places(made, facts)
    return placed.with_columns(
        pl.coalesce("service_line", "resource.service_line").alias("service_line"),
        pl.coalesce("legal_entity_id", "resource.legal_entity_id").alias("legal_entity_id"),
    ).drop("resource.service_line", "resource.legal_entity_id", "contract_line_id")


def capacity_facts(facts: Facts, context: Context) -> pl.LazyFrame:
    """Return each person's working hours by month, from the first month with time to the as-of date."""
    first = pl.col("work_date").min().dt.month_start()
    months = (
        records(facts, "time_entry")
        .filter(pl.col("work_date") <= context.as_of)
        .select(pl.date_ranges(first, pl.lit(context.as_of), interval="1mo").alias("month"))
        .explode("month")
        .filter(pl.col("month").is_not_null())
    )
    people = records(facts, "resource").select(
        "role", "service_line", "legal_entity_id", "weekly_capacity_hours", "start_date", "end_date"
    )  # fmt: skip
    begin = pl.max_horizontal(pl.col("month"), pl.col("start_date"))
    end = pl.min_horizontal(pl.col("month").dt.month_end(), pl.col("end_date"), pl.lit(context.as_of))
    days = pl.business_day_count(begin, end + pl.duration(days=1), holidays=context.holidays)
    week = pl.col("weekly_capacity_hours").fill_null(pl.lit(FULL_WEEK_HOURS).cast(HOURS))
    # Eighths of an hour and fifths of a week have at most four digits, so nothing is rounded here.
    hours = (days.cast(HOURS) * week.cast(HOURS) / pl.lit(5).cast(HOURS)).cast(HOURS)
    crossed = people.join(months, how="cross").filter(begin <= end)
    dated = crossed.select(end.alias("date"), "role", "service_line", "legal_entity_id", hours.alias("hours"))
    return with_places(dated, facts)


def planned_facts(facts: Facts, context: Context) -> pl.LazyFrame:
    """Return planned hours still to come by month: spread evenly over the assignment's remaining workdays."""
    tomorrow = context.as_of + dt.timedelta(days=1)
    ahead = records(facts, "assignment").filter((pl.col("end_date") > context.as_of) & pl.col("planned_hours").is_not_null())
    begin = pl.max_horizontal(pl.col("start_date"), pl.lit(tomorrow))
    spread = ahead.with_columns(begin.alias("begin")).with_columns(
        pl.date_ranges(pl.col("begin").dt.month_start(), pl.col("end_date"), interval="1mo").alias("month"),
        _workdays(pl.col("start_date"), pl.col("end_date"), context).alias("all_days"),
    ).explode("month")  # fmt: skip
    in_month = _workdays(pl.max_horizontal("begin", "month"), pl.min_horizontal(pl.col("month").dt.month_end(), "end_date"), context)
    all_days = pl.when(pl.col("all_days") > 0).then(pl.col("all_days")).cast(HOURS)
    hours = (pl.col("planned_hours").cast(HOURS) * in_month.cast(HOURS) / all_days).cast(HOURS)
    placed = spread.select(
        pl.min_horizontal(pl.col("month").dt.month_end(), "end_date").alias("date"), "project_id", "currency",
        hours.alias("hours"), "bill_rate",
    ).with_columns(amount_of(pl.col("hours"), pl.col("bill_rate")).alias("amount")).drop("bill_rate")  # fmt: skip
    return with_places(placed, facts)


def _workdays(first: pl.Expr, last: pl.Expr, context: Context) -> pl.Expr:
    return pl.business_day_count(first, last + pl.duration(days=1), holidays=context.holidays)


def activation_facts(facts: Facts, context: Context) -> pl.LazyFrame:
    """Return the days from a contract's signature to the activation of each of its projects."""
    contract = records(facts, "contract").select("contract_id", "signed_date").unique("contract_id", keep="any")
    dated = records(facts, "project").join(contract, on="contract_id", how="inner")
    signed, active = pl.col("signed_date"), pl.col("activated_date")
    made = dated.filter(signed.is_not_null() & active.is_not_null()).select(
        active.alias("date"), "project_id", "contract_id", "service_line", "legal_entity_id", "customer_id", "currency", "signed_date",
        (active - signed).dt.total_days().alias("days"),
        elapsed_workdays(signed, active, context.holidays).cast(pl.Int64).alias("workdays"),
    )  # fmt: skip
    return with_places(made, facts)

