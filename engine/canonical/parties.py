"""Who the firm deals with and consists of: customers, vendors, legal entities, people."""

from __future__ import annotations

from typing import ClassVar, Literal

from engine.canonical.base import Date, Hours, Id, Int, Price, Record, Text, field, key


class Customer(Record):
    """A party that buys from the firm."""

    entity: ClassVar[str] = "customer"
    customer_id: Id = key("Identifies the customer.")
    name: Text | None = field("Name as it stands on contracts.")
    tax_id: Text | None = field("Tax registration number.")
    country: Text | None = field("Country, ISO 3166 code.")
    currency: Text | None = field("Currency the customer is billed in by default, ISO 4217.")
    payment_terms_days: Int | None = field("Days from invoice date to due date.")
    parent_customer_id: Id | None = field("The customer's parent company.", reference="customer")
    status: Literal["active", "inactive"] | None = field("Whether the customer may be sold to.")


class LegalEntity(Record):
    """A company of the firm that signs contracts and keeps books."""

    entity: ClassVar[str] = "legal_entity"
    legal_entity_id: Id = key("Identifies the legal entity.")
    name: Text | None = field("Registered name.")
    functional_currency: Text | None = field("Currency its books are kept in, ISO 4217.")
    reporting_currency: Text | None = field("Currency of the group's reports, ISO 4217.")
    country: Text | None = field("Country, ISO 3166 code.")
    fiscal_year_start: Text | None = field("First day of the fiscal year, MM-DD; null means that of its fiscal periods, else 01-01.")


class Resource(Record):
    """A person (or subcontractor) who delivers work."""

    entity: ClassVar[str] = "resource"
    resource_id: Id = key("Identifies the person.")
    name: Text | None = field("Name.")
    role: Text | None = field("Role by which rate cards price the work.")
    service_line: Text | None = field("Service line the person belongs to.")
    legal_entity_id: Id | None = field("Legal entity that employs the person.", reference="legal_entity")
    vendor_id: Id | None = field("Vendor who lends the person, where it is a subcontractor's.", reference="vendor")
    cost_rate: Price | None = field("Cost of one hour, in the cost currency.", currency="cost_currency")
    cost_currency: Text | None = field("Currency of the cost rate, ISO 4217.")
    weekly_capacity_hours: Hours | None = field("Hours available in a normal week.")
    start_date: Date | None = field("First day of work.")
    end_date: Date | None = field("Last day of work.")


class Vendor(Record):
    """A party that the firm buys from, subcontractors included."""

    entity: ClassVar[str] = "vendor"
    vendor_id: Id = key("Identifies the vendor.")
    name: Text | None = field("Name.")
    tax_id: Text | None = field("Tax registration number.")
    country: Text | None = field("Country, ISO 3166 code.")
    currency: Text | None = field("Currency the vendor bills in, ISO 4217.")
    status: Literal["active", "inactive"] | None = field("Whether the vendor may be bought from.")
