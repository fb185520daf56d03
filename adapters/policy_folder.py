"""Policy folders on disk: which files are policies, their texts, and the sheets beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.diagnostics import Diagnostic
from engine.errors import PolicyError, UsageError
from engine.policy.load import load_policies
from engine.policy.loaded import PolicySet
from engine.policy.sheets import Sheet
from engine.policy.source import SourceText

SHIPPED = Path(__file__).parent.parent / "policies"


def read_policy_texts(folder: Path) -> list[SourceText]:
    """Return the text of every policy file below a folder; raises UsageError when there is none."""
    if not folder.is_dir():
        raise UsageError(f"There is no policy folder {folder}.", "Give the folder with --policies.")
    sources: list[SourceText] = []
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        if path.stem.endswith("_test"):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"The policy {path} cannot be read.", "Save the file as UTF-8 and check its permissions.") from error
        sources.append(SourceText(path.relative_to(folder).as_posix(), text))
    return sources


def read_sheets(folder: Path) -> list[Sheet]:
    """Return every CSV file, suite and workbook below a policy folder; a broken one says why."""
    from adapters.reading.workbook import sheet_rows

    found: list[Sheet] = []
    for path in sorted([*folder.rglob("*.csv"), *folder.rglob("*.xlsx"), *folder.rglob("*.json")]):
        name = path.relative_to(folder).as_posix()
        try:
            if path.suffix in (".csv", ".json"):
                found.append(Sheet(name, path.read_text(encoding="utf-8-sig")))
            else:
                rows, problem = sheet_rows(path.read_bytes())
                found.append(Sheet(name, None, rows, problem))
        except (OSError, UnicodeDecodeError):
            found.append(Sheet(name, problem="it is no readable UTF-8 file"))
    return found


def policy_files(folder: Path) -> dict[str, bytes]:
    """Return every file that decides what the policies of a folder say, by its path below the folder."""
    paths = [path for pattern in ("*.yaml", "*.yml", "*.csv", "*.xlsx", "*.json") for path in folder.rglob(pattern)]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(paths) if not path.stem.endswith("_test")}


def check_policies(folder: Path, overrides: Mapping[str, Any] | None = None) -> tuple[PolicySet, list[Diagnostic]]:
    """Load a policy folder with all its diagnostics; `overrides` are merged into policies by id."""
    return load_policies(read_policy_texts(folder), read_sheets(folder), overrides)


def require_policies(folder: Path, overrides: Mapping[str, Any] | None = None) -> PolicySet:
    """Load a policy folder; raises PolicyError with every diagnostic when there are errors."""
    policies, diagnostics = check_policies(folder, overrides)
    if any(each.is_error for each in diagnostics):
        raise PolicyError(f"The policies in {folder} have mistakes.", diagnostics, "Correct them and run again.")
    return policies
