"""Output measures by acceptance and observation: milestones, observed percentages (606-10-55-17)."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.exact import units_of_a_millionth
from engine.revenue.arithmetic.numbers import HUNDRED, whole_number, wide
from engine.revenue.arithmetic.runs import carried
from engine.revenue.ground.records import Records
from engine.revenue.progress.observed import OBSERVED, of_measure, summed


def milestones(records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return accepted milestones: their progress where they state it, else their amount over the line's, else the whole line."""
    chosen = of_measure(lines, "milestones")
    # A right to use passes when its period begins, however early the software was handed over (55-58C).
    at_once = (pl.col("timing") == "point_in_time") & (pl.col("offering") == "licence")
    about = chosen.select(
        "contract_line_id", "okey", "timing", pl.len().over("okey").alias("lines_of"), pl.when(at_once).then("begins").alias("not_before")
    )
    accepted = records.frame("milestone").filter((pl.col("status") == "accepted") & pl.col("accepted_date").is_not_null())
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
            pl.col("evidence").explode().drop_nulls().unique().sort(),
        )
        .sort("contract_line_id", "date")
    )
    reached = daily.with_columns(pl.col("done").cum_sum().over("contract_line_id", order_by="date")).with_columns(
        pl.min_horizontal("done", "total").alias("done")
    )
    basis = pl.when(pl.col("timing") == "point_in_time").then(pl.lit("acceptance")).otherwise(pl.lit("milestones"))
    return _weighed(reached, chosen, basis, terms)


def amounts_since(terms: pl.DataFrame) -> pl.DataFrame:
    """Return what lines amount to from each day on: contract_line_id, since, gross, minor_digits; sorted by day."""
    return stated_since(terms.filter(pl.col("gross").is_not_null()), "gross", "minor_digits")


def stated_since(stated: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Return what the steps of lines state from each day on: contract_line_id, since (the first: from ever), `names`; sorted by day."""
    first = pl.col("place") == pl.col("place").min().over("contract_line_id")
    since = pl.when(first).then(pl.date(1, 1, 1)).otherwise("event_date")
    dated = stated.sort("place").select("contract_line_id", since.alias("since"), *names)
    return dated.unique(["contract_line_id", "since"], keep="last", maintain_order=True).sort("since")


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


def _weighed(reached: pl.DataFrame, chosen: pl.DataFrame, basis: pl.Expr, terms: pl.DataFrame) -> pl.DataFrame:
    """Return obligations' progress from lines' fractions (`done` / `total`): of several lines, weighed by their amounts."""
    single = reached.filter(pl.col("lines_of") == 1).with_columns(
        pl.col("done").alias("to_date"), wide(0).alias("at_cost"), pl.lit(value=False).alias("is_reestimate"), basis.alias("basis")
    )
    several = reached.filter(pl.col("lines_of") > 1)
    if not several.height:
        return single
    weights = chosen.select("contract_line_id", "okey", whole_number("amount", MONEY).abs().alias("weight"))
    weights = weights.with_columns(
        pl.when(pl.col("weight").sum().over("okey") > 0).then(pl.col("weight").fill_null(0)).otherwise(wide(10**6)).alias("weight"),
        pl.lit(dt.date.min).alias("since"),
    )
    moved = _weights_moved(terms, weights)
    daily = _at_weights(several, pl.concat([weights.join(moved, on="contract_line_id", how="anti"), moved]).sort("since"))
    kept = several.select("okey", "timing").unique("okey", keep="first")
    made = daily.join(kept, on="okey", how="left").with_columns(
        pl.col("done").alias("to_date"),
        pl.max_horizontal("weight", wide(1)).alias("total"),
        wide(0).alias("at_cost"),
        pl.lit(value=False).alias("is_reestimate"),
        basis.alias("basis"),
    )
    return pl.concat([single.select(list(OBSERVED)), made.select(list(OBSERVED))])


def _weights_moved(terms: pl.DataFrame, weights: pl.DataFrame) -> pl.DataFrame:
    """Return the weights by day of the lines of obligations whose amounts a change that catches up moves (25-13(b)); as `weights`.

    What a distinct change adds has a progress of its own, which nobody tells: there the weights stay those of the signature.
    """
    own = terms.drop("okey").join(weights.select("contract_line_id", "okey", pl.col("weight").alias("→signed")), on="contract_line_id")
    moves = (pl.col("action") == "change") & (pl.col("gross") != pl.col("before.gross"))
    apart = moves & pl.col("remaining_is_distinct").fill_null(value=False)
    asked = own.filter((moves.any() & ~apart.any()).over("okey"))
    made = stated_since(asked.filter(pl.col("gross").is_not_null()), "gross", "minor_digits", "okey")
    units = units_of_a_millionth()
    return made.select("contract_line_id", "okey", (pl.col("gross").abs() // units).alias("weight"), "since")


def _at_weights(reached: pl.DataFrame, weights: pl.DataFrame) -> pl.DataFrame:
    """Return per obligation and day what its lines have done of what they weigh that day (`weights`: by line, since a day)."""
    names, key = ["okey", "contract_line_id", "date"], "contract_line_id"
    first = reached.group_by("okey").agg(pl.col("date").min().alias("→first"))
    days = weights.join(first, on="okey", how="inner").select("okey", key, pl.max_horizontal("since", "→first").alias("date")).unique()
    days = days.join(reached, on=names, how="anti").with_columns(pl.lit([], dtype=OBSERVED["evidence"]).alias("evidence"))
    rows = pl.concat([reached.select(*names, "done", "total", "evidence"), days], how="diagonal").sort(key, "date")
    rows = rows.with_columns(carried(pl.col(name), key).alias(name) for name in ("done", "total"))
    rows = rows.sort("date").join_asof(
        weights.select(key, "since", "weight"), left_on="date", right_on="since", by=key, check_sortedness=False
    )
    part = pl.col("weight") * pl.col("done").fill_null(0) // pl.col("total").fill_null(1)
    return summed(rows.with_columns(part.alias("done")), ["done", "weight"])


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
            "evidence",
        )
    )
    kept = chosen.join(seen.select("contract_line_id").unique(), on="contract_line_id", how="semi")
    return _weighed(reached, kept, pl.lit("observed"), terms)
