"""What held on a day: the row that began last among those that cover it, whatever the overlaps."""

from __future__ import annotations

import datetime as dt

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from engine.billing.dated import dated_table

DAY = st.integers(0, 30).map(lambda number: dt.date(2026, 1, 1) + dt.timedelta(days=number))


@given(
    rows=st.lists(st.tuples(st.sampled_from("ab"), DAY | st.none(), DAY | st.none()), max_size=8),
    asked=st.lists(st.tuples(st.sampled_from("abc") | st.none(), DAY | st.none()), min_size=1, max_size=8),
)
def test_a_lookup_equals_looking_at_every_row(
    rows: list[tuple[str, dt.date | None, dt.date | None]], asked: list[tuple[str | None, dt.date | None]]
) -> None:
    schema = {"key": pl.String, "start": pl.Date, "end": pl.Date}
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.int_range(pl.len()).alias("number"))
    table = dated_table(frame, ["key"], "start", "end", ["number"], ["number"])
    wanted = pl.DataFrame(asked, schema={"k": pl.String, "day": pl.Date}, orient="row").lazy()
    found = table.lookup(wanted, {"key": pl.col("k")}, pl.col("day"), {"number": "found"}).collect()["found"].to_list()
    assert found == [best(rows, key, day) for key, day in asked]


def best(rows: list[tuple[str, dt.date | None, dt.date | None]], key: str | None, day: dt.date | None) -> int | None:
    covering = [
        (start or dt.date.min, number)
        for number, (own, start, end) in enumerate(rows)
        if day is not None and own == key and (start is None or start <= day) and (end is None or day <= end)
    ]
    return max(covering)[1] if covering else None


def test_without_ends_a_row_holds_until_the_next() -> None:
    frame = pl.DataFrame({"key": ["a", "a"], "start": [dt.date(2026, 1, 5), dt.date(2026, 1, 9)], "value": [1, 2]})
    table = dated_table(frame, ["key"], "start", None, ["value"])
    asked = pl.LazyFrame({"k": ["a"] * 3, "day": [dt.date(2026, 1, 4), dt.date(2026, 1, 8), dt.date(2027, 1, 1)]})
    found = table.lookup(asked, {"key": pl.col("k")}, pl.col("day"), {"value": "found"}).collect()
    assert found["found"].to_list() == [None, 1, 2]
