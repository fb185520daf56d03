"""Decisions as published: the table's word, what the ledger holds, and the totals that must tie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from engine.billing.caps import WRITE_DOWN_STEP, split
from engine.billing.dated import dated_table
from engine.billing.money import HOURS, PRICE, product
from engine.billing.references import frame_of
from engine.canonical.kinds import MONEY
from engine.decision.versions import NO_VERSION
from engine.minor_units import rounded_money
from engine.months import month_label
from engine.order import sorted_by

DECISION_SCHEMA: Final[dict[str, pl.DataType]] = {
    "item_type": pl.String(),
    "item_id": pl.String(),
    "part": pl.Int64(),
    "contract_id": pl.String(),
    "contract_line_id": pl.String(),
    "project_id": pl.String(),
    "decision": pl.String(),
    "eligibility": pl.String(),
    "quantity": HOURS,
    "quantity_billed": HOURS,
    "quantity_unbilled": HOURS,
    "rate": PRICE,
    "rate_source": pl.String(),
    "amount": MONEY,
    "amount_billed": MONEY,
    "amount_unbilled": MONEY,
    "currency": pl.String(),
    "functional_amount": MONEY,
    "functional_currency": pl.String(),
    "rule": pl.String(),
    "reason": pl.String(),
    "item_date": pl.Date(),
    "period": pl.String(),
    "earliest_bill_date": pl.Date(),
    "funding_source_id": pl.String(),
    "policy": pl.String(),
    "policy_fingerprint": pl.String(),
    "evidence": pl.List(pl.String()),
}
"""Columns of `billing_decisions`, in order. An item split by a cap, a write-down or funding has several
rows, told apart by `part`; quantities and amounts of its rows add up to the item's.
`amount` = `amount_billed` + `amount_unbilled`, always: what was billed too much or too cheaply shows in
`amount_unbilled` of a billed row."""

KEY: Final = ("item_type", "item_id", "part")

NO_RULE: Final = "no rule"
_CONFLICT: Final = "rules disagree"
_NO_POLICY: Final = "no policy in force"


def with_eligibility(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Add `eligibility`, what the policy permits; nothing that cannot be priced is billable."""
    said = pl.col("table.decision")
    unpriced = (said == "billable") & pl.col("item.amount").is_null()
    missing = (
        pl.when(pl.col("item.quantity").is_null()).then(pl.lit("no hours"))
        .when(pl.col("item.untranslated").is_not_null()).then(pl.lit("no exchange rate"))
        .when(pl.col("item.type") == "time_entry").then(pl.lit("no rate"))
        .otherwise(pl.lit("no amount"))
    )  # fmt: skip
    undecided = (
        pl.when(pl.col("table.status") == "conflict").then(pl.lit(_CONFLICT))
        .when(pl.col("table.status") == NO_VERSION).then(pl.lit(_NO_POLICY))
        .otherwise(pl.lit(NO_RULE))
    )  # fmt: skip
    return rows.with_columns(
        pl.when(unpriced | said.is_null()).then(pl.lit("on_hold")).otherwise(said).alias("eligibility"),
        pl.when(said.is_null()).then(undecided).when(unpriced).then(missing).otherwise("table.reason").alias("table.reason"),
        pl.lit(0, dtype=pl.Int64).alias("part"),
    )


def written_down(rows: pl.DataFrame) -> pl.DataFrame:
    """Split off what the table writes down, a percentage of the amount: it is not billable."""
    if "table.write_down_pct" not in rows.columns:
        return rows
    percent = pl.col("table.write_down_pct").fill_null(0).cast(pl.Decimal(38, 18))
    worth = rounded_money(product(pl.col("item.amount"), percent / pl.lit(100).cast(pl.Decimal(38, 18))), pl.col("item.currency"))
    concerned = ((pl.col("eligibility") == "billable") & (percent != 0) & (pl.col("item.amount") != 0)).fill_null(value=False)
    measured = rows.filter(concerned).with_columns((pl.col("item.amount") - worth).alias("→within"))
    if not measured.height:
        return rows
    kept, cut = split(measured, pl.col("→within"), "item.amount", WRITE_DOWN_STEP)
    # The hours stay with what is billed: a write-down lowers the price, not the work.
    whole = measured.select(
        "item.type", "item.id", "part", pl.col("item.quantity").alias("→hours"), pl.col("ledger.quantity").alias("→done")
    )
    kept = kept.join(whole, on=["item.type", "item.id", "part"], how="left", maintain_order="left").with_columns(
        pl.col("→hours").alias("item.quantity"), pl.col("→done").alias("ledger.quantity")
    )
    none = pl.lit(0, dtype=HOURS)
    cut = cut.with_columns(
        none.alias("item.quantity"), none.alias("ledger.quantity"), pl.lit("not_billable").alias("eligibility"),
        pl.lit("written down").alias("table.reason"),
    )  # fmt: skip
    return pl.concat([rows.filter(~concerned), kept.select(rows.columns), cut.select(rows.columns)])


