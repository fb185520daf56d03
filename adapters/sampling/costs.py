"""What the firm spends: labour, employee expenses, subcontractors, rent; and journals entered by hand."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from adapters.sampling.calendar import Calendar, at, instant, month_ends
from adapters.sampling.contracts import Deal, Promise
from adapters.sampling.draws import Draws
from adapters.sampling.ledger import journal_columns
from adapters.sampling.mistakes import Mistakes
from adapters.sampling.parties import (
    CASH,
    COMPANIES,
    EQUITY,
    EXPENSES_DUE,
    LABOUR,
    OFFICE,
    PAYABLE,
    PAYROLL,
    SUBCONTRACT,
    TRAVEL,
)
from adapters.sampling.records import record_frame

MONTHS_BEFORE_REVISION: Final = 2


@dataclass(frozen=True, slots=True)
class Purchases:
    """Hold the subcontractors' bills and their lines; `paid_date` is when a bill is paid."""

    bills: pl.DataFrame
    lines: pl.DataFrame


def _both_sides(spent: pl.DataFrame, debit: str, credit: str) -> pl.DataFrame:
    """Return a debit line for every row and a credit line for every journal of them."""
    debits = spent.with_columns(pl.lit(debit).alias("account"), pl.lit(0, dtype=pl.Int64).alias("place"))
    credited = spent.group_by("journal_id", maintain_order=True).agg(
        pl.col("legal_entity_id", "posting_date", "created_at", "currency", "source_document_type", "source_document_id").first(),
        (-pl.col("amount").sum()).alias("amount"),
    ).with_columns(pl.lit(credit).alias("account"), pl.lit(1, dtype=pl.Int64).alias("place"))  # fmt: skip
    both = pl.concat([debits, credited], how="diagonal")
    return journal_columns(both.with_columns(pl.col("amount").alias("functional")))


