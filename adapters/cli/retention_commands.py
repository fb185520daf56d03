"""`tieout retention …`: what is due to go, what keeps it, legal holds, and the purge itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapters.cli import app
from adapters.cli.case_commands import Address, Out, Who, acting, opened_store
from adapters.cli.run_commands import policies_folder

retention_app = typer.Typer(no_args_is_help=True, help="Keep and purge runs, cases and evidence by policy.")
app.add_typer(retention_app, name="retention")

_RUNS = Path("runs")
Policies = Annotated[Path | None, typer.Option("--policies", help="Policy folder.")]


@retention_app.command("show")
def show(policies: Policies = None, out: Out = _RUNS, store: Address = None) -> None:
    """Show what a purge would take, what keeps the rest, and the legal holds."""
    from adapters.policy_folder import require_policies
    from adapters.retention import due, list_holds, retention_policy

    folder = require_policies(policies_folder(policies))
    with opened_store(out, store) as opened, opened.read() as session:
        policy = retention_policy(session, folder)
        found = due(session, policy)
        for each in found:
            typer.echo(f"{'goes' if each.kept_by is None else 'stays'}  {each.what:<8}  {each.identity}  {each.since}  {each.kept_by or ''}".rstrip())  # noqa: E501
        for hold in list_holds(session):
            state = "in force" if hold.released_at is None else f"released by {hold.released_by}, {hold.released_at:%Y-%m-%d}"
            what = hold.contract_id or "everything"
            typer.echo(f"hold {hold.hold_id}  {hold.scope}  {what}  {hold.reason} ({hold.placed_by}, {hold.placed_at:%Y-%m-%d}), {state}")
    typer.echo(f"{sum(each.kept_by is None for each in found)} would go, {sum(each.kept_by is not None for each in found)} stay.")


@retention_app.command("purge")
def purge_command(
    sure: Annotated[bool, typer.Option("--yes", help="Purge what `retention show` lists; nothing brings it back.")] = False,
    policies: Policies = None,
    who: Who = None,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """Take away what is due and nothing keeps; each purge is in the audit log."""
    from adapters.policy_folder import require_policies
    from adapters.retention import purge, retention_policy
    from engine.errors import UsageError

    if not sure:
        raise UsageError("Nothing was purged.", "`tieout retention show` lists what would go; add --yes.")
    folder = require_policies(policies_folder(policies))
    with opened_store(out, store) as opened:
        with opened.read() as session:
            policy = retention_policy(session, folder)
        gone = purge(opened, out, acting(who), policy)
    for each in gone:
        typer.echo(f"purged  {each.what:<8}  {each.identity}")
    typer.echo(f"{len(gone)} purged.")


@retention_app.command("hold")
def hold_command(
    scope: Annotated[str, typer.Argument(help="Whose runs: the snapshots' name without the date.")],
    reason: Annotated[str, typer.Option(help="The matter.")],
    contract: Annotated[str | None, typer.Option(help="Only this contract's cases; runs and evidence are kept whole.")] = None,
    who: Who = None,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """Place a legal hold: what it names is kept whatever its age."""
    from adapters.retention import place_hold

    with opened_store(out, store) as opened, opened.write() as session:
        hold = place_hold(session, acting(who), scope, contract, reason)
        typer.echo(f"Legal hold {hold.hold_id} is in force.")


@retention_app.command("release")
def release_command(
    hold: Annotated[int, typer.Argument(help="Number of the hold.")],
    reason: Annotated[str, typer.Option(help="What ended the matter.")],
    who: Who = None,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """Release a legal hold."""
    from adapters.retention import release_hold

    with opened_store(out, store) as opened, opened.write() as session:
        release_hold(session, acting(who), hold, reason)
    typer.echo(f"Legal hold {hold} is released.")
