"""The look-through alternative at work: what renewal rights make of a service's price, at inception and on each renewal (606-10-55-45)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.nothing import of_no, of_nothing
from engine.revenue.arithmetic.compounding import FINE
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.rounding import round_quotient, units
from engine.revenue.price.options import look_through, weighed_renewals

_ONE: Final = pl.lit(1, dtype=FINE)
_MICRO: Final = pl.lit(10**6, dtype=FINE)


@of_nothing
def on_one_right(options: pl.DataFrame, lines: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return the options with renewals that are looked through to on the right of the first, whichever lines they state (606-10-55-45).

    A chain of renewals of one service is one right, also where each renewal stands on a line of its own.
    """
    chosen = contracts.filter(pl.col("setting.renewal.look_through")).select("contract_id")
    own = lines.filter(pl.col("offering").ne_missing("material_right")).join(chosen, on="contract_id", how="semi")
    alone = own.group_by("contract_id").len().filter(pl.col("len") == 1).select(pl.col("contract_id").alias("→of"))
    in_chain = pl.col("start_date").is_not_null() & pl.col("contract_line_id").is_not_null()
    renewals = options.filter(in_chain).join(alone, left_on="contract_id", right_on="→of", how="semi")
    if renewals.group_by("contract_id").agg(pl.col("contract_line_id").n_unique()).filter(pl.col("contract_line_id") > 1).is_empty():
        return options
    first = renewals.sort("start_date", "option_id").group_by("contract_id").agg(pl.col("contract_line_id").first().alias("→right"))
    made = options.join(first, on="contract_id", how="left", maintain_order="left")
    of_first = pl.when(in_chain).then(pl.coalesce("→right", "contract_line_id")).otherwise("contract_line_id")
    return made.with_columns(of_first.alias("contract_line_id")).drop("→right")


