"""What the billing system does: invoices from hours, expenses, milestones and plans, and payments.

Amounts are whole cents. Invoices for hours are dated the month's last day (direct contracts) or an
early workday of the next month; the tax follows from seller and customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from adapters.sampling.calendar import Calendar, at, instant, period_of
from adapters.sampling.contracts import Deal
from adapters.sampling.draws import Draws
from adapters.sampling.mistakes import Mistakes
from adapters.sampling.parties import (
    CONTRACT_LIABILITY,
    EXPENSE_REVENUE,
    REVENUE,
    REVERSE_CHARGE,
    UNBILLED,
)
from adapters.sampling.records import half_up, record_frame

_LINE: Final = (
    "contract_line_id", "role", "expense_id", "milestone_id", "description", "quantity", "unit_price", "net_amount",
    "service_start", "service_end", "invoice_date", "batch", "line_key",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Billing:
    """Hold what billing knows: plan, invoices, lines, the time each line settles, payments."""

    plan: pl.DataFrame
    invoices: pl.DataFrame
    lines: pl.DataFrame
    settled: pl.DataFrame
    payments: pl.DataFrame
    applications: pl.DataFrame


def promise_frame(deals: list[Deal]) -> pl.DataFrame:
    """Return one row a promise with what billing, revenue and ledger need of it and its contract."""
    rows = [
        {
            "contract_line_id": promise.id, "contract_id": deal.id, "customer_id": deal.customer.id,
            "legal_entity_id": deal.company.id, "project_id": promise.project_id, "offering": promise.offering,
            "service_line": promise.service_line, "currency": deal.currency, "functional": deal.company.currency,
            "is_direct": deal.is_direct, "terms": deal.customer.terms_days, "seller": deal.company.country,
            "buyer": deal.customer.country, "home_tax_pct": deal.company.tax_pct, "home_tax_code": deal.company.tax_code,
            "added": promise.added,
        }
        for deal in deals for promise in deal.promises
    ]  # fmt: skip
    is_home = pl.col("seller") == pl.col("buyer")
    return (
        pl.DataFrame(rows)
        .with_columns(
            pl.when(is_home).then("home_tax_pct").otherwise(0).alias("tax_pct"),
            pl.when(is_home).then("home_tax_code").otherwise(pl.lit(REVERSE_CHARGE)).alias("tax_code"),
            pl.col("buyer").alias("tax_jurisdiction"),
        )
        .drop("seller", "buyer", "home_tax_pct", "home_tax_code")
    )


def billing_plan(deals: list[Deal]) -> pl.DataFrame:
    """Return the billing plans of promises paid by plan; milestones bill by their acceptance."""
    rows = [
        {
            "plan_line_id": f"BPL-{promise.id.removeprefix('CON-')}-{place + 1:02}", "contract_id": deal.id,
            "contract_line_id": promise.id, "due_date": due.due, "amount": due.cents, "currency": deal.currency,
            "is_unconditional": True,
            "recorded_at": at(deal.change.approved if promise.added and deal.change else deal.signed, 20),
        }
        for deal in deals for promise in deal.promises for place, due in enumerate(promise.plan)
    ]  # fmt: skip
    columns = (
        "plan_line_id", "contract_id", "contract_line_id", "due_date", "amount", "currency", "is_unconditional",
        "recorded_at",
    )  # fmt: skip
    return record_frame("billing_plan_line", rows, columns)


def _invoice_day(day: pl.Expr, is_direct: pl.Expr) -> pl.Expr:
    fourth = day.dt.month_start().dt.offset_by("1mo") + pl.duration(days=3)
    workday = fourth + pl.duration(days=1) * pl.when(fourth.dt.weekday() > 5).then(8 - fourth.dt.weekday()).otherwise(0)
    return pl.when(is_direct).then(day.dt.month_end()).otherwise(workday)


def _hourly_lines(entries: pl.DataFrame, promises: pl.DataFrame, mistakes: Mistakes) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return invoice lines for hours (one a promise, role, month) and the entries each settles."""
    number = pl.col("number")
    approved = (pl.col("status") == "approved") | number.is_in(list(mistakes.never_approved))
    due = entries.lazy().filter((pl.col("offering") == "time_and_materials") & pl.col("billable") & approved)
    first = due.filter(~number.is_in(list(mistakes.unbilled))).with_columns(
        pl.col("work_date").dt.month_start().alias("month"), pl.lit("").alias("again")
    )
    # A second time on the next month's invoice, on a line of its own.
    again = due.filter(number.is_in(list(mistakes.billed_again))).with_columns(
        pl.col("work_date").dt.month_start().dt.offset_by("1mo").alias("month"), pl.lit(" late").alias("again")
    )
    direct = promises.lazy().select("contract_line_id", "is_direct")
    keyed = (
        pl.concat([first, again])
        .with_columns(pl.format("{}|{}|{}{}", "contract_line_id", "role", pl.col("month").dt.strftime("%Y-%m"), "again").alias("line_key"))
        .join(direct, on="contract_line_id", how="left", maintain_order="left")
    )  # fmt: skip
    lines = keyed.group_by("line_key", maintain_order=True).agg(
        pl.col("contract_line_id").first(), pl.col("role").first(),
        pl.format("{}, {}", pl.col("role").first(), pl.col("work_date").first().dt.strftime("%B %Y")).alias("description"),
        pl.col("hours").sum().alias("quantity"), pl.col("bill_rate").first().alias("unit_price"),
        pl.col("value").sum().alias("net_amount"), pl.col("work_date").first().dt.month_start().alias("service_start"),
        pl.col("work_date").first().dt.month_end().alias("service_end"),
        _invoice_day(pl.col("month").first(), pl.col("is_direct").first()).alias("invoice_date"),
        pl.lit("hours").alias("batch"),
    ).collect()  # fmt: skip
    return _cheaper(lines, mistakes), keyed.select("line_key", "number", "hours").collect()


