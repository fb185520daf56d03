"""What the ERP books: a journal for every document, balanced in both currencies and numbered without gaps.

While journals are made a line has one signed `amount` and one signed `functional` (debit +), in
whole cents; `ledger_lines` splits them into sides and numbers the journals of each company.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from adapters.sampling.billing import Billing
from adapters.sampling.calendar import instant, period_of
from adapters.sampling.mistakes import Mistakes
from adapters.sampling.parties import (
    CASH,
    CONTRACT_ASSET,
    CONTRACT_LIABILITY,
    EXPENSE_REVENUE,
    FX,
    RECEIVABLE,
    REVENUE,
    TAX,
    UNBILLED,
)
from adapters.sampling.records import PolarsType, half_up

LINE: Final[dict[str, PolarsType]] = {
    "journal_id": pl.String, "legal_entity_id": pl.String, "posting_date": pl.Date,
    "created_at": pl.Datetime("us", "UTC"), "account": pl.String, "amount": pl.Int64, "functional": pl.Int64,
    "currency": pl.String, "customer_id": pl.String, "contract_id": pl.String, "project_id": pl.String,
    "service_line": pl.String, "source_document_type": pl.String, "source_document_id": pl.String,
    "entry_mode": pl.String, "posted_by": pl.String, "approved_by": pl.String, "place": pl.Int64,
}  # fmt: skip

_MILLION: Final = 1_000_000


def journal_columns(lines: pl.DataFrame) -> pl.DataFrame:
    """Return lines with the columns of LINE; those not given are null, or what the system enters by itself."""
    given = {"entry_mode": "system", "posted_by": "erp.interface", "approved_by": "erp.controller"}
    missing = [pl.lit(given.get(name), dtype=dtype).alias(name) for name, dtype in LINE.items() if name not in lines.columns]
    return lines.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in LINE.items())


def erp_invoices(billing: Billing, mistakes: Mistakes) -> pl.DataFrame:
    """Return the ERP's copies of the invoices: `excess` is keyed in too much, `is_posted` in its ledger."""
    wrong = pl.DataFrame(
        [{"invoice_id": key, "excess": cents} for key, cents in sorted(mistakes.keyed_wrong.items())],
        schema={"invoice_id": pl.String, "excess": pl.Int64},
    )
    return billing.invoices.join(wrong, on="invoice_id", how="left", maintain_order="left").with_columns(
        pl.col("excess").fill_null(0), (~pl.col("invoice_id").is_in(list(mistakes.unposted))).alias("is_posted"),
        (pl.col("net_amount") + pl.col("excess").fill_null(0)).alias("net_amount"),
        (pl.col("gross_amount") + pl.col("excess").fill_null(0)).alias("gross_amount"),
        (pl.col("recorded_at") + pl.duration(minutes=30)).alias("recorded_at"),
    )  # fmt: skip


def invoice_journals(erp: pl.DataFrame, billing: Billing) -> pl.DataFrame:
    """Return the journals of posted invoices: receivable against what each line's account says, and tax."""
    head = erp.filter("is_posted").with_columns(pl.format("JE-{}", "invoice_id").alias("journal_id"))
    lines = billing.lines.group_by("invoice_id", "account", "project_id", "service_line", maintain_order=True).agg(
        pl.col("net_amount").sum().alias("net")
    )
    first = pl.int_range(pl.len()).over("journal_id") == 0
    credited = (
        head.drop("net_amount", "tax_amount").join(lines, on="invoice_id", how="inner", maintain_order="left")
        .with_columns((-(pl.col("net") + pl.when(first).then("excess").otherwise(0))).alias("amount"))
    )  # fmt: skip
    tax = head.filter(pl.col("tax_amount") != 0).with_columns(pl.lit(TAX).alias("account"), (-pl.col("tax_amount")).alias("amount"))
    owed = head.with_columns(pl.lit(RECEIVABLE).alias("account"), pl.col("gross_amount").alias("amount"))
    joined = pl.concat(
        [part.with_columns(pl.lit(place, dtype=pl.Int64).alias("place")) for place, part in enumerate((owed, credited, tax))],
        how="diagonal",
    ).sort("journal_id", "place", "account", "project_id", nulls_last=True)
    # Converted cumulatively: the credits together are the receivable, to the cent.
    side = [pl.col("journal_id"), pl.col("place") > 0]
    running = pl.col("amount").cum_sum().over(side)
    value = half_up(running, pl.col("exchange_rate"), _MILLION)
    before = half_up(running - pl.col("amount"), pl.col("exchange_rate"), _MILLION)
    return journal_columns(
        joined.with_columns(
            (value - before).alias("functional"), pl.col("invoice_date").alias("posting_date"),
            pl.col("recorded_at").alias("created_at"), pl.lit("invoice").alias("source_document_type"),
            pl.col("invoice_id").alias("source_document_id"), pl.lit("erp.interface").alias("posted_by"),
            pl.lit("erp.controller").alias("approved_by"),
        )
    )  # fmt: skip


