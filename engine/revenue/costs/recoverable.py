"""What a contract still brings above its cost: the most its cost assets may be worth (340-40-35-3 and 35-4)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.asof import latest, running
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.rounding import money, round_quotient, units
from engine.revenue.costs.remaining import Evidence, remaining_by_obligation, unconstrained

RECOVERABLE: Final[dict[str, pl.DataType]] = {
    "contract_id": pl.String(), "end_date": pl.Date(), "recoverable": MONEY, "margin": MONEY, "currency": pl.String(),
}  # fmt: skip
"""Columns of `recoverable_amounts`."""


def recoverable_amounts(
    judged: pl.DataFrame, contracts: pl.DataFrame, obligations: pl.DataFrame, performance: pl.DataFrame, lines: pl.DataFrame,
    price: pl.DataFrame, periods: pl.DataFrame, evidence: Evidence, as_of: pl.Expr,
) -> pl.DataFrame:  # fmt: skip
    """Return contract × period end of contracts with a cost asset: contract_id, end_date, recoverable, margin, currency.

    Price not yet recognized, without the constraint on variable amounts, with the renewals the benefit
    counts on, less the cost still to come. Null where a promise's cost to come is not known: nothing to test by. `margin`: the
    same over the contract's whole life, which tells whether expectations improved; null where the cost in all is not known.
    `judged`: the classified costs (their terms of benefit).
    """
    assets = judged.filter(pl.col("treatment") == "capitalize")
    longest = assets.group_by("contract_id").agg(
        pl.col("benefit_end").max(), pl.col("incurred_date").min(), pl.col("contract_start", "contract_end").first()
    )
    spans = periods.filter(pl.col("start_date") <= as_of).select("calendar", pl.min_horizontal(pl.col("end_date"), as_of).alias("end_date"))
    points = _points(contracts, longest, spans)
    if points.is_empty():
        return pl.DataFrame(schema=RECOVERABLE)
    prices = price.rename({"date": "end_date"}).sort("end_date")
    found = latest(points, prices, by=["contract_id"], on="end_date", columns=["transaction_price"])
    earned = performance.filter(~pl.col("is_planned")).rename({"posting_date": "end_date", "amount": "recognized"})
    found = running(found, earned, by=["contract_id"], on="end_date", columns=["recognized"])
    found = unconstrained(found, evidence.estimates, lines)
    found = found.join(_cost_left(points, obligations, performance, lines, evidence), on=["contract_id", "end_date"], how="left")
    left = pl.col("transaction_price") - pl.col("recognized") + pl.col("constrained_away")
    life = pl.col("transaction_price") + pl.col("constrained_away") - pl.col("total_cost")
    net = left + _renewed(life) - pl.col("remaining_cost")
    return found.select(
        "contract_id", "end_date", net.cast(MONEY).alias("recoverable"), (life + _renewed(life)).cast(MONEY).alias("margin"), "currency"
    )


def _points(contracts: pl.DataFrame, longest: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    terms = contracts.select("contract_id", "calendar", "currency")
    rows = terms.join(longest, on="contract_id", how="inner").join(spans, on="calendar", how="inner")
    return rows.filter(pl.col("end_date") >= pl.col("incurred_date")).with_columns(pl.lit("full").alias("cost_basis"))


def _cost_left(
    points: pl.DataFrame, obligations: pl.DataFrame, performance: pl.DataFrame, lines: pl.DataFrame, evidence: Evidence
) -> pl.DataFrame:
    """Return per contract and day the cost still to come and in all; null when any obligation's is not known."""
    own = obligations.filter(~pl.col("is_as_invoiced").fill_null(value=False)).select("contract_id", "obligation_id").unique()
    asked = points.select("contract_id", "end_date", "cost_basis").join(own, on="contract_id", how="inner")
    left = remaining_by_obligation(asked, obligations, performance, lines, evidence)
    known = pl.col("remaining_cost").is_not_null().all()
    total = pl.col("estimated_total_cost").is_not_null().all()
    return left.group_by("contract_id", "end_date").agg(
        pl.when(known).then(pl.col("remaining_cost").sum()).alias("remaining_cost"),
        pl.when(total).then(pl.col("estimated_total_cost").sum()).alias("total_cost"),
    )


def _renewed(margin: pl.Expr) -> pl.Expr:
    """Return the margin of the renewals that the benefit runs into, in proportion to the contract's days; never negative."""
    term = (pl.col("contract_end") - pl.col("contract_start")).dt.total_days() + 1
    beyond = pl.max_horizontal((pl.col("benefit_end") - pl.col("contract_end")).dt.total_days(), pl.lit(0))
    share = money(round_quotient(units(margin) * beyond.cast(pl.Int128), term.cast(pl.Int128)))
    return pl.max_horizontal(share.fill_null(ZERO), ZERO)
