"""Caps: what goes beyond the amount or hours a scope may be billed, split off at the cap."""

from __future__ import annotations

from datetime import date
from typing import Final

import polars as pl

from engine.billing.money import HOURS, product
from engine.canonical.kinds import MONEY
from engine.caps import OVER, UNKNOWN, up_to_cap
from engine.minor_units import rounded_money
from engine.policy.kinds.billing import BillingPolicy

_SCOPE: Final = {"contract_line": "item.line_id", "project": "item.project_id", "contract": "item.contract_id"}

# How far apart the parts of a split are numbered: later splits number within the gap of earlier ones.
_STEP: Final = 10_000_000
WRITE_DOWN_STEP: Final = 10 * _STEP


def keeps_place(rows: pl.DataFrame, as_of: date) -> pl.Expr:
    """Return whether an item has a place under caps and in funding: it may be billed, or is approved work that is only held back."""
    billable = pl.col("eligibility") == "billable"
    if "field.status" not in rows.columns:
        return billable
    # Else work that grew stale would leave its place to later work, and be earned beyond what the customer pays (606-10-25-1(e)).
    done = (pl.col("field.status") == "approved") & (pl.col("item.date") <= as_of)
    return billable | ((pl.col("eligibility") == "on_hold") & done & pl.col("item.type").is_in(["time_entry", "expense"]))


def apply_caps(rows: pl.DataFrame, policy: BillingPolicy, as_of: date) -> pl.DataFrame:
    """Return the rows with every cap of the policy applied in turn; an item at the cap becomes two rows.

    What is billed, may be billed or is only held back uses the cap up: billed items first, then in the cap's order. An item below 0
    gives back what came last, so what is beyond the cap first (`caps.up_to_cap`).
    """
    for index in range(len(policy.cap)):
        rows = _held_without_limit(rows, index)
        if rows[f"cap.{index}.limit"].null_count() < rows.height:
            rows = _capped(rows, policy, index, as_of)
    return rows


def _held_without_limit(rows: pl.DataFrame, index: int) -> pl.DataFrame:
    """Hold what is billable under a cap that is stated and cannot be told: it is no limit of any amount."""
    if f"cap.{index}.lost" not in rows.columns:
        return rows
    held = pl.col(f"cap.{index}.lost") & (pl.col("eligibility") == "billable")
    return rows.with_columns(
        pl.when(held).then(pl.lit("on_hold")).otherwise("eligibility").alias("eligibility"),
        pl.when(held).then(pl.col(f"cap.{index}.rule")).otherwise("table.rule").alias("table.rule"),
        pl.when(held).then(pl.lit(UNKNOWN)).otherwise("table.reason").alias("table.reason"),
    )


def _capped(rows: pl.DataFrame, policy: BillingPolicy, index: int, as_of: date) -> pl.DataFrame:
    cap = policy.cap[index]
    measure = "item.amount" if cap.measure[0] == "amount" else "item.quantity"
    limit = pl.col(f"cap.{index}.limit").cast(rows.schema[measure], strict=False)
    scope = scope_columns(cap.scope)
    counted = (
        limit.is_not_null() & (keeps_place(rows, as_of) | (pl.col("billed") != "none"))
        & pl.col(measure).is_not_null() & pl.all_horizontal([each.is_not_null() for each in scope])
    ).fill_null(value=False)  # fmt: skip
    pool = rows.filter(counted)
    if not pool.height:
        return rows
    order = [f"cap.{index}.order.{place}" for place in range(len(cap.order))] or ["item.date"]
    sorted_pool = pool.sort(pl.col("billed") == "none", *order, "item.id", "part", nulls_last=True)
    upto = sorted_pool.with_columns(pl.col(measure).cum_sum().over(scope).alias("→upto"))
    within = up_to_cap(pl.col("→upto"), limit) - up_to_cap(pl.col("→upto") - pl.col(measure), limit)
    measured = upto.with_columns(within.cast(rows.schema[measure]).alias("→within")).drop("→upto")
    fits = measured.filter(pl.col("→within") == pl.col(measure)).drop("→within")
    beyond = measured.filter(pl.col("→within") != pl.col(measure))
    if not beyond.height:
        return rows
    none_fits = _over(beyond.filter(pl.col("→within") == 0).drop("→within"), index)
    kept, cut = split(beyond.filter(pl.col("→within") != 0), pl.col("→within"), measure, _STEP // 10**index)
    return pl.concat([rows.filter(~counted), fits, none_fits, kept, _over(cut, index)])


def scope_columns(words: tuple[str, ...]) -> list[pl.Expr]:
    """Return what a cap is counted over."""
    named = [pl.col(_SCOPE[word]) for word in words if word != "period"]
    if "period" not in words:
        return named
    return [*(named or [pl.col("item.line_id")]), pl.col("item.date").dt.strftime("%Y-%m")]


def _over(rows: pl.DataFrame, index: int) -> pl.DataFrame:
    return rows.with_columns(
        pl.col(f"cap.{index}.decision").alias("eligibility"), pl.col(f"cap.{index}.rule").alias("table.rule"),
        pl.lit(OVER).alias("table.reason"),
    )  # fmt: skip


def split(rows: pl.DataFrame, within: pl.Expr, measure: str, step: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Cut each row in two at `within` of its amount or quantity; the two add up to the row exactly.

    What is invoiced of the item fills the first part before the second. `step` keeps `part` unique:
    each of the splits that a row may pass has one of its own. Columns that begin with `→` are dropped.
    """
    is_amount = measure == "item.amount"
    whole = pl.when(pl.col(measure) != 0).then(pl.col(measure)).cast(pl.Decimal(38, 18))
    # Multiplied before it is divided: a third of 100.005 is 33.335, and no half coin is lost in what a third is told as.
    quantity = (product(pl.col("item.quantity"), within) / whole).round(8).cast(HOURS) if is_amount else within.cast(HOURS)
    amount = within.cast(MONEY) if is_amount else rounded_money(product(pl.col("item.amount"), within) / whole, pl.col("item.currency"))
    sized = rows.with_columns(quantity.alias("→quantity"), amount.alias("→amount"))
    hourly = pl.col("item.type") == "time_entry"
    done = _filled("ledger.quantity", "→quantity")
    paid = (
        pl.when(~hourly | (pl.col("ledger.quantity") != done)).then(_filled("ledger.amount", "→amount"))
        .otherwise("ledger.amount")
    )  # fmt: skip
    sized = sized.with_columns(done.alias("→done"), paid.alias("→paid"))
    first = sized.with_columns(
        pl.col("→quantity").alias("item.quantity"), pl.col("→amount").alias("item.amount"), pl.col("→done").alias("ledger.quantity"),
        pl.col("→paid").alias("ledger.amount"),
    )  # fmt: skip
    second = sized.with_columns(
        pl.col("item.quantity") - pl.col("→quantity"), pl.col("item.amount") - pl.col("→amount"),
        pl.col("ledger.quantity") - pl.col("→done"), pl.col("ledger.amount") - pl.col("→paid"), pl.col("part") + step,
    )  # fmt: skip
    own = [name for name in rows.columns if not name.startswith("→")]
    return first.select(own), second.select(own)


def _filled(done: str, part: str) -> pl.Expr:
    """Return what of the first part is done: an item below 0 fills it downwards."""
    return pl.when(pl.col(part) < 0).then(pl.max_horizontal(done, part)).otherwise(pl.min_horizontal(done, part))