def payment_journals(erp: pl.DataFrame, billing: Billing, daily: pl.DataFrame) -> pl.DataFrame:
    """Return the journals of payments: cash at the day's rate, the receivable at its invoice's, exchange between."""
    rate = erp.filter("is_posted").select("invoice_id", pl.col("exchange_rate").alias("booked_rate"))
    applied = billing.applications.filter(~pl.col("is_repeated")).join(rate, on="invoice_id", how="inner", maintain_order="left")
    running = pl.col("amount").cum_sum().over("invoice_id")
    cleared = half_up(running, pl.col("booked_rate"), _MILLION) - half_up(running - pl.col("amount"), pl.col("booked_rate"), _MILLION)
    owed = applied.with_columns(
        pl.lit(RECEIVABLE).alias("account"), (-pl.col("amount")).alias("amount"), (-cleared).alias("functional"),
        pl.lit(1, dtype=pl.Int64).alias("place"),
    )  # fmt: skip
    days = daily.rename({"from_currency": "currency", "to_currency": "functional", "day": "paid_date", "rate": "day_rate"})
    received = (
        applied.group_by("payment_id", maintain_order=True).agg(
            pl.col("paid_date", "customer_id", "legal_entity_id", "currency", "functional").first(), pl.col("amount").sum()
        )
        .join(days, on=["currency", "functional", "paid_date"], how="left", maintain_order="left")
        .with_columns(
            pl.lit(CASH).alias("account"), half_up(pl.col("amount"), pl.col("day_rate"), _MILLION).alias("functional"),
            pl.lit(0, dtype=pl.Int64).alias("place"),
        )
    )  # fmt: skip
    both = pl.concat([received, owed], how="diagonal_relaxed")
    gain = both.group_by("payment_id", maintain_order=True).agg(
        pl.col("paid_date", "customer_id", "legal_entity_id", "currency").first(), (-pl.col("functional").sum()).alias("functional")
    ).filter(pl.col("functional") != 0).with_columns(
        pl.lit(FX).alias("account"), pl.lit(0, dtype=pl.Int64).alias("amount"), pl.lit(2, dtype=pl.Int64).alias("place")
    )  # fmt: skip
    return journal_columns(
        pl.concat([both, gain], how="diagonal").with_columns(
            pl.format("JE-{}", "payment_id").alias("journal_id"), pl.col("paid_date").alias("posting_date"),
            instant(pl.col("paid_date"), 16).alias("created_at"), pl.lit("payment").alias("source_document_type"),
            pl.col("payment_id").alias("source_document_id"),
        )
    )  # fmt: skip


def with_journals(schedule: pl.DataFrame, promises: pl.DataFrame, billing: Billing) -> pl.DataFrame:
    """Add to every schedule line the journal that books it, and its revenue account.

    Direct contracts book with the invoice of the month's last day, other delivered work by accrual,
    everything else out of the contract liability or into the contract asset.
    """
    facts = promises.select("contract_line_id", "customer_id", "legal_entity_id", "project_id", "service_line", "offering", "is_direct")
    invoiced = billing.invoices.filter("is_direct").select(
        "contract_id", pl.col("invoice_date").alias("period_end"), pl.format("JE-{}", "invoice_id").alias("invoice_journal")
    )
    joined = schedule.join(facts, on="contract_line_id", how="left", maintain_order="left").join(
        invoiced, on=["contract_id", "period_end"], how="left", maintain_order="left"
    )
    accrued = pl.format("JE-ACC-{}-{}", pl.col("contract_id").str.strip_prefix("CON-"), "period")
    released = pl.format("JE-REV-{}-{}", pl.col("contract_id").str.strip_prefix("CON-"), "period")
    delivered = pl.col("nature") == "delivered"
    return joined.with_columns(
        pl.when(delivered & pl.col("is_direct"))
        .then("invoice_journal")
        .when(delivered)
        .then(accrued)
        .otherwise(released)
        .alias("journal_id"),
        pl.when(pl.col("offering") == "pass_through").then(pl.lit(EXPENSE_REVENUE)).otherwise(pl.lit(REVENUE)).alias("account"),
    )  # fmt: skip


def accrual_journals(schedule: pl.DataFrame) -> pl.DataFrame:
    """Return the month-end journals of delivered work that is invoiced later: unbilled receivable and revenue."""
    due = schedule.filter((pl.col("nature") == "delivered") & ~pl.col("is_direct")).with_columns(pl.lit(1, dtype=pl.Int64).alias("place"))
    earned = due.with_columns((-pl.col("amount")).alias("amount"))
    owed = due.with_columns(pl.lit(UNBILLED).alias("account"), pl.lit(0, dtype=pl.Int64).alias("place"))
    return _month_end(pl.concat([owed, earned]))


