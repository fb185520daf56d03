"""`tieout adapter propose | approve | reject | log | rollback`: mappings are approved as policies are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli import adapter_app
from adapters.cli.case_commands import Address, Out, Who
from adapters.cli.governance_commands import Comment, Policies, decide_proposal, opened_store, print_log, proposing_actor
from adapters.cli.history_commands import Json
from adapters.cli.run_commands import policies_folder

if TYPE_CHECKING:
    from adapters.store.tables import Approval

_RUNS = Path("runs")
Proposal = Annotated[str, typer.Argument(help="Number of a proposal, or the first characters of its fingerprint.")]


@adapter_app.command("propose")
def propose_command(
    folder: Annotated[Path | None, typer.Argument(help="Folder with your own adapter mappings; the shipped ones go with them.")] = None,
    comment: Comment = "", who: Who = None, policies: Policies = None, out: Out = _RUNS, store: Address = None,
) -> None:  # fmt: skip
    """Propose the adapter mappings for approval, with what changes since the approved ones, field by field."""
    from adapters.authoring.mapping_versions import propose_mappings
    from engine.errors import UsageError

    if folder is not None and not folder.is_dir():
        raise UsageError(f"There is no folder of mappings at {folder}.", "Give the folder that holds your <adapter>.yaml files.")
    chosen = policies_folder(policies)
    with opened_store(out, store) as opened, opened.write() as session:
        _proposed(propose_mappings(session, proposing_actor(session, chosen, who), folder, chosen, comment))


def _proposed(request: Approval) -> None:
    for sentence in request.body["changes"]:
        typer.echo(f"  {sentence}")
    name = f"Proposal {request.approval_id} ({request.subject[:12]})"
    typer.echo(f"{name} waits for the role {request.needs_role}, not {request.requested_by}.")


@adapter_app.command("approve")
def approve_command(
    proposal: Proposal, comment: Comment = "", who: Who = None, policies: Policies = None, out: Out = _RUNS, store: Address = None
) -> None:
    """Approve proposed mappings: by its role, and never by who proposed them."""
    _decide(proposal, comment, who, policies, out, store, approve=True)


@adapter_app.command("reject")
def reject_command(
    proposal: Proposal, comment: Comment = "", who: Who = None, policies: Policies = None, out: Out = _RUNS, store: Address = None
) -> None:
    """Reject proposed mappings."""
    _decide(proposal, comment, who, policies, out, store, approve=False)


def _decide(name: str, text: str, who: str | None, policies: Path | None, out: Path, store: str | None, *, approve: bool) -> None:
    from adapters.store.policy_versions import MAPPINGS, find_proposal

    with opened_store(out, store) as opened, opened.write() as session:
        request = find_proposal(session, name, MAPPINGS)
        decide_proposal(session, request, proposing_actor(session, policies_folder(policies), who), text, approve=approve)


@adapter_app.command("log")
def log_command(out: Out = _RUNS, store: Address = None, as_json: Json = False) -> None:
    """Show every step of every proposal of mappings, and whether the log is whole; exit 1 when it is not."""
    from adapters.store.policy_versions import MAPPINGS

    print_log(MAPPINGS, out, store, as_json=as_json)


@adapter_app.command("rollback")
def rollback_command(
    proposal: Proposal,
    folder: Annotated[Path, typer.Option("--to", help="Folder of your own mappings that is set back to it.")],
    comment: Comment = "", who: Who = None, policies: Policies = None, out: Out = _RUNS, store: Address = None,
) -> None:  # fmt: skip
    """Set a folder of mappings back to a version that was approved, and propose it as a new version."""
    from adapters.authoring.mapping_versions import own_files, propose_mappings
    from adapters.store.policy_versions import MAPPINGS, find_proposal
    from engine.errors import UsageError

    chosen = policies_folder(policies)
    with opened_store(out, store) as opened, opened.write() as session:
        version = find_proposal(session, proposal, MAPPINGS)
        if version.state != "approved":
            raise UsageError(f"Proposal {version.approval_id} was never approved.", "`tieout adapter log` shows those that were.")
        kept = own_files(version)
        folder.mkdir(parents=True, exist_ok=True)
        before = {path: path.read_bytes() for path in folder.glob("*.yaml")}
        _set_to(folder, kept)
        try:
            actor = proposing_actor(session, chosen, who)
            words = comment or f"Back to proposal {version.approval_id}"
            request = propose_mappings(session, actor, folder, chosen, words, version.approval_id)
        except Exception:
            _set_to(folder, {path.name: content for path, content in before.items()})
            raise
        _proposed(request)


def _set_to(folder: Path, files: dict[str, bytes]) -> None:
    for path in folder.glob("*.yaml"):
        if path.name not in files:
            path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
