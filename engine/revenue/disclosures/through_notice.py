"""What is planned through the notice period, rounded once: the price through its last day less what was recognized (REVENUE 93, 94)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_no, of_nothing
from engine.revenue.arithmetic.conventions import with_earned
from engine.revenue.arithmetic.rounding import money, round_share, units_per_minor

_KEY: Final = ["contract_id", "obligation_id"]


@of_nothing
def through_notice(planned: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return planned revenue by day with `amount` through the last enforceable day: what a row plans falls evenly on its days.

    These go from the day after the row before, within the row's month (or fiscal period) and service, to its own day or the end of
    the service. Columns needed: contract_id, obligation_id, day, amount, begins, ends, term_end, calendar, minor_digits.
    """
    bound = pl.col("term_end").is_not_null()
    rows = planned.filter(bound).group_by(*_KEY, "day").agg(pl.col("amount").sum(), pl.exclude("amount").first()).sort(*_KEY, "day")
    since = [(pl.col("day").shift(1).over(_KEY) + pl.duration(days=1)), as_of + pl.duration(days=1)]
    since.append(pl.when(pl.col("begins") <= pl.col("day")).then("begins"))
    since.append(pl.when(pl.col("calendar") == "").then(pl.col("day").dt.month_start()))
    first = pl.max_horizontal(since)
    until = pl.when(pl.col("ends") >= first).then(pl.min_horizontal("day", "ends")).otherwise("day")
    whole = (until - first).dt.total_days() + 1
    served = (pl.col("term_end") - first).dt.total_days() + 1
    part = round_share(pl.col("amount"), pl.min_horizontal(pl.max_horizontal(served, pl.lit(0)), whole), whole, pl.col("minor_digits"))
    amount = pl.when(pl.col("term_end") < until).then(part).otherwise("amount").cast(MONEY).alias("amount")
    return pl.concat([planned.filter(~bound), rows.with_columns(amount).select(planned.columns)])


@of_no("left")
def rounded_once(within: pl.DataFrame, left: pl.DataFrame, obligations: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return planned revenue within the notice (contract_id, day, amount, …) without what a second rounding of its last month puts in it.

    A share of a month's posted revenue is rounded twice. Of a service by time whose price never changed, and of which what is
    recognized is its price through today, the same price through the last day of the notice is told by the convention itself.
    """
    asked = left.filter((pl.col("measure") == "time_elapsed") & (pl.col("term_end") > as_of) & pl.col("evergreen").is_null())
    asked = asked.select(*_KEY, "allocated_amount", "in_price", "minor_digits", "start_date", "end_date", "term_end", as_of.alias("→today"))
    asked = asked.filter(pl.col("term_end") < pl.col("end_date"))
    known = obligations.join(asked, on=_KEY, how="semi").group_by(_KEY).agg(pl.len().alias("→versions"), pl.col("convention").last())
    asked = asked.join(known.filter(pl.col("→versions") == 1), on=_KEY, how="inner")
    if asked.is_empty():
        return within
    told = asked.lazy()
    for name, day in (("→by_today", "→today"), ("→by_notice", "term_end")):
        told = with_earned(told, name, amount="allocated_amount", at=day)
    exact = told.filter(pl.col("→by_today") == pl.col("in_price")).select(
        *_KEY, (pl.col("→by_notice") - pl.col("in_price")).alias("→exact")
    ).collect()  # fmt: skip
    made = within.join(exact, on=_KEY, how="left", maintain_order="left")
    away = (pl.col("→exact") - pl.col("amount").sum().over(_KEY)).fill_null(0)
    # More than rounding is another plan than that of the convention alone: it stays as planned.
    of_rounding = away.abs() <= money(units_per_minor(pl.col("minor_digits")) * 2)
    is_last = pl.int_range(pl.len()).over(_KEY, order_by="day") == pl.len().over(_KEY) - 1
    amount = pl.when(is_last & of_rounding).then(pl.col("amount") + away).otherwise("amount").cast(MONEY).alias("amount")
    return made.with_columns(amount).drop("→exact")
