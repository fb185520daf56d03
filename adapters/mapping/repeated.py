"""Records that one system exports more than once, in several sources or by several rules: the first counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from adapters.mapping.casting import REASONS
from engine.canonical.schema import EntitySpec, entity_spec
from engine.readings import HELD_SCHEMA, VALUE_SHOWN

_PART: Final = "→part"
_PLACE: Final = ("source_file", "source_row")
_REASON: Final = "duplicate_key"


@dataclass(frozen=True, slots=True)
class Part:
    """Hold the finished records of one entity rule; `source`: the place of its source in the snapshot."""

    source: int
    frame: pl.DataFrame
    distinct: bool


@dataclass(slots=True)
class EachOnce:
    """Hold the records with each key once, the held rows by source, and by source and file how many rows changed their outcome."""

    records: dict[str, pl.DataFrame] = field(default_factory=dict)
    held: list[tuple[int, pl.DataFrame]] = field(default_factory=list)
    now_held: list[tuple[int, str, int]] = field(default_factory=list)
    now_repeated: list[tuple[int, str, int]] = field(default_factory=list)


def each_once(records: Mapping[str, Sequence[Part]], held: Sequence[pl.DataFrame]) -> EachOnce:
    """Return the records of every entity, each key of a system once, where several parts name one.

    A later record that is the same in every field is a repeat, whose row is set aside unless it made another record, too; one that
    says otherwise is held (`duplicate_key`). Rules with `distinct` may name a record again without a word. `held`: the rows
    held so far, by source.
    """
    result = EachOnce()
    parted: dict[str, pl.DataFrame] = {}
    conflicts: list[pl.DataFrame] = []
    repeats: list[pl.DataFrame] = []
    for name, parts in records.items():
        quiet = [at for at, each in enumerate(parts) if each.distinct]
        split = _split(entity_spec(name), _parted(parts), quiet) if len(parts) > 1 else None
        if split is None:
            result.records[name] = pl.concat(each.frame for each in parts)
            continue
        parted[name] = split[0]
        result.records[name] = split[0].drop(_PART)
        conflicts.append(_of_source(split[1], parts))
        repeats.append(_of_source(split[2], parts))
    if not any(each.height for each in (*conflicts, *repeats)):
        return result
    kept = pl.concat(
        _of_source(parted.get(name, pl.concat(_parted(parts))), parts).select("→source", *_PLACE) for name, parts in records.items()
    )
    known = [kept, *(_known(at, frame) for at, frame in enumerate(held))]
    every = pl.concat(conflicts)
    result.held = [(int(at), rows.select(list(HELD_SCHEMA))) for (at,), rows in every.partition_by("→source", as_dict=True).items()]
    result.now_held = _counted(every, known[1:])
    result.now_repeated = _counted(pl.concat(repeats), [*known, every.select("→source", *_PLACE)])
    return result


def _parted(parts: Sequence[Part]) -> list[pl.DataFrame]:
    return [each.frame.with_columns(pl.lit(at, dtype=pl.Int64).alias(_PART)) for at, each in enumerate(parts)]


def _split(spec: EntitySpec, frames: Sequence[pl.DataFrame], quiet: Sequence[int]) -> tuple[pl.DataFrame, ...] | None:
    """Return the first record of each key, those that say otherwise as held rows, and the repeats; None where no key stands twice."""
    whole = pl.concat(frames)
    again = ~whole.select(pl.struct([*spec.keys, "source_system"]).is_first_distinct()).to_series()
    if not again.any():
        return None
    firsts = whole.filter(~again)
    later = whole.filter(again).filter(~pl.col(_PART).is_in(quiet)).with_row_index("→at")
    same = later.join(firsts, on=[*spec.fields, "source_system"], how="semi", nulls_equal=True)
    shown = pl.concat_str([pl.col(name).cast(pl.String) for name in spec.keys], separator="|")
    told = {
        "file": pl.col("source_file"), "row": pl.col("source_row"), "entity": pl.lit(spec.name), "field": pl.lit("|".join(spec.keys)),
        "value": shown.str.slice(0, VALUE_SHOWN), "reason": pl.lit(_REASON), "remedy": pl.lit(REASONS[_REASON]),
    }  # fmt: skip
    conflicts = later.join(same, on="→at", how="anti").select(
        _PART, *_PLACE, *(told[name].cast(dtype).alias(name) for name, dtype in HELD_SCHEMA.items())
    )
    return firsts, conflicts, same.select(_PART, *_PLACE)


def _of_source(rows: pl.DataFrame, parts: Sequence[Part]) -> pl.DataFrame:
    sources = pl.col(_PART).replace_strict({at: each.source for at, each in enumerate(parts)}, return_dtype=pl.Int64)
    return rows.with_columns(sources.alias("→source")).drop(_PART)


def _known(at: int, held: pl.DataFrame) -> pl.DataFrame:
    return held.select(pl.lit(at, dtype=pl.Int64).alias("→source"), pl.col("file").alias(_PLACE[0]), pl.col("row").alias(_PLACE[1]))


def _counted(rows: pl.DataFrame, known: Sequence[pl.DataFrame]) -> list[tuple[int, str, int]]:
    """Return by source and file how many rows there are whose outcome nothing else decides."""
    place = ["→source", *_PLACE]
    new = rows.select(place).unique().join(pl.concat([rows.select(place).clear(), *known]), on=place, how="anti")
    return new.group_by(place[:2]).len().sort(place[:2]).rows()


__all__ = ["EachOnce", "Part", "each_once"]
