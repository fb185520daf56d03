"""Obligations as states: what each is when it begins, as signed or added, and what dates and posts its revenue."""

from __future__ import annotations

import polars as pl

from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import COEFFICIENT
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.ground.frames import setting
from engine.revenue.ground.records import Records
from engine.revenue.modifications.evolve import CHOICES, NUMBERS
from engine.revenue.modifications.exercised import RIGHTS
from engine.revenue.modifications.happenings import option_parts, shared_levels, starting_levels
from engine.revenue.price.bearing import POOLED
from engine.revenue.progress.measured import TERM


def obligation_terms(lines: pl.DataFrame) -> pl.DataFrame:
    """Return by obligation how it is treated: of its lines that are measured and priced the one of the first `rank` decides."""
    first = (
        lines.sort("okey", "is_as_invoiced", pl.col("pricing") == "usage", "rank", "contract_line_id")
        .group_by("okey", maintain_order=True)
        .agg(
            pl.col(
                "measure",
                "timing",
                "convention",
                "anchor_day",
                "service_start_at",
                "service_end_at",
                "calendar",
                "decimals",
                "owner",
                "reallocation",
                "mixed",
                "minor_digits",
                "rounding_mode",
                "offering",
                "rule",
                "schedule",
                "role",
                "commission_pct",
            ).first(),
            pl.col("begins").min(),
            pl.col("ends").max(),
            pl.col("is_as_invoiced").all(),
            pl.col("loss_scope").any(),
            pl.col("contract_line_id").first().alias("line_id"),
            pl.col("repurchase_kind").is_not_null().any().alias("is_repurchase"),
            pl.col("pricing").eq("usage").any().alias("has_usage"),
        )
    )
    # What is fixed beside priced use is there to be used all the time.
    by_time = (pl.col("measure") == "usage") & pl.col("has_usage")
    return first.with_columns(
        pl.when(by_time).then(pl.lit("time_elapsed")).otherwise(pl.col("measure")).alias("measure"),
        (pl.col("rounding_mode") == "half_even").alias("half_even"),
    )


