"""A draft invoice run against the decisions: which lines must not go out, and why."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.billing.money import HOURS, product, with_share
from engine.billing.telling import plain
from engine.canonical.kinds import MONEY
from engine.minor_units import rounded_money

_OPEN: Final = ("billable", "partially_billed")
_LINKS: Final = {"time_entry": "time_entry_id", "expense": "expense_id", "milestone": "milestone_id"}
_CENT: Final = 1

STOPPED_SCHEMA: Final[dict[str, pl.DataType]] = {
    "invoice_line_id": pl.String(),
    "source_row": pl.Int64(),
    "item": pl.String(),
    "amount": MONEY,
    "currency": pl.String(),
    "reason": pl.String(),
    "rule": pl.String(),
}
"""Columns of what must not go out: one row a line and reason."""


def stopped_lines(lines: pl.DataFrame, pairs: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of a draft that must not go out, with the reason of each (`STOPPED_SCHEMA`).

    `lines` are invoice lines with `currency` and `invoice_date` (null where not known), `pairs` the
    time entries that lines settle, `decisions` the billing decisions of a run. A line that takes
    something back (a negative amount) is not judged. Several draft lines of one item are added up in
    their order.
    """
    charging = lines.filter(pl.col("net_amount").fill_null(0) >= 0)
    named = _named(charging, pairs, decisions)
    items = named.join(_allowed(decisions), on=["item_type", "item_id"], how="left", maintain_order="left")
    unnamed = charging.join(named.select("invoice_line_id"), on="invoice_line_id", how="anti", maintain_order="left")
    found = [_stopped(items, *each) for each in _item_reasons()] + [_unnamed(unnamed, named, decisions)]
    return pl.concat(found).sort("source_row", "invoice_line_id", "item", "reason", nulls_last=True)


