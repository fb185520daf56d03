"""Fiscal calendars that end before the revenue does: what follows them is numbered on by months, and told (treatment 88)."""

from __future__ import annotations

import polars as pl

from engine.nothing import of_no
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.ground.frames import TEXT, Books


@of_no("fiscal")
def calendar_findings(books: Books, fiscal: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every legal entity with revenue of days after the last of its fiscal periods.

    Months that go on by months are known without being entered; of any other calendar (4-4-5, 13 periods) nobody knows what follows.
    """
    begins, ends = pl.col("start_date"), pl.col("end_date")
    is_month = (begins.dt.month_start() == begins) & (begins.dt.month_end() == ends)
    known = fiscal.drop_nulls(["start_date", "end_date"]).sort("end_date").group_by("legal_entity_id", maintain_order=True)
    over = known.agg(ends.last().alias("→last"), is_month.all().alias("→months"), pl.col("evidence").last()).filter(~pl.col("→months"))
    own = books.contracts.select("contract_id", "legal_entity_id", "calendar").join(over, on="legal_entity_id", how="inner")
    done = books.performance.lazy().filter(~pl.col("is_planned") if own.height else pl.lit(value=False))
    told = done.select("contract_id", "posting_date").unique().join(own.lazy(), on="contract_id", how="inner").collect()
    hit = told.filter(pl.col("posting_date") > pl.col("→last")).group_by("legal_entity_id", "calendar").agg(
        pl.col("→last", "evidence").first(), pl.col("contract_id").n_unique().alias("→count")
    )
    after = books.periods.select("calendar", "period", "start_date").sort("start_date")
    hit = hit.with_columns(pl.col("→last").dt.offset_by("1d").alias("→next")).sort("→next")
    hit = hit.join_asof(after, left_on="→next", right_on="start_date", by="calendar", check_sortedness=False).sort("legal_entity_id")
    message = pl.format(
        "The fiscal calendar of {} ends on {}, and revenue of {} contracts is of later days: it stands in months numbered on from it "
        "({} first), which need not be its periods.", "legal_entity_id", "→last", "→count", "period",
    )  # fmt: skip
    remedy = "Enter the fiscal periods through the day of the run, or load the next calendar (`fiscal_period`)."
    return hit.select(
        *finding_columns("fiscal_calendar_ends", "high", "legal_entity", message, remedy, "controller"),
        pl.col("legal_entity_id").alias("entity_id"), "period", pl.lit(None, dtype=TEXT).alias("contract_id"), "evidence",
    )  # fmt: skip