def _month_end(lines: pl.DataFrame) -> pl.DataFrame:
    """Return revenue lines as journal lines of their month's last day; they are in functional currency."""
    return journal_columns(
        lines.with_columns(
            pl.col("amount").alias("functional"), pl.col("period_end").alias("posting_date"),
            instant(pl.col("period_end"), 20, 30).alias("created_at"), pl.lit("revenue").alias("source_document_type"),
            pl.col("journal_id").alias("source_document_id"), pl.lit("revenue.engine").alias("posted_by"),
        )
    )  # fmt: skip


def release_journals(schedule: pl.DataFrame, billing: Billing, last_day: pl.Expr) -> pl.DataFrame:
    """Return the month-end journals of fees and plans: liability or asset against revenue.

    At each month's end a contract stands either with a liability (invoiced above earned) or with
    an asset (earned above invoiced), never both.
    """
    earned = schedule.filter((pl.col("nature") != "delivered") & (pl.col("period_end") <= last_day))
    key = ["contract_id", "period_end"]
    invoiced = billing.lines.filter(pl.col("account") == CONTRACT_LIABILITY).group_by(
        "contract_id", pl.col("invoice_date").dt.month_end().alias("period_end")
    ).agg(pl.col("net_amount").sum().alias("invoiced"))  # fmt: skip
    total = earned.group_by(key).agg(pl.col("amount").sum().alias("earned"))
    head = schedule.filter(pl.col("nature") != "delivered").group_by("contract_id", maintain_order=True).agg(
        pl.col("customer_id", "legal_entity_id", "currency", "project_id", "service_line").first()
    )  # fmt: skip
    position = (
        total.join(invoiced, on=key, how="full", coalesce=True).sort(key)
        .with_columns(pl.col("earned", "invoiced").fill_null(0))
        .with_columns((pl.col("earned") - pl.col("invoiced")).cum_sum().over("contract_id").clip(lower_bound=0).alias("asset"))
        .with_columns((pl.col("asset") - pl.col("asset").shift(1).over("contract_id").fill_null(0)).alias("asset_change"))
        .join(head, on="contract_id", how="left", maintain_order="left")
        .with_columns(
            pl.format("JE-REV-{}-{}", pl.col("contract_id").str.strip_prefix("CON-"), pl.col("period_end").dt.strftime("%Y-%m"))
            .alias("journal_id")
        )
    )  # fmt: skip
    liability = position.with_columns(
        pl.lit(CONTRACT_LIABILITY).alias("account"), (pl.col("earned") - pl.col("asset_change")).alias("amount"),
        pl.lit(0, dtype=pl.Int64).alias("place"),
    )  # fmt: skip
    asset = position.with_columns(
        pl.lit(CONTRACT_ASSET).alias("account"), pl.col("asset_change").alias("amount"), pl.lit(1, dtype=pl.Int64).alias("place")
    )
    revenue = earned.with_columns((-pl.col("amount")).alias("amount"), pl.lit(2, dtype=pl.Int64).alias("place"))
    return _month_end(pl.concat([liability, asset, revenue], how="diagonal").filter(pl.col("amount") != 0))


def ledger_lines(journals: list[pl.DataFrame]) -> pl.DataFrame:
    """Return all journal lines with sides, ids, periods and numbers; a company's numbers run by entry."""
    order = ("created_at", "journal_id", "place", "account", "project_id", "contract_id", "source_document_id")
    lines = pl.concat(journals).sort(order, nulls_last=True)
    heads = lines.group_by("legal_entity_id", "journal_id", maintain_order=True).agg(pl.col("created_at").first())
    numbers = heads.select(
        "journal_id",
        pl.format(
            "{}-{}", pl.col("legal_entity_id").str.strip_prefix("LE-"),
            pl.int_range(1, pl.len() + 1).over("legal_entity_id").cast(pl.String).str.zfill(6),
        ).alias("journal_number"),
    )  # fmt: skip
    return lines.join(numbers, on="journal_id", how="left", maintain_order="left").with_columns(
        # As the ERP names it: transaction, line, accounting book.
        pl.format("{}|{}|1", "journal_id", pl.int_range(1, pl.len() + 1).over("journal_id")).alias("journal_line_id"),
        *_sides("amount", "debit", "credit"), *_sides("functional", "functional_debit", "functional_credit"),
        period_of(pl.col("posting_date")).alias("period"), pl.lit("posted").alias("status"),
        pl.col("created_at").alias("recorded_at"), pl.col("posted_by").alias("created_by"),
    )  # fmt: skip


def _sides(amount: str, debit: str, credit: str) -> list[pl.Expr]:
    signed = pl.col(amount)
    return [signed.clip(lower_bound=0).alias(debit), (-signed).clip(lower_bound=0).alias(credit)]
