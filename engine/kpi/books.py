"""Facts of the books: recognized revenue, contract balances, and backlog."""

from __future__ import annotations

import polars as pl

from engine.canonical.billing import POSTED
from engine.canonical.kinds import MONEY
from engine.kpi.accruals import people_of_vendors, work_not_billed
from engine.kpi.delivery import time_facts
from engine.kpi.places import records, with_places
from engine.kpi.signed import signed_values
from engine.policy.facts import PLACES
from engine.stage import Context, Facts


def _period_end(period: pl.Expr) -> pl.Expr:
    """Return the last day of a calendar month's label; fiscal labels beyond 12 have none."""
    return (period + "-01").str.to_date("%Y-%m-%d", strict=False).dt.month_end()


def revenue_facts(facts: Facts, _: Context) -> pl.LazyFrame:
    """Return the revenue schedule, dated by the end of its period."""
    schedule = _needed(facts, "revenue_schedule")
    made = schedule.select(
        _period_end(pl.col("period")).alias("date"), "contract_id", "contract_line_id", "currency", "nature",
        pl.col("recognized_amount").cast(MONEY).alias("recognized"), pl.col("planned_amount").cast(MONEY).alias("planned"),
    )  # fmt: skip
    return with_places(made, facts).drop("contract_line_id")


def balance_facts(facts: Facts, _: Context) -> pl.LazyFrame:
    """Return every contract's balances at the end of each period."""
    names = ["contract_asset", "contract_liability", "receivable", "unbilled_receivable", "remaining_obligation", "recognized"]
    balances = _needed(facts, "contract_balances")
    present = balances.collect_schema().names()
    made = balances.select(
        _period_end(pl.col("period")).alias("date"), "contract_id", "currency",
        *((pl.col(name).cast(MONEY) if name in present else pl.lit(None, dtype=MONEY).alias(name)) for name in names),
    )  # fmt: skip
    return with_places(made, facts)


def backlog_facts(facts: Facts, context: Context) -> pl.LazyFrame:
    """Return per contract signed value + approved amendments − recognized, at the as-of date."""
    signed = records(facts, "contract").filter(
        (pl.col("signed_date") <= context.as_of) & pl.col("status").is_in(["signed", "active", "completed"])
    )
    schedule = _needed(facts, "revenue_schedule")
    recognized, earned = (
        schedule.group_by(key).agg(pl.col("recognized_amount").cast(MONEY).sum().alias("recognized"))
        for key in ("contract_id", "contract_line_id")
    )
    joined = signed.join(signed_values(facts, earned, context.as_of), on="contract_id").join(recognized, on="contract_id", how="left")
    done = pl.col("recognized").fill_null(pl.lit(0).cast(MONEY))
    made = joined.filter(pl.col("signed").is_not_null()).select(
        pl.lit(context.as_of).alias("date"), "contract_id", "customer_id", "legal_entity_id", "currency", "signed",
        done.alias("recognized"), (pl.col("signed") - done).cast(MONEY).alias("backlog"),
    )  # fmt: skip
    return with_places(made, facts)


def margin_facts(facts: Facts, context: Context) -> pl.LazyFrame:
    """Return recognized revenue beside the cost of delivery, each in its own currency."""
    zero = pl.lit(0).cast(MONEY)
    places = list(PLACES)
    earned = revenue_facts(facts, context).select(*places, pl.col("recognized").alias("revenue"), zero.alias("cost"))
    # A vendor's people cost what the vendor bills; what no bill charges yet stands at their rate.
    own = time_facts(facts, context, but_of=people_of_vendors(facts)).filter(pl.col("status") == "approved")
    worked = own.with_columns(pl.col("cost_currency").alias("currency"))
    lent = with_places(work_not_billed(facts), facts).select(*places, "cost")
    bought = [lent, _bought(facts, "expense", "incurred_date", "amount"), _bought(facts, "bill_line", "bill_date", "net_amount")]
    spent = pl.concat([worked.select(*places, "cost"), *bought])
    delivery = spent.filter(pl.col("cost").is_not_null() & pl.col("project_id").is_not_null())
    return pl.concat([earned, delivery.select(*places, zero.alias("revenue"), "cost")])


def _bought(facts: Facts, entity: str, date: str, amount: str) -> pl.LazyFrame:
    """Return expenses or vendors' bill lines of projects as cost."""
    frame = records(facts, entity)
    if entity == "bill_line":
        posted = records(facts, "bill").filter(pl.col("status").is_in(POSTED))
        frame = frame.join(posted.select("bill_id", pl.col("invoice_date").alias(date)), on="bill_id")
    else:
        frame = frame.filter(pl.col("status") == "approved")
    names = ["project_id", "contract_line_id", "currency"]
    made = frame.select(pl.col(date).alias("date"), *names, pl.col(amount).cast(MONEY).alias("cost"))
    return with_places(made, facts).select(*PLACES, "cost")


def _needed(facts: Facts, name: str) -> pl.LazyFrame:
    frame = facts.frame(name)
    assert frame is not None, f"the facts need {name}"
    return frame
