"""How the work is planned, done and measured: projects, rates, time, expenses, progress, costs."""

from __future__ import annotations

from typing import ClassVar, Literal

from engine.canonical.base import Bool, Date, Hours, Id, Int, Money, Pct, Price, Qty, Record, Text, Time, field, key

ItemStatus = Literal["draft", "submitted", "approved", "rejected"]

_OF_LINE = "contract_line.contract.currency"


class Project(Record):
    """Work delivered under a contract, as the PSA plans it."""

    entity: ClassVar[str] = "project"
    project_id: Id = key("Identifies the project.")
    contract_id: Id | None = field("Contract it delivers.", reference="contract")
    customer_id: Id | None = field("Customer it is for.", reference="customer")
    legal_entity_id: Id | None = field("Legal entity that delivers it.", reference="legal_entity")
    name: Text | None = field("Name.")
    manager: Text | None = field("Project manager.")
    service_line: Text | None = field("Service line.")
    status: Literal["planned", "active", "on_hold", "completed", "cancelled"] | None = field("State of the project.")
    start_date: Date | None = field("Planned first day.")
    end_date: Date | None = field("Planned last day.")
    created_at: Time | None = field("When it was entered.")
    activated_date: Date | None = field("Day it was opened for time and expenses.")
    budget_hours: Hours | None = field("Planned hours.")
    budget_cost: Money | None = field("Planned cost, in the record's currency.")
    currency: Text | None = field("Currency of the budget, ISO 4217.")


class Assignment(Record):
    """A person planned on a project."""

    entity: ClassVar[str] = "assignment"
    assignment_id: Id = key("Identifies the assignment.")
    project_id: Id | None = field("Project.", reference="project")
    resource_id: Id | None = field("Person.", reference="resource")
    role: Text | None = field("Role on the project.")
    start_date: Date | None = field("First day.")
    end_date: Date | None = field("Last day.")
    planned_hours: Hours | None = field("Hours planned.")
    bill_rate: Price | None = field("Price of one hour, in the record's currency.")
    currency: Text | None = field("Currency of the rate, ISO 4217.")


class RateLine(Record):
    """One line of a rate card."""

    entity: ClassVar[str] = "rate"
    rate_id: Id = key("Identifies the rate.")
    contract_id: Id | None = field("Contract it holds for; null: any.", reference="contract")
    project_id: Id | None = field("Project it holds for; null: any.", reference="project")
    role: Text | None = field("Role it prices.")
    resource_id: Id | None = field("Person it prices; null: anyone in the role.", reference="resource")
    bill_rate: Price | None = field("Price of one unit, in the record's currency.")
    unit: Literal["hour", "day"] | None = field("Unit the rate is for.")
    currency: Text | None = field("Currency of the rate, ISO 4217.")
    effective_from: Date | None = field("First day it holds.")
    effective_to: Date | None = field("Last day it holds (inclusive).")


class TimeEntry(Record):
    """Hours a person worked on a project on a day."""

    entity: ClassVar[str] = "time_entry"
    time_entry_id: Id = key("Identifies the entry.")
    resource_id: Id | None = field("Who worked.", reference="resource")
    project_id: Id | None = field("Project worked on.", reference="project")
    contract_line_id: Id | None = field("Promise worked on.", reference="contract_line")
    work_date: Date | None = field("Day of work.")
    hours: Hours | None = field("Hours worked.")
    billable: Bool | None = field("Whether it is client work under the contract (not: billed by the hour).")
    status: ItemStatus | None = field("State of approval.")
    submitted_at: Time | None = field("When it was submitted.")
    approved_at: Time | None = field("When it was approved.")
    approved_by: Text | None = field("Who approved it.")
    bill_rate: Price | None = field("Price of one hour, in the record's currency.")
    currency: Text | None = field("Currency of the bill rate, ISO 4217.")
    cost_rate: Price | None = field("Cost of one hour, in the cost currency.", currency="cost_currency")
    cost_currency: Text | None = field("Currency of the cost rate, ISO 4217.")
    note: Text | None = field("What was done.")
    is_billed: Bool | None = field("Whether its system marks it as billed, whatever invoices say.")
    billed_invoice_id: Id | None = field("Invoice its system says it is billed on.")


class Expense(Record):
    """Money spent on a project."""

    entity: ClassVar[str] = "expense"
    expense_id: Id = key("Identifies the expense.")
    resource_id: Id | None = field("Who spent it.", reference="resource")
    project_id: Id | None = field("Project it was spent on.", reference="project")
    contract_line_id: Id | None = field("Promise it was spent on.", reference="contract_line")
    incurred_date: Date | None = field("Day it was spent.")
    category: Text | None = field("Category (travel, hotel, licence …).")
    amount: Money | None = field("Amount without tax, in the record's currency.")
    tax_amount: Money | None = field("Tax on it, in the record's currency.")
    currency: Text | None = field("Currency, ISO 4217.")
    billable: Bool | None = field("Whether the customer is to pay it.")
    reimbursable: Bool | None = field("Whether the person is paid back.")
    has_receipt: Bool | None = field("Whether a receipt is there.")
    status: ItemStatus | None = field("State of approval.")
    submitted_at: Time | None = field("When it was submitted.")
    approved_at: Time | None = field("When it was approved.")
    approved_by: Text | None = field("Who approved it.")
    markup_pct: Pct | None = field("Markup charged on it, percent.")
    is_billed: Bool | None = field("Whether its system marks it as billed, whatever invoices say.")
    billed_invoice_id: Id | None = field("Invoice its system says it is billed on.")


