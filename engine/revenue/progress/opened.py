"""Progress of promises taken over whose work of before is not on record: what was recognized tells how far they had come."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.revenue.arithmetic.exact import COEFFICIENT, money_units, part_units
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.ground.records import Records
from engine.revenue.progress.observed import OBSERVED

_MEASURES: Final = ("cost_to_cost", "cost_recovery", "hours", "units", "milestones", "observed")
_REPORTED: Final = ("percent_complete", "cost_to_date", "hours_to_date", "units_delivered")
# A measure of so few steps is counted in finer ones, so that any part of it can be told.
_FINE: Final = 10**9


def with_taken_over(
    observed: pl.DataFrame, openings: pl.DataFrame, lines: pl.DataFrame, records: Records, worked: pl.DataFrame
) -> pl.DataFrame:
    """Return observations with one on the day a promise was taken over, where none tells what was done by then.

    606-10-25-31: it had come as far as the part of its price that was recognized. Reports of later days tell all that was done; hours,
    use and milestones on record since then come on top of it.
    """
    if not openings.height or not observed.height:
        return observed
    positions = _positions(openings, lines, records, worked)
    found = observed.join(positions, on="okey", how="inner", maintain_order="left")
    by_then = pl.col("date") <= pl.col("→opened")
    is_done = (by_then & ((pl.col("to_date") > 0) | (pl.col("at_cost") > 0))).any().over("okey")
    found = _in_fine_steps(found.filter(~is_done).sort("okey", "date"))
    if not found.height:
        return observed
    known = by_then & (pl.col("basis") != "cost_recovery")
    whole = found.filter(known | ~by_then).group_by("okey", maintain_order=True).agg(
        pl.coalesce(pl.col("total").filter(known).last(), pl.col("total").first()).alias("→total"),
        pl.coalesce(pl.col("basis").filter(known).last(), pl.col("basis").first()).alias("→basis"),
    )  # fmt: skip
    found = found.join(whole, on="okey", how="inner", maintain_order="left")
    recovers = pl.col("→basis") == "cost_recovery"
    done = pl.when(recovers).then(wide(0)).otherwise(part_units(pl.col("→total"), pl.col("→part"), wide(COEFFICIENT)))
    found = found.with_columns(done.alias("→done"))
    opened = found.unique("okey", keep="first", maintain_order=True).select(
        "okey", pl.col("→opened").alias("date"), pl.col("→done").alias("to_date"), pl.col("→total").alias("total"),
        pl.when(recovers).then("→recognized").otherwise(wide(0)).alias("at_cost"), pl.lit(value=False).alias("is_reestimate"),
        pl.col("→basis").alias("basis"), pl.col("→evidence").alias("evidence"),
    )  # fmt: skip
    on_top = pl.min_horizontal(pl.col("to_date") + pl.col("→done"), "total")
    later = found.filter(pl.col("date") != pl.col("→opened")).with_columns(
        pl.when(pl.col("→is_on_top") & ~by_then).then(on_top).otherwise("to_date").alias("to_date")
    )
    rest = observed.join(opened, on="okey", how="anti", maintain_order="left")
    return pl.concat([rest, later.select(list(OBSERVED)), opened.select(list(OBSERVED))]).sort("okey", "date")


def _positions(openings: pl.DataFrame, lines: pl.DataFrame, records: Records, worked: pl.DataFrame) -> pl.DataFrame:
    """Return promises taken over that nobody reported on by then: okey, →opened, →recognized (units), →part of the price, →is_on_top."""
    own = lines.filter(pl.col("measure").is_in(list(_MEASURES)) & ~pl.col("is_as_invoiced"))
    own = own.select("contract_line_id", "okey", "minor_digits", "measure")
    digits = pl.col("minor_digits")
    sums = openings.join(own, on="contract_line_id", how="inner").group_by("okey").agg(
        pl.col("opened_on").max().alias("→opened"),
        money_units(pl.col("recognized_amount").fill_null(0), digits).sum().alias("→recognized"),
        money_units(pl.col("allocated_amount"), digits).sum().alias("→allocated"),
        pl.col("evidence").explode().drop_nulls().unique().sort().alias("→evidence"),
    )
    is_part = (pl.col("→recognized") * pl.col("→allocated").sign() > 0) & (pl.col("→recognized").abs() <= pl.col("→allocated").abs())
    sums = sums.filter(is_part)
    told = records.frame("progress").filter(pl.any_horizontal(pl.col(_REPORTED).is_not_null()))
    told = told.join(own, on="contract_line_id", how="inner").join(sums.select("okey", "→opened"), on="okey", how="inner")
    on_top = _on_top(own, told, records, worked)
    # A report by then says what was done, unless the measure is of what happened and passes over reports.
    early = told.filter(pl.col("as_of_date") <= pl.col("→opened")).join(on_top, on="okey", how="anti")
    return sums.join(early, on="okey", how="anti").with_columns(
        part_units(wide(COEFFICIENT), pl.col("→recognized").abs(), pl.col("→allocated").abs()).alias("→part"),
        pl.col("okey").is_in(on_top["okey"].implode()).alias("→is_on_top"),
    ).drop("→allocated")


def _on_top(own: pl.DataFrame, told: pl.DataFrame, records: Records, worked: pl.DataFrame) -> pl.DataFrame:
    """Return the promises (okey) whose measure is summed over what happened, so that it lacks what was done before."""
    used = records.frame("usage").filter(pl.col("quantity").is_not_null()).select("contract_line_id")
    happened = pl.concat([used, worked.select("contract_line_id")]).unique()
    counted = told.filter(pl.col("units_delivered").is_not_null())
    summed = own.join(happened, on="contract_line_id", how="semi").filter(pl.col("measure").is_in(["hours", "units"]))
    return pl.concat([
        own.filter(pl.col("measure") == "milestones").select("okey"),
        summed.join(counted, on="okey", how="anti").select("okey"),
    ]).unique()  # fmt: skip


def _in_fine_steps(rows: pl.DataFrame) -> pl.DataFrame:
    factor = pl.when(pl.col("total").max().over("okey") < _FINE).then(wide(_FINE)).otherwise(wide(1))
    return rows.with_columns((pl.col(name) * factor).alias(name) for name in ("to_date", "total"))
