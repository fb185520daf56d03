"""Output measures by acceptance and observation: milestones, observed percentages (606-10-55-17)."""

from __future__ import annotations

import polars as pl

from engine.acceptance import is_accepted
from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.exact import units_of_a_millionth
from engine.revenue.arithmetic.numbers import HUNDRED, whole_number, wide
from engine.revenue.ground.records import Records
from engine.revenue.progress.line_weights import amounts_since, weighed
from engine.revenue.progress.observed import of_measure


def milestones(records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return accepted milestones: their progress where they state it, else their amount over the line's, else the whole line."""
    chosen = of_measure(lines, "milestones")
    # A right to use passes when its period begins, however early the software was handed over (55-58C).
    at_once = (pl.col("timing") == "point_in_time") & (pl.col("offering") == "licence")
    about = chosen.select(
        "contract_line_id", "okey", "timing", pl.len().over("okey").alias("lines_of"), pl.when(at_once).then("begins").alias("not_before")
    )
    accepted = records.frame("milestone").filter(is_accepted() & pl.col("accepted_date").is_not_null())
    accepted = accepted.join(about, on="contract_line_id", how="inner").with_columns(
        pl.col("progress_pct").is_not_null().any().over("contract_line_id").alias("by_percent"),
        pl.col("amount").is_not_null().any().over("contract_line_id").alias("by_amount"),
    )
    accepted = accepted.with_columns(pl.max_horizontal("accepted_date", "not_before").alias("date"))
    amounts = amounts_since(terms.join(accepted.select("contract_line_id").unique(), on="contract_line_id", how="semi"))
    accepted = _measured_by(_with_new_amounts(accepted, amounts), records, amounts)
    daily = (
        accepted.group_by("okey", "contract_line_id", "date")
        .agg(
            pl.col("done").sum(),
            pl.col("total").max(),
            pl.col("lines_of").first(),
            pl.col("timing").first(),
            (pl.col("by_amount") & ~pl.col("by_percent")).first().alias("in_money"),
            pl.col("evidence").explode().drop_nulls().unique().sort(),
        )
        .sort("contract_line_id", "date")
    )
    reached = daily.with_columns(pl.col("done").cum_sum().over("contract_line_id", order_by="date")).with_columns(
        pl.min_horizontal("done", "total").alias("done")
    )
    basis = pl.when(pl.col("timing") == "point_in_time").then(pl.lit("acceptance")).otherwise(pl.lit("milestones"))
    return weighed(reached, chosen, basis, terms)


def _with_new_amounts(accepted: pl.DataFrame, amounts: pl.DataFrame) -> pl.DataFrame:
    """Add to milestones measured by amount the days on which the line's amount changes: nothing more is done on them."""
    by_amount = accepted.filter(pl.col("by_amount") & ~pl.col("by_percent")).unique("contract_line_id", keep="first", maintain_order=True)
    changes = amounts.filter(pl.col("since") > pl.date(1, 1, 1)).select("contract_line_id", pl.col("since").alias("date"))
    days = by_amount.drop("date").join(changes, on="contract_line_id", how="inner")
    idle = days.with_columns(pl.lit(0).cast(accepted.schema["amount"]).alias("amount")).select(accepted.columns)
    return pl.concat([accepted, idle])


def _measured_by(accepted: pl.DataFrame, records: Records, amounts: pl.DataFrame) -> pl.DataFrame:
    """Add what each accepted milestone is of its line: `done` of `total`, by percent, by amount, or all of it."""
    planned = (
        records.frame("milestone")
        .filter(pl.col("amount").is_not_null())
        .group_by("contract_line_id")
        .agg(pl.col("amount").sum().alias("planned"))
    )
    accepted = accepted.sort("date").join_asof(amounts, left_on="date", right_on="since", by="contract_line_id", check_sortedness=False)
    accepted = accepted.join(planned, on="contract_line_id", how="left", maintain_order="left")
    whole = pl.when(pl.col("gross") > 0).then(pl.col("gross"))
    # Units of the minor unit to micros of the currency, cents and all.
    factor = units_of_a_millionth()
    line_amount = pl.coalesce(whole // factor, whole_number("planned", MONEY))
    # Among percentages a milestone that states an amount alone counts as that part of the line.
    of_line = whole_number("amount", MONEY) * HUNDRED // pl.max_horizontal(line_amount, wide(1))
    done = (
        pl.when("by_percent")
        .then(pl.coalesce(whole_number("progress_pct", pl.Decimal(38, 8)), of_line))
        .when("by_amount")
        .then(whole_number("amount", MONEY))
        .otherwise(wide(1))
    )
    total = (
        pl.when("by_percent").then(wide(HUNDRED)).when("by_amount").then(pl.max_horizontal(line_amount, wide(1))).otherwise(wide(1))
    )
    return accepted.with_columns(done.alias("done"), total.alias("total"))


def observed_percent(records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return progress as somebody observed it, in percent."""
    chosen = of_measure(lines, "observed")
    about = chosen.select("contract_line_id", "okey", "timing")
    seen = records.frame("progress").filter(pl.col("percent_complete").is_not_null()).join(about, on="contract_line_id", how="inner")
    # Lines that nobody observes do not hold the others back.
    watched = seen.select("okey", "contract_line_id").unique().group_by("okey").agg(pl.len().cast(pl.UInt32).alias("lines_of"))
    reached = (
        seen.join(watched, on="okey", how="left")
        .sort("contract_line_id", "as_of_date", "known_at", "percent_complete", nulls_last=False)
        .unique(["contract_line_id", "as_of_date"], keep="last", maintain_order=True)
        .select(
            "okey",
            "contract_line_id",
            pl.col("as_of_date").alias("date"),
            pl.min_horizontal(whole_number("percent_complete", pl.Decimal(38, 8)), wide(HUNDRED)).alias("done"),
            wide(HUNDRED).alias("total"),
            "lines_of",
            "timing",
            pl.lit(value=False).alias("in_money"),
            "evidence",
        )
    )
    kept = chosen.join(seen.select("contract_line_id").unique(), on="contract_line_id", how="semi")
    return weighed(reached, kept, pl.lit("observed"), terms)
