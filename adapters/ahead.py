"""Outputs made ready to publish while later stages decide."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import polars as pl

from adapters.agreed import agreed_output
from adapters.publish import Encoded, encoded
from engine.pipeline import GOLDEN


class AheadWriter:
    """Make the file of each output as soon as its stage gave it; use it as a context."""

    def __init__(self) -> None:
        self._beside = ThreadPoolExecutor(1)
        self._begun: dict[str, tuple[pl.LazyFrame, Future[Encoded]]] = {}

    def __enter__(self) -> AheadWriter:
        return self

    def __exit__(self, *_: object) -> None:
        # A run that fails does not wait for files nobody will have.
        self._beside.shutdown(cancel_futures=True)

    def begin(self, frames: Mapping[str, pl.LazyFrame]) -> None:
        """Take outputs by name; one given again, as a later stage added to it, is made anew."""
        for name, frame in frames.items():
            if name in self._begun:
                self._begun.pop(name)[1].cancel()
            self._begun[name] = (frame, self._beside.submit(_ready, frame, name))

    def ready(self, frames: Mapping[str, pl.LazyFrame]) -> dict[str, Encoded | pl.DataFrame]:
        """Return every output by name: its file where it was begun and is still the same, else its rows."""
        found: dict[str, Encoded | pl.DataFrame] = {}
        for name, frame in frames.items():
            begun, file = self._begun.get(name, (None, None))
            found[name] = file.result() if file is not None and begun is frame else _output(frame, name)
        return found


def _ready(frame: pl.LazyFrame, name: str) -> Encoded:
    return encoded(_output(frame, name))


def _output(frame: pl.LazyFrame, name: str) -> pl.DataFrame:
    """Return an output as it is published: agreed records with their hash and sorted by key."""
    made = frame.collect()
    return agreed_output(made, name.removeprefix(GOLDEN)) if name.startswith(GOLDEN) else made
