"""What held on a day: the last row of a history, the running sum of flows."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def latest(points: pl.DataFrame, history: pl.DataFrame, *, by: Sequence[str], on: str, columns: Sequence[str]) -> pl.DataFrame:
    """Add to each point the columns of the last history row of its key on or before its day; null where there is none.

    `points` and `history` have the columns of `by`; the day stands in `on` of both. Two rows of one day: the
    later in the history's order holds. The points keep their order.
    """
    rows = history.filter(pl.col(on).is_not_null()).sort(on, maintain_order=True)
    rows = rows.unique([*by, on], keep="last", maintain_order=True).select(*by, on, *columns)
    numbered = points.with_row_index("asof.row").sort(on, maintain_order=True)
    found = numbered.join_asof(rows, on=on, by=list(by), strategy="backward", check_sortedness=False)
    return found.sort("asof.row").drop("asof.row")


def running(points: pl.DataFrame, flows: pl.DataFrame, *, by: Sequence[str], on: str, columns: Sequence[str]) -> pl.DataFrame:
    """Add to each point the sum of its key's flows on or before its day, 0 where there is none."""
    daily = flows.filter(pl.col(on).is_not_null()).group_by(*by, on).agg(pl.col(columns).sum()).sort(*by, on)
    summed = daily.with_columns(pl.col(columns).cum_sum().over(list(by), order_by=on))
    found = latest(points, summed, by=by, on=on, columns=columns)
    return found.with_columns(pl.col(name).fill_null(pl.lit(0)).cast(flows.schema[name]) for name in columns)
