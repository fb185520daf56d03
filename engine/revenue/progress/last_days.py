"""The last day on which work of a line is owed: an amendment takes the line away, or ends it before its day (606-10-25-1, 25-10)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.nothing import of_nothing

_KEY: Final = "contract_line_id"

BY_WORK: Final = ("as_invoiced", "capped", "hours")
"""Ways of pricing by which work itself is what the customer pays."""


def last_days(lines: pl.DataFrame, terms: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return lines that end ahead of time with their last day: contract_line_id, →last, →whose (contract or line), →is_removed.

    They end with their contract, or a modification takes them away (that day is still served) or brings their end forward: they run to
    that end then, or to the eve of the day the change counts from where that is later, as the customer owed until then what was done.
    """
    ended = contracts.filter(pl.col("terminated_date").is_not_null())
    of_contracts = lines.join(ended.select("contract_id", "terminated_date"), on="contract_id", how="inner")
    of_contracts = of_contracts.select(
        _KEY, pl.col("terminated_date").alias("→last"), pl.lit("contract").alias("→whose"), pl.lit(value=False).alias("→is_removed")
    )
    both = pl.concat([of_contracts, _ended_lines(lines, terms)]).sort("→last", maintain_order=True)
    return both.unique(_KEY, keep="first", maintain_order=True)


def _ended_lines(lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return lines that a change takes away, whatever later ones say, or that by the last end before the day they were signed for."""
    removed = pl.col("action") == "remove"
    moved = (pl.col("action") == "change") & pl.col("end_date").ne_missing(pl.col("before.end_date"))
    changed = terms.filter(removed | moved).select(_KEY).unique()
    latest = terms.join(changed, on=_KEY, how="semi").sort(_KEY, removed, "place", "amendment_line_id", nulls_last=False)
    latest = latest.unique(_KEY, keep="last", maintain_order=True).join(lines.select(_KEY, "ends").unique(_KEY), on=_KEY, how="inner")
    day = pl.coalesce("takes_effect", "event_date")
    until = pl.when(pl.col("end_date") < pl.col("ends")).then(pl.max_horizontal("end_date", day.dt.offset_by("-1d")))
    last = pl.when(removed).then(day).otherwise(until)
    made = latest.select(_KEY, last.alias("→last"), pl.lit("line").alias("→whose"), removed.alias("→is_removed"))
    return made.filter(pl.col("→last").is_not_null())


@of_nothing
def within(rows: pl.DataFrame, last: pl.DataFrame, day: str) -> pl.DataFrame:
    """Return rows of lines (contract_line_id) without those of days after the line's last (`last_days`)."""
    if not last.height:
        return rows
    made = rows.join(last, on=_KEY, how="left", maintain_order="left")
    return made.filter((pl.col(day) <= pl.col("→last")).fill_null(value=True)).drop("→last")


def paid_within(worked: pl.DataFrame, lines: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    """Return time that counts, of lines paid by their work without that of after their last day: nobody owes it."""
    by_work = lines.filter(pl.col("pricing").is_in(BY_WORK)).select(_KEY)
    return within(worked, last.join(by_work, on=_KEY, how="semi"), "date") if last.height else worked
