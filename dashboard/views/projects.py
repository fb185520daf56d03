"""My projects: is the work approved, billable, billed and recognized, and what blocks it."""

from __future__ import annotations

from typing import Final

import polars as pl

from dashboard.views.summaries import kept
from dashboard.views.tables import Column
from dashboard.views.workspace import RunEntry, output

COLUMNS: Final = (
    Column("name", "Project", searched=True, width=290), Column("manager_name", "Manager", filtered=True, searched=True),
    Column("on_hold", "On hold", "money"), Column("blocked_by", "Blocked by", "list", filtered=True),
    Column("ready", "Ready to bill", "money"), Column("hours", "Hours", "number"), Column("hours_approved", "Approved", "number"),
    Column("billed", "Billed", "money"), Column("recognized", "Recognized", "money"), Column("budget_hours", "Budget hours", "number"),
    Column("status", "Status", "code", filtered=True), Column("service_line", "Service line", filtered=True),
    Column("currency", "Currency", filtered=True, shown=False), Column("project_id", "Project id", searched=True, shown=False),
)  # fmt: skip


def projects(run: RunEntry) -> pl.LazyFrame | None:
    """Return the projects with their hours and money, in each currency they have."""
    return None if output(run, "golden/project") is None else kept(run, "projects", _projects).lazy()


def _projects(run: RunEntry) -> pl.DataFrame:
    frame = output(run, "golden/project")
    assert frame is not None, "asked before"
    wanted = ["project_id", "name", "manager", "status", "service_line", "budget_hours"]
    frame = frame.select(wanted)
    resources = output(run, "golden/resource")
    if resources is None:
        frame = frame.with_columns(pl.col("manager").alias("manager_name"))
    else:
        names = resources.select(pl.col("resource_id").alias("manager"), pl.col("name").alias("manager_name"))
        frame = frame.join(names, on="manager", how="left").with_columns(pl.coalesce("manager_name", "manager"))
    for more in (_hours(run), _money(run)):
        if more is not None:
            frame = frame.join(more, on="project_id", how="left")
    return _recognized(run, frame).sort("project_id").collect()


def _hours(run: RunEntry) -> pl.LazyFrame | None:
    entries = output(run, "golden/time_entry")
    if entries is None:
        return None
    approved = pl.col("hours").filter(pl.col("status") == "approved").sum()
    return entries.group_by("project_id").agg(pl.col("hours").sum(), approved.alias("hours_approved"))


def _money(run: RunEntry) -> pl.LazyFrame | None:
    decisions = output(run, "billing_decisions")
    if decisions is None:
        return None
    ready = pl.col("decision").is_in(["billable", "partially_billed"])
    held = pl.col("decision") == "on_hold"
    return (
        decisions.filter(pl.col("project_id").is_not_null())
        .group_by("project_id", "currency")
        .agg(
            pl.col("amount_unbilled").filter(ready).sum().alias("ready"), pl.col("amount_unbilled").filter(held).sum().alias("on_hold"),
            pl.col("amount_billed").sum().alias("billed"), pl.col("reason").filter(held).unique().sort().alias("blocked_by"),
        )
    )  # fmt: skip


def _recognized(run: RunEntry, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Add what was recognized, by the contract lines that name the project."""
    lines, schedule = output(run, "golden/contract_line"), output(run, "revenue_schedule")
    if lines is None or schedule is None or "currency" not in frame.collect_schema().names():
        return frame
    owned = lines.filter(pl.col("project_id").is_not_null()).select("contract_line_id", "project_id")
    sums = schedule.join(owned, on="contract_line_id").group_by("project_id", "currency").agg(pl.col("recognized_amount").sum())
    return frame.join(sums.rename({"recognized_amount": "recognized"}), on=["project_id", "currency"], how="left")
