"""Which files of a folder are exports: patterns without case, no hidden or lock files, no way out of the folder."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable
from pathlib import Path


def is_inside(path: Path, root: Path) -> bool:
    """Tell whether a file, with every link on the way followed, lies in a folder (or is that file)."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        return False


def find_files(root: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files below a folder that match a pattern, sorted; a root that is a file is itself.

    A pattern is relative to the folder and compared without case; `*` stays within one folder and
    `**` stands for any folders. Hidden files and lock files of office programs are no exports.
    """
    if root.is_file():
        return [root]
    wanted = [pattern.removeprefix("./").lower().split("/") for pattern in patterns]
    found: list[Path] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            path = Path(folder, name)
            shown = path.relative_to(root).as_posix().lower().split("/")
            if not name.startswith((".", "~$")) and any(_matches(shown, pattern) for pattern in wanted):
                found.append(path)
    return sorted(found)


def _matches(parts: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
