"""The frames in which lines and matches stand while they are matched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import polars as pl

from engine.reconcile.tolerance import WIDE, Budget, Tolerance

Shape = Literal["one_to_one", "one_to_many", "many_to_one", "many_to_many", "net"]

SEPARATOR: Final = "\x1f"
"""Stands between the parts of a key."""

LEFT: Final = 0
RIGHT: Final = 1

MEMBERS: Final = {"match": pl.UInt32(), "side": pl.UInt8(), "row": pl.UInt32()}
"""Which line belongs to which match; a line stands here at most once."""

MATCHES: Final = {
    "match": pl.UInt32(), "pass": pl.UInt16(), "left_amount": WIDE, "right_amount": WIDE, "residual": WIDE,
    "status": pl.String(), "reason": pl.String(), "alternatives": pl.List(pl.UInt32()), "alternative_side": pl.UInt8(),
}  # fmt: skip
"""One row a match: its pass, both sums, what is left over, and why it is confirmed or only suggested."""


@dataclass(frozen=True, slots=True)
class PassSpec:
    """Hold one pass: which lines may meet and how far apart they may be.

    Lines stand in columns `key_<place>` and, with a window, `from_<place>` and `to_<place>`. `days`
    widens the window. `side` limits a netting pass. `leave` keeps doubtful lines for later passes;
    without `search` a key matches as a whole or not at all. With `together` the lines of a key that
    do not tie are suggested as one match.
    """

    place: int
    id: str
    match: Shape
    tolerance: Tolerance = field(default_factory=Tolerance)
    days: int | None = None
    side: Literal["left", "right", "both"] = "both"
    leave: bool = False
    budget: Budget | None = None
    search: bool = True
    together: bool = False

    @property
    def key(self) -> str:
        """Return the column of the pass's key."""
        return f"key_{self.place}"


@dataclass(slots=True)
class Found:
    """Gather what passes found: matches with their members, and why some lines are left over."""

    members: list[pl.DataFrame] = field(default_factory=list)
    matches: list[pl.DataFrame] = field(default_factory=list)
    notes: list[pl.DataFrame] = field(default_factory=list)
    count: int = 0

    def add(self, place: int, matches: pl.DataFrame, members: pl.DataFrame) -> None:
        """Add matches numbered from 0 in `match`, with their members; numbers become unique."""
        start = self.count
        self.count += matches.height
        numbered = matches.with_columns(pl.lit(place, dtype=pl.UInt16).alias("pass"))
        self.matches.append(_to_schema(numbered, MATCHES).with_columns(pl.col("match") + start))
        self.members.append(_to_schema(members, MEMBERS).with_columns(pl.col("match") + start))

    def note(self, side: int, rows: pl.Series, reason: str) -> None:
        """Say why lines of a side are left over."""
        if rows.len():
            frame = pl.DataFrame({"row": rows.cast(pl.UInt32)})
            self.notes.append(frame.select(pl.lit(side, dtype=pl.UInt8).alias("side"), "row", pl.lit(reason).alias("reason")))


def coded(key: pl.Series) -> pl.Series:
    """Return a number for the text of each key: equal texts have equal numbers, and others almost never."""
    return key.hash(seed=20_261)


def _to_schema(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    present = set(frame.columns)
    return frame.select(
        pl.col(name).cast(dtype) if name in present else pl.lit(None, dtype=dtype).alias(name) for name, dtype in schema.items()
    )


@dataclass(slots=True)
class Pool:
    """Hold one side's lines and which of them are used; `row` is a line's place in `lines`.

    With `by_currency` the currency is part of every key.
    """

    side: int
    lines: pl.DataFrame
    used: np.ndarray
    by_currency: bool = False

    @classmethod
    def of(cls, side: int, lines: pl.DataFrame, *, by_currency: bool = False) -> Pool:
        """Return a pool of lines, in the order of `row`, none of which is used."""
        ordered = lines if lines["row"].is_sorted() else lines.sort("row")
        return cls(side, ordered, np.zeros(lines.height, dtype=bool), by_currency)

    def open(self, spec: PassSpec) -> pl.DataFrame:
        """Return the unused lines that have a key in the pass: row, amount, key, window and, by currency, `currency`."""
        columns = [pl.col("row"), pl.col("amount"), pl.col(spec.key).alias("key")]
        if self.by_currency:
            columns.append(pl.col("currency").fill_null(""))
        if spec.days is not None:
            columns += [pl.col(f"from_{spec.place}").alias("from"), pl.col(f"to_{spec.place}").alias("to")]
        keep = ~self.used
        if self.lines[spec.key].null_count():
            keep = keep & self.lines[spec.key].is_not_null().to_numpy()
        lines = self.lines.lazy().select(columns)
        return lines.collect() if keep.all() else lines.filter(pl.Series(keep)).collect()

    def use(self, rows: pl.Series) -> None:
        """Mark lines as used."""
        self.used[rows.to_numpy()] = True
