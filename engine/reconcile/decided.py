"""Matches people decided: confirmed ones stand before any pass, refused ones are never made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from engine.reconcile.frames import LEFT, RIGHT, Found
from engine.reconcile.tolerance import WIDE
from engine.stage import Facts

OUTPUT: Final = "decided_matches"
"""The name under which people's decisions stand among the facts: one row a line of a decided match."""

PASS: Final = "decided"
"""What a match that a person confirmed says for its pass."""

_NO_ROWS: Final = {"decision": pl.Int64(), "side": pl.UInt8(), "row": pl.UInt32(), "reason": pl.String(), "size": pl.UInt32()}


@dataclass(frozen=True, slots=True)
class Decided:
    """Hold the lines of decided matches by their place on each side: decision, side, row, reason, and how many lines it has."""

    confirmed: pl.DataFrame
    refused: pl.DataFrame


def decided_of(facts: Facts, reconciliation: str, left: pl.DataFrame, right: pl.DataFrame) -> Decided | None:
    """Return what people decided of a reconciliation and still stands, or None.

    A decision stands while each of its lines is there once; a confirmed match also while as much is left over as was
    when it was decided. What does not stand any more is matched as if nobody had spoken.
    """
    frame = facts.frame(OUTPUT)
    if frame is None:
        return None
    said = frame.filter(pl.col("reconciliation") == reconciliation).collect()
    if said.is_empty():
        return None
    said = said.with_columns(pl.len().over("decision").alias("size"), pl.format("{} by {} on {}", "verdict", "by", "on").alias("reason"))
    parts = []
    for side, name, lines in ((LEFT, "left", left), (RIGHT, "right", right)):
        at = lines.select("row", "entity", pl.col("id").alias("entity_id"), pl.col("amount").cast(WIDE))
        found = said.filter(pl.col("side") == name).join(at, on=["entity", "entity_id"], how="inner")
        parts.append(found.with_columns(pl.lit(side, dtype=pl.UInt8).alias("side")))
    rows = pl.concat(parts)
    signed = pl.when(pl.col("side") == LEFT).then("amount").otherwise(-pl.col("amount")).sum().over("decision")
    whole = (pl.len().over("decision") == pl.col("size")) & (pl.struct("side", "row").n_unique().over("decision") == pl.col("size"))
    same = pl.col("residual").is_null() | (signed == pl.col("residual").cast(WIDE))
    told = [pl.col(name).cast(dtype) for name, dtype in _NO_ROWS.items()]
    standing = rows.filter(whole).sort("decision", "side", "row")
    confirmed = standing.filter((pl.col("verdict") == "confirmed") & same).select(*told, "amount")
    # A line is in one match only: of two words on it the later one counts.
    taken_later = (pl.col("decision") != pl.col("decision").max().over("side", "row")).any().over("decision")
    return Decided(confirmed.filter(~taken_later), standing.filter(pl.col("verdict") == "refused").select(told))


def add_confirmed(decided: Decided, place: int, found: Found) -> pl.DataFrame:
    """Add the confirmed matches as a pass of their own; return their lines (side, row)."""
    rows = decided.confirmed
    if rows.is_empty():
        return rows
    rows = rows.with_columns(pl.col("decision").rank("dense").cast(pl.UInt32).sub(1).alias("match"))
    sums = [
        pl.col("amount").filter(pl.col("side") == side).sum().cast(WIDE).alias(name)
        for side, name in ((LEFT, "left_amount"), (RIGHT, "right_amount"))
    ]
    matches = rows.group_by("match", maintain_order=True).agg(*sums, pl.col("reason").first()).sort("match").with_columns(
        (pl.col("left_amount") - pl.col("right_amount")).alias("residual"), pl.lit("confirmed").alias("status")
    )  # fmt: skip
    found.add(place, matches, rows.select("match", "side", "row"))
    return rows


def refused_matches(decided: Decided, members: pl.DataFrame) -> pl.DataFrame:
    """Return the matches of a pass that are just what somebody refused, with the reason: match, reason."""
    sizes = members.group_by("match").agg(pl.len().alias("lines"))
    met = (
        members.join(decided.refused, on=["side", "row"], how="inner")
        .group_by("match", "decision", "size", "reason")
        .agg(pl.len().alias("met"))
    )
    same = met.join(sizes, on="match", how="inner").filter((pl.col("met") == pl.col("size")) & (pl.col("met") == pl.col("lines")))
    return same.sort("match", "decision").unique("match", keep="last", maintain_order=True).select("match", "reason")
