"""What difference a match may leave, and how much of it is let through in all."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

import polars as pl

WIDE: Final = pl.Decimal(38, 12)
"""The type of amounts while they are matched: money, or money converted and not yet rounded."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Hold how far a match's residual may lie from zero.

    `absolute` is in the amounts' currency, `percent` is of the larger of the two sides. With both
    given, `needs` says whether both must hold or either is enough. Neither: the sides are equal.
    """

    absolute: Decimal | None = None
    percent: Decimal | None = None
    needs: Literal["both", "either"] = "both"

    def holds(self, left: pl.Expr, right: pl.Expr) -> pl.Expr:
        """Say whether the residual of two amounts is within tolerance; the gross amount never counts."""
        residual = (left - right).abs()
        tests: list[pl.Expr] = []
        if self.absolute is not None:
            tests.append(residual <= pl.lit(self.absolute, dtype=WIDE))
        if self.percent is not None:
            larger = pl.max_horizontal(left.abs(), right.abs())
            tests.append(residual * 100 <= larger * pl.lit(self.percent, dtype=WIDE))
        if not tests:
            return residual == 0
        joined = tests[0]
        for test in tests[1:]:
            joined = joined & test if self.needs == "both" else joined | test
        # A percentage of nothing is nothing, so equal sides always hold.
        return joined | (residual == 0)

    def allowance(self, amount: int, unit: Decimal) -> int:
        """Return the residual permitted beside an amount, both in whole units of `unit`."""
        allowed: list[int] = []
        if self.absolute is not None:
            allowed.append(int(self.absolute / unit))
        if self.percent is not None:
            allowed.append(int(abs(amount) * self.percent / 100))
        if not allowed:
            return 0
        return min(allowed) if self.needs == "both" else max(allowed)


@dataclass(frozen=True, slots=True)
class Budget:
    """Hold how much residual is let through in all, by the columns of the left line named in `per`."""

    amount: Decimal
    per: tuple[str, ...] = ()


def over_budget(matches: pl.DataFrame, budget: Budget) -> pl.Series:
    """Say for each match whether the budget of its group is used up before it.

    `matches` has `residual`, `first` (its first line) and the columns of `per`. The smallest
    residuals are let through first, so that the most lines are; the answer is in the rows' order.
    """
    spent = (
        matches.with_row_index("_at")
        .with_columns(pl.col("residual").abs().alias("_size"))
        .sort("_size", "first")
        .with_columns(
            (pl.col("_size").cum_sum().over(budget.per) if budget.per else pl.col("_size").cum_sum()).alias("_spent")
        )
        .sort("_at")
    )
    return spent.select((pl.col("_size") > 0) & (pl.col("_spent") > pl.lit(budget.amount, dtype=WIDE))).to_series()


@dataclass(frozen=True, slots=True)
class Drift:
    """Say from when small residuals that all lean one way are a bias and no longer noise."""

    items: int
    share: Decimal
    amount: Decimal


def biased(matches: pl.DataFrame, drift: Drift, by: tuple[str, ...]) -> pl.DataFrame:
    """Return groups of confirmed matches whose residuals lean one way.

    Columns: those of `by`, `items` (residuals other than 0), `leaning` (those on the larger side)
    and `total` (their sum). A group counts from `items` residuals, of which `share` percent lean to
    one side and which sum to more than `amount`.
    """
    left_over = matches.filter(pl.col("residual") != 0)
    grouped = left_over.group_by(by) if by else left_over.group_by(pl.lit("").alias("_all"))
    counted = grouped.agg(
        pl.len().cast(pl.Int64).alias("items"),
        pl.max_horizontal((pl.col("residual") > 0).sum(), (pl.col("residual") < 0).sum()).cast(pl.Int64).alias("leaning"),
        pl.col("residual").sum().alias("total"),
    )
    leans = pl.col("leaning").cast(WIDE) * 100 >= pl.col("items").cast(WIDE) * pl.lit(drift.share, dtype=WIDE)
    big = pl.col("total").abs() > pl.lit(drift.amount, dtype=WIDE)
    found = counted.filter((pl.col("items") >= drift.items) & leans & big)
    return found.select(*by, "items", "leaning", "total").sort(by or "items", nulls_last=True)
