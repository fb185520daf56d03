"""What the CRM holds of the sales: opportunities, contracts, promises, amendments."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final

import polars as pl

from adapters.sampling.calendar import Calendar, at
from adapters.sampling.contracts import Deal, Promise
from adapters.sampling.estimates import Effort
from adapters.sampling.parties import Customer
from adapters.sampling.records import record_frame

OPPORTUNITY: Final = (
    "opportunity_id", "customer_id", "contract_id", "name", "stage", "is_won", "amount", "currency", "close_date",
    "created_at",
)  # fmt: skip
CONTRACT: Final = (
    "contract_id", "contract_number", "customer_id", "legal_entity_id", "opportunity_id", "currency", "signed_date",
    "start_date", "end_date", "status", "total_value", "billing_frequency", "payment_terms_days", "created_at",
    "enforceable", "collectible",
)  # fmt: skip
CONTRACT_LINE: Final = (
    "contract_line_id", "contract_id", "project_id", "description", "service_line", "offering", "amount",
    "standalone_selling_price", "start_date", "end_date", "cap_amount", "estimated_hours", "estimated_cost",
)  # fmt: skip
AMENDMENT: Final = (
    "amendment_id", "contract_id", "effective_date", "approved_date", "status", "amount_change", "total_after", "description",
)  # fmt: skip
AMENDMENT_LINE: Final = (
    "amendment_line_id", "amendment_id", "contract_line_id", "action", "amount", "standalone_selling_price", "start_date",
    "end_date", "estimated_hours", "estimated_cost", "offering", "remaining_is_distinct",
)  # fmt: skip


def contracts(deals: list[Deal]) -> pl.DataFrame:
    """Return the contracts as signed; what state a night sees them in is cut in `nights`."""
    rows = [
        {
            "contract_id": deal.id, "contract_number": deal.number, "customer_id": deal.customer.id,
            "legal_entity_id": deal.company.id, "opportunity_id": _opportunity_id(deal), "currency": deal.currency,
            "signed_date": deal.signed, "start_date": deal.start, "end_date": deal.end, "total_value": deal.total_cents,
            "billing_frequency": deal.frequency, "payment_terms_days": deal.customer.terms_days,
            "created_at": at(deal.signed, 17), "enforceable": True, "collectible": True,
            "recorded_at": at(deal.signed, 17), "modified_at": at(deal.signed, 17), "created_by": "crm.sales",
        }
        for deal in deals
    ]  # fmt: skip
    return record_frame("contract", rows, (*CONTRACT, "recorded_at", "modified_at", "created_by"))


def contract_lines(deals: list[Deal], efforts: Mapping[str, Effort]) -> pl.DataFrame:
    """Return the signed promises; a line that an amendment adds stands in the amendment alone."""
    rows = [
        {
            "contract_line_id": promise.id, "contract_id": deal.id, "project_id": promise.project_id,
            "description": promise.description, "service_line": promise.service_line, "offering": promise.offering,
            "amount": promise.cents, "standalone_selling_price": promise.cents, "start_date": promise.start,
            "end_date": promise.end, "cap_amount": promise.cap_cents,
            "estimated_hours": efforts[promise.id].hours if promise.id in efforts else None,
            "estimated_cost": efforts[promise.id].cost if promise.id in efforts else None,
            "recorded_at": at(deal.signed, 17),
        }
        for deal in deals for promise in deal.promises if not promise.added
    ]  # fmt: skip
    return record_frame("contract_line", rows, (*CONTRACT_LINE, "recorded_at"))


def amendments(deals: list[Deal]) -> pl.DataFrame:
    """Return the approved amendments."""
    rows = [
        {
            "amendment_id": deal.change.id, "contract_id": deal.id, "effective_date": deal.change.effective,
            "approved_date": deal.change.approved, "status": "approved", "amount_change": deal.change.cents,
            "total_after": deal.change.total_after,
            "description": "More scope of the same work" if deal.change.kind == "scope" else "Additional service hours",
            "recorded_at": at(deal.change.approved, 17),
        }
        for deal in deals if deal.change is not None
    ]  # fmt: skip
    return record_frame("amendment", rows, (*AMENDMENT, "recorded_at"))


def amendment_lines(deals: list[Deal], efforts: Mapping[str, Effort]) -> pl.DataFrame:
    """Return what each amendment does to its line: more scope of the first, or an added one."""
    rows: list[dict[str, object]] = []
    for deal in deals:
        if deal.change is None:
            continue
        promise = deal.promises[-1]
        rows.append(
            {
                "amendment_line_id": f"{deal.change.id}-1", "amendment_id": deal.change.id, "contract_line_id": promise.id,
                "start_date": promise.start, "end_date": promise.end, "offering": promise.offering,
                "recorded_at": at(deal.change.approved, 17),
            } | _after(promise, deal.change.cents, efforts)
        )  # fmt: skip
    return record_frame("amendment_line", rows, (*AMENDMENT_LINE, "recorded_at"))


def _after(promise: Promise, change: int, efforts: Mapping[str, Effort]) -> dict[str, object]:
    if promise.added:
        return {
            "action": "add", "amount": promise.cents, "standalone_selling_price": promise.cents, "remaining_is_distinct": True,
        }  # fmt: skip
    effort, amount = efforts[promise.id], (promise.cents or 0) + change
    return {
        "action": "change", "amount": amount, "standalone_selling_price": amount, "remaining_is_distinct": False,
        "estimated_hours": effort.hours_after, "estimated_cost": effort.cost_after,
    }  # fmt: skip


def _opportunity_id(deal: Deal) -> str:
    return f"OPP-{deal.index + 1:04}"


def opportunities(deals: list[Deal], customers: list[Customer], calendar: Calendar) -> pl.DataFrame:
    """Return the won opportunities, and beside them some lost and some still open."""
    rows: list[dict[str, object]] = []
    for deal in deals:
        opened = deal.signed - dt.timedelta(days=45)
        rows.append(
            {
                "opportunity_id": _opportunity_id(deal), "customer_id": deal.customer.id, "contract_id": deal.id,
                "name": f"{deal.customer.name}: {deal.promises[0].description}", "stage": "Closed Won", "is_won": True,
                "amount": deal.total_cents, "currency": deal.currency, "close_date": deal.signed,
                "created_at": at(opened, 11), "recorded_at": at(opened, 11),
            }
        )  # fmt: skip
    for place in range(len(deals) // 4):
        customer = customers[(place * 5 + 2) % len(customers)]
        is_lost = place % 2 == 0
        opened = calendar.first_day + dt.timedelta(days=23 * place % 300)
        rows.append(
            {
                "opportunity_id": f"OPP-9{place + 1:03}", "customer_id": customer.id, "contract_id": None,
                "name": f"{customer.name}: proposal {place + 1}", "stage": "Closed Lost" if is_lost else "Proposal",
                "is_won": False, "amount": 50_000_00 + place * 7_500_00, "currency": customer.currency,
                "close_date": opened + dt.timedelta(days=40) if is_lost else calendar.as_of + dt.timedelta(days=30),
                "created_at": at(opened, 11), "recorded_at": at(opened, 11),
            }
        )  # fmt: skip
    return record_frame("opportunity", rows, (*OPPORTUNITY, "recorded_at"))
