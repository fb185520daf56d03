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
from engine.policy.kinds.sides import DECISION_COLUMNS
from engine.policy.loaded import LoadedPolicy, PolicySet
from engine.policy.outputs import READABLE

# What these say decides which records are agreed, and so everything after.
_EVERYTHING: Final = frozenset({"ownership", "quality", "calendar", "run"})
_BILLING: Final = frozenset({"billing", "tax"})
TYING: Final = (ReconciliationPolicy, CheckPolicy, FlowPolicy)
"""Kinds that tie systems out or check records."""

_WORD: Final = re.compile(r"\w+")
_REVENUE_WORDS: Final = re.compile(r"\b(revenue_schedule|contract_balances|contract_costs|time_revenue|journal)\b")

# What people read of a policy, which no expression is.
_PROSE: Final = frozenset({"title", "says", "note", "reference", "owner", "remedy", "kind", "id", "called"})

# Kinds of findings that billing and ownership make: what explains a difference by these needs no revenue.
_BEFORE_REVENUE: Final = frozenset(
    {"not_billed", "stale_unbilled", "marked_billed", "billed_twice", "over_billed", "billed_unapproved", "billed_not_billable",
     "over_cap", "rate_below_card", "rate_missing", "duplicate_time_entry", "late_activation", "expense_without_receipt",
     "milestone_not_accepted", "duplicate_invoice", "wrong_tax_code", "value_drift", "unauthorized_change", "missing_in_consumer"}
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


def reading_policies(policies: PolicySet, *, items: Collection[str], revenue: bool) -> set[str]:
    """Return the reconciliation policies and checks that read what changed: decisions about these kinds of items, what revenue made."""
    return {
        each.policy.id for each in policies.policies
        if isinstance(each.policy, TYING) and (_reads_decisions(each, items) or (revenue and _reads_revenue(each)))
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


def reads_revenue(policies: PolicySet, names: Collection[str]) -> bool:
    """Say whether some of the policies named read what revenue made."""
    return any(_reads_revenue(each) for each in policies.policies if each.policy.id in names)


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


def _reads_decisions(loaded: LoadedPolicy, items: Collection[str]) -> bool:
    """Say whether a policy reads billing decisions about some of these kinds of items."""
    texts = list(_texts(loaded.policy.model_dump()))
    entities = {text for name, text in texts if name == "entity"}
    if not items:
        return False
    if "billing_decisions" in entities:
        return True
    words = {word for name, text in texts if name != "entity" for word in _WORD.findall(text)}
    return any(words & set(DECISION_COLUMNS) - set(READABLE[entity].fields) for entity in entities & set(items))


def _texts(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every expression and name in a policy, with the field it is said in."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for field, each in value.items():
            if field not in _PROSE:
                yield from _texts(each, str(field))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each, name)


def _reads_revenue(loaded: LoadedPolicy) -> bool:
    return bool(_REVENUE_WORDS.search(loaded.document.source.text))
