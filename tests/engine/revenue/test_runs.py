"""Runs of equal values: where they begin, and what a table says of them."""

from __future__ import annotations

import polars as pl
import pytest

from engine.revenue.runs import begins, joined


def test_a_run_begins_where_a_value_changes_and_nulls_are_a_run_of_their_own() -> None:
    rows = pl.DataFrame({"a": ["x", "x", None, None, "y", "x"], "b": [1, 2, 2, 2, 2, 2]})
    assert rows.select(begins("a"))["a"].to_list() == [True, False, True, False, True, True]
    assert rows.select(begins("a", "b").alias("new"))["new"].to_list() == [True, True, True, False, True, True]
    assert pl.DataFrame({"a": [None, None]}).select(begins("a"))["a"].to_list() == [True, False]


def test_a_table_is_joined_to_rows_whether_or_not_their_keys_stand_together() -> None:
    rows = pl.DataFrame({"key": ["a", "a", "b", None, "c", "a"], "at": range(6)})
    table = pl.DataFrame({"key": ["b", "a", None], "value": [2, 1, 9]})
    expected = rows.join(table, on="key", how="left", maintain_order="left")
    assert joined(rows, table, "key").equals(expected)
    assert joined(rows.clear(), table, "key").columns == ["key", "at", "value"]


def test_a_key_that_a_table_has_twice_is_refused() -> None:
    with pytest.raises(pl.exceptions.ComputeError):
        joined(pl.DataFrame({"key": ["a"]}), pl.DataFrame({"key": ["a", "a"], "value": [1, 2]}), "key")
