"""Policies on their way to approval: what a change moves, who must agree, the log, and what each rule decides of the shown run."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import polars as pl

from adapters.authoring.difference import Against, PolicyDifference, policy_difference
from adapters.authoring.difference_report import difference_sections
from adapters.authoring.governance import as_folder, money_moved, propose_folder, roles_in, write_folder
from adapters.authoring.sections import Section
from adapters.explain_decision import golden_of, run_context
from adapters.policy_tests import find_test_files, run_tests
from adapters.publish import INPUTS, read_manifest
from adapters.store.audit import Actor, verify
from adapters.store.database import Store
from adapters.store.policy_versions import CHANGE, approved_version, files_of, find_proposal, history
from adapters.store.policy_versions import decide as decide_proposal
from adapters.store.tables import Approval
from dashboard.views.access import Person
from dashboard.views.policies import load_policies
from dashboard.views.tables import Column
from dashboard.views.workspace import RunEntry, Workspace
from engine.errors import UsageError
from engine.impact import RuleWeight, weigh_rules
from engine.policy.loaded import PolicySet

WEIGHED: Final = (
    Column("rule", "Rule"), Column("says", "Says", width=330), Column("records", "Decides", "count"), Column("worth", "Worth"),
    Column("first", "From", "date"), Column("last", "To", "date"), Column("tests", "Tests", "count"), Column("line", "Line", "count"),
)  # fmt: skip
MET: Final = (
    Column("what", "What"), Column("records", "Records", "count"), Column("worth", "Worth"), Column("told", "Which", width=420),
    Column("example", "Such as"),
)  # fmt: skip
LOG: Final = (
    Column("at", "When (UTC)"), Column("proposal", "Proposal", "count"), Column("did", "What"), Column("who", "Who"),
    Column("comment", "Why", width=320), Column("fingerprint", "Version"),
)  # fmt: skip


_KEPT: Final = 8
_weighed: dict[tuple[Path, str], tuple[RuleWeight, ...]] = {}


def actor_of(store: Store, workspace: Workspace, person: Person) -> Actor:
    """Return a person as policies are approved: in the roles of the access policy approved last. Who sees a part of the firm has none."""
    if not person.sight.is_whole:
        return Actor(person.name, "signed_in" if person.is_signed_in else "asserted", frozenset(), person.sight)
    with store.read() as session:
        roles = roles_in(session, workspace.policies, person.name)
    return Actor(person.name, "signed_in" if person.is_signed_in else "asserted", roles & person.roles if person.is_signed_in else roles)


def standing(store: Store, workspace: Workspace) -> dict[str, Any]:
    """Return the version approved last, and whether the folder is it."""
    fingerprint = load_policies(workspace.policies).fingerprint
    with store.read() as session:
        current = approved_version(session)
        found = None if current is None else {"proposal": current.approval_id, "by": current.decided_by, "at": current.decided_at}
        same = current is not None and current.subject == fingerprint
    return {"fingerprint": fingerprint, "approved": found, "is_approved": same}


@contextmanager
def _before(store: Store, run: RunEntry) -> Iterator[tuple[Path, str]]:
    """Give the folder a change is held against: the version approved last, else the policies of the shown run."""
    with store.read() as session:
        current = approved_version(session)
        files = None if current is None else files_of(current)
        name = "" if current is None else f"approved proposal {current.approval_id}"
    if files is None:
        yield run.folder / INPUTS / "policies", f"policies of run {run.run_id[:7]}"
        return
    with as_folder(files) as folder:
        yield folder, name


def money_of(workspace: Workspace, store: Store, run: RunEntry, top: int = 10) -> list[Section]:
    """Return what the folder says differently from the version approved last, and the money that moves on the run's snapshot."""
    with _before(store, run) as (base, name):
        return difference_sections(policy_difference(base, workspace.policies, _against(workspace, run)), name, "the folder", top)


def money_of_draft(workspace: Workspace, run: RunEntry, file: str, text: str, top: int = 10) -> list[Section]:
    """Return what another text of a file would change, and the money that would move, before it is saved."""
    with _with_draft(workspace.policies, file, text) as draft:
        found: PolicyDifference = policy_difference(workspace.policies, draft, _against(workspace, run))
        moved = money_moved(found)
        told = difference_sections(found, "as saved", "your text", top)
    total = (
        None
        if moved is None
        else " and ".join(f"{amount:,.2f} {currency}".rstrip() for currency, amount in sorted(moved.items()) if amount)
    )
    return [Section(f"Moves {total or 'no money'}." if total is not None else "The money is not known."), *told]


@contextmanager
def _with_draft(folder: Path, file: str, text: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="policies-") as place:
        copy = Path(place) / "policies"
        shutil.copytree(folder, copy)
        (copy / file).write_text(text, encoding="utf-8")
        yield copy


def _against(workspace: Workspace, run: RunEntry) -> Against:
    if run.snapshot_folder is None or not run.snapshot_folder.is_dir():
        raise UsageError("Where the run's snapshot lies is not known, or it is gone.", "Compare on the command line: tieout policy diff.")
    return Against(run.snapshot_folder, run.previous_folder, out=workspace.out)


def propose(
    workspace: Workspace, store: Store, person: Person, run: RunEntry, comment: str, kind: str | None, transition: str | None
) -> str:  # fmt: skip
    """Propose the folder as it stands, with the money it moves on the run's snapshot; returns who must agree."""
    actor = actor_of(store, workspace, person)
    with store.write() as session:
        request, _ = propose_folder(
            session, actor, workspace.policies, _against(workspace, run), kind_of_change=kind, transition=transition,
            comment=comment.strip(),
        )  # fmt: skip
        return f"Proposal {request.approval_id} waits for a {request.needs_role.replace('_', ' ')} who is not {person.name}."


