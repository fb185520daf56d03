"""The term of a contract as its promises state it, where its own record has no days."""

from __future__ import annotations

import polars as pl


def last_promised(end: pl.Expr) -> pl.Expr:
    """Return the last day of what is promised together, in an aggregation; none where a service has no end (606-10-25-3).

    What passes at a point in time (`timing`) lasts no longer than its own day and leaves the end of the others as it is.
    """
    endless = end.is_null() & (pl.col("timing") != "point_in_time").fill_null(value=True)
    return pl.when(~endless.any()).then(end.max())
