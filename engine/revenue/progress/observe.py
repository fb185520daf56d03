"""Observed measures: what every obligation had done and was expected to take in all, day by day (606-10-25-31 to 25-37, 55-16 to 55-21).

Each measure is read line by line and summed over an obligation's lines: progress = Σ to date ÷ Σ totals.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_no
from engine.revenue.arithmetic.exact import units_of_a_millionth
from engine.revenue.arithmetic.numbers import whole_number, wide
from engine.revenue.arithmetic.runs import before, carried, running
from engine.revenue.contracts.amendments import stated_estimates
from engine.revenue.ground.records import Records
from engine.revenue.price.hourly import hours_at_end, rate_steps, through_steps, without_hours_after, worth_by_rates
from engine.revenue.progress.commitments import committed_use
from engine.revenue.progress.grades import at_weights, weighed_hours
from engine.revenue.progress.leaving import leaving_lines, without_left
from engine.revenue.progress.observe_outputs import milestones, observed_percent
from engine.revenue.progress.observe_units import prepaid_hours, rights, tiered, units
from engine.revenue.progress.observed import HOURS, OBSERVED, of_measure, reestimated, summed
from engine.revenue.progress.worked import with_cap


def observations(records: Records, lines: pl.DataFrame, terms: pl.DataFrame, worked: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return every observed measure through as_of (`OBSERVED`), one row per obligation and day, sorted.

    `worked`: contract_line_id, date, hours, value (units; hours at their rates), evidence: the time that counts.
    """
    shapes = [
        _costs(records, lines, terms),
        _hours(records, lines, terms, worked),
        units(records, lines, terms, worked, as_of),
        tiered(records, lines, terms),
        milestones(records, lines, terms),
        observed_percent(records, lines, terms),
        committed_use(records, lines, terms, as_of),
        rights(records, lines, terms),
    ]
    found = [frame.select(pl.col(name).cast(dtype) for name, dtype in OBSERVED.items()) for frame in shapes if frame.height]
    if not found:
        return pl.DataFrame(schema=OBSERVED)
    every = pl.concat(found).filter(pl.col("date") <= as_of).sort("okey", "date", "to_date", "total")
    return every.unique(["okey", "date"], keep="last", maintain_order=True)


