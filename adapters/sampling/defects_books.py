"""Defects of the books: invoices and payments that do not tie, revenue without ground, journals, events, reports."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl

from adapters.sampling.calendar import add_months, at
from adapters.sampling.defects import Register
from adapters.sampling.mistakes import ManualJournal
from adapters.sampling.observed import failed_update, repeated_event
from adapters.sampling.parties import CASH, COMPANIES, OFFICE, REVENUE


def plant_book_defects(register: Register) -> None:
    """Plant every defect of this family that the firm has a record for."""
    _missed_amendment(register)
    _without_evidence(register)
    _applied_twice(register)
    _unposted(register)
    _keyed_wrong(register)
    _rent_journals(register)
    _backdated(register)
    _manual_revenue(register)
    _events(register)
    _late_estimate(register)
    _reports(register)


def _missed_amendment(register: Register) -> None:
    as_of = register.calendar.as_of
    deal = register.take_deal(
        lambda each: each.change is not None and each.change.kind == "scope" and each.change.effective < as_of - dt.timedelta(days=45)
    )
    if deal is not None and deal.change is not None:
        register.happen(missed_change=frozenset([deal.id]))
        register.expect(
            "missed_amendment",
            "missed_amendment",
            "amendment",
            deal.change.id,
            "revenue",
            "The revenue engine goes on with price and estimate as signed",
        )


def _without_evidence(register: Register) -> None:
    """Recognize an amount on a contract billed by the hour in a month without an hour."""
    as_of = register.calendar.as_of
    deal = register.take_deal(lambda each: "gap" in each.features and each.start < as_of - dt.timedelta(days=40))
    if deal is None:
        return
    line, period = deal.promises[0].id, f"{deal.start:%Y-%m}"
    register.happen(unevidenced=((line, period, 12_000_00),))
    register.expect(
        "recognition_without_evidence", "recognition_without_evidence", "revenue_schedule_line",
        f"RSL-{line.removeprefix('CON-')}-{period}", "revenue", "12,000.00 recognized in a month without an approved hour",
    )  # fmt: skip


def _open_invoices(register: Register) -> pl.DataFrame:
    """Return invoices of the last weeks on which nothing is paid."""
    as_of = register.calendar.as_of
    paid = register.frames["payment_application"]["invoice_id"].unique()
    return register.frames["invoice"].filter(
        ~pl.col("invoice_id").is_in(paid.implode()) & ~pl.col("is_direct")
        & pl.col("invoice_date").is_between(as_of - dt.timedelta(days=45), as_of - dt.timedelta(days=8))
    )  # fmt: skip


def _applied_twice(register: Register) -> None:
    """Apply a payment, whole, to another open invoice of the same contract as well."""
    applied = register.frames["payment_application"]
    payments = register.frames["payment"].filter(pl.col("invoice_id").is_not_null())["payment_id"]
    single = applied.filter(pl.col("payment_id").is_in(payments.implode()))
    unpaid = (
        register.frames["invoice"]
        .join(applied, on="invoice_id", how="anti", maintain_order="left")
        .select("contract_id", pl.col("invoice_id").alias("other"), "gross_amount", pl.col("recorded_at").alias("other_at"))
    )
    fit = single.join(unpaid, on="contract_id", how="inner", maintain_order="left_right").filter(
        (pl.col("other_at") < pl.col("recorded_at"))
        & (pl.col("gross_amount") >= pl.col("amount"))
        & (pl.col("recorded_at") < at(register.calendar.as_of - dt.timedelta(days=2), 0))
    )
    row = register.take_row(fit)
    if row is not None:
        register.happen(applied_again={row["payment_id"]: row["other"]})
        register.expect(
            "payment_applied_twice",
            "payment_applied_twice",
            "payment",
            row["payment_id"],
            "reconciliation",
            f"Applied to {row['invoice_id']} and again to {row['other']}",
        )


def _unposted(register: Register) -> None:
    row = register.take_row(_open_invoices(register))
    if row is not None:
        register.happen(unposted=frozenset([row["invoice_id"]]))
        register.expect(
            "invoice_unposted",
            "invoice_not_posted",
            "invoice",
            row["invoice_id"],
            "reconciliation",
            "Sent to the customer and still a draft in the ERP",
        )


def _keyed_wrong(register: Register) -> None:
    row = register.take_row(_open_invoices(register))
    if row is not None:
        register.happen(keyed_wrong={row["invoice_id"]: 900_00})
        register.expect(
            "invoice_amount_mismatch",
            "invoice_amount_mismatch",
            "invoice",
            row["invoice_id"],
            "reconciliation",
            "The ERP holds 900.00 more than billing",
        )


def _rent_journals(register: Register) -> None:
    """Transpose two digits of one rent journal, and have another approved by who posted it."""
    period, earlier = register.month(1), register.month(2)
    if period is not None:
        journal = f"JE-{COMPANIES[0].code}-RENT-{period}"
        wrong = Decimal("14800")
        register.edit("erp", "journal_line", f"{journal}|2|1", {"credit": wrong, "functional_credit": wrong})
        register.expect(
            "unbalanced_journal", "unbalanced_journal", "journal", journal, "reconciliation", "Debit 18,400.00, credit 14,800.00"
        )
    if earlier is not None:
        journal = f"JE-{COMPANIES[1].code}-RENT-{earlier}"
        for line in (1, 2):
            register.edit("erp", "journal_line", f"{journal}|{line}|1", {"posted_by": "erp.controller"})
        register.expect("self_approved_journal", "self_approved_journal", "journal", journal, "reconciliation", "Posted by its approver")


def _backdated(register: Register) -> None:
    place = len(register.calendar.month_ends) - 4
    if place < 0:
        return
    company, cents = COMPANIES[2], 6_150_00
    entered = at(register.calendar.as_of - dt.timedelta(days=12), 14)
    journal = ManualJournal(
        "JE-MAN-0001", company.id, company.currency, register.calendar.month_ends[place], entered,
        ((OFFICE, cents, 0, None), (CASH, 0, cents, None)),
    )  # fmt: skip
    register.happen(manual_journals=(journal,))
    register.expect(
        "backdated_journal", "backdated_journal", "journal", journal.id, "reconciliation", "Entered months later, into a closed period"
    )


def _manual_revenue(register: Register) -> None:
    """Move revenue between service lines by hand: no total changes, but nobody should."""
    as_of = register.calendar.as_of
    deal = register.take_deal(lambda each: each.kind in ("fixed", "retainer", "mixed") and each.start < as_of - dt.timedelta(days=60))
    if deal is None:
        return
    day, cents = as_of - dt.timedelta(days=17), 7_500_00
    own = deal.promises[0].service_line
    other = "Data" if own != "Data" else "Advisory"
    journal = ManualJournal(
        "JE-MAN-0002", deal.company.id, deal.company.currency, day, at(day, 15),
        ((REVENUE, cents, 0, own), (REVENUE, 0, cents, other)), deal.id, deal.customer.id, deal.promises[0].project_id,
    )  # fmt: skip
    register.happen(manual_journals=(journal,))
    register.expect(
        "manual_revenue_journal",
        "manual_revenue_journal",
        "journal",
        journal.id,
        "reconciliation",
        "Revenue moved between service lines by hand",
    )


def _events(register: Register) -> None:
    as_of = register.calendar.as_of
    deal = register.take_deal(lambda each: each.start < as_of - dt.timedelta(days=60) < as_of < each.end)
    if deal is not None:
        event = failed_update(deal.promises[0].project_id, as_of - dt.timedelta(days=6))
        register.add("integration_event", event)
        register.expect(
            "failed_event",
            "failed_event",
            "integration_event",
            str(event["event_id"]),
            "reconciliation",
            "An update of the project never reached the ERP",
        )
    posted = register.frames["integration_event"].filter(
        (pl.col("entity") == "invoice") & (pl.col("occurred_at") < at(as_of - dt.timedelta(days=10), 0))
    )
    if posted.height:
        twice = repeated_event(posted.tail(1).to_dicts()[0])
        register.add("integration_event", twice)
        register.expect(
            "duplicate_event",
            "duplicate_event",
            "integration_event",
            str(twice["event_id"]),
            "reconciliation",
            f"The same fact as {posted['event_id'][-1]}",
        )


def _late_estimate(register: Register) -> None:
    """Have the revenue engine learn of a new estimate of cost a month late: two months are wrong, what is earned in all is not."""
    told = register.month(2)
    deal = register.take_deal(lambda each: each.is_by_cost and told is not None and f"{add_months(each.start, 2):%Y-%m}" <= told)
    if deal is not None:
        register.happen(late_estimate=frozenset([deal.id]))
        register.expect(
            "late_estimate", "schedule_differs", "contract_line", deal.promises[0].id, "revenue",
            f"The estimate of cost made in {add_months(deal.start, 2):%Y-%m} reached the revenue engine in the month after",
        )  # fmt: skip


def _reports(register: Register) -> None:
    period = register.month(1)
    if period is None:
        return
    for metric, system, change in (("utilization", "warehouse", Decimal("3.10")), ("backlog", "psa", Decimal(25_000))):
        key = f"{metric}|{system}|{period}|total"
        stated = register.frames["reported_metric"].filter(
            (pl.col("metric") == metric)
            & (pl.col("reported_by") == system)
            & (pl.col("period") == period)
            & (pl.col("dimension") == "total")
        )
        if stated.height == 0:
            continue
        register.edit("warehouse", "reported_metric", key, {"value": Decimal(stated["value"][0]) / 100 + change})
        register.expect(
            f"{metric}_disagrees",
            "metric_disagrees",
            "reported_metric",
            key,
            "reconciliation",
            f"The {system} reports another figure than the other system",
        )
