"""What is left of a promise on a day: price not recognized, cost still to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.asof import latest, running
from engine.revenue.arithmetic.numbers import FRACTION, ZERO, whole_number
from engine.revenue.arithmetic.rounding import round_share
from engine.revenue.ground.frames import by_price, of_price
from engine.revenue.progress.expected_cost import total_cost_history

_KINDS: Final = ("incremental", "allocated_direct")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Hold what is known of the cost of promises: golden records, empty frames where a system supplies none.

    `progress`, `cost_estimate`, `amendment` and `amendment_line` as in the canonical model; `estimates`: variable
    estimates of the contract with contract_id, contract_line_id (null: the contract's), as_of_date, amount,
    constrained_amount.
    """

    progress: pl.DataFrame
    cost_estimate: pl.DataFrame
    amendment: pl.DataFrame
    amendment_line: pl.DataFrame
    estimates: pl.DataFrame


def remaining_by_obligation(
    points: pl.DataFrame, obligations: pl.DataFrame, performance: pl.DataFrame, lines: pl.DataFrame, evidence: Evidence
) -> pl.DataFrame:
    """Add to each point (contract_id, obligation_id, end_date, cost_basis) what is left on that day.

    Adds price (allocated in the version in force; null before the first), recognized, remaining_price,
    estimated_total_cost and cost_to_date (gross; null: unknown), remaining_cost (null: unknown).
    Remaining cost rests on dated estimates of cost to come where there are any (IAS 37.68A: incremental cost,
    under `full` with what is allocated directly; never general overhead), less what was incurred since;
    else on total less cost to date; else on total × what is not done.
    """
    key = ["contract_id", "obligation_id"]
    versions = obligations.select(*key, pl.col("effective_date").alias("end_date"), pl.col("allocated_amount").alias("price"))
    found = latest(points, versions, by=key, on="end_date", columns=["price"])
    earned = performance.filter(of_price()).rename({"posting_date": "end_date", "amount": "recognized"})
    found = running(found, earned, by=key, on="end_date", columns=["recognized"])
    done = earned.filter(~by_price() & pl.col("progress").is_not_null()).select(*key, "end_date", "progress").sort("end_date")
    found = latest(found, done, by=key, on="end_date", columns=["progress"])
    found = found.join(_costs(points, lines, evidence), on=[*key, "end_date"], how="left", maintain_order="left")
    undone = pl.lit(1, dtype=FRACTION) - pl.coalesce("progress", pl.lit(0, dtype=FRACTION)).cast(FRACTION)
    # Twelve places of a fraction times an amount: exact in whole numbers, where a product of decimals would be cut.
    parts = whole_number(undone, FRACTION)
    by_progress = round_share(pl.col("estimated_total_cost"), parts, pl.lit(10**12, dtype=pl.Int128), pl.lit(6))
    remaining = pl.coalesce("cost_to_come", pl.col("estimated_total_cost") - pl.col("cost_to_date"), by_progress)
    return found.with_columns(
        (pl.col("price") - pl.col("recognized")).alias("remaining_price"),
        pl.when(remaining < 0).then(ZERO).otherwise(remaining).alias("remaining_cost"),
    )


def _costs(points: pl.DataFrame, lines: pl.DataFrame, evidence: Evidence) -> pl.DataFrame:
    """Return per obligation and day the sums over its lines: total cost, cost to date, cost to come."""
    key = ["contract_id", "obligation_id"]
    # A line that states nothing but an uncertainty of another line's promise (a bonus of amount 0) takes no work of its own.
    is_work = pl.col("variable_kind").is_null() | (pl.col("amount") != 0).fill_null(value=False)
    of_obligation = lines.select(*key, "contract_line_id", pl.col("from_date").alias("promised_from"), is_work.alias("is_work"))
    on_lines = points.select(*key, "end_date", "cost_basis").unique().join(of_obligation, on=key, how="inner")
    on_lines = on_lines.filter(pl.col("promised_from").is_null() | (pl.col("promised_from") <= pl.col("end_date")))
    line = ["contract_line_id"]
    known = total_cost_history(lines, evidence.progress, evidence.amendment, evidence.amendment_line)
    total = latest(on_lines, known, by=line, on="end_date", columns=["estimated_total_cost"])
    to_date = evidence.progress.filter(pl.col("cost_to_date").is_not_null()).select(
        *line, pl.col("as_of_date").alias("end_date"), "cost_to_date"
    )
    total = latest(total, to_date, by=line, on="end_date", columns=["cost_to_date"])
    total = _without_removed(total, evidence)
    come = _to_come(total, to_date, evidence.cost_estimate).filter(
        pl.col("is_work") | pl.any_horizontal(pl.col("estimated_total_cost", "cost_to_date", "cost_to_come").is_not_null())
    )
    # One line without an estimate leaves the whole obligation's total unknown.
    summed = [
        pl.when(pl.col(name).is_not_null().all()).then(pl.col(name).sum()).alias(name) for name in ("estimated_total_cost", "cost_to_come")
    ]
    spent = pl.when(pl.col("cost_to_date").is_not_null().any()).then(pl.col("cost_to_date").sum()).alias("cost_to_date")
    return come.group_by(*key, "end_date").agg(*summed, spent)


