"""Sums over a whole run that pages show: made once, kept beside the runs, read by every later visit."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import polars as pl

from adapters.publish import SUMMARIES
from adapters.sight import EVERYTHING
from dashboard.views.workspace import RunEntry

_VERSION: Final = 1
"""Counted up when a sum is made otherwise than before."""

Make = Callable[[RunEntry], pl.DataFrame]


def kept(run: RunEntry, name: str, make: Make) -> pl.DataFrame:
    """Return a sum over a run: the one that stands, else made now and kept where the disk lets us.

    A person who sees a part of the run gets a sum of that part, kept in memory alone.
    """
    return _kept(run, name, make)


@functools.lru_cache(maxsize=64)
def _kept(run: RunEntry, name: str, make: Make) -> pl.DataFrame:
    if run.sight != EVERYTHING:
        return make(run)
    path = run.folder.parent / SUMMARIES / run.run_id / f"{name}-{_VERSION}.parquet"
    # A file that is not there or damaged is made again.
    with contextlib.suppress(OSError, pl.exceptions.PolarsError):
        return pl.read_parquet(path)
    made = make(run)
    with contextlib.suppress(OSError, pl.exceptions.PolarsError):
        _write(made, path)
    return made


def _write(frame: pl.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
    os.close(handle)
    frame.write_parquet(partial)
    Path(partial).replace(path)
