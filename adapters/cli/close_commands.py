"""`tieout close …`: the board, the certificate, signatures, locking, reopening, and the auditor's bundle."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli import app
from adapters.cli.case_commands import Address, Out, Who, acting, opened_store
from adapters.cli.run_commands import policies_folder

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from adapters.close.board import BoardLine
    from adapters.store.tables import PeriodClose, Run
    from engine.policy.kinds.close import ClosePolicy

close_app = typer.Typer(no_args_is_help=True, help="Close a period, prove it, and reopen it only with two people.")
app.add_typer(close_app, name="close")

_RUNS = Path("runs")
Period = Annotated[str, typer.Argument(help="Fiscal period, as 2026-10.")]
Policies = Annotated[Path | None, typer.Option("--policies", help="Policy folder.")]
RunName = Annotated[str | None, typer.Option("--run", help="Run id or prefix; default: the latest.")]


def _policy(folder: Path | None, on: dt.date) -> ClosePolicy:
    """Return the policy of the close that holds on a run's day."""
    from adapters.policy_folder import require_in_force, require_policies
    from engine.policy.kinds.close import ClosePolicy

    return require_in_force(require_policies(policies_folder(folder)), ClosePolicy, on, "what a close takes")


def _run(session: Session, out: Path, name: str | None) -> Run:
    from adapters.publish import find_run
    from adapters.store.tables import Run
    from engine.errors import UsageError

    folder = find_run(out, name)
    run = session.get(Run, folder.name)
    if run is None:
        raise UsageError(f"The run {folder.name} is not in the store.", "Run its snapshot again: the results stand and are entered.")
    return run


def _close(session: Session, scope: str, period: str) -> PeriodClose:
    from adapters.close.period import latest_close
    from engine.errors import UsageError

    found = latest_close(session, scope, period)
    if found is None:
        raise UsageError(f"The close of {period} was not started.", f"Run `tieout close start {period}`.")
    return found


def _print_board(lines: list[BoardLine]) -> None:
    for line in lines:
        typer.echo(f"{'blocks' if line.blocks else 'ok':<7} {line.question}: {line.answer}")


@close_app.command("status")
def status(period: Period, run_name: RunName = None, policies: Policies = None, out: Out = _RUNS, store: Address = None) -> None:
    """Show the readiness board of a period and its certificate; exit 1 while something blocks or the certificate is void."""
    from adapters.close.board import board
    from adapters.close.certificate import late_amounts, told_otherwise
    from adapters.close.period import altered_lines, latest_close, require_period, signatures

    with opened_store(out, store) as opened, opened.read() as session:
        run = _run(session, out, run_name)
        policy = _policy(policies, run.as_of)
        require_period(out / run.run_id, period)
        close = latest_close(session, run.scope, period)
        lines = board(session, out / run.run_id, run.scope, period, policy)
        _print_board(lines)
        void: list[str] = []
        if close is not None:
            void = altered_lines(session, close, out)
            typer.echo(f"\nThe close of {period} is {close.state}, on run {close.run_id}, certificate {close.certificate_hash}.")
            for each in signatures(session, close):
                typer.echo(f"signed  {each.role}: {each.name} ({each.identity.replace('_', ' ')}), {each.at:%Y-%m-%d %H:%M}")
            for line in void:
                typer.echo(f"VOID    {line}")
            if close.state == "locked" and run.run_id != close.run_id:
                for late in late_amounts(out / run.run_id, period):
                    amount = f"{late['recognized_amount']:,.2f} {late['currency']}"
                    typer.echo(f"late    {amount} for {period}, posted in {late['period']} ({late['nature'].replace('_', ' ')})")
                for moved in told_otherwise(out / run.run_id, out / close.run_id, period):
                    of = "1 line" if moved["lines"] == 1 else f"{moved['lines']:,} lines"
                    sums = f"{moved['now']:,.2f} {moved['currency']} instead of {moved['closed']:,.2f} as closed"
                    typer.echo(f"moved   {of} of {period}: now {sums}; the entries keep what was closed")
    raise typer.Exit(1 if void or (any(line.blocks for line in lines) and (close is None or close.state != "locked")) else 0)


@close_app.command("start")
def start(period: Period, run_name: RunName = None, policies: Policies = None, who: Who = None, out: Out = _RUNS, store: Address = None) -> None:  # noqa: E501
    """Start the close of a period on a run: its certificate is made."""
    from adapters.close.period import start_close

    with opened_store(out, store) as opened, opened.write() as session:
        run = _run(session, out, run_name)
        policy = _policy(policies, run.as_of)
        close = start_close(session, acting(who), run, out / run.run_id, period, policy)
    typer.echo(f"The close of {period} is started on run {run.run_id}, certificate {close.certificate_hash}.")


