"""Policy folders on disk: which files are policies, their texts, and the sheets beside them."""

from __future__ import annotations

import datetime as dt
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.diagnostics import Diagnostic
from engine.errors import PolicyError, UsageError
from engine.policy.kinds.base import PolicyFile
from engine.policy.load import load_policies
from engine.policy.loaded import PolicySet
from engine.policy.sheets import Sheet
from engine.policy.source import SourceText

_Kind = typing.TypeVar("_Kind", bound=PolicyFile)

SHIPPED = Path(__file__).parent.parent / "policies"

_POLICIES = frozenset({".yaml", ".yml"})
_SHEETS = frozenset({".csv", ".xlsx", ".json"})


def _files(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    """Return the files below a folder by how their names end, in capitals or not."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())


def read_policy_texts(folder: Path) -> list[SourceText]:
    """Return the text of every policy file below a folder; raises UsageError when there is none."""
    if not folder.is_dir():
        raise UsageError(f"There is no policy folder {folder}.", "Give the folder with --policies.")
    sources: list[SourceText] = []
    for path in _files(folder, _POLICIES):
        if path.stem.endswith("_test"):
            continue
        try:
            sources.append(_as_text(path.relative_to(folder).as_posix(), path.read_bytes()))
        except OSError as error:
            raise UsageError(f"The policy {path} cannot be read.", "Check the file's permissions.") from error
    if not sources:
        raise UsageError(f"There is no policy in {folder}.", "Give the folder that holds them; `tieout init DIR` writes one to begin with.")
    return sources


def _as_text(name: str, content: bytes) -> SourceText:
    try:
        text, unreadable = content.decode("utf-8"), None
    except UnicodeDecodeError as error:
        text = content.decode("utf-8", errors="replace")
        before = content[: error.start].decode("utf-8")
        unreadable = (before.count("\n") + 1, len(before) - before.rfind("\n"))
    return SourceText(name, text.replace("\r\n", "\n").replace("\r", "\n"), unreadable)


def read_sheets(folder: Path) -> list[Sheet]:
    """Return every CSV file, suite and workbook below a policy folder; a broken one says why."""
    from adapters.reading.workbook import sheet_rows

    found: list[Sheet] = []
    for path in _files(folder, _SHEETS):
        name = path.relative_to(folder).as_posix()
        try:
            if path.suffix.lower() in (".csv", ".json"):
                found.append(Sheet(name, path.read_text(encoding="utf-8-sig")))
            else:
                rows, problem = sheet_rows(path.read_bytes())
                found.append(Sheet(name, None, rows, problem))
        except (OSError, UnicodeDecodeError):
            found.append(Sheet(name, problem="it is no readable UTF-8 file"))
    return found


def policy_files(folder: Path) -> dict[str, bytes]:
    """Return every file that decides what the policies of a folder say, by its path below the folder."""
    paths = _files(folder, _POLICIES | _SHEETS)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if not path.stem.endswith("_test")}


def check_policies(folder: Path, overrides: Mapping[str, Any] | None = None) -> tuple[PolicySet, list[Diagnostic]]:
    """Load a policy folder with all its diagnostics; `overrides` are merged into policies by id."""
    return load_policies(read_policy_texts(folder), read_sheets(folder), overrides)


def require_policies(folder: Path) -> PolicySet:
    """Load a policy folder; raises PolicyError with every diagnostic when there are errors."""
    policies, diagnostics = check_policies(folder)
    if any(each.is_error for each in diagnostics):
        raise PolicyError(f"The policies in {folder} have mistakes.", diagnostics, "Correct them and run again.")
    return policies


def require_in_force(policies: PolicySet, kind: type[_Kind], on: dt.date, says: str) -> _Kind:
    """Return the policy of a kind that holds on a day, of a kind of which a run has one.

    Raises UsageError when there is none, with the days of those that do not hold; `says` completes "The policies do not say".
    """
    found = policies.one_in_force(kind, on)
    if found is not None:
        return found
    name = str(typing.get_args(kind.model_fields["policy"].annotation)[0])
    others = [
        f"'{each.id}' holds from {each.effective_from}" + ("" if each.effective_to is None else f" to {each.effective_to}")
        for _, each in policies.of_kind(kind)
    ]
    if not others:
        raise UsageError(f"The policies do not say {says}.", f"Add a policy of the kind `{name}`.")
    raise UsageError(f"No policy of the kind `{name}` holds on {on}: {', '.join(others)}.", "Give one of them the days it is to hold.")