def _cheaper(lines: pl.DataFrame, mistakes: Mistakes) -> pl.DataFrame:
    if not mistakes.cheaper:
        return lines
    less = pl.DataFrame([{"line_key": "|".join(key), "less": cents} for key, cents in sorted(mistakes.cheaper.items())])
    priced = lines.join(less, on="line_key", how="left", maintain_order="left").with_columns(
        (pl.col("unit_price") - pl.col("less").fill_null(0)).alias("unit_price")
    )
    return priced.with_columns((pl.col("quantity") * pl.col("unit_price") // 100).alias("net_amount")).drop("less")


def _other_lines(
    deals: list[Deal], expenses: pl.DataFrame, milestones: pl.DataFrame, promises: pl.DataFrame
) -> list[pl.DataFrame]:  # fmt: skip
    """Return invoice lines for expenses, accepted milestones and the billing plans."""
    direct = promises.select("contract_line_id", "is_direct")
    one = pl.lit(100, dtype=pl.Int64).alias("quantity")
    recharged = expenses.filter(pl.col("status") == "approved").join(direct, on="contract_line_id", maintain_order="left")
    by_expense = recharged.with_columns(
        pl.format("Expense: {}", "category").alias("description"), one, pl.col("value").alias("unit_price"),
        pl.col("value").alias("net_amount"), pl.col("incurred_date").alias("service_start"),
        pl.col("incurred_date").alias("service_end"),
        _invoice_day(pl.col("incurred_date"), pl.col("is_direct")).alias("invoice_date"),
        pl.lit("hours").alias("batch"), pl.col("expense_id").alias("line_key"),
    )  # fmt: skip
    by_milestone = milestones.filter(pl.col("accepted_date").is_not_null()).with_columns(
        pl.col("name").alias("description"), one, pl.col("amount").alias("unit_price"),
        pl.col("amount").alias("net_amount"), pl.col("due_date").alias("service_start"),
        pl.col("due_date").alias("service_end"), (pl.col("accepted_date") + pl.duration(days=1)).alias("invoice_date"),
        pl.lit("milestone").alias("batch"), pl.col("milestone_id").alias("line_key"),
    )  # fmt: skip
    return [by_expense, by_milestone, _plan_lines(deals)]


def _plan_lines(deals: list[Deal]) -> pl.DataFrame:
    rows: list[dict[str, object]] = []
    for deal in deals:
        for promise in deal.promises:
            months = {"managed": 3, "subscription": 12}.get(deal.kind, 1) if not promise.added else 1
            for place, due in enumerate(promise.plan):
                rows.append(
                    {
                        "contract_line_id": promise.id, "description": f"{promise.description}, part {place + 1}",
                        "quantity": 100, "unit_price": due.cents, "net_amount": due.cents, "first": due.due, "months": months,
                        "invoice_date": due.due, "batch": "plan", "line_key": f"{promise.id}|{due.due}",
                    }
                )  # fmt: skip
    schema = {
        "contract_line_id": pl.String, "description": pl.String, "quantity": pl.Int64, "unit_price": pl.Int64,
        "net_amount": pl.Int64, "first": pl.Date, "months": pl.Int64, "invoice_date": pl.Date, "batch": pl.String,
        "line_key": pl.String,
    }  # fmt: skip
    start = pl.col("first").dt.month_start()
    return pl.DataFrame(rows, schema=schema).with_columns(
        start.alias("service_start"),
        (start.dt.offset_by(pl.format("{}mo", pl.col("months") - 1)).dt.month_end()).alias("service_end"),
    )


def run_billing(
    deals: list[Deal], entries: pl.DataFrame, expenses: pl.DataFrame, milestones: pl.DataFrame, daily: pl.DataFrame,
    calendar: Calendar, draws: Draws, mistakes: Mistakes,
) -> Billing:  # fmt: skip
    """Return everything billing makes of the deliveries through the last simulated day."""
    promises = promise_frame(deals)
    hourly, settled = _hourly_lines(entries, promises, mistakes)
    parts = [hourly, *_other_lines(deals, expenses, milestones, promises)]
    drafts = pl.concat([_line_columns(part) for part in parts]).filter(pl.col("invoice_date") <= calendar.last_day)
    lines = _numbered(drafts.join(promises, on="contract_line_id", how="left", maintain_order="left"))
    invoices = _invoices(lines, daily)
    key = lines.select("line_key", "invoice_line_id", "invoice_id")
    pairs = settled.join(key, on="line_key", how="inner", maintain_order="left").drop("line_key")
    known = invoices.select("invoice_id", "recorded_at")
    lines = lines.join(known, on="invoice_id", how="left", maintain_order="left")
    pairs = pairs.join(known, on="invoice_id", how="left", maintain_order="left")
    payments, applications = _payments(invoices, calendar, draws, mistakes)
    return Billing(billing_plan(deals), invoices, lines, pairs, payments, applications)


def _line_columns(part: pl.DataFrame) -> pl.DataFrame:
    missing = [pl.lit(None, dtype=pl.String).alias(name) for name in _LINE if name not in part.columns]
    return part.with_columns(missing).select(_LINE)


def _numbered(drafts: pl.DataFrame) -> pl.DataFrame:
    """Give lines their invoice (one a contract, day and batch) and both their numbers, tax and account."""
    invoice = ["invoice_date", "contract_id", "batch"]
    account = (
        pl.when(pl.col("offering").is_in(["time_and_materials", "pass_through"]) & ~pl.col("is_direct")).then(pl.lit(UNBILLED))
        .when(pl.col("offering") == "pass_through").then(pl.lit(EXPENSE_REVENUE))
        .when(pl.col("offering") == "time_and_materials").then(pl.lit(REVENUE))
        .otherwise(pl.lit(CONTRACT_LIABILITY))
    )  # fmt: skip
    ordered = drafts.sort(*invoice, "contract_line_id", "line_key")
    first = pl.struct(invoice) != pl.struct(invoice).shift(1)
    return ordered.with_columns(
        first.fill_null(value=True).cum_sum().cast(pl.Int64).alias("sequence"), account.alias("account"),
        half_up(pl.col("net_amount"), pl.col("tax_pct"), 100).alias("tax_amount"),
    ).with_columns(
        pl.format("INV-{}", pl.col("sequence").cast(pl.String).str.zfill(6)).alias("invoice_id")
    ).with_columns(
        pl.format("{}-{}", "invoice_id", pl.int_range(1, pl.len() + 1).over("invoice_id")).alias("invoice_line_id")
    )  # fmt: skip


def _invoices(lines: pl.DataFrame, daily: pl.DataFrame) -> pl.DataFrame:
    head = lines.group_by("invoice_id", maintain_order=True).agg(
        pl.col(
            "sequence", "contract_id", "customer_id", "legal_entity_id", "invoice_date", "currency", "functional", "terms", "batch",
            "is_direct",
        ).first(),
        pl.col("net_amount", "tax_amount").sum(),
    )  # fmt: skip
    rate = daily.rename({"from_currency": "currency", "to_currency": "functional", "day": "invoice_date", "rate": "exchange_rate"})
    joined = head.join(rate, on=["currency", "functional", "invoice_date"], how="left", maintain_order="left")
    # The direct invoices are the month's last act before the close; the others go out in the morning.
    hour = pl.when(pl.col("is_direct")).then(instant(pl.col("invoice_date"), 19)).otherwise(instant(pl.col("invoice_date"), 10))
    return joined.with_columns(
        pl.format("MI-{}-{}", pl.col("invoice_date").dt.year(), pl.col("sequence").cast(pl.String).str.zfill(5)).alias("invoice_number"),
        pl.lit("invoice").alias("kind"), (pl.col("net_amount") + pl.col("tax_amount")).alias("gross_amount"),
        (pl.col("invoice_date") + pl.duration(days=1) * pl.col("terms")).alias("due_date"),
        hour.alias("recorded_at"), (hour + pl.duration(minutes=20)).alias("posted_at"),
        period_of(pl.col("invoice_date")).alias("period"),
        pl.lit("billing.clerk").alias("posted_by"), pl.lit("billing.lead").alias("approved_by"),
    )  # fmt: skip


def _payments(
    invoices: pl.DataFrame, calendar: Calendar, draws: Draws, mistakes: Mistakes
) -> tuple[pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """Return payments and their applications: customers pay on Fridays, about when it is due.

    Some invoices are paid in two parts; what a customer pays on one day is one payment.
    """
    delay = pl.Series(draws.many("delay", invoices.height, -2, 19))
    base = invoices.filter(pl.col("gross_amount") > 0).with_columns(
        (pl.col("due_date") + pl.duration(days=1) * delay.filter(invoices["gross_amount"] > 0)).alias("day")
    )
    halves = pl.col("sequence") % 17 == 3
    part = half_up(pl.col("gross_amount"), 60, 100)
    whole = base.with_columns(pl.when(halves).then(part).otherwise("gross_amount").alias("amount"))
    rest = base.filter(halves).with_columns((pl.col("gross_amount") - part).alias("amount"), pl.col("day") + pl.duration(days=14))
    friday = pl.col("day") + pl.duration(days=1) * ((5 - pl.col("day").dt.weekday()) % 7)
    payer = ["paid_date", "customer_id", "legal_entity_id", "currency"]
    applied = pl.concat([whole, rest]).with_columns(friday.alias("paid_date")).filter(pl.col("paid_date") <= calendar.last_day)
    ordered = applied.sort(*payer, "invoice_id").with_columns(
        (pl.struct(payer) != pl.struct(payer).shift(1)).fill_null(value=True).cum_sum().cast(pl.Int64).alias("sequence")
    )
    applications = ordered.select(
        pl.format("PAY-{}", pl.col("sequence").cast(pl.String).str.zfill(6)).alias("payment_id"), *payer, "functional",
        "invoice_id", "contract_id", "amount", instant(pl.col("paid_date"), 15).alias("recorded_at"),
    )  # fmt: skip
    payments = applications.group_by("payment_id", maintain_order=True).agg(
        pl.col(*payer, "functional", "recorded_at").first(), pl.col("amount").sum(),
        pl.when(pl.len() == 1).then(pl.col("invoice_id").first()).alias("invoice_id"),
    )  # fmt: skip
    again = applications.filter(pl.col("payment_id").is_in(list(mistakes.applied_again))).unique("payment_id", maintain_order=True)
    other = pl.col("payment_id").replace_strict(mistakes.applied_again, return_dtype=pl.String, default=None)
    repeated = again.with_columns(other.alias("invoice_id"), pl.lit(value=True).alias("is_repeated"))
    return payments, pl.concat([applications.with_columns(pl.lit(value=False).alias("is_repeated")), repeated])
