"""What the books say: journals, accounts, periods, rates, and the revenue engine's schedule."""

from __future__ import annotations

from typing import ClassVar, Literal

from engine.canonical.base import Bool, Date, Id, Money, Period, Rate, Record, Text, Time, field, key

_FUNCTIONAL = "legal_entity.functional_currency"


class RevenueScheduleLine(Record):
    """What the revenue engine holds for a promise in a period."""

    entity: ClassVar[str] = "revenue_schedule_line"
    schedule_line_id: Id = key("Identifies the schedule line.")
    contract_id: Id | None = field("Contract.", reference="contract")
    contract_line_id: Id | None = field("Promise.", reference="contract_line")
    period: Period | None = field("Fiscal period, YYYY-NN.")
    amount: Money | None = field("Revenue of the period, in the record's currency.")
    currency: Text | None = field("Currency, ISO 4217.")
    status: Literal["planned", "recognized", "reversed"] | None = field("State of the line.")
    recognized_date: Date | None = field("Day it was recognized.")
    is_catch_up: Bool | None = field("Whether it is a catch-up of earlier periods.")
    journal_id: Id | None = field("Journal that booked it.")


class JournalLine(Record):
    """A line of a journal; the unused side may be null or 0."""

    entity: ClassVar[str] = "journal_line"
    journal_line_id: Id = key("Identifies the line.")
    journal_id: Id | None = field("Journal it belongs to.")
    legal_entity_id: Id | None = field("Legal entity whose books it is in.", reference="legal_entity")
    posting_date: Date | None = field("Accounting date.")
    period: Period | None = field("Fiscal period, YYYY-NN.")
    account: Text | None = field("Ledger account.", reference="account")
    debit: Money | None = field("Debit, in the record's currency.")
    credit: Money | None = field("Credit, in the record's currency.")
    currency: Text | None = field("Currency, ISO 4217.")
    functional_debit: Money | None = field("Debit in functional currency.", currency=_FUNCTIONAL)
    functional_credit: Money | None = field("Credit in functional currency.", currency=_FUNCTIONAL)
    customer_id: Id | None = field("Customer.", reference="customer")
    contract_id: Id | None = field("Contract.", reference="contract")
    project_id: Id | None = field("Project.", reference="project")
    service_line: Text | None = field("Service line.")
    source_document_type: Text | None = field("Kind of document that caused the journal, as the ERP names it.")
    source_document_id: Id | None = field("Document that caused the journal.")
    reverses_journal_id: Id | None = field("Journal it reverses.")
    status: Literal["draft", "posted", "void"] | None = field("State of the journal.")
    created_at: Time | None = field("When it was entered.")
    posted_by: Text | None = field("Who posted it.")
    approved_by: Text | None = field("Who approved it.")
    journal_number: Text | None = field("Running number of the journal.")


class Account(Record):
    """An account of the ledger."""

    entity: ClassVar[str] = "account"
    account: Text = key("Account code (or id where it has no code).")
    name: Text | None = field("Name.")
    account_class: Literal["asset", "liability", "equity", "revenue", "expense"] | None = field("Class.")
    control_for: (
        Literal[
            "ar", "ap", "unbilled_receivable", "contract_asset", "contract_liability", "deposit", "refund",
            "revenue", "fx", "rounding", "tax", "none",
        ]
        | None
    ) = field("What the account controls.")  # fmt: skip


class ExchangeRate(Record):
    """Rate of a day: 1 `from_currency` = `rate` `to_currency`; the last on or before a day holds."""

    entity: ClassVar[str] = "exchange_rate"
    from_currency: Text = key("Currency converted, ISO 4217.")
    to_currency: Text = key("Currency converted into, ISO 4217.")
    rate_date: Date = key("Day of the rate.")
    rate_type: Literal["spot", "average", "closing"] = key("Kind of rate.")
    rate: Rate | None = field("Units of `to_currency` for 1 `from_currency`, 12 decimals.")


class FiscalPeriod(Record):
    """A period of a legal entity's books."""

    entity: ClassVar[str] = "fiscal_period"
    legal_entity_id: Id = key("Legal entity.", reference="legal_entity")
    period: Period = key("Label, YYYY-NN.")
    start_date: Date | None = field("First day.")
    end_date: Date | None = field("Last day (inclusive).")
    status: Literal["open", "closed", "locked"] | None = field("Whether it can be posted to.")
    closed_at: Time | None = field("When it was closed.")
    reopened_at: Time | None = field("When it was reopened.")
