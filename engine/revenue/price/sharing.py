"""Amounts of several promises shared over them in whole minor units: what rounding leaves goes to the one the policy names (32-31)."""

from __future__ import annotations

import polars as pl

from engine.revenue.arithmetic.exact import GUARD, part_units, units_to_minor, with_cumulative
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.ground.frames import setting


def share_minor(
    rows: pl.DataFrame, *, pool_key: str, pool: str | None = None, base: str | None = None, weight: str | None = None, owner: str = "owner"
) -> pl.DataFrame:
    """Add `shared`: each row's base + its part of the pool by weight, in whole minor units that sum to the pool's total.

    The total of a pool is Σ base + pool, a whole number of minor units; every share is rounded, and what
    is left goes to the row the policy names (`owner`: largest, first, last, named(<key>)), ties to the
    lowest obligation. A pool without weights gives everything to its owner. `base` and `pool` are in units; what is left out is 0.
    """
    pooled, stands, weighed = (wide(0) if each is None else pl.col(each) for each in (pool, base, weight))
    # A number for each pool is quicker to group by than its text.
    rows = rows.with_columns(pl.col(pool_key).cast(pl.Categorical).to_physical().alias("→pool"))
    key = "→pool"
    staged = rows.with_columns(weighed.sum().over(key).alias("→whole"), stands.sum().over(key).alias("→bases"))
    weighs = pl.col("→whole") > 0
    told = with_cumulative(
        staged,
        base=stands,
        amount=pooled,
        numerator=pl.when(weighs).then(weighed).otherwise(wide(0)),
        denominator=pl.when(weighs).then(pl.col("→whole")).otherwise(wide(1)),
        half_even=pl.col("half_even"),
        minor="shared",
    )
    total = units_to_minor(pl.col("→bases") + pooled, pl.col("half_even"))
    named = pl.col(owner).str.extract(r"^named\((.*)\)$").str.strip_chars()
    is_named = (pl.col("obligation_id") == named).fill_null(value=False)
    made = told.with_columns(total.alias("→total")).drop("→whole", "→bases")
    score = pl.when(pl.col(owner) == "largest").then(pl.col("shared").abs()).when(is_named).then(wide(1)).otherwise(wide(0))
    place = pl.col("obligation_id").rank("ordinal").over(key).cast(pl.Int64)
    made = made.with_columns(score.alias("→score")).with_columns(
        (place * pl.when(pl.col(owner) == "last").then(-1).otherwise(1)).alias("→place"),
        (pl.col("→total") - pl.col("shared").sum().over(key)).alias("→rest"),
    )
    best = pl.col("→score").max().over(key)
    first = pl.when(pl.col("→score") == best).then(pl.col("→place"))
    is_owner = first == first.min().over(key)
    return made.with_columns(
        (pl.col("shared") + pl.when(is_owner.fill_null(value=False)).then(pl.col("→rest")).otherwise(wide(0))).alias("shared")
    ).drop("→pool", "→total", "→score", "→place", "→rest")


def shared_change(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `part`: each obligation's share (by `→w`) of a change of the whole contract's price (`pool`), rounded with the share it has."""
    takes = (pl.col("pool") != 0) & ((pl.col("→w") > 0) | (pl.col("→w").sum().over("group_id") <= 0))
    others = rows.filter(~takes).with_columns(wide(0).alias("part"))
    sharing = rows.filter(takes)
    if not sharing.height:
        return others
    sharing = sharing.with_columns((pl.col("base") + pl.col("rem")).alias("→price")).with_columns(
        (pl.col("→price") + pl.col("cut")).alias("→exact")
    )
    exact = pl.col("→exact") + part_units(pl.col("pool"), pl.col("→w"), pl.col("→w").sum().over("group_id"))
    sharing = share_minor(sharing, pool_key="group_id", pool="pool", base="→exact", weight="→w")
    after = pl.col("shared") * GUARD
    sharing = sharing.with_columns((after - pl.col("→price")).alias("part"), (exact - after).fill_null(0).alias("cut"))
    return pl.concat([others, sharing.select(others.columns)])


def variable_shares(versions: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Add `variable.minor`: what of a version is variable, rounded as its price is, the shares of one day summing to their total."""
    owner = contracts.select("contract_id", setting("allocation.residual_to").alias("→owner"))
    rows = versions.join(owner, on="contract_id", how="left", maintain_order="left")
    rows = rows.with_columns(pl.format("{}|{}", "group_id", "date").alias("→day"))
    told = rows.filter(pl.col("variable") != 0)
    if not told.height:
        return versions.with_columns(wide(0).alias("variable.minor"))
    shares = share_minor(told, pool_key="→day", base="variable", owner="→owner")
    shares = shares.select("okey", "ordinal", pl.col("shared").alias("variable.minor"))
    made = versions.join(shares, on=["okey", "ordinal"], how="left", maintain_order="left")
    return made.with_columns(pl.col("variable.minor").fill_null(0))
