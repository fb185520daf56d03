"""What every amendment did, by line, as the output `modifications` tells it."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.revenue.arithmetic.exact import GUARD, units_money
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.core import Core
from engine.revenue.ground.frames import MODIFICATIONS, empty, shaped
from engine.revenue.modifications.splits import adds_apart, key_apart

_RULES: Final = {
    "separate": "606-10-25-12",
    "widen": "606-10-25-12",
    "exercise": "606-10-55-42",
    "renewal": "606-10-55-58C",
    "prospective": "606-10-25-13(a)",
    "remove": "606-10-25-13(a)",
    "catch_up": "606-10-25-13(b)",
    "terminate": "606-10-25-10",
}
_TREATMENTS: Final = {
    "separate": "separate_contract",
    "widen": "separate_contract",
    "exercise": "separate_contract",
    "prospective": "prospective",
    "remove": "prospective",
    "catch_up": "cumulative_catch_up",
    "terminate": "termination",
}


def modifications_told(core: Core) -> pl.DataFrame:
    """Return what every amendment did, by line (`frames.MODIFICATIONS`); of those a contract began with, what they changed."""
    about = core.lines.select("contract_line_id", "obligation_id").unique("contract_line_id")
    folded = core.folded.join(about, on="contract_line_id", how="left").join(
        core.contracts.select("contract_id", "currency"), on="contract_id", how="left"
    )
    made = pl.concat([shaped(folded, MODIFICATIONS), _events(core)])
    return made.sort("contract_id", "effective_date", "amendment_id", "contract_line_id")


def _events(core: Core) -> pl.DataFrame:
    """Return what every modification did, by line."""
    if not core.evolved.modifications:
        return empty(MODIFICATIONS)
    rows = _by_changed_line(core)
    kind = pl.coalesce("line_kind", "kind", pl.lit("prospective"))
    treatment = (
        pl.when(pl.col("→ends"))
        .then(pl.lit("termination"))
        .when(pl.col("→behind") & pl.col("→ahead"))
        .then(pl.lit("mixed"))
        .otherwise(kind.replace_strict(_TREATMENTS, default="prospective"))
    )
    # What is finished goes on in the segment it had, all of it earned.
    over = ~pl.col("is_anew") & ~pl.col("is_new") & (pl.col("kind") == "prospective").fill_null(value=False)
    # What a promise catches up leaves the pool at once, however it is measured from then on.
    caught = (pl.col("kind") == "catch_up").fill_null(value=False) | over | (pl.col("by_price") + pl.col("by_progress") != 0)
    # Where revenue as posted tells what is left after, it does before: the change moves the pool by the price less what is caught up.
    after = _left(caught, pl.col("price") - pl.col("minor.after") * GUARD, pl.col("price") - pl.col("base"))
    earlier = _left(caught, pl.col("unposted_before"), pl.col("pool_before"))
    digits = pl.col("minor_digits")

    def money(value: pl.Expr) -> pl.Expr:
        return units_money(pl.when(pl.col("→first")).then(value).otherwise(wide(0)), digits)

    return shaped(
        rows.with_columns(
            pl.col("date").alias("effective_date"),
            treatment.alias("treatment"),
            money(earlier).alias("pool_before"),
            money(after).alias("pool_after"),
            money((pl.col("by_price") + pl.col("by_progress")) * GUARD).alias("catch_up_amount"),
            money(pl.col("by_price") * GUARD).alias("catch_up_price"),
            money(pl.col("by_progress") * GUARD).alias("catch_up_progress"),
            money(pl.col("price_change")).alias("price_change"),
            kind.replace_strict(_RULES, default="606-10-25-13(a)").alias("rule"),
            pl.coalesce("evidence", "amendment_evidence").alias("evidence"),
        ).join(core.contracts.select("contract_id", "currency"), on="contract_id", how="left"),
        MODIFICATIONS,
    )


def _left(caught: pl.Expr, unposted: pl.Expr, exact: pl.Expr) -> pl.Expr:
    """Return what is left of a price: what posted revenue leaves of it where that is caught up, or differs by rounding alone.

    Of a price in whole minor units what is posted and what is left are the price together.
    """
    of_rounding = ((unposted - exact).abs() < GUARD) & (unposted % GUARD == 0)
    return pl.when(caught | of_rounding).then(unposted).otherwise(exact)


def _by_changed_line(core: Core) -> pl.DataFrame:
    """Return what events did to obligations by the lines that changed; figures are told with the first of them (`→first`).

    Of each amendment: whether a line of it catches up (`→behind`), one goes on from there (`→ahead`), the contract ends (`→ends`).
    """
    made = pl.concat(core.evolved.modifications).join(
        core.obligations.select("okey", "contract_id", "obligation_id", "minor_digits", "line_id"), on="okey", how="inner"
    )
    touched = core.changes.with_columns(
        pl.when(adds_apart()).then(key_apart()).otherwise(pl.col("okey")).alias("okey")
    ).select(
        "okey", "amendment_id", "contract_line_id", "evidence", "amendment_evidence", "ends_contract", pl.col("kind").alias("line_kind")
    )
    rows = made.join(touched, on=["okey", "amendment_id"], how="left").with_columns(
        pl.coalesce("contract_line_id", "line_id").alias("contract_line_id")
    )
    rows = rows.sort("amendment_id", "okey", "contract_line_id").with_columns(
        (pl.int_range(pl.len()).over("amendment_id", "okey") == 0).alias("→first")
    )
    kinds = touched.group_by("amendment_id").agg(
        (pl.col("line_kind") == "catch_up").any().alias("→behind"),
        pl.col("line_kind").is_in(["prospective", "remove", "renewal"]).any().alias("→ahead"),
        pl.col("ends_contract").any().alias("→ends"),
        pl.col("amendment_evidence").first(),
    )
    return rows.join(kinds, on="amendment_id", how="left", suffix=".all")
