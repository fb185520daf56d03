"""Which parts of a run a change of policies can reach."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from engine.policy.difference import RuleChange
from engine.policy.kinds.checks import CheckPolicy
from engine.policy.kinds.flow import FlowPolicy
from engine.policy.kinds.reconciliation import ReconciliationPolicy
from engine.policy.loaded import LoadedPolicy, PolicySet

# What these say decides which records are agreed, and so everything after.
_EVERYTHING: Final = frozenset({"ownership", "quality", "calendar", "run"})
_BILLING: Final = frozenset({"billing", "tax"})
TYING: Final = (ReconciliationPolicy, CheckPolicy, FlowPolicy)
"""Kinds that tie systems out or check records."""

_DECISION_WORDS: Final = re.compile(r"\b(billing_decisions|decision|amount_billed|amount_unbilled|earliest_bill_date)\b")
_ITEM_AMOUNT: Final = re.compile(r"\bentity: *(time_entry|milestone|billing_plan_line|expense)\b")
_REVENUE_WORDS: Final = re.compile(r"\b(revenue_schedule|contract_balances|contract_costs|time_revenue|journal)\b")

# Kinds of findings that billing and ownership make: what explains a difference by these needs no revenue.
_BEFORE_REVENUE: Final = frozenset(
    {"not_billed", "stale_unbilled", "billed_twice", "over_billed", "billed_unapproved", "billed_not_billable", "over_cap",
     "rate_below_card", "rate_missing", "duplicate_time_entry", "late_activation", "expense_without_receipt", "milestone_not_accepted",
     "duplicate_invoice", "wrong_tax_code", "value_drift", "unauthorized_change", "missing_in_consumer"}
)  # fmt: skip
# Kinds that a policy makes without naming them.
_UNNAMED: Final = frozenset(
    {"amounts_differ", "no_counterpart", "no_source_record", "totals_differ", "not_comparable", "tolerance_bias", "amount_unknown",
     "exchange_differs", "event_not_sent", "flow_without_policy"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reach:
    """Say which parts of a run a change can reach; `tying` are the reconciliation policies and checks that it changes."""

    everything: bool
    billing: bool
    taxes: bool
    revenue: bool
    tying: frozenset[str]

    @property
    def is_nothing(self) -> bool:
        """Say whether no decision and no amount can follow from the change."""
        return not (self.everything or self.billing or self.revenue or self.tying)


def reach_of(changes: Sequence[RuleChange]) -> Reach:
    """Return what changes can reach directly; wording reaches nothing."""
    kinds = {each.kind for each in changes if each.matters}
    tying = frozenset(each.policy for each in changes if each.matters and each.kind in ("reconciliation", "check", "flow"))
    return Reach(bool(kinds & _EVERYTHING), bool(kinds & _BILLING), "tax" in kinds, "revenue" in kinds, tying)


def reading_policies(policies: PolicySet, *, decisions: bool, revenue: bool) -> set[str]:
    """Return the reconciliation policies and checks that read what changed: billing decisions, what revenue made."""
    return {
        each.policy.id for each in policies.policies
        if isinstance(each.policy, TYING) and _reads(each.document.source.text, decisions=decisions, revenue=revenue)
    }  # fmt: skip


def caused_policies(policies: PolicySet, kinds: Collection[str]) -> set[str]:
    """Return the reconciliation policies that take findings of these kinds for what explains a difference."""
    return {each.id for _, each in policies.of_kind(ReconciliationPolicy) if _causes(each) & set(kinds)}


def explaining_policies(policies: PolicySet, names: Collection[str]) -> tuple[set[str], bool]:
    """Return the policies that tie out or check which it takes to tell what some of them find: those, and whose findings explain theirs.

    Also says whether findings of the revenue stage may be among what explains; what nobody is known to find may be.
    """
    needed, causes = set(names), set[str]()
    while True:
        causes |= {cause for _, each in policies.of_kind(ReconciliationPolicy) if each.id in needed for cause in _causes(each)}
        more = {
            each.policy.id for each in policies.policies
            if isinstance(each.policy, TYING) and each.policy.id not in needed and _named(each) & causes
        }  # fmt: skip
        if not more:
            named = {kind for each in policies.policies if isinstance(each.policy, TYING) for kind in _named(each)}
            unnamed = causes - named - _BEFORE_REVENUE
            # A policy that names no kind of its own makes these.
            makers = set() if not unnamed & _UNNAMED else {each.policy.id for each in policies.policies if isinstance(each.policy, TYING)}
            return needed | makers, bool(unnamed - _UNNAMED)
        needed |= more


def reads_of(policies: PolicySet, names: Collection[str]) -> tuple[bool, bool]:
    """Say whether some of the policies named read billing decisions, and whether some read what revenue made."""
    texts = [each.document.source.text for each in policies.policies if each.policy.id in names]
    found = [any(_reads(text, decisions=each, revenue=not each) for text in texts) for each in (True, False)]
    return found[0], found[1]


def _causes(policy: ReconciliationPolicy) -> set[str]:
    return {each.kind for each in policy.known_causes}


def _named(loaded: LoadedPolicy) -> set[str]:
    """Return the kinds of findings that a policy names as its own."""
    return set(_kinds(loaded.policy.model_dump(exclude={"known_causes"})))


def _kinds(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "kind" and isinstance(each, str):
                yield each
            yield from _kinds(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _kinds(each)


def only_tying(policies: PolicySet, names: Collection[str]) -> PolicySet:
    """Return the policies without those that tie out or check and are not named."""
    kept = tuple(each for each in policies.policies if not isinstance(each.policy, TYING) or each.policy.id in names)
    return PolicySet(kept, policies.fingerprint)


def _reads(text: str, *, decisions: bool, revenue: bool) -> bool:
    if decisions and (_DECISION_WORDS.search(text) or _ITEM_AMOUNT.search(text)):
        return True
    return revenue and bool(_REVENUE_WORDS.search(text))
