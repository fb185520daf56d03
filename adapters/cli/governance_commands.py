"""`tieout policy propose | approve | reject | log | rollback`."""

from __future__ import annotations

import contextlib
import getpass
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli import policy_app
from adapters.cli.authoring_commands import Snapshot
from adapters.cli.case_commands import Address, Out, Who
from adapters.cli.history_commands import Json
from adapters.cli.run_commands import parse_date, policies_folder

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from adapters.authoring.difference import PolicyDifference
    from adapters.store.audit import Actor
    from adapters.store.database import Store
    from adapters.store.tables import Approval

_RUNS = Path("runs")
Folder = Annotated[Path | None, typer.Argument(help="Policy folder.")]
Policies = Annotated[Path | None, typer.Option(help="Policy folder that says who may what while none is approved.")]
Comment = Annotated[str, typer.Option(help="Why.")]
Change = Annotated[str | None, typer.Option(help="What a change of the revenue policy is: new_facts, estimate, principle or error.")]
Transition = Annotated[str | None, typer.Option(help="How a change of a revenue principle is taken up, as disclosed.")]


@contextlib.contextmanager
def opened_store(out: Path, address: str | None) -> Iterator[Store]:
    """Open the store, a new one where there is none: the first policies may be approved before the first run."""
    from adapters.store.database import open_store, store_url

    out.mkdir(parents=True, exist_ok=True)
    store = open_store(store_url(out, address))
    try:
        yield store
    finally:
        store.close()


def proposing_actor(session: Session, folder: Path, name: str | None) -> Actor:
    """Return who acts, with their roles by the access policy approved last, else the folder's."""
    from adapters.authoring.governance import roles_in
    from adapters.store.audit import Actor

    who = name or getpass.getuser()
    return Actor(who, roles=roles_in(session, folder, who))


