"""The source rows that figures rest on, united by key."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from engine.revenue.ground.sources import united, united_by

_PLACES = st.one_of(st.none(), st.lists(st.sampled_from(["f:1", "f:2", "f:3", None]), max_size=3))


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y", None]), _PLACES), max_size=10))
def test_places_united_by_a_key_are_those_of_all_its_rows(given_rows: list[tuple[str, str | None, list[str | None] | None]]) -> None:
    keys = ["key", "part"]
    rows = pl.DataFrame(given_rows, schema={"key": pl.String, "part": pl.String, "places": pl.List(pl.String)}, orient="row").sort(keys)
    expected = rows.group_by(keys, maintain_order=True).agg(united("places"))
    assert united_by(rows, keys, "places").equals(expected)
