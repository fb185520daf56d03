"""A period's revenue pushed down to the time worked in it, by hours, amount or cost (setting `pushdown.by`)."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import MONEY
from engine.caps import up_to_cap
from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import minor_money, money_units, part_units, units_to_minor
from engine.revenue.arithmetic.numbers import whole_number, wide
from engine.revenue.ground.frames import empty, in_words, shaped
from engine.revenue.ground.periods import with_period
from engine.revenue.progress.delivered import OF_EXPENSES
from engine.revenue.progress.worked import TAKEN_BACK
from engine.revenue.schedule import TIME_REVENUE

RULE = "pushdown"


def time_revenue(
    performance: pl.DataFrame, worked: pl.DataFrame, lines: pl.DataFrame, contracts: pl.DataFrame, periods: pl.DataFrame,
    caps: pl.DataFrame, outside: pl.DataFrame,
) -> pl.DataFrame:  # fmt: skip
    """Return each time entry's share in its line's revenue of its period; the shares of a period sum to its revenue.

    `worked`: the time that counts (`worked.counted_time`). `caps`: of `worked.dated_caps`, through the day of the run; what another cap
    catches up of work as invoiced is of the entries that lay beyond the one before (without hours: they are told with their own
    period). `outside` (`Core.outside`): what is earned of expenses in it is no time's. What rounding leaves
    goes along the entries in the order of their ids, so that every prefix is right to half a
    minor unit. Columns: `schedule.TIME_REVENUE`.
    """
    by = contracts.select("contract_id", pl.col("setting.pushdown.by").alias("by"), "minor_digits", "currency")
    about = lines.select("contract_line_id", "contract_id", "calendar", "is_as_invoiced").join(by, on="contract_id", how="inner")
    own = worked.select("contract_line_id", "date", "time_entry_id", "hours", "value", "cost", "is_accrued")
    known = own.join(about.drop("contract_id"), on="contract_line_id", how="inner").with_columns(_of_its_period().alias("date"))
    if known.is_empty():
        return empty(TIME_REVENUE)
    # Put in the order of their ids once; from then on whole numbers tell that order and the period of a line.
    entries = with_period(known.sort("time_entry_id", "date"), periods, "date").with_row_index("place")
    earned = performance.filter(~pl.col("is_planned")).group_by("contract_line_id", "relates_to_period").agg(pl.col("amount").sum())
    earned = in_words(earned).rename({"relates_to_period": "period"}).sort("contract_line_id", "period")
    earned = _without(earned, _of_expenses(outside))
    caught = _caught_up(worked, lines, known, periods, caps).join(earned, on=["contract_line_id", "period"], how="semi")
    earned = _without(earned, caught).with_row_index("group")
    rows = entries.join(earned, on=["contract_line_id", "period"], how="inner").sort(
        pl.col("group").cast(pl.UInt64) * 2**32 + pl.col("place")
    )
    made = _shared(rows.with_columns(_weight().fill_null(0).alias("weight"))).with_columns(pl.lit(RULE).alias("rule"))
    told = shaped(made.sort("place"), TIME_REVENUE)
    return _both(told, caught) if caught.height else told


def _caught_up(
    worked: pl.DataFrame, lines: pl.DataFrame, known: pl.DataFrame, periods: pl.DataFrame, caps: pl.DataFrame
) -> pl.DataFrame:  # fmt: skip
    """Return what a change of a cap earned of work before it, by entry and the period of the change (TIME_REVENUE)."""
    capped = lines.filter(pl.col("is_as_invoiced") & pl.col("cap_amount").is_not_null() & (pl.col("role") != "agent"))
    steps = caps.drop_nulls("cap").join(capped.select("contract_line_id", "cap_amount"), on="contract_line_id", how="inner")
    if not steps.height:
        return empty(TIME_REVENUE)
    earlier = pl.col("cap").shift(1).over("contract_line_id")
    steps = steps.sort("contract_line_id", "date").with_columns(pl.coalesce(earlier, "cap_amount").alias("cap.before"))
    about = known.select("contract_line_id", "calendar", "minor_digits", "currency").unique("contract_line_id")
    done = worked.filter(pl.col("earns") & pl.col("value").is_not_null()).join(steps, on="contract_line_id", how="semi")
    done = done.sort("contract_line_id", "date", "is_accrued", "time_entry_id").select(
        "contract_line_id", "time_entry_id", pl.col("date").alias("worked_on"), "value",
        pl.col("value").cum_sum().over("contract_line_id").alias("upto"),
    )  # fmt: skip
    rows = done.join(steps.join(about, on="contract_line_id", how="inner"), on="contract_line_id", how="inner")
    rows = rows.filter(pl.col("worked_on") < pl.col("date"))

    def within(cap: str) -> pl.Expr:
        units = money_units(pl.col(cap), pl.col("minor_digits"))
        return up_to_cap(pl.col("upto"), units) - up_to_cap(pl.col("upto") - pl.col("value"), units)

    step = ["contract_line_id", "date"]
    rows = rows.with_columns((within("cap") - within("cap.before")).alias("share")).filter(pl.col("share") != 0)
    rows = rows.sort(*step, "upto").with_columns(units_to_minor(pl.col("share").cum_sum().over(step)).alias("through"))
    minor = pl.col("through") - pl.col("through").shift(1).over(step).fill_null(0)
    rows = with_period(rows.with_columns(minor_money(minor, pl.col("minor_digits")).alias("recognized_amount")), periods, "date")
    return shaped(rows.with_columns(pl.lit(0).alias("hours"), pl.lit(RULE).alias("rule")), TIME_REVENUE)


@of_nothing
def _of_expenses(outside: pl.DataFrame) -> pl.DataFrame:
    """Return what lines earned of expenses by period (contract_line_id, period, recognized_amount)."""
    rows = outside.filter(pl.col("basis").is_in(list(OF_EXPENSES)))
    amount = minor_money(pl.col("minor"), pl.col("minor_digits"))
    return in_words(rows.select("contract_line_id", "period", amount.alias("recognized_amount")))


def _without(earned: pl.DataFrame, caught: pl.DataFrame) -> pl.DataFrame:
    """Return what lines earned by period without what is told elsewhere."""
    if not caught.height:
        return earned
    key = ["contract_line_id", "period"]
    told = caught.group_by(key).agg(pl.col("recognized_amount").sum())
    left = earned.join(told, on=key, how="left", maintain_order="left")
    rest = (pl.col("amount") - pl.col("recognized_amount").fill_null(0)).cast(MONEY).alias("amount")
    return left.with_columns(rest).select(earned.columns)


def _both(told: pl.DataFrame, caught: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each entry and period."""
    key = ["time_entry_id", "contract_line_id", "period", "currency", "rule"]
    summed = pl.concat([told, caught]).group_by(key, maintain_order=True).agg(pl.col("hours", "recognized_amount").sum())
    return shaped(summed.sort("time_entry_id", "period"), TIME_REVENUE)


