"""Which files of a folder are exports: patterns without case, no hidden or lock files, no way out of the folder."""

from __future__ import annotations

import fnmatch
import itertools
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_WILD: Final = re.compile(r"[*?\[]")


def is_inside(path: Path, root: Path) -> bool:
    """Tell whether a file, with every link on the way followed, lies in a folder (or is that file)."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        return False


@dataclass(frozen=True, slots=True)
class Place:
    """Say where the files of a source lie: in a folder or, where single files of it are named, these alone."""

    root: Path
    chosen: frozenset[Path] | None = None

    def find(self, patterns: Iterable[str]) -> list[Path]:
        """Return the source's files that match a pattern, sorted; of chosen files their own folder does not matter."""
        if self.chosen is None:
            return find_files(self.root, patterns)
        anywhere = [f"**/{each.removeprefix('./')}" for each in patterns]
        return [path for path in find_files(self.root, anywhere) if path in self.chosen]


def find_place(folder: Path, path: str) -> Place:
    """Return the place that a path names from a folder: a folder, a file or a pattern (`*`, `?`, `[…]`, `**`) of either."""
    root = (folder / path).resolve()
    if root.is_file():
        return Place(root.parent, frozenset({root}))
    parts = Path(path).parts
    fixed = list(itertools.takewhile(lambda part: not _WILD.search(part), parts))
    if root.exists() or len(fixed) == len(parts):
        return Place(root)
    base, wanted = folder.joinpath(*fixed).resolve(), "/".join(parts[len(fixed) :])
    return Place(base, frozenset(find_files(base, [wanted, f"{wanted}/**"])))


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
