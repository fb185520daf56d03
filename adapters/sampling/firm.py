"""The sample firm: a consultancy simulated from a seed, clean or with planted defects.

The way of a record: parties → contracts → staffing → delivery → billing → revenue → ledger →
reports, then what each system's export knows on each night.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from adapters.sampling import billing as billing_run
from adapters.sampling import costs, delivery, estimates, ledger, observed, rates, revenue, selling
from adapters.sampling.calendar import Calendar
from adapters.sampling.contracts import Deal, make_deals
from adapters.sampling.defects import Register, expected_frame
from adapters.sampling.defects_billing import plant_billing_defects
from adapters.sampling.defects_books import plant_book_defects
from adapters.sampling.defects_master import plant_master_defects
from adapters.sampling.draws import Draws
from adapters.sampling.mistakes import NO_MISTAKES, Mistakes
from adapters.sampling.nights import Edit, Night, make_night
from adapters.sampling.parties import COMPANIES, Customer, account_frame, company_frame, customer_frame, make_customers, vendor_frame
from adapters.sampling.staffing import Staff, fill_seats, people_frame, team_size_pct


@dataclass(frozen=True, slots=True)
class FirmOptions:
    """Say how large the firm is and what it looks like; `entries` scales the teams, None keeps them natural."""

    contracts: int = 40
    months: int = 12
    entries: int | None = None
    seed: int = 2026
    nights: int = 3
    clean: bool = False
    as_of: dt.date = dt.date(2026, 10, 31)

    def __post_init__(self) -> None:
        """Refuse numbers that no firm can be made of; ValueError says which."""
        for name in ("contracts", "months", "nights"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.entries is not None and self.entries < 1:
            raise ValueError(f"entries must be 1 or more, not {self.entries}")


SAMPLE: Final = FirmOptions(entries=5_000)
"""The firm in `samples/firm`: fewer time entries than natural, so that three nights stay small."""


@dataclass(frozen=True, slots=True)
class Firm:
    """Hold the firm's nightly exports, the last one last, and the findings its defects must lead to."""

    options: FirmOptions
    nights: tuple[Night, ...]
    expected_findings: pl.DataFrame
    frames: Mapping[str, pl.DataFrame]
    """What became of every record in the end, by entity, in whole hundredths (for tests and tools)."""


@dataclass(frozen=True, slots=True)
class _World:
    """Hold what happens in the firm before anything is billed or booked."""

    draws: Draws
    calendar: Calendar
    customers: list[Customer]
    deals: list[Deal]
    staff: Staff
    entries: pl.DataFrame
    expenses: pl.DataFrame
    milestones: pl.DataFrame
    projects: pl.DataFrame
    daily_rates: pl.DataFrame


def simulate_firm(options: FirmOptions) -> Firm:
    """Return the firm that the options describe; the same options give the same records, always."""
    world = _deliver(options)
    frames = _keep_books(world, NO_MISTAKES)
    edits: list[Edit] = []
    expected = expected_frame([])
    if not options.clean:
        register = Register(world.deals, world.calendar, options.nights, frames)
        plant_master_defects(register)
        plant_billing_defects(register)
        plant_book_defects(register)
        frames = _with_additions(_keep_books(world, register.mistakes), register)
        edits, expected = register.edits, expected_frame(register.expected)
    days = [options.as_of - dt.timedelta(days=back) for back in reversed(range(options.nights))]
    nights = tuple(make_night(day, place, frames, edits) for place, day in enumerate(days))
    return Firm(options, nights, expected, frames)


