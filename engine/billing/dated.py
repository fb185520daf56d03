"""Looking up what held on a day: rates, assignments, exchange rates, fiscal periods.

The reference side is small and is cut, once, into days from which another row holds. A record
then needs one join (for its key) and one binary search (for its day), whatever the overlaps.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

# Days of one key never reach those of the next: about 2,700 years.
_SPAN: Final = 1_000_000
_FIRST: Final = dt.date(1, 1, 1)
_LAST: Final = dt.date(2500, 1, 1)
_CODE: Final = "→code"


@dataclass(frozen=True, slots=True)
class DatedTable:
    """Hold, by key and day, which row of `values` holds."""

    keys: tuple[str, ...]
    codes: pl.DataFrame
    points: pl.Series
    owners: pl.Series
    rows: pl.Series
    values: pl.DataFrame

    def lookup(self, frame: pl.LazyFrame, on: Mapping[str, pl.Expr], day: pl.Expr, names: Mapping[str, str]) -> pl.LazyFrame:
        """Add the values that hold on each row's day; null where none does.

        `on` says by which expression each key is found, `names` which value becomes which column.
        """
        if not self.points.len():
            return frame.with_columns(pl.lit(None, dtype=self.values.schema[name]).alias(new) for name, new in names.items())
        keyed = frame.with_columns(on[key].alias(f"→{key}") for key in self.keys)
        renamed = self.codes.lazy().rename({key: f"→{key}" for key in self.keys})
        joined = keyed.join(renamed, on=[f"→{key}" for key in self.keys], how="left", maintain_order="left")
        place = pl.lit(self.points).search_sorted(pl.col(_CODE) * _SPAN + _number(day), side="right").cast(pl.Int64) - 1
        place = pl.when((place >= 0) & pl.col(_CODE).is_not_null() & day.is_not_null()).then(place)
        own = pl.when(pl.lit(self.owners).gather(pl.col("→place")) == pl.col(_CODE)).then(pl.col("→place"))
        row = pl.lit(self.rows).gather(own)
        located = joined.with_columns(place.alias("→place")).with_columns(row.alias("→row"))
        found = located.with_columns(pl.lit(self.values[name]).gather(pl.col("→row")).alias(new) for name, new in names.items())
        return found.drop(*(f"→{key}" for key in self.keys), _CODE, "→place", "→row")


def dated_table(
    frame: pl.DataFrame, keys: Sequence[str], starts: str, ends: str | None, values: Sequence[str], order: Sequence[str] = ()
) -> DatedTable:
    """Cut a reference frame into the days from which each row holds.

    A missing start is the beginning, a missing end no end; the last day is included. Of several
    rows that hold on a day the one that starts last counts, then the last by `order`. Rows that
    miss a key are left out. Without `ends` a row holds until the next of its key.
    """
    kept = frame.drop_nulls(list(keys)).with_row_index("→row")
    codes = kept.select(keys).unique().sort(keys).with_row_index(_CODE).with_columns(pl.col(_CODE).cast(pl.Int64))
    held = kept.join(codes, on=list(keys), how="inner").select(
        "→row", _CODE, *order,
        pl.col(starts).cast(pl.Date).fill_null(_FIRST).alias("→from"),
        (pl.lit(_LAST) if ends is None else pl.col(ends).cast(pl.Date).fill_null(_LAST)).alias("→to"),
    )  # fmt: skip
    best = ["→from", *order]
    if ends is None:
        pieces = held.sort(_CODE, *best, nulls_last=False).unique([_CODE, "→from"], keep="last", maintain_order=True)
        pieces = pieces.select(_CODE, pl.col("→from").alias("→point"), "→row")
    else:
        pieces = _pieces(held, best)
    pieces = pieces.sort(_CODE, "→point")
    points = pieces.select(pl.col(_CODE) * _SPAN + _number(pl.col("→point"))).to_series()
    return DatedTable(tuple(keys), codes, points, pieces[_CODE], pieces["→row"], kept.select(values))


def _pieces(held: pl.DataFrame, best: list[str]) -> pl.DataFrame:
    """Return the days on which another row begins to hold; no row where none does."""
    held = held.filter(pl.col("→from") <= pl.col("→to"))
    after = (pl.col("→to") + pl.duration(days=1)).cast(pl.Date)
    points = pl.concat([held.select(_CODE, pl.col("→from").alias("→point")), held.select(_CODE, after.alias("→point"))]).unique()
    covering = points.join(held, on=_CODE, how="inner").filter(pl.col("→point").is_between("→from", "→to"))
    chosen = covering.sort(_CODE, "→point", *best, nulls_last=False).unique([_CODE, "→point"], keep="last", maintain_order=True)
    return points.join(chosen.select(_CODE, "→point", "→row"), on=[_CODE, "→point"], how="left")


def _number(day: pl.Expr) -> pl.Expr:
    """Return a day's number, positive for every date a calendar has."""
    return day.cast(pl.Date).cast(pl.Int32).cast(pl.Int64) + 720_000
