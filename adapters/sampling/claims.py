"""Which system holds which entity, and which columns of it its export carries."""

from __future__ import annotations

from typing import Final

from adapters.sampling.costs import BILL, BILL_LINE
from adapters.sampling.delivery import EXPENSE, MILESTONE, PROJECT, RATE
from adapters.sampling.estimates import PROGRESS
from adapters.sampling.selling import AMENDMENT, AMENDMENT_LINE, CONTRACT, CONTRACT_LINE, OPPORTUNITY

SYSTEMS: Final = ("crm", "psa", "billing", "erp", "revrec", "warehouse")

# A copy becomes known some hours after its original.
COPY_LAG_HOURS: Final = {"crm": 0, "psa": 1, "billing": 2, "erp": 2, "revrec": 3, "warehouse": 4}

_INVOICE: Final = (
    "invoice_id", "invoice_number", "kind", "customer_id", "contract_id", "legal_entity_id", "invoice_date", "due_date",
    "currency", "net_amount", "tax_amount", "gross_amount", "status", "posted_at", "posted_by", "approved_by",
    "exchange_rate", "amount_due", "fully_paid_date", "recorded_at",
)  # fmt: skip

_CONTRACT_COPY: Final = (
    "contract_id", "contract_number", "customer_id", "currency", "start_date", "end_date", "total_value",
)  # fmt: skip

CLAIMS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "crm": {
        "customer": ("customer_id", "name", "country", "currency", "parent_customer_id", "status", "recorded_at", "modified_at"),
        "opportunity": (*OPPORTUNITY, "recorded_at"),
        "contract": (*CONTRACT, "recorded_at", "modified_at", "created_by"),
        "contract_line": (*CONTRACT_LINE, "recorded_at"),
        "amendment": (*AMENDMENT, "recorded_at"),
        "amendment_line": (*AMENDMENT_LINE, "recorded_at"),
    },
    "psa": {
        "customer": ("customer_id", "name", "currency", "status", "recorded_at", "modified_at"),
        "contract": (*_CONTRACT_COPY, "status", "recorded_at", "modified_at"),
        "project": (*PROJECT, "status", "recorded_at"),
        "resource": (
            "resource_id", "name", "role", "service_line", "legal_entity_id", "cost_rate", "cost_currency",
            "weekly_capacity_hours", "start_date", "end_date", "recorded_at",
        ),
        "assignment": (
            "assignment_id", "project_id", "resource_id", "role", "start_date", "end_date", "planned_hours", "bill_rate",
            "currency", "recorded_at",
        ),
        "rate": (*RATE, "recorded_at"),
        "time_entry": (
            "time_entry_id", "resource_id", "project_id", "contract_line_id", "work_date", "hours", "billable", "status",
            "submitted_at", "approved_at", "approved_by", "bill_rate", "currency", "cost_rate", "cost_currency", "note",
            "recorded_at",
        ),
        "expense": (*EXPENSE, "approved_at", "recorded_at"),
        "milestone": (*MILESTONE, "status", "recorded_at"),
    },
    "billing": {
        "customer": (
            "customer_id", "name", "tax_id", "country", "currency", "payment_terms_days", "status", "recorded_at", "modified_at",
        ),
        "contract": (*_CONTRACT_COPY, "payment_terms_days", "status", "recorded_at", "modified_at"),
        "billing_plan_line": (
            "plan_line_id", "contract_id", "contract_line_id", "due_date", "amount", "currency", "is_unconditional",
            "recorded_at",
        ),
        "invoice": _INVOICE,
        "invoice_line": (
            "invoice_line_id", "invoice_id", "contract_line_id", "project_id", "expense_id", "milestone_id", "description",
            "quantity", "unit_price", "net_amount", "currency", "tax_code", "tax_jurisdiction", "tax_amount",
            "service_start", "service_end", "account", "recorded_at",
        ),
        "invoice_line_time": ("invoice_line_id", "time_entry_id", "hours", "recorded_at"),
        "payment": ("payment_id", "invoice_id", "customer_id", "paid_date", "amount", "currency", "recorded_at"),
        "payment_application": ("payment_id", "invoice_id", "amount", "currency", "recorded_at"),
    },
    "erp": {
        "legal_entity": (
            "legal_entity_id", "name", "functional_currency", "reporting_currency", "country", "fiscal_year_start",
            "recorded_at",
        ),
        "customer": (
            "customer_id", "name", "tax_id", "country", "currency", "payment_terms_days", "status", "recorded_at", "modified_at",
        ),
        "contract": (*_CONTRACT_COPY, "payment_terms_days", "status", "recorded_at", "modified_at"),
        "project": (
            "project_id", "contract_id", "customer_id", "legal_entity_id", "name", "service_line", "status", "start_date",
            "end_date", "created_at", "currency", "recorded_at",
        ),
        "invoice": _INVOICE,
        "journal_line": (
            "journal_line_id", "journal_id", "legal_entity_id", "posting_date", "period", "account", "debit", "credit",
            "currency", "functional_debit", "functional_credit", "customer_id", "contract_id", "project_id", "service_line",
            "source_document_type", "source_document_id", "status", "created_at", "posted_by", "approved_by",
            "journal_number", "recorded_at", "created_by", "entry_mode",
        ),
        "account": ("account", "name", "account_class", "control_for", "recorded_at"),
        "exchange_rate": ("from_currency", "to_currency", "rate_date", "rate_type", "rate", "recorded_at"),
        "fiscal_period": ("legal_entity_id", "period", "start_date", "end_date", "status", "closed_at", "recorded_at"),
        "vendor": ("vendor_id", "name", "tax_id", "country", "currency", "status", "recorded_at"),
        "bill": (*BILL, "status", "amount_due", "fully_paid_date", "recorded_at"),
        "bill_line": (*BILL_LINE, "recorded_at"),
        "progress": (*PROGRESS, "recorded_at", "created_by"),
    },
    "revrec": {
        "contract": (*_CONTRACT_COPY, "recorded_at", "modified_at"),
        "revenue_schedule_line": (
            "schedule_line_id", "contract_id", "contract_line_id", "period", "amount", "currency", "status",
            "recognized_date", "is_catch_up", "journal_id", "recorded_at",
        ),
    },
    "warehouse": {
        "integration_event": (
            "event_id", "from_system", "to_system", "entity", "entity_id", "event_type", "occurred_at", "received_at",
            "processed_at", "status", "attempts", "error", "correlation_id", "recorded_at",
        ),
        "reported_metric": ("metric", "reported_by", "period", "dimension", "value", "unit", "recorded_at"),
    },
}  # fmt: skip
"""By system and entity: the columns stated, in order; the first ones are the entity's key."""
