"""What is left of contracts that their customer may end: promised through the notice period and no further (606-10-25-3, 50-13)."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.contracts.leaving import free_to_leave, notice_end
from engine.revenue.disclosures.backlog import remaining_obligations
from engine.revenue.ground.frames import FEES, Books, empty

_NONE = pl.lit([], dtype=pl.List(pl.String))


def within_notice(rows: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Return contract_balances' rows (contract_id, date, remaining_obligation) with what is left cut to the notice period.

    Each period's end is seen from itself: what was promised and performed by then. As in the disclosures, but for
    work as invoiced, which stands in no price.
    """
    if "cancellable_by" not in books.contracts.columns:
        return rows
    promised = fees_of(books)
    free = books.contracts.filter(free_to_leave() & (pl.col("gate") == "met"))
    days = rows.join(free.select("contract_id"), on="contract_id", how="semi").filter(pl.col("remaining_obligation") != 0)
    days = pl.concat([days.select("contract_id", "date"), _evergreen_days(rows, free, promised)]).unique()
    if not days.height:
        return rows
    parts = [_left_on(day, each, books, free, promised) for (day,), each in sorted(days.partition_by("date", as_dict=True).items())]
    cut = pl.concat(parts)
    made = rows.join(cut, on=["contract_id", "date"], how="left", maintain_order="left")
    return made.with_columns(pl.coalesce("→left", "remaining_obligation").alias("remaining_obligation")).drop("→left")


@of_nothing
def _evergreen_days(rows: pl.DataFrame, free: pl.DataFrame, promised: pl.DataFrame) -> pl.DataFrame:
    """Return the days of contracts without an end, which are promised from notice to notice."""
    priced = promised.filter(pl.col("price_period").is_not_null() & pl.col("end_date").is_null()).select("contract_id").unique()
    endless = free.filter(pl.col("end_date").is_null()).join(priced, on="contract_id", how="semi")
    begun = endless.select("contract_id", "gate_date", pl.coalesce("terminated_date", "lost_date").alias("→ended"))
    known = rows.select("contract_id", "date").join(begun, on="contract_id", how="inner")
    is_open = (pl.col("date") >= pl.col("gate_date")) & (pl.col("→ended").is_null() | (pl.col("date") < pl.col("→ended")))
    return known.filter(is_open).select("contract_id", "date")


def _left_on(day: dt.date, asked: pl.DataFrame, books: Books, free: pl.DataFrame, promised: pl.DataFrame) -> pl.DataFrame:
    """Return what is left of the asked contracts as seen on one day: contract_id, date, →left."""
    today = pl.lit(day)
    ours = asked.select("contract_id")
    contracts = free.join(ours, on="contract_id", how="semi").with_columns(
        notice_end(today).alias("term_end"),
        _NONE.alias("setting.disclosure.rpo_expedients"),
        pl.when(pl.col("lost_date") > today).then(None).otherwise("lost_date").alias("lost_date"),
        pl.lit(None, dtype=pl.String).alias("fiscal_year_start"),
    )
    # Work as invoiced has a price only as it is done; what a closed month promised is what was known of it then.
    versions = books.extra.get("standing", books.obligations)
    known = versions.filter((pl.col("effective_date") <= today) & ~pl.col("is_as_invoiced").fill_null(value=False))
    done = with_opened(books).with_columns((pl.col("posting_date") > today).alias("is_planned"))
    found = remaining_obligations(
        contracts, known.join(ours, on="contract_id", how="semi"), books.lines.join(ours, on="contract_id", how="semi"),
        done.join(ours, on="contract_id", how="semi"), promised, today,
    )  # fmt: skip
    left = found.group_by("contract_id").agg(pl.col("amount").sum().cast(MONEY).alias("→left"))
    return asked.join(left, on="contract_id", how="left").with_columns(pl.col("→left").fill_null(ZERO))


def fees_of(books: Books) -> pl.DataFrame:
    """Return what lines priced by the month cost, step by step (`frames.FEES`)."""
    return books.extra.get("fees", empty(FEES))


def with_opened(books: Books) -> pl.DataFrame:
    """Return performance with what opening positions had recognized before, as rows of their day."""
    opened = books.extra.get("opened")
    return books.performance if opened is None or not opened.height else pl.concat([opened, books.performance])
