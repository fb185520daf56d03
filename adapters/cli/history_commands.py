"""`tieout runs`, `tieout compare` and `tieout replay`: runs beside each other and performed again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli import app
from adapters.cli.case_commands import Address, Out, opened_store

_RUNS = Path("runs")
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command("runs")
def runs(out: Out = _RUNS, store: Address = None, as_json: Json = False) -> None:
    """List the runs in the store, the latest published first."""
    from adapters.store.runs import list_runs

    with opened_store(out, store) as opened, opened.read() as session:
        names = ("run_id", "snapshot", "as_of", "findings", "moved_cases", "policies_fingerprint", "engine_version", "published_at")
        rows = [{name: getattr(each, name) for name in names} for each in list_runs(session)]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, default=str))
        return
    for row in rows:
        past = "" if row["moved_cases"] else "  re-performed past"
        typer.echo(f"{row['run_id']}  {row['as_of']}  {row['findings']:>6,} findings  {row['snapshot'] or ''}{past}")


@app.command("compare")
def compare(
    earlier: Annotated[str, typer.Argument(help="Run id, prefix or path.")],
    later: Annotated[str | None, typer.Argument(help="Run id, prefix or path; default: the latest.")] = None,
    out: Out = _RUNS,
    as_json: Json = False,
) -> None:
    """Say what changed between two runs and why: data, policy or engine."""
    from adapters.compare import compare_runs, render_comparison
    from adapters.publish import find_run

    found = compare_runs(find_run(out, earlier), find_run(out, later))
    typer.echo(json.dumps(found, indent=2, default=str) if as_json else render_comparison(found))


@app.command("replay")
def replay(
    run_name: Annotated[str | None, typer.Argument(metavar="RUN", help="Run id, prefix or path; default: the latest.")] = None,
    snapshot: Annotated[Path | None, typer.Option(help="Snapshot folder; default: where the run found it.")] = None,
    previous: Annotated[Path | None, typer.Option(help="Previous snapshot; default: where the run found it.")] = None,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """Perform a run again from its own policies and compare every file to the byte; exit 1 when one differs."""
    from adapters.publish import find_run
    from adapters.replay import replay_run
    from adapters.store.tables import Run
    from engine.errors import UsageError

    run_dir = find_run(out, run_name)
    if snapshot is None:
        with opened_store(out, store) as opened, opened.read() as session:
            run = session.get(Run, run_dir.name)
        came_from = {} if run is None else run.came_from
        if not came_from.get("snapshot"):
            raise UsageError("Where the run's snapshot lies is not known.", "Give its folder with --snapshot.")
        snapshot = Path(came_from["snapshot"])
        previous = previous or (Path(came_from["previous"]) if came_from.get("previous") else None)
    result = replay_run(run_dir, snapshot, previous, progress=lambda text: typer.echo(f"{text} …", err=True))
    for name, change in result.inputs_changed:
        typer.echo(f"not as the run read it  {name}: {change}")
    if result.inputs_changed:
        typer.echo("This is not the snapshot the run was made from, so differences are no fault of the run; give it with --snapshot.")
    for name, problem in result.different:
        typer.echo(f"differs  {name}: {problem}")
    if result.engine_changed:
        typer.echo("The engine is not the one that made the run.")
    verdict = "is the same to the byte" if result.is_same else f"differs in {len(result.different)} files"
    typer.echo(f"Run {result.run_id} {verdict}; {len(result.same)} files are the same.")
    raise typer.Exit(0 if result.is_same else 1)
