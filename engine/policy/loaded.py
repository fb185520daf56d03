"""Policies as loaded: each with its document, its sheet and its fingerprint; the set of a folder."""

from __future__ import annotations

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

    def run_policy(self) -> RunPolicy | None:
        """Return the run policy in the folder, the latest version when there are several."""
        found = self.of_kind(RunPolicy)
        return found[-1][1] if found else None

    def calendar(self) -> CalendarPolicy | None:
        """Return the calendar in the folder."""
        found = self.of_kind(CalendarPolicy)
        return found[-1][1] if found else None
