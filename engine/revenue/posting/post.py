"""The posting room: rights, balances, currency and proposed entries of every contract."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.ground.blocks import Block, each_block
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.ground.frames import Books, shaped
from engine.revenue.ground.rates import rate_table
from engine.revenue.posting.approved import left_to_post
from engine.revenue.posting.balances import CONTRACT_BALANCES, contract_balances, costs_of_delivery, without_goods_back
from engine.revenue.posting.batches import batch_totals, batches
from engine.revenue.posting.claims import Agreed, Claims, read_claims
from engine.revenue.posting.cost_rates import unrated_costs, unrated_delivery
from engine.revenue.posting.currency import Translated, translate
from engine.revenue.posting.entries import JOURNAL, entry_heads, journal
from engine.revenue.posting.late_claims import as_booked
from engine.revenue.posting.moves import moves
from engine.revenue.posting.owed_costs import owed_exchange
from engine.revenue.posting.provisions import with_functional
from engine.revenue.posting.reporting import functional_columns
from engine.revenue.posting.rights import positions
from engine.revenue.posting.taken_over import after_opening, openings, since_opening
from engine.stage import Context, StageResult


def post(books: Books, records: Agreed, context: Context) -> tuple[Books, StageResult]:
    """Derive every contract's position, step by step, and from it balances and entries.

    Frames: contract_balances, journal, journal_batches. The books gain `contract_balances` with `end_date`,
    and `translated`: the performance with `functional_amount`. Interest, loss provisions and contract costs are taken from
    the books (`interest`, `loss_provisions`, `contract_costs`) where earlier rooms put them. Entries of
    earlier approved batches come as the output `approved_entries`; only what is left of them is proposed.
    """
    as_of = context.as_of
    opened = openings(books, records, as_of)
    rates = rate_table(records.frame("exchange_rate"))
    claims = as_booked(after_opening(read_claims(books, records, rates, as_of), opened), books, records)
    provisions = books.extra.get("loss_provisions")
    if provisions is not None:
        books = books.with_extra(loss_provisions=with_functional(provisions, books.contracts, rates))
    books = books.with_extra(owed_exchange=owed_exchange(books, records, rates, as_of))
    books = books.with_extra(milestones=records.frame("milestone").drop("contract_id", strict=False))
    further = moves(books, records, claims, as_of)
    costs = without_goods_back(since_opening(costs_of_delivery(books, records, rates), opened), further)

    group = functional_columns(books, records)

    def of_block(block: Block) -> _Posted:
        own, owed, begun = block.books(books), claims.of(block.of), block.of(opened)
        steps = positions(own, owed, block.of(further), as_of)
        translated = translate(own, steps, owed, rates, begun, as_of)
        balances = contract_balances(own, block.of(costs), translated, begun, as_of, group)
        entries = journal(own, translated, owed, rates, begun)
        return _Posted(balances, entries, batch_totals(entries), _whole(own, translated), _missing_rates(own, translated))

    made = each_block(books, of_block)
    balances, entries, translated, unrated = (
        pl.concat([getattr(each, name) for each in made]) for name in ("balances", "entries", "translated", "unrated")
    )
    totals = [each.totals for each in made]
    approved = records.output("approved_entries")
    if approved is not None:
        calendars = entry_heads(books.contracts).select("contract_id", "calendar", "head_id")
        entries = left_to_post(entries, shaped(approved, JOURNAL), books.periods, calendars)
        totals = [batch_totals(entries)]
    result = StageResult()
    told = balances.select(list(CONTRACT_BALANCES))
    result.frames = {"contract_balances": told.lazy(), "journal": entries.lazy(), "journal_batches": batches(totals).lazy()}
    found = [unrated, _unvalued(claims), _unplaced(claims), unrated_delivery(costs)]
    if "contract_costs" in books.extra:
        found.append(unrated_costs(books.extra["contract_costs"], books.contracts, rates))
    result.findings = [frame for frame in found if frame.height]
    return books.with_extra(contract_balances=balances, translated=translated), result


@dataclass(frozen=True, slots=True)
class _Posted:
    """Hold what was derived for a block of contracts."""

    balances: pl.DataFrame
    entries: pl.DataFrame
    totals: pl.DataFrame
    translated: pl.DataFrame
    unrated: pl.DataFrame


def _whole(books: Books, translated: Translated) -> pl.DataFrame:
    """Return the performance with functional amounts, what is planned among it without."""
    if translated.is_at_par:
        gross = pl.coalesce("gross_amount", "amount")
        told = (pl.when(~pl.col("is_planned")).then(each) for each in (pl.col("amount"), gross))
        return books.performance.with_columns(
            each.alias(name) for each, name in zip(told, ("functional_amount", "functional_gross"), strict=True)
        )
    planned = books.performance.with_row_index("place").filter("is_planned")
    whole = pl.concat([translated.atoms, planned], how="diagonal").sort("place")
    return whole.select(*books.performance.columns, "functional_amount", "functional_gross")


def _missing_rates(books: Books, translated: Translated) -> pl.DataFrame:
    """Return a finding per contract and currency pair whose amounts have no rate on some day."""
    missing = translated.steps.filter("rate_missing").group_by("contract_id", "currency", "functional_currency").agg(pl.col("date").min())
    text = "No rate from {} to {} is known on {}: the contract is not translated."
    message = pl.format(text, "currency", "functional_currency", pl.col("date").cast(pl.String))
    owner = books.contracts.select("contract_id", "evidence")
    missing = missing.join(owner, on="contract_id", how="left").sort("contract_id")
    remedy = "Supply the exchange rate, or correct the currency of the contract or its legal entity."
    return missing.select(
        *finding_columns("exchange_rate_missing", "high", "contract", message, remedy, "controller"),
        pl.col("contract_id").alias("entity_id"), "contract_id", "currency", pl.col("date").alias("since"), "evidence",
    )  # fmt: skip


def _unvalued(claims: Claims) -> pl.DataFrame:
    """Return a finding per document in another currency than its contract's that no rate translates."""
    text = "No rate from {} into the currency of contract {} is known on {}: {} {} stands in no balance."
    message = pl.format(text, "currency", "contract_id", pl.col("date").cast(pl.String), "entity", "entity_id")
    remedy = "Supply the exchange rate, or correct the document's currency."
    return claims.unvalued.sort("entity", "entity_id").select(
        *finding_columns("exchange_rate_missing", "high", pl.col("entity"), message, remedy, "controller"),
        "entity_id", "contract_id", "currency", pl.col("date").alias("since"), "evidence",
    )  # fmt: skip


def _unplaced(claims: Claims) -> pl.DataFrame:
    """Return a finding per payment that names neither an invoice nor a contract known here."""
    rows = claims.unplaced.sort("payment_id")
    message = pl.format("Payment {} names no posted invoice and no contract in force: it stands in no contract's balance.", "payment_id")
    remedy = "Name the invoice it pays, or the contract it belongs to."
    return rows.select(
        *finding_columns("payment_without_contract", "medium", "payment", message, remedy, "accounts receivable"),
        pl.col("payment_id").alias("entity_id"), pl.coalesce("amount", ZERO).alias("amount_at_risk"), "evidence",
    )  # fmt: skip
