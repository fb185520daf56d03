"""The same work, or the same invoice, twice: by key and by likeness, with a score and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from engine.billing.ledger import counted_lines
from engine.billing.references import frame_of
from engine.billing.telling import first_parts, plain
from engine.policy.kinds.billing import BillingCheck

# More entries of one person on one project and day than this are compared by key alone.
_MOST: Final = 200

_SAME_WORK: Final = ("field.resource_id", "item.project_id", "item.date")


def duplicate_time_entries(rows: pl.DataFrame, check: BillingCheck) -> pl.DataFrame:
    """Return the later of two entries that read as the same work.

    The same person, project and day give 50 points, the same hours 30, the same note 20; notes that
    differ take up to 20 away, a note beside none 5. From `threshold` points on it is a finding.
    """
    entries = first_parts(rows)
    # What stands twice has a hash that stands twice, and few others have.
    stands = pl.col("field.status").fill_null("") != "rejected"
    hashed = entries.select(pl.when(stands).then(pl.struct(_SAME_WORK).hash()).alias("hash"))["hash"]
    known = entries.filter(hashed.is_duplicated() & hashed.is_not_null()).filter(
        pl.all_horizontal([pl.col(name).is_not_null() for name in _SAME_WORK]) & pl.struct(_SAME_WORK).is_duplicated()
    )
    if not known.height:
        return _no_pairs()
    note = pl.col("field.note").str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()
    noted = known.with_columns(
        pl.when(note != "").then(note).alias("→note"), pl.len().over(_SAME_WORK).alias("→many")
    ).sort("field.recorded_at", "item.id", nulls_last=True).with_row_index("→order")  # fmt: skip
    pairs = pl.concat([_by_key(noted), _by_likeness(noted.filter(pl.col("→many") <= _MOST))])
    best = (
        pairs.filter(pl.col("→score") >= check.threshold).sort("item.id", pl.col("→score") * -1, "→other")
        .unique("item.id", keep="first", maintain_order=True)
    )  # fmt: skip
    message = pl.concat_str(
        pl.lit("Time entry "), pl.col("item.id"), pl.lit(" reads as the same work as "), pl.col("→other"), pl.lit(" ("),
        pl.col("→score").cast(pl.String), pl.lit(" of 100: the same person, project and day, "), pl.col("→why"), pl.lit(")."),
    )  # fmt: skip
    return best.select(
        pl.lit("time_entry").alias("entity"), pl.col("item.id").alias("entity_id"), pl.lit("time_entry").alias("related_entity"),
        pl.col("→other").alias("related_id"), pl.col("item.contract_id").alias("contract_id"),
        pl.col("item.date").dt.strftime("%Y-%m").alias("period"), pl.col("item.amount").alias("amount_at_risk"),
        pl.col("item.currency").alias("currency"), message.alias("message"), "evidence", pl.col("item.date").alias("since"),
    )  # fmt: skip


_KEPT: Final = ("item.id", "item.contract_id", "item.date", "item.amount", "item.currency", "evidence")


def _no_pairs() -> pl.DataFrame:
    return pl.DataFrame(schema={"entity": pl.String, "entity_id": pl.String, "message": pl.String})


def _by_key(entries: pl.DataFrame) -> pl.DataFrame:
    """Return entries that equal an earlier one in person, project, day, hours and note."""
    same = [*_SAME_WORK, "item.quantity", "→note"]
    first = entries.sort("→order").with_columns(pl.col("item.id").first().over(same).alias("→other"))
    later = first.filter(pl.col("item.id") != pl.col("→other"))
    noted = pl.col("→note").is_not_null()
    return later.select(
        *_KEPT, "→other", pl.when(noted).then(100).otherwise(80).cast(pl.Int64).alias("→score"),
        pl.when(noted).then(pl.lit("the same hours and note")).otherwise(pl.lit("the same hours, no notes")).alias("→why"),
    )  # fmt: skip


def _by_likeness(entries: pl.DataFrame) -> pl.DataFrame:
    """Return every later entry beside every earlier one of the same person, project and day, scored."""
    other = entries.select(
        *_SAME_WORK, pl.col("item.id").alias("→other"), pl.col("→order").alias("→first"), pl.col("item.quantity").alias("→hours"),
        pl.col("→note").alias("→text"),
    )  # fmt: skip
    pairs = entries.join(other, on=list(_SAME_WORK), how="inner").filter(pl.col("→first") < pl.col("→order"))
    mine, theirs = pl.col("→note").str.split(" ").list.unique(), pl.col("→text").str.split(" ").list.unique()
    common, all_words = mine.list.set_intersection(theirs).list.len(), mine.list.set_union(theirs).list.len()
    alike = common.cast(pl.Int64) * 40 // all_words.cast(pl.Int64) - 20
    both, neither = pl.col("→note").is_not_null() & pl.col("→text").is_not_null(), pl.col("→note").is_null() & pl.col("→text").is_null()
    notes = pl.when(both).then(alike).when(neither).then(0).otherwise(-5).cast(pl.Int64)
    hours = pl.col("item.quantity") == pl.col("→hours")
    told_hours = pl.when(hours).then(pl.lit("the same hours")).otherwise(pl.lit("other hours"))
    told_notes = (
        pl.when(both & (alike == 20)).then(pl.lit("the same words in the notes")).when(both & (common > 0)).then(pl.lit("like notes"))
        .when(both).then(pl.lit("other notes")).when(neither).then(pl.lit("no notes")).otherwise(pl.lit("one without a note"))
    )  # fmt: skip
    score = pl.lit(50, dtype=pl.Int64) + pl.when(hours).then(30).otherwise(0) + notes
    return pairs.select(
        *_KEPT, "→other", score.cast(pl.Int64).alias("→score"), pl.concat_str(told_hours, pl.lit(", "), told_notes).alias("→why")
    )


def duplicate_invoices(frames: Mapping[str, pl.LazyFrame], check: BillingCheck) -> pl.DataFrame:
    """Return the later of two invoices that read as the same one.

    The same number of one legal entity is enough. Else the same customer, currency and total give
    60 points, the same contract 20 (another one takes 40 away), the same lines 20 (others take 20
    away); only invoices within `after` of each other are compared. What a credit note corrects, or
    a re-issue replaces, is no duplicate.
    """
    if "invoice" not in frames:
        return _no_pairs()
    invoices = frame_of(frames, "invoice")
    undone = invoices.select(pl.col("corrects_invoice_id").alias("invoice_id")).drop_nulls()
    replaced = invoices.select(pl.col("replaces_invoice_id").alias("invoice_id")).drop_nulls()
    stands = invoices.filter(
        ~pl.col("status").is_in(["void"]).fill_null(value=False), pl.col("kind").fill_null("invoice") == "invoice",
        pl.col("gross_amount").fill_null(1) != 0,
    ).join(pl.concat([undone, replaced]), on="invoice_id", how="anti")  # fmt: skip
    content = counted_lines(frames).select("invoice_id", _content().alias("→line")).sort("→line")
    known = stands.join(content.group_by("invoice_id").agg(pl.col("→line").sort().str.join("|")), on="invoice_id", how="left").collect()
    known = known.sort("invoice_date", "invoice_id", nulls_last=True).with_row_index("→order")
    days = check.after.count if check.after is not None else 7
    pairs = pl.concat([_by_number(known), _by_total(known, days)])
    best = (
        pairs.filter(pl.col("→score") >= check.threshold).sort("invoice_id", pl.col("→score") * -1, "→other")
        .unique("invoice_id", keep="first", maintain_order=True)
    )  # fmt: skip
    message = pl.concat_str(
        pl.lit("Invoice "), pl.col("invoice_id"), pl.lit(" reads as the same as "), pl.col("→other"), pl.lit(": "),
        plain(pl.col("gross_amount")),
        pl.concat_str(pl.lit(" "), pl.col("currency")), pl.lit(" ("), pl.col("→score").cast(pl.String), pl.lit(" of 100: "), pl.col("→why"),
        pl.lit(")."), ignore_nulls=True,
    )  # fmt: skip
    return best.select(
        pl.lit("invoice").alias("entity"), pl.col("invoice_id").alias("entity_id"), pl.lit("invoice").alias("related_entity"),
        pl.col("→other").alias("related_id"), "contract_id", pl.col("gross_amount").alias("amount_at_risk"), "currency",
        message.alias("message"), "evidence", pl.col("invoice_date").alias("since"),
    )  # fmt: skip


def _content() -> pl.Expr:
    subject = pl.coalesce("milestone_id", "expense_id", "time_entry_id", "contract_line_id", "project_id", pl.lit(""))
    return pl.concat_str(
        subject, pl.lit(" "), pl.col("service_start").cast(pl.String), pl.col("net_amount").cast(pl.String), ignore_nulls=True
    )


_INVOICE: Final = ("invoice_id", "contract_id", "gross_amount", "currency", "evidence", "invoice_date")


def _by_number(invoices: pl.DataFrame) -> pl.DataFrame:
    key = ["legal_entity_id", "invoice_number"]
    numbered = invoices.filter(pl.col("invoice_number").is_not_null()).sort("→order")
    first = numbered.with_columns(pl.col("invoice_id").first().over(key).alias("→other"))
    later = first.filter(pl.col("invoice_id") != pl.col("→other"))
    return later.select(*_INVOICE, "→other", pl.lit(100, dtype=pl.Int64).alias("→score"), pl.lit("the same number").alias("→why"))


def _by_total(invoices: pl.DataFrame, days: int) -> pl.DataFrame:
    key = ["customer_id", "currency", "gross_amount"]
    whole = invoices.filter(pl.all_horizontal([pl.col(name).is_not_null() for name in (*key, "invoice_date")]))
    alike = whole.filter(pl.struct(key).is_duplicated())
    other = alike.select(
        *key, pl.col("invoice_id").alias("→other"), pl.col("→order").alias("→first"), pl.col("contract_id").alias("→contract"),
        pl.col("→line").alias("→lines"), pl.col("invoice_date").alias("→day"),
    )  # fmt: skip
    pairs = alike.join(other, on=key, how="inner").filter(
        (pl.col("→first") < pl.col("→order")) & ((pl.col("invoice_date") - pl.col("→day")).dt.total_days() <= days)
    )
    contract = (
        pl.when(pl.col("contract_id") == pl.col("→contract"))
        .then(20)
        .when(pl.col("contract_id") != pl.col("→contract"))
        .then(-40)
        .otherwise(0)
    )
    lines = pl.when(pl.col("→line") == pl.col("→lines")).then(20).when(pl.col("→line") != pl.col("→lines")).then(-20).otherwise(0)
    told = pl.when(pl.col("→line") == pl.col("→lines")).then(pl.lit(", the same lines")).otherwise(pl.lit(""))
    why = pl.concat_str(pl.lit("the same customer and total within "), pl.lit(str(days)), pl.lit(" days"), told)
    return pairs.select(*_INVOICE, "→other", (pl.lit(60) + contract + lines).cast(pl.Int64).alias("→score"), why.alias("→why"))
