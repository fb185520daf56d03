"""Runs of equal values: where they begin, and what a table says of them."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.revenue.arithmetic.runs import (
    before,
    begins,
    begins_anew,
    carried,
    counted,
    in_order,
    joined,
    placed,
    put_in,
    run_sums,
    running,
    without,
)


def test_a_run_begins_where_a_value_changes_and_nulls_are_a_run_of_their_own() -> None:
    rows = pl.DataFrame({"a": ["x", "x", None, None, "y", "x"], "b": [1, 2, 2, 2, 2, 2]})
    assert rows.select(begins("a"))["a"].to_list() == [True, False, True, False, True, True]
    assert rows.select(begins("a", "b").alias("new"))["new"].to_list() == [True, True, True, False, True, True]
    assert pl.DataFrame({"a": [None, None]}).select(begins("a"))["a"].to_list() == [True, False]


_LISTS = st.one_of(st.none(), st.lists(st.sampled_from(["f:1", "f:2", None]), max_size=3))


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), _LISTS), max_size=10))
def test_runs_of_lists_begin_where_comparing_the_lists_says_so(given_rows: list[tuple[str | None, list[str | None] | None]]) -> None:
    rows = pl.DataFrame(given_rows, schema={"key": pl.String, "list": pl.List(pl.String)}, orient="row")
    expected = rows.select(begins("key", "list").alias("new")).to_series()
    assert begins_anew(rows, "list", "key").to_list() == expected.to_list()


def test_a_table_is_joined_to_rows_whether_or_not_their_keys_stand_together() -> None:
    rows = pl.DataFrame({"key": ["a", "a", "b", None, "c", "a"], "at": range(6)})
    table = pl.DataFrame({"key": ["b", "a", None], "value": [2, 1, 9]})
    expected = rows.join(table, on="key", how="left", maintain_order="left")
    assert joined(rows, table, "key").equals(expected)
    assert joined(rows.clear(), table, "key").columns == ["key", "at", "value"]


def test_a_key_that_a_table_has_twice_is_refused() -> None:
    with pytest.raises(pl.exceptions.ComputeError):
        joined(pl.DataFrame({"key": ["a"]}), pl.DataFrame({"key": ["a", "a"], "value": [1, 2]}), "key")


_ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.one_of(st.none(), st.integers(-(10**30), 10**30))), max_size=12)


@given(_ROWS)
def test_what_is_told_of_rows_that_stand_together_is_what_their_groups_tell(given_rows: list[tuple[str | None, int | None]]) -> None:
    rows = pl.DataFrame(given_rows, schema={"key": pl.String, "value": pl.Int128}, orient="row").sort("key", maintain_order=True)
    value = pl.col("value")
    told = rows.select(
        before(value, "key").alias("before"), carried(value, "key").alias("carried"), counted("key").alias("place"),
        running(value, "key").alias("sum"),
    )  # fmt: skip
    expected = rows.select(
        value.shift(1).over("key").alias("before"), value.forward_fill().over("key").alias("carried"),
        (pl.int_range(pl.len()).over("key") + 1).alias("place"), value.fill_null(0).cum_sum().over("key").alias("sum"),
    )  # fmt: skip
    assert told.equals(expected)


def test_sums_of_runs_are_exact_where_the_sum_of_all_of_them_is_beyond_what_a_whole_number_holds() -> None:
    most = 2**127 - 1
    rows = pl.DataFrame({"key": ["a", "b", "b", "c"], "value": [most, most - 1, 1, -most]}, schema_overrides={"value": pl.Int128})
    assert rows.select(running(pl.col("value"), "key"))["value"].to_list() == [most, most - 1, most, -most]


@given(st.lists(st.tuples(st.one_of(st.none(), st.lists(st.sampled_from("abc"), max_size=2)), st.booleans()), max_size=6))
def test_values_put_in_stand_at_their_places_and_no_others_move(rows: list[tuple[list[str] | None, bool]]) -> None:
    values = pl.Series("v", [value for value, _ in rows], dtype=pl.List(pl.String))
    places = [place for place, (_, is_other) in enumerate(rows) if is_other]
    others = pl.Series("other", [[f"new {place}"] for place in places], dtype=pl.List(pl.String))
    expected = [[f"new {place}"] if is_other else value for place, (value, is_other) in enumerate(rows)]
    assert put_in(values, pl.Series(places, dtype=pl.UInt32), others).to_list() == expected


_KEYS = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from(["x", "y", None]), st.integers(-9, 9)), max_size=10)


@given(_KEYS)
def test_the_sums_of_runs_are_those_of_their_rows(given_rows: list[tuple[str | None, str | None, int]]) -> None:
    rows = pl.DataFrame(given_rows, schema={"key": pl.String, "part": pl.String, "value": pl.Decimal(38, 6)}, orient="row")
    numbered = rows.with_columns(begins("key", "part").cum_sum().alias("run"))
    expected = numbered.group_by("run", maintain_order=True).agg(pl.col("key", "part").first(), pl.col("value").sum()).drop("run")
    assert run_sums(rows.lazy(), ["key", "part"], "value").collect().equals(expected)


@given(_KEYS)
def test_rows_are_placed_and_put_in_order_as_a_sort_puts_them(given_rows: list[tuple[str | None, str | None, int]]) -> None:
    rows = pl.DataFrame(given_rows, schema={"key": pl.String, "part": pl.String, "value": pl.Int64}, orient="row")
    names = ["key", "part"]
    by_place = rows.with_columns(placed(rows, *names).alias("place")).sort("place", maintain_order=True)
    assert by_place.select(names).equals(rows.select(names).sort(names))
    assert by_place.select(begins("place").alias("new"))["new"].equals(by_place.select(begins(*names).alias("new"))["new"])
    assert in_order(rows.select(names), *names).equals(rows.select(names).sort(names))
    assert in_order(rows.sort(names, maintain_order=True), *names).equals(rows.sort(names, maintain_order=True))


@given(_KEYS, _KEYS)
def test_what_others_have_is_left_out(
    given_rows: list[tuple[str | None, str | None, int]], taken: list[tuple[str | None, str | None, int]]
) -> None:
    schema = {"key": pl.String, "part": pl.String, "value": pl.Int64}
    rows, others = (pl.DataFrame(each, schema=schema, orient="row") for each in (given_rows, taken))
    assert without(rows, others, "key", "part").equals(rows.join(others, on=["key", "part"], how="anti"))