def initial_levels(lines: pl.DataFrame, start: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
    """Return by obligation as signed what variable amounts put into the price from the start (`inception`).

    `has_whole`: an amount of the whole contract is in its price, now or later.
    """
    keys = lines.filter(pl.col("added_place") == 0).select("okey", "group_id").unique()
    made = keys.join(starting_levels(start, added=False), on=["okey", "group_id"], how="left")
    made = made.join(shared_levels(start), on="group_id", how="left")
    made = made.with_columns(pl.col(name).fill_null(0) for name in ("own", "own_variable", "shared", "shared_variable"))
    whole = pl.concat([frame.filter(pl.col("okey").is_null()).select("group_id") for frame in (start, later)])["group_id"].unique()
    return made.with_columns(pl.col("group_id").is_in(whole.implode()).alias("has_whole"))


def states_as_signed(obligations: pl.DataFrame, lines: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return the allocated obligations of contracts as signed as states (`evolve`): nothing of them is earned yet."""
    signed = contracts.group_by("group_id").agg(pl.col("signed_date").max().alias("signed_on"))
    untranslated = lines.filter("lacks_rate").select("group_id", pl.lit("exchange_rate_missing").alias("lacks")).unique()
    made = (
        obligations.drop("method", "evidence", "weight")
        .join(untranslated, on="group_id", how="left")
        .join(obligation_terms(lines), on="okey", how="left")
        .join(signed, on="group_id", how="left")
    )
    zero = wide(0)
    return made.with_columns(
        zero.alias("m0"),
        zero.alias("u0"),
        zero.alias("w_base"),
        zero.alias("own_base"),
        zero.alias("held"),
        wide(COEFFICIENT).alias("own_rem"),
        pl.col("stated").fill_null(0).alias("unserved"),
        pl.coalesce("lacks", "problem", pl.when("is_repurchase").then(pl.lit("repurchase_review"))).alias("problem"),
        pl.lit(None, dtype=pl.String).alias("apart"),
    ).select("okey", "group_id", "contract_id", "obligation_id", "line_id", "signed_on", *CHOICES, *NUMBERS, *TERM)


@of_nothing
def added_states(
    changes: pl.DataFrame, splits: pl.DataFrame, lines: pl.DataFrame, start: pl.DataFrame, records: Records, states: pl.DataFrame
) -> pl.DataFrame:
    """Return new obligations that amendments bring, as states with what their price is made of."""
    own = starting_levels(start, added=True).drop("group_id")
    terms = obligation_terms(lines)
    fresh = changes.filter((pl.col("action") == "add") & ~pl.col("okey").is_in(states["okey"].implode()))
    fresh = fresh.join(
        lines.select("contract_line_id", pl.col("pricing").is_in(list(POOLED)).alias("is_pooled")), on="contract_line_id", how="left"
    )
    kind = pl.when((pl.col("kind") == "exercise").any()).then(pl.lit("exercise")).otherwise(pl.col("kind").first())
    # A line may be bought under several options.
    right = pl.struct(pl.col("option_okey").alias("right"), "part", "whole", "turn").cast(RIGHTS.inner)
    bought = option_parts(records, lines).group_by("contract_line_id").agg(right.alias("rights"))
    fresh = fresh.join(bought, on="contract_line_id", how="left")
    rows = (
        fresh.sort("place", "contract_line_id")
        .group_by("okey", maintain_order=True)
        .agg(
            pl.col("group_id", "contract_id", "obligation_id", "place").first(),
            pl.col("rights").explode().drop_nulls(),
            kind.alias("kind"),
            pl.when((pl.col("kind") == "separate").all()).then(pl.col("amendment_id").first()).alias("apart"),
            pl.col("price_change").sum(),
            pl.col("is_pooled").any(),
            pl.when(pl.col("ssp_change").is_not_null().any()).then(pl.col("ssp_change").sum()).alias("ssp"),
            pl.when(pl.col("gross").is_not_null().any()).then(pl.col("pooled").sum()).alias("stated"),
        )
    )
    rows = rows.join(terms, on="okey", how="left").join(own, on="okey", how="left")
    return pl.concat([rows, _split_off(splits, terms)], how="diagonal").with_columns(
        pl.col("own").fill_null(0),
        pl.col("own_variable").fill_null(0),
        wide(0).alias("w_rem"),
        pl.when("is_repurchase").then(pl.lit("repurchase_review")).alias("problem"),
    )


def _split_off(splits: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return contracts of their own on lines that run already: treated as the line is, in the term that the change adds, told with it."""
    return (
        splits.select(
            pl.col("new_okey").alias("okey"),
            pl.col("okey").alias("from_okey"),
            "group_id",
            "contract_id",
            pl.col("contract_line_id").alias("line_id.own"),
            pl.col("new_obligation").alias("obligation_id"),
            "place",
            pl.col("kind").replace("renewal", "separate"),
            "price_change",
            pl.col("ssp_change").alias("ssp"),
            pl.col("price_change").alias("stated"),
            pl.lit(value=True).alias("is_pooled"),
            pl.when((pl.col("measure") == "time_elapsed") | (pl.col("offering") == "licence"))
            .then(pl.col("before.end_date").dt.offset_by("1d"))
            .alias("begins.own"),
            pl.col("end_date").alias("ends.own"),
        )
        .join(terms, left_on="from_okey", right_on="okey", how="left")
        .with_columns(pl.coalesce(f"{name}.own", name).alias(name) for name in ("begins", "ends", "line_id"))
        .drop("begins.own", "ends.own", "line_id.own", "from_okey")
    )


def about_obligations(
    states: pl.DataFrame, added: pl.DataFrame, signed: pl.DataFrame, contracts: pl.DataFrame
) -> pl.DataFrame:
    """Return per obligation what dates and posts its revenue; what is held has no gate date.

    `signed`: of `allocation.inception`, which says by which `method` each has its share; what is added later has one by standalone prices.
    """
    names = ["okey", "group_id", "contract_id", "obligation_id", "timing", "half_even", "minor_digits", "problem", "line_id", "measure"]
    both = pl.concat([states.select(*names, "opened_on", "opened", "runs_on"), added.select(names)], how="diagonal")
    head = contracts.select("contract_id", "calendar", "gate_date", "lost_date", setting("rounding.schedule").alias("schedule"))
    made = both.join(head, on="contract_id", how="left").join(signed.select("okey", "method"), on="okey", how="left")
    made = made.with_columns(pl.col("opened").fill_null(0), pl.col("method").fill_null("relative_ssp"))
    return made.with_columns(pl.when(pl.col("problem").is_null()).then(pl.col("gate_date")).alias("gate_date"))