def _of_its_period() -> pl.Expr:
    """Return the day whose period an entry is of: hours as invoiced that are taken back of an accrual are of the period that ended before.

    There their revenue belongs too (`atoms`): beside what was recorded since, they leave of it what was worked.
    """
    back = pl.col("is_as_invoiced") & pl.col("is_accrued") & (pl.col("hours") < 0) & pl.col("time_entry_id").str.ends_with(TAKEN_BACK)
    return pl.when(back).then(pl.col("date").dt.offset_by("-1d")).otherwise("date")


def _weight() -> pl.Expr:
    return (
        pl.when(pl.col("by") == "amount")
        .then(pl.col("value"))
        .when(pl.col("by") == "cost")
        .then(whole_number("cost", MONEY))
        .otherwise(whole_number("hours", pl.Decimal(38, 8)))
    )


def _shared(rows: pl.DataFrame) -> pl.DataFrame:
    """Return entries that weigh something with their share; rows stand by group (a line's period) and in the order of their ids."""
    rows = rows.with_columns(
        pl.col("weight").sum().over("group").alias("whole"), pl.col("weight").cum_sum().over("group").alias("so_far")
    ).filter(pl.col("whole") != 0)
    minor = units_to_minor(money_units(pl.col("amount"), pl.col("minor_digits")))
    if rows.filter(pl.col("weight") < 0).height:
        # Corrections below 0: a share is measured by two whole numbers from 0 on, and bears their sign.
        signed = (minor * pl.col("so_far").sign() * pl.col("whole").sign()).alias("amount.minor")
        rows = rows.with_columns(signed, pl.col("so_far").abs(), pl.col("whole").abs())
        minor = pl.col("amount.minor")
    rows = rows.with_columns(part_units(minor, pl.col("so_far"), pl.col("whole")).alias("through"))
    # What the entry before it reaches is where an entry begins.
    before = pl.when(pl.col("group") == pl.col("group").shift(1)).then(pl.col("through").shift(1)).otherwise(wide(0))
    return rows.with_columns(minor_money(pl.col("through") - before, pl.col("minor_digits")).alias("recognized_amount"))
