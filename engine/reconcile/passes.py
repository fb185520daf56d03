"""Passes over two sides: in order, each line used once, the result free of the order of lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from engine.reconcile import frames
from engine.reconcile.decided import Decided, add_confirmed, refused_matches
from engine.reconcile.frames import LEFT, MATCHES, MEMBERS, RIGHT, SEPARATOR, Found, PassSpec, Pool
from engine.reconcile.groups import match_groups
from engine.reconcile.netting import net_lines
from engine.reconcile.order import number_order
from engine.reconcile.singles import match_singles
from engine.reconcile.tolerance import over_budget

Sides = tuple[pl.DataFrame, pl.DataFrame]

# Odd, so that no two currencies change a hash alike.
_SPREAD: Final = np.uint64(0x9E37_79B9_7F4A_7C15)


@dataclass(frozen=True, slots=True)
class Matched:
    """Hold what the passes made of two sides.

    `members` (MEMBERS) and `matches` (MATCHES) say which lines belong together; `left_over` has
    side, row and reason (null where no pass had anything to say) of every other line. Matches are
    numbered from 0 in the order of their rows, so that a number is also a place.
    """

    members: pl.DataFrame
    matches: pl.DataFrame
    left_over: pl.DataFrame


def first_rows(matched: Matched, side: int) -> np.ndarray:
    """Return by match its first row on a side; -1 where it has none there."""
    members = matched.members.filter(pl.col("side") == side)
    none = np.uint32(np.iinfo(np.uint32).max)
    first = np.full(matched.matches.height, none, dtype=np.uint32)
    np.minimum.at(first, members["match"].to_numpy(), members["row"].to_numpy())
    return np.where(first == none, np.int64(-1), first.astype(np.int64))


def match_lines(
    left: pl.DataFrame, right: pl.DataFrame, specs: Sequence[PassSpec], *, by_currency: bool = False, decided: Decided | None = None
) -> Matched:  # fmt: skip
    """Match two sides by passes in their order.

    Each side has `row` (0, 1, …: the canonical order of its lines, which alone breaks ties),
    `amount` and the key and window columns of each pass; with `by_currency` also `currency`, and
    lines of different currencies never meet. What people `decided` comes before the passes (and has the place after
    them); what they refused is not matched again.
    """
    pools = (Pool.of(LEFT, left, by_currency=by_currency), Pool.of(RIGHT, right, by_currency=by_currency))
    found = Found()
    if decided is not None:
        taken = add_confirmed(decided, len(specs), found)
        for pool in pools:
            pool.use(taken.filter(pl.col("side") == pool.side)["row"])
    for spec in specs:
        lines = _coded((pools[LEFT].open(spec), pools[RIGHT].open(spec)), by_currency=by_currency)
        _take(pools, spec, _run(lines, spec, found.count), found, decided)
    return _result(pools, found)


def _run(lines: Sides, spec: PassSpec, count: int) -> Found:
    found = Found(count=count)
    run = {"net": net_lines, "one_to_one": match_singles}.get(spec.match, match_groups)
    run(lines[LEFT], lines[RIGHT], spec, found)
    return found


def _coded(lines: Sides, *, by_currency: bool) -> Sides:
    """Give both sides' lines a number for each key, from 0, equal just where the texts are; by currency also where that is.

    Numbers are matched several times faster than texts. Texts of one hash stand together once the hashes are in
    order, and are compared; where two keys have one hash, the texts themselves remain the key.
    """
    keys = [each["key"] for each in lines]
    hashes = np.concatenate([frames.coded(key).to_numpy() for key in keys])
    currencies = _currency_numbers(lines) if by_currency else None
    if currencies is not None:
        hashes ^= currencies * _SPREAD
    order = number_order(hashes)
    ordered = hashes[order]
    is_new = np.ones(hashes.size, dtype=bool)
    is_new[1:] = ordered[1:] != ordered[:-1]
    alike = np.flatnonzero(~is_new)
    before, after = order[alike - 1], order[alike]
    texts = pl.concat(keys, rechunk=True)
    same = texts.gather(before).equals(texts.gather(after))
    if currencies is not None:
        same = same and bool((currencies[before] == currencies[after]).all())
    if not same:
        joined = pl.concat_str("key", "currency", separator=SEPARATOR) if by_currency else pl.col("key")
        return tuple(each.with_columns(joined.alias("key")).drop("currency", strict=False) for each in lines)  # type: ignore[return-value]
    codes = np.empty(hashes.size, dtype=np.uint32)
    codes[order] = np.cumsum(is_new, dtype=np.uint32) - np.uint32(1)
    split = lines[LEFT].height
    left, right = (
        each.with_columns(pl.Series("key", part)).drop("currency", strict=False)
        for each, part in zip(lines, (codes[:split], codes[split:]), strict=True)
    )
    return left, right


def _currency_numbers(lines: Sides) -> np.ndarray:
    """Return a number for the currency of each line, left before right."""
    currencies = pl.concat([each["currency"] for each in lines])
    names = pl.Enum(currencies.unique().sort())
    return currencies.cast(names).to_physical().cast(pl.UInt64).to_numpy()


def _take(pools: tuple[Pool, Pool], spec: PassSpec, one: Found, whole: Found, decided: Decided | None) -> None:
    """Take a pass's matches over: those that keep within the budget, with their lines."""
    matches, members = _joined(one)
    if spec.leave:
        doubtful = matches.filter(pl.col("status") == "suggested")
        members = members.join(doubtful, on="match", how="anti")
        matches = matches.filter(pl.col("status") != "suggested")
    if decided is not None and decided.refused.height and matches.height:
        no = refused_matches(decided, members)
        lines = members.join(no, on="match", how="inner").sort("side", "row")
        for (side, reason), rows in lines.group_by("side", "reason", maintain_order=True):
            whole.note(int(str(side)), rows["row"], str(reason))
        matches, members = matches.join(no, on="match", how="anti"), members.join(no, on="match", how="anti")
    if spec.budget is not None and matches.height:
        matches, members = _within_budget(pools, spec, matches, members, whole)
    for pool in pools:
        pool.use(members.filter(pl.col("side") == pool.side)["row"])
    whole.matches.append(matches)
    whole.members.append(members)
    whole.notes += one.notes
    whole.count = one.count


