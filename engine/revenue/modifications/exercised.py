"""The exercise of material rights: what each hands on to the promises bought with it (606-10-55-42)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.revenue.arithmetic.exact import COEFFICIENT, GUARD, part_units, units_to_minor
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.modifications.pooling import still_served

RIGHTS: Final = pl.List(pl.Struct({"right": pl.String(), "part": pl.Int128(), "whole": pl.Int128(), "turn": pl.UInt32()}))
"""What a promise is bought with: the obligations of material rights, and what part of the whole each still holds, in their turn."""

_HANDED: Final[dict[str, pl.DataType]] = {"okey": pl.String(), "got": pl.Int128(), "got.w": pl.Int128()}


def exercised(rows: pl.DataFrame, added: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Say of each material right what it hands on (`moved`; null: nothing), and of each promise bought what it gets (okey, got).

    With it goes the same part of what the right has of the whole contract's uncertainties (`moved.w`, `got.w`: 32-43). Options of one
    right that are exercised together take their parts one after the other, each of what the ones before left. As a
    modification nothing is handed on: what is used up of the right has no price of its own any more, and what it held joins the pool.
    """
    nothing = [pl.lit(None, dtype=pl.Int128).alias(name) for name in ("moved", "moved.w")]
    bought = added.filter(pl.col("rights").list.len() > 0) if added.height else added
    if not bought.height:
        return rows.with_columns(nothing), pl.DataFrame(schema=_HANDED)
    bought = bought.select("okey", (pl.col("kind") == "exercise").alias("continues"), "rights")
    bought = bought.explode("rights", empty_as_null=True, keep_nulls=True).unnest("rights").sort("right", "turn", "okey")
    bought = bought.with_columns(pl.int_range(pl.len()).over("right").alias("n"))
    left = (pl.col("base") + pl.col("rem") - pl.col("earned")).alias("left")
    held = rows.select(pl.col("okey").alias("right"), left, "ssp", still_served("w_rem").alias("w"))
    held = held.join(bought.select("right").unique(), on="right", how="semi")
    state, handed = held, []
    for (_,), now in sorted(bought.partition_by("n", as_dict=True).items()):
        taken = now.join(state, on="right", how="inner")
        moved = units_to_minor(part_units(pl.col("left"), pl.col("part").abs(), pl.col("whole"))) * GUARD * pl.col("part").sign()
        unused = part_units(pl.col("ssp"), pl.col("whole") - pl.col("part"), pl.col("whole"))
        taken = taken.with_columns(
            pl.when("continues").then(moved).alias("got"), pl.when("continues").then("ssp").otherwise(unused).alias("ssp")
        ).with_columns(
            (pl.col("left") - pl.col("got").fill_null(0)).alias("left"),
            pl.when("continues").then(part_units(pl.col("w"), pl.col("part").abs(), pl.col("whole"))).otherwise(wide(0)).alias("got.w"),
        ).with_columns((pl.col("w") - pl.col("got.w")).alias("w"))
        state = state.update(taken.select("right", "left", "ssp", "w"), on="right")
        handed.append(taken.select("right", "okey", "got", "got.w").drop_nulls("got"))
    told = pl.concat(handed)
    moves = told.group_by("right").agg(pl.col("got").sum().alias("moved"), pl.col("got.w").sum().alias("moved.w"))
    after = state.select("right", pl.col("ssp").alias("→ssp")).join(moves, on="right", how="left")
    made = rows.join(after, left_on="okey", right_on="right", how="left", maintain_order="left")
    made = made.with_columns(pl.coalesce("→ssp", "ssp").alias("ssp")).drop("→ssp")
    return made, told.group_by("okey").agg(pl.col("got", "got.w").sum())


def handed_on(rows: pl.DataFrame) -> pl.DataFrame:
    """Take what rights hand on out of their price; what of them had lapsed stays earned, and the rest goes on from there."""
    goes_on = pl.col("moved").is_not_null() & (pl.col("m") > pl.col("m0")) & (pl.col("m") < pl.col("mt"))
    left = pl.col("base") + pl.col("rem") - pl.col("earned")
    passed = pl.col("w_rem") - still_served("w_rem")
    made = rows.with_columns(
        pl.when(goes_on).then(pl.col("w_base") + passed).otherwise(pl.col("w_base")).alias("w_base"),
        pl.when(goes_on).then(pl.col("w_rem") - passed).otherwise(pl.col("w_rem")).alias("w_rem"),
        pl.when(goes_on).then(left).otherwise(pl.col("rem")).alias("rem"),
        pl.when(goes_on).then(pl.col("earned")).otherwise(pl.col("base")).alias("base"),
        pl.when(goes_on).then(pl.col("m")).otherwise(pl.col("m0")).alias("m0"),
    )
    gone = pl.col("moved.w").fill_null(0)
    return made.with_columns(
        (pl.col("rem") - pl.col("moved").fill_null(0)).alias("rem"), (pl.col("w_rem") - gone).alias("w_rem"),
        (pl.col("variable") - part_units(pl.col("on_whole"), gone, wide(COEFFICIENT))).alias("variable"),
    ).drop("moved.w")
