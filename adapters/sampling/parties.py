"""Who the sample firm is and deals with: companies, customers, vendors, accounts, and its people's roles."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import polars as pl

from adapters.sampling.calendar import at
from adapters.sampling.draws import Draws

SERVICE_LINES: Final = ("Advisory", "Technology", "Data", "Operations")
INTEGRATION: Final = "Integration"
"""The service line of work that partners share in; nobody's own."""


@dataclass(frozen=True, slots=True)
class Company:
    """Describe one legal entity of the firm."""

    id: str
    code: str
    name: str
    currency: str
    country: str
    tax_pct: int
    tax_code: str


COMPANIES: Final = (
    Company("LE-EU", "EU", "Meridian Consulting GmbH", "EUR", "DE", 19, "DE-S-19"),
    Company("LE-US", "US", "Meridian Consulting Inc.", "USD", "US", 0, "US-EXEMPT"),
    Company("LE-UK", "UK", "Meridian Consulting Ltd", "GBP", "GB", 20, "GB-S-20"),
)

REPORTING_CURRENCY: Final = "EUR"
REVERSE_CHARGE: Final = "EU-RC-0"


@dataclass(frozen=True, slots=True)
class Role:
    """Describe a role: what an hour of it usually costs and is billed at, in whole units of currency."""

    name: str
    bill: int
    cost: int


ROLES: Final = (
    Role("Principal", 240, 112),
    Role("Senior consultant", 185, 80),
    Role("Consultant", 140, 60),
    Role("Analyst", 105, 44),
)
MANAGER: Final = Role("Engagement manager", 260, 120)


@dataclass(frozen=True, slots=True)
class Customer:
    """Describe a customer and the company of the firm that sells to it."""

    id: str
    name: str
    tax_id: str
    country: str
    currency: str
    terms_days: int
    parent_id: str | None
    company: Company


_FIRST: Final = (
    "Alder", "Birchwood", "Calloway", "Dunmore", "Eastgate", "Falkner", "Greystone", "Halden", "Ironbridge", "Juniper",
    "Kestrel", "Larkfield", "Montrose", "Northwell", "Oakhurst", "Pemberton", "Quayside", "Redfern", "Stanhope",
    "Thornbury", "Ullswater", "Vantage", "Westbrook", "Yarrow", "Zephyr", "Ashdown", "Bellamy", "Corbridge", "Devere",
    "Elmstead",
)  # fmt: skip
_SECOND: Final = (
    "Logistics", "Insurance", "Energy", "Foods", "Pharma", "Retail", "Telecom", "Mobility", "Chemicals", "Media",
    "Aerospace", "Utilities", "Textiles", "Banking", "Robotics", "Shipping", "Materials",
)  # fmt: skip
_LEGAL_FORM: Final = {"DE": "GmbH", "FR": "SA", "NL": "BV", "US": "Inc.", "GB": "Ltd"}
_CURRENCY: Final = {"DE": "EUR", "FR": "EUR", "NL": "EUR", "US": "USD", "GB": "GBP"}
_COUNTRIES: Final = ("DE", "US", "GB", "FR", "DE", "US", "NL")
_COMPANY_OF: Final = {"US": COMPANIES[1], "GB": COMPANIES[2]}
_TERMS: Final = (14, 30, 30, 45, 60)


def make_customers(count: int, draws: Draws) -> list[Customer]:
    """Return the customers; names differ in more than their legal form."""
    terms = draws.many("customer terms", count, 0, len(_TERMS))
    numbers = draws.many("customer tax", count, 100_000_000, 999_999_999)
    customers: list[Customer] = []
    for index in range(count):
        country = _COUNTRIES[index % len(_COUNTRIES)]
        # 30 and 17 have no common divisor: the pair of words repeats only after 510 customers.
        words = f"{_FIRST[index % len(_FIRST)]} {_SECOND[index % len(_SECOND)]}"
        series = f" {index // 510 + 1}" if index >= 510 else ""
        customers.append(
            Customer(
                id=f"CUS-{index + 1:04}",
                name=f"{words}{series} {_LEGAL_FORM[country]}",
                tax_id=f"{country}{int(numbers[index])}",
                country=country,
                currency=_CURRENCY[country],
                terms_days=_TERMS[int(terms[index])],
                parent_id=f"CUS-{index - 6:04}" if index % 9 == 8 else None,
                company=_COMPANY_OF.get(country, COMPANIES[0]),
            )
        )
    return customers


