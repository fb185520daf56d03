"""Where the results, the store and the policies lie, and which runs there are."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from adapters.policy_folder import SHIPPED
from adapters.publish import MANIFEST, read_manifest
from adapters.sight import EVERYTHING, Sight, seen
from adapters.store.database import STORE_FILE, Store, open_store, store_url
from adapters.store.runs import list_runs as stored_runs
from adapters.store.runs import scope_of
from engine.errors import StoreError

OUT_VARIABLE: Final = "TIEOUT_OUT"
POLICIES_VARIABLE: Final = "TIEOUT_POLICIES"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Hold the folder of runs, the store's address and the policy folder."""

    out: Path
    store: str
    policies: Path

    @classmethod
    def from_environment(cls) -> Workspace:
        """Return the workspace that TIEOUT_OUT, TIEOUT_STORE and TIEOUT_POLICIES name; `runs` and the shipped policies else."""
        out = Path(os.environ.get(OUT_VARIABLE) or "runs")
        return cls(out, store_url(out), Path(os.environ.get(POLICIES_VARIABLE) or SHIPPED))

    def has_store(self) -> bool:
        """Say whether there is a store; a file that is not there yet is none, and looking must not make it."""
        path = self.out / STORE_FILE
        return self.store != f"sqlite:///{path}" or path.is_file()

    def open_store(self) -> Store:
        """Open the store. Raises StoreError when there is none, or it cannot be reached."""
        if not self.has_store():
            raise StoreError(f"There is no case store in {self.out}.", "Run a snapshot first: `tieout run SNAPSHOT`.")
        return open_store(self.store)


@dataclass(frozen=True, slots=True)
class RunEntry:
    """Say what a run is of, and where its results lie."""

    run_id: str
    scope: str
    snapshot: str
    as_of: dt.date
    findings: int
    published_at: dt.datetime | None
    folder: Path
    snapshot_folder: Path | None = None
    previous_folder: Path | None = None
    sight: Sight = EVERYTHING
    """What the person who looks sees of it."""

    @property
    def label(self) -> str:
        """Return the words a person chooses a run by."""
        return f"{self.as_of} · {self.scope} · {self.run_id[:7]}"


def find_runs(workspace: Workspace) -> list[RunEntry]:
    """Return the runs whose results stand, the latest business date first.

    The store knows them; where there is none, the folders are asked.
    """
    known = _stored(workspace) if workspace.has_store() else []
    named = {each.run_id for each in known}
    folders = workspace.out.glob(f"*/{MANIFEST}") if workspace.out.is_dir() else ()
    # A run whose entry in the store failed stands all the same.
    known += [found for path in folders if path.parent.name not in named and (found := _from_folder(path.parent)) is not None]
    oldest = dt.datetime.min.replace(tzinfo=dt.UTC)
    return sorted(known, key=lambda each: (each.as_of, each.published_at or oldest, each.run_id), reverse=True)


def _stored(workspace: Workspace) -> list[RunEntry]:
    store = workspace.open_store()
    try:
        with store.read() as session:
            return [
                RunEntry(
                    each.run_id,
                    each.scope,
                    each.snapshot or each.scope,
                    each.as_of,
                    each.findings,
                    each.published_at,
                    workspace.out / each.run_id,
                    _path(each.came_from.get("snapshot")),
                    _path(each.came_from.get("previous")),
                )
                for each in stored_runs(session)
                if (workspace.out / each.run_id / MANIFEST).is_file()
            ]
    finally:
        store.close()


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _from_folder(folder: Path) -> RunEntry | None:
    try:
        found = read_manifest(folder)
        scope = scope_of(found)
        return RunEntry(
            found["run_id"], scope, found["snapshot"] or scope, dt.date.fromisoformat(found["as_of"]),
            int(found["counts"]["findings"]), None, folder,
        )  # fmt: skip
    except (StoreError, KeyError, ValueError):
        return None


def output(run: RunEntry, name: str) -> pl.LazyFrame | None:
    """Return what a person sees of an output of a run, unread, or None when the run has none of that name.

    Raises StoreError when the file is damaged.
    """
    path = run.folder / f"{name}.parquet"
    if not path.is_file():
        return None
    frame = pl.scan_parquet(path)
    try:
        frame.collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise damaged(run.folder, name) from error
    return seen(run.folder, name, frame, run.sight)


def lies(run: RunEntry, name: str) -> Hashable:
    """Return what names a published output whose rows a person sees all of, as they lie; None where they see a part."""
    return (run.folder, name) if run.sight == EVERYTHING else None


def damaged(folder: Path, name: str) -> StoreError:
    """Return the error that says an output cannot be read."""
    return StoreError(f"The file {name}.parquet of the run {folder.name} is damaged.", "Run its snapshot again.")
