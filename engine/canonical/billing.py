"""What is invoiced and paid, to customers and by vendors."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from engine.canonical.base import Bool, Date, Hours, Id, Money, Price, Qty, Rate, Record, Text, Time, field, key

DocumentStatus = Literal["draft", "posted", "paid", "void"]

POSTED: Final = ("posted", "paid")
"""Of these the documents count: they stand in the books."""


class BillingPlanLine(Record):
    """What the contract lets the firm invoice, and when."""

    entity: ClassVar[str] = "billing_plan_line"
    plan_line_id: Id = key("Identifies the plan line.")
    contract_id: Id | None = field("Contract.", reference="contract")
    contract_line_id: Id | None = field("Promise it bills.", reference="contract_line")
    due_date: Date | None = field("Day it may be invoiced.")
    amount: Money | None = field("Amount without tax, in the record's currency.")
    currency: Text | None = field("Currency, ISO 4217.")
    milestone_id: Id | None = field("Milestone whose acceptance releases it.", reference="milestone")
    is_unconditional: Bool | None = field("Whether it is due whatever is delivered.")
    is_retention: Bool | None = field("Whether it is money held back until the end.")


class Invoice(Record):
    """An invoice or credit note to a customer; a credit note's amounts are negative."""

    entity: ClassVar[str] = "invoice"
    invoice_id: Id = key("Identifies the invoice.")
    invoice_number: Text | None = field("Number printed on it.")
    kind: Literal["invoice", "credit_note"] | None = field("Invoice or credit note.")
    customer_id: Id | None = field("Customer billed.", reference="customer")
    contract_id: Id | None = field("Contract billed.", reference="contract")
    legal_entity_id: Id | None = field("Legal entity that bills.", reference="legal_entity")
    invoice_date: Date | None = field("Date on the invoice.")
    due_date: Date | None = field("Day payment is due.")
    currency: Text | None = field("Currency, ISO 4217.")
    net_amount: Money | None = field("Total without tax, in the record's currency.")
    tax_amount: Money | None = field("Tax, in the record's currency.")
    gross_amount: Money | None = field("Total with tax, in the record's currency.")
    status: DocumentStatus | None = field("State of the invoice.")
    corrects_invoice_id: Id | None = field("Invoice that a credit note reverses.", reference="invoice")
    replaces_invoice_id: Id | None = field("Invoice that a re-issue replaces.", reference="invoice")
    posted_at: Time | None = field("When it was posted.")
    posted_by: Text | None = field("Who posted it.")
    approved_by: Text | None = field("Who approved it.")
    exchange_rate: Rate | None = field("Functional currency per 1 invoice currency.")
    amount_due: Money | None = field("Open amount with tax as the system states it, in the record's currency.")
    fully_paid_date: Date | None = field("Day it was paid in full as the system states it.")


class InvoiceLine(Record):
    """A line of an invoice."""

    entity: ClassVar[str] = "invoice_line"
    invoice_line_id: Id = key("Identifies the line.")
    invoice_id: Id | None = field("Invoice it stands on.", reference="invoice")
    contract_line_id: Id | None = field("Promise billed.", reference="contract_line")
    project_id: Id | None = field("Project billed.", reference="project")
    time_entry_id: Id | None = field("Time entry billed, when it is one.", reference="time_entry")
    expense_id: Id | None = field("Expense billed.", reference="expense")
    milestone_id: Id | None = field("Milestone billed.", reference="milestone")
    description: Text | None = field("Text on the line.")
    quantity: Qty | None = field("Units billed (hours for time).")
    unit_price: Price | None = field("Price of one unit, in the record's currency.")
    net_amount: Money | None = field("Amount without tax, in the record's currency.")
    currency: Text | None = field("Currency, ISO 4217.")
    tax_code: Text | None = field("Tax code.")
    tax_jurisdiction: Text | None = field("Jurisdiction the tax is owed to.")
    tax_amount: Money | None = field("Tax, in the record's currency.")
    service_start: Date | None = field("First day of the service billed.")
    service_end: Date | None = field("Last day of the service billed (inclusive).")
    account: Text | None = field("Ledger account the line posts to.", reference="account")