class Milestone(Record):
    """A point of a project that, once accepted, entitles to an amount or shows progress."""

    entity: ClassVar[str] = "milestone"
    milestone_id: Id = key("Identifies the milestone.")
    project_id: Id | None = field("Project it belongs to.", reference="project")
    contract_line_id: Id | None = field("Promise it belongs to.", reference="contract_line")
    name: Text | None = field("Name.")
    amount: Money | None = field("Amount billed on acceptance, in the record's currency.")
    progress_pct: Pct | None = field("Progress it stands for, percent of the line.")
    currency: Text | None = field("Currency, ISO 4217.")
    due_date: Date | None = field("Day it is due.")
    completed_date: Date | None = field("Day it was completed.")
    accepted_date: Date | None = field("Day the customer accepted it.")
    accepted_by: Text | None = field("Who accepted it for the customer.")
    status: Literal["planned", "completed", "accepted", "rejected"] | None = field("State of the milestone.")
    is_billed: Bool | None = field("Whether its system marks it as billed, whatever invoices say.")
    billed_invoice_id: Id | None = field("Invoice its system says it is billed on.")


class Progress(Record):
    """Observed progress of a promise as of a day."""

    entity: ClassVar[str] = "progress"
    progress_id: Id = key("Identifies the observation.")
    contract_line_id: Id | None = field("Promise observed.", reference="contract_line")
    as_of_date: Date | None = field("Day of the observation.")
    percent_complete: Pct | None = field("Progress, percent 0-100.")
    cost_to_date: Money | None = field("Cost so far, uninstalled and wasted cost included, in the record's currency.")
    estimated_total_cost: Money | None = field("Cost expected at completion, likewise gross, in the record's currency.")
    hours_to_date: Hours | None = field("Hours so far.")
    estimated_total_hours: Hours | None = field("Hours expected at completion.")
    units_delivered: Qty | None = field("Units delivered so far.")
    uninstalled_cost: Money | None = field(
        "Cost of uninstalled materials in the cost so far (606-10-55-21(b)), in the record's currency."
    )
    currency: Text | None = field("Currency of the costs, ISO 4217.")
    wasted_cost: Money | None = field(
        "Cost that shows no progress in the cost so far (606-10-55-21(a)), in the record's currency."
    )
    expected_breakage: Qty | None = field("Units expected never to be used.")
    estimated_total_units: Qty | None = field("Units expected in all.")


class Usage(Record):
    """Usage, sales or royalty reported, or units drawn."""

    entity: ClassVar[str] = "usage"
    usage_id: Id = key("Identifies the report.")
    contract_line_id: Id | None = field("Promise used.", reference="contract_line")
    usage_date: Date | None = field("Day of use.")
    quantity: Qty | None = field("Units used.")
    amount: Money | None = field("Amount earned, in the record's currency.")
    currency: Text | None = field("Currency, ISO 4217.")


class CostEstimate(Record):
    """An estimate of the cost of fulfilling a promise, by kind of cost."""

    entity: ClassVar[str] = "cost_estimate"
    cost_estimate_id: Id = key("Identifies the estimate.")
    contract_line_id: Id | None = field("Promise it is about.", reference="contract_line")
    as_of_date: Date | None = field("Day of the estimate.")
    kind: Literal["incremental", "allocated_direct", "general_overhead"] | None = field("Kind of cost (IAS 37.68A).")
    amount: Money | None = field("Cost still to come, in the record's currency.")
    currency: Text | None = field("Currency, ISO 4217.")


class ContractCost(Record):
    """A cost of obtaining, fulfilling or delivering a contract."""

    entity: ClassVar[str] = "contract_cost"
    cost_id: Id = key("Identifies the cost.")
    contract_id: Id | None = field("Contract it belongs to.", reference="contract")
    contract_line_id: Id | None = field("Promise it belongs to.", reference="contract_line")
    kind: Literal["obtain", "fulfil", "delivery"] | None = field("Why it was incurred (340-40).")
    incurred_date: Date | None = field("Day it was incurred.")
    amount: Money | None = field("Amount, in the record's currency.")
    currency: Text | None = field("Currency, ISO 4217.")
    benefit_start: Date | None = field("First day of the benefit.")
    benefit_end: Date | None = field("Last day of the benefit (inclusive).")
    is_incremental: Bool | None = field("Whether it would not have been incurred without the contract.")
    expected_renewals: Int | None = field("Renewals the benefit is expected to cover.")
    governed_by: Text | None = field("Other standard that governs the cost; null: 340-40.")
    paid_date: Date | None = field("Day it was paid; in a foreign currency what is owed is remeasured until then.")


class IntercompanyRate(Record):
    """What one legal entity charges another for delivery: a rate or a markup on cost."""

    entity: ClassVar[str] = "intercompany_rate"
    from_legal_entity_id: Id = key("Entity that delivers.", reference="legal_entity")
    to_legal_entity_id: Id = key("Entity that sold.", reference="legal_entity")
    role: Text = key("Role the rate prices.")
    effective_from: Date = key("First day it holds.")
    rate: Price | None = field("Price of one hour, in the record's currency.")
    markup_pct: Pct | None = field("Markup on cost, percent.")
    currency: Text | None = field("Currency of the rate, ISO 4217.")
