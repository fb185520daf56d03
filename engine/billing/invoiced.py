"""Checks of invoices against what they bill: too much, beyond a cap, below the card, before acceptance."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from engine.acceptance import is_accepted
from engine.billing.caps import scope_columns
from engine.billing.ledger import item_links, last_invoices
from engine.billing.money import product
from engine.billing.rates import CARD, CARD_CURRENCY
from engine.billing.telling import first_parts, item_words, items_where, plain
from engine.canonical.kinds import MONEY
from engine.minor_units import rounded_money
from engine.policy.kinds.billing import BillingCheck, BillingPolicy

_PLACES = {"contract_line": "item.line_id", "project": "item.project_id", "contract": "item.contract_id", "period": "item.line_id"}


def billed_too_much(
    rows: pl.DataFrame, policy: BillingPolicy, check: BillingCheck, frames: Mapping[str, pl.LazyFrame]
) -> pl.DataFrame:
    """Return the items of which more is invoiced than was delivered, with the kind, amount and message.

    `billed_twice` where several lines bill an item, `over_billed` where one line bills too much of
    it, or the lines of a contract more than its fees.
    """
    hourly = policy.item == "time_entry"
    done, whole = ("ledger.quantity", "item.quantity") if hourly else ("ledger.amount", "item.amount")
    excess = pl.col(done) - pl.col(whole)
    too_much = (excess > pl.lit(check.tolerance, dtype=MONEY)) & (pl.col(whole) >= 0)
    beyond = items_where(rows, pl.col("billed") == "all", too_much)
    amount = rounded_money(product(excess, pl.coalesce("item.rate", pl.lit(0))), pl.col("item.currency")) if hourly else excess
    several = (pl.col("ledger.lines") > 1) & pl.lit(policy.item != "fee")
    told = (
        pl.concat_str(plain(pl.col(done)), pl.lit(" h are billed")) if hourly else pl.concat_str(plain(pl.col(done)), pl.lit(" are billed"))
    )
    lines = (
        pl.when(several).then(pl.concat_str(pl.lit(" on "), pl.col("ledger.lines").cast(pl.String), pl.lit(" lines"))).otherwise(pl.lit(""))
    )
    return last_invoices(beyond, frames, policy.item).with_columns(
        pl.when(several).then(pl.lit("billed_twice")).otherwise(pl.lit("over_billed")).alias("kind"), amount.alias("amount_at_risk"),
        pl.concat_str(item_words(), pl.lit(": "), told, lines, pl.lit(", last on "), pl.col("invoice.last"), pl.lit("."))
        .alias("message"),
    )  # fmt: skip


def over_cap(rows: pl.DataFrame, policy: BillingPolicy, check: BillingCheck, frames: Mapping[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return the scopes of which more is invoiced than their cap permits."""
    found: list[pl.DataFrame] = []
    for index, cap in enumerate(policy.cap):
        measure = "ledger.amount" if cap.measure[0] == "amount" else "ledger.quantity"
        scope = scope_columns(cap.scope)
        capped = rows.filter(pl.col(f"cap.{index}.limit").is_not_null() & (pl.col("billed") != "none"))
        names = [f"→scope.{number}" for number in range(len(scope))]
        scoped = capped.with_columns(each.alias(name) for each, name in zip(scope, names, strict=True))
        sums = scoped.group_by(names).agg(
            pl.col(measure).sum().alias("→billed"), pl.col(f"cap.{index}.limit").max().cast(rows.schema[measure]).alias("→limit")
        )
        over_limit = sums.filter(pl.col("→billed") - pl.col("→limit") > pl.lit(check.tolerance, dtype=MONEY))
        told = scoped.join(over_limit, on=names, how="semi", nulls_equal=True).group_by(names).agg(
            pl.col("item.currency").sort().first(), pl.col("item.contract_id").sort().first(),
            *(pl.col(name).sort_by("ledger.first_date", "item.id").last() for name in ("item.id", "item.type", "evidence")),
        )  # fmt: skip
        beyond = over_limit.join(told, on=names, how="left", nulls_equal=True).sort(names)
        entity = next((word for word in cap.scope if word != "period"), "contract_line")
        unit = pl.concat_str(pl.lit(" "), pl.col("item.currency")) if measure == "ledger.amount" else pl.lit(" h")
        over = (pl.col("→billed") - pl.col("→limit")).alias("→over")
        message = pl.concat_str(
            pl.lit(f"{entity.replace('_', ' ').capitalize()} "), pl.col("→scope.0"), pl.lit(" is invoiced at "), plain(pl.col("→billed")),
            pl.lit(", "), plain(pl.col("→over")), unit, pl.lit(" beyond its cap of "), plain(pl.col("→limit")), pl.lit("."),
        )  # fmt: skip
        made = last_invoices(beyond.with_columns(over), frames, policy.item).select(
            pl.lit(entity).alias("entity"), pl.col("→scope.0").alias("entity_id"), pl.lit("invoice").alias("related_entity"),
            pl.col("invoice.last").alias("related_id"), pl.col("item.contract_id").alias("contract_id"),
            (pl.col("→over").cast(MONEY) if measure == "ledger.amount" else pl.lit(None, dtype=MONEY)).alias("amount_at_risk"),
            pl.col("item.currency").alias("currency"), message.alias("message"), "evidence", pl.col("invoice.last_date").alias("since"),
            (pl.col(names[-1]) if "period" in cap.scope else pl.lit(None, dtype=pl.String)).alias("period"),
        )  # fmt: skip
        found.append(made)
    return pl.concat(found) if found else rows.head(0).select(pl.lit(None, dtype=pl.String).alias("entity"))


