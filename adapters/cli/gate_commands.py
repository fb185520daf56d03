"""`tieout gate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli import app


@app.command("gate")
def gate(
    draft: Annotated[Path, typer.Argument(help="Draft invoice lines by canonical names: CSV, XLSX, JSON, Parquet, or a folder of them.")],
    run_name: Annotated[str | None, typer.Option("--run", help="Run id, prefix or path; default: the latest.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of results.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Hold a draft invoice run to the decisions of a run, before it is posted; exit 1 when something must not go out."""
    from adapters.gate import as_json as told
    from adapters.gate import check_draft, render_gate
    from adapters.publish import find_run

    outcome = check_draft(draft, find_run(out, run_name))
    typer.echo(json.dumps(told(outcome), indent=2, default=str) if as_json else render_gate(outcome))
    raise typer.Exit(1 if outcome.fails else 0)
