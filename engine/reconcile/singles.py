"""One line against one line: keys that decide alone in one pass, the rest by the best assignment."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import numpy as np
import polars as pl

from engine.reconcile import assignment
from engine.reconcile.frames import LEFT, RIGHT, Found, PassSpec

# A day apart weighs less than the smallest difference of amounts.
_DAYS: Final = 100_000
_UNIT: Final = Decimal("0.000001")
_SHOWN: Final = 5

_PAIR: Final = ("left", "right", "left_amount", "right_amount")


def match_singles(left: pl.DataFrame, right: pl.DataFrame, spec: PassSpec, found: Found) -> None:
    """Pair lines of equal keys; where several lines share a key, by the best assignment of their block."""
    if left.schema["key"] == pl.UInt32 and left.height and right.height:
        pairs = _by_code(left, right, spec, found)
    else:
        shared = _repeated_keys(left, right)
        if shared.height:
            of_block = [lines.join(shared, on="key", how="semi") for lines in (left, right)]
            left, right = (lines.join(shared, on="key", how="anti") for lines in (left, right))
            _match_blocks(of_block[0], of_block[1], spec, found)
        pairs = _pairs(left, right)
    _confirm(_permitted(pairs, spec), f"{spec.id}: same key, one line on each side", spec, found)


def _by_code(left: pl.DataFrame, right: pl.DataFrame, spec: PassSpec, found: Found) -> pl.DataFrame:
    """Return the pairs of keys that stand once on each side, found by their place; blocks are matched."""
    codes = left["key"].to_numpy(), right["key"].to_numpy()
    size = int(max(each.max() for each in codes)) + 1
    counts = [np.bincount(each, minlength=size) for each in codes]
    single = (counts[0] == 1) & (counts[1] == 1)
    shared = (counts[0] > 0) & (counts[1] > 0) & ~single
    if shared.any():
        _match_blocks(left.filter(pl.Series(shared[codes[0]])), right.filter(pl.Series(shared[codes[1]])), spec, found)
    at = np.zeros(size, dtype=np.uint32)
    at[codes[1]] = np.arange(right.height, dtype=np.uint32)
    alone = single[codes[0]]
    partner = right.drop("key")[at[codes[0][alone]]]
    partner = partner.rename({name: f"{name}_right" for name in partner.columns})
    return _named(pl.concat([left.filter(pl.Series(alone)), partner], how="horizontal"))


def _repeated_keys(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """Return the keys that stand on several lines of either side."""
    repeated = [lines.filter(pl.col("key").is_duplicated()).select("key") for lines in (left, right)]
    return pl.concat(repeated).unique()


def _pairs(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    return _named(left.join(right, on="key", how="inner", suffix="_right"))


def _named(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.rename({"row": "left", "row_right": "right", "amount": "left_amount", "amount_right": "right_amount"})


def _permitted(pairs: pl.DataFrame, spec: PassSpec) -> pl.DataFrame:
    """Keep the pairs within window and tolerance."""
    holds = spec.tolerance.holds(pl.col("left_amount"), pl.col("right_amount"))
    if spec.days is not None:
        apart = pl.duration(days=spec.days)
        holds = holds & (pl.col("from") <= pl.col("to_right") + apart) & (pl.col("to") >= pl.col("from_right") - apart)
    return pairs.filter(holds)


def _confirm(pairs: pl.DataFrame, reason: str, spec: PassSpec, found: Found) -> None:
    _add(pairs.select(_PAIR), spec, found, pl.lit("confirmed"), pl.lit(reason))


def _add(pairs: pl.DataFrame, spec: PassSpec, found: Found, status: pl.Expr, reason: pl.Expr) -> None:
    """Add pairs (`left`, `right` and their amounts; perhaps `alternatives` with their side) as matches."""
    if pairs.height == 0:
        return
    if "alternative_side" not in pairs.columns:
        pairs = pairs.with_columns(pl.lit(RIGHT).alias("alternative_side"))
    numbered = pairs.with_row_index("match")
    matches = numbered.with_columns(
        (pl.col("left_amount") - pl.col("right_amount")).alias("residual"), status.alias("status"), reason.alias("reason"),
    )  # fmt: skip
    sides = [
        numbered.select("match", pl.lit(side, dtype=pl.UInt8).alias("side"), pl.col(name).alias("row"))
        for side, name in ((LEFT, "left"), (RIGHT, "right"))
    ]
    found.add(spec.place, matches, pl.concat(sides))


def _match_blocks(left: pl.DataFrame, right: pl.DataFrame, spec: PassSpec, found: Found) -> None:
    """Match blocks of lines that share a key: decided alone where one pairing is possible, else as a whole."""
    sizes = left.group_by("key").agg(pl.len().alias("lefts")).join(right.group_by("key").agg(pl.len().alias("rights")), on="key")
    large = sizes.filter(pl.max_horizontal("lefts", "rights") > assignment.LIMIT).select("key")
    if large.height:
        _suggest_by_amount(left.join(large, on="key", how="semi"), right.join(large, on="key", how="semi"), spec, found)
        left, right = (lines.join(large, on="key", how="anti") for lines in (left, right))
    edges = _permitted(_pairs(left, right), spec).with_columns(_cost(spec).alias("cost"))
    alone = edges.filter(~pl.col("left").is_duplicated() & ~pl.col("right").is_duplicated())
    _confirm(alone, f"{spec.id}: same key, and no other line fits", spec, found)
    _assign(edges.join(alone, on=["left", "right"], how="anti"), spec, found)


def _cost(spec: PassSpec) -> pl.Expr:
    """Return what a pair costs, a whole number: the residual first, then the days between the lines."""
    residual = (pl.col("left_amount") - pl.col("right_amount")).abs()
    whole = (residual * 1_000_000).cast(pl.Int128) * _DAYS
    if spec.days is None:
        return whole
    days = (pl.col("from") - pl.col("from_right")).dt.total_days().abs()
    return whole + days.clip(0, _DAYS - 1).cast(pl.Int128)


def _assign(edges: pl.DataFrame, spec: PassSpec, found: Found) -> None:
    """Solve each block; pairs that another assignment, equally good, does without are only suggested."""
    if edges.height == 0:
        return
    chosen: list[tuple[int, int, bool]] = []
    for block in edges.sort("key", "left", "right").partition_by("key", maintain_order=True):
        costs = {(left, right): int(cost) for left, right, cost in block.select("left", "right", "cost").iter_rows()}
        best = assignment.best_assignment(costs)
        chosen += [(left, right, (left, right) in best.doubtful) for left, right in best.pairs]
    picked = pl.DataFrame(chosen, schema={"left": pl.UInt32, "right": pl.UInt32, "doubtful": pl.Boolean}, orient="row")
    rights, lefts = (edges.group_by(one).agg(pl.col(other)) for one, other in (("left", "right"), ("right", "left")))
    pairs = (
        edges.select(_PAIR)
        .join(picked, on=["left", "right"], how="inner")
        .join(rights.rename({"right": "rights"}), on="left", how="left")
        .join(lefts.rename({"left": "lefts"}), on="right", how="left")
    )
    sure = pairs.filter(~pl.col("doubtful")).select(_PAIR)
    doubtful = _with_alternatives(pairs.filter("doubtful"))
    _add(sure, spec, found, pl.lit("confirmed"), pl.lit(f"{spec.id}: the best assignment of lines with one key"))
    _add(doubtful, spec, found, pl.lit("suggested"), pl.lit(f"{spec.id}: another assignment is equally good"))


def _with_alternatives(pairs: pl.DataFrame) -> pl.DataFrame:
    """Say which other lines would fit: on the right, or where the right line alone is contested, on the left.

    `rights` and `lefts` list what fits the left and the right line.
    """
    others = {
        side: pl.col(f"{side}s").list.set_difference(pl.concat_list(side)).list.sort().list.head(_SHOWN) for side in ("right", "left")
    }
    of_right = others["right"].list.len() > 0
    return pairs.with_columns(
        pl.when(of_right).then(others["right"]).otherwise(others["left"]).alias("alternatives"),
        pl.when(of_right).then(pl.lit(RIGHT)).otherwise(pl.lit(LEFT)).alias("alternative_side"),
    ).drop("rights", "lefts")


def _suggest_by_amount(left: pl.DataFrame, right: pl.DataFrame, spec: PassSpec, found: Found) -> None:
    """Suggest pairs of equal amount in blocks too large to solve, in the order of lines."""
    ordered = [
        lines.sort("row").with_columns(pl.int_range(pl.len()).over("key", "amount").alias("nth")) for lines in (left, right)
    ]
    joined = ordered[0].join(ordered[1].with_columns(pl.col("amount").alias("amount_right")), on=["key", "amount", "nth"], suffix="_right")
    pairs = _permitted(
        joined.rename({"row": "left", "row_right": "right", "amount": "left_amount", "amount_right": "right_amount"}), spec
    )
    reason = f"{spec.id}: more than {assignment.LIMIT} lines share the key, so no best assignment is sought"
    alike = [
        lines.sort("row").group_by("key", "amount").agg(pl.col("row").head(_SHOWN + 1).alias(name))
        for lines, name in ((right, "rights"), (left, "lefts"))
    ]
    named = pairs.join(alike[0], left_on=["key", "right_amount"], right_on=["key", "amount"], how="left")
    named = named.join(alike[1], left_on=["key", "left_amount"], right_on=["key", "amount"], how="left")
    _add(_with_alternatives(named.select(*_PAIR, "rights", "lefts")), spec, found, pl.lit("suggested"), pl.lit(reason))
    for side, lines, name in ((LEFT, left, "left"), (RIGHT, right, "right")):
        rest = lines.join(pairs, left_on="row", right_on=name, how="anti")["row"]
        found.note(side, rest, reason)
