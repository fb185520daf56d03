"""Changes of promises that are finished: nothing of them remains, so that they do not start anew (606-10-25-13(a), 32-43)."""

from __future__ import annotations

from typing import Final

import polars as pl

_NAMES: Final = ("base", "m0", "u0", "w_base", "own_base", "own_rem", "unserved", "ssp")


def going_on(rows: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Return rows after a change, promises of which nothing remains (`is_over`) in the segment they had, with their new price.

    Should more of one be agreed later, all of its price is measured by all of it, as with any change that is not distinct.
    A change that adds to its standalone price adds service: something remains, though its measure does not know it yet.
    """
    over = pl.col("is_over") & (pl.col("kind") == "prospective").fill_null(value=False)
    if not rows.select(over.any()).item():
        return rows.drop("is_over")
    over &= ~(pl.col("ssp_change") > 0).fill_null(value=False)
    seen = rows.join(before.select("okey", pl.col(_NAMES).name.prefix("→")), on="okey", how="left", maintain_order="left")
    base, weight = pl.col("→base") + pl.col("past"), pl.col("w_base") + pl.col("w_rem")
    now = {
        **{name: pl.col(f"→{name}") for name in _NAMES},
        "base": base,
        "rem": pl.col("base") + pl.col("rem") - base,
        "w_rem": weight - pl.col("→w_base"),
        "unserved": pl.col("→unserved") + pl.col("price_change") - pl.col("past"),
        "ssp": pl.col("→ssp") + pl.col("ssp_change").fill_null(0),
        "is_anew": pl.lit(value=False),
    }
    made = seen.with_columns(pl.when(over).then(value).otherwise(name).alias(name) for name, value in now.items())
    return made.drop("is_over", *(f"→{name}" for name in _NAMES))
