"""Items their system marks as billed and no invoice bills: work that is never looked at again."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from engine.billing.ledger import LINKS
from engine.billing.references import frame_of
from engine.billing.telling import item_words, money_text, per_item

_MARK, _INVOICE = "field.is_billed", "field.billed_invoice_id"


def can_tell_marks(rows: pl.DataFrame, linked: bool | None, frames: Mapping[str, pl.LazyFrame]) -> bool:
    """Say whether a mark can be held against invoices: their lines name items, or the items name their invoice."""
    named = _INVOICE in rows.columns and "invoice" in frames and rows[_INVOICE].null_count() < rows.height
    return bool(linked) or named


def marked_items(rows: pl.DataFrame, item: str, frames: Mapping[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return the items that are marked as billed, are to be billed by themselves, and are on no invoice.

    What stands on a draft is being billed. Where the item names an invoice whose lines name no items, the invoice says
    nothing against the mark.
    """
    if _MARK not in rows.columns:
        return rows.head(0)
    marked = rows.filter(pl.col(_MARK).fill_null(value=False) & pl.col("eligibility").is_in(["billable", "on_hold"]))
    if not marked.height:
        return marked
    unbilled = per_item(marked).filter(pl.col("ledger.quantity").fill_null(0) <= 0)
    drafted, silent = _drafted(item, frames), _silent_invoices(item, frames)
    kept = ~pl.col("item.id").is_in(drafted.implode())
    if _INVOICE in rows.columns:
        kept = kept & ~pl.col(_INVOICE).is_in(silent.implode()).fill_null(value=False)
    return unbilled.filter(kept)


def tell_marked(marked: pl.DataFrame, subject: list[pl.Expr]) -> pl.DataFrame:
    """Return a finding for each item that is marked as billed and is on no invoice."""
    named = pl.col(_INVOICE) if _INVOICE in marked.columns else pl.lit(None, dtype=pl.String)
    unbilled = (pl.col("item.amount") - pl.col("ledger.amount").fill_null(0)).alias("→open")
    said = pl.when(named.is_not_null()).then(pl.concat_str(pl.lit("; invoice "), named, pl.lit(", which it names, does not bill it")))
    return marked.with_columns(unbilled).select(
        *subject, pl.col("→open").alias("amount_at_risk"),
        pl.when(named.is_not_null()).then(pl.lit("invoice")).alias("related_entity"), named.alias("related_id"),
        pl.concat_str(
            item_words(), pl.lit(" is marked as billed and is on no invoice"), said, pl.lit(": "), money_text("→open"), pl.lit(" open."),
            ignore_nulls=True,
        ).alias("message"),
    )  # fmt: skip


def _lines(frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return every invoice line with its invoice's status."""
    invoices = frame_of(frames, "invoice").select("invoice_id", pl.col("status").alias("→status"))
    lines = frame_of(frames, "invoice_line").select("invoice_line_id", "invoice_id", *LINKS.values())
    return lines.join(invoices, on="invoice_id", how="left")


def _named(item: str, lines: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return the items that lines name, with their invoice and its status."""
    columns = ["invoice_id", "→status"]
    direct = lines.select(pl.col(LINKS[item]).alias("item.id"), *columns).drop_nulls("item.id")
    if item != "time_entry":
        return direct
    pairs = frame_of(frames, "invoice_line_time").select("invoice_line_id", pl.col("time_entry_id").alias("item.id"))
    return pl.concat([direct, pairs.join(lines, on="invoice_line_id").select("item.id", *columns)])


def _drafted(item: str, frames: Mapping[str, pl.LazyFrame]) -> pl.Series:
    """Return the items that stand on drafts."""
    named = _named(item, _lines(frames), frames)
    return named.filter(pl.col("→status") == "draft").select("item.id").unique().collect().to_series()


def _silent_invoices(item: str, frames: Mapping[str, pl.LazyFrame]) -> pl.Series:
    """Return the invoices that stand, or are drafts, and of which no line names an item of the kind."""
    telling = _named(item, _lines(frames), frames).select("invoice_id").unique()
    stands = frame_of(frames, "invoice").filter(~(pl.col("status") == "void").fill_null(value=False))
    return stands.join(telling, on="invoice_id", how="anti").select("invoice_id").collect().to_series()
