"""What comes of no rows is remembered by the columns it is asked for, and rows are never taken for none."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from engine.nothing import of_no, of_nothing

calls: list[int] = []


@of_nothing
def doubled(rows: pl.DataFrame, table: pl.DataFrame, name: str) -> pl.DataFrame:
    calls.append(rows.height)
    return rows.join(table, on="key", how="left").with_columns((pl.col("value") * 2).alias(name))


def test_no_rows_are_made_once_for_the_same_columns_and_names() -> None:
    rows, table = pl.DataFrame({"key": ["a"], "value": [1]}), pl.DataFrame({"key": ["a"], "more": ["x"]})
    assert doubled(rows, table, "twice").rows() == [("a", 1, "x", 2)]
    calls.clear()
    first, again = doubled(rows.clear(), table, "twice"), doubled(rows.clear(), table.clear(), "twice")
    assert calls == [0]
    assert first.equals(again)
    assert first.schema == {"key": pl.String, "value": pl.Int64, "more": pl.String, "twice": pl.Int64}
    assert doubled(rows.clear(), table, name="other").columns == ["key", "value", "more", "other"]
    assert doubled(rows.clear(), table.drop("more"), "twice").columns == ["key", "value", "twice"]
    assert doubled(rows.clear().cast({"value": pl.Int32}), table, "twice").schema["value"] == pl.Int32
    assert doubled(rows, table, "twice").height == 1


@of_no("table", "more")
def parted(rows: pl.DataFrame, table: pl.DataFrame, more: pl.DataFrame | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    calls.append(rows.height)
    met = rows.join(table if more is None else more, on="key", how="semi")
    return met.head(1), met.slice(1)


def test_frames_that_are_named_decide_wherever_they_stand() -> None:
    rows, none = pl.DataFrame({"key": ["a", "a"]}), pl.DataFrame(schema={"key": pl.String})
    calls.clear()
    assert [part.height for part in parted(rows, rows)] == [1, 1]
    assert [part.height for part in parted(none, rows)] == [0, 0]
    assert calls == [2, 0]
    calls.clear()
    for _ in range(2):
        assert [part.height for part in parted(rows, none)] == [0, 0]
        assert [part.height for part in parted(rows, rows, more=none)] == [0, 0]
    assert calls == [2, 2]


@dataclass(frozen=True)
class Held:
    """Hold a frame, and tell what it is without its rows."""

    frame: pl.DataFrame

    def without_rows(self) -> Held:
        return Held(self.frame.clear())


@of_nothing
def counted(rows: pl.DataFrame, table: pl.DataFrame, held: Held) -> pl.DataFrame:
    calls.append(held.frame.height)
    return rows.join(table, on="key", how="semi").join(held.frame, on="key", how="left")


def test_for_no_rows_nothing_that_holds_a_firm_is_gone_through() -> None:
    table = pl.DataFrame({"key": ["a", "b"]})
    held = Held(pl.DataFrame({"key": ["a"], "value": [1]}))
    calls.clear()
    assert counted(table.clear(), table, held).schema == {"key": pl.String, "value": pl.Int64}
    assert counted(table, table, held).height == 2
    assert calls == [0, 1]
