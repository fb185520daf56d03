"""`tieout policy diff` and what else authors of policies get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli import app, policy_app
from adapters.cli.history_commands import Json
from adapters.cli.run_commands import folder_to_write, parse_date, policies_folder
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
    told, may_write = import_workbook(file.read_bytes(), folder_to_write(folder), snapshot, out, write=write)
    typer.echo(told)
    raise typer.Exit(0 if may_write else 1)


@policy_app.command("doc")
def doc(
    folder: Annotated[Path | None, typer.Argument(help="Policy folder.")] = None,
    to: Annotated[Path, typer.Option("--to", help="HTML file to write.")] = Path("policies.html"),
    on: Annotated[str | None, typer.Option(help="Only policies in force on this day, YYYY-MM-DD.")] = None,
    snapshot: Snapshot = None,
) -> None:
    """Write the policies as a manual people read: every rule in a sentence, with owner, dates, reference, and hits with a snapshot."""
    from adapters.authoring.manual import manual_sections
    from adapters.authoring.sections import as_html
    from adapters.authoring.weighing import weigh_folder
    from adapters.policy_folder import require_policies

    chosen = policies_folder(folder)
    weights = () if snapshot is None else weigh_folder(chosen, snapshot)
    sections = manual_sections(require_policies(chosen), parse_date(on), weights)
    to.write_text(as_html(sections, "Policies"), encoding="utf-8")
    typer.echo(f"{len(sections) - 1} policies are in {to}.")


@policy_app.command("new")
def new(
    kind: Annotated[str, typer.Argument(help="Kind of policy, as in `policy:`.")],
    name: Annotated[str, typer.Argument(help="Id of the policy; the file is named by it.")],
    folder: Annotated[Path | None, typer.Argument(help="Folder to write it into; default: the policy folder.")] = None,
    effective_from: Annotated[str, typer.Option("--from", help="First day in force, YYYY-MM-DD.")] = "1900-01-01",
) -> None:
    """Write a policy to begin with: the shipped one of its kind under a new id."""
    from adapters.authoring.scaffold import new_policy

    day = parse_date(effective_from)
    assert day is not None
    path = new_policy(kind, name, folder or policies_folder(None), day)
    typer.echo(f"{path} is written. Change it, then `tieout policy check`.")


@policy_app.command("fmt")
def fmt(
    folder: Annotated[Path | None, typer.Argument(help="Policy folder.")] = None,
    check_only: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 when a file would change.")] = False,
) -> None:
    """Align the tables of policies; everything else stays as it is written."""
    from adapters.authoring.formatting import format_folder

    found = format_folder(folder_to_write(folder), write=not check_only)
    for each in found:
        typer.echo(f"{'not aligned' if check_only else 'aligned'}  {each}")
    raise typer.Exit(1 if check_only and found else 0)


@app.command("init")
def init(
    folder: Annotated[Path, typer.Argument(help="New folder.")],
    day: Annotated[str, typer.Option("--as-of", help="Day of the snapshot to fill, YYYY-MM-DD.")] = "2026-01-31",
) -> None:
    """Write a folder to begin with: the shipped policies, a snapshot.yaml to fill and a guide for a firm's own exports."""
    from adapters.authoring.scaffold import init_folder

    on = parse_date(day)
    assert on is not None
    for each in init_folder(folder, on):
        typer.echo(f"{folder / each}")
