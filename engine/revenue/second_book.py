"""A second book beside the first: the same records under another standard, and every figure in which the two differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.ground.settings import Versions

BOOK_DIFFERENCES: Final[dict[str, pl.DataType]] = {
    "output": pl.String(), "contract_id": pl.String(), "item": pl.String(), "period": pl.String(), "column": pl.String(),
    "first": MONEY, "second": MONEY, "difference": MONEY, "currency": pl.String(), "first_standard": pl.String(),
    "second_standard": pl.String(),
}  # fmt: skip
"""One row per figure that differs between the books (second less first).

`item`: the obligation, contract line, cost, disclosure or account role the figure is about; null where it is the contract.
"""

KEPT: Final = ("obligations", "revenue_schedule", "contract_balances", "contract_costs", "disclosures", "journal")
"""Outputs that the second book is compared in."""

# By output: what a figure is about beside contract and period, and the columns compared (sums).
_COMPARED: Final[dict[str, tuple[str | None, tuple[str, ...]]]] = {
    "obligations": ("obligation_id", ("allocated_amount", "allocated_variable")),
    "revenue_schedule": ("contract_line_id", ("recognized_amount", "planned_amount")),
    "contract_balances": (
        None,
        ("transaction_price", "recognized", "contract_asset", "contract_liability", "receivable", "unbilled_receivable",
         "refund_liability", "return_asset", "deposit_liability", "customer_payment_asset", "loss_provision", "cost_of_revenue",
         "gross_margin", "interest", "fx_difference", "remaining_obligation", "functional_contract_asset",
         "functional_contract_liability", "functional_receivable"),
    ),
    "contract_costs": ("cost_id", ("capitalized", "expensed", "amortized", "impaired", "reversed", "closing")),
    "disclosures": ("disclosure", ("amount",)),
    "journal": ("account_role", ("debit", "credit", "functional_debit", "functional_credit")),
}  # fmt: skip


def second_versions(versions: Versions) -> Versions | None:
    """Return the versions of the policy with the settings of its second book; None when no version keeps one."""
    if not any(policy.second_book for _, policy in versions):
        return None
    return [(loaded, policy.for_second_book()) for loaded, policy in versions]


def book_differences(first: Mapping[str, pl.LazyFrame], second: Mapping[str, pl.LazyFrame], standards: pl.DataFrame) -> pl.DataFrame:
    """Return every figure in which two books' outputs differ (BOOK_DIFFERENCES), sorted.

    Obligations are compared in the version in force at the end. `standards`: contract_id, first_standard, second_standard.
    """
    made = [_differing(name, first[name].collect(), second[name].collect()) for name in KEPT if name in first and name in second]
    rows = pl.concat(made).join(standards, on="contract_id", how="left")
    order = ["output", "contract_id", "item", "period", "column"]
    return rows.select(pl.col(name).cast(dtype) for name, dtype in BOOK_DIFFERENCES.items()).sort(order, nulls_last=True)


def _differing(output: str, first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    item, columns = _COMPARED[output]
    left, right = (_figures(output, frame, item, columns) for frame in (first, second))
    key = ["contract_id", "item", "period", "currency", "column"]
    both = left.join(right, on=key, how="full", coalesce=True, nulls_equal=True, suffix=".second")
    both = both.with_columns(pl.col("value").fill_null(ZERO).alias("first"), pl.col("value.second").fill_null(ZERO).alias("second"))
    return both.filter(pl.col("first") != pl.col("second")).select(
        pl.lit(output).alias("output"), "contract_id", "item", "period", "column", "first", "second",
        (pl.col("second") - pl.col("first")).cast(MONEY).alias("difference"), "currency",
    )  # fmt: skip


def _figures(output: str, frame: pl.DataFrame, item: str | None, columns: tuple[str, ...]) -> pl.DataFrame:
    """Return an output's figures as rows: contract, item, period, currency, column, value."""
    if output == "obligations":
        frame = frame.sort("version").unique(["contract_id", "obligation_id"], keep="last", maintain_order=True)
    period = pl.col("period") if "period" in frame.columns else pl.lit(None, dtype=pl.String)
    about = pl.lit(None, dtype=pl.String) if item is None else pl.col(item)
    known = [name for name in columns if name in frame.columns]
    amounts = [pl.col(name).cast(MONEY) for name in known]
    summed = frame.select("contract_id", about.alias("item"), period.alias("period"), "currency", *amounts)
    summed = summed.group_by("contract_id", "item", "period", "currency").agg(pl.col(known).sum())
    long = summed.unpivot(known, index=["contract_id", "item", "period", "currency"], variable_name="column", value_name="value")
    return long.filter(pl.col("value") != 0)