def _without_removed(on_lines: pl.DataFrame, evidence: Evidence) -> pl.DataFrame:
    """Let a line that was taken away cost in all what it cost so far, from the day it was."""
    day = pl.max_horizontal("effective_date", "approved_date")
    approved = evidence.amendment.filter(pl.col("status") == "approved").select("amendment_id", day.alias("→gone"))
    gone = evidence.amendment_line.filter(pl.col("action") == "remove").join(approved, on="amendment_id", how="inner")
    if not gone.height:
        return on_lines
    first = gone.group_by("contract_line_id").agg(pl.col("→gone").min())
    found = on_lines.join(first, on="contract_line_id", how="left", maintain_order="left")
    is_gone = (pl.col("→gone") <= pl.col("end_date")).fill_null(value=False)
    total = pl.when(is_gone).then(pl.col("cost_to_date").fill_null(ZERO)).otherwise("estimated_total_cost")
    return found.with_columns(total.alias("estimated_total_cost")).drop("→gone")


def _to_come(on_lines: pl.DataFrame, to_date: pl.DataFrame, estimates: pl.DataFrame) -> pl.DataFrame:
    """Add cost_to_come: the latest estimate of each counted kind, less cost incurred since it was made."""
    line = ["contract_line_id"]
    dated = estimates.filter(pl.col("kind").is_in(_KINDS) & pl.col("amount").is_not_null()).rename({"as_of_date": "end_date"})
    spent = latest(dated, to_date, by=line, on="end_date", columns=["cost_to_date"]).rename({"cost_to_date": "spent_before"})
    found = on_lines
    for kind in _KINDS:
        of_kind = spent.filter(pl.col("kind") == kind)
        history = of_kind.group_by(*line, "end_date").agg(pl.col("amount").sum(), pl.col("spent_before").first())
        history = history.rename({"amount": f"{kind}_cost", "spent_before": f"{kind}_before"})
        found = latest(found, history, by=line, on="end_date", columns=[f"{kind}_cost", f"{kind}_before"])
    since = pl.col("cost_to_date") - pl.coalesce("incremental_before", "allocated_direct_before", ZERO)
    allocated = pl.when(pl.col("cost_basis") == "full").then(pl.col("allocated_direct_cost").fill_null(ZERO)).otherwise(ZERO)
    come = pl.coalesce("incremental_cost", ZERO) + allocated - since.fill_null(ZERO)
    is_known = pl.col("incremental_cost").is_not_null() | pl.col("allocated_direct_cost").is_not_null()
    return found.with_columns(pl.when(is_known).then(pl.max_horizontal(come, ZERO)).alias("cost_to_come"))


def unconstrained(points: pl.DataFrame, estimates: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Add to each point (contract_id, end_date) `constrained_away`: estimated variable amounts the price leaves out."""
    of_line = lines.select("contract_line_id", pl.col("contract_id").alias("of_line")).unique("contract_line_id")
    dated = estimates.join(of_line, on="contract_line_id", how="left").with_columns(
        pl.coalesce("of_line", "contract_id").alias("contract_id"),
        pl.coalesce("contract_line_id", pl.lit("")).alias("about"),
        (pl.col("amount") - pl.coalesce("constrained_amount", "amount")).cast(MONEY).alias("left_out"),
    ).rename({"as_of_date": "end_date"})  # fmt: skip
    subjects = dated.select("contract_id", "about").unique()
    asked = points.select("contract_id", "end_date").unique().join(subjects, on="contract_id", how="inner")
    found = latest(asked, dated, by=["contract_id", "about"], on="end_date", columns=["left_out"])
    summed = found.group_by("contract_id", "end_date").agg(pl.col("left_out").sum().alias("constrained_away"))
    return points.join(summed, on=["contract_id", "end_date"], how="left", maintain_order="left").with_columns(
        pl.col("constrained_away").fill_null(ZERO)
    )
