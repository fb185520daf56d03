"""Netting on one side: reversals, and invoices credited and issued again."""

from __future__ import annotations

import polars as pl

from engine.reconcile.frames import LEFT, RIGHT, Found, PassSpec
from engine.reconcile.singles import match_singles


def net_lines(left: pl.DataFrame, right: pl.DataFrame, spec: PassSpec, found: Found) -> None:
    """Match lines of one side that cancel: a whole key that sums to zero, else one line against one."""
    for side, lines, name in ((LEFT, left, "left"), (RIGHT, right, "right")):
        if spec.side in ("both", name):
            _net_side(lines, side, spec, found)


def _net_side(lines: pl.DataFrame, side: int, spec: PassSpec, found: Found) -> None:
    zero = pl.lit(0, dtype=pl.Int64).cast(lines.schema["amount"])
    grouped = lines.group_by("key").agg(
        pl.col("amount").sum().alias("sum"), pl.len().alias("lines"),
        pl.col("amount").filter(pl.col("amount") > 0).sum().alias("up"),
        (-pl.col("amount").filter(pl.col("amount") < 0).sum()).alias("down"),
    )  # fmt: skip
    both_signs = (pl.col("up") > zero) & (pl.col("down") > zero)
    whole = grouped.filter(both_signs & spec.tolerance.holds(pl.col("up"), pl.col("down"))).sort("key").with_row_index("match")
    if whole.height:
        matches = whole.select(
            "match", pl.col("up").alias("left_amount"), pl.col("down").alias("right_amount"), pl.col("sum").alias("residual"),
            pl.lit("confirmed").alias("status"), pl.lit(f"{spec.id}: the lines of the key cancel").alias("reason"),
        )  # fmt: skip
        members = lines.join(whole.select("key", "match"), on="key").select("match", "row", pl.lit(side, dtype=pl.UInt8).alias("side"))
        found.add(spec.place, matches, members)
    rest = lines.join(grouped.filter(both_signs).select("key"), on="key", how="semi").join(whole.select("key"), on="key", how="anti")
    if rest.height == 0 or not spec.search:
        return
    pairs = Found(count=0)
    down = rest.filter(pl.col("amount") < 0).with_columns(-pl.col("amount"))
    match_singles(rest.filter(pl.col("amount") > 0), down, spec, pairs)
    for matches, members in zip(pairs.matches, pairs.members, strict=True):
        start = matches["match"].min()
        assert isinstance(start, int)
        back = pl.col("match") - start
        found.add(
            spec.place,
            matches.with_columns(back, pl.lit(side).alias("alternative_side")),
            members.with_columns(back, pl.lit(side, dtype=pl.UInt8).alias("side")),
        )
    for note in pairs.notes:
        found.note(side, note["row"], note["reason"][0])
