"""Hours by unlike grades: weighed by what an hour of each grade bills or costs, so that they depict performance (606-10-55-20, 55-21)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.exact import units_of_a_millionth
from engine.revenue.arithmetic.numbers import whole_number, wide
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.ground.records import Records
from engine.revenue.progress.observed import HOURS, of_measure

_KEY: Final = "contract_line_id"
_RATES: Final = {"bill_rate": "a bill rate", "cost_rate": "a cost rate"}


def weighed_hours(records: Records, lines: pl.DataFrame, worked: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the worth of hours whose policy weighs them (`progress.hours_weight`), and what cannot be weighed and why.

    First: contract_line_id, date, weighed (cumulative, millionths of money), planned.hours, planned.worth (of the hours that the
    assignments of the line's project plan, as integers of their last places). Second: contract_line_id, lacks. An obligation of
    which one line cannot be weighed is not weighed at all.
    """
    chosen = of_measure(lines, "hours").filter(pl.col("hours_weight").is_in(list(_RATES)) & (pl.col("pricing") != "capped"))
    if not chosen.height:
        return pl.DataFrame(schema={_KEY: pl.String}), pl.DataFrame(schema={_KEY: pl.String, "lacks": pl.String})
    about = chosen.select(
        _KEY, "okey", "hours_weight", "project_id", "minor_digits", pl.col("unit_price").alias("line.rate"),
        pl.col("currency").alias("line.currency"),
    )  # fmt: skip
    resources = records.frame("resource").select(
        "resource_id", pl.col("cost_rate").alias("own.cost"), pl.col("cost_currency").alias("own.currency")
    )
    done, planned = _done(records, about, resources, worked), _planned(records, about, resources)
    units = pl.concat([done, planned], how="diagonal_relaxed").group_by(_KEY).agg(pl.col("unit").drop_nulls().n_unique().alias("units"))
    plan = planned.group_by(_KEY).agg(
        pl.col("worth").is_not_null().all().alias("is_planned"),
        whole_number("hours", HOURS).sum().alias("planned.hours"), pl.col("worth").sum().alias("planned.worth"),
    )  # fmt: skip
    known = done.group_by(_KEY).agg(pl.col("worth").is_not_null().all().alias("is_known"))
    told = records.frame("progress").filter(pl.col("hours_to_date").is_not_null()).select(_KEY).unique()
    told = told.join(done, on=_KEY, how="anti").with_columns(pl.lit(value=True).alias("is_told"))
    judged = about
    for frame in (units, plan, known, told):
        judged = judged.join(frame, on=_KEY, how="left", maintain_order="left")
    rate = pl.col("hours_weight").replace_strict(_RATES, return_dtype=pl.String)
    lacks = (
        pl.when(pl.col("is_told").fill_null(value=False)).then(pl.lit("its hours come from reports, which name no grades"))
        .when(~pl.col("is_known").fill_null(value=True)).then(pl.format("some of its hours have not {}", rate))
        .when(~pl.col("is_planned").fill_null(value=False) | (pl.col("planned.hours").fill_null(0) <= 0))
        .then(pl.format("the assignments of its project do not plan all hours at {}", rate))
        .when(pl.col("units") > 1).then(pl.lit("its rates are in several currencies"))
    )  # fmt: skip
    judged = judged.with_columns(lacks.alias("lacks"))
    missing = judged.filter(pl.col("lacks").is_not_null()).select(_KEY, "okey", "lacks")
    whole = judged.join(missing.select("okey"), on="okey", how="anti").select(_KEY, "planned.hours", "planned.worth")
    daily = done.join(whole, on=_KEY, how="semi").group_by(_KEY, "date").agg(pl.col("worth").sum().alias("weighed"))
    daily = daily.sort(_KEY, "date").with_columns(pl.col("weighed").cum_sum().over(_KEY))
    return whole.join(daily, on=_KEY, how="left").sort(_KEY, "date"), missing.drop("okey").sort(_KEY)


def _worth(hours: pl.Expr, rate: pl.Expr) -> pl.Expr:
    """Return hours at a rate in millionths of money."""
    return whole_number(hours.cast(HOURS) * rate.cast(pl.Decimal(38, 8)), MONEY)


