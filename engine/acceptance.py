"""When a milestone is accepted: one meaning for billing and revenue (606-10-55-85)."""

from __future__ import annotations

import polars as pl


def is_accepted(status: str = "status", day: str = "accepted_date") -> pl.Expr:
    """Tell of a milestone whether the customer accepted it: by its status, and where it states none by the day of acceptance."""
    return (pl.coalesce(status, pl.when(pl.col(day).is_not_null()).then(pl.lit("accepted"))) == "accepted").fill_null(value=False)


def accepted_by(day: pl.Expr) -> pl.Expr:
    """Tell whether a milestone was accepted by a day: what states no day of acceptance is accepted on none."""
    return is_accepted() & (pl.col("accepted_date") <= day).fill_null(value=False)
