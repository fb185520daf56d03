"""Policy folders on disk: which files are policies, and their texts."""

from __future__ import annotations

from pathlib import Path

from engine.diagnostics import Diagnostic
from engine.errors import PolicyError, UsageError
from engine.policy.load import PolicySet, load_policies
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


def check_policies(folder: Path) -> tuple[PolicySet, list[Diagnostic]]:
    """Load a policy folder with all its diagnostics."""
    return load_policies(read_policy_texts(folder))


def require_policies(folder: Path) -> PolicySet:
    """Load a policy folder; raises PolicyError with every diagnostic when there are errors."""
    policies, diagnostics = check_policies(folder)
    if any(each.is_error for each in diagnostics):
        raise PolicyError(f"The policies in {folder} have mistakes.", diagnostics, "Correct them and run again.")
    return policies
