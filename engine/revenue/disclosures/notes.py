"""The output `disclosures`: everything the notes need, per contract, so that any total can be traced (606-10-50)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.canonical.schema import empty_frame
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.disclosures.backlog import remaining_obligations
from engine.revenue.disclosures.flows import disaggregated, opening_liability_recognized, prior_period_performance, year_to_date
from engine.revenue.disclosures.milestones import due_milestones
from engine.revenue.disclosures.notice import fees_of, with_opened
from engine.revenue.disclosures.positions import credit_exposures, current_portions, roll_forward, to_unit, waterfall
from engine.revenue.disclosures.spans import fiscal_spans
from engine.revenue.ground.frames import DONE_BY_CHANGE, Books, empty
from engine.revenue.recognition.adopted import earned

DISCLOSURES: Final[dict[str, pl.DataType]] = {
    "disclosure": pl.String(), "contract_id": pl.String(), "band_start": pl.Date(), "band_end": pl.Date(), "dimension": pl.String(),
    "dimension_value": pl.String(), "amount": MONEY, "currency": pl.String(), "exempted_by": pl.String(), "rule": pl.String(),
}  # fmt: skip
"""Columns of `disclosures.parquet`.

`disclosure`: remaining_obligation, opening_liability_recognized, prior_period_performance, disaggregation; and beside
them roll_forward, of contracts in a foreign currency functional_roll_forward, current_portion, waterfall, credit_exposure.
"""

_RULES: Final = {
    "remaining_obligation": "606-10-50-13",
    "opening_liability_recognized": "606-10-50-8(b)",
    "prior_period_performance": "606-10-50-12A",
    "disaggregation": "606-10-50-5",
    "roll_forward": "606-10-50-10",
    "functional_roll_forward": "606-10-50-10",
    "current_portion": "210-10-45",
    "waterfall": "606-10-50-13",
    "credit_exposure": "326-20-30",
}

# Twelve months, or the operating cycle where it is longer, from the balance sheet date.
_CYCLE: Final = "12mo"

# No calendar reaches so many days before or after 1970.
_EARLIER: Final = 4_000_000


def disclosures(
    books: Books, balances: pl.DataFrame, costs: pl.DataFrame, amortization: pl.DataFrame, golden: Mapping[str, pl.DataFrame],
    as_of: pl.Expr,
) -> pl.DataFrame:  # fmt: skip
    """Return the output `disclosures` at as_of.

    `balances`: contract_balances (contract_id, end_date, contract_asset, contract_liability, currency). `costs`: contract_costs.
    `amortization`: contract_id, date, amount of cost assets to come (`costs.amortization_ahead`).
    `golden`: golden records by entity (customer, legal_entity, project, invoice, payment, billing_plan_line, …).
    """
    contracts = _with_fiscal_year(books, golden.get("legal_entity"), as_of)
    spans = fiscal_spans(books.periods)
    years = year_to_date(contracts, as_of, spans)
    names = ("contract_id", "end_date", "contract_asset", "contract_liability", "currency")
    closing = balances.select(names).sort("end_date").group_by("contract_id").agg(pl.all().exclude("contract_id").last())
    changed = books.extra.get("done_by_change", empty(DONE_BY_CHANGE))
    prior = prior_period_performance(years, earned(with_opened(books)), books.periods, changed, books.observations, books.modifications)
    parts = [
        remaining_obligations(
            contracts, books.obligations, books.lines, with_opened(books), fees_of(books), as_of, _apart(books), books.extra.get("to_come"),
            spans, due_milestones(_records(golden, "milestone"), books.lines, as_of),
        ).with_columns(pl.lit("remaining_obligation").alias("disclosure")),
        opening_liability_recognized(years, earned(books.performance), prior, balances),
        prior,
        disaggregated(years, contracts, earned(books.performance), {**golden, "contract": golden.get("contract", books.contracts)}),
        roll_forward(years, books.performance, balances, _moves(books)),
        _in_functional(years, books, balances),
        current_portions(_closing(closing, costs), _realized(books, amortization, golden), as_of.dt.offset_by(_CYCLE), as_of),
        waterfall(closing, books.performance, as_of),
        credit_exposures(_records(golden, "invoice"), _received(golden), closing, as_of),
    ]
    rule = pl.col("disclosure").replace_strict(_RULES, return_dtype=pl.String)
    rows = pl.concat([_shaped(part) for part in parts]).with_columns(rule.alias("rule"))
    return to_unit(rows, contracts).select(list(DISCLOSURES)).sort(_order(rows), maintain_order=True)


def _apart(books: Books) -> pl.DataFrame:
    """Return the promises that are contracts of their own (606-10-25-12), but those that only grew with what was added to them."""
    begun = pl.coalesce("pool_before", pl.lit(0)) == 0
    apart = books.modifications.filter((pl.col("treatment") == "separate_contract") & begun)
    return apart.select("contract_id", "obligation_id").drop_nulls()


def _order(rows: pl.DataFrame) -> pl.Expr:
    """Return one whole number for each place in the order of the output, quicker to sort by than six texts; what is null is last."""
    order, code = ("disclosure", "contract_id", "dimension", "dimension_value", "band_start", "exempted_by"), wide(0)
    for name in order:
        if rows.schema[name] == pl.Date:
            place, many = pl.col(name).to_physical() + _EARLIER, 2 * _EARLIER
        else:
            values = rows[name].drop_nulls().unique().sort()
            place, many = pl.col(name).cast(pl.Enum(values)).to_physical(), len(values)
        code = code * (many + 1) + place.cast(pl.Int128).fill_null(many)
    return code


def joined(blocks: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the disclosures of blocks of contracts, which stand in the order of their contracts, as one output."""
    if len(blocks) == 1:
        return blocks[0]
    return pl.concat(block.filter(pl.col("disclosure") == name) for name in sorted(_RULES) for block in blocks)


