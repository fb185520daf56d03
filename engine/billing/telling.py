"""Words for messages: an item, its hours, an amount; and one row for each item."""

from __future__ import annotations

import polars as pl

_NAMES = {
    "time_entry": "Time entry ", "expense": "Expense ", "milestone": "Milestone ", "billing_plan_line": "Plan line ", "fee": "Fee ",
}  # fmt: skip


def item_words() -> pl.Expr:
    """Return an item's name: `Time entry T1 of 2026-03-02, 7.50 h`."""
    name = pl.col("item.type").replace_strict(_NAMES, default="Item ", return_dtype=pl.String)
    day = pl.when(pl.col("item.date").is_not_null()).then(pl.concat_str(pl.lit(" of "), pl.col("item.date").cast(pl.String)))
    hours = pl.when(pl.col("item.type") == "time_entry").then(pl.concat_str(pl.lit(", "), hours_text(), pl.lit(" h")))
    return pl.concat_str(name, pl.col("item.id"), day, hours, ignore_nulls=True)


def hours_text() -> pl.Expr:
    """Return the item's quantity with two decimals."""
    return plain(pl.col("item.quantity"))


def money_text(column: str) -> pl.Expr:
    """Return an amount with two decimals and its currency; words where it is not known."""
    known = pl.concat_str(plain(pl.col(column)), pl.concat_str(pl.lit(" "), pl.col("item.currency")), ignore_nulls=True)
    return pl.when(pl.col(column).is_not_null()).then(known).otherwise(pl.lit("an amount not known"))


def plain(value: pl.Expr) -> pl.Expr:
    """Return a decimal as text with two decimals."""
    return value.round(2, mode="half_away_from_zero").cast(pl.Decimal(38, 2)).cast(pl.String)


def is_split(rows: pl.DataFrame) -> bool:
    """Say whether some item has several rows."""
    return bool(rows.height) and rows["part"].max() != 0


def first_parts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the first row of each item."""
    return rows.filter(pl.col("part") == pl.col("part").min().over("item.id")) if is_split(rows) else rows


def items_where(rows: pl.DataFrame, counts: pl.Expr, whole: pl.Expr) -> pl.DataFrame:
    """Return one row an item of the rows that count, of which as a whole a condition holds."""
    if is_split(rows):
        return per_item(rows.filter(counts)).filter(whole)
    # Rows that are no parts are looked at where they stand, and taken and sorted once they are few.
    return per_item(rows.filter(counts & whole))


def per_item(rows: pl.DataFrame, *summed: pl.Expr) -> pl.DataFrame:
    """Return one row an item: quantities, amounts and `summed` over its parts, the rest of its first part."""
    rows = rows.with_columns(summed) if summed else rows
    totals = [name for name in ("item.quantity", "item.amount", "ledger.quantity", "ledger.amount", "→open") if name in rows.columns]
    key = ["item.type", "item.id"]
    if not is_split(rows):
        return rows.sort(key)
    whole = pl.when(pl.all_horizontal([pl.col(name).is_not_null().all().over(key) for name in totals])).then
    added = rows.with_columns(whole(pl.col(name).sum().over(key)).otherwise(pl.col(name)).alias(name) for name in totals)
    return added.sort(*key, "part").unique(key, keep="first", maintain_order=True)
