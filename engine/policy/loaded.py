"""Policies as loaded: each with its document, its sheet and its fingerprint; the set of a folder."""

from __future__ import annotations

import datetime as dt
import typing
from dataclasses import dataclass

from engine.policy.kinds.base import PolicyFile
from engine.policy.kinds.run import CalendarPolicy, RunPolicy
from engine.policy.sheets import Sheet
from engine.policy.source import Document

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

    def run_policy(self, on: dt.date | None = None) -> RunPolicy | None:
        """Return the run policy in force on a day; without a day, the latest version."""
        found = [policy for _, policy in self.of_kind(RunPolicy) if on is None or _is_in_force(policy, on)]
        return found[-1] if found else None

    def calendar(self) -> CalendarPolicy | None:
        """Return the calendar in the folder: every version gives the holidays of its own days."""
        found = [policy for _, policy in self.of_kind(CalendarPolicy)]
        if not found:
            return None
        days = {day for policy in found for day in policy.holidays if _is_in_force(policy, day)}
        return found[-1].model_copy(update={"holidays": tuple(sorted(days))})


def _is_in_force(policy: PolicyFile, day: dt.date) -> bool:
    return policy.effective_from <= day and (policy.effective_to is None or day <= policy.effective_to)
