"""What loss provisions of contracts in another currency are worth: monetary, remeasured at closing (830-20-35-1, IAS 21.16, 21.23)."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import MONEY
from engine.minor_units import minor_digits
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.ground.rates import translated, with_rate


def with_functional(provisions: pl.DataFrame, contracts: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """Add `functional_change`, at the average of the period, and `exchange`: what the provision at closing rises by beyond that.

    A provision is a measure of its day: it stands at the closing rate of the period, so that one used up leaves nothing. Null in the
    entity's own currency, and where a rate is missing.
    """
    none = pl.lit(None, dtype=MONEY)
    told = provisions.join(contracts.select("contract_id", "functional_currency"), on="contract_id", how="left", maintain_order="left")
    foreign = (pl.col("currency") != pl.col("functional_currency")).fill_null(value=False)
    if not told.select(foreign.any()).item():
        return provisions.with_columns(none.alias("functional_change"), none.alias("exchange"))
    told = with_rate(told, rates, day="end_date", kind="average", name="→average")
    told = with_rate(told, rates, day="end_date", kind="closing", name="→closing")
    digits = minor_digits(pl.col("functional_currency"))
    told = told.with_columns(
        translated(pl.col("provision"), "→closing", digits).alias("→stands"),
        translated(pl.col("change"), "→average", digits).alias("→change"),
    )
    before = pl.col("→stands").shift(1).over("contract_id", "obligation_id", order_by="end_date").fill_null(ZERO)
    exchange = pl.col("→stands") - before - pl.col("→change")
    told = told.with_columns(
        pl.when(foreign).then("→change").cast(MONEY).alias("functional_change"),
        pl.when(foreign).then(exchange).cast(MONEY).alias("exchange"),
    )
    return told.select(*provisions.columns, "functional_change", "exchange")
