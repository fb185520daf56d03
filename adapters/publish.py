"""Publishing a run: everything is written beside its place and moved there in one step.

A run's folder is named by the hash of all that decides its content, so running again finds it
and does nothing. A crash leaves a partial folder that the next run removes, never half a run.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from engine.errors import StoreError

MANIFEST = "manifest.json"
INPUTS = "inputs"
_PARTIAL = ".partial-"

# Fixed, so that the bytes do not depend on how many threads wrote them.
_ROW_GROUP = 250_000


def is_published(out: Path, run_id: str) -> bool:
    """Say whether a run stands complete in its place."""
    return (out / run_id / MANIFEST).is_file()


def publish_run(
    out: Path, run_id: str, frames: dict[str, pl.DataFrame], manifest: dict[str, Any], inputs: Mapping[str, bytes] | None = None
) -> Path:
    """Write a run's frames and manifest; return its folder. Raises StoreError when it cannot.

    `inputs` are the policies and mappings the run was made with, by their path below `inputs/`: with
    the snapshot they are all it takes to make it again.
    """
    target = out / run_id
    partial = out / f"{_PARTIAL}{run_id}-{uuid.uuid4().hex[:8]}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        for name, frame in sorted(frames.items()):
            _write_parquet(frame, partial / f"{name}.parquet")
        for name, content in sorted((inputs or {}).items()):
            _write_bytes(content, partial / INPUTS / name)
        text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, default=str) + "\n"
        _write_text(text, partial / MANIFEST)
        _move(partial, target)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "the disk refused"
        raise StoreError(f"The run could not be written to {out}: {reason}.", "Free space or choose another --out.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _move(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError:
        # Another process published the same run meanwhile: same id, same content.
        if not (target / MANIFEST).is_file():
            raise


def _write_parquet(frame: pl.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        frame.write_parquet(path, compression="zstd", compression_level=3, row_group_size=_ROW_GROUP, statistics=True)
    except pl.exceptions.PolarsError as error:
        raise OSError(5, str(error)) from error
    _sync(path)


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
    """Remove partial folders that a crashed run left behind."""
    if out.is_dir():
        for path in out.glob(f"{_PARTIAL}*"):
            shutil.rmtree(path, ignore_errors=True)


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
