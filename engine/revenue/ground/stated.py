"""What is part of a contract's price and stated in another currency: at the rate of its day, never as it stands (830-20-30-1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from engine.canonical.kinds import DECIMAL_SCALE, Kind, polars_dtype
from engine.revenue.arithmetic.numbers import whole_number, wide
from engine.revenue.arithmetic.rounding import minor_digits, round_quotient
from engine.revenue.ground.rates import RATE, rate_table, translated, with_rate

STATED: Final = {"consideration_payable": ("amount", Kind.MONEY), "noncash_value": ("unit_fair_value", Kind.PRICE)}
"""Entities that change a price, and their amount: what is paid to a customer, and what it gives in kind."""

_DAY: Final = {"consideration_payable": ("agreed_date", "paid_date"), "noncash_value": ("as_of_date",)}


def in_currency_of_contract(rows: pl.DataFrame, entity: str, frame: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
    """Return records of an entity of STATED in their contract's currency, at the spot rate of the day they are of.

    One without a rate has no amount and keeps its currency. `frame`: gives the records of an entity.
    """
    name, kind = STATED[entity]
    own = with_contract_currency(rows, frame).with_row_index("→row")
    differs = (pl.col("currency") != pl.col("→currency")).fill_null(value=False)
    other = own.filter(differs)
    if not other.height:
        return rows
    asked = other.with_columns(pl.coalesce(_DAY[entity]).alias("→day"), pl.col("→currency").alias("functional_currency"))
    asked = with_rate(asked, rate_table(frame("exchange_rate")), day="→day", kind="spot", name="→rate")
    if kind is Kind.MONEY:
        value = translated(pl.col(name), "→rate", minor_digits(pl.col("→currency")))
    else:
        dtype = polars_dtype(kind)
        product = round_quotient(whole_number(name, dtype) * whole_number("→rate", RATE), wide(10 ** DECIMAL_SCALE[Kind.RATE]))
        value = product.cast(pl.Decimal(38, 0)).cast(dtype) / pl.lit(10 ** DECIMAL_SCALE[kind], dtype=dtype)
    has_rate = pl.col("→rate").is_not_null()
    told = asked.with_columns(value.alias(name), pl.when(has_rate).then("→currency").otherwise("currency").alias("currency"))
    return pl.concat([own.filter(~differs), told.select(own.columns)]).sort("→row").select(rows.columns)


def with_contract_currency(rows: pl.DataFrame, frame: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
    """Add the currency of each record's contract (`→currency`) and, of a record of a line, its contract (`→contract`)."""
    contracts = frame("contract").select(pl.col("contract_id").alias("→contract"), pl.col("currency").alias("→currency"))
    if "contract_id" in rows.columns:
        known = rows.with_columns(pl.col("contract_id").alias("→contract"))
    else:
        names = ("contract_line_id", pl.col("contract_id").alias("→contract"))
        added = frame("amendment_line").join(frame("amendment").select("amendment_id", "contract_id"), on="amendment_id", how="inner")
        lines = pl.concat([frame("contract_line").select(names), added.select(names)]).drop_nulls()
        known = rows.join(lines.unique("contract_line_id", keep="first"), on="contract_line_id", how="left", maintain_order="left")
    return known.join(contracts.unique("→contract", keep="first"), on="→contract", how="left", maintain_order="left")
