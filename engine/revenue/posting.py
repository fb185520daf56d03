"""The posting room: rights, balances, currency and proposed entries of every contract."""

from __future__ import annotations

import polars as pl

from engine.revenue.approved import left_to_post
from engine.revenue.balances import contract_balances
from engine.revenue.claims import ZERO, Agreed, Claims, read_claims
from engine.revenue.currency import Translated, translate
from engine.revenue.entries import JOURNAL, batches, journal
from engine.revenue.frames import Books, shaped
from engine.revenue.moves import moves
from engine.revenue.rates import rate_table
from engine.revenue.rights import positions
from engine.revenue.taken_over import after_opening, openings
from engine.stage import Context, StageResult


def post(books: Books, records: Agreed, context: Context) -> tuple[Books, StageResult]:
    """Derive every contract's position, step by step, and from it balances and entries.

    Frames: contract_balances, journal, journal_batches. The books gain `contract_balances`, and `translated`:
    the performance with `functional_amount`. Interest, loss provisions and contract costs are taken from
    the books (`interest`, `loss_provisions`, `contract_costs`) where earlier rooms put them. Entries of
    earlier approved batches come as the output `approved_entries`; only what is left of them is proposed.
    """
    opened = openings(books, records, context.as_of)
    rates = rate_table(records.frame("exchange_rate"))
    claims = after_opening(read_claims(books, records, rates, context.as_of), opened)
    steps = positions(books, claims, moves(books, records, context.as_of), context.as_of)
    translated = translate(books, steps, claims, rates, opened, context.as_of)
    balances = contract_balances(books, records, translated, opened, context.as_of)
    entries = journal(books, translated, claims, rates, opened)
    approved = records.output("approved_entries")
    if approved is not None:
        calendars = books.contracts.select("contract_id", "calendar")
        entries = left_to_post(entries, shaped(approved, JOURNAL), books.periods, calendars)
    result = StageResult()
    result.frames = {"contract_balances": balances.lazy(), "journal": entries.lazy(), "journal_batches": batches(entries).lazy()}
    result.findings = [frame for frame in (_missing_rates(books, translated), _unvalued(claims), _unplaced(claims)) if frame.height]
    return books.with_extra(contract_balances=balances, translated=_whole(books, translated)), result


def _whole(books: Books, translated: Translated) -> pl.DataFrame:
    """Return the performance with functional amounts, what is planned among it without."""
    if translated.is_at_par:
        gross = pl.coalesce("gross_amount", "amount")
        told = (pl.when(~pl.col("is_planned")).then(each) for each in (pl.col("amount"), gross))
        return books.performance.with_columns(
            each.alias(name) for each, name in zip(told, ("functional_amount", "functional_gross"), strict=True)
        )
    planned = books.performance.with_row_index("place").filter("is_planned")
    return pl.concat([translated.atoms, planned], how="diagonal").sort("place").drop("place")


def _missing_rates(books: Books, translated: Translated) -> pl.DataFrame:
    """Return a finding per contract and currency pair whose amounts have no rate on some day."""
    missing = translated.steps.filter("rate_missing").group_by("contract_id", "currency", "functional_currency").agg(pl.col("date").min())
    text = "No rate from {} to {} is known on {}: the contract is not translated."
    message = pl.format(text, "currency", "functional_currency", pl.col("date").cast(pl.String))
    owner = books.contracts.select("contract_id", "evidence")
    missing = missing.join(owner, on="contract_id", how="left").sort("contract_id")
    return missing.select(
        pl.lit("revenue").alias("stage"), pl.lit("exchange_rate_missing").alias("kind"), pl.lit("exchange_rate_missing").alias("rule"),
        pl.lit("high").alias("severity"), pl.lit("contract").alias("entity"), pl.col("contract_id").alias("entity_id"), "contract_id",
        "currency", pl.col("date").alias("since"),
        message.alias("message"),
        pl.lit("Supply the exchange rate, or correct the currency of the contract or its legal entity.").alias("remedy"),
        pl.lit("controller").alias("owner"), "evidence",
    )  # fmt: skip


def _unvalued(claims: Claims) -> pl.DataFrame:
    """Return a finding per document in another currency than its contract's that no rate translates."""
    text = "No rate from {} into the currency of contract {} is known on {}: {} {} stands in no balance."
    message = pl.format(text, "currency", "contract_id", pl.col("date").cast(pl.String), "entity", "entity_id")
    return claims.unvalued.sort("entity", "entity_id").select(
        pl.lit("revenue").alias("stage"), pl.lit("exchange_rate_missing").alias("kind"), pl.lit("exchange_rate_missing").alias("rule"),
        pl.lit("high").alias("severity"), "entity", "entity_id", "contract_id", "currency", pl.col("date").alias("since"),
        message.alias("message"), pl.lit("Supply the exchange rate, or correct the document's currency.").alias("remedy"),
        pl.lit("controller").alias("owner"), "evidence",
    )  # fmt: skip


def _unplaced(claims: Claims) -> pl.DataFrame:
    """Return a finding per payment that names neither an invoice nor a contract known here."""
    rows = claims.unplaced.sort("payment_id")
    message = pl.format("Payment {} names no posted invoice and no contract in force: it stands in no contract's balance.", "payment_id")
    return rows.select(
        pl.lit("revenue").alias("stage"), pl.lit("payment_without_contract").alias("kind"),
        pl.lit("payment_without_contract").alias("rule"), pl.lit("medium").alias("severity"), pl.lit("payment").alias("entity"),
        pl.col("payment_id").alias("entity_id"), pl.coalesce("amount", ZERO).alias("amount_at_risk"),
        message.alias("message"),
        pl.lit("Name the invoice it pays, or the contract it belongs to.").alias("remedy"),
        pl.lit("accounts receivable").alias("owner"), "evidence",
    )  # fmt: skip
