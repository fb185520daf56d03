"""The command line `tieout`: parses, calls, prints; every error becomes one sentence and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Annotated, Final

import typer

from adapters.processes import collect_seldom, keeping_memory
from engine.errors import TieoutError

_INTERRUPTED: Final = 130

app = typer.Typer(
    name="tieout",
    help="Hold CRM, PSA, billing, ERP and revenue exports to the policies finance writes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
adapter_app = typer.Typer(help="Look at adapters and read snapshots without running.", no_args_is_help=True)
policy_app = typer.Typer(help="Check and show policies.", no_args_is_help=True)
app.add_typer(adapter_app, name="adapter")
app.add_typer(policy_app, name="policy")


def _load_commands() -> None:
    # Importing a module registers its commands.
    from adapters.cli import (  # noqa: F401
        adapters_commands,
        alert_commands,
        authoring_commands,
        bundle_commands,
        case_commands,
        close_commands,
        decision_commands,
        gate_commands,
        governance_commands,
        history_commands,
        mapping_commands,
        policy_commands,
        remedy_commands,
        retention_commands,
        run_commands,
        sample_commands,
    )


@app.command("version")
def show_version(schema: Annotated[bool, typer.Option(help="Print the schema version only.")] = False) -> None:
    """Print the versions of the engine and of the canonical schema."""
    from adapters.run import engine_version
    from engine.canonical.schema import SCHEMA_VERSION

    typer.echo(SCHEMA_VERSION if schema else f"engine {engine_version()}, schema {SCHEMA_VERSION}")


def main() -> None:
    """Run the command line; exit codes: 0 clean, 1 findings, 2 policy or usage, 3 system, 130 interrupted."""
    os.environ.update(keeping_memory())
    collect_seldom()
    heard = _interruptions()
    try:
        _load_commands()
        app()
    except (KeyboardInterrupt, SystemExit) as end:
        # Within a command Typer makes an exit of the interruption.
        if isinstance(end, SystemExit) and end.code != _INTERRUPTED:
            raise
        sys.exit(_say_interrupted())
    except Exception as error:  # noqa: BLE001 - whatever it is, a user sees a sentence and never a stack trace
        sys.exit(_say_interrupted() if heard else _say(error))


def _interruptions() -> list[int]:
    """Return a list that grows with every Ctrl-C: a library that one reaches while it is loaded makes an error of its own of it."""
    heard: list[int] = []

    def hear(number: int, _: object) -> None:
        heard.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, hear)
    return heard


def _say_interrupted() -> int:
    typer.echo("Interrupted; nothing was published.", err=True)
    return _INTERRUPTED


def _say(error: Exception) -> int:
    """Say what went wrong in a sentence, and return the exit code."""
    if isinstance(error, TieoutError):
        _report(error)
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        return 0
    if isinstance(error, OSError):
        _report_system(error)
    elif isinstance(error, MemoryError):
        typer.echo("There is not enough memory for this snapshot. Split it by contract and run the parts.", err=True)
    else:
        typer.echo(f"Tieout failed unexpectedly: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", err=True)
        typer.echo("Report this with the snapshot's manifest; nothing was published.", err=True)
    return 3


def _report_system(error: OSError) -> None:
    place = "" if error.filename is None else f"{error.filename}: "
    reason = error.strerror or str(error) or type(error).__name__
    typer.echo(f"{place}{reason}.", err=True)
    typer.echo("Check that the path is right, that you may write there, and that the disk has space; then do it again.", err=True)


def _report(error: TieoutError) -> None:
    from engine.diagnostics import render_diagnostic
    from engine.errors import PolicyError

    if isinstance(error, PolicyError):
        for each in error.diagnostics:
            typer.echo(render_diagnostic(each), err=True)
    typer.echo(error.message, err=True)
    if error.remedy:
        typer.echo(error.remedy, err=True)