@policy_app.command("propose")
def propose_command(
    folder: Folder = None,
    snapshot: Snapshot = None,
    change: Change = None,
    transition: Transition = None,
    comment: Comment = "",
    who: Who = None,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """Propose a policy folder for approval, with what changes since the approved one and the money it moves."""
    from adapters.authoring.difference import Against
    from adapters.authoring.governance import propose_folder

    chosen = policies_folder(folder)
    against = None if snapshot is None else Against(snapshot, out=out)
    with opened_store(out, store) as opened, opened.write() as session:
        actor = proposing_actor(session, chosen, who)
        request, difference = propose_folder(
            session, actor, chosen, against, kind_of_change=change, transition=transition, comment=comment
        )  # fmt: skip
        _proposed(request, difference)


def _proposed(request: Approval, difference: PolicyDifference | None) -> None:
    for sentence in request.body["changes"]:
        typer.echo(f"  {sentence}")
    money = request.body["money"]
    if money is not None:
        typer.echo(f"Moves {' and '.join(f'{amount} {currency}'.rstrip() for currency, amount in money.items()) or 'no money'}.")
    elif difference is not None:
        typer.echo("The money it moves is not known: give a snapshot with --snapshot.")
    typer.echo(
        f"Proposal {request.approval_id} ({request.subject[:12]}) waits for the role {request.needs_role}, not {request.requested_by}."
    )


@policy_app.command("approve")
def approve_command(
    proposal: Annotated[str, typer.Argument(help="Number of a proposal, or the first characters of its fingerprint.")],
    comment: Comment = "", who: Who = None, policies: Policies = None, out: Out = _RUNS, store: Address = None,
) -> None:  # fmt: skip
    """Approve a proposal: by its role, and never by who proposed it."""
    _decide(proposal, comment, who, policies, out, store, approve=True)


@policy_app.command("reject")
def reject_command(
    proposal: Annotated[str, typer.Argument(help="Number of a proposal, or the first characters of its fingerprint.")],
    comment: Comment = "", who: Who = None, policies: Policies = None, out: Out = _RUNS, store: Address = None,
) -> None:  # fmt: skip
    """Reject a proposal."""
    _decide(proposal, comment, who, policies, out, store, approve=False)


def _decide(name: str, text: str, who: str | None, policies: Path | None, out: Path, store: str | None, *, approve: bool) -> None:
    from adapters.authoring.governance import as_folder
    from adapters.store.policy_versions import files_of, find_proposal

    with opened_store(out, store) as opened, opened.write() as session:
        request = find_proposal(session, name)
        with as_folder(files_of(request)) as proposed:
            actor = proposing_actor(session, policies or proposed, who)
        decide_proposal(session, request, actor, text, approve=approve)


def decide_proposal(session: Session, request: Approval, actor: Actor, text: str, *, approve: bool) -> None:
    """Approve or reject a proposal and say so."""
    from adapters.store.policy_versions import decide

    decide(session, actor, request, approve=approve, text=text)
    typer.echo(f"Proposal {request.approval_id} ({request.subject[:12]}) is {request.state} by {actor.name}, {actor.identity}.")


@policy_app.command("log")
def log_command(out: Out = _RUNS, store: Address = None, as_json: Json = False) -> None:
    """Show every step of every proposal, and whether the log is whole; exit 1 when it is not."""
    from adapters.store.policy_versions import CHANGE

    print_log(CHANGE, out, store, as_json=as_json)


def print_log(action: str, out: Path, store: str | None, *, as_json: bool) -> None:
    """Print the steps of the proposals of policies or mappings; exit 1 when the log is not whole."""
    from adapters.store.audit import verify
    from adapters.store.policy_versions import history

    with opened_store(out, store) as opened, opened.read() as session:
        steps = history(session, action)
        _, problem = verify(session)
    if as_json:
        told = [{**each, "body": json.loads(each["body"])} for each in steps]
        typer.echo(json.dumps({"whole": problem is None, "steps": told}, indent=2))
        raise typer.Exit(0 if problem is None else 1)
    for each in steps:
        body = json.loads(each["body"])
        typer.echo(
            f"{each['at'][:16]}  proposal {body['proposal']}  {each['fingerprint'][:12]}  {each['action'].partition('.')[2]}"
            f" by {each['actor']} ({each['identity'].replace('_', ' ')})" + (f": {body['comment']}" if body.get("comment") else "")
        )
    typer.echo("The log is whole." if problem is None else f"The log is broken: {problem}.")
    raise typer.Exit(0 if problem is None else 1)


@policy_app.command("rollback")
def rollback_command(
    proposal: Annotated[str, typer.Argument(help="Number of an approved proposal, or the first characters of its fingerprint.")],
    folder: Annotated[Path, typer.Option("--to", help="Policy folder that is set back to it.")],
    snapshot: Snapshot = None, change: Change = None, transition: Transition = None, comment: Comment = "", who: Who = None,
    out: Out = _RUNS, store: Address = None,
) -> None:  # fmt: skip
    """Set a folder back to a version that was approved, and propose it: a rollback is a new version and is approved as one."""
    from adapters.authoring.difference import Against
    from adapters.authoring.governance import as_folder, propose_folder, write_folder
    from adapters.store.policy_versions import files_of, find_proposal
    from engine.errors import UsageError

    against = None if snapshot is None else Against(snapshot, out=out)
    with opened_store(out, store) as opened, opened.write() as session:
        version = find_proposal(session, proposal)
        if version.state != "approved":
            raise UsageError(f"Proposal {version.approval_id} was never approved.", "`tieout policy log` shows those that were.")
        actor = proposing_actor(session, folder, who)
        with as_folder(files_of(version)) as kept:
            request, difference = propose_folder(
                session, actor, kept, against, kind_of_change=change, transition=transition,
                comment=comment or f"Back to proposal {version.approval_id}", rollback_of=version.approval_id,
            )  # fmt: skip
        write_folder(files_of(version), folder)
        _proposed(request, difference)


@policy_app.command("at")
def at_command(
    day: Annotated[str, typer.Argument(help="Day, YYYY-MM-DD.")],
    folder: Annotated[Path, typer.Option("--to", help="Folder to write the policies into.")],
    out: Out = _RUNS, store: Address = None,
) -> None:  # fmt: skip
    """Write the policy folder as it stood approved at the end of a day."""
    from adapters.authoring.governance import write_folder
    from adapters.store.policy_versions import approved_version, files_of
    from engine.errors import UsageError

    on = parse_date(day)
    with opened_store(out, store) as opened, opened.read() as session:
        version = approved_version(session, on)
        if version is None:
            raise UsageError(f"No policies were approved by {day}.", "`tieout policy log` shows when which were.")
        write_folder(files_of(version), folder)
        typer.echo(f"Proposal {version.approval_id} ({version.subject[:12]}), approved {str(version.decided_at)[:10]}, stands in {folder}.")
