"""Records that name a line or a contract that nobody knows: nothing follows from them, which must not go unsaid."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.acceptance import is_accepted
from engine.canonical.schema import entity_spec
from engine.nothing import of_nothing
from engine.revenue.arithmetic.runs import without
from engine.revenue.ground.finding_columns import finding_columns, plain_text
from engine.revenue.ground.records import Records
from engine.revenue.ground.sources import united

_LINE: Final = "contract_line_id"
_DONE: Final = ("percent_complete", "cost_to_date", "hours_to_date", "units_delivered")
_OF_LINES: Final = (
    "progress", "variable_estimate", "milestone", "usage", "incentive_fee", "cost_estimate", "noncash_value", "price_tier",
    "opening_position",
)  # fmt: skip
_OF_CONTRACTS: Final = ("contract_line", "amendment", "variable_estimate", "consideration_payable", "contract_cost", "option")


def stray_findings(records: Records) -> pl.DataFrame:
    """Return a finding for every estimate, report of progress or term whose line or contract no system supplies.

    Where no system supplies lines, or contracts, at all, none of them is missing; nor is any in a run as known on an earlier day.
    """
    if records.known_on is not None:
        return pl.DataFrame()
    lines = pl.concat([records.frame(name).select("contract_line_id") for name in ("contract_line", "amendment_line")])
    contracts = records.frame("contract").select("contract_id")
    found = [
        *(_strays(records, name, "contract_line_id", lines) for name in _OF_LINES if lines.height and records.frame(name).height),
        *(_strays(records, name, "contract_id", contracts) for name in _OF_CONTRACTS if contracts.height and records.frame(name).height),
    ]
    return pl.concat(found) if found else pl.DataFrame()


def unplaced_work(records: Records, lines: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return a finding for every project with approved hours for the customer on none of its contract's lines, where one earns by the hour.

    Hours of a project with one line are of that line (`records.Records`).
    """
    counts = (pl.col("status") == "approved") & pl.col("billable").fill_null(value=True) & (pl.col("work_date") <= as_of)
    time = records.frame("time_entry").filter(counts & pl.col("contract_line_id").is_null() & (pl.col("hours") != 0))
    by_hour = lines.filter(pl.col("measure").is_in(["hours", "as_invoiced"])).select("contract_id").unique()
    projects = records.frame("project").select("project_id", "contract_id").unique("project_id", keep="first")
    rows = time.group_by("project_id").agg(pl.col("hours").sum(), pl.col("work_date").min(), united("evidence"))
    rows = rows.join(projects, on="project_id", how="inner").join(by_hour, on="contract_id", how="semi").sort("project_id")
    text = "{} approved hours on project {} name no line of contract {}, the first on {}; nothing of them is recognized."
    message = pl.format(text, plain_text(pl.col("hours")), "project_id", "contract_id", pl.col("work_date").cast(pl.String))
    remedy = "Name the line on the entries, or give the project the one line that they are of."
    return rows.select(
        *finding_columns("work_without_line", "high", "project", message, remedy), pl.col("project_id").alias("entity_id"), "contract_id",
        pl.col("work_date").alias("since"), "evidence",
    )  # fmt: skip


