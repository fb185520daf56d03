"""Changing a policy's table that is kept in a CSV file or a workbook beside it: checked, written whole, told in the audit log."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from adapters.policy_edit import CHANGED, write_whole
from adapters.policy_folder import check_policies, read_policy_texts, read_sheets
from adapters.reading.workbook import sheet_with_rows
from adapters.store.audit import Actor, record
from adapters.store.permissions import require
from engine.diagnostics import Diagnostic
from engine.errors import PolicyError, UsageError
from engine.policy.kinds.table import TablePolicy
from engine.policy.load import load_policies
from engine.policy.sheets import Sheet

Table = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class KeptTable:
    """Hold a table that lies beside its policy: the file, the sheet of a workbook (the policy's id), its rows with the header first.

    `read_as` tells one content of the file from another.
    """

    file: str
    sheet: str
    rows: list[list[str]]
    read_as: str


def kept_table(folder: Path, file: str) -> KeptTable | None:
    """Return the table that a policy file keeps beside it; None when it has none there, or it cannot be read as rows of one width."""
    policies, _ = check_policies(folder)
    loaded = next((each for each in policies.policies if each.document.source.file == file), None)
    if loaded is None or not isinstance(loaded.policy, TablePolicy) or loaded.policy.rules_file is None or loaded.sheet is None:
        return None
    sheet, name = loaded.sheet, loaded.policy.id
    found = list(csv.reader(io.StringIO(sheet.text, newline=""))) if sheet.text is not None else sheet.workbook.get(name, ())
    rows = [[(cell or "").strip() for cell in row] for row in found]
    rows = [row for row in rows if any(row)]
    width = max((len(row) for row in rows), default=0)
    if not rows or len(set(rows[0])) != width:
        return None
    path = folder / sheet.file
    return KeptTable(sheet.file, name, [[*row, *[""] * (width - len(row))] for row in rows], hashlib.sha256(path.read_bytes()).hexdigest())


def check_table(folder: Path, table: KeptTable, rows: Table) -> list[Diagnostic]:
    """Return the diagnostics a policy folder would have with other rows of a table: all of its file, and errors anywhere."""
    sheets = [_with_rows(each, table.sheet, rows) if each.file == table.file else each for each in read_sheets(folder)]
    _, diagnostics = load_policies(read_policy_texts(folder), sheets)
    return [each for each in diagnostics if each.is_error or each.span.file.partition("!")[0] == table.file]


def _with_rows(sheet: Sheet, name: str, rows: Table) -> Sheet:
    if sheet.text is not None:
        return Sheet(sheet.file, as_csv(rows))
    return Sheet(sheet.file, None, {**sheet.workbook, name: [list(row) for row in rows]}, sheet.problem)


def as_csv(rows: Table) -> str:
    """Return rows as the text of a CSV file."""
    made = io.StringIO(newline="")
    csv.writer(made, lineterminator="\n").writerows(rows)
    return made.getvalue()


def save_table(session: Session, actor: Actor, folder: Path, table: KeptTable, rows: Table) -> None:
    """Write a table beside its policy; of a workbook only the cells of its sheet change.

    Raises UsageError for who may not, when somebody else changed the file meanwhile, or it cannot be written; PolicyError
    when the policies would have mistakes.
    """
    require(actor, "change a policy")
    path = folder / table.file
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != table.read_as:
        raise UsageError(f"{table.file} was changed by somebody else meanwhile.", "Load it again; your rows are still in the page to copy.")
    before, after = as_csv(table.rows), as_csv(rows)
    if before == after:
        raise UsageError(f"{table.file} says that already.", "Change it first.")
    diagnostics = check_table(folder, table, rows)
    if any(each.is_error for each in diagnostics):
        raise PolicyError(f"{table.file} would have mistakes.", diagnostics, "Correct them first; nothing was changed.")
    made = after.encode() if path.suffix == ".csv" else sheet_with_rows(content, table.sheet, rows)
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm="", n=1)
    body = {"before": table.read_as, "after": hashlib.sha256(made).hexdigest(), "difference": "\n".join(lines), "text": after}
    record(session, actor, CHANGED, table.file, body)
    write_whole(path, made)
