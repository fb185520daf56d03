"""`tieout run` and `tieout explain`."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.cli import app
from adapters.cli.tieouts import print_tieouts
from engine.errors import UsageError

_POLICIES = Path("policies")


def policies_folder(given: Path | None) -> Path:
    """Return the policy folder: the one given, else ./policies, else the shipped one; a signed bundle is verified and unpacked.

    Raises UsageError for a bundle that nobody trusted signed, or that was altered since.
    """
    from adapters.policy_folder import SHIPPED

    if given is not None:
        return _unpacked(given) if given.is_file() else given
    return _POLICIES if _POLICIES.is_dir() else SHIPPED


# Bundles that commands were given, unpacked until the program ends.
_UNPACKED: dict[Path, tempfile.TemporaryDirectory[str]] = {}


def _unpacked(file: Path) -> Path:
    from adapters.authoring.bundle import open_bundle
    from adapters.authoring.keys import TRUSTED_VARIABLE, trusted_keys

    bundle = open_bundle(file, trusted_keys(_POLICIES, {}, os.environ.get(TRUSTED_VARIABLE, "")))
    made = tempfile.TemporaryDirectory(prefix="bundle-")
    folder = bundle.unpack(Path(made.name))
    _UNPACKED[folder] = made
    typer.echo(f"The policies are those of {file}, signed by {bundle.signed_by}.", err=True)
    return folder


def folder_to_write(given: Path | None) -> Path:
    """Return the policy folder of a command that changes it; raises UsageError for a bundle."""
    if given is not None and given.is_file():
        raise UsageError(f"The bundle {given} cannot be changed.", "Unpack it: `tieout policy bundle FILE --unpack FOLDER`.")
    return policies_folder(given)


def mappings_beside(policies: Path) -> Path | None:
    """Return the folder of mappings that came in the same bundle as policies, None for a policy folder."""
    folder = policies.parent / "mappings"
    return folder if policies in _UNPACKED and folder.is_dir() else None


def parse_date(text: str | None) -> dt.date | None:
    """Read a date option; raises UsageError when it is not YYYY-MM-DD."""
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"'{text}' is not a date.", "Write it as YYYY-MM-DD.") from error


@app.command("run")
def run(
    snapshot: Annotated[Path, typer.Argument(help="Folder with snapshot.yaml and the exported files.")],
    policies: Annotated[Path | None, typer.Option(help="Policy folder; default: ./policies, else the shipped one.")] = None,
    mappings: Annotated[Path | None, typer.Option(help="Folder with your own adapter mappings.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Business date, YYYY-MM-DD; default: the snapshot's.")] = None,
    previous: Annotated[Path | None, typer.Option(help="Snapshot of an earlier day, to see what changed.")] = None,
    policies_as_of: Annotated[str | None, typer.Option(help="Use the policies as they stood approved at the end of this day.")] = None,
    known_on: Annotated[str | None, typer.Option(help="Use only facts known by this day, YYYY-MM-DD.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for results.")] = Path("runs"),
    store: Annotated[str | None, typer.Option(help="Address of the case store; default: a file beside the runs.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Read a snapshot, hold it to the policies and publish findings, agreed records and a manifest."""
    from adapters.run import run_snapshot

    if policies is not None and policies_as_of is not None:
        raise UsageError("The policies are given twice.", "Give either --policies or --policies-as-of.")
    with _policies_of(policies, parse_date(policies_as_of), out, store) as folder:
        outcome = run_snapshot(
            snapshot, policies=folder, mappings=mappings or mappings_beside(folder), as_of=parse_date(as_of), previous=previous,
            out=out, store=store, known_on=parse_date(known_on), check_approval=policies_as_of is None, progress=_progress(as_json),
        )  # fmt: skip
    if as_json:
        body = {
            "run_id": outcome.run_id,
            "run_dir": str(outcome.run_dir),
            "counts": outcome.manifest["counts"],
            "findings": outcome.manifest["findings"],
            "kpis": _kpis(outcome.run_dir),
        }
        typer.echo(json.dumps(body, indent=2))
    else:
        _print_summary(outcome.manifest, outcome.run_dir, is_new=outcome.is_new)
    raise typer.Exit(1 if outcome.fails else 0)


@contextlib.contextmanager
def _policies_of(given: Path | None, day: dt.date | None, out: Path, store: str | None) -> Iterator[Path]:
    """Give the policy folder of a run: the one named, or the version that stood approved on a day."""
    if day is None:
        yield policies_folder(given)
        return
    from adapters.authoring.governance import as_folder, version_on
    from adapters.store.database import store_url

    with as_folder(version_on(store_url(out, store), day)) as folder:
        yield folder


def _progress(as_json: bool) -> Any:
    if as_json:
        return lambda _: None
    return lambda text: typer.echo(f"{text} …", err=True)