def _with_fiscal_year(books: Books, entities: pl.DataFrame | None, as_of: pl.Expr) -> pl.DataFrame:
    """Add `fiscal_year_start` to contracts: as their company states it, else the start of its fiscal calendar's first period."""
    firsts = books.periods.filter(pl.col("period").str.ends_with("-01") & (pl.col("calendar") != "") & (pl.col("start_date") <= as_of))
    own = firsts.group_by("calendar").agg(pl.col("start_date").max().dt.strftime("%m-%d").alias("→own"))
    contracts = books.contracts.join(own, on="calendar", how="left", maintain_order="left")
    if entities is None:
        return contracts.rename({"→own": "fiscal_year_start"})
    years = entities.select("legal_entity_id", "fiscal_year_start").unique("legal_entity_id", keep="first")
    contracts = contracts.join(years, on="legal_entity_id", how="left", maintain_order="left")
    return contracts.with_columns(pl.coalesce("fiscal_year_start", "→own").alias("fiscal_year_start")).drop("→own")


def _moves(books: Books) -> pl.DataFrame:
    """Return what moved the position beside revenue: interest on an advance raises the liability, on what is paid later the asset.

    As of revenue, what of it is a receivable at once is among what was billed.
    """
    interest = books.extra.get("interest")
    schema = {"contract_id": pl.String(), "posting_date": pl.Date(), "cause": pl.String(), "amount": MONEY}
    if interest is None:
        return pl.DataFrame(schema=schema)
    amount = pl.when(pl.col("direction") == "expense").then(pl.col("interest") * -1).otherwise("interest").cast(MONEY)
    return interest.select("contract_id", "posting_date", pl.lit("interest").alias("cause"), amount.alias("amount"))


