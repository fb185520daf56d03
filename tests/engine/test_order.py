"""Rows in the order of their keys, whether they come so or not."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from engine.order import sorted_by

_ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", "b2", "c"]), st.integers(0, 3)), max_size=8)


@given(_ROWS)
def test_rows_come_out_as_sorting_puts_them(rows: list[tuple[str, int]]) -> None:
    frame = pl.DataFrame(rows, schema={"id": pl.String, "part": pl.Int64}, orient="row")
    assert sorted_by(frame, ["id", "part"]).equals(frame.sort("id", "part"))


def test_a_frame_in_order_comes_back_as_it_is() -> None:
    frame = pl.DataFrame({"id": ["a", "a", "b"], "part": [1, 2, 1]})
    assert sorted_by(frame, ["id", "part"]) is frame


def test_a_missing_key_is_sorted_to_the_front() -> None:
    assert sorted_by(pl.DataFrame({"id": ["a", None]}), ["id"])["id"].to_list() == [None, "a"]