def customer_frame(customers: list[Customer], founded: dt.date) -> pl.DataFrame:
    """Return the customers as records, known from the firm's first day."""
    return pl.DataFrame(
        {
            "customer_id": [each.id for each in customers],
            "name": [each.name for each in customers],
            "tax_id": [each.tax_id for each in customers],
            "country": [each.country for each in customers],
            "currency": [each.currency for each in customers],
            "payment_terms_days": [each.terms_days for each in customers],
            "parent_customer_id": pl.Series([each.parent_id for each in customers], dtype=pl.String),
            "status": ["active"] * len(customers),
            "recorded_at": [at(founded, 9)] * len(customers),
            "modified_at": [at(founded, 9)] * len(customers),
        }
    )


def company_frame(founded: dt.date) -> pl.DataFrame:
    """Return the legal entities."""
    return pl.DataFrame(
        {
            "legal_entity_id": [each.id for each in COMPANIES],
            "name": [each.name for each in COMPANIES],
            "functional_currency": [each.currency for each in COMPANIES],
            "reporting_currency": [REPORTING_CURRENCY] * len(COMPANIES),
            "country": [each.country for each in COMPANIES],
            "fiscal_year_start": ["01-01"] * len(COMPANIES),
            "recorded_at": [at(founded, 8)] * len(COMPANIES),
        }
    )


_VENDORS: Final = (
    ("VEN-001", "Contour Freelance Partners GmbH", "DE", "EUR", "LE-EU"),
    ("VEN-002", "Harbor Data Contractors LLC", "US", "USD", "LE-US"),
    ("VEN-003", "Tamar Interim Services Ltd", "GB", "GBP", "LE-UK"),
)


def vendor_frame(founded: dt.date) -> pl.DataFrame:
    """Return the subcontractors, one for each legal entity (`legal_entity_id` says which)."""
    ids, names, countries, currencies, companies = zip(*_VENDORS, strict=True)
    return pl.DataFrame(
        {
            "vendor_id": ids,
            "name": names,
            "tax_id": [f"{country}77{index}40211" for index, country in enumerate(countries)],
            "country": countries,
            "currency": currencies,
            "status": ["active"] * len(ids),
            "legal_entity_id": companies,
            "recorded_at": [at(founded, 9)] * len(ids),
        }
    )


CASH: Final = "1000"
RECEIVABLE: Final = "1100"
UNBILLED: Final = "1200"
CONTRACT_ASSET: Final = "1210"
PAYABLE: Final = "2000"
PAYROLL: Final = "2100"
EXPENSES_DUE: Final = "2150"
TAX: Final = "2300"
CONTRACT_LIABILITY: Final = "2400"
EQUITY: Final = "3000"
REVENUE: Final = "4000"
EXPENSE_REVENUE: Final = "4050"
LABOUR: Final = "5000"
SUBCONTRACT: Final = "5100"
TRAVEL: Final = "5200"
OFFICE: Final = "6000"
FX: Final = "7900"

_ACCOUNTS: Final = (
    (CASH, "Cash at bank", "asset", "none"),
    (RECEIVABLE, "Accounts receivable", "asset", "ar"),
    (UNBILLED, "Unbilled receivables", "asset", "unbilled_receivable"),
    (CONTRACT_ASSET, "Contract assets", "asset", "contract_asset"),
    (PAYABLE, "Accounts payable", "liability", "ap"),
    (PAYROLL, "Accrued payroll", "liability", "none"),
    (EXPENSES_DUE, "Employee expenses payable", "liability", "none"),
    (TAX, "Output tax", "liability", "tax"),
    (CONTRACT_LIABILITY, "Contract liabilities", "liability", "contract_liability"),
    (EQUITY, "Share capital", "equity", "none"),
    (REVENUE, "Services revenue", "revenue", "revenue"),
    (EXPENSE_REVENUE, "Recharged expenses", "revenue", "revenue"),
    (LABOUR, "Delivery labour", "expense", "none"),
    (SUBCONTRACT, "Subcontractors", "expense", "none"),
    (TRAVEL, "Travel and expenses", "expense", "none"),
    (OFFICE, "Office costs", "expense", "none"),
    (FX, "Exchange gains and losses", "expense", "fx"),
)


def account_frame(founded: dt.date) -> pl.DataFrame:
    """Return the chart of accounts, the same for every legal entity."""
    codes, names, classes, controls = zip(*_ACCOUNTS, strict=True)
    return pl.DataFrame(
        {
            "account": codes,
            "name": names,
            "account_class": classes,
            "control_for": controls,
            "recorded_at": [at(founded, 8)] * len(codes),
        }
    )
