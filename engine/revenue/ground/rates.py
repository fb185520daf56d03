"""Exchange rates of a day: spot, average of a period, closing; what has no rate."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import polars as pl

from engine.canonical.kinds import DECIMAL_SCALE, MONEY, Kind, polars_dtype
from engine.nothing import of_nothing
from engine.revenue.arithmetic.numbers import ZERO, whole_number, wide
from engine.revenue.arithmetic.rounding import money, round_quotient, units, units_per_minor

RATE: Final = polars_dtype(Kind.RATE)

_SCALE: Final = 10 ** DECIMAL_SCALE[Kind.RATE]

_PAIR: Final = ("currency", "functional_currency")


@of_nothing
def rate_table(exchange_rates: pl.DataFrame) -> pl.DataFrame:
    """Return rates as currency, functional_currency, rate_type, rate_date, rate; a missing direction is the other's inverse."""
    stated = exchange_rates.drop_nulls(["from_currency", "to_currency", "rate_date", "rate"]).select(
        pl.col("from_currency").alias("currency"), pl.col("to_currency").alias("functional_currency"), "rate_type", "rate_date",
        pl.col("rate").cast(RATE),
    )  # fmt: skip
    top = wide(_SCALE) * wide(_SCALE)
    turned = stated.filter(pl.col("rate") > 0).select(
        pl.col("functional_currency").alias("currency"), pl.col("currency").alias("functional_currency"), "rate_type", "rate_date",
        _as_rate(round_quotient(top, _physical("rate"))).alias("rate"),
    )  # fmt: skip
    direct = stated.select(*_PAIR, "rate_type").unique()
    both = pl.concat([stated, turned.join(direct, on=[*_PAIR, "rate_type"], how="anti")])
    return both.unique([*_PAIR, "rate_type", "rate_date"], keep="first", maintain_order=True).sort("rate_date")


@of_nothing
def with_rate(
    rows: pl.DataFrame, rates: pl.DataFrame, *, day: str, kind: str, name: str, as_of: dt.date | None = None
) -> pl.DataFrame:  # fmt: skip
    """Add the rate of a kind on each row's day (column `day`): the last on or before it, else of the next best kind.

    spot falls back to closing and closing to spot; an average, looked up at its period's last day, is that of its month alone
    (IAS 21.22, 830-10-55-10). Spot stands in for it where a pair of currencies has no averages at all, and in a month not over yet (its
    last day comes after `as_of`). Null where none is known: a finding.
    """
    order = {"spot": ("spot", "closing"), "closing": ("closing", "spot"), "average": ("average", "spot", "closing")}[kind]
    numbered = rows.with_row_index("rate.row")
    same = (pl.col("currency") == pl.col("functional_currency")).fill_null(value=False)
    own = numbered.filter(same).with_columns(pl.lit(1).cast(RATE).alias(name))
    numbered = numbered.filter(~same).sort(day, nulls_last=True)
    found = []
    for index, each in enumerate(order):
        table = rates.filter(pl.col("rate_type") == each)
        table = table.select(*_PAIR, pl.col("rate_date").alias("rate.date"), pl.col("rate").alias(f"rate.{index}"))
        numbered = numbered.join_asof(table, left_on=day, right_on="rate.date", by=list(_PAIR), check_sortedness=False)
        if each == "average":
            numbered = _of_its_month(numbered, table, day, as_of)
        elif kind == "average":
            numbered = numbered.with_columns(pl.when("rate.stands_in").then(f"rate.{index}").alias(f"rate.{index}"))
        numbered = numbered.drop("rate.date", strict=False)
        found.append(f"rate.{index}")
    foreign = numbered.with_columns(pl.coalesce(found).alias(name)).select(own.columns)
    return pl.concat([own, foreign]).sort("rate.row").drop("rate.row")


def _of_its_month(rows: pl.DataFrame, averages: pl.DataFrame, day: str, as_of: dt.date | None) -> pl.DataFrame:
    """Keep averages of the day's own month, and say where another kind of rate stands in for one (`rate.stands_in`)."""
    kept = averages.select(*_PAIR, pl.lit(value=True).alias("rate.kept")).unique()
    made = rows.join(kept, on=list(_PAIR), how="left", maintain_order="left")
    runs = pl.col(day) != pl.col(day).dt.month_end()
    runs = runs if as_of is None else runs | (pl.col(day) > as_of)
    own = pl.col("rate.date") >= pl.col(day).dt.month_start()
    stands_in = (pl.col("rate.kept").is_null() | runs).alias("rate.stands_in")
    return made.with_columns(stands_in, pl.when(own).then("rate.0").alias("rate.0")).drop("rate.kept")


@of_nothing
def in_contract_currency(
    rows: pl.DataFrame, contracts: pl.DataFrame, rates: pl.DataFrame, *, names: Sequence[str], day: str, stated: str
) -> pl.DataFrame:
    """Return rows with the amounts `names` in their contract's currency; `stated` names the column of the document's own.

    A document in another currency counts at the spot rate of its day; without a rate its amounts are null.
    """
    own = contracts.select("contract_id", pl.col("currency").alias("functional_currency"), pl.col("minor_digits").alias("rate.digits"))
    known = rows.with_row_index("rate.place").join(own, on="contract_id", how="left", maintain_order="left")
    other = (pl.col(stated) != pl.col("functional_currency")).fill_null(value=False)
    if not known.filter(other).height:
        return rows
    asked = with_rate(known.filter(other).with_columns(pl.col(stated).alias("currency")), rates, day=day, kind="spot", name="rate.spot")
    valued = asked.with_columns(translated(pl.col(name), "rate.spot", pl.col("rate.digits")).alias(name) for name in names)
    both = pl.concat([known.filter(~other), valued.select(known.columns)])
    return both.sort("rate.place").drop("rate.place", "functional_currency", "rate.digits")


def translated(amount: pl.Expr, rate: str, digits: pl.Expr) -> pl.Expr:
    """Return amount × rate (column name), rounded half up to the functional currency's minor unit, as MONEY."""
    minor = units_per_minor(digits)
    # Nothing is worth nothing at any rate, also at one that is not known.
    value = money(round_quotient(units(amount) * _physical(rate), wide(_SCALE) * minor) * minor)
    return pl.when(amount == 0).then(ZERO).otherwise(value)


def mean_rate(rate: str, weight: pl.Expr) -> pl.Expr:
    """Return the mean of a rate (column name) weighed by amounts, within a group; null where one is not known."""
    mean = _as_rate(round_quotient((units(weight) * _physical(rate)).sum(), units(weight).sum()))
    return pl.when(pl.col(rate).is_not_null().all()).then(mean)


def _physical(rate: str) -> pl.Expr:
    return whole_number(rate, RATE)


def _as_rate(units_of_rate: pl.Expr) -> pl.Expr:
    return units_of_rate.cast(pl.Decimal(38, 0)).cast(RATE) / pl.lit(_SCALE, dtype=RATE)


__all__ = ["MONEY", "RATE", "in_contract_currency", "mean_rate", "rate_table", "translated", "with_rate"]
