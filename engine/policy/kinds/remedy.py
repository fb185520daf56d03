"""Remedy policies: which action mends a kind of finding, in which system."""

from __future__ import annotations

from typing import Literal

import pydantic

from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds.base import PolicyFile, RulePlace, Strict, Words, refuse_where
from engine.policy.sheets import Sheet
from engine.policy.source import Document

Action = Literal["correct_field", "create_record", "post_document", "void_reissue", "replay_event", "journal_entry", "request"]


class EntrySides(Strict):
    """Say which account is debited and which credited where policy gives more than stands there: a role, or an account.

    An accrual posts at the `period_end` the finding is of (in the first open period after it where that one is closed),
    is taken back (`reverses`) on the first day of the `next_period`, and with `only: lacking` is proposed only where the
    ledger holds less than policy gives: that it holds more is for a person to look at.
    """

    debit: str
    credit: str
    posts: Literal["as_of", "period_end"] = "as_of"
    reverses: Literal["never", "next_period"] = "never"
    only: Literal["both", "lacking"] = "both"

    @pydantic.model_validator(mode="after")
    def _two_sides(self) -> EntrySides:
        if self.debit == self.credit:
            raise ValueError("an entry that debits and credits the same account books nothing")
        return self


class Adjustments(Strict):
    """Say where the entries that reconciliations propose for tolerated residuals are drafted."""

    id: str = pydantic.Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")
    target: str
    says: str


class Remedy(Strict):
    """Say what mends findings of these kinds.

    `correct_field` writes the owner's value into the copy, in that system's own columns; `create_record`
    asks for the record that is missing; `post_document` for a posting; `void_reissue` for a credit and a new
    document; `replay_event` for an event to be sent again; `journal_entry` for a balanced entry over the difference
    between what policy gives and what stands there (`entry` says how); `request` for what a person does. `target` is the
    system to act in: `consumer` (the finding's last system), `owner` (its first), or a system by name.
    """

    id: str = pydantic.Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")
    kinds: Words
    action: Action
    target: str
    says: str
    entry: EntrySides | None = None

    @pydantic.model_validator(mode="after")
    def _with_entry(self) -> Remedy:
        if (self.action == "journal_entry") != (self.entry is not None):
            raise ValueError("`entry: {debit, credit}` stands with the action journal_entry, and only there")
        return self


class RemedyPolicy(PolicyFile):
    """Remedies by kind of finding; the first that names a kind counts."""

    policy: Literal["remedy"]
    approver_role: str = "approver"
    adjustments: Adjustments | None = None
    remedies: tuple[Remedy, ...]


def check_remedy(policy: RemedyPolicy, document: Document, _: Sheet | None) -> list[Diagnostic]:
    """Check that ids and kinds stand once."""
    found = refuse_where(policy, document)
    ids: set[str] = set()
    kinds: set[str] = set()
    for index, each in enumerate(policy.remedies):
        if each.id in ids:
            found.append(document.diagnostic(codes.DUPLICATE_ID, ("remedies", index, "id"), f"the remedy id '{each.id}' is given twice"))
        ids.add(each.id)
        for kind in each.kinds:
            if kind in kinds:
                message = f"the kind '{kind}' has a remedy already; only the first counts"
                found.append(document.diagnostic(codes.DUPLICATE_ID, ("remedies", index, "kinds"), message))
            kinds.add(kind)
    return found


def remedy_rules(policy: RemedyPolicy, document: Document, _: Sheet | None) -> list[RulePlace]:
    """Return every remedy with its place and sentence."""
    places = [
        RulePlace(each.id, document.span_of(("remedies", index)), each.says, policy.reference) for index, each in enumerate(policy.remedies)
    ]
    if policy.adjustments is not None:
        places.append(RulePlace(policy.adjustments.id, document.span_of(("adjustments",)), policy.adjustments.says, policy.reference))
    return places