def unplaced_expenses(records: Records, lines: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return a finding for every project with approved expenses that the customer pays and that are of none of its contract's lines.

    Expenses of a project with one line, or one that passes costs on, are of that line (`records.Records`).
    """
    counts = (pl.col("status") == "approved") & pl.col("billable").fill_null(value=False) & (pl.col("incurred_date") <= as_of)
    spent = records.frame("expense").filter(counts & pl.col("contract_line_id").is_null() & (pl.col("amount") != 0))
    projects = records.frame("project").filter(pl.col("contract_id").is_not_null()).select("project_id", "contract_id")
    rows = spent.group_by("project_id").agg(pl.len().alias("→count"), pl.col("incurred_date").min(), united("evidence"))
    rows = rows.join(projects.unique("project_id", keep="first"), on="project_id", how="inner")
    rows = rows.join(lines.select("contract_id").unique(), on="contract_id", how="semi").sort("project_id")
    text = "Approved expenses on project {} name no line of contract {} ({} of them, the first of {}); nothing of them is recognized."
    message = pl.format(text, "project_id", "contract_id", "→count", pl.col("incurred_date").cast(pl.String))
    remedy = "Name the line on the expenses, or give the project one line that passes costs on."
    return rows.select(
        *finding_columns("expense_without_line", "high", "project", message, remedy), pl.col("project_id").alias("entity_id"),
        "contract_id", pl.col("incurred_date").alias("since"), "evidence",
    )  # fmt: skip


def work_not_agreed(records: Records, contracts: pl.DataFrame, lines: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return a finding for every line with work, use or a delivery on record that stands only in an amendment which does not count yet.

    A draft, a rejected one or one approved later promises nothing (606-10-25-10), so that nothing of the work is recognized.
    """
    stated = records.frame("amendment_line").filter((pl.col("action") == "add") & pl.col(_LINE).is_not_null())
    stated = without(stated, lines, _LINE).select("amendment_id", _LINE, "evidence").unique(_LINE, keep="first")
    heads = records.frame("amendment").select("amendment_id", "contract_id", "status", "approved_date")
    rows = stated.join(heads, on="amendment_id", how="inner").join(contracts.select("contract_id"), on="contract_id", how="semi")
    return _of_work_not_agreed(rows, records, as_of)


@of_nothing
def _of_work_not_agreed(rows: pl.DataFrame, records: Records, as_of: dt.date) -> pl.DataFrame:
    counts = (pl.col("status") == "approved") & pl.col("billable").fill_null(value=True)
    done = (
        ("time_entry", "work_date", counts & (pl.col("hours") != 0)), ("expense", "incurred_date", counts),
        ("usage", "usage_date", pl.lit(value=True)), ("milestone", "accepted_date", is_accepted()),
        ("progress", "as_of_date", pl.any_horizontal(pl.col(name) > 0 for name in _DONE)),
    )  # fmt: skip
    told = [
        records.frame(name).filter(of).select(_LINE, pl.col(day).alias("→day"), pl.lit(name).alias("→what")) for name, day, of in done
    ]
    since = pl.concat(told).filter(pl.col("→day") <= as_of).group_by(_LINE).agg(
        pl.col("→day").min(), pl.col("→what").unique().sort()
    ).with_columns(pl.col("→what").list.join(", ").str.replace_all("_", " "))  # fmt: skip
    hit = rows.join(since, on=_LINE, how="inner").sort(_LINE)
    state = pl.when(pl.col("status") == "approved").then(pl.format("approved on {}", "approved_date")).otherwise("status")
    text = "{} is a promise of contract {} only by amendment {} ({}), and {} of it is on record, from {} on; nothing of it is recognized."
    message = pl.format(text, _LINE, "contract_id", "amendment_id", state, "→what", pl.col("→day").cast(pl.String))
    remedy = "Have the amendment approved, state that it is enforceable already, or name the promise that the work is of."
    return hit.select(
        *finding_columns("work_not_agreed", "high", "contract_line", message, remedy), pl.col(_LINE).alias("entity_id"), "contract_id",
        pl.col("→day").alias("since"), "evidence",
    )  # fmt: skip


def _strays(records: Records, entity: str, reference: str, known: pl.DataFrame) -> pl.DataFrame:
    hit = without(records.frame(entity).filter(pl.col(reference).is_not_null()), known, reference)
    kind = "line" if reference == "contract_line_id" else "contract"
    rows = hit.select(entity_spec(entity).display_key().alias("entity_id"), pl.col(reference).alias("named"), "evidence")
    what = entity.replace("_", " ").capitalize()
    message = pl.format(f"{what} {{}} names {kind} {{}}, which nobody knows; nothing follows from it.", "entity_id", "named")
    remedy = f"Correct the {kind} it names, or load the {kind}."
    contract = pl.col("named") if kind == "contract" else pl.lit(None, dtype=pl.String)
    return rows.sort("entity_id").select(
        *finding_columns("reference_unknown", "medium", entity, message, remedy), "entity_id", contract.alias("contract_id"), "evidence"
    )