def with_renewals(lines: pl.DataFrame, contracts: pl.DataFrame, options: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return the lines with look-through prices, where the policy looks through to renewals of like services.

    The service's `ssp` becomes its share of the hypothetical price and the right's what is received beyond it, so that
    relative allocation gives exactly these. A line bought by renewing gets `renewal_part` and `renewal_whole`: which
    part of what is deferred it takes over (negative: it hands on to the next renewal). Contracts with one
    service line and a right with renewals that have a first day; the others are left as they are.
    """
    table, chain = _table(lines, contracts, options)
    blank = [pl.lit(None, dtype=pl.Int128).alias(name) for name in ("renewal_part", "renewal_whole")]
    if not table.height:
        return lines.with_columns(blank)
    first = table.filter(pl.col("step") == 0).select("contract_id", "contract_line_id", "allocated", "deferred")
    rights = chain.filter(pl.col("renewal") == 1).select("contract_id", pl.col("contract_line_id").alias("right_id"))
    both = first.join(rights, on="contract_id", how="inner")
    prices = pl.concat(
        [
            both.select("contract_line_id", units(pl.col("allocated")).alias("looked")),
            both.select(pl.col("right_id").alias("contract_line_id"), units(pl.max_horizontal("deferred", ZERO)).alias("looked")),
            _other_rights(lines, both),
        ]
    )  # fmt: skip
    parts = _parts(table, chain, as_of)
    made = lines.join(prices, on="contract_line_id", how="left", maintain_order="left")
    made = made.join(parts, on="contract_line_id", how="left", maintain_order="left")
    return made.with_columns(
        pl.coalesce("looked", "ssp").alias("ssp"),
        pl.when(pl.col("looked").is_not_null()).then(pl.lit("look through")).otherwise(pl.col("ssp_source")).alias("ssp_source"),
    ).drop("looked")


def _other_rights(lines: pl.DataFrame, chained: pl.DataFrame) -> pl.DataFrame:
    """Return lines of rights whose renewals stand with the first right of their chain: nothing is left for them."""
    held = chained.select("contract_id", "right_id")
    rights = lines.filter((pl.col("offering") == "material_right") & (pl.col("added_place") == 0)).join(held, on="contract_id", how="inner")
    others = rights.filter(pl.col("contract_line_id") != pl.col("right_id"))
    return others.select("contract_line_id", units(ZERO).alias("looked"))


@of_no("options")
def _table(lines: pl.DataFrame, contracts: pl.DataFrame, options: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the look-through allocation at inception and the chain of renewals it rests on."""
    chosen = contracts.filter(pl.col("setting.renewal.look_through")).select(
        "contract_id", pl.col("setting.renewal.weights").alias("weights"), pl.col("setting.renewal.rounding_unit").alias("rounding_unit"),
        pl.col("setting.renewal.rounding_per").alias("rounding_per"),
    )  # fmt: skip
    renewals = options.filter(pl.col("contract_line_id").is_not_null() & pl.col("start_date").is_not_null())
    chain = renewals.join(chosen, on="contract_id", how="semi")
    signed = lines.filter((pl.col("added_place") == 0) & (pl.col("offering") != "material_right"))
    alone = signed.filter(pl.len().over("contract_id") == 1).join(chain, on="contract_id", how="semi")
    base = alone.join(chosen, on="contract_id", how="inner").select(
        "contract_id", "contract_line_id", "quantity", "amount", "standalone_selling_price", "estimated_cost", "weights", "rounding_unit",
        "rounding_per",
    )  # fmt: skip
    known = chain.join(base, on="contract_id", how="semi")
    numbered = weighed_renewals(known, base)
    table = look_through(base, numbered)
    weighed = table.filter(pl.col("allocated").is_not_null()).select("contract_id").unique()
    return table.join(weighed, on="contract_id", how="semi"), numbered.join(weighed, on="contract_id", how="semi")


def _parts(table: pl.DataFrame, chain: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return for lines bought by renewing the part of the deferred amount they take over, renewal after renewal."""
    planned = table.select("contract_id", pl.col("step").alias("renewal"), pl.col("allocated").alias("planned"))
    priced = _priced(chain).join(planned, on=["contract_id", "renewal"], how="left")
    state = table.filter(pl.col("step") == 0).select("contract_id", pl.col("deferred").cast(FINE).alias("before"))
    found: list[pl.DataFrame] = []
    last = priced["renewal"].max()
    for number in range(1, (last if isinstance(last, int) else 0) + 1):
        now = priced.filter(
            (pl.col("renewal") == number) & pl.col("exercised_line_id").is_not_null() & (pl.col("exercised_date") <= as_of)
        ).join(state, on="contract_id", how="inner")  # fmt: skip
        begun = now.select("contract_id", pl.col("bought").alias("now_bought"), pl.col("likelihood").alias("now_likelihood"))
        later = priced.filter(pl.col("renewal") > number).join(begun, on="contract_id", how="inner")
        shared = _shared(now, later)
        found.append(shared)
        after = shared.select("contract_id", (pl.col("before") + pl.col("cash") - pl.col("taken")).alias("after"))
        state = state.join(after, on="contract_id", how="left").select("contract_id", pl.coalesce("after", "before").alias("before"))
    if not found:
        return pl.DataFrame(schema={"contract_line_id": pl.String, "renewal_part": pl.Int128, "renewal_whole": pl.Int128})
    rows = pl.concat(found).with_columns((pl.col("taken") - pl.col("cash")).alias("over"))
    nothing = pl.col("before") == 0
    return rows.select(
        pl.col("exercised_line_id").alias("contract_line_id"),
        pl.when(nothing).then(pl.lit(0)).otherwise((pl.col("over") * _MICRO).cast(pl.Int128)).cast(pl.Int128).alias("renewal_part"),
        pl.when(nothing).then(pl.lit(1)).otherwise((pl.col("before") * _MICRO).cast(pl.Int128)).cast(pl.Int128).alias("renewal_whole"),
    ).unique("contract_line_id", keep="first", maintain_order=True)


def _priced(chain: pl.DataFrame) -> pl.DataFrame:
    """Add per option what one unit costs the customer and the firm, how many were expected and how many are bought."""
    offered = pl.coalesce(pl.col("quantity").cast(FINE), _ONE)
    each = pl.col("price").cast(FINE)
    return chain.with_columns(
        each.alias("unit_cash"),
        (pl.col("weight") / offered).alias("unit_weight"),
        pl.coalesce(pl.col("exercised_quantity").cast(FINE), offered).alias("bought"),
        (pl.coalesce(pl.col("units").cast(FINE), offered) * pl.col("likelihood").cast(FINE)).alias("expected"),
    ).with_columns((pl.col("unit_cash") * pl.col("bought")).alias("cash"))


def _shared(now: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
    """Add `taken`: what the renewed service earns, as planned where as many renewed as expected, else shared anew with what is to come."""
    chance = pl.col("likelihood").cast(FINE) / pl.when(pl.col("now_likelihood") > 0).then(pl.col("now_likelihood")).cast(FINE)
    count = pl.col("now_bought") * chance
    ahead = later.group_by("contract_id").agg(
        (pl.col("unit_cash") * count).sum().alias("cash_ahead"), (pl.col("unit_weight") * count).sum().alias("weight_ahead")
    )
    made = now.join(ahead, on="contract_id", how="left").with_columns(pl.col("cash_ahead", "weight_ahead").fill_null(0).cast(FINE))
    weight = pl.col("unit_weight") * pl.col("bought")
    whole = pl.col("before") + pl.col("cash") + pl.col("cash_ahead")
    per = pl.when(pl.col("rounding_per") == "contract").then(pl.col("bought")).otherwise(_ONE)
    unit = pl.coalesce(pl.col("rounding_unit").cast(FINE), pl.lit("0.01").cast(FINE))
    top = _micros(whole / per) * _micros(weight)
    anew = round_quotient(top, _micros(weight + pl.col("weight_ahead")) * _micros(unit)).cast(FINE) * unit * per
    is_last = pl.col("weight_ahead") == 0
    as_planned = (pl.col("bought") == pl.col("expected")) & pl.col("planned").is_not_null()
    taken = pl.when(is_last).then(pl.col("before") + pl.col("cash")).when(as_planned).then(pl.col("planned").cast(FINE)).otherwise(anew)
    return made.with_columns(taken.cast(FINE).alias("taken"))


def _micros(amount: pl.Expr) -> pl.Expr:
    return (amount.round(6, mode="half_away_from_zero") * _MICRO).cast(pl.Int128)