def _named(lines: pl.DataFrame, pairs: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each item a line names, with the quantity and amount it bills of it.

    A milestone without an amount is none: what it lets be billed, its contract line's plan says.
    """
    bare = decisions.filter((pl.col("item_type") == "milestone") & pl.col("amount").is_null()).select("item_id")
    columns = ["invoice_line_id", "source_row", "currency", "invoice_date"]
    parts: list[pl.DataFrame] = []
    settled = pairs.select("invoice_line_id", pl.col("time_entry_id").alias("item_id"), pl.col("hours").alias("hours"))
    joined = settled.join(lines, on="invoice_line_id", how="inner")
    shared = with_share(joined.lazy(), ["item_id"], "invoice_line_id").collect()
    parts.append(
        shared.select(
            *columns, pl.lit("time_entry").alias("item_type"), "item_id", pl.col("hours").alias("quantity"),
            pl.col("→share").alias("amount"),
        )
    )  # fmt: skip
    direct = lines.join(settled.select("invoice_line_id"), on="invoice_line_id", how="anti", maintain_order="left")
    for item, key in _LINKS.items():
        own = direct.filter(pl.col(key).is_not_null())
        own = own.join(bare, left_on=key, right_on="item_id", how="anti", maintain_order="left") if item == "milestone" else own
        quantity = pl.col("quantity").cast(HOURS) if item == "time_entry" else pl.lit(1).cast(HOURS)
        parts.append(
            own.select(
                *columns,
                pl.lit(item).alias("item_type"),
                pl.col(key).alias("item_id"),
                quantity.alias("quantity"),
                pl.col("net_amount").alias("amount"),
            )
        )
    whole = pl.concat([part.with_columns(pl.col("quantity").cast(HOURS), pl.col("amount").cast(MONEY)) for part in parts])
    same = ["item_type", "item_id"]
    ordered = whole.sort("source_row", "invoice_line_id", nulls_last=True)
    return ordered.with_columns(
        pl.col("quantity").fill_null(0).cum_sum().over(same).alias("→hours"),
        pl.col("amount").fill_null(0).cum_sum().over(same).alias("→upto"),
    )


def _allowed(decisions: pl.DataFrame) -> pl.DataFrame:
    """Return by item what is left to bill, its rate, and the words of what is not."""
    is_open = pl.col("decision").is_in(_OPEN)
    words = pl.concat_str(pl.col("decision").str.replace_all("_", " "), pl.lit(" ("), pl.col("reason"), pl.lit(")"), ignore_nulls=True)
    return decisions.sort("part").group_by("item_type", "item_id", maintain_order=True).agg(
        pl.col("quantity_unbilled").filter(is_open).sum().alias("→open hours"),
        pl.col("amount_unbilled").filter(is_open).sum().alias("→open"),
        is_open.any().alias("→is open"), pl.col("rate").first().alias("→rate"), pl.col("currency").first().alias("→currency"),
        words.filter(~is_open).first().alias("→words"), pl.col("rule").filter(~is_open).first().alias("→blocking"),
        pl.col("rule").first().alias("→rule"), pl.col("earliest_bill_date").filter(is_open).max().alias("→earliest"),
        pl.lit(value=True).alias("→known"),
    )  # fmt: skip


def _item_reasons() -> list[tuple[pl.Expr, pl.Expr, pl.Expr]]:
    """Return each reason to stop an item as (condition, words, rule)."""
    hourly = pl.col("item_type") == "time_entry"
    known, is_open = pl.col("→known").is_not_null(), pl.col("→is open").fill_null(value=False)
    beyond_hours = hourly & (pl.col("→hours") > pl.col("→open hours"))
    beyond_amount = ~hourly & (pl.col("→upto") > pl.col("→open"))
    left_hours = pl.max_horizontal(pl.col("→open hours") - (pl.col("→hours") - pl.col("quantity")), pl.lit(0, dtype=HOURS))
    left = pl.max_horizontal(pl.col("→open") - (pl.col("→upto") - pl.col("amount")), pl.lit(0, dtype=MONEY))
    due = rounded_money(product(pl.col("quantity"), pl.col("→rate")), pl.col("→currency"))
    mispriced = hourly & ((pl.col("amount") - due).abs() * 100 > _CENT) & pl.col("→rate").is_not_null()
    other = pl.col("currency") != pl.col("→currency")
    rest = pl.when(pl.col("→words").is_not_null()).then(_words(pl.lit("; the rest is "), pl.col("→words"))).otherwise(pl.lit(""))
    blocking = pl.coalesce("→blocking", "→rule")
    quantity, amount = plain(pl.col("quantity")), plain(pl.col("amount"))
    hours_words = _words(pl.lit("it bills "), quantity, pl.lit(" h and "), plain(left_hours), pl.lit(" h are left to bill"), rest)
    amount_words = _words(pl.lit("it bills "), amount, pl.lit(" and "), plain(left), pl.lit(" are left to bill"), rest)
    priced = _words(
        pl.lit("it bills "), amount, pl.lit(" for "), quantity, pl.lit(" h; at the rate of "), plain(pl.col("→rate")),
        pl.lit(" it is "), plain(due),
    )  # fmt: skip
    other_words = _words(pl.lit("it is in "), pl.col("currency"), pl.lit(" and is billed in "), pl.col("→currency"))
    early_words = _words(pl.lit("it may be billed from "), pl.col("→earliest").cast(pl.String))
    return [
        (~known, pl.lit("the run has no such item"), pl.lit(None, dtype=pl.String)),
        (known & ~is_open, _words(pl.lit("it is "), pl.col("→words")), pl.col("→blocking")),
        (is_open & beyond_hours, hours_words, blocking),
        (is_open & beyond_amount, amount_words, blocking),
        (is_open & ~other.fill_null(value=False) & mispriced, priced, pl.col("→rule")),
        (is_open & other, other_words, pl.col("→rule")),
        (is_open & (pl.col("→earliest") > pl.col("invoice_date")), early_words, pl.col("→rule")),
    ]


def _words(*parts: pl.Expr) -> pl.Expr:
    return pl.concat_str(*parts)


def _stopped(items: pl.DataFrame, condition: pl.Expr, words: pl.Expr, rule: pl.Expr) -> pl.DataFrame:
    item = pl.concat_str(pl.col("item_type").str.replace_all("_", " "), pl.lit(" "), pl.col("item_id"))
    stopped = items.filter(condition.fill_null(value=False)).with_columns(item.alias("item"), words.alias("reason"), rule.alias("rule"))
    return stopped.select(pl.col(name).cast(dtype) for name, dtype in STOPPED_SCHEMA.items())


def _unnamed(lines: pl.DataFrame, named: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """Return the lines that name no item and bill more than their contract line has left to bill."""
    taken = named.join(
        decisions.select("item_type", "item_id", "contract_line_id").unique(["item_type", "item_id"]),
        on=["item_type", "item_id"],
        how="left",
    )
    used = taken.group_by("contract_line_id").agg(pl.col("amount").sum().alias("→taken"))
    left = (
        decisions.filter(pl.col("decision").is_in(_OPEN)).group_by("contract_line_id").agg(pl.col("amount_unbilled").sum().alias("→open"))
    )
    ordered = lines.sort("source_row", "invoice_line_id", nulls_last=True)
    upto = pl.col("net_amount").fill_null(0).cum_sum().over("contract_line_id")
    joined = (
        ordered.with_columns(upto.alias("→upto"))
        .join(left, on="contract_line_id", how="left", maintain_order="left")
        .join(used, on="contract_line_id", how="left", maintain_order="left")
    )
    rest = pl.col("→open").fill_null(0) - pl.col("→taken").fill_null(0) - (pl.col("→upto") - pl.col("net_amount"))
    lost = pl.col("contract_line_id").is_null()
    words = (
        pl.when(lost)
        .then(pl.lit("it names neither an item nor a contract line"))
        .otherwise(
            pl.concat_str(
                pl.lit("it names no item, and its contract line has "),
                plain(pl.max_horizontal(rest, pl.lit(0, dtype=MONEY))),
                pl.lit(" left to bill"),
            )
        )
    )
    stopped = joined.filter(lost | (pl.col("net_amount") > rest)).with_columns(
        pl.concat_str(pl.lit("contract line "), pl.col("contract_line_id")).alias("item"), pl.col("net_amount").alias("amount"),
        words.alias("reason"), pl.lit(None, dtype=pl.String).alias("rule"),
    )  # fmt: skip
    return stopped.select(pl.col(name).cast(dtype) for name, dtype in STOPPED_SCHEMA.items())
