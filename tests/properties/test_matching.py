"""Matching: free of the order of lines, nothing lost, nothing used twice."""

from __future__ import annotations

import random
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.reconcile.frames import PassSpec, Shape
from engine.reconcile.passes import Matched, match_lines
from engine.reconcile.tolerance import WIDE, Budget, Tolerance

LINES = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(-6, 9), st.integers(1, 9)), max_size=12)
SHAPES: tuple[Shape, ...] = ("one_to_one", "one_to_many", "many_to_one", "many_to_many", "net")

Line = tuple[str, int, int]


def side(lines: list[Line]) -> pl.DataFrame:
    """Return lines (key, amount, day) as the matcher takes them."""
    days = [pl.date(2026, 1, day) for _, _, day in lines]
    dates = pl.select(pl.concat(days)).to_series() if lines else pl.Series([], dtype=pl.Date)
    return pl.DataFrame(
        {
            "row": pl.Series(range(len(lines)), dtype=pl.UInt32),
            "amount": pl.Series([Decimal(amount) for _, amount, _ in lines], dtype=WIDE),
            **{f"key_{place}": pl.Series([key for key, _, _ in lines], dtype=pl.String) for place in range(3)},
            **{f"{edge}_{place}": dates for place in range(3) for edge in ("from", "to")},
        }
    )


def specs(shapes: list[Shape], *, days: int | None = None, together: bool = False) -> list[PassSpec]:
    """Return passes of the shapes; each looser than the one before, the last perhaps suggesting what does not tie."""
    last = len(shapes) - 1
    return [
        PassSpec(
            place, f"p{place}", shape, Tolerance(Decimal(place)), days, budget=Budget(Decimal(2)) if place == 2 else None,
            together=together and place == last,
        )
        for place, shape in enumerate(shapes)
    ]  # fmt: skip


def groups(result: Matched, left: list[int], right: list[int]) -> set[tuple[object, ...]]:
    """Return the matches in the names of the lines, so that two orders can be compared."""
    names = {0: left, 1: right}
    members = result.members.sort("match", "side", "row")
    found = []
    for match in result.matches.iter_rows(named=True):
        own = members.filter(pl.col("match") == match["match"])
        lines = frozenset((side, names[side][row]) for side, row in own.select("side", "row").iter_rows())
        found.append((lines, match["pass"], match["residual"], match["status"]))
    assert len(found) == len(set(found))
    return set(found)


@given(LINES, LINES, st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3), st.sampled_from([None, 0, 3]), st.booleans())
def test_totals_are_kept_and_no_line_is_used_twice(
    left: list[Line], right: list[Line], shapes: list[Shape], days: int | None, together: bool
) -> None:
    sides = side(left), side(right)
    result = match_lines(*sides, specs(shapes, days=days, together=together))
    places = pl.concat([result.members.select("side", "row"), result.left_over.select("side", "row")])
    assert places.unique().height == places.height == len(left) + len(right)
    for which, lines in enumerate(sides):
        used = places.filter(pl.col("side") == which).join(lines, on="row", how="inner")
        assert used["amount"].sum() == lines["amount"].sum()


@given(LINES, LINES, st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_rows_in_another_order_give_the_same_matches(
    left: list[Line], right: list[Line], shapes: list[Shape], shuffle: random.Random
) -> None:
    # A line's `row` is its canonical place; the order in which the frame holds them does not count.
    asked = specs(shapes, together=True)
    plain = match_lines(side(left), side(right), asked)
    mixed = [side(lines).with_columns(pl.Series("row", range(len(lines)), dtype=pl.UInt32)) for lines in (left, right)]
    order = [list(range(len(lines))) for lines in (left, right)]
    for each in order:
        shuffle.shuffle(each)
    one, other = (lines[each] if each else lines for lines, each in zip(mixed, order, strict=True))
    again = match_lines(one, other, asked)
    names = list(range(12))
    assert groups(plain, names, names) == groups(again, names, names)


@given(LINES, LINES)
def test_every_match_states_its_own_residual_and_is_within_tolerance(left: list[Line], right: list[Line]) -> None:
    sides = side(left), side(right)
    result = match_lines(*sides, specs(["one_to_one", "many_to_many"]))
    for match in result.matches.iter_rows(named=True):
        own = result.members.filter(pl.col("match") == match["match"])
        sums = [
            Decimal(own.filter(pl.col("side") == which).join(lines, on="row").get_column("amount").sum())
            for which, lines in enumerate(sides)
        ]
        assert match["residual"] == sums[0] - sums[1]
        assert abs(match["residual"]) <= match["pass"]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_one_to_one_pairs_as_many_lines_as_can_be(left: list[int], right: list[int]) -> None:
    result = match_lines(
        side([("A", amount, 1) for amount in left]), side([("A", amount, 1) for amount in right]),
        [PassSpec(0, "p0", "one_to_one", Tolerance(Decimal(1)))],
    )  # fmt: skip
    assert result.matches.height == _most_pairs(left, right)


def _most_pairs(left: list[int], right: list[int]) -> int:
    if not left:
        return 0
    rest = left[1:]
    takes = [
        1 + _most_pairs(rest, right[:place] + right[place + 1 :]) for place, amount in enumerate(right) if abs(left[0] - amount) <= 1
    ]
    return max([_most_pairs(rest, right), *takes])


@pytest.mark.parametrize("shape", SHAPES)
def test_lines_without_a_key_never_match(shape: Shape) -> None:
    lines = side([("A", 5, 1), ("A", -5, 1)]).with_columns(pl.lit(None, dtype=pl.String).alias("key_0"))
    assert match_lines(lines, lines, [PassSpec(0, "p0", shape)]).matches.height == 0


@given(LINES, LINES, st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
def test_keys_whose_hashes_meet_by_chance_are_told_apart(left: list[Line], right: list[Line], shapes: list[Shape]) -> None:
    plain = match_lines(side(left), side(right), specs(shapes))
    with pytest.MonkeyPatch.context() as patch:
        # Every key has the same hash.
        patch.setattr("engine.reconcile.frames.coded", lambda key: key.str.len_chars().cast(pl.UInt64))
        again = match_lines(side(left), side(right), specs(shapes))
    names = list(range(12))
    assert groups(plain, names, names) == groups(again, names, names)
