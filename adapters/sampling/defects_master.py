"""Defects of master data and contracts: systems that disagree, lack a record, or were changed alone."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from adapters.sampling.calendar import at
from adapters.sampling.contracts import Deal
from adapters.sampling.defects import Register

_LATE_LEAD_DAYS = 3


def plant_master_defects(register: Register) -> None:
    """Plant every defect of this family that the firm has a record for."""
    _customers(register)
    _missing_contract(register)
    _late_activation(register)
    _amended_total(register)
    _contracts(register)
    _unauthorized_change(register)


def _customers(register: Register) -> None:
    customers = register.frames["customer"].to_dicts()
    if len(customers) < 4:
        return
    first, second, third = customers[1], customers[2], customers[3]
    name = first["name"].rsplit(" ", 1)
    register.edit("billing", "customer", first["customer_id"], {"name": f"{name[0]} Holding {name[1]}"})
    register.expect(
        "customer_name_drift", "value_drift", "customer", first["customer_id"], "ownership",
        "Billing holds another name than the CRM",
    )  # fmt: skip
    digits = second["tax_id"]
    register.edit("billing", "customer", second["customer_id"], {"tax_id": f"{digits[:-2]}{(int(digits[-2:]) + 7) % 100:02}"})
    register.expect(
        "customer_tax_id_drift", "value_drift", "customer", second["customer_id"], "ownership",
        "Billing holds another tax number than the ERP",
    )  # fmt: skip
    register.edit("billing", "customer", third["customer_id"], {"payment_terms_days": third["payment_terms_days"] + 15})
    register.expect(
        "customer_terms_drift", "value_drift", "customer", third["customer_id"], "ownership",
        "Billing grants fifteen days more than the ERP",
    )  # fmt: skip


def _missing_contract(register: Register) -> None:
    as_of = register.calendar.as_of
    deal = register.take_deal(
        lambda each: "gap" in each.features and each.work_start > as_of and each.signed < as_of - dt.timedelta(days=20)
    )
    if deal is None:
        return
    register.edit("billing", "contract", deal.id, None)
    register.expect(
        "contract_missing_in_billing", "missing_in_consumer", "contract", deal.id, "ownership",
        "Signed in the CRM weeks ago and never set up in billing",
    )  # fmt: skip


def _late_activation(register: Register) -> None:
    as_of = register.calendar.as_of
    deal = register.take_deal(lambda each: "gap" in each.features and each.work_start < as_of - dt.timedelta(days=60))
    if deal is None:
        return
    project = deal.promises[0].project_id
    activated = deal.work_start - dt.timedelta(days=_LATE_LEAD_DAYS)
    register.edit("psa", "project", project, {"activated_date": activated})
    register.expect(
        "late_activation", "late_activation", "project", project, "billing",
        f"Opened {(activated - deal.start).days} days after the contract began",
    )  # fmt: skip


def _amended_total(register: Register) -> None:
    deal = register.take_deal(lambda each: each.change is not None and each.change.kind == "extra")
    if deal is None or deal.change is None:
        return
    stated = Decimal(deal.change.total_after + 3_000_00) / 100
    register.edit("crm", "amendment", deal.change.id, {"total_after": stated})
    register.expect(
        "amended_total_mismatch", "amended_total_mismatch", "contract", deal.id, "ownership",
        f"Amendment {deal.change.id} states a total 3,000.00 above the total before plus its change",
    )  # fmt: skip


def _is_settled(deal: Deal, register: Register) -> bool:
    """Say whether a contract is long running and of a kind that later defects do not need."""
    is_plain = deal.kind in ("retainer", "managed_monthly", "subscription", "hourly_direct") and not deal.features
    return is_plain and deal.start <= register.calendar.as_of - dt.timedelta(days=40)


def _contracts(register: Register) -> None:
    takes = [register.take_deal(lambda each: _is_settled(each, register)) for _ in range(4)]
    value, end, currency, terms = takes
    if value is not None:
        register.edit("psa", "contract", value.id, {"total_value": Decimal(value.total_cents + 10_000_00) / 100})
        register.expect("contract_value_drift", "value_drift", "contract", value.id, "ownership", "PSA holds 10,000.00 more than the CRM")
    if end is not None:
        register.edit("erp", "contract", end.id, {"end_date": end.end + dt.timedelta(days=31)})
        register.expect("contract_end_drift", "value_drift", "contract", end.id, "ownership", "ERP holds a later last day than the CRM")
    if currency is not None:
        register.edit("psa", "contract", currency.id, {"currency": "CHF"})
        register.expect(
            "contract_currency_drift", "value_drift", "contract", currency.id, "ownership", "PSA holds another currency than the CRM"
        )
    if terms is not None:
        register.edit("billing", "contract", terms.id, {"payment_terms_days": terms.customer.terms_days + 30})
        register.expect(
            "contract_terms_drift", "value_drift", "contract", terms.id, "ownership", "Billing grants thirty days more than the ERP"
        )


def _unauthorized_change(register: Register) -> None:
    if register.nights < 2:
        return
    deal = register.take_deal(lambda each: _is_settled(each, register)) or register.take_deal(
        lambda each: each.kind == "fixed" and each.change is None and each.end > register.calendar.as_of
    )
    if deal is None:
        return
    changed = at(register.calendar.as_of, 11, 20)
    values = {"end_date": deal.end + dt.timedelta(days=61), "modified_at": changed}
    register.edit("billing", "contract", deal.id, values, first_night=register.nights - 1)
    for kind in ("unauthorized_change", "value_drift"):
        register.expect(
            "unauthorized_change", kind, "contract", deal.id, "ownership",
            "Billing moved the last day between the last two nights; the CRM, which owns it, did not",
        )  # fmt: skip
