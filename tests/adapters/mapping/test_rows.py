"""Rows of a stream: a column that the export lacks is blank in every row."""

from __future__ import annotations

import polars as pl

from adapters.mapping.model import Lookup, Related
from adapters.mapping.rows import lookup, related_keys

ROWS = pl.DataFrame({"id": ["1", "2", "3"]})
OTHERS = {"other": pl.DataFrame({"key": ["a"], "value": ["x"]})}


def test_a_lookup_by_a_column_that_the_export_lacks_finds_nothing_in_every_row() -> None:
    rule = Lookup(stream="other", on={"missing": "key"}, take=("value",))
    assert lookup(ROWS, rule, rule.take, OTHERS).to_list() == [None, None, None]


def test_a_related_row_by_a_column_that_the_export_lacks_is_there_for_no_row() -> None:
    assert related_keys(ROWS, Related(stream="other", on={"missing": "key"}), OTHERS).to_list() == [False, False, False]