def _in_functional(years: pl.DataFrame, books: Books, balances: pl.DataFrame) -> pl.DataFrame:
    """Return the roll-forward of contracts in a foreign currency as the ledger has it, exchange differences of their own (`fx`).

    Of the position only the contract asset is monetary: the liability keeps its rates (830-10-45-18, IAS 21.23).
    """
    foreign = books.contracts.filter(pl.col("currency").cast(pl.String) != pl.col("functional_currency").cast(pl.String))
    if foreign.is_empty():
        return empty(DISCLOSURES)
    owners = foreign.select("contract_id", pl.col("functional_currency").cast(pl.String).alias("currency"))
    net = balances.join(owners.select("contract_id"), on="contract_id", how="semi").with_columns(
        *(pl.col(f"functional_{name}").alias(name) for name in ("contract_asset", "contract_liability"))
    ).drop_nulls(["contract_asset", "contract_liability"])  # fmt: skip
    known = years.drop("currency").join(owners, on="contract_id", how="inner").join(net, on="contract_id", how="semi")
    if known.is_empty():
        return empty(DISCLOSURES)
    done = books.extra["translated"].join(known, on="contract_id", how="semi").with_columns(pl.col("functional_amount").alias("amount"))
    moves = [
        net.select("contract_id", pl.col("end_date").alias("posting_date"), pl.lit(cause).alias("cause"), pl.col(name).alias("amount"))
        for cause, name in (("fx", "position_exchange"), ("interest", "functional_interest"))
    ]
    told = roll_forward(known, earned(done), net, pl.concat(moves))
    return told.with_columns(pl.lit("functional_roll_forward").alias("disclosure"))


def _closing(closing: pl.DataFrame, costs: pl.DataFrame) -> pl.DataFrame:
    """Return closing balances by kind: contract_asset, contract_liability, cost_asset."""
    names = ["contract_asset", "contract_liability"]
    kinds = closing.unpivot(names, index=["contract_id", "currency"], variable_name="balance", value_name="amount")
    last = costs.sort("end_date").group_by("cost_id").agg(pl.all().exclude("cost_id").last())
    assets = last.group_by("contract_id", "currency").agg(pl.col("closing").sum().alias("amount"))
    return pl.concat([kinds, assets.with_columns(pl.lit("cost_asset").alias("balance")).select(kinds.columns)])


def _realized(books: Books, amortization: pl.DataFrame, golden: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return when each balance is expected to be realized: planned revenue, planned invoices, amortization."""
    names = ["contract_id", "balance", "date", "amount"]
    planned = books.performance.lazy().filter(pl.col("is_planned")).select(
        "contract_id", pl.lit("contract_liability").alias("balance"), pl.col("posting_date").alias("date"), "amount"
    ).collect()  # fmt: skip
    due = _records(golden, "billing_plan_line").select(
        "contract_id", pl.lit("contract_asset").alias("balance"), pl.col("due_date").alias("date"), pl.col("amount").cast(MONEY)
    )
    spent = amortization.with_columns(pl.lit("cost_asset").alias("balance"))
    return pl.concat([planned.select(names), due.select(names), spent.select(names)])


def _received(golden: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return money by the invoice it pays: as applied, else as the payment names it."""
    payments, applied = _records(golden, "payment"), _records(golden, "payment_application")
    shared = applied.join(payments.select("payment_id", "paid_date"), on="payment_id", how="inner")
    alone = payments.join(applied, on="payment_id", how="anti").filter(pl.col("invoice_id").is_not_null())
    names: Sequence[str | pl.Expr] = ("invoice_id", pl.col("paid_date").alias("date"), pl.col("amount").cast(MONEY))
    return pl.concat([shared.select(names), alone.select(names)])


def _records(golden: Mapping[str, pl.DataFrame], entity: str) -> pl.DataFrame:
    return golden[entity] if entity in golden else empty_frame(entity)


def _shaped(part: pl.DataFrame) -> pl.DataFrame:
    return part.select(
        pl.col(name).cast(dtype) if name in part.columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in DISCLOSURES.items()
        if name != "rule"
    )
