"""Changing a policy file: checked before it is written, written whole, and told in the audit log with its difference."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.policy_folder import read_policy_texts, read_sheets
from adapters.store.audit import Actor, record
from adapters.store.permissions import require
from adapters.store.tables import AuditEntry
from engine.diagnostics import Diagnostic
from engine.errors import PolicyError, UsageError
from engine.policy.load import load_policies
from engine.policy.source import SourceText

CHANGED: Final = "policy.changed"

_BARS: Final = re.compile(r"(?m)^rules: \|[ \t]*\n(?P<table>(?:[ \t]+\|.*\n?)+)")
_RULER: Final = re.compile(r":?-{2,}:?\Z")
_SPLIT: Final = re.compile(r"(?<!\\)\|")


def digest(text: str) -> str:
    """Return what tells one text of a file from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_text(folder: Path, file: str) -> str:
    """Return the text of a policy file. Raises UsageError when the folder has none of that name."""
    found = next((each for each in read_policy_texts(folder) if each.file == file), None)
    if found is None:
        raise UsageError(f"There is no policy file {file}.", "It may have been renamed; load the page again.")
    if found.unreadable is not None:
        raise UsageError(f"The policy file {file} cannot be edited here: line {found.unreadable[0]} is not UTF-8.", "Save it as UTF-8.")
    return found.text


def check_text(folder: Path, file: str, text: str) -> list[Diagnostic]:
    """Return the diagnostics a policy folder would have with another text of a file: all of that file, and errors anywhere."""
    read_text(folder, file)
    texts = [SourceText(each.file, text) if each.file == file else each for each in read_policy_texts(folder)]
    _, diagnostics = load_policies(texts, read_sheets(folder))
    return [each for each in diagnostics if each.span.file == file or each.is_error]


def save_text(session: Session, actor: Actor, folder: Path, file: str, text: str, read_as: str) -> None:
    """Write a policy file; `read_as` is the digest of the text that was edited.

    Raises UsageError for who may not, when somebody else changed the file meanwhile, or it cannot be written; PolicyError
    when the policies would have mistakes.
    """
    require(actor, "change a policy")
    before = read_text(folder, file)
    if digest(before) != read_as:
        raise UsageError(f"{file} was changed by somebody else meanwhile.", "Load it again; your text is still in the page to copy.")
    if text == before:
        raise UsageError(f"{file} says that already.", "Change it first.")
    diagnostics = check_text(folder, file, text)
    if any(each.is_error for each in diagnostics):
        raise PolicyError(f"{file} would have mistakes.", diagnostics, "Correct them first; nothing was changed.")
    lines = difflib.unified_diff(before.splitlines(), text.splitlines(), "before", "after", lineterm="", n=1)
    body = {"before": read_as, "after": digest(text), "difference": "\n".join(lines), "text": text}
    record(session, actor, CHANGED, file, body)
    write_whole(folder / file, text.encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a policy file in one step: who reads it meanwhile sees the old content or the new one. Raises UsageError when it cannot."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        Path(handle.name).chmod(path.stat().st_mode)
        Path(handle.name).replace(path)
    except OSError as error:
        raise UsageError(f"{path.name} cannot be written: {error.strerror}.", "Check the folder's rights and the disk's space.") from error


def changes_of(session: Session, file: str) -> list[dict[str, Any]]:
    """Return who changed a policy file through Tieout, when and what, the latest first."""
    query = sa.select(AuditEntry).where(AuditEntry.action == CHANGED, AuditEntry.subject == file).order_by(AuditEntry.sequence.desc())
    found = []
    for each in session.execute(query).scalars():
        body = json.loads(each.body)
        told = {"at": each.at, "actor": each.actor, "identity": each.identity}
        found.append({**told, "difference": body["difference"], "after": body["after"]})
    return found


def table_rows(text: str) -> list[list[str]] | None:
    """Return the table that stands in a policy with bars, its headings first; None without one, or when its rows differ in width."""
    found = _BARS.search(text)
    if found is None:
        return None
    rows = [[cell.strip().replace(r"\|", "|") for cell in _SPLIT.split(line.strip())[1:-1]] for line in found["table"].splitlines()]
    kept = [row for row in rows if not all(_RULER.match(cell) or not cell for cell in row)]
    return kept if kept and len({len(row) for row in kept}) == 1 else None


def with_table(text: str, rows: Sequence[Sequence[str]]) -> str:
    """Return a policy's text with another table in the place of the one with bars, its columns aligned."""
    found = _BARS.search(text)
    if found is None:
        raise UsageError("The policy has no table of its own.", "Change its text.")
    cells = [[" ".join(str(cell or "").split()).replace("|", r"\|") for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    lines = ["  | " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "  |" + "|".join("-" * (width + 2) for width in widths) + "|")
    return text[: found.start("table")] + "\n".join(lines) + "\n" + text[found.end("table") :]
