"""What billing plans give by themselves: amounts that fall due whatever is delivered, and what they call for without a right to it."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_no
from engine.revenue.arithmetic.asof import running as through_day
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.runs import before
from engine.revenue.ground.frames import Books


def gained(name: str, keys: list[str]) -> pl.Expr:
    """Return what a cumulative column gained since the row before."""
    return (pl.col(name) - before(pl.col(name), *keys).fill_null(ZERO)).cast(MONEY).alias(name)


@of_no("plan")
def plan_steps(books: Books, plan: pl.DataFrame) -> pl.DataFrame:
    """Return what plans give by themselves: amounts that fell due, and per line the performed part of what is due anyway."""
    due = _due_lines(books, plan)
    own, shared = due.filter("is_of_line"), due.filter(~pl.col("is_of_line"))
    whole = shared.select("contract_id", pl.col("due_date").alias("date"), pl.lit(0).alias("seq"), pl.col("amount").alias("due"))
    keys = ["contract_id", "contract_line_id"]
    totals = own.group_by(keys).agg(pl.col("amount").sum().alias("planned"))
    gross = pl.coalesce("gross_amount", "amount")
    done = books.performance.lazy().filter(~pl.col("is_planned")) if totals.height else books.performance.lazy().clear()
    earned = done.join(totals.lazy(), on=keys, how="semi").select(
        *keys, pl.col("posting_date").alias("date"), gross.alias("earned"), ZERO.alias("fallen")
    ).collect()  # fmt: skip
    fallen = own.select(*keys, pl.col("due_date").alias("date"), ZERO.alias("earned"), pl.col("amount").alias("fallen"))
    rows = pl.concat([earned, fallen]).drop_nulls("date").group_by(*keys, "date").agg(pl.col("earned", "fallen").sum()).sort(*keys, "date")
    rows = rows.join(totals, on=keys, how="left", maintain_order="left").with_columns(
        pl.col("earned", "fallen").cum_sum().over(keys).cast(MONEY)
    )
    right = pl.max_horizontal("fallen", pl.min_horizontal("earned", "planned"))
    rows = rows.with_columns(right.alias("line_right"), pl.col("fallen").alias("line_due"))
    steps = rows.with_columns(gained(name, keys) for name in ("line_right", "line_due"))
    lines = steps.select("contract_id", "date", pl.lit(0).alias("seq"), "line_right", "line_due")
    both = pl.concat([whole.drop_nulls("date"), lines], how="diagonal")
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


def line_plans(books: Books, plan: pl.DataFrame) -> pl.DataFrame:
    """Return per contract what plan lines of single promises charge unconditionally (those that `plan_steps` takes by line)."""
    return _due_lines(books, plan).filter("is_of_line").group_by("contract_id").agg(pl.col("amount").sum().alias("planned_lines"))
