"""`tieout alert …`: what was told to whom, what waits, and whether a channel works."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli import app
from adapters.cli.case_commands import Address, Out, opened_store, require_one_of
from adapters.cli.run_commands import policies_folder

if TYPE_CHECKING:
    from engine.policy.kinds.alerts import AlertsPolicy

alert_app = typer.Typer(no_args_is_help=True, help="What is told after a run, by the alerts policy.")
app.add_typer(alert_app, name="alert")

_RUNS = Path("runs")
Policies = Annotated[Path | None, typer.Option("--policies", help="Policy folder.")]


def _policy(folder: Path | None, on: dt.date) -> AlertsPolicy:
    from adapters.policy_folder import require_in_force, require_policies
    from engine.policy.kinds.alerts import AlertsPolicy

    return require_in_force(require_policies(policies_folder(folder)), AlertsPolicy, on, "who is told what")


@alert_app.command("list")
def list_command(
    state: Annotated[str | None, typer.Option(help="waiting, sending, sent or given_up; default: all.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the latest first.")] = 20,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """List what was told to which channel, and what waits."""
    import sqlalchemy as sa

    from adapters.alerts import GIVEN_UP, SENDING, SENT, WAITING
    from adapters.store.tables import AlertSent

    if state is not None:
        require_one_of(state, (WAITING, SENDING, SENT, GIVEN_UP), "state of an alert")
    query = sa.select(AlertSent).order_by(AlertSent.alert_id.desc()).limit(limit)
    with opened_store(out, store) as opened, opened.read() as session:
        rows = list(session.execute(query if state is None else query.where(AlertSent.state == state)).scalars())
        for each in rows:
            typer.echo(f"{each.at:%Y-%m-%d %H:%M}  {each.state.replace('_', ' '):<9}  {each.channel:<14}  {each.title}")
            if each.last_error:
                typer.echo(f"          tried {each.tries} times: {each.last_error}")
    typer.echo(f"{len(rows)} alerts.")


@alert_app.command("send")
def send(policies: Policies = None, out: Out = _RUNS, store: Address = None) -> None:
    """Send what waits; exit 1 when a channel still fails."""
    from adapters.alerts import send_waiting
    from adapters.store.audit import now
    from adapters.store.runs import business_day

    with opened_store(out, store) as opened:
        with opened.read() as session:
            policy = _policy(policies, business_day(session) or now().date())
        wrong = send_waiting(opened, out, policy)
    for each in wrong:
        typer.echo(each, err=True)
    typer.echo("Nothing waits." if not wrong else f"{len(wrong)} channels could not be told.")
    raise typer.Exit(1 if wrong else 0)


@alert_app.command("test")
def test(channel: Annotated[str, typer.Argument(help="Channel of the policy.")], policies: Policies = None, out: Out = _RUNS) -> None:
    """Send a channel a message that says it works."""
    from adapters.alerts import bring_to
    from adapters.store.audit import now
    from engine.errors import UsageError

    found = next((each for each in _policy(policies, now().date()).channels if each.name == channel), None)
    if found is None:
        raise UsageError(f"The policy has no channel '{channel}'.", "`tieout policy show --id alerts` shows them.")
    try:
        bring_to(found, out, os.environ, "Tieout: a test", f"The channel '{channel}' works.")
    except OSError as error:
        raise UsageError(f"The channel '{channel}' was not told: {error}.", "Check its address and the network.") from error
    typer.echo(f"The channel '{channel}' took the message.")
