"""The order of texts and numbers that lines are put in."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from engine.reconcile.order import number_order, text_order


@given(st.lists(st.text(max_size=18), unique=True))
def test_texts_stand_in_the_order_of_their_bytes(texts: list[str]) -> None:
    order = text_order(pl.Series(texts, dtype=pl.String))
    padded = [each.encode().rstrip(b"\0") for each in texts]
    if len(set(padded)) < len(padded):
        assert order is None
    else:
        assert order is not None
        assert [texts[place] for place in order] == sorted(texts, key=str.encode)


def test_texts_that_are_equal_or_long_are_left_to_a_plain_sort() -> None:
    assert text_order(pl.Series(["a", "b", "a"])) is None
    assert text_order(pl.Series(["a", "b" * 100])) is None


@given(st.lists(st.sampled_from([0, 1, 2, 3, 2**40, 2**40 + 1, 2**64 - 1])))
def test_equal_numbers_stand_together_in_the_order_of_their_places(numbers: list[int]) -> None:
    order = number_order(np.array(numbers, dtype=np.uint64))
    assert sorted(order) == list(range(len(numbers)))
    ordered = [numbers[place] for place in order]
    assert all(each not in ordered[:place] or ordered[place - 1] == each for place, each in enumerate(ordered))
    assert all(order[place - 1] < order[place] for place in range(1, len(ordered)) if ordered[place] == ordered[place - 1])
