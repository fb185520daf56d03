"""Editing a policy in the pages: its table as a grid, its text, what a change would bring, tests, saving and running again."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from adapters.policy_edit import changes_of, check_text, save_text, table_rows, with_table
from adapters.policy_sheet import KeptTable, check_table, save_table
from adapters.policy_tests import TestOutcome, find_test_files, run_tests
from adapters.run import run_snapshot
from adapters.store.database import Store
from adapters.store.permissions import require
from dashboard.views.access import Person
from dashboard.views.policies import told_diagnostic
from dashboard.views.workspace import RunEntry, Workspace
from engine.errors import UsageError


def checked_text(folder: Path, file: str, text: str) -> list[dict[str, Any]]:
    """Return the diagnostics that another text of a file would bring, each with its line."""
    return [told_diagnostic(each) for each in check_text(folder, file, text)]


def grid_of(text: str) -> pl.DataFrame | None:
    """Return the table with bars of a policy's text as rows to edit; None without one."""
    rows = table_rows(text)
    if rows is None or len(set(rows[0])) != len(rows[0]):
        return None
    return pl.DataFrame(rows[1:], schema=dict.fromkeys(rows[0], pl.String), orient="row")


def text_with(text: str, grid: pl.DataFrame) -> str:
    """Return a policy's text with an edited table; rows that were left empty are left out."""
    rows = [[cell or "" for cell in row] for row in grid.rows()]
    return with_table(text, [grid.columns, *(row for row in rows if any(cell.strip() for cell in row))])


def save(store: Store, person: Person, folder: Path, file: str, text: str, read_as: str) -> str:
    """Write a policy file; returns what was done. Who may not, a mistake, or a change by another refuses it."""
    with store.write() as session:
        save_text(session, person.actor(), folder, file, text, read_as)
    return f"{file} is saved. The shown run was made before; run again to see what changes."


def table_frame(table: KeptTable) -> pl.DataFrame:
    """Return the rows of a table beside its policy as a grid to edit."""
    return pl.DataFrame(table.rows[1:], schema=dict.fromkeys(table.rows[0], pl.String), orient="row")


def table_of_frame(grid: pl.DataFrame) -> list[list[str]]:
    """Return an edited grid as rows with the header first; rows that were left empty are left out."""
    rows = [[(cell or "").strip() for cell in row] for row in grid.rows()]
    return [grid.columns, *(row for row in rows if any(row))]


def checked_table(folder: Path, table: KeptTable, rows: list[list[str]]) -> list[dict[str, Any]]:
    """Return the diagnostics that other rows of a table would bring, each with its place."""
    return [told_diagnostic(each) for each in check_table(folder, table, rows)]


def save_rows(store: Store, person: Person, folder: Path, table: KeptTable, rows: list[list[str]]) -> str:
    """Write a table beside its policy; returns what was done. Who may not, a mistake, or a change by another refuses it."""
    with store.write() as session:
        save_table(session, person.actor(), folder, table, rows)
    return f"{table.file} is saved. The shown run was made before; run again to see what changes."


def changes(store: Store, file: str) -> list[dict[str, Any]]:
    """Return who changed a file, when and what."""
    with store.read() as session:
        return changes_of(session, file)


def tests_beside(folder: Path, file: str, text: str) -> list[dict[str, Any]]:
    """Return what the tests beside a policy say of another text of it, on a copy of the folder."""
    with tempfile.TemporaryDirectory(prefix="policies-") as place:
        copy = Path(place) / "policies"
        shutil.copytree(folder, copy)
        (copy / file).write_text(text, encoding="utf-8")
        beside = sorted((copy / file).parent.glob(f"{Path(file).stem}*_test.yaml"))
        if not beside:
            return []
        outcomes, _ = run_tests(find_test_files(beside), copy)
    return [{"test": each.name, "passed": "yes" if each.passed else "no", "told": _told(each)} for each in outcomes]


def _told(outcome: TestOutcome) -> str:
    """Return why a test failed, in words."""
    mistakes = [each.message for each in outcome.diagnostics if each.is_error]
    differences = [f"{each.output}: expected {each.expected}, was {each.actual}" for each in outcome.differences]
    return "; ".join([*([outcome.failure] if outcome.failure else []), *mistakes, *differences])


def run_again(workspace: Workspace, person: Person, run: RunEntry) -> str:
    """Run the snapshot of a run again with the policies as they stand; returns the id of the run that came of it."""
    require(person.actor(), "run again")
    if run.snapshot_folder is None or not run.snapshot_folder.is_dir():
        raise UsageError("Where the run's snapshot lies is not known, or it is gone.", "Run it from the command line: tieout run SNAPSHOT.")
    outcome = run_snapshot(
        run.snapshot_folder, policies=workspace.policies, previous=run.previous_folder, out=workspace.out, store=workspace.store
    )  # fmt: skip
    return outcome.run_id