def _costs(records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return cost to date over cost expected, both without uninstalled materials and wasted cost (55-21).

    Under `cost_recovery` the outcome is not measurable whatever is estimated, until no more cost than is incurred is expected (25-37).
    """
    chosen = pl.concat([of_measure(lines, "cost_to_cost"), of_measure(lines, "cost_recovery")])
    unmeasured = pl.col("measure") == "cost_recovery"
    then = pl.when(unmeasured).then(pl.lit("cost_recovery")).otherwise("when_unmeasurable")
    about = chosen.select(
        "contract_line_id", "okey", "minor_digits", "signed_date", then.alias("when_unmeasurable"), unmeasured.alias("→unmeasured")
    )
    daily = _cost_by_day(records, about, terms)
    if not daily.height:
        return pl.DataFrame(schema=OBSERVED)
    choice = about.unique("okey", keep="first", maintain_order=True).select("okey", "when_unmeasurable", "minor_digits", "→unmeasured")
    daily = daily.join(choice, on="okey", how="left", maintain_order="left")
    # What is uninstalled is part of the cost incurred: no more than that is revenue at cost (55-21(b)).
    incurred = pl.max_horizontal(pl.col("cost") - pl.col("wasted"), wide(0))
    daily = daily.with_columns(pl.min_horizontal("uninstalled", incurred).alias("uninstalled"))
    apart = pl.col("uninstalled") + pl.col("wasted")
    net = pl.max_horizontal(pl.col("cost") - apart, wide(0))
    total = pl.max_horizontal(pl.col("expected") - apart, net)
    cannot = (pl.col("unknown") > 0) | (pl.col("expected") <= 0) | (pl.col("→unmeasured") & (pl.col("cost") < pl.col("expected")))
    recovers = cannot & (pl.col("when_unmeasurable") == "cost_recovery")
    at_cost = pl.when(recovers).then(pl.col("cost") - pl.col("wasted")).when(cannot).then(wide(0)).otherwise(pl.col("uninstalled"))
    told = daily.with_columns(
        # What was done is known all the same: a promise that starts anew does so from there (25-13(a)).
        net.alias("to_date"),
        pl.when(cannot).then(wide(0)).otherwise(pl.max_horizontal(total, wide(1))).alias("total"),
        (at_cost * _micro_units()).alias("at_cost"),
        pl.when(cannot).then(pl.lit("cost_recovery")).otherwise(pl.lit("cost_to_cost")).alias("basis"),
    )
    is_measured = pl.col("basis") == "cost_to_cost"
    was_measured = before(pl.col("basis"), "okey") == "cost_to_cost"
    return told.with_columns((reestimated("expected") & is_measured & was_measured).fill_null(value=False).alias("is_reestimate"))


def _micro_units() -> pl.Expr:
    """Return how many units of its minor unit a micro of a currency has."""
    return units_of_a_millionth()


def _cost_by_day(records: Records, about: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return by obligation and day cost, expected, uninstalled and wasted cost in micros, and whether some line's is `unknown`."""
    stated = stated_estimates(terms, about, "estimated_cost", "expected").drop_nulls("expected")
    stated = stated.with_columns(whole_number("expected", MONEY))
    seen = (
        records.frame("progress")
        .join(about, on="contract_line_id", how="semi")
        .filter(pl.col("cost_to_date").is_not_null() | pl.col("estimated_total_cost").is_not_null())
    )
    seen = seen.select(
        "contract_line_id",
        pl.col("as_of_date").alias("date"),
        whole_number("cost_to_date", MONEY).alias("cost"),
        whole_number("estimated_total_cost", MONEY).alias("expected"),
        whole_number("uninstalled_cost", MONEY).alias("uninstalled"),
        whole_number("wasted_cost", MONEY).alias("wasted"),
        "evidence",
        "known_at",
    )
    rows = pl.concat([stated, seen], how="diagonal").join(about, on="contract_line_id", how="inner")
    if not rows.height:
        return rows
    for name in ("cost", "expected", "uninstalled", "wasted"):
        if name not in rows.columns:
            rows = rows.with_columns(pl.lit(None, dtype=pl.Int128).alias(name))
    # On one day the observation of progress has the last word over the estimate of a contract change, and the later known over others.
    rows = rows.sort("contract_line_id", "date", "known_at", "cost", nulls_last=False)
    latest = rows.group_by("okey", "contract_line_id", "date", maintain_order=True).agg(
        *(pl.col(name).drop_nulls().last() for name in ("cost", "expected", "uninstalled", "wasted")),
        pl.col("evidence").explode().drop_nulls(),
    )
    latest = without_left(latest, leaving_lines(terms, about), "cost", "expected")
    filled = latest.with_columns(carried(pl.col(name), "contract_line_id").alias(name) for name in ("cost", "expected"))
    flagged = filled.with_columns(
        (pl.col("cost").is_not_null() & pl.col("expected").is_null()).cast(pl.Int128).alias("unknown"),
    )
    return summed(flagged, ["cost", "expected", "uninstalled", "wasted", "unknown"])


def _hours(records: Records, lines: pl.DataFrame, terms: pl.DataFrame, worked: pl.DataFrame) -> pl.DataFrame:
    """Return hours to date over hours expected; under a cap the value of the hours over the value expected."""
    chosen = of_measure(lines, "hours").join(prepaid_hours(records, lines), on="contract_line_id", how="anti")
    about = chosen.select(
        "contract_line_id", "contract_id", "okey", "signed_date", "unit_price", "pricing", "minor_digits", "cap_amount", "overrun"
    )
    steps = rate_steps(records, lines, terms, worked)
    rows = _hours_by_day(records, about, terms, worked, steps)
    if not rows.height:
        return pl.DataFrame(schema=OBSERVED)
    rows = without_left(rows, leaving_lines(terms, about), "done", "expected")
    # An estimate is new where the hours are, not where their mix is another than planned.
    rows = at_weights(rows.with_columns(pl.col("expected").alias("told")), weighed_hours(records, lines, worked)[0])
    daily = summed(_valued(rows, steps), ["done", "expected", "told"])
    cannot = pl.col("expected") <= 0
    return daily.with_columns(
        # What was done is known all the same: a promise that starts anew does so from there (25-13(a)).
        pl.col("done").alias("to_date"),
        pl.when(cannot).then(wide(0)).otherwise(pl.max_horizontal("expected", "done")).alias("total"),
        wide(0).alias("at_cost"),
        pl.lit("hours").alias("basis"),
        reestimated("told").alias("is_reestimate"),
    )


@of_no("about")
def _hours_by_day(
    records: Records, about: pl.DataFrame, terms: pl.DataFrame, worked: pl.DataFrame, steps: pl.DataFrame
) -> pl.DataFrame:
    """Return by line and day what of its hours is known: done (so far), expected, value (so far), beside what `about` says of it."""
    stated = stated_estimates(terms, about, "estimated_hours", "expected").with_columns(whole_number("expected", HOURS))
    names = ("contract_line_id", "as_of_date", "hours_to_date", "estimated_total_hours", "evidence", "known_at")
    seen = records.frame("progress").select(names).join(about, on="contract_line_id", how="semi").select(
        "contract_line_id",
        pl.col("as_of_date").alias("date"),
        whole_number("hours_to_date", HOURS).alias("done"),
        # No hours at all is no estimate of work: the one before holds.
        whole_number(pl.when(pl.col("estimated_total_hours") != 0).then("estimated_total_hours"), HOURS).alias("expected"),
        "evidence",
        "known_at",
    )
    entries = worked.join(about, on="contract_line_id", how="semi")
    timed = (
        entries.group_by("contract_line_id", "date")
        .agg(
            whole_number("hours", HOURS).sum().alias("hours"),
            pl.col("value").sum(),
            pl.col("evidence").explode().drop_nulls().unique().sort(),
        )
        .sort("contract_line_id", "date")
        .with_columns(
            running(pl.col("hours"), "contract_line_id").alias("done"),
            running(pl.col("value"), "contract_line_id").alias("value"),
        )
    )
    # Approved time is what counts where there is any; hours told in a progress report stand in for it elsewhere.
    has_time = timed.select("contract_line_id").unique().with_columns(pl.lit(value=True).alias("has_time"))
    seen = seen.join(has_time, on="contract_line_id", how="left").with_columns(
        pl.when(pl.col("has_time").is_null()).then(pl.col("done")).alias("done")
    )
    ended = hours_at_end(records, about, terms, worked)
    rows = without_hours_after(pl.concat([stated, seen.drop("has_time"), timed.drop("hours")], how="diagonal"), ended, "expected")
    left = ended.select("contract_line_id", "date", whole_number("hours", HOURS).alias("expected"), "evidence")
    rows = pl.concat([rows, left], how="diagonal")
    rows = _with_rate_days(rows, steps).join(about, on="contract_line_id", how="inner")
    rows = rows.filter(pl.col("done").is_not_null() | pl.col("expected").is_not_null())
    return (
        rows.sort("contract_line_id", "date", "known_at", "done", nulls_last=False)
        .group_by(*about.columns, "date", maintain_order=True)
        .agg(*(pl.col(name).drop_nulls().last() for name in ("done", "expected", "value")), pl.col("evidence").explode().drop_nulls())
    )


def _valued(rows: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Return the hours of lines under a cap as their value, as far as the cap reaches."""
    rate = whole_number("unit_price", pl.Decimal(38, 10))
    # Hours have 8 places and prices 10: their product in millionths of money.
    priced = {name: pl.col(name) * rate // 10**12 for name in ("done", "expected")}
    rows, priced = _at_rates(_at_caps(rows, steps), priced, steps)
    # The value of time entries comes in units of the minor unit.
    worth = pl.col("value") // _micro_units()
    is_capped = pl.col("pricing") == "capped"
    valued = {"done": pl.coalesce(worth, priced["done"]), "expected": priced["expected"]}
    # Where nobody expected an overrun before the cap was reached, work beyond it is neither earned nor expected.
    cap = whole_number("cap_amount", MONEY)
    done, expected = (value.forward_fill().over("contract_line_id", order_by="date") for value in valued.values())
    ahead = ((expected > cap) & (done.fill_null(0) < cap)).fill_null(value=False)
    foreseen = ahead.cum_max().over("contract_line_id", order_by="date")
    limit = pl.when((pl.col("overrun") == "at_cap") & ~foreseen).then(cap)
    rows = rows.with_columns(
        pl.when(is_capped & value.is_not_null())
        .then(pl.min_horizontal(value, limit))
        .otherwise(pl.when(~is_capped).then(pl.col(name)))
        .alias(name)
        for name, value in valued.items()
    )
    return rows.with_columns(pl.when(is_capped).then("expected").otherwise("told").alias("told"))


def _with_rate_days(rows: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Return rows with one more on each day a line got another rate: the hours expected are worth something else from then on."""
    if not steps.height:
        return rows
    nothing = pl.lit([], dtype=OBSERVED["evidence"]).alias("evidence")
    days = steps.filter(pl.col("date").is_not_null()).select("contract_line_id", "date", nothing)
    every = pl.concat([rows, days], how="diagonal").sort("contract_line_id", "date", "done", nulls_last=False)
    is_changed = pl.col("contract_line_id").is_in(days["contract_line_id"].unique().implode())
    carried = pl.col("expected").forward_fill().over("contract_line_id", order_by="date")
    return every.with_columns(pl.when(is_changed).then(carried).otherwise("expected").alias("expected"))


def _at_caps(rows: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Return rows with the cap that holds on their day."""
    caps = steps.filter(pl.col("date").is_not_null()).sort("place").unique(["contract_line_id", "date"], keep="last", maintain_order=True)
    return with_cap(rows, caps.select("contract_line_id", "date", "cap"), "date")


def _at_rates(rows: pl.DataFrame, priced: dict[str, pl.Expr], steps: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, pl.Expr]]:
    """Return hours of lines that got another rate valued at the rate of each hour, in millionths of money; others as `priced`."""
    # Hours priced by tiers have steps of their cap alone.
    steps = steps.filter(pl.col("rate").is_not_null())
    if not steps.height:
        return rows, priced
    made = rows.with_row_index("row")
    for name in priced:
        hours = pl.col(name).cast(pl.Decimal(38, 0)).cast(HOURS) / pl.lit(10**8, dtype=HOURS)
        asked = made.filter(pl.col(name).is_not_null()).select(
            "row", "contract_line_id", "date", hours.alias("hours")
        )
        known = through_steps(asked, steps).filter(pl.col("through").is_not_null())
        worth = worth_by_rates(known, steps, is_capped=False).select("row", whole_number("value", MONEY).alias(f"{name}.worth"))
        made = made.join(worth, on="row", how="left", maintain_order="left")
    return made.drop("row"), {name: pl.coalesce(f"{name}.worth", value) for name, value in priced.items()}
