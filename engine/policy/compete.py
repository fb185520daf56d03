"""Policies that decide the same thing on the same days: which of them counts, nobody has said."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence

from engine.canonical.schema import ENTITIES
from engine.condition import Scope
from engine.diagnostics import Code, Diagnostic, Span
from engine.policy import codes
from engine.policy.kinds.access import AccessPolicy
from engine.policy.kinds.alerts import AlertsPolicy
from engine.policy.kinds.billing import BillingPolicy, billing_scope
from engine.policy.kinds.cases import CasesPolicy
from engine.policy.kinds.checks import CheckPolicy
from engine.policy.kinds.close import ClosePolicy
from engine.policy.kinds.kpi import KpiPolicy
from engine.policy.kinds.ownership import OwnershipPolicy
from engine.policy.kinds.remedy import RemedyPolicy
from engine.policy.kinds.retention import RetentionPolicy
from engine.policy.kinds.revenue import RevenuePolicy
from engine.policy.kinds.run import CalendarPolicy, RunPolicy
from engine.policy.loaded import LoadedPolicy
from engine.policy.meeting import both_hold
from engine.policy.source import Location
from engine.policy.where import policy_scope

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
            found.append(_told(codes.POLICIES_COMPETE, other, place, message, one.document.span_of(first)))
    return [*found, *_overlapping(loaded)]


def _overlapping(loaded: Sequence[LoadedPolicy]) -> Iterator[Diagnostic]:
    """Tell each pair of limited policies that are both for some record, with that record; what cannot be told here a run tells."""
    limited = [(each, *subject) for each in loaded if (subject := _limited(each)) is not None]
    for (one, kind, where, _), (other, same, also, scope) in itertools.combinations(limited, 2):
        if kind != same or one.policy.id == other.policy.id or not _share_days(one, other):
            continue
        record = both_hold(where, also, scope())
        if record is not None:
            since = max(one.policy.effective_from, other.policy.effective_from)
            message = f"'{one.policy.id}' and '{other.policy.id}' are both for {record}, from {since}; '{one.policy.id}' counts"
            yield _told(codes.POLICIES_OVERLAP, other, ("where",), message, one.document.span_of(("where",)))


def _limited(loaded: LoadedPolicy) -> tuple[Hashable, str, Callable[[], Scope]] | None:
    """Return what a limited policy decides, its condition, and what that may speak of; None for one that is not limited."""
    policy = loaded.policy
    if isinstance(policy, BillingPolicy) and policy.where is not None:
        item = policy.item
        return ("billing", item), policy.where, lambda: billing_scope(item)
    if isinstance(policy, OwnershipPolicy) and policy.where is not None and policy.entity in ENTITIES:
        entity = policy.entity
        return ("ownership", entity), policy.where, lambda: policy_scope(entity)
    return None


def _told(code: Code, loaded: LoadedPolicy, place: Location, message: str, other: Span) -> Diagnostic:
    item = loaded.document.diagnostic(code, place, message)
    return Diagnostic(item.code, item.span, item.message, item.line_text, related=(other,))


def _subjects(loaded: LoadedPolicy) -> Iterator[tuple[Hashable, Location, str]]:
    """Yield what a policy alone decides: a key, the place that says so, and the words for it."""
    policy = loaded.policy
    if isinstance(policy, _ONE_OF_A_KIND):
        yield policy.policy, ("id",), f"are the {policy.policy} policy"
    elif isinstance(policy, BillingPolicy) and policy.where is None:
        yield ("billing", policy.item), ("id",), f"decide every {policy.item.replace('_', ' ')}"
    elif isinstance(policy, OwnershipPolicy) and policy.where is None:
        yield ("ownership", policy.entity), ("id",), f"say who owns every {policy.entity.replace('_', ' ')}"
    elif isinstance(policy, KpiPolicy):
        yield ("kpi", policy.kpi), ("kpi",), f"say what the KPI '{policy.kpi}' is"
    elif isinstance(policy, CheckPolicy):
        for index, check in enumerate(policy.checks):
            yield ("check", check.id), ("checks", index, "id"), f"have a check '{check.id}'"
    elif isinstance(policy, RemedyPolicy):
        for index, remedy in enumerate(policy.remedies):
            yield ("remedy", remedy.id), ("remedies", index, "id"), f"have a remedy '{remedy.id}'"
            for kind in remedy.kinds:
                yield ("mended", kind), ("remedies", index, "kinds"), f"have a remedy for '{kind}'"
        if policy.adjustments is not None:
            yield ("adjustments",), ("adjustments",), "draft the entries for tolerated residuals"


def _share_days(one: LoadedPolicy, other: LoadedPolicy) -> bool:
    ends = [each.policy.effective_to or dt.date.max for each in (one, other)]
    return max(one.policy.effective_from, other.policy.effective_from) <= min(ends)
