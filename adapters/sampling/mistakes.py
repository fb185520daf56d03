"""What a firm that is not clean does wrong on the way, before the mistake reaches the books."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ManualJournal:
    """Describe a journal entered by hand: account, debit, credit (cents) and service line of each line."""

    id: str
    legal_entity_id: str
    currency: str
    posting_date: dt.date
    created_at: dt.datetime
    lines: tuple[tuple[str, int, int, str | None], ...]
    contract_id: str | None = None
    customer_id: str | None = None
    project_id: str | None = None


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Name the records that go wrong in delivery, billing, revenue and ledger; none by default.

    Time entries are named by number, invoices and contracts by id; amounts are cents.
    """

    never_approved: frozenset[int] = frozenset()
    """Time entries that stay submitted and are invoiced all the same."""
    unbilled: frozenset[int] = frozenset()
    """Time entries that the invoice leaves out."""
    billed_again: frozenset[int] = frozenset()
    """Time entries that the next month's invoice bills a second time."""
    cheaper: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """By contract line, role and period: how much an hour is invoiced below the card."""
    beyond_cap: Mapping[str, int] = field(default_factory=dict)
    """By contract line: a cap that the invoices go beyond; what is earned ends at it."""
    unposted: frozenset[str] = frozenset()
    """Invoices that stay a draft in the ERP."""
    keyed_wrong: Mapping[str, int] = field(default_factory=dict)
    """Invoices that the ERP holds with so much more."""
    applied_again: Mapping[str, str] = field(default_factory=dict)
    """By payment: another invoice that billing applies it to as well."""
    missed_change: frozenset[str] = frozenset()
    """Contracts whose amendment the revenue engine never got."""
    late_estimate: frozenset[str] = frozenset()
    """Contracts whose new estimate of cost the revenue engine gets a month late."""
    unevidenced: tuple[tuple[str, str, int], ...] = ()
    """Contract line, period and amount recognized without any work."""
    manual_journals: tuple[ManualJournal, ...] = ()
    """Journals entered by hand."""


NO_MISTAKES = Mistakes()