def waiting(store: Store) -> list[dict[str, Any]]:
    """Return the proposals nobody decided yet, the oldest first."""
    with store.read() as session:
        found = [each for each in _proposals(session) if each.state == "waiting"]
        return [_told(each) for each in found]


def versions(store: Store) -> list[dict[str, Any]]:
    """Return the versions that were approved, the latest first."""
    with store.read() as session:
        return [_told(each) for each in reversed(_proposals(session)) if each.state == "approved"]


def _proposals(session: Any) -> list[Approval]:
    import sqlalchemy as sa

    return list(session.execute(sa.select(Approval).where(Approval.action == CHANGE).order_by(Approval.approval_id)).scalars())


def _told(each: Approval) -> dict[str, Any]:
    body = each.body
    return {
        "proposal": each.approval_id, "fingerprint": each.subject, "needs_role": each.needs_role, "by": each.requested_by,
        "at": each.requested_at, "changes": body.get("changes") or [], "money": body.get("money"), "kind": body.get("kind_of_change"),
        "transition": body.get("transition"), "comment": body.get("comment") or "", "decided_by": each.decided_by,
        "decided_at": each.decided_at, "rollback_of": body.get("rollback_of"),
    }  # fmt: skip


def decide(workspace: Workspace, store: Store, person: Person, proposal: int, *, approve: bool, text: str) -> str:
    """Approve or reject a proposal: by its role, never by who proposed it; returns what was done."""
    actor = actor_of(store, workspace, person)
    with store.write() as session:
        request = find_proposal(session, str(proposal))
        decide_proposal(session, actor, request, approve=approve, text=text)
        return f"Proposal {request.approval_id} is {request.state}."


def roll_back(
    workspace: Workspace, store: Store, person: Person, run: RunEntry, proposal: int, comment: str, kind: str | None
) -> str:  # fmt: skip
    """Set the folder back to an approved version and propose it: a rollback is a new version. Returns what was done."""
    actor = actor_of(store, workspace, person)
    with store.write() as session:
        version = find_proposal(session, str(proposal))
        if version.state != "approved":
            raise UsageError(f"Proposal {version.approval_id} was never approved.", "Choose one that was.")
        files = files_of(version)
        with as_folder(files) as kept:
            request, _ = propose_folder(
                session, actor, kept, _against(workspace, run), kind_of_change=kind, transition=None,
                comment=comment.strip() or f"Back to proposal {version.approval_id}", rollback_of=version.approval_id,
            )  # fmt: skip
        write_folder(files, workspace.policies)
        return (
            f"The folder is as of proposal {version.approval_id} again; proposal {request.approval_id} waits for a {request.needs_role} "
            f"who is not {person.name}."
        )


def log(store: Store) -> tuple[list[dict[str, Any]], str | None]:
    """Return every step of every proposal, the latest first, and what is wrong with the log (None: it is whole)."""
    with store.read() as session:
        _, problem = verify(session)
        steps = history(session)
    rows = []
    for each in reversed(steps):
        body = json.loads(each["body"])
        if "proposal" in body:
            rows.append(
                {"at": each["at"][:16].replace("T", " "), "proposal": body["proposal"], "did": each["action"].removeprefix("policy."),
                 "who": f"{each['actor']} ({each['identity'].replace('_', ' ')})", "comment": body.get("comment") or "",
                 "fingerprint": each["fingerprint"][:12]}
            )  # fmt: skip
    return rows, problem


def _weights(run_folder: Path, policies: PolicySet) -> tuple[RuleWeight, ...]:
    """Return what every rule decides of a run's records, weighed once for each text of the policies."""
    asked = (run_folder, policies.fingerprint)
    if asked not in _weighed:
        manifest = read_manifest(run_folder)
        while len(_weighed) >= _KEPT:
            _weighed.pop(next(iter(_weighed)))
        _weighed[asked] = tuple(weigh_rules(golden_of(run_folder, manifest), policies, run_context(manifest, policies)))
    return _weighed[asked]


def weighed(workspace: Workspace, run: RunEntry, file: str, rules: Sequence[dict[str, Any]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what each rule of a policy decides of the shown run's records and how many tests reach it; and what meets no rule, or two.

    Both are told of the whole firm.
    """
    policies = load_policies(workspace.policies)
    name = next(each.policy.id for each in policies.policies if each.document.source.file == file)
    own = [each for each in _weights(run.folder, policies) if each.policy == name]
    by_rule = {each.rule: each for each in own if each.sort == "decides"}
    reached = _tests_by_rule(workspace.policies, file)
    rows = []
    for each in rules:
        weight = by_rule.get(each["rule"])
        rows.append(
            {"rule": each["rule"], "says": each["says"], "records": weight and weight.records, "worth": weight and weight.money,
             "first": weight and weight.first, "last": weight and weight.last, "tests": reached.get(each["rule"], 0), "line": each["line"]}
        )  # fmt: skip
    met = [
        {"what": "meets no rule" if each.sort == "unmatched" else "meets two rules", "records": each.records, "worth": each.money,
         "told": each.other if each.sort == "unmatched" else f"{each.rule} and {each.other}", "example": each.example}
        for each in own
        if each.sort in ("unmatched", "overlap")
    ]  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None), pl.DataFrame(met, infer_schema_length=None)


def _tests_by_rule(folder: Path, file: str) -> dict[str, int]:
    beside = sorted((folder / file).parent.glob(f"{Path(file).stem}*_test.yaml"))
    if not beside:
        return {}
    outcomes, _ = run_tests(find_test_files(beside), folder)
    found: dict[str, int] = {}
    for each in outcomes:
        for rule in each.rules:
            found[rule] = found.get(rule, 0) + 1
    return found