def rates_below_card(rows: pl.DataFrame, frames: Mapping[str, pl.LazyFrame], check: BillingCheck) -> pl.DataFrame:
    """Return the invoice lines priced below the rate card, and unbilled time whose own rate is below it."""
    priced = first_parts(rows)
    cards = priced.select("item.id", "item.contract_id", pl.col(f"field.{CARD}").alias("→card"), _card_currency()).drop_nulls("→card")
    lines = item_links(frames, "time_entry").filter(pl.col("quantity") > 0).join(cards.lazy(), on="item.id", how="left")
    due = product(pl.col("quantity"), pl.col("→card"))
    totals = lines.group_by("invoice_line_id").agg(
        pl.col("quantity").sum(), pl.col("amount").sum(), due.sum().alias("→due"), pl.col("→card").is_not_null().all().alias("→known"),
        pl.col("→currency", "currency").max(), pl.col("invoice_id", "contract_line_id", "item.contract_id").max(),
        pl.col("evidence").first(),
        pl.col("invoice_date").max(),
    ).collect()  # fmt: skip
    same = (pl.col("→currency") == pl.col("currency")) | pl.col("→currency").is_null() | pl.col("currency").is_null()
    short = rounded_money(pl.col("→due") - pl.col("amount"), pl.col("currency"))
    below = totals.filter(pl.col("→known") & same & (short > pl.lit(check.tolerance, dtype=MONEY)) & (pl.col("quantity") != 0)).sort(
        "invoice_line_id"
    )
    hour = (short.cast(pl.Decimal(38, 18)) / pl.col("quantity").cast(pl.Decimal(38, 18))).alias("→hour")
    message = pl.concat_str(
        pl.lit("Line "), pl.col("invoice_line_id"), pl.lit(" bills "), plain(pl.col("quantity")), pl.lit(" h at "), plain(pl.col("amount")),
        pl.lit(", "), plain(pl.col("→short")), pl.concat_str(pl.lit(" "), pl.col("currency")), pl.lit(" ("), plain(pl.col("→hour")),
        pl.lit(" an hour) below the rate card."), ignore_nulls=True,
    )  # fmt: skip
    invoiced = below.with_columns(short.alias("→short"), hour).select(
        pl.lit("invoice_line").alias("entity"), pl.col("invoice_line_id").alias("entity_id"),
        pl.col("item.contract_id").alias("contract_id"),
        pl.lit("invoice").alias("related_entity"), pl.col("invoice_id").alias("related_id"),
        pl.col("invoice_date").dt.strftime("%Y-%m").alias("period"), pl.col("→short").alias("amount_at_risk"), "currency",
        message.alias("message"), "evidence", pl.col("invoice_date").alias("since"),
    )  # fmt: skip
    return pl.concat([invoiced, _agreed_below(priced, check, invoiced.columns)])


def _card_currency() -> pl.Expr:
    return pl.col(f"field.{CARD_CURRENCY}").alias("→currency")


def _agreed_below(priced: pl.DataFrame, check: BillingCheck, columns: list[str]) -> pl.DataFrame:
    card, currency = pl.col(f"field.{CARD}"), pl.col(f"field.{CARD_CURRENCY}")
    low = priced.filter(
        (pl.col("billed") == "none") & (pl.col("eligibility") == "billable")
        & (card - pl.col("item.rate") > pl.lit(check.tolerance, dtype=pl.Decimal(38, 10)))
        & (currency.is_null() | (currency == pl.col("item.currency")))
    )  # fmt: skip
    short = rounded_money(product(pl.col("item.quantity"), card - pl.col("item.rate")), pl.col("item.currency"))
    message = pl.concat_str(
        item_words(),
        pl.lit(" is priced at "),
        plain(pl.col("item.rate")),
        pl.lit(" an hour, the rate card says "),
        plain(card),
        pl.lit("."),
    )
    none = pl.lit(None, dtype=pl.String)
    return low.sort("item.id").select(
        pl.lit("time_entry").alias("entity"), pl.col("item.id").alias("entity_id"), pl.col("item.contract_id").alias("contract_id"),
        none.alias("related_entity"), none.alias("related_id"), pl.col("item.date").dt.strftime("%Y-%m").alias("period"),
        short.alias("amount_at_risk"), pl.col("item.currency").alias("currency"), message.alias("message"), "evidence",
        pl.col("item.date").alias("since"),
    ).select(columns)  # fmt: skip


def not_accepted() -> pl.Expr:
    """Return whether a milestone was billed although not accepted, or before it was."""
    early = pl.col("ledger.first_date") < pl.col("field.accepted_date")
    return ~is_accepted("field.status", "field.accepted_date") | early.fill_null(value=False)
