"""Outputs made ready while later stages decide: the file where it is still the same, the rows where a stage added to it."""

from __future__ import annotations

import io

import polars as pl

from adapters.ahead import AheadWriter
from adapters.publish import Encoded

ROWS = pl.LazyFrame({"id": ["A", "B"]})
MORE = pl.LazyFrame({"id": ["A", "B", "C"]})


def rows(made: Encoded | pl.DataFrame) -> list[str]:
    frame = pl.read_parquet(io.BytesIO(made.content)) if isinstance(made, Encoded) else made
    assert frame.height == made.height
    ids: list[str] = frame["id"].to_list()
    return ids


def test_an_output_that_was_begun_is_given_as_its_file_and_any_other_as_its_rows() -> None:
    with AheadWriter() as ahead:
        ahead.begin({"matches": ROWS})
        made = ahead.ready({"matches": ROWS, "kpis": MORE})
    assert isinstance(made["matches"], Encoded)
    assert isinstance(made["kpis"], pl.DataFrame)
    assert (rows(made["matches"]), rows(made["kpis"])) == (["A", "B"], ["A", "B", "C"])


def test_an_output_a_later_stage_added_to_holds_what_was_added() -> None:
    with AheadWriter() as ahead:
        ahead.begin({"journal": ROWS})
        assert rows(ahead.ready({"journal": MORE})["journal"]) == ["A", "B", "C"]
        ahead.begin({"journal": MORE})
        made = ahead.ready({"journal": MORE})["journal"]
    assert isinstance(made, Encoded)
    assert rows(made) == ["A", "B", "C"]


def test_a_run_that_fails_leaves_the_error_to_its_stage() -> None:
    broken = ROWS.select("none")
    with AheadWriter() as ahead:
        ahead.begin({"matches": broken, "kpis": ROWS})
        made = ahead.ready({"kpis": ROWS})
    assert rows(made["kpis"]) == ["A", "B"]
