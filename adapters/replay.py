"""Performing a run again from its own inputs, and comparing: to the byte, or to what differs."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from adapters.compare import changed_inputs
from adapters.decided import kept_decisions
from adapters.publish import INPUTS, MANIFEST
from adapters.run import engine_version, run_snapshot
from engine.errors import UsageError

# Data Docs alone may hold clock times.
_NOT_COMPARED: Final = ("quality/docs/",)


@dataclass(frozen=True, slots=True)
class Replayed:
    """Hold what came of a replay: files that are the same, and what is wrong with the others."""

    run_id: str
    same: tuple[str, ...]
    different: tuple[tuple[str, str], ...]
    engine_changed: bool
    inputs_changed: tuple[tuple[str, str], ...] = ()
    """Each file of the snapshots that is not as the run read it, and how; no run is performed again from others."""

    @property
    def is_same(self) -> bool:
        """Say whether every file came out the same, to the byte."""
        return not self.different


def replay_run(
    run_dir: Path, snapshot: Path, previous: Path | None = None, progress: Callable[[str], None] = lambda _: None
) -> Replayed:  # fmt: skip
    """Run a snapshot again with the policies and mappings the run kept, and compare every file.

    Raises UsageError when the run kept no inputs, or was made with a previous snapshot that is not given.
    """
    manifest = json.loads((run_dir / MANIFEST).read_text(encoding="utf-8"))
    inputs = run_dir / INPUTS
    if not (inputs / "policies").is_dir():
        raise UsageError(f"The run {run_dir.name} kept no policies.", "Run its snapshot again; later runs can be replayed.")
    if manifest["previous_snapshot"] is not None and previous is None:
        name = manifest["previous_snapshot"]
        raise UsageError(f"The run was made with the previous snapshot {name}.", "Give its folder with --previous.")
    mappings = inputs / "mappings"
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        again = run_snapshot(
            snapshot, policies=inputs / "policies", mappings=mappings if mappings.is_dir() else None, as_of=_day(manifest["as_of"]),
            known_on=_day(manifest["known_on"]), previous=previous, out=Path(folder), decided=kept_decisions(inputs),
            check_approval=False, progress=progress,
        )  # fmt: skip
        same, different = _compared(run_dir, again.run_dir)
    edited = tuple(changed_inputs(manifest, again.manifest).items())
    return Replayed(manifest["run_id"], tuple(same), tuple(different), manifest["engine_version"] != engine_version(), edited)


def _day(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def _compared(first: Path, second: Path) -> tuple[list[str], list[tuple[str, str]]]:
    names = sorted(set(_files(first)) | set(_files(second)))
    same: list[str] = []
    different: list[tuple[str, str]] = []
    for name in names:
        problem = _difference(first / name, second / name)
        if problem is None:
            same.append(name)
        else:
            different.append((name, problem))
    return same, different


def _files(folder: Path) -> list[str]:
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [name for name in names if not name.startswith(_NOT_COMPARED)]


def _difference(first: Path, second: Path) -> str | None:
    if not first.is_file():
        return "only the replay has it"
    if not second.is_file():
        return "the replay does not have it"
    if hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest():
        return None
    if first.suffix != ".parquet":
        return "the bytes differ"
    try:
        left, right = pl.read_parquet(first), pl.read_parquet(second)
    except pl.exceptions.PolarsError:
        return "the file is damaged"
    if left.height != right.height:
        return f"{left.height:,} rows, the replay has {right.height:,}"
    if left.schema != right.schema:
        return "the columns differ"
    columns = [name for name in left.columns if not left[name].equals(right[name], null_equal=True)]
    return f"the columns {', '.join(columns)} differ" if columns else "the rows are the same, the bytes differ"