def with_decision(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `decision`, what the ledger makes of the eligibility, and `done`, the quantity billed."""
    done = pl.when(pl.col("item.type") == "time_entry").then("ledger.quantity").otherwise(_by_amount()).cast(HOURS)
    state = pl.col("→state")
    decision = (
        pl.when(state == "all").then(pl.lit("billed"))
        .when((state == "part") & (pl.col("eligibility") == "billable")).then(pl.lit("partially_billed"))
        .otherwise("eligibility")
    )  # fmt: skip
    staged = rows.lazy().with_columns(done.alias("done")).with_columns(_state(pl.col("done")).alias("→state"))
    return staged.with_columns(decision.alias("decision")).drop("→state").collect()


def published(rows: pl.DataFrame, frames: Mapping[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return decided rows as `billing_decisions`, sorted by key."""
    done = pl.col("done")
    is_split = bool(rows.height) and rows["part"].max() != 0
    part = pl.col("part").rank("dense").over("item.type", "item.id").cast(pl.Int64) if is_split else pl.lit(1, dtype=pl.Int64)
    rows = rows.with_columns(part.alias("part"))
    functional = _functional(rows)
    periods = _with_period(rows, frames)
    made = periods.select(
        pl.col("item.type").alias("item_type"), pl.col("item.id").alias("item_id"), "part", pl.col("item.contract_id").alias("contract_id"),
        pl.col("item.line_id").alias("contract_line_id"), pl.col("item.project_id").alias("project_id"), "decision", "eligibility",
        pl.col("item.quantity").alias("quantity"), done.alias("quantity_billed"),
        (pl.col("item.quantity") - done).cast(HOURS).alias("quantity_unbilled"), pl.col("item.rate").alias("rate"),
        pl.col("item.rate_source").alias("rate_source"), pl.col("item.amount").alias("amount"),
        pl.col("ledger.amount").alias("amount_billed"),
        (pl.col("item.amount") - pl.col("ledger.amount")).alias("amount_unbilled"), pl.col("item.currency").alias("currency"),
        functional.alias("functional_amount"), pl.col("item.functional_currency").alias("functional_currency"),
        pl.col("table.rule").alias("rule"), pl.col("table.reason").alias("reason"), pl.col("item.date").alias("item_date"), "period",
        pl.when(pl.col("eligibility") == "billable").then("item.ready").alias("earliest_bill_date"), "funding_source_id", "policy",
        pl.col("fingerprint").alias("policy_fingerprint"), "evidence",
    )  # fmt: skip
    whole = made.select(pl.col(name).cast(dtype) for name, dtype in DECISION_SCHEMA.items()).collect()
    kinds = whole["item_type"].unique().sort()
    return pl.concat([sorted_by(whole.filter(pl.col("item_type") == kind), KEY[1:]) for kind in kinds] or [whole])


def _by_amount() -> pl.Expr:
    """Return how much of an item that is no time is billed, as a quantity: by its share of the amount."""
    amount = pl.when(pl.col("item.amount") != 0).then(pl.col("item.amount")).cast(pl.Decimal(38, 18))
    share = product(pl.col("item.quantity"), pl.col("ledger.amount").cast(pl.Decimal(38, 18)) / amount).round(8).cast(HOURS)
    return share.fill_null(0)


def _state(done: pl.Expr) -> pl.Expr:
    quantity = pl.col("item.quantity").fill_null(0)
    backwards = quantity < 0
    full = pl.when(backwards).then((done <= quantity) & (done != 0)).otherwise((done >= quantity) & (done > 0))
    some = pl.when(backwards).then(done < 0).otherwise(done > 0)
    # A row that only writes down has no hours: what is invoiced of it decides.
    empty = (quantity == 0) & (pl.col("ledger.amount") != 0) & (pl.col("ledger.amount") >= pl.col("item.amount"))
    return pl.when(full | empty).then(pl.lit("all")).when(some).then(pl.lit("part")).otherwise(pl.lit("none"))


def _functional(rows: pl.DataFrame) -> pl.Expr:
    """Return what items are worth in functional currency; where nothing is translated that is their amount."""
    one = pl.col("item.to_functional") == 1
    is_same = (pl.col("item.currency") == pl.col("item.functional_currency")) & one
    if rows.select((is_same | pl.col("item.amount").is_null()).fill_null(value=False).all()).item():
        return pl.col("item.amount")
    return rounded_money(product(pl.col("item.amount"), pl.col("item.to_functional")), pl.col("item.functional_currency"))


def _with_period(items: pl.DataFrame, frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Add the fiscal period of each item's date by its legal entity; the calendar month where none is known."""
    rows, month = items.lazy(), month_label(items["item.date"], pl.col("item.date"))
    if "fiscal_period" not in frames:
        return rows.with_columns(month.alias("period"))
    periods = frame_of(frames, "fiscal_period").select("legal_entity_id", "period", "start_date", "end_date").collect()
    table = dated_table(periods, ["legal_entity_id"], "start_date", "end_date", ["period"], ["period"])
    found = table.lookup(rows, {"legal_entity_id": pl.col("item.legal_entity_id")}, pl.col("item.date"), {"period": "period"})
    return found.with_columns(pl.coalesce("period", month).alias("period"))
