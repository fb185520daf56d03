"""What billing plans give by themselves: amounts that fall due whatever is delivered, and what they call for without a right to it."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_no
from engine.revenue.arithmetic.asof import running as through_day
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.runs import before
from engine.revenue.ground.frames import DAY, Books
from engine.revenue.recognition.standing import as_arrived


def gained(name: str, keys: list[str]) -> pl.Expr:
    """Return what a cumulative column gained since the row before."""
    return (pl.col(name) - before(pl.col(name), *keys).fill_null(ZERO)).cast(MONEY).alias(name)


def counted_from(plan: pl.DataFrame, stated: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Add `counts_from` to plan lines that were entered after the close of a period they concern: the first day of the next open one.

    Closed months stand as they were known (250-10); the line is due no earlier. Null: it counts from the start. `stated`: the records.
    """
    nothing = pl.lit(None, dtype=DAY).alias("counts_from")
    if plan.is_empty() or "known_at" not in stated.columns or not stated["known_at"].count() or not books.periods["closed_at"].count():
        return plan.with_columns(nothing)
    known = stated.select("plan_line_id", "known_at").unique("plan_line_id", keep="first")
    dated = plan.join(known, on="plan_line_id", how="left", maintain_order="left").join(
        books.contracts.select("contract_id", pl.col("signed_date").alias("→signed")), on="contract_id", how="left", maintain_order="left"
    )
    arrived = as_arrived(dated.with_columns(pl.col("→signed").alias("→counts")), books, "→counts")
    late = pl.when(pl.col("→counts") != pl.col("→signed")).then("→counts")
    told = arrived.with_columns(late.alias("counts_from"), pl.max_horizontal("due_date", late).alias("→due"))
    due = pl.when(pl.col("due_date").is_not_null()).then("→due")
    return told.with_columns(due.alias("due_date")).select(*plan.columns, "counts_from")


def _since() -> pl.Expr:
    """Return the day from which a plan line counts among what is planned."""
    return pl.coalesce("counts_from", pl.lit(dt.date.min)).alias("date")


def planned_by_then(steps: pl.DataFrame, books: Books, plan: pl.DataFrame) -> pl.DataFrame:
    """Add what plans charge in all by the step's day: `planned`, `planned_due` (in any case), `planned_lines` (by single promises)."""
    amount, due = pl.col("amount"), pl.col("is_unconditional")
    whole = plan.select("contract_id", _since(), amount.alias("planned"), pl.when(due).then(amount).otherwise(ZERO).alias("planned_due"))
    own = _due_lines(books, plan).filter("is_of_line").select("contract_id", _since(), amount.alias("planned_lines"))
    for flow, names in ((whole, ["planned", "planned_due"]), (own, ["planned_lines"])):
        steps = through_day(steps, flow, by=["contract_id"], on="date", columns=names)
    return steps


@of_no("plan")
def plan_steps(books: Books, plan: pl.DataFrame) -> pl.DataFrame:
    """Return what plans give by themselves: amounts that fell due, and per line the performed part of what is due anyway."""
    due = _due_lines(books, plan)
    own, shared = due.filter("is_of_line"), due.filter(~pl.col("is_of_line"))
    whole = shared.select("contract_id", pl.col("due_date").alias("date"), pl.lit(0).alias("seq"), pl.col("amount").alias("due"))
    keys = ["contract_id", "contract_line_id"]
    totals = own.select(*keys, _since(), pl.col("amount").alias("planned"))
    gross = pl.coalesce("gross_amount", "amount")
    done = books.performance.lazy().filter(~pl.col("is_planned")) if totals.height else books.performance.lazy().clear()
    earned = done.join(totals.lazy(), on=keys, how="semi").select(
        *keys, pl.col("posting_date").alias("date"), gross.alias("earned"), ZERO.alias("fallen")
    ).collect()  # fmt: skip
    fallen = own.select(*keys, pl.col("due_date").alias("date"), ZERO.alias("earned"), pl.col("amount").alias("fallen"))
    begun = own.select(*keys, pl.col("counts_from").alias("date"), ZERO.alias("earned"), ZERO.alias("fallen"))
    rows = pl.concat([earned, fallen, begun]).drop_nulls("date").group_by(*keys, "date").agg(pl.col("earned", "fallen").sum())
    rows = rows.sort(*keys, "date")
    rows = through_day(rows, totals, by=keys, on="date", columns=["planned"])
    rows = rows.with_columns(pl.col("earned", "fallen").cum_sum().over(keys).cast(MONEY))
    right = pl.max_horizontal("fallen", pl.min_horizontal("earned", "planned"))
    rows = rows.with_columns(right.alias("line_right"), pl.col("fallen").alias("line_due"))
    steps = rows.with_columns(gained(name, keys) for name in ("line_right", "line_due"))
    lines = steps.select("contract_id", "date", pl.lit(0).alias("seq"), "line_right", "line_due")
    known = plan.select("contract_id", pl.col("counts_from").alias("date"), pl.lit(0).alias("seq"))
    both = pl.concat([whole.drop_nulls("date"), lines, known.drop_nulls("date")], how="diagonal")
    return both.with_columns(pl.col("due", "line_right", "line_due").fill_null(ZERO))


def _due_lines(books: Books, plan: pl.DataFrame) -> pl.DataFrame:
    """Return unconditional plan lines with `is_of_line`: whether they stand for one promise or for the whole contract."""
    stated = books.lines.select("contract_line_id", pl.col("amount").alias("line_amount"))
    due = plan.filter("is_unconditional").join(stated, on="contract_line_id", how="left", maintain_order="left")
    # A plan that charges more than its line promises stands for the contract, not for the line.
    charged = pl.col("amount").sum().over("contract_id", "contract_line_id")
    return due.with_columns((charged <= pl.col("line_amount")).fill_null(value=False).alias("is_of_line"))


def with_called(steps: pl.DataFrame, plan: pl.DataFrame) -> pl.DataFrame:
    """Add `called`: what plans have called for by the step's day without a right to it whatever is delivered."""
    calls = plan.filter(~pl.col("is_unconditional"))
    calls = calls.select("contract_id", pl.col("due_date").alias("date"), pl.col("amount").alias("called"))
    return through_day(steps, calls, by=["contract_id"], on="date", columns=["called"])
