"""Why no test looks at a change of a table: written reasons, in the test file beside the policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.names import near
from engine.policy.source import Document, Location
from engine.policy.testing.case import UNNOTICED

_SETTINGS: Final = ("rule", "change", "why")


@dataclass(frozen=True, slots=True)
class Reason:
    """Say why a change of a rule, in the words of `tieout policy test --mutate`, needs no test."""

    rule: str
    change: str
    why: str
    document: Document
    place: Location

    def unused(self) -> Diagnostic:
        """Return the diagnostic of a reason that explains nothing: tests notice the change, or there is none like it."""
        message = f"no test overlooks that in {self.rule} {self.change}"
        return self.document.diagnostic(codes.REASON_UNUSED, self.place, message)


def read_reasons(document: Document) -> tuple[list[Reason], list[Diagnostic]]:
    """Return the reasons under `unnoticed`, a list of {rule, change (one or several), why}, and what is wrong with them."""
    value = document.value.get(UNNOTICED) if isinstance(document.value, dict) else None
    if value is None:
        return [], []
    if not isinstance(value, list):
        return [], [document.diagnostic(codes.INVALID_VALUE, (UNNOTICED,), "`unnoticed` is a list of {rule, change, why}")]
    reasons: list[Reason] = []
    found: list[Diagnostic] = []
    for index, each in enumerate(value):
        problems = list(_problems(each, document, (UNNOTICED, index)))
        found += problems
        if problems:
            continue
        changes = each["change"] if isinstance(each["change"], list) else [each["change"]]
        for number, change in enumerate(changes):
            place = (UNNOTICED, index, "change", *((number,) if isinstance(each["change"], list) else ()))
            reasons.append(Reason(str(each["rule"]), str(change), str(each["why"]), document, place))
    return reasons, found


def _problems(each: Any, document: Document, place: Location) -> Iterator[Diagnostic]:
    if not isinstance(each, dict):
        yield document.diagnostic(codes.INVALID_VALUE, place, "a reason is written as {rule, change, why}")
        return
    for name in each:
        if name not in _SETTINGS:
            message = f"unknown setting '{name}'{near(name, _SETTINGS)}"
            yield document.diagnostic(codes.UNKNOWN_SETTING, (*place, name), message, prefer_key=True)
    for name in _SETTINGS:
        if each.get(name) in (None, "", []):
            yield document.diagnostic(codes.MISSING_SETTING, place, f"the setting '{name}' is missing")
