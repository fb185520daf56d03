"""What is left of contracts that their customer may end: promised through the notice period and no further (606-10-25-3, 50-13)."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.canonical.kinds import MONEY
from engine.canonical.schema import empty_frame
from engine.nothing import of_nothing
from engine.revenue.arithmetic.asof import latest, running
from engine.revenue.arithmetic.conventions import MONTHS_IN
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.contracts.leaving import free_to_leave, notice_end
from engine.revenue.disclosures.backlog import remaining_obligations
from engine.revenue.disclosures.milestones import due_milestones
from engine.revenue.ground.frames import FEES, MOVED_ENDS, Books, empty, of_price

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
    due = _milestones(books, free)
    parts = [_left_on(day, each, books, free, promised, due) for (day,), each in sorted(days.partition_by("date", as_dict=True).items())]
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


def month_by_month(rows: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Return contract_balances' rows (contract_id, date, transaction_price) with the price of services without an end as of their own day.

    Month to month nothing is promised but what is served (606-10-25-3): what later months brought is no price of those before.
    """
    endless = _endless(books)
    asked = rows.select("contract_id", "date").join(endless, on="contract_id", how="inner")
    if not asked.height:
        return rows
    key = ["contract_id", "obligation_id"]
    versions = books.extra.get("standing", books.obligations)
    asked = latest(asked, versions.select(*key, pl.col("effective_date").alias("date"), "allocated_amount"), by=key, on="date",
                   columns=["allocated_amount"])  # fmt: skip
    done = with_opened(books).filter(of_price())
    done = done.select(*key, pl.col("posting_date").alias("date"), pl.col("amount").alias("→earned"))
    asked = running(asked, done, by=key, on="date", columns=["→earned"])
    later = (pl.col("allocated_amount") - pl.col("→earned")).fill_null(ZERO).sum().cast(MONEY).alias("→later")
    before = pl.col("date") < pl.col("date").max().over("contract_id")
    told = rows.join(asked.filter(before).group_by("contract_id", "date").agg(later), on=["contract_id", "date"], how="left",
                     maintain_order="left")  # fmt: skip
    price = (pl.col("transaction_price") - pl.col("→later").fill_null(ZERO)).cast(MONEY)
    return told.with_columns(price.alias("transaction_price")).drop("→later")


def _endless(books: Books) -> pl.DataFrame:
    """Return obligations in force that are served by the month with no last day: contract_id, obligation_id."""
    last = fees_of(books).sort("contract_line_id", "place").unique("contract_line_id", keep="last", maintain_order=True)
    priced = last.filter(pl.col("price_period").is_in(list(MONTHS_IN)) & pl.col("end_date").is_null()).select("contract_line_id")
    without = books.contracts.filter(pl.col("end_date").is_null() & (pl.col("gate") == "met")).select("contract_id")
    lines = books.lines.join(without, on="contract_id", how="semi")
    is_endless = pl.col("contract_line_id").is_in(priced["contract_line_id"].implode()) & (pl.col("measure") == "time_elapsed")
    told = lines.with_columns(is_endless.alias("→endless"))
    whole = told.group_by("contract_id", "obligation_id").agg(pl.col("→endless").all())
    return whole.filter("→endless").drop("→endless")


def _milestones(books: Books, free: pl.DataFrame) -> pl.DataFrame:
    """Return the milestones that measure promises of contracts somebody is free to leave (`extra["milestones"]`)."""
    known = books.extra.get("milestones", empty_frame("milestone"))
    measured = books.lines.filter(pl.col("measure") == "milestones").join(free, on="contract_id", how="semi") if known.height else known
    return known.join(measured.select(pl.col("contract_line_id").cast(pl.String)), on="contract_line_id", how="semi")


def _left_on(
    day: dt.date, asked: pl.DataFrame, books: Books, free: pl.DataFrame, promised: pl.DataFrame, milestones: pl.DataFrame
) -> pl.DataFrame:
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
    known, own, done = (each.join(ours, on="contract_id", how="semi") for each in (known, books.lines, with_opened(books)))
    known, lines = _with_ends(day, known, own, books)
    done = _as_planned(day, known, done, versions, books)
    due = due_milestones(milestones, lines, today)
    found = remaining_obligations(contracts, known, lines, done, promised, today, due=due)
    left = found.group_by("contract_id").agg(pl.col("amount").sum().cast(MONEY).alias("→left"))
    return asked.join(left, on="contract_id", how="left").with_columns(pl.col("→left").fill_null(ZERO))


def _with_ends(day: dt.date, known: pl.DataFrame, lines: pl.DataFrame, books: Books) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return versions and lines with the last days agreed on by a day: what made a promise longer later is not known yet."""
    moved = books.extra.get("moved_ends", empty(MOVED_ENDS))
    if moved.join(lines, on="contract_line_id", how="semi").is_empty():
        return known, lines
    by_then = moved.filter(pl.col("date") <= day).sort("date").unique("contract_line_id", keep="last", maintain_order=True)
    told = lines.join(by_then.select("contract_line_id", pl.col("end_date").alias("→end")), on="contract_line_id", how="left")
    told = told.with_columns(pl.coalesce("→end", "end_date").alias("end_date")).drop("→end")
    key = ["contract_id", "obligation_id"]
    touched = lines.join(moved, on="contract_line_id", how="semi").select(key).unique()
    ends = told.join(touched, on=key, how="semi").group_by(key).agg(pl.col("end_date").max().alias("→end"))
    made = known.join(ends, on=key, how="left", maintain_order="left").with_columns(pl.coalesce("→end", "end_date").alias("end_date"))
    return made.drop("→end"), told


def _as_planned(day: dt.date, known: pl.DataFrame, done: pl.DataFrame, versions: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Return performance as seen on a day: what comes after it is planned of what time measures, as long as nothing changed it later.

    What was reported later was no plan, and a plan made anew is of a later day: what remains is spread evenly then.
    """
    key = ["contract_id", "obligation_id"]
    is_later = pl.col("posting_date") > day
    timed = known.filter(pl.col("measure") == "time_elapsed").select(key).unique()
    moved = books.extra.get("moved_ends", empty(MOVED_ENDS)).filter(pl.col("date") > day)
    changed = [
        versions.filter(pl.col("effective_date") > day).select(key), done.filter(is_later & (pl.col("nature") != "current")).select(key),
        books.lines.join(moved, on="contract_line_id", how="semi").select(key),
    ]  # fmt: skip
    timed = timed.join(pl.concat(changed), on=key, how="anti").with_columns(pl.lit(value=True).alias("→timed"))
    seen = done.join(timed, on=key, how="left", maintain_order="left").filter(~is_later | pl.col("→timed"))
    return seen.drop("→timed").with_columns(is_later.alias("is_planned"))


def fees_of(books: Books) -> pl.DataFrame:
    """Return what lines priced by the month cost, step by step (`frames.FEES`)."""
    return books.extra.get("fees", empty(FEES))


def with_opened(books: Books) -> pl.DataFrame:
    """Return performance with what opening positions had recognized before, as rows of their day."""
    opened = books.extra.get("opened")
    return books.performance if opened is None or not opened.height else pl.concat([opened, books.performance])
