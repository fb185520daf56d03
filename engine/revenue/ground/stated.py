"""What tells a contract's price or cost and is stated in another currency: at the rate of its day, never as it stands (830-20-30-1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from engine.canonical.kinds import DECIMAL_SCALE, MONEY, Kind, polars_dtype
from engine.minor_units import minor_digits
from engine.revenue.arithmetic.numbers import whole_number, wide
from engine.revenue.arithmetic.rounding import round_quotient
from engine.revenue.ground.named import contract_of_lines
from engine.revenue.ground.rates import RATE, rate_table, translated, with_rate


@dataclass(frozen=True, slots=True)
class Stated:
    """Say which amounts a record states, on which day (`→signed`: its contract's), and what a record without a rate leaves open."""

    amounts: tuple[str, ...]
    days: tuple[str, ...]
    left_open: str
    kind: Kind = Kind.MONEY


_NO_PRICE: Final = "it is no part of the price"

STATED: Final = {
    "consideration_payable": Stated(("amount",), ("agreed_date", "paid_date"), _NO_PRICE),
    "noncash_value": Stated(("unit_fair_value",), ("as_of_date",), _NO_PRICE, Kind.PRICE),
    "incentive_fee": Stated(("target_cost", "target_fee", "floor_fee", "ceiling_fee"), ("→signed",), _NO_PRICE),
    "cost_estimate": Stated(("amount",), ("as_of_date",), "it tells no cost to come"),
    "progress": Stated(
        ("cost_to_date", "uninstalled_cost", "wasted_cost", "estimated_total_cost"), ("as_of_date",), "its costs tell nothing"
    ),
}
"""Entities that tell a price or a cost, and what they state of it."""


def in_currency_of_contract(rows: pl.DataFrame, entity: str, frame: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
    """Return records of an entity of STATED in their contract's currency, at the spot rate of the day they are of.

    One without a rate has no amount and keeps its currency. `frame`: gives the records of an entity.
    """
    stated = STATED[entity]
    if is_one_currency(rows, frame("contract")):
        return rows
    own = with_contract_currency(rows, frame).with_row_index("→row")
    differs = (pl.col("currency") != pl.col("→currency")).fill_null(value=False)
    other = own.filter(differs)
    if not other.height:
        return rows
    asked = other.with_columns(pl.coalesce(stated.days).alias("→day"), pl.col("→currency").alias("functional_currency"))
    asked = with_rate(asked, rate_table(frame("exchange_rate")), day="→day", kind="spot", name="→rate")
    nothing = pl.all_horizontal(pl.col(name).is_null() for name in stated.amounts)
    known = pl.when(pl.col("→rate").is_not_null() | nothing).then("→currency").otherwise("currency")
    asked = asked.with_columns(known.alias("→told"))
    made = _costs_so_far(asked) if entity == "progress" else asked.with_columns(_at_rate(name, stated.kind) for name in stated.amounts)
    told = made.with_columns(pl.col("→told").alias("currency"))
    return pl.concat([own.filter(~differs), told.select(own.columns)]).sort("→row").select(rows.columns)


def is_one_currency(rows: pl.DataFrame, contracts: pl.DataFrame) -> bool:
    """Tell whether records and contracts state one currency between them: nothing is to be translated then."""
    return pl.concat([rows["currency"].drop_nulls().unique(), contracts["currency"].drop_nulls().unique()]).n_unique() <= 1


def _at_rate(name: str, kind: Kind) -> pl.Expr:
    if kind is Kind.MONEY:
        return translated(pl.col(name), "→rate", minor_digits(pl.col("→currency"))).alias(name)
    dtype = polars_dtype(kind)
    product = round_quotient(whole_number(name, dtype) * whole_number("→rate", RATE), wide(10 ** DECIMAL_SCALE[Kind.RATE]))
    return (product.cast(pl.Decimal(38, 0)).cast(dtype) / pl.lit(10 ** DECIMAL_SCALE[kind], dtype=dtype)).alias(name)


def _costs_so_far(rows: pl.DataFrame) -> pl.DataFrame:
    """Return reports of progress with their costs translated: what a report adds to the cost so far at the rate of its day.

    The cost still to come stands at the rate of the report; what is uninstalled or wasted at the rate of the day it was first told.
    """
    line, digits = "contract_line_id", minor_digits(pl.col("→currency"))
    lost = rows.filter(pl.col("→rate").is_null()).with_columns(
        pl.lit(None, dtype=MONEY).alias(name) for name in STATED["progress"].amounts
    )
    told = rows.filter(pl.col("→rate").is_not_null()).sort(line, "→day", "progress_id", nulls_last=True)
    told = told.with_columns(pl.col("cost_to_date").forward_fill().over(line).fill_null(0).alias("→cost"))
    step = pl.col("→cost") - pl.col("→cost").shift(1).over(line).fill_null(0)
    told = told.with_columns(translated(step, "→rate", digits).cum_sum().over(line).cast(MONEY).alias("→spent"))
    apart = ("uninstalled_cost", "wasted_cost")
    told = told.with_columns(
        pl.when(pl.col(name).ne_missing(pl.col(name).shift(1).over(line))).then("→rate").forward_fill().over(line).alias(f"→{name}")
        for name in apart
    )
    to_come = translated(pl.col("estimated_total_cost") - pl.col("→cost"), "→rate", digits)
    made = told.with_columns(
        pl.when(pl.col("cost_to_date").is_not_null()).then("→spent").alias("cost_to_date"),
        (pl.col("→spent") + to_come).cast(MONEY).alias("estimated_total_cost"),
        *(translated(pl.col(name), f"→{name}", digits).alias(name) for name in apart),
    )
    return pl.concat([made.select(rows.columns), lost])


def with_contract_currency(rows: pl.DataFrame, frame: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
    """Add the currency of each record's contract (`→currency`), its signing (`→signed`) and, of a record of a line, `→contract`."""
    signed = pl.coalesce("signed_date", "start_date").alias("→signed")
    contracts = frame("contract").select(pl.col("contract_id").alias("→contract"), pl.col("currency").alias("→currency"), signed)
    if "contract_id" in rows.columns:
        known = rows.with_columns(pl.col("contract_id").alias("→contract"))
    else:
        known = rows.join(contract_of_lines(frame), on="contract_line_id", how="left", maintain_order="left")
    return known.join(contracts.unique("→contract", keep="first"), on="→contract", how="left", maintain_order="left")
