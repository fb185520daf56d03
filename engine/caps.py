"""Caps that amendments move: one rule for what may be billed and for what is earned."""

from __future__ import annotations

import polars as pl


def cap_after(is_ceiling: pl.Expr) -> pl.Expr:
    """Return the cap that an amendment line leaves, null where it states none.

    `is_ceiling`: whether the line was signed for an amount that is its cap; a new amount is then the new cap.
    """
    return pl.coalesce("cap_amount", pl.when(is_ceiling).then("amount"))
