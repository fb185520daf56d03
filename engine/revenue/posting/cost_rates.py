"""Costs in other currencies: a cost asset at the rate it came in at, costs of delivery at the rate of their day, what has no rate."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.minor_units import minor_digits
from engine.nothing import of_nothing
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.ground.frames import TEXT
from engine.revenue.ground.rates import translated, with_rate

_FLOWS: Final = ("capitalized", "at_once", "expense")

_TARGETS: Final = (("→functional_currency", "→value"), ("→currency", "→into"))


def at_cost_rates(costs: pl.DataFrame, contracts: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """Return costs in their contract's currency with `functional_<flow>`: an asset keeps the rate of when it was incurred (830-10-45-18).

    A cost asset is not monetary (IAS 21.23): what is amortized or written down leaves at the rate it came in at. Functional amounts are
    null in the entity's own currency throughout; a flow that no rate brings into the contract's currency is null.
    """
    rows = _since(costs, contracts)
    own = pl.col("→functional_currency")
    if not rows.select(((pl.col("currency") != own) | (pl.col("→currency") != own)).any()).item():
        return costs.with_columns(pl.lit(None, dtype=MONEY).alias(f"functional_{name}") for name in _FLOWS)
    rows = _rated(rows, rates)

    def at(rate: str, name: str, digits: pl.Expr) -> pl.Expr:
        # Rounded on what it comes to so far, so that what leaves is what came in.
        through = pl.col(name).cum_sum().over("cost_id", order_by="end_date")
        return (translated(through, rate, digits) - translated(through - pl.col(name), rate, digits)).cast(MONEY)

    rows = rows.with_columns(
        *(at("→value", name, minor_digits(own)).alias(f"functional_{name}") for name in _FLOWS),
        *(at("→into", name, minor_digits(pl.col("→currency"))).alias(name) for name in _FLOWS),
    )
    return rows.select(*costs.columns, *(f"functional_{name}" for name in _FLOWS))


def _since(costs: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Add the day each cost came in (`→since`) and its contract's currencies."""
    texts = contracts.select("contract_id", *(pl.col(name).cast(TEXT).alias(f"→{name}") for name in ("currency", "functional_currency")))
    rows = costs.with_columns(pl.col("end_date").min().over("cost_id").alias("→since"))
    return rows.join(texts, on="contract_id", how="left", maintain_order="left")


def _rated(rows: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    for target, rate in _TARGETS:
        asked = rows.select("currency", pl.col(target).alias("functional_currency"), "→since")
        rows = rows.with_columns(with_rate(asked, rates, day="→since", kind="average", name=rate)[rate])
    return rows


@of_nothing
def unrated_costs(costs: pl.DataFrame, contracts: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every cost asset without a rate into its contract's currency or its entity's.

    `costs`: contract_costs of the books.
    """
    first = costs.sort("end_date").unique("cost_id", keep="first", maintain_order=True)
    rows = _rated(_since(first, contracts), rates).filter(pl.col("→value").is_null() | pl.col("→into").is_null())
    has_none = pl.col("→into").is_null()
    target = pl.when(has_none).then("→currency").otherwise("→functional_currency")
    what = pl.when(has_none).then(pl.lit("nothing of it is posted")).otherwise(pl.lit("it is posted without a functional amount"))
    text = "No rate from {} to {} is known on {} for cost {} of contract {}: {}."
    message = pl.format(text, "currency", target, pl.col("→since").cast(TEXT), "cost_id", "contract_id", what)
    remedy = "Supply the exchange rate, or correct the currency of the cost."
    return rows.sort("cost_id").select(
        *finding_columns("exchange_rate_missing", "high", "contract_cost", message, remedy, "controller"),
        pl.col("cost_id").alias("entity_id"), "contract_id", "currency", pl.col("→since").alias("since"),
        (pl.col("capitalized") + pl.col("expensed")).cast(MONEY).alias("amount_at_risk"), "evidence",
    )  # fmt: skip


def unrated_delivery(costs: pl.DataFrame) -> pl.DataFrame:
    """Return a finding per contract and currency in which cost of delivery has no rate (`balances.costs_of_delivery`)."""
    lost = costs.filter(pl.col("cost").is_null() & pl.col("stated_currency").is_not_null())
    rows = lost.group_by("contract_id", "stated_currency").agg(pl.col("date").min())
    text = "No rate from {} into the currency of contract {} is known on {}: cost of delivery in it stands in no margin."
    message = pl.format(text, "stated_currency", "contract_id", pl.col("date").cast(TEXT))
    remedy = "Supply the exchange rate, or correct the currency of the cost."
    return rows.sort("contract_id", "stated_currency").select(
        *finding_columns("exchange_rate_missing", "medium", "contract", message, remedy, "controller"),
        pl.col("contract_id").alias("entity_id"), "contract_id", pl.col("stated_currency").alias("currency"), pl.col("date").alias("since"),
    )  # fmt: skip