class Bill(Record):
    """A bill or credit from a vendor; a vendor credit's amounts are negative."""

    entity: ClassVar[str] = "bill"
    bill_id: Id = key("Identifies the bill.")
    invoice_number: Text | None = field("Vendor's number printed on it.")
    kind: Literal["bill", "vendor_credit"] | None = field("Bill or credit.")
    vendor_id: Id | None = field("Vendor who charges.", reference="vendor")
    customer_id: Id | None = field("Customer it is charged on to.", reference="customer")
    contract_id: Id | None = field("Contract it was incurred for.", reference="contract")
    legal_entity_id: Id | None = field("Legal entity charged.", reference="legal_entity")
    invoice_date: Date | None = field("Date on the bill.")
    due_date: Date | None = field("Day payment is due.")
    currency: Text | None = field("Currency, ISO 4217.")
    net_amount: Money | None = field("Total without tax, in the record's currency.")
    tax_amount: Money | None = field("Tax, in the record's currency.")
    gross_amount: Money | None = field("Total with tax, in the record's currency.")
    status: DocumentStatus | None = field("State of the bill.")
    corrects_invoice_id: Id | None = field("Bill that a credit reverses.", reference="bill")
    replaces_invoice_id: Id | None = field("Bill that a re-issue replaces.", reference="bill")
    posted_at: Time | None = field("When it was posted.")
    posted_by: Text | None = field("Who posted it.")
    approved_by: Text | None = field("Who approved it.")
    exchange_rate: Rate | None = field("Functional currency per 1 bill currency.")
    amount_due: Money | None = field("Open amount with tax as the system states it, in the record's currency.")
    fully_paid_date: Date | None = field("Day it was paid in full as the system states it.")
    is_principal: Bool | None = field("Whether the firm controls the service before transfer (606-10-55-36).")


class BillLine(Record):
    """A line of a vendor's bill."""

    entity: ClassVar[str] = "bill_line"
    bill_line_id: Id = key("Identifies the line.")
    bill_id: Id | None = field("Bill it stands on.", reference="bill")
    contract_line_id: Id | None = field("Promise it was incurred for.", reference="contract_line")
    project_id: Id | None = field("Project it was incurred for.", reference="project")
    time_entry_id: Id | None = field("Time entry charged.", reference="time_entry")
    expense_id: Id | None = field("Expense charged.", reference="expense")
    milestone_id: Id | None = field("Milestone charged.", reference="milestone")
    description: Text | None = field("Text on the line.")
    quantity: Qty | None = field("Units charged.")
    unit_price: Price | None = field("Price of one unit, in the record's currency.")
    net_amount: Money | None = field("Amount without tax, in the record's currency.")
    currency: Text | None = field("Currency, ISO 4217.")
    tax_code: Text | None = field("Tax code.")
    tax_jurisdiction: Text | None = field("Jurisdiction the tax is owed to.")
    tax_amount: Money | None = field("Tax, in the record's currency.")
    service_start: Date | None = field("First day of the service charged.")
    service_end: Date | None = field("Last day of the service charged (inclusive).")
    account: Text | None = field("Ledger account the line posts to.", reference="account")
    vendor_id: Id | None = field("Vendor who charges, where the line tells it and not its bill.", reference="vendor")
    kind: Literal["bill", "vendor_credit"] | None = field("Bill or credit, where the line tells it.")
    is_principal: Bool | None = field("Whether the firm controls this line's service before transfer (606-10-55-36), else as its bill.")


class InvoiceLineTime(Record):
    """The time entries that one invoice line settles; hours are signed like the line."""

    entity: ClassVar[str] = "invoice_line_time"
    invoice_line_id: Id = key("Invoice line.", reference="invoice_line")
    time_entry_id: Id = key("Time entry settled.", reference="time_entry")
    hours: Hours | None = field("Hours settled.")


class Payment(Record):
    """Money received from a customer; a refund is negative."""

    entity: ClassVar[str] = "payment"
    payment_id: Id = key("Identifies the payment.")
    invoice_id: Id | None = field("Invoice paid, when it is one.", reference="invoice")
    customer_id: Id | None = field("Customer who paid.", reference="customer")
    paid_date: Date | None = field("Day it was received.")
    amount: Money | None = field("Amount, in the record's currency.")
    currency: Text | None = field("Currency, ISO 4217.")
    contract_id: Id | None = field("Contract paid for when no invoice is named.", reference="contract")


class PaymentApplication(Record):
    """The part of a payment applied to one invoice."""

    entity: ClassVar[str] = "payment_application"
    payment_id: Id = key("Payment applied.", reference="payment")
    invoice_id: Id = key("Invoice it is applied to.", reference="invoice")
    amount: Money | None = field("Amount applied, in the record's currency.")
    currency: Text | None = field("Currency, ISO 4217.")
