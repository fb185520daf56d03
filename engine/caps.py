"""Caps: how far they reach, and what amendments make of them; one rule for what may be billed and for what is earned."""

from __future__ import annotations

from typing import Final

import polars as pl

OVER: Final = "over the cap"
"""The reason of a billing decision on what goes beyond a cap."""

UNKNOWN: Final = "cap not known"
"""The reason of a billing decision on work whose cap is stated and cannot be told: too large to be kept, or divided by 0."""

NO_FUNDING: Final = "no funding left"
"""The reason of a billing decision on what no funding source takes."""


def cap_after(is_ceiling: pl.Expr) -> pl.Expr:
    """Return the cap that an amendment line leaves, null where it states none.

    `is_ceiling`: whether the line was signed for an amount that is its cap; a new amount is then the new cap.
    """
    return pl.coalesce("cap_amount", pl.when(is_ceiling).then("amount"))


def up_to_cap(running: pl.Expr, cap: pl.Expr) -> pl.Expr:
    """Return how much of a running total is within its cap, all of it where there is none.

    What an entry has of the cap is the difference that it makes to this: a negative one takes back what came last, so what is
    beyond the cap first.
    """
    return pl.min_horizontal(running, cap)
