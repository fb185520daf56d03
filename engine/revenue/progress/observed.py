"""What observed measures share: the frame they come in, exact integers of decimals, sums over an obligation's lines."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import Kind, polars_dtype
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.arithmetic.runs import before, carried, running
from engine.revenue.ground.sources import united_by

OBSERVED: Final[dict[str, pl.DataType]] = {
    "okey": pl.String(),
    "date": pl.Date(),
    "to_date": pl.Int128(),
    "total": pl.Int128(),
    "at_cost": pl.Int128(),
    "is_reestimate": pl.Boolean(),
    "basis": pl.String(),
    "evidence": pl.List(pl.String()),
}
"""`frames.OBSERVATIONS` by the internal key; `at_cost` in units (`exact.py`); `basis`: what moved the measure."""

QTY: Final = polars_dtype(Kind.QTY)
HOURS: Final = polars_dtype(Kind.HOURS)


def summed(rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Return per obligation and day the sum over its lines of each line's latest values; unstated values count as nothing.

    `rows`: okey, contract_line_id, date, `names` (Int128, null: not stated on that day), evidence.
    """
    key = "contract_line_id"
    filled = rows.sort(key, "date").with_columns(carried(pl.col(name), key).alias(name) for name in names)
    steps = filled.with_columns((pl.col(name).fill_null(0) - before(pl.col(name), key).fill_null(0)).alias(name) for name in names)
    together = steps.select("okey", "date", *names, "evidence").sort("okey", "date")
    daily = together.group_by("okey", "date", maintain_order=True).agg(pl.col(names).sum())
    daily = daily.with_columns(united_by(together, ["okey", "date"], "evidence")["evidence"])
    return daily.with_columns(running(pl.col(name), "okey").alias(name) for name in names)


def delivered(rows: pl.DataFrame, basis: str, *, is_reestimate: pl.Expr | None = None) -> pl.DataFrame:
    """Return per obligation and day what its lines have `done` of their `total` (columns as for `summed`), never more than all of it."""
    return summed(rows, ["done", "total"]).with_columns(
        pl.col("done").alias("to_date"),
        pl.max_horizontal("total", "done", wide(1)).alias("total"),
        wide(0).alias("at_cost"),
        pl.lit(basis).alias("basis"),
        (pl.lit(value=False) if is_reestimate is None else is_reestimate).alias("is_reestimate"),
    )


def reestimated(total: str) -> pl.Expr:
    """Tell whether the total changed against the obligation's observation before."""
    earlier = before(pl.col(total), "okey")
    return ((pl.col(total) != earlier) & (earlier > 0)).fill_null(value=False)


def of_measure(lines: pl.DataFrame, measure: str) -> pl.DataFrame:
    """Return the lines of a measure that stand in the pool."""
    return lines.filter((pl.col("measure") == measure) & ~pl.col("is_as_invoiced"))
