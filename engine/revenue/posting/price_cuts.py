"""What changes of the contract took off prices that were billed or paid: credited or paid back for that, no goods come back (25-13)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing
from engine.revenue.arithmetic.asof import running
from engine.revenue.arithmetic.numbers import ZERO, worth_of_units
from engine.revenue.ground.frames import Books
from engine.revenue.posting.claims import Claims

_OF: Final = ["contract_id", "of"]


def price_cuts(promises: pl.DataFrame, claims: Claims, books: Books, all_of: str) -> pl.DataFrame:
    """Return what is to go back for lower prices alone, as steps: contract_id, of, date, cut.

    `promises`: contract_id, contract_line_id, of. As much as changes took off, and no more than was billed (of a whole contract, billed or
    paid) above the price that is left: what nobody was charged yet is not credited. Under `all_of` stands what no line tells.
    """
    changes = books.modifications.filter(pl.col("price_change").is_not_null()).join(
        promises.select("contract_id").unique(), on="contract_id", how="semi"
    )
    return _bounded(_without_estimates(changes, books), promises, claims, books, all_of)


@of_nothing
def _without_estimates(changes: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Return what changes do to the stated prices of promises by day: a catch-up counts estimates of its day with it."""
    keys = ["contract_id", "obligation_id"]
    caught = (pl.col("treatment") == "cumulative_catch_up").any().alias("→caught")
    daily = changes.group_by(*keys, "effective_date").agg(pl.col("price_change").sum(), caught)
    lowered = books.extra.get("lowered")
    if lowered is None or not lowered.height:
        return daily
    own = lowered.filter(pl.col("obligation_id").is_not_null()).sort(*keys, "date")
    step = pl.col("lowered") - pl.col("lowered").shift(1).over(keys).fill_null(ZERO)
    steps = own.select(*keys, pl.col("date").alias("effective_date"), step.alias("→step")).group_by(*keys, "effective_date").agg(
        pl.col("→step").sum()
    )  # fmt: skip
    found = daily.join(steps, on=[*keys, "effective_date"], how="left", maintain_order="left")
    more = pl.when("→caught").then(pl.col("→step").fill_null(ZERO)).otherwise(ZERO)
    return found.with_columns((pl.col("price_change") + more).cast(MONEY).alias("price_change")).drop("→step")


@of_nothing
def _bounded(changes: pl.DataFrame, promises: pl.DataFrame, claims: Claims, books: Books, all_of: str) -> pl.DataFrame:
    changed = changes.select(
        "contract_id", pl.col("obligation_id").alias("of"), pl.col("effective_date").alias("date"), pl.col("price_change").alias("change"),
        pl.max_horizontal(pl.col("price_change") * -1, ZERO).cast(MONEY).alias("less"),
    )  # fmt: skip
    signed = books.lines.join(changed, on="contract_id", how="semi")
    stated = pl.coalesce("amount", worth_of_units())
    # What a line costs that a change adds is in that change.
    stated = pl.when(pl.col("added_by").is_null()).then(stated).otherwise(ZERO)
    known = pl.when(stated.is_not_null().all()).then(stated.sum()).alias("signed")
    place = promises.select("contract_line_id", "of").unique("contract_line_id", keep="first")
    net = claims.billed.join(changed, on="contract_id", how="semi").join(place, on="contract_line_id", how="left")
    billed = net.select(*_OF, "date", pl.col("net").alias("charged"))
    own = _cut(changed, billed, signed.group_by("contract_id", pl.col("obligation_id").alias("of")).agg(known), _OF)
    whole = ["contract_id"]
    paid = claims.cash.join(changed, on="contract_id", how="semi").filter(pl.col("claim").is_null())
    money = paid.select("contract_id", "date", pl.col("amount").alias("charged"))
    charged = pl.concat([billed.select("contract_id", "date", "charged"), money])
    every = _cut(changed, charged, signed.group_by("contract_id").agg(known), whole).select(*whole, "date", pl.col("cut").alias("whole"))
    rest = pl.concat([every, own.select(*whole, "date", "cut")], how="diagonal").group_by(*whole, "date").agg(pl.col("whole", "cut").sum())
    rest = rest.sort(*whole, "date").with_columns((pl.col("whole") - pl.col("cut")).cum_sum().over(whole).alias("→rest"))
    rest = rest.with_columns(pl.max_horizontal("→rest", ZERO).alias("→rest"))
    step = (pl.col("→rest") - pl.col("→rest").shift(1).over(whole).fill_null(ZERO)).cast(MONEY).alias("cut")
    return pl.concat([own, rest.select(*whole, pl.lit(all_of).alias("of"), "date", step)])


def _cut(changed: pl.DataFrame, charged: pl.DataFrame, signed: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Return by key, as steps, what changes took off, as far as more was charged at most than the price that is left."""
    days = pl.concat([changed.select(*keys, "date"), charged.select(*keys, "date")]).drop_nulls().unique().sort(*keys, "date")
    days = days.join(changed.select(keys).unique(), on=keys, how="semi")
    for flow, names in ((changed, ["change", "less"]), (charged, ["charged"])):
        days = running(days, flow, by=keys, on="date", columns=names)
    days = days.join(signed, on=keys, how="left").sort(*keys, "date")
    over = pl.col("charged").cum_max().over(keys) - (pl.col("signed") + pl.col("change"))
    # Where nobody states a price of the lines themselves, nothing says that more was charged than it.
    cut = pl.when(over.is_not_null()).then(pl.max_horizontal(pl.min_horizontal("less", over), ZERO)).otherwise(ZERO)
    days = days.with_columns(cut.cast(MONEY).alias("→cut"))
    step = (pl.col("→cut") - pl.col("→cut").shift(1).over(keys).fill_null(ZERO)).cast(MONEY).alias("cut")
    return days.select(*keys, "date", step)
