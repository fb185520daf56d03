"""When a customer may leave: the right to end a contract for convenience, and how long it binds until then (606-10-25-3)."""

from __future__ import annotations

import polars as pl


def free_to_leave() -> pl.Expr:
    """Tell whether the customer may end the contract for convenience without a penalty."""
    return (pl.col("cancellable_by").is_in(["customer", "either"]) & (pl.coalesce("exit_penalty", pl.lit(0)) <= 0)).fill_null(value=False)


def notice_end(day: pl.Expr) -> pl.Expr:
    """Return the last day a customer free to leave is bound to, seen from a day."""
    return day.dt.offset_by(pl.format("{}d", pl.coalesce("notice_days", pl.lit(0))))
