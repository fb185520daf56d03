"""Which parts of a run a change of policies can reach."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from engine.policy.difference import RuleChange
from engine.policy.kinds.checks import CheckPolicy
from engine.policy.kinds.flow import FlowPolicy
from engine.policy.kinds.reconciliation import ReconciliationPolicy
from engine.policy.loaded import PolicySet

# What these say decides which records are agreed, and so everything after.
_EVERYTHING: Final = frozenset({"ownership", "quality", "calendar", "run"})
_BILLING: Final = frozenset({"billing", "tax"})
TYING: Final = (ReconciliationPolicy, CheckPolicy, FlowPolicy)
"""Kinds that tie systems out or check records."""

_DECISION_WORDS: Final = re.compile(r"\b(billing_decisions|decision|amount_billed|amount_unbilled|earliest_bill_date)\b")
_ITEM_AMOUNT: Final = re.compile(r"\bentity: *(time_entry|milestone|billing_plan_line|expense)\b")
_REVENUE_WORDS: Final = re.compile(r"\b(revenue_schedule|contract_balances|contract_costs|time_revenue|journal)\b")


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
    return {each.id for _, each in policies.of_kind(ReconciliationPolicy) if set(each.known_causes) & set(kinds)}


def only_tying(policies: PolicySet, names: Collection[str]) -> PolicySet:
    """Return the policies without those that tie out or check and are not named."""
    kept = tuple(each for each in policies.policies if not isinstance(each.policy, TYING) or each.policy.id in names)
    return PolicySet(kept, policies.fingerprint)


def _reads(text: str, *, decisions: bool, revenue: bool) -> bool:
    if decisions and (_DECISION_WORDS.search(text) or _ITEM_AMOUNT.search(text)):
        return True
    return revenue and bool(_REVENUE_WORDS.search(text))
