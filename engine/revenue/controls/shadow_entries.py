"""Work behind a difference of the shadow check: the entries that one side counts and the other does not."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.numbers import whole_number

ENTRIES: Final[dict[str, pl.DataType]] = {
    "contract_line_id": pl.String(), "period": pl.String(), "time_entry_id": pl.String(), "date": pl.Date(), "worth": pl.Int128(),
    "counts": pl.Boolean(),
}  # fmt: skip
"""Time entries of lines measured by work. `worth`: hours (as invoiced: at their own rate, where they have one); `counts`: approved."""

_HOURS: Final = pl.Decimal(38, 6)
_BY_WORK: Final = ("hours", "as_invoiced")


def entries_of(time_entries: pl.DataFrame, lines: pl.DataFrame, periods: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return ENTRIES of lines whose revenue follows hours, through as_of."""
    work = time_entries.filter((pl.col("work_date") <= as_of) & pl.col("contract_line_id").is_not_null())
    own = lines.filter(pl.col("measure").is_in(_BY_WORK)).select("contract_line_id", "measure").unique("contract_line_id", keep="last")
    found = work.join(own, on="contract_line_id", how="inner")
    if not found.height:
        return pl.DataFrame(schema=ENTRIES)
    rate = pl.when(pl.col("measure") == "as_invoiced").then("bill_rate").fill_null(1)
    months = periods.select("period", "start_date", "end_date").unique("period", keep="first")
    found = found.join_where(months, pl.col("work_date") >= pl.col("start_date"), pl.col("work_date") <= pl.col("end_date"))
    worth = (whole_number("hours", _HOURS) * whole_number(rate, _HOURS)).alias("worth")
    return found.select(
        "contract_line_id", "period", "time_entry_id", pl.col("work_date").alias("date"), worth,
        (pl.col("status") == "approved").fill_null(value=False).alias("counts"),
    )  # fmt: skip


def with_entries(rows: pl.DataFrame, entries: pl.DataFrame | None) -> pl.DataFrame:
    """Add `entries`: approved ones that are just what theirs lacks, or others that are just what it has beyond ours.

    One entry alone, or all of a period from a day on (what was entered or approved too late), at what an hour of the
    period is worth here; null where none are.
    """
    if entries is None or not entries.height:
        return rows.with_columns(pl.lit(None, dtype=pl.String).alias("entries"))
    key = ["contract_line_id", "period"]
    whole = entries.filter("counts").group_by(key).agg(pl.col("worth").sum().alias("whole")).filter(pl.col("whole") > 0)
    asked = rows.filter(pl.col("difference") != 0).select(*key, "ours", "difference", "minor").join(whole, on=key, how="inner")
    days = entries.group_by(*key, "counts", "date").agg(pl.col("worth").sum(), pl.col("time_entry_id").sort().alias("ids"))
    group = [*key, "counts"]
    through = days.with_columns(pl.col("worth").cum_sum(reverse=True).over(group, order_by="date")).drop("ids")
    tails = through.join(days.select(*group, pl.col("date").alias("later"), "ids"), on=group, how="inner").filter(
        pl.col("later") >= pl.col("date")
    ).group_by(*group, "date", "worth").agg(pl.col("ids").explode().sort().str.join(", ").alias("entries"))  # fmt: skip
    single = entries.select(*group, "worth", pl.col("time_entry_id").alias("entries"))
    options = pl.concat([single.with_columns(pl.lit(0).alias("place")), tails.select(*group, "worth", "entries", pl.lit(1).alias("place"))])
    tried = asked.join(options, on=key, how="inner").filter(pl.col("counts") == (pl.col("difference") < 0))
    off = whole_number(pl.col("difference").abs(), MONEY) * pl.col("whole") - whole_number(pl.col("ours").abs(), MONEY) * pl.col("worth")
    fits = tried.filter(off.abs() <= whole_number("minor", MONEY) * pl.col("whole")).sort(*key, "place", "entries")
    found = fits.unique(key, keep="first", maintain_order=True).select(*key, "entries")
    return rows.join(found, on=key, how="left", maintain_order="left")
