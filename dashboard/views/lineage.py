"""Where a number comes from: from a record or an entry over what was decided back to file and row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from dashboard.views.record import find_records, told_of
from dashboard.views.workspace import RunEntry

MOST: Final = 200
"""Source rows that are named; the rest is counted."""

# Grey is read on a light page and on a dark one.
_LOOK: Final = (
    'node [shape=box, style="rounded", fontname="sans-serif", fontsize=11, color="#888888", fontcolor="#888888"]; '
    'edge [color="#888888", fontcolor="#888888"];'
)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Hold the source rows of a record by what they came through: `places` by output, and how many there are in all."""

    identity: str
    places: dict[str, list[str]]
    counts: dict[str, int]


def lineage(run: RunEntry, identity: str) -> Lineage:
    """Return the source rows of a record and of every output that speaks of it."""
    places: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for entity, row in find_records(run, identity):
        found = [str(each) for each in row.get("evidence") or []]
        places[entity], counts[entity] = found[:MOST], len(found)
    for name, frame in told_of(run, identity).items():
        if "evidence" not in frame.collect_schema().names():
            continue
        told = frame.select(pl.col("evidence").explode(empty_as_null=True, keep_nulls=True))
        number = pl.col("evidence").str.extract(r":(\d+)$").cast(pl.Int64)
        rows = told.drop_nulls().unique().sort(pl.col("evidence").str.replace(r":\d+$", ""), number, "evidence").collect()
        if rows.height:
            places[name], counts[name] = rows["evidence"].head(MOST).to_list(), rows.height
    return Lineage(identity, places, counts)


def picture(found: Lineage) -> str:
    """Return the lineage as a graph in the DOT language: files on the left, what came of them, the record on the right."""
    lines = ["digraph {", "rankdir=LR; bgcolor=transparent;", _LOOK]
    lines.append(f"{_quoted('record')} [label={_quoted(found.identity)}, penwidth=2];")
    for name, places in found.places.items():
        label = f"{name.replace('_', ' ')}\\n{found.counts[name]:,} source rows"
        lines += [f"{_quoted('o:' + name)} [label={_quoted(label)}];", f"{_quoted('o:' + name)} -> record;"]
        files: dict[str, int] = {}
        for place in places:
            files[place.rpartition(":")[0]] = files.get(place.rpartition(":")[0], 0) + 1
        for file, count in files.items():
            more = "rows" if count > 1 else "row"
            lines += [f"{_quoted('f:' + file)} [label={_quoted(file)}, shape=note];"]
            lines += [f"{_quoted('f:' + file)} -> {_quoted('o:' + name)} [label={_quoted(f'{count:,} {more}')}, fontsize=9];"]
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    return '"' + text.replace('"', r"\"") + '"'
