"""Publishing a run: everything is written beside its place and moved there in one step.

A run's folder is named by the hash of all that decides its content, so running again finds it
and does nothing. A crash leaves a partial folder that the next run removes, never half a run.
Who writes a partial folder holds a lock on it, which dies with the process: what another run is
still writing is left alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from engine.errors import StoreError

MANIFEST = "manifest.json"
INPUTS = "inputs"
SUMMARIES = ".summaries"
"""Where sums over runs are kept beside them, by run; they can be made again at any time."""

_PARTIAL = ".partial-"

# Fixed, so that the bytes do not depend on how many threads wrote them.
_ROW_GROUP = 250_000

# Hashes and amounts do not compress further at higher levels, which take a third more time.
_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Encoded:
    """Hold a frame as the file it becomes, and how many rows it has."""

    height: int
    content: bytes


def is_published(out: Path, run_id: str) -> bool:
    """Say whether a run stands complete in its place."""
    return (out / run_id / MANIFEST).is_file()


def publish_run(
    out: Path, run_id: str, frames: Mapping[str, pl.DataFrame | Encoded], manifest: dict[str, Any],
    inputs: Mapping[str, bytes] | None = None, pages: Mapping[str, bytes] | None = None,
) -> Path:  # fmt: skip
    """Write a run's frames and manifest; return its folder. Raises StoreError when it cannot.

    `inputs` are the policies and mappings the run was made with, by their path below `inputs/`: with
    the snapshot they are all it takes to make it again. `pages` are files for people, by their path in the run.
    """
    target = out / run_id
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _partial_folder(out, run_id) as partial:
            # Two files at a time: what one waits for the disk leaves a processor to the other.
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda name: _write_frame(frames[name], partial / f"{name}.parquet"), sorted(frames)))
            for name, content in sorted((inputs or {}).items()):
                _write_bytes(content, partial / INPUTS / name)
            for name, content in sorted((pages or {}).items()):
                _write_bytes(content, partial / name)
            text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, default=str) + "\n"
            _write_text(text, partial / MANIFEST)
            for folder in (*(each for each in partial.rglob("*") if each.is_dir()), partial):
                _sync(folder)
            _move(partial, target)
        _sync(out)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "the disk refused"
        raise StoreError(f"The run could not be written to {out}: {reason}.", "Free space or choose another --out.") from error
    return target


@contextlib.contextmanager
def _partial_folder(out: Path, run_id: str) -> Iterator[Path]:
    """Make a folder to write in, locked while it is written; it is gone afterwards."""
    while True:
        partial = out / f"{_PARTIAL}{run_id}-{uuid.uuid4().hex[:8]}"
        partial.mkdir()
        try:
            handle = os.open(partial, os.O_RDONLY)
        except FileNotFoundError:
            continue  # another run took it for a leftover before it was locked
        fcntl.flock(handle, fcntl.LOCK_EX)
        if partial.exists():
            break
        os.close(handle)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        os.close(handle)


def _move(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError:
        # Another process published the same run meanwhile: same id, same content.
        if not (target / MANIFEST).is_file():
            raise


def encoded(frame: pl.DataFrame) -> Encoded:
    """Return a frame as the Parquet file a run holds of it."""
    content = io.BytesIO()
    frame.write_parquet(content, compression="zstd", compression_level=_LEVEL, row_group_size=_ROW_GROUP, statistics=True)
    return Encoded(frame.height, content.getvalue())


def _write_frame(frame: pl.DataFrame | Encoded, path: Path) -> None:
    # Made in memory first: of a full disk the system tells itself, and always alike.
    _write_bytes((frame if isinstance(frame, Encoded) else encoded(frame)).content, path)


def _write_bytes(content: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    _sync(path)


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")
    _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(out: Path) -> None:
    """Remove partial folders that a crashed run left behind; those that another run is writing stay."""
    for path in out.glob(f"{_PARTIAL}*") if out.is_dir() else ():
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(handle)


def read_manifest(run_dir: Path) -> dict[str, Any]:
    """Return a run's manifest; raises StoreError when it is not there or damaged."""
    try:
        found: dict[str, Any] = json.loads((run_dir / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"The results in {run_dir} cannot be read.", "Run the snapshot again.") from error
    return found


def find_run(out: Path, name: str | None) -> Path:
    """Return a run's folder by id, prefix or path; the latest when no name is given."""
    from engine.errors import UsageError

    if name and (Path(name) / MANIFEST).is_file():
        return Path(name)
    runs = [path for path in out.glob("*") if (path / MANIFEST).is_file()] if out.is_dir() else []
    if name:
        runs = [path for path in runs if path.name.startswith(name)]
    if not runs:
        raise UsageError(f"There is no run {name or ''} in {out}.".replace("  ", " "), "Run `tieout run SNAPSHOT` first.")
    if name and len(runs) > 1:
        raise UsageError(f"Several runs begin with {name}.", "Give more of the id.")
    return max(runs, key=lambda path: (path / MANIFEST).stat().st_mtime)
