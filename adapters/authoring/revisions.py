"""A policy folder by name: a folder on disk, or the folder as a git revision has it."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import UsageError


@contextmanager
def policy_revision(name: str, folder: Path) -> Iterator[Path]:
    """Give a policy folder: `name` itself where it is one, else `folder` as the git revision `name` has it.

    `name` may name the folder too, as git does (`main:policies`). Raises UsageError when it is neither.
    """
    if Path(name).is_dir():
        yield Path(name)
        return
    revision, _, inside = name.partition(":")
    where = folder if folder.is_dir() else Path()
    if not revision or revision.startswith("-") or _git(where, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}") is None:
        raise UsageError(f"There is neither a folder nor a git revision {name}.", "Give a policy folder, a branch, a tag or a commit.")
    prefix = inside if inside else (_git(where, "rev-parse", "--show-prefix") or b"").decode().strip().rstrip("/")
    top = (_git(where, "rev-parse", "--show-toplevel") or b".").decode().strip()
    archive = _git(Path(top), "archive", "--format=tar", f"{revision}:{prefix}")
    if archive is None:
        raise UsageError(f"The revision {revision} has no folder {prefix or '.'}.", "Name it as git does, REVISION:FOLDER.")
    with tempfile.TemporaryDirectory(prefix="policies-") as made:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(made, filter="data")
        yield Path(made)


def _git(where: Path, *arguments: str) -> bytes | None:
    """Return what git says in a folder, or None when it refuses or is not installed."""
    try:
        done = subprocess.run(["git", "-C", str(where), *arguments], capture_output=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