def _print_summary(manifest: dict[str, Any], run_dir: Path, *, is_new: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    name = manifest["snapshot"] or "snapshot"
    seen = "" if is_new else " (unchanged, published before)"
    console.print(f"\n[bold]{name}[/bold], as of {manifest['as_of']}, run {manifest['run_id']}{seen}")
    sources: dict[str, list[int]] = {}
    for each in manifest["files"]:
        row = sources.setdefault(each["source"], [0, 0, 0, 0, 0])
        row[0] += 1
        row[1] += each["rows_read"]
        row[2] += each["rows_used"]
        row[3] += each["rows_held"]
        row[4] += sum(each["rows_set_aside"].values())
    table = Table("source", *(_right(column) for column in ("files", "rows read", "used", "held", "set aside")), title="What was read")
    for source, row in sources.items():
        table.add_row(source, *(f"{value:,}" for value in row))
    console.print(table)
    if manifest["findings"]:
        table = Table("severity", "rule", _right("findings"), title="What was found")
        for each in manifest["findings"]:
            table.add_row(each["severity"], each["rule"], f"{each['count']:,}")
        console.print(table)
    else:
        console.print("No findings.")
    print_tieouts(console, run_dir)
    _print_kpis(console, _kpis(run_dir))
    ended = [each["policy"] for each in manifest["not_applicable"] if each["why"].startswith(("it is in force", "it was in force"))]
    lacking = [each["policy"] for each in manifest["not_applicable"] if each["policy"] not in ended]
    if lacking:
        console.print(f"Not applicable, for want of records (the manifest says which): {', '.join(lacking)}.")
    if ended:
        console.print(f"Not in force on {manifest['as_of']}: {', '.join(ended)}.")
    for each in manifest["files"]:
        if each["failure"]:
            console.print(f"Not read: {each['path']} ({each['failure'].replace('_', ' ')}); the run went on without it.")
    console.print(f"Results: {run_dir}", soft_wrap=True)


def _kpis(run_dir: Path) -> list[dict[str, Any]]:
    """Return every KPI row of a run; values are exact, so they are told as text."""
    import polars as pl

    path = run_dir / "kpis.parquet"
    if not path.is_file():
        return []
    frame = pl.read_parquet(path)
    exact = [pl.col(name).cast(pl.String).str.replace(r"\.?0+$", "") for name in ("value", "numerator", "denominator")]
    return frame.drop("rule", "policy_fingerprint").with_columns(exact).to_dicts()


def _print_kpis(console: Any, kpis: list[dict[str, Any]]) -> None:
    """Print each KPI's latest figure of the whole firm."""
    from rich.table import Table

    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for each in kpis:
        if each["dimension"] == "total" and not each["kpi"].startswith(("backlog_burn_off", "planned_hours")):
            latest[each["kpi"], each["unit"]] = each
    if not latest:
        return
    table = Table("KPI", "period", _right("value"), "unit", "target", "status", title="KPIs, the whole firm, latest period")
    for each in latest.values():
        is_money = each["unit"].isupper()
        value = "" if each["value"] is None else f"{Decimal(each['value']):{',.2f' if is_money else ','}}"
        status = each["status"].replace("_", " ") + (f", {each['missing']:,} without amount" if each.get("missing") else "")
        table.add_row(each["kpi"], each["period"], value, each["unit"], each["target"] or "", status)
    console.print(table)
    lacking = [each for each in latest.values() if each.get("missing")]
    for each in lacking:
        unit = f" ({each['unit']})" if each["unit"].isupper() else ""
        console.print(f"{each['kpi']}{unit} is of those whose amount is known: {each['missing_of']}.", soft_wrap=True, markup=False)


def _right(name: str) -> Any:
    from rich.table import Column

    return Column(name, justify="right")


@app.command("explain")
def explain(
    identity: Annotated[
        str, typer.Argument(help="A finding_id, its first characters, time_entry:T1, contract_line_id:period, journal_id:line, a match_id.")
    ],
    run_name: Annotated[str | None, typer.Option("--run", help="Run id, prefix or path; default: the latest.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of results.")] = Path("runs"),
    snapshot: Annotated[Path | None, typer.Option(help="Snapshot folder, to show the source rows themselves.")] = None,
    policies: Annotated[Path | None, typer.Option(help="Policy folder of the run, to tell a decision's rules.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say why a finding, decision, schedule line, entry or match was made: rule, policy line, inputs, source rows, why not otherwise."""
    from adapters.explain import explain_finding, render_explanation
    from adapters.explain_decision import billed_item, explain_decision, names_decision, render_decision
    from adapters.explain_line import explain_line, render_line
    from adapters.publish import find_run

    if names_decision(identity):
        decided = explain_decision(find_run(out, run_name), identity, policies_folder(policies), snapshot)
        typer.echo(json.dumps(decided, indent=2, default=str) if as_json else render_decision(decided))
        return
    run_dir = find_run(out, run_name)
    line = explain_line(run_dir, identity, snapshot)
    if line is not None:
        typer.echo(json.dumps(line, indent=2, default=str) if as_json else render_line(line))
        return
    explanation = explain_finding(run_dir, identity, snapshot)
    item = billed_item(explanation["finding"])
    told = "" if item is None else explain_decision(run_dir, item, policies_folder(policies), snapshot)
    if as_json:
        typer.echo(json.dumps(explanation | ({"decision": told} if told else {}), indent=2, default=str))
        return
    typer.echo(render_explanation(explanation))
    if isinstance(told, dict):
        typer.echo("\nHow the item was decided\n\n" + render_decision(told))


@app.command("unblock")
def unblock_command(
    run_name: Annotated[str | None, typer.Option("--run", help="Run id, prefix or path; default: the latest.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many actions are told.")] = 20,
    out: Annotated[Path, typer.Option(help="Folder of results.")] = Path("runs"),
    policies: Annotated[Path | None, typer.Option(help="Policy folder; default: the policies the run kept.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Rank what people can do by the money it releases: approve this time, have that milestone accepted."""
    from adapters.publish import find_run
    from adapters.unblock import render_actions, unblock

    actions = unblock(find_run(out, run_name), top, policies)
    typer.echo(json.dumps(actions, indent=2, default=str) if as_json else render_actions(actions))
