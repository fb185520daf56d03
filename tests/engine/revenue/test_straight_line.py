"""The whole stage beside a plain straight-line schedule of the same promises, written by hand in Polars."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from benchmarks.revenue import schedule_alone, straight_line, write

KEY = ["obligation_id", "period"]


def test_promises_by_time_that_nothing_modified_are_the_plain_straight_line(tmp_path: Path) -> None:
    result = write(tmp_path, 60)
    plain = straight_line(tmp_path)[1].group_by(KEY).agg(pl.col("amount").sum())
    made = result.frames["revenue_schedule"].collect()
    ours = made.group_by(KEY).agg((pl.col("recognized_amount") + pl.col("planned_amount")).sum().alias("ours"))
    promises = result.frames["obligations"].collect().group_by("obligation_id").agg(
        pl.len().alias("versions"), pl.col("measure").first()
    )  # fmt: skip
    chosen = promises.filter((pl.col("versions") == 1) & (pl.col("measure") == "time_elapsed"))
    both = plain.join(ours, on=KEY, how="full", coalesce=True).join(chosen, on="obligation_id", how="semi")
    assert chosen.height > 100 and chosen.height < promises.height
    assert both.height > 24 * chosen.height and both.filter(pl.col("ours").ne_missing(pl.col("amount"))).is_empty()


def test_the_schedule_made_alone_is_that_of_the_whole_stage(tmp_path: Path) -> None:
    whole = write(tmp_path, 60).frames
    alone = schedule_alone(tmp_path)[1].frames
    assert sorted(alone) == ["modifications", "obligations", "revenue_schedule"]
    for name, frame in alone.items():
        # Planned revenue is translated by nobody, whatever else is made.
        told = pl.exclude("functional_amount") if name == "revenue_schedule" else pl.all()
        assert_frame_equal(frame.collect().select(told), whole[name].collect().select(told))
