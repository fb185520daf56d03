"""What it takes to close a period: who signs, what blocks, and what is material."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import pydantic

from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds.base import PolicyFile, Severity, Strict, Words, refuse_where
from engine.policy.sheets import Sheet
from engine.policy.source import Document


class Materiality(Strict):
    """Say from which amount on an uncorrected item matters to the period."""

    amount: Decimal = pydantic.Field(ge=0)
    currency: str = pydantic.Field(pattern=r"^[A-Z]{3}$")


class ClosePolicy(PolicyFile):
    """The conditions of a close.

    `blocked_by`: open cases of these severities block it. `unexplained_above`: so does a tie-out whose
    unexplained difference is larger. `sign_roles`: one signature of each, by different people.
    `reopen_roles`: two people with these roles reopen it.
    """

    policy: Literal["close"]
    blocked_by: tuple[Severity, ...] = ("critical", "high")
    unexplained_above: Decimal = pydantic.Field(default=Decimal(0), ge=0)
    snapshot_within_days: int = pydantic.Field(default=5, ge=0)
    sign_roles: Words = ("preparer", "approver")
    reopen_roles: Words = ("approver", "admin")
    materiality: Materiality | None = None


def check_close(policy: ClosePolicy, document: Document, _: Sheet | None) -> list[Diagnostic]:
    """Check a close policy: it holds for the whole run, and a reopening needs two roles."""
    found = refuse_where(policy, document)
    if not policy.sign_roles:
        message = "a period is locked when every role has signed; name at least one"
        found.append(document.diagnostic(codes.INVALID_VALUE, ("sign_roles",), message))
    if len(set(policy.reopen_roles)) < 2:
        message = "a locked period is reopened by two named roles"
        found.append(document.diagnostic(codes.INVALID_VALUE, ("reopen_roles",), message))
    return found
