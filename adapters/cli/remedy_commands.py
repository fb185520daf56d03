"""`tieout remedy …`: what would mend the findings, and its release by a second person."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.cli import app
from adapters.cli.case_commands import Address, Out, Who, acting, opened_store
from adapters.cli.run_commands import policies_folder

remedy_app = typer.Typer(no_args_is_help=True, help="Drafts that would mend findings, and their release.")
app.add_typer(remedy_app, name="remedy")

_RUNS = Path("runs")
Run = Annotated[str | None, typer.Option("--run", help="Run id, its beginning or a path; default: the latest.")]


@remedy_app.command("list")
def list_command(
    run: Run = None,
    out: Out = _RUNS,
    store: Address = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List remedies by what is released together, and what became of those released before."""
    import polars as pl

    from adapters.publish import find_run
    from adapters.store.remedies import batch_states, posted_entries

    folder = find_run(out, run)
    remedies, findings = (pl.read_parquet(folder / f"{name}.parquet") for name in ("remedies", "findings"))
    journals = folder / "golden" / "journal_line.parquet"
    ledger = posted_entries(pl.scan_parquet(journals)) if journals.is_file() else None
    with opened_store(out, store) as opened, opened.read() as session:
        states = batch_states(session, remedies, findings, folder.name, ledger)
    if as_json:
        body = [{"batch": each.batch, "state": each.state, "rows": each.rows, "compensation": each.compensation} for each in states]
        typer.echo(json.dumps(body, indent=2, default=str))
        return
    for each in states:
        first = each.rows[0]
        fields = ", ".join(str(row["field"]) for row in each.rows if row["field"])
        what = f"{first['action'].replace('_', ' ')} of {first['entity']} {first['entity_id']}" + (f": {fields}" if fields else "")
        typer.echo(f"{each.batch[:8]}  {each.state.replace('_', ' '):<12}  {first['system']:<10}  {what}")
        for back in each.compensation:
            typer.echo(f"          take back: {_taken_back(back)}")
    typer.echo(f"{len(states)} remedies.")


def _taken_back(row: dict[str, Any]) -> str:
    if row["action"] != "journal_entry":
        return f"{row['field']} to {row['value']}"
    sides = [f"{side} {row[f'{side}_account']}" for side in ("debit", "credit") if row[f"{side}_account"]]
    return f"{', '.join(sides)}: {row['amount']} {row['currency']}"


@remedy_app.command("release")
def release_command(
    remedy: Annotated[str, typer.Argument(help="Remedy (the batch of `remedy list`), or its first characters.")],
    run: Run = None,
    policies: Annotated[Path | None, typer.Option(help="Policy folder that names who approves.")] = None,
    who: Who = None,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """Ask for the release of a remedy; a second person, who is signed in, releases it."""
    import polars as pl

    from adapters.policy_folder import require_policies
    from adapters.publish import find_run, read_manifest
    from adapters.store.remedies import ask_release
    from engine.remedies import approver_role

    folder = find_run(out, run)
    day = dt.date.fromisoformat(read_manifest(folder)["as_of"])
    remedies = pl.read_parquet(folder / "remedies.parquet")
    drafted = remedies.filter(pl.col("batch").str.starts_with(remedy))["rule"].drop_nulls().unique().sort()
    role = approver_role(require_policies(policies_folder(policies)), day, drafted)
    with opened_store(out, store) as opened, opened.write() as session:
        request = ask_release(session, acting(who), remedies, remedy, folder.name, role)
    typer.echo(f"Remedy {request.subject[:8]} waits for a signed-in {request.needs_role} who is not {request.requested_by}.")