def labour_journals(entries: pl.DataFrame, projects: pl.DataFrame) -> pl.DataFrame:
    """Return each company's month-end labour cost by project: approved hours at the people's cost rates."""
    facts = projects.lazy().select("project_id", "legal_entity_id", "contract_id", "customer_id", "service_line")
    spent = (
        entries.lazy().filter(pl.col("status") == "approved")
        .group_by("project_id", pl.col("work_date").dt.month_end().alias("posting_date"), pl.col("cost_currency").alias("currency"))
        .agg((pl.col("hours") * pl.col("cost_rate") // 100).sum().alias("amount"))
        .join(facts, on="project_id", how="left")
        .sort("posting_date", "project_id").collect()
    )  # fmt: skip
    company = pl.col("legal_entity_id").str.strip_prefix("LE-")
    return _both_sides(
        spent.with_columns(
            pl.format("JE-LAB-{}-{}", company, pl.col("posting_date").dt.strftime("%Y-%m")).alias("journal_id"),
            instant(pl.col("posting_date"), 21).alias("created_at"), pl.lit("payroll").alias("source_document_type"),
            pl.format("LAB-{}-{}", company, pl.col("posting_date").dt.strftime("%Y-%m")).alias("source_document_id"),
        ), LABOUR, PAYROLL,
    )  # fmt: skip


def expense_journals(expenses: pl.DataFrame, projects: pl.DataFrame) -> pl.DataFrame:
    """Return each company's month-end employee expenses, one line an expense."""
    facts = projects.select("project_id", "legal_entity_id", "contract_id", "customer_id", "service_line")
    company = pl.col("legal_entity_id").str.strip_prefix("LE-")
    spent = expenses.filter(pl.col("status") == "approved").drop("expense_id").join(
        facts, on="project_id", how="left", maintain_order="left"
    ).with_columns(pl.col("incurred_date").dt.month_end().alias("posting_date"))  # fmt: skip
    grouped = spent.group_by("project_id", "posting_date", maintain_order=True).agg(
        pl.col("amount").sum(), pl.col("legal_entity_id", "contract_id", "customer_id", "service_line", "currency").first()
    )
    return _both_sides(
        grouped.with_columns(
            pl.format("JE-EXP-{}-{}", company, pl.col("posting_date").dt.strftime("%Y-%m")).alias("journal_id"),
            instant(pl.col("posting_date"), 21, 10).alias("created_at"), pl.lit("expense_report").alias("source_document_type"),
            pl.format("EXR-{}-{}", company, pl.col("posting_date").dt.strftime("%Y-%m")).alias("source_document_id"),
        ), TRAVEL, EXPENSES_DUE,
    )  # fmt: skip


def settlement_journals(accrued: pl.DataFrame, calendar: Calendar) -> pl.DataFrame:
    """Return the payments of payroll and employee expenses, on the fifth of the month after they accrued."""
    owed = accrued.filter(pl.col("account").is_in([PAYROLL, EXPENSES_DUE])).with_columns(
        pl.format("JE-SETTLE-{}", pl.col("journal_id").str.strip_prefix("JE-")).alias("journal_id"),
        (pl.col("posting_date") + pl.duration(days=5)).alias("posting_date"),
    )
    paid = owed.filter(pl.col("posting_date") <= calendar.last_day).with_columns(
        instant(pl.col("posting_date"), 13).alias("created_at"),
        pl.format("{}_payment", "source_document_type").alias("source_document_type"),
    )
    cleared = paid.with_columns(-pl.col("amount"), -pl.col("functional"), pl.lit(0, dtype=pl.Int64).alias("place"))
    return journal_columns(pl.concat([cleared, paid.with_columns(pl.lit(CASH).alias("account"))]))


def purchases(deals: list[Deal], vendors: pl.DataFrame, calendar: Calendar, draws: Draws) -> Purchases:
    """Return a subcontractor's bill a month for each company, for one of the projects then running, and a partner's parts."""
    bills: list[dict[str, object]] = []
    lines: list[dict[str, object]] = []
    for vendor in vendors.to_dicts():
        own = [deal for deal in deals if deal.company.id == vendor["legal_entity_id"]]
        for month, start in enumerate(calendar.month_starts):
            day = start + dt.timedelta(days=14)
            running = [deal for deal in own if deal.work_start <= day <= deal.end]
            if not running:
                continue
            deal = running[month % len(running)]
            net = draws.one(f"bill {vendor['vendor_id']} {month}", 80, 400) * 5_000
            bill = f"BILL-{vendor['vendor_id'][-3:]}-{start.year}{start.month:02}"
            bills.append(_bill(bill, f"{month + 41}", vendor, deal, day, net))
            lines.append(_bill_line(bills[-1], deal.promises[0], start))
        parts = [(deal, part) for deal in own if deal.is_by_cost for part in partner_parts(deal.promises[0], calendar)]
        for place, (deal, (day, net)) in enumerate(parts):
            bill = f"BILL-{vendor['vendor_id'][-3:]}-{day:%Y%m}-{deal.index + 1:04}"
            bills.append(_bill(bill, f"P{place + 1}", vendor, deal, day, net))
            lines.append(_bill_line(bills[-1], deal.promises[0], day.replace(day=1)))
    extra = {"paid_date": pl.Date, "project_id": pl.String, "service_line": pl.String}
    return Purchases(
        record_frame("bill", bills, (*BILL, "customer_id", "recorded_at", *extra), extra),
        record_frame("bill_line", lines, (*BILL_LINE, "recorded_at")),
    )


def partner_parts(promise: Promise, calendar: Calendar) -> list[tuple[dt.date, int]]:
    """Return what the partner bills at each month's end so far, as day and cents.

    From the third month on half as much again: more of the work falls to it than was thought, which is when the estimate of
    cost is made anew.
    """
    ends = [end for end in month_ends(promise.start, promise.end) if end <= calendar.last_day]
    return [(end, promise.partner_cents * (100 if place < MONTHS_BEFORE_REVISION else 150) // 100) for place, end in enumerate(ends)]


def _bill(bill: str, number: str, vendor: dict[str, Any], deal: Deal, day: dt.date, net: int) -> dict[str, Any]:
    due, promise = day + dt.timedelta(days=30), deal.promises[0]
    return {
        "bill_id": bill, "net_amount": net, "tax_amount": 0, "currency": vendor["currency"], "recorded_at": at(day, 12),
        "invoice_number": f"{vendor['vendor_id']}/{day.year}/{number}", "kind": "bill",
        "vendor_id": vendor["vendor_id"], "contract_id": deal.id, "legal_entity_id": deal.company.id,
        "invoice_date": day, "due_date": due, "gross_amount": net, "posted_at": at(day, 12),
        "posted_by": "erp.payables", "approved_by": "erp.controller", "exchange_rate": 1_000_000,
        "is_principal": True, "paid_date": due + dt.timedelta(days=(4 - due.weekday()) % 7),
        "project_id": promise.project_id, "service_line": promise.service_line, "customer_id": deal.customer.id,
    }  # fmt: skip


def _bill_line(bill: dict[str, Any], promise: Promise, start: dt.date) -> dict[str, Any]:
    return {
        **{name: bill[name] for name in ("bill_id", "net_amount", "tax_amount", "currency", "recorded_at")},
        "bill_line_id": f"{bill['bill_id']}|1", "contract_line_id": promise.id, "project_id": promise.project_id,
        "description": f"Subcontracted work, {start:%B %Y}", "quantity": 100, "unit_price": bill["net_amount"],
        "service_start": start, "service_end": bill["invoice_date"], "account": SUBCONTRACT,
    }  # fmt: skip


BILL = (
    "bill_id", "invoice_number", "kind", "vendor_id", "contract_id", "legal_entity_id", "invoice_date", "due_date",
    "currency", "net_amount", "tax_amount", "gross_amount", "posted_at", "posted_by", "approved_by", "exchange_rate",
    "is_principal",
)  # fmt: skip
BILL_LINE = (
    "bill_line_id", "bill_id", "contract_line_id", "project_id", "description", "quantity", "unit_price", "net_amount",
    "currency", "tax_amount", "service_start", "service_end", "account",
)  # fmt: skip


def purchase_journals(bought: Purchases, calendar: Calendar) -> list[pl.DataFrame]:
    """Return the journals of the bills and of what is paid on them."""
    base = bought.bills.with_columns(pl.col("net_amount").alias("amount"))
    booked = base.with_columns(
        pl.format("JE-{}", "bill_id").alias("journal_id"), pl.col("invoice_date").alias("posting_date"),
        pl.col("posted_at").alias("created_at"), pl.lit("bill").alias("source_document_type"),
        pl.col("bill_id").alias("source_document_id"),
    ).drop("posted_by", "approved_by")  # fmt: skip
    paid = base.filter(pl.col("paid_date") <= calendar.last_day).with_columns(
        pl.format("JE-PAID-{}", "bill_id").alias("journal_id"), pl.col("paid_date").alias("posting_date"),
        instant(pl.col("paid_date"), 14).alias("created_at"), pl.lit("bill_payment").alias("source_document_type"),
        pl.col("bill_id").alias("source_document_id"),
    ).drop("posted_by", "approved_by", "contract_id", "project_id", "service_line", "customer_id")  # fmt: skip
    return [_both_sides(booked, SUBCONTRACT, PAYABLE), _both_sides(paid, PAYABLE, CASH)]


def house_journals(calendar: Calendar) -> pl.DataFrame:
    """Return each company's paid-in capital and monthly rent."""
    rows: list[dict[str, object]] = []
    for company in COMPANIES:
        postings = [(calendar.first_day, "CAP", CASH, EQUITY, 500_000_00, "capital")]
        postings += [(start, f"RENT-{start:%Y-%m}", OFFICE, CASH, 18_400_00, "rent") for start in calendar.month_starts]
        for day, name, debit, credit, cents, kind in postings:
            for place, (account, amount) in enumerate(((debit, cents), (credit, -cents))):
                rows.append(
                    {
                        "journal_id": f"JE-{company.code}-{name}", "legal_entity_id": company.id, "posting_date": day,
                        "created_at": at(day, 8), "account": account, "amount": amount, "functional": amount,
                        "currency": company.currency, "source_document_type": kind, "source_document_id": f"{company.code}-{name}",
                        "place": place,
                    }
                )  # fmt: skip
    return journal_columns(pl.DataFrame(rows))


def manual_journals(mistakes: Mistakes) -> list[pl.DataFrame]:
    """Return the journals entered by hand, if there are any."""
    rows = [
        {
            "journal_id": each.id, "legal_entity_id": each.legal_entity_id, "posting_date": each.posting_date,
            "created_at": each.created_at, "account": account, "amount": debit - credit, "functional": debit - credit,
            "currency": each.currency, "source_document_type": "journal", "source_document_id": each.id,
            "entry_mode": "manual", "posted_by": "erp.accountant", "service_line": service_line, "place": place,
            "contract_id": each.contract_id, "customer_id": each.customer_id, "project_id": each.project_id,
        }
        for each in mistakes.manual_journals
        for place, (account, debit, credit, service_line) in enumerate(each.lines)
    ]  # fmt: skip
    return [journal_columns(pl.DataFrame(rows, infer_schema_length=None))] if rows else []
