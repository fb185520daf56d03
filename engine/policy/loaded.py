"""Policies as loaded: each with its document, its sheet and its fingerprint; the set of a folder."""

from __future__ import annotations

import datetime as dt
import typing
from dataclasses import dataclass

from engine.policy.kinds.base import PolicyFile
from engine.policy.kinds.run import CalendarPolicy, RunPolicy
from engine.policy.sheets import Sheet
from engine.policy.source import Document

_BY_DAY: typing.Final = frozenset({"run", "quality", "check", "reconciliation", "flow", "remedy"})
"""Kinds of which the version in force on the day of the run counts, whatever the dates of its records."""

_Kind = typing.TypeVar("_Kind", bound=PolicyFile)


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """Hold one policy with the document it was read from, the sheet beside it, and its fingerprint."""

    policy: PolicyFile
    document: Document
    fingerprint: str
    sheet: Sheet | None = None

    def place(self, *location: str | int) -> str:
        """Return `file:line` of a part of the policy."""
        span = self.document.span_of(location)
        return f"{span.file}:{span.line}"


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Hold every policy of a folder; `fingerprint` covers all their texts and sheets."""

    policies: tuple[LoadedPolicy, ...]
    fingerprint: str

    def of_kind(self, kind: type[_Kind]) -> list[tuple[LoadedPolicy, _Kind]]:
        """Return the policies of one kind, in order of id and date."""
        return [(each, each.policy) for each in self.policies if isinstance(each.policy, kind)]

    def versions(self, kind: type[_Kind]) -> dict[str, list[tuple[LoadedPolicy, _Kind]]]:
        """Return by policy id its versions, the earliest first."""
        found: dict[str, list[tuple[LoadedPolicy, _Kind]]] = {}
        for loaded, policy in self.of_kind(kind):
            found.setdefault(policy.id, []).append((loaded, policy))
        return found

    def in_force(self, kind: type[_Kind], on: dt.date) -> list[tuple[LoadedPolicy, _Kind]]:
        """Return the policies of one kind that hold on a day, in order of id and date."""
        return [(each, policy) for each, policy in self.of_kind(kind) if is_in_force(policy, on)]

    def one_in_force(self, kind: type[_Kind], on: dt.date) -> _Kind | None:
        """Return the policy that holds on a day, of a kind of which a run has one; None when none does."""
        return next((policy for _, policy in self.in_force(kind, on)), None)

    def out_of_force(self, on: dt.date) -> list[tuple[str, str]]:
        """Return the id of each policy that the day of a run chooses, and of which no version holds on it, with why."""
        found: dict[str, list[PolicyFile]] = {}
        for each in self.policies:
            if each.policy.policy in _BY_DAY:
                found.setdefault(each.policy.id, []).append(each.policy)
        return [(name, _why_not(versions, on)) for name, versions in found.items() if not any(is_in_force(each, on) for each in versions)]

    def run_policy(self, on: dt.date | None = None) -> RunPolicy | None:
        """Return the run policy in force on a day; without a day, the latest version."""
        if on is not None:
            return self.one_in_force(RunPolicy, on)
        found = self.of_kind(RunPolicy)
        return found[-1][1] if found else None

    def holidays(self) -> tuple[dt.date, ...]:
        """Return the holidays of the calendar in the folder, sorted: every version gives those of its own days."""
        versions = [policy for _, policy in self.of_kind(CalendarPolicy)]
        return tuple(sorted({day for policy in versions for day in policy.holidays if is_in_force(policy, day)}))


def is_in_force(policy: PolicyFile, day: dt.date) -> bool:
    """Say whether a version of a policy holds on a day: from its first day to its last, both included."""
    return policy.effective_from <= day and (policy.effective_to is None or day <= policy.effective_to)


def _why_not(versions: typing.Sequence[PolicyFile], day: dt.date) -> str:
    ahead = [each.effective_from for each in versions if each.effective_from > day]
    if len(ahead) == len(versions):
        return f"it is in force from {min(ahead)}"
    ended = max(each.effective_to for each in versions if each.effective_to is not None and each.effective_to < day)
    return f"it was in force until {ended}" + (f", and is again from {min(ahead)}" if ahead else "")