@close_app.command("sign")
def sign(
    period: Period,
    role: Annotated[str, typer.Option(help="Role in which you sign.")],
    run_name: RunName = None, policies: Policies = None, who: Who = None, out: Out = _RUNS, store: Address = None,
) -> None:  # fmt: skip
    """Sign the certificate of a period; from the command line the signature is noted as asserted and does not count."""
    from adapters.close.period import altered_lines, close_day, sign_close

    with opened_store(out, store) as opened, opened.write() as session:
        close = _close(session, _run(session, out, run_name).scope, period)
        policy = _policy(policies, close_day(session, close))
        signature = sign_close(session, acting(who), close, role, policy, altered_lines(session, close, out))
    counts = "" if signature.identity == "signed_in" else "; it is asserted, so a signed-in signature is still needed"
    typer.echo(f"{signature.name} signed the close of {period} as {role}{counts}.")


@close_app.command("lock")
def lock(period: Period, run_name: RunName = None, policies: Policies = None, who: Who = None, out: Out = _RUNS, store: Address = None) -> None:  # noqa: E501
    """Lock a period: nothing may block it, and every role must have signed."""
    from adapters.close.board import board
    from adapters.close.period import altered_lines, close_day, lock_close

    with opened_store(out, store) as opened, opened.write() as session:
        run = _run(session, out, run_name)
        close = _close(session, run.scope, period)
        policy = _policy(policies, close_day(session, close))
        lines = board(session, out / close.run_id, run.scope, period, policy)
        lock_close(session, acting(who), close, lines, policy, altered_lines(session, close, out))
    typer.echo(f"The period {period} is locked.")


@close_app.command("reopen")
def reopen(
    period: Period,
    role: Annotated[str, typer.Option(help="Role in which you sign the reopening.")],
    reason: Annotated[str, typer.Option(help="What must be corrected in the period.")],
    run_name: RunName = None, policies: Policies = None, who: Who = None, out: Out = _RUNS, store: Address = None,
) -> None:  # fmt: skip
    """Sign the reopening of a locked period; it opens when both roles have signed."""
    from adapters.close.period import close_day, reopen_close
    from adapters.store.runs import business_day

    with opened_store(out, store) as opened, opened.write() as session:
        close = _close(session, _run(session, out, run_name).scope, period)
        policy = _policy(policies, business_day(session, close.scope) or close_day(session, close))
        is_open = reopen_close(session, acting(who), close, role, reason, policy)
    typer.echo(f"The period {period} is reopened." if is_open else f"Noted; {period} stays locked until both roles have signed in person.")


@close_app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(help="Archive that `tieout close bundle` wrote.")],
    certificate: Annotated[str | None, typer.Option("--certificate", help="The certificate that the archive must rest on.")] = None,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """Check an auditor's bundle by itself, and against the certificate or the store at hand; exit 1 when something is wrong."""
    from adapters.close.verify import against_certificate, against_store, verify_bundle
    from adapters.store.database import STORE_FILE

    found = verify_bundle(file)
    beside = None if certificate is None else against_certificate(found, certificate)
    compared = "the certificate given"
    if beside is None and (store is not None or (out / STORE_FILE).is_file()):
        with opened_store(out, store) as opened, opened.read() as session:
            beside = against_store(session, found)
        compared = "the store"
    wrong = [*found.wrong, *(beside or ())]
    for each in wrong:
        typer.echo(f"WRONG   {each}")
    typer.echo(f"The close of {found.period} is {found.state}; certificate {found.certificate}, end of the audit log {found.log_end}.")
    if wrong:
        typer.echo(f"{file} is not as it was written.")
        raise typer.Exit(1)
    rest = f"It agrees with {compared}." if beside is not None else "Compare the certificate with what `tieout close status` shows."
    typer.echo(f"{file} is whole: {found.files:,} files. {rest}")


@close_app.command("bundle")
def bundle(
    period: Period,
    target: Annotated[Path | None, typer.Option("--file", help="Archive to write; default: close-PERIOD.zip.")] = None,
    run_name: RunName = None, out: Out = _RUNS, store: Address = None,
) -> None:  # fmt: skip
    """Write what an auditor needs to perform the close again, offline."""
    from adapters.close.bundle import write_bundle

    path = target or Path(f"close-{period}.zip")
    with opened_store(out, store) as opened, opened.read() as session:
        close = _close(session, _run(session, out, run_name).scope, period)
        count = write_bundle(session, close, out, path)
    typer.echo(f"{path} holds {count:,} files.")
