"""Names that policies give and that nothing knows: systems, kinds of findings, roles, accounts' roles, folders."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Final, get_args

from engine.canonical.schema import ENTITIES
from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.finding_kinds import FINDING_KINDS
from engine.policy.kinds.access import Role
from engine.policy.kinds.cases import CasesPolicy
from engine.policy.kinds.checks import CheckPolicy
from engine.policy.kinds.close import ClosePolicy
from engine.policy.kinds.flow import FlowPolicy
from engine.policy.kinds.ownership import OwnershipPolicy
from engine.policy.kinds.reconciliation import BreakCase, ReconciliationPolicy
from engine.policy.kinds.remedy import RemedyPolicy
from engine.policy.kinds.revenue import ACCOUNT_ROLES
from engine.policy.kinds.run import RunPolicy
from engine.policy.kinds.triage import TriagePolicy
from engine.policy.loaded import LoadedPolicy
from engine.policy.names import near, nearest
from engine.policy.source import Location

SYSTEMS: Final = ("crm", "cpq", "psa", "erp", "billing", "revrec", "tax", "warehouse")
"""The usual names of systems (CANONICAL.md); a snapshot may give others."""

_TARGETS: Final = ("consumer", "owner", "policy", "integration", "tieout")
_ABOUT: Final = ("file", "mapping", "policy", "source")
"""What findings may be about beside canonical records."""

_ROLES: Final[tuple[str, ...]] = get_args(Role)

Named = tuple[Location, str]


def unknown_names(loaded: Sequence[LoadedPolicy]) -> list[Diagnostic]:
    """Return a warning for each name that nothing knows; of systems only where a known one is near, since any name may be one."""
    mentioned = Counter(name for each in loaded for name in {name for _, name in _systems(each)})
    systems = (*SYSTEMS, *(name for name, policies in mentioned.items() if policies > 1))
    kinds = FINDING_KINDS | {kind for each in loaded for kind in _defined(each)}
    parts = [each.document.source.file.split("/")[:-1] for each in loaded]
    folders = {".", *("/".join(each[:depth]) for each in parts for depth in range(1, len(each) + 1))}
    found: list[Diagnostic] = []
    for each in loaded:
        found += _told(each, _systems(each), systems, "is no system that other policies name", only_near=True)
        found += _told(each, _targets(each), (*systems, *_TARGETS), "is no system and no side of a finding", only_near=True)
        found += _told(each, _kinds(each), kinds, "is no kind of finding")
        found += _told(each, _roles(each), _ROLES, f"is no role; the roles are {', '.join(_ROLES)}")
        found += _told(each, _accounts(each), ACCOUNT_ROLES, "is no role of an account", only_near=True)
        found += _told(each, _entities(each), (*ENTITIES, *_ABOUT), "is no canonical entity", only_near=True)
        found += _told(each, _folders(each), folders, "is no folder with policies")
    return found


def misnamed_systems(loaded: Sequence[LoadedPolicy], sources: Collection[str]) -> dict[str, str]:
    """Return the systems of a snapshot that no policy names, each with the one that policies name, that has no source, and is meant."""
    named = {name for each in loaded for _, name in _systems(each)}
    absent = {name.casefold(): name for name in sorted(named - set(sources))}
    # Alike are `Billing` and `biling`, not `ehr` and `erp`.
    meant = {name: difflib.get_close_matches(name.strip().casefold(), absent, n=1, cutoff=0.8) for name in set(sources) - named}
    return {name: absent[found[0]] for name, found in sorted(meant.items()) if found}


def _told(
    loaded: LoadedPolicy, named: Iterator[Named], known: Collection[str], what: str, *, only_near: bool = False
) -> Iterator[Diagnostic]:  # fmt: skip
    for place, name in named:
        if name in known or (only_near and nearest(name, known) is None):
            continue
        yield loaded.document.diagnostic(codes.UNKNOWN_NAME, place, f"'{name}' {what}{near(name, known)}")


def _systems(loaded: LoadedPolicy) -> Iterator[Named]:
    policy = loaded.policy
    match policy:
        case OwnershipPolicy():
            yield from _each(("owner_system",), policy.owner_system)
            for at, rule in enumerate(policy.rules):
                yield from _each(("rules", at, "owner"), rule.owner)
                yield from _each(("rules", at, "consumers"), rule.consumers)
            for at, presence in enumerate(policy.presence):
                yield from _each(("presence", at, "consumers"), presence.consumers)
        case ReconciliationPolicy():
            for name, sides in (("left", policy.left), ("right", policy.right)):
                for at, side in enumerate(sides):
                    place = (name, at) if (name, at) in loaded.document.values else (name,)
                    yield from _each((*place, "system"), side.system)
                    yield from _each((*place, "otherwise"), side.otherwise)
        case CheckPolicy():
            yield from _each(("system",), policy.system)
        case FlowPolicy():
            for at, flow in enumerate(policy.flows):
                yield from ((("flows", at, "from"), flow.sender), (("flows", at, "to"), flow.receiver))
        case RunPolicy():
            yield from _each(("required_sources",), policy.required_sources)
            yield from ((("required_records", name), name) for name in policy.required_records)


def _targets(loaded: LoadedPolicy) -> Iterator[Named]:
    if isinstance(loaded.policy, RemedyPolicy):
        yield from ((("remedies", at, "target"), remedy.target) for at, remedy in enumerate(loaded.policy.remedies))


def _each(place: Location, names: Sequence[str]) -> Iterator[Named]:
    yield from ((place, name) for name in names)


def _kinds(loaded: LoadedPolicy) -> Iterator[Named]:
    policy = loaded.policy
    match policy:
        case ReconciliationPolicy():
            yield from ((("known_causes", at), cause.kind) for at, cause in enumerate(policy.known_causes))
        case TriagePolicy():
            for name, symptom in policy.symptoms.items():
                yield from _each(("symptoms", name, "kinds"), symptom.kinds)
        case RemedyPolicy():
            for at, remedy in enumerate(policy.remedies):
                yield from _each(("remedies", at, "kinds"), remedy.kinds)


def _defined(loaded: LoadedPolicy) -> Iterator[str]:
    """Yield the kinds that findings of a policy have."""
    policy = loaded.policy
    match policy:
        case ReconciliationPolicy():
            cases = (policy.breaks, policy.breaks.differs, policy.breaks.missing_right, policy.breaks.missing_left)
            yield from (case.kind for case in cases if isinstance(case, BreakCase) and case.kind is not None)
        case CheckPolicy():
            yield from (check.kind for check in policy.checks if check.kind is not None)
        case TriagePolicy():
            yield from (rule.cause for rule in policy.rules)


def _roles(loaded: LoadedPolicy) -> Iterator[Named]:
    policy = loaded.policy
    match policy:
        case ClosePolicy():
            yield from _each(("sign_roles",), policy.sign_roles)
            yield from _each(("reopen_roles",), policy.reopen_roles)
        case CasesPolicy():
            yield ("waive", "approver_role"), policy.waive.approver_role
            yield ("write_off", "approver_role"), policy.write_off.approver_role
        case RemedyPolicy():
            yield ("approver_role",), policy.approver_role


def _accounts(loaded: LoadedPolicy) -> Iterator[Named]:
    if isinstance(loaded.policy, RemedyPolicy):
        for at, remedy in enumerate(loaded.policy.remedies):
            if remedy.entry is not None:
                sides = {"debit": remedy.entry.debit, "credit": remedy.entry.credit}
                yield from ((("remedies", at, "entry", name), role) for name, role in sides.items())


def _entities(loaded: LoadedPolicy) -> Iterator[Named]:
    if isinstance(loaded.policy, TriagePolicy):
        for name, symptom in loaded.policy.symptoms.items():
            yield from _each(("symptoms", name, "entities"), symptom.entities)


def _folders(loaded: LoadedPolicy) -> Iterator[Named]:
    if isinstance(loaded.policy, RunPolicy):
        yield from ((("minimum_coverage", name), name) for name in loaded.policy.minimum_coverage)
