"""Subset sums: against trying every subset; what is left out of large blocks."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from engine.reconcile.subsets import closest_subsets, few_left_out


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=7), st.integers(-20, 20), st.integers(0, 3))
def test_the_closest_subsets_are_those_found_by_trying_all(amounts: list[int], target: int, allowance: int) -> None:
    places = range(len(amounts))
    all_subsets = [each for size in places for each in itertools.combinations(places, size + 1)]
    gaps = {each: abs(sum(amounts[place] for place in each) - target) for each in all_subsets}
    least = min(gaps.values())
    expected = sorted(each for each, gap in gaps.items() if gap == least) if least <= allowance else []
    assert closest_subsets(amounts, target, allowance, wanted=1000) == expected


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=8), st.integers(-20, 20))
def test_one_line_is_left_out_before_two(amounts: list[int], target: int) -> None:
    places = range(len(amounts))
    expected: list[tuple[int, ...]] = []
    for size in (1, 2):
        expected = expected or [each for each in itertools.combinations(places, size) if sum(amounts[place] for place in each) == target]
    assert few_left_out(amounts, target, 0, wanted=1000) == sorted(expected)


def test_what_is_left_out_of_a_block_of_thousands_is_found() -> None:
    amounts = [1000 + 7 * place for place in range(3000)]
    assert few_left_out(amounts, amounts[17] + amounts[2500], 0, wanted=1) != []
