"""`tieout policy diff` and what else authors of policies get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli import policy_app
from adapters.cli.history_commands import Json
from adapters.cli.run_commands import parse_date, policies_folder
from engine.errors import UsageError

_RUNS = Path("runs")
Snapshot = Annotated[Path | None, typer.Option(help="Snapshot folder on which the money is told.")]
Runs = Annotated[Path, typer.Option("--out", help="Folder of results; a run of the old policies that stands there is used.")]


@policy_app.command("diff")
def diff(
    old: Annotated[str, typer.Argument(help="Policy folder, or a git revision of the policy folder (also REVISION:FOLDER).")],
    new: Annotated[str, typer.Argument(help="Policy folder or git revision to compare it with.")],
    snapshot: Snapshot = None,
    previous: Annotated[Path | None, typer.Option(help="Snapshot of an earlier day.")] = None,
    mappings: Annotated[Path | None, typer.Option(help="Folder with your own adapter mappings.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Business date, YYYY-MM-DD; default: the snapshot's.")] = None,
    policies: Annotated[Path | None, typer.Option(help="Policy folder that git revisions are of.")] = None,
    out: Runs = _RUNS,
    top: Annotated[int, typer.Option(min=1, help="Records told of each sort.")] = 10,
    form: Annotated[str, typer.Option("--format", help="text, json, markdown or html.")] = "text",
    as_json: Json = False,
) -> None:
    """Say what two policy folders say differently and, with a snapshot, the money that moves; exit 1 when something differs."""
    from adapters.authoring.difference import Against, difference_as_json, policy_difference
    from adapters.authoring.difference_report import difference_sections
    from adapters.authoring.revisions import policy_revision
    from adapters.authoring.sections import as_html, as_markdown, as_text

    if form not in ("text", "json", "markdown", "html"):
        raise UsageError(f"There is no format '{form}'.", "The formats are text, json, markdown and html.")
    against = None if snapshot is None else Against(snapshot, previous, mappings, parse_date(as_of), out)
    folder = policies_folder(policies)
    with policy_revision(old, folder) as one, policy_revision(new, folder) as other:
        found = policy_difference(one, other, against, progress=lambda text: typer.echo(f"{text} …", err=True))
    if as_json or form == "json":
        typer.echo(json.dumps(difference_as_json(found, top), indent=2, default=str))
    else:
        sections = difference_sections(found, old, new, top)
        title = f"{old} → {new}"
        made = as_html(sections, title) if form == "html" else as_markdown(sections) if form == "markdown" else as_text(sections)
        typer.echo(made.rstrip("\n"))
    raise typer.Exit(1 if found.changes else 0)


@policy_app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="Workbook to write (.xlsx).")],
    folder: Annotated[Path | None, typer.Argument(help="Policy folder.")] = None,
    snapshot: Snapshot = None,
) -> None:
    """Write every decision table into a workbook for finance, with what each rule decides when a snapshot is given."""
    from adapters.authoring.weighing import weigh_folder
    from adapters.authoring.workbook import export_workbook

    chosen = policies_folder(folder)
    data, count = export_workbook(chosen, () if snapshot is None else weigh_folder(chosen, snapshot))
    file.write_bytes(data)
    typer.echo(f"{count} tables are in {file}. Edit cells, add or delete rows, and give it to `tieout policy import`.")


@policy_app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="Workbook that `tieout policy export` wrote, edited.")],
    folder: Annotated[Path | None, typer.Argument(help="Policy folder to change.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Write the changes into the folder when nothing stands against them.")] = False,
    snapshot: Snapshot = None,
    out: Runs = _RUNS,
) -> None:
    """Take the edited cells of a workbook as a patch: check, test and compare it; --write writes it. Exit 1 when it fails."""
    from adapters.authoring.importing import import_workbook

    if not file.is_file():
        raise UsageError(f"There is no workbook {file}.", "Give the file that `tieout policy export` wrote.")
    told, may_write = import_workbook(file.read_bytes(), policies_folder(folder), snapshot, out, write=write)
    typer.echo(told)
    raise typer.Exit(0 if may_write else 1)