def _done(records: Records, about: pl.DataFrame, resources: pl.DataFrame, worked: pl.DataFrame) -> pl.DataFrame:
    """Return the hours that count by line and day with what they are worth: contract_line_id, date, worth, unit (its currency)."""
    own = records.frame("time_entry").select("time_entry_id", "cost_rate", "cost_currency")
    rows = worked.join(about.drop("project_id"), on=_KEY, how="inner").join(own, on="time_entry_id", how="left")
    rows = rows.join(resources, on="resource_id", how="left")
    by_cost, is_own = pl.col("hours_weight") == "cost_rate", pl.col("cost_rate").is_not_null()
    # What work bills is worth stands in the contract's currency already, in units of its minor unit.
    billed = pl.col("value") // units_of_a_millionth()
    cost_unit = pl.when(is_own).then("cost_currency").otherwise("own.currency")
    return rows.select(
        _KEY, "date",
        pl.when(by_cost).then(_worth(pl.col("hours"), pl.coalesce("cost_rate", "own.cost"))).otherwise(billed).alias("worth"),
        pl.when(by_cost).then(cost_unit).otherwise("line.currency").alias("unit"),
    )  # fmt: skip


def _planned(records: Records, about: pl.DataFrame, resources: pl.DataFrame) -> pl.DataFrame:
    """Return the hours that assignments plan for the project of a line with what they are worth: contract_line_id, hours, worth, unit."""
    rows = records.frame("assignment").filter(pl.col("planned_hours").is_not_null())
    rows = rows.join(about, on="project_id", how="inner").join(resources, on="resource_id", how="left")
    by_cost, is_own = pl.col("hours_weight") == "cost_rate", pl.col("bill_rate").is_not_null()
    rate = pl.when(by_cost).then("own.cost").otherwise(pl.coalesce("bill_rate", "line.rate"))
    of_rate = pl.when(is_own).then(pl.coalesce("currency", "line.currency")).otherwise("line.currency")
    return rows.select(
        _KEY, pl.col("planned_hours").alias("hours"), _worth(pl.col("planned_hours"), rate).alias("worth"),
        pl.when(by_cost).then("own.currency").otherwise(of_rate).alias("unit"),
    )  # fmt: skip


def at_weights(rows: pl.DataFrame, weights: pl.DataFrame) -> pl.DataFrame:
    """Return hours done and expected (contract_line_id, date, done, expected) of weighed lines as what they are worth.

    Done = the worth of the hours done; expected = that and the hours still to come at the average of the plan, so that progress
    ends at the whole whatever the mix came to.
    """
    if not weights.height:
        return rows
    planned = weights.select(_KEY, "planned.hours", "planned.worth").unique(_KEY, keep="first", maintain_order=True)
    daily = weights.select(_KEY, "date", "weighed").drop_nulls("date")
    made = rows.join(planned, on=_KEY, how="left", maintain_order="left").join(daily, on=[_KEY, "date"], how="left", maintain_order="left")
    made = made.sort(_KEY, "date", maintain_order=True)
    so_far = {name: pl.col(name).forward_fill().over(_KEY, order_by="date") for name in ("done", "expected", "weighed")}
    ahead = pl.max_horizontal(so_far["expected"] - so_far["done"].fill_null(0), wide(0))
    worth = so_far["weighed"].fill_null(0)
    is_weighed = pl.col("planned.hours") > 0
    whole = worth + ahead * pl.col("planned.worth") // pl.col("planned.hours")
    return made.with_columns(
        pl.when(is_weighed).then(worth).otherwise("done").alias("done"),
        pl.when(is_weighed).then(whole).otherwise("expected").alias("expected"),
    ).drop("planned.hours", "planned.worth", "weighed")


def weight_findings(records: Records, lines: pl.DataFrame, worked: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every promise whose hours the policy weighs and whose records do not tell how."""
    lacking = weighed_hours(records, lines, worked)[1]
    hit = lines.join(lacking, on=_KEY, how="inner") if lacking.height else lines.clear().with_columns(pl.lit("").alias("lacks"))
    remedy = "Plan the hours by grade in the assignments of the project, with rates, or let plain hours measure the promise."
    said = pl.format("The hours of {} are to be weighed by grade, but {}; plain hours measure it.", _KEY, "lacks")
    return hit.sort(_KEY).select(
        *finding_columns("hours_not_weighed", "medium", "contract_line", said, remedy),
        pl.col(_KEY).alias("entity_id"),
        "contract_id",
        pl.col("amount").abs().cast(MONEY).alias("amount_at_risk"),
        "currency",
        "evidence",
    )
