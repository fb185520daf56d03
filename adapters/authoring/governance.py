"""Policies under approval: what is proposed with its money, what a run may use, an earlier version taken up again."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from sqlalchemy.orm import Session

from adapters.authoring.difference import Against, PolicyDifference, policy_difference
from adapters.policy_folder import policy_files, require_policies
from adapters.sight import access_policy
from adapters.store.audit import Actor, now
from adapters.store.database import open_store
from adapters.store.policy_versions import KINDS_OF_CHANGE, Proposal, approved_version, files_of, propose
from adapters.store.tables import Approval
from engine.errors import UsageError
from engine.policy.kinds.revenue import RevenuePolicy
from engine.policy.loaded import PolicySet


def propose_folder(
    session: Session, actor: Actor, folder: Path, against: Against | None, *, kind_of_change: str | None, transition: str | None,
    comment: str, rollback_of: int | None = None,
) -> tuple[Approval, PolicyDifference | None]:  # fmt: skip
    """Propose a policy folder; with a snapshot the money it moves decides which role approves it.

    What it is compared with, and who may approve, is the version approved last. Raises PolicyError when the folder has mistakes,
    UsageError when a change of a revenue policy does not say what kind of change it is.
    """
    proposed = require_policies(folder)
    current = approved_version(session)
    difference = None
    rights: PolicySet = proposed
    if current is not None:
        with as_folder(files_of(current)) as base:
            rights = require_policies(base)
            difference = policy_difference(base, folder, against)
        _require_kind(difference, kind_of_change)
        if kind_of_change is not None and rollback_of is None:
            _require_written(rights, proposed, kind_of_change, transition)
    moved = money_moved(difference)
    largest = None if moved is None else max((abs(each) for each in moved.values()), default=Decimal(0))
    changes = ["The first version."] if difference is None else [each.sentence() for each in difference.changes]
    made = Proposal(
        proposed.fingerprint, policy_files(folder), changes,
        None if moved is None else {currency: f"{amount:.2f}" for currency, amount in moved.items()},
        None if current is None else current.subject, kind_of_change, transition, rollback_of, comment,
    )  # fmt: skip
    return propose(session, actor, made, approver_of(rights, largest)), difference


def _require_kind(difference: PolicyDifference, kind_of_change: str | None) -> None:
    if kind_of_change is not None and kind_of_change not in KINDS_OF_CHANGE:
        raise UsageError(f"'{kind_of_change}' is no kind of change.", f"The kinds are {', '.join(KINDS_OF_CHANGE)}.")
    if kind_of_change is None and any(each.kind == "revenue" and each.matters for each in difference.changes):
        remedy = "Say with --change whether it is for new_facts, a change of an estimate, of a principle, or of an error (ASC 250)."
        raise UsageError("The revenue policy changes, and the proposal does not say as what.", remedy)


def _require_written(before: PolicySet, after: PolicySet, kind_of_change: str, transition: str | None) -> None:
    """Raise UsageError when the folder does not say what the proposal says: the run applies what the folder says.

    A change is a new version of the revenue policy, with `change`: what is altered in place would hold as if it had always been so.
    """
    known = {(policy.id, policy.effective_from) for _, policy in before.of_kind(RevenuePolicy)}
    added = [policy for _, policy in after.of_kind(RevenuePolicy) if (policy.id, policy.effective_from) not in known]
    said = [("new_facts", None) if each.change is None else (each.change.kind, each.change.transition) for each in added]
    if any(kind == kind_of_change and transition in (None, own) for kind, own in said):
        return
    shape = {"new_facts": "", "principle": f" with `change: {{kind: principle, transition: {transition or 'retrospective'}}}`"}
    how = shape.get(kind_of_change, f" with `change: {{kind: {kind_of_change}}}`")
    raise UsageError(
        f"The proposal says {kind_of_change}{f', {transition}' if transition else ''}, and the revenue policy does not: "
        + (", ".join(filter(None, (kind for kind, _ in said))) if said else "it is altered in place, as if it had always been so") + ".",
        f"End the version in force by `effective_to`, and write what changes as a new version from its first day on{how}.",
    )  # fmt: skip


def money_moved(difference: PolicyDifference | None) -> dict[str, Decimal] | None:
    """Return by currency how much a change moves: of what is open to bill, and of revenue in every period; None where nobody told."""
    if difference is None or difference.impact is None:
        return None
    moved: dict[str, Decimal] = {}
    for frame in (difference.impact.billable, difference.impact.revenue):
        for row in frame.select("currency", "change").to_dicts():
            moved[row["currency"] or ""] = moved.get(row["currency"] or "", Decimal(0)) + abs(row["change"])
    return moved


def approver_of(policies: PolicySet, moved: Decimal | None) -> str:
    """Return the role that approves a change which moves so much money (None: nobody knows), by the access policy of a folder."""
    found = access_policy(policies, now().date())
    return "approver" if found is None else found.policy_approver(moved)


def rights_of(session: Session, folder: Path) -> PolicySet:
    """Return the policies that say who may what: those approved last, else the folder's."""
    current = approved_version(session)
    if current is None:
        return require_policies(folder)
    with as_folder(files_of(current)) as base:
        return require_policies(base)


def roles_in(session: Session, folder: Path, name: str) -> frozenset[str]:
    """Return a person's roles by the access policy approved last, else by the folder's; every role where neither has one."""
    from adapters.store.permissions import ROLES

    found = access_policy(rights_of(session, folder), now().date())
    return frozenset(ROLES) if found is None else found.roles_of(name)


def version_on(url: str, day: dt.date) -> dict[str, bytes]:
    """Return the files of the policies as they stood approved at the end of a day; raises UsageError when none were."""
    store = open_store(url)
    try:
        with store.read() as session:
            version = approved_version(session, day)
            if version is None:
                raise UsageError(f"No policies were approved by {day}.", "`tieout policy log` shows when which were.")
            return files_of(version)
    finally:
        store.close()


@contextmanager
def as_folder(files: dict[str, bytes]) -> Iterator[Path]:
    """Give a kept version of the policies as a folder on disk."""
    with tempfile.TemporaryDirectory(prefix="policies-") as made:
        write_folder(files, Path(made))
        yield Path(made)


def write_folder(files: dict[str, bytes], folder: Path) -> None:
    """Write the files of a version into a folder and remove the policy files that the version does not have."""
    for name in policy_files(folder) if folder.is_dir() else {}:
        if name not in files:
            (folder / name).unlink()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