def _joined(found: Found) -> tuple[pl.DataFrame, pl.DataFrame]:
    matches = pl.concat(found.matches) if found.matches else pl.DataFrame(schema=MATCHES)
    members = pl.concat(found.members) if found.members else pl.DataFrame(schema=MEMBERS)
    return matches, members


def _within_budget(
    pools: tuple[Pool, Pool], spec: PassSpec, matches: pl.DataFrame, members: pl.DataFrame, whole: Found
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Drop the matches for which no budget is left; their lines are out of reach of later passes."""
    assert spec.budget is not None
    first = members.filter(pl.col("side") == LEFT).group_by("match").agg(pl.col("row").min().alias("first"))
    groups = pools[LEFT].lines.select(pl.col("row").alias("first"), *spec.budget.per)
    judged = (
        matches.filter(pl.col("status") == "confirmed")
        .select("match", "residual")
        .join(first, on="match", how="inner")
        .join(groups, on="first", how="left")
    )
    over = judged.filter(over_budget(judged, spec.budget)).select("match")
    if over.height == 0:
        return matches, members
    dropped = members.join(over, on="match", how="semi")
    for pool in pools:
        rows = dropped.filter(pl.col("side") == pool.side)["row"]
        whole.note(pool.side, rows, f"the tolerance budget of pass {spec.id} is used up")
        pool.use(rows)
    return matches.join(over, on="match", how="anti"), members.join(over, on="match", how="anti")


def _result(pools: tuple[Pool, Pool], found: Found) -> Matched:
    matches, members = _joined(found)
    matches, members = _numbered(matches, members)
    notes = pl.concat(found.notes).unique(["side", "row"], keep="last", maintain_order=True) if found.notes else None
    rest: list[pl.DataFrame] = []
    for pool in pools:
        free = np.ones(pool.lines.height, dtype=bool)
        free[members.filter(pl.col("side") == pool.side)["row"].to_numpy()] = False
        rows = pl.DataFrame({"row": pl.Series(np.flatnonzero(free), dtype=pl.UInt32)})
        rest.append(rows.select(pl.lit(pool.side, dtype=pl.UInt8).alias("side"), "row"))
    left_over = pl.concat(rest)
    reason = pl.lit(None, dtype=pl.String).alias("reason")
    left_over = left_over.with_columns(reason) if notes is None else left_over.join(notes, on=["side", "row"], how="left")
    return Matched(members, matches, left_over)


def _numbered(matches: pl.DataFrame, members: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Number the matches by their place; those that a budget dropped leave gaps."""
    old = matches["match"].to_numpy()
    if matches.height == 0 or int(old[-1]) == matches.height - 1 == int(old.max()):
        return matches, members
    place = np.zeros(int(old.max()) + 1, dtype=np.uint32)
    place[old] = np.arange(matches.height, dtype=np.uint32)
    new = pl.Series("match", np.arange(matches.height), dtype=pl.UInt32)
    return matches.with_columns(new), members.with_columns(pl.Series("match", place[members["match"].to_numpy()], dtype=pl.UInt32))
