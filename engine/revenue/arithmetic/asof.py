"""What held on a day: the last row of a history, the running sum of flows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from engine.revenue.arithmetic.runs import running as running_sum

# From so many rows a point on, a history is first cut to what the points ask for.
_MUCH: Final = 4


def latest(points: pl.DataFrame, history: pl.DataFrame, *, by: Sequence[str], on: str, columns: Sequence[str]) -> pl.DataFrame:
    """Add to each point the columns of the last history row of its key on or before its day; null where there is none.

    `points` and `history` have the columns of `by`; the day stands in `on` of both. Two rows of one day: the
    later in the history's order holds. The points keep their order.
    """
    asked = _asked(history.select(*by, on, *columns), points, by)
    if points.is_empty() or asked.is_empty():
        return points.with_columns(pl.lit(None, dtype=history.schema[name]).alias(name) for name in columns)
    # Of several rows of a day the join takes the last.
    return _joined(points, asked.filter(pl.col(on).is_not_null()).sort(on, maintain_order=True), by, on)


def running(points: pl.DataFrame, flows: pl.DataFrame, *, by: Sequence[str], on: str, columns: Sequence[str]) -> pl.DataFrame:
    """Add to each point the sum of its key's flows on or before its day, 0 where there is none."""
    asked = _asked(flows.select(*by, on, *columns), points, by)
    if points.is_empty() or asked.is_empty():
        return points.with_columns(pl.lit(0).cast(flows.schema[name]).alias(name) for name in columns)
    daily = asked.filter(pl.col(on).is_not_null()).group_by(*by, on).agg(pl.col(columns).sum()).sort(*by, on)
    summed = daily.with_columns(running_sum(pl.col(name), *by).alias(name) for name in columns)
    found = _joined(points, summed, by, on)
    return found.with_columns(pl.col(name).fill_null(pl.lit(0)).cast(flows.schema[name]) for name in columns)


def _asked(history: pl.DataFrame, points: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Leave out of a history that is much longer than the points what no point asks for."""
    if points.height * _MUCH > history.height:
        return history
    return history.join(points.select(by), on=list(by), how="semi", nulls_equal=True, maintain_order="left")


def _joined(points: pl.DataFrame, rows: pl.DataFrame, by: Sequence[str], on: str) -> pl.DataFrame:
    """Join points to the last row on or before their day; rows stand in the order of their days within each key."""
    numbered = points.with_row_index("asof.row").sort(on)
    found = numbered.join_asof(rows, on=on, by=list(by), strategy="backward", check_sortedness=False)
    return found.sort("asof.row").drop("asof.row")
