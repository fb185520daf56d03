"""Policies that decide the same thing on the same days: which of them counts, nobody has said."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Hashable, Iterator, Sequence

from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds.access import AccessPolicy
from engine.policy.kinds.alerts import AlertsPolicy
from engine.policy.kinds.billing import BillingPolicy
from engine.policy.kinds.cases import CasesPolicy
from engine.policy.kinds.checks import CheckPolicy
from engine.policy.kinds.close import ClosePolicy
from engine.policy.kinds.ownership import OwnershipPolicy
from engine.policy.kinds.retention import RetentionPolicy
from engine.policy.kinds.revenue import RevenuePolicy
from engine.policy.kinds.run import CalendarPolicy, RunPolicy
from engine.policy.loaded import LoadedPolicy
from engine.policy.source import Location

_ONE_OF_A_KIND = (AccessPolicy, AlertsPolicy, CalendarPolicy, CasesPolicy, ClosePolicy, RetentionPolicy, RevenuePolicy, RunPolicy)


def competing(loaded: Sequence[LoadedPolicy]) -> list[Diagnostic]:
    """Tell each pair of policies with different ids of which only one can count, at the id of the later one."""
    subjects: dict[Hashable, list[tuple[LoadedPolicy, Location, str]]] = {}
    for each in loaded:
        for subject, place, what in _subjects(each):
            subjects.setdefault(subject, []).append((each, place, what))
    found: list[Diagnostic] = []
    for several in subjects.values():
        for (one, first, _), (other, place, what) in itertools.combinations(several, 2):
            if one.policy.id == other.policy.id or not _share_days(one, other):
                continue
            since = max(one.policy.effective_from, other.policy.effective_from)
            message = f"'{one.policy.id}' and '{other.policy.id}' both {what} from {since}"
            item = other.document.diagnostic(codes.POLICIES_COMPETE, place, message)
            found.append(Diagnostic(item.code, item.span, item.message, item.line_text, related=(one.document.span_of(first),)))
    return found


def _subjects(loaded: LoadedPolicy) -> Iterator[tuple[Hashable, Location, str]]:
    """Yield what a policy alone decides: a key, the place that says so, and the words for it."""
    policy = loaded.policy
    if isinstance(policy, _ONE_OF_A_KIND):
        yield policy.policy, ("id",), f"are the {policy.policy} policy"
    elif isinstance(policy, BillingPolicy) and policy.where is None:
        yield ("billing", policy.item), ("id",), f"decide every {policy.item.replace('_', ' ')}"
    elif isinstance(policy, OwnershipPolicy) and policy.where is None:
        yield ("ownership", policy.entity), ("id",), f"say who owns every {policy.entity.replace('_', ' ')}"
    elif isinstance(policy, CheckPolicy):
        for index, check in enumerate(policy.checks):
            yield ("check", check.id), ("checks", index, "id"), f"have a check '{check.id}'"


def _share_days(one: LoadedPolicy, other: LoadedPolicy) -> bool:
    ends = [each.policy.effective_to or dt.date.max for each in (one, other)]
    return max(one.policy.effective_from, other.policy.effective_from) <= min(ends)