def _deliver(options: FirmOptions) -> _World:
    draws, calendar = Draws(options.seed), Calendar(options.as_of, options.months)
    customers = make_customers(max(options.contracts * 5 // 8, 3), draws)
    deals = make_deals(options.contracts, calendar, customers, draws, 100)
    if options.entries is not None:
        deals = make_deals(options.contracts, calendar, customers, draws, team_size_pct(deals, calendar, options.entries))
    staff = fill_seats(deals, calendar, draws)
    return _World(
        draws=draws, calendar=calendar, customers=customers, deals=deals, staff=staff,
        entries=delivery.time_entries(staff, calendar, draws, options.entries),
        expenses=delivery.expenses(deals, staff, calendar, draws), milestones=delivery.milestones(deals, calendar),
        projects=delivery.projects(deals, staff, calendar), daily_rates=rates.daily_rates(calendar, draws),
    )  # fmt: skip


def _keep_books(world: _World, mistakes: Mistakes) -> dict[str, pl.DataFrame]:
    """Return every entity's records through the last simulated day, with the given mistakes made."""
    calendar, deals = world.calendar, world.deals
    entries = _unapproved(world.entries, mistakes)
    founded = calendar.first_day - dt.timedelta(days=400)
    vendors = vendor_frame(founded)
    bought = costs.purchases(deals, vendors, calendar, world.draws)
    efforts = estimates.fixed_fee_effort(deals, entries, calendar)
    outlooks = estimates.cost_outlooks(deals, entries, efforts, bought, calendar)
    efforts = estimates.with_costs(efforts, outlooks)
    billing = billing_run.run_billing(deals, entries, world.expenses, world.milestones, world.daily_rates, calendar, world.draws, mistakes)
    schedule = ledger.with_journals(
        revenue.revenue_schedule(deals, entries, world.expenses, efforts, outlooks, calendar, mistakes),
        billing_run.promise_frame(deals), billing,
    )  # fmt: skip
    erp = ledger.erp_invoices(billing, mistakes)
    accrued = pl.concat([costs.labour_journals(entries, world.projects), costs.expense_journals(world.expenses, world.projects)])
    journals = [
        ledger.invoice_journals(erp, billing), ledger.payment_journals(erp, billing, world.daily_rates),
        ledger.accrual_journals(schedule), ledger.release_journals(schedule, billing, pl.lit(calendar.last_day)),
        accrued, costs.settlement_journals(accrued, calendar),
        *costs.purchase_journals(bought, calendar), costs.house_journals(calendar), *costs.manual_journals(mistakes),
    ]  # fmt: skip
    frames = {
        "legal_entity": company_frame(founded), "customer": customer_frame(world.customers, founded),
        "vendor": vendors, "account": account_frame(founded), "resource": people_frame(world.staff),
        "opportunity": selling.opportunities(deals, world.customers, calendar), "contract": selling.contracts(deals),
        "contract_line": selling.contract_lines(deals, efforts), "amendment": selling.amendments(deals),
        "amendment_line": selling.amendment_lines(deals, efforts), "project": world.projects,
        "assignment": delivery.assignments(world.staff), "rate": delivery.rate_cards(deals), "time_entry": entries,
        "expense": world.expenses, "milestone": world.milestones, "billing_plan_line": billing.plan,
        "invoice": billing.invoices, "erp_invoice": erp, "invoice_line": billing.lines,
        "invoice_line_time": billing.settled, "payment": billing.payments, "payment_application": billing.applications,
        "bill": bought.bills, "bill_line": bought.lines, "progress": estimates.progress(deals, outlooks),
        "journal_line": ledger.ledger_lines(journals),
        "revenue_schedule_line": schedule, "exchange_rate": rates.exchange_rates(world.daily_rates),
        "fiscal_period": rates.fiscal_periods([each.id for each in COMPANIES], calendar, max(deal.end for deal in deals)),
    }  # fmt: skip
    frames["integration_event"] = observed.integration_events(frames)
    frames["reported_metric"] = observed.reported_metrics(frames, world.daily_rates, calendar)
    return frames


def _unapproved(entries: pl.DataFrame, mistakes: Mistakes) -> pl.DataFrame:
    """Return the entries with those that were never approved still awaiting it."""
    if not mistakes.never_approved:
        return entries
    waits = pl.col("number").is_in(list(mistakes.never_approved))
    return entries.with_columns(
        pl.when(waits).then(pl.lit("submitted")).otherwise("status").alias("status"),
        pl.when(~waits).then("decided_at").alias("decided_at"),
    )


def _with_additions(frames: dict[str, pl.DataFrame], register: Register) -> dict[str, pl.DataFrame]:
    added = dict(frames)
    for entity, rows in register.additions.items():
        frame = frames[entity]
        more = pl.DataFrame([{name: row[name] for name in frame.columns} for row in rows], schema=frame.schema)
        added[entity] = pl.concat([frame, more])
    return added
