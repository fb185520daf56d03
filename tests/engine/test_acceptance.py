"""When a milestone is accepted, for billing as for revenue."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.acceptance import accepted_by, is_accepted

DAY = dt.date(2026, 3, 15)


def test_the_status_decides_and_where_it_is_silent_the_day() -> None:
    told = pl.DataFrame(
        {"status": ["accepted", "accepted", "completed", None, None], "accepted_date": [DAY, None, DAY, DAY, None]},
        schema={"status": pl.String, "accepted_date": pl.Date},
    )
    assert told.select(is_accepted()).to_series().to_list() == [True, True, False, True, False]
    # Who says no day accepted it on none.
    assert told.select(accepted_by(pl.lit(DAY))).to_series().to_list() == [True, False, False, True, False]
    assert not told.select(accepted_by(pl.lit(DAY - dt.timedelta(days=1))).any()).item()
