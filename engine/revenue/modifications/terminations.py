"""What the end of a contract before its time does to its promises (606-10-25-10, 25-13)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.nothing import of_no, of_nothing
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.arithmetic.runs import without
from engine.revenue.ground.records import Records
from engine.revenue.modifications.kept import PAID_ON_LINES, with_paid_for_good
from engine.revenue.progress.measured import BY_TIME

ENDING: Final = "ending"
"""What an amendment does to a promise that ends on its day and that it does not touch: nothing."""

TERMINATE: Final = "terminate"
"""What the end of its contract does to a promise: nothing of it remains."""

# The place of an end in the contract's order: after every amendment of its day.
_LAST: Final = 10**6


@of_no("amended")
def told_ends(contracts: pl.DataFrame, amended: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the promises of which an amendment says how they end with their contract: contract_id, okey, is_settled.

    It is dated on the last day, or gives the promise that day for its end. One that states another price on the last day settles the
    promise at it (`is_settled`): nothing is left to do, and all of it is earned. Time measures that by the end it states. So is what
    it adds on that day without a later term: a fee for the end, of which nothing is to be delivered.
    """
    ends = contracts.filter(pl.col("terminated_date").is_not_null()).select("contract_id", "terminated_date")
    on_day = pl.col("event_date") == pl.col("terminated_date")
    told = amended.join(ends, on="contract_id", how="inner").filter(on_day | (pl.col("end_date") == pl.col("terminated_date")))
    runs_on = pl.col("end_date").is_null() | (pl.col("end_date") > pl.col("terminated_date"))
    by_itself = runs_on | (pl.col("measure") != BY_TIME)
    within = pl.col("end_date").is_null() | (pl.col("end_date") <= pl.col("terminated_date"))
    says = (pl.col("action") == "change") | ((pl.col("action") == "add") & within)
    settles = on_day & says & by_itself & pl.coalesce("amount", "unit_price").is_not_null()
    own = told.join(lines.select("contract_line_id", "okey", "measure"), on="contract_line_id", how="inner")
    return own.group_by("contract_id", "okey").agg(settles.any().alias("is_settled"))


def terminations(
    contracts: pl.DataFrame, told: pl.DataFrame, lines: pl.DataFrame, terms: pl.DataFrame, records: Records, as_of: dt.date
) -> pl.DataFrame:
    """Return contracts that end before their time with promises of which no amendment says how: the end is an event of its own.

    `told`: of `told_ends`. Their time is over with the last day of anything they promise, extensions included.

    Columns: group_id, contract_id, date (the last day, still served), place, amendment_id, paid_for_good (units received that cannot be
    claimed back: every line says so), event_date, agreed_on (of an end known ahead: the day it was, of promises earned by time; else of one
    still to come as_of), is_to_come, is_part (a contract combined with it runs on).
    """
    whole_group = contracts.group_by("group_id").agg(
        pl.col("terminated_date").is_null().any().alias("→endless"), pl.col("terminated_date").max().alias("→latest")
    )
    contracts = contracts.join(whole_group, on="group_id", how="left", maintain_order="left")
    ended = contracts.filter(pl.col("terminated_date").is_not_null())
    ended = ended.join(_last_days(lines, terms), on="contract_id", how="left", maintain_order="left")
    time_is_up = pl.col("end_date").is_not_null() & (pl.col("terminated_date") >= pl.max_horizontal("end_date", "→last"))
    # A promise that is settled on the last day has more left than time, also where that day stands as the contract's own end.
    is_settled = pl.col("contract_id").is_in(told.filter("is_settled")["contract_id"].unique().implode())
    ended = ended.filter(~time_is_up | is_settled)
    # Where an amendment tells of every promise there is nothing more to end.
    whole = told.filter(~pl.col("is_settled"))
    some = without(lines, whole, "okey").select("contract_id").unique()
    ended = ended.join(some, on="contract_id", how="semi")
    made = _known_ahead(with_paid_for_good(ended, records), lines)
    runs_on = pl.col("→endless") | (pl.col("→latest") > pl.col("terminated_date"))
    made = made.with_columns(runs_on.alias("is_part"), pl.col("terminated_date").alias("date"))
    # Those that end on one day are one event.
    place = pl.col("date").rank("dense").over("group_id").cast(pl.Int32) + _LAST
    return made.select(
        "group_id",
        "contract_id",
        "date",
        place.alias("place"),
        ended_by().alias("amendment_id"),
        "paid_for_good",
        pl.col("date").alias("event_date"),
        pl.coalesce("→known", pl.when(pl.col("date") > as_of).then(pl.lit(as_of))).alias("agreed_on"),
        (pl.col("date") > as_of).alias("is_to_come"),
        "is_part",
    )


def _known_ahead(ended: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Add `→known`: the day on which an end was known before it came, of contracts whose promises time measures alone.

    How far other work would be by the end nobody knew then.
    """
    told = pl.col("terminated_recorded_at").dt.date()
    known = pl.when(told.is_not_null()).then(pl.max_horizontal(told, "signed_date"))
    other = lines.filter(pl.col("measure").ne_missing(BY_TIME))["contract_id"].unique()
    ahead = (known < pl.col("terminated_date")) & ~pl.col("contract_id").is_in(other.implode())
    return ended.with_columns(pl.when(ahead).then(known).alias("→known"))


def _last_days(lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return the last day on which anything of a contract was ever to be served, as signed or as changed: contract_id, →last."""
    changed = terms.group_by("contract_line_id").agg(pl.col("end_date").max().alias("→changed"))
    both = lines.select("contract_id", "contract_line_id", "ends").join(changed, on="contract_line_id", how="left")
    return both.group_by("contract_id").agg(pl.max_horizontal("ends", "→changed").max().alias("→last"))


def ended_by() -> pl.Expr:
    """Return the name that the end of a contract (`contract_id`) has among its changes."""
    return pl.format("{}|terminated", "contract_id")


def with_own_levels(ended: pl.DataFrame, start: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
    """Add what levels (`level_steps`) are in an ended promise's price on its last day (units): own_level, own_variable_level of its own.

    `paid_level`: what is paid to the customer (below 0) lowers the price of the whole contract by.
    """
    names = ["group_id", "okey", "date", "amount", "is_variable"]
    told = ("own_level", "own_variable_level", "paid_level")
    if not ended.height:
        return ended.with_columns(wide(0).alias(name) for name in told)
    rows = pl.concat([
        start.select("group_id", "okey", pl.lit(dt.date.min).alias("date"), pl.col("level").alias("amount"), "is_variable"),
        later.select("group_id", "okey", "date", pl.col("delta").alias("amount"), "is_variable"),
    ]).select(names)  # fmt: skip
    paid = rows.filter(pl.col("okey").is_null() & ~pl.col("is_variable") & (pl.col("amount") < 0)).drop("okey")
    paid = ended.select("group_id", "ends_on").unique().join(paid, on="group_id", how="inner").filter(pl.col("date") <= pl.col("ends_on"))
    whole = paid.group_by("group_id", "ends_on").agg(pl.col("amount").sum().alias("paid_level"))
    rows = rows.drop("group_id")
    own = ended.select("okey", "ends_on").unique("okey").join(rows, on="okey", how="inner").filter(pl.col("date") <= pl.col("ends_on"))
    summed = own.group_by("okey").agg(
        pl.col("amount").sum().alias("own_level"), pl.col("amount").filter("is_variable").sum().alias("own_variable_level")
    )
    made = ended.join(summed, on="okey", how="left", maintain_order="left")
    made = made.join(whole, on=["group_id", "ends_on"], how="left", maintain_order="left")
    return made.with_columns(pl.col(told).fill_null(0))


@of_nothing
def ended_obligations(
    ends: pl.DataFrame, told: pl.DataFrame, states: pl.DataFrame, added: pl.DataFrame, own: pl.DataFrame
) -> pl.DataFrame:
    """Return the obligations that end with their contract, as changes (`change_rows`), but for those that an amendment ends (`told`).

    `own`: what was paid for good for single lines (`kept.paid_on_lines`).

    Of an end still to come only what time measures: how far other work will be by then nobody knows yet. Where contracts combined with
    the one that ends run on (`is_part`), its promises are taken out of their common price: what is then owed is for what remains
    (25-9, 25-13(a)).
    """
    names = ["okey", "contract_id", "measure"]
    every = pl.concat([states.select(names), added.select(names)])
    return (
        ends.select("group_id", "contract_id", "place", "paid_for_good", "is_to_come", "is_part", pl.col("date").alias("ends_on"))
        .join(every, on="contract_id", how="inner")
        .join(told.select("okey", "is_settled"), on="okey", how="left")
        .join(own, on="okey", how="left")
        .filter(pl.col("is_settled").fill_null(value=True))
        .filter(~pl.col("is_to_come") | (pl.col("measure") == BY_TIME))
        .select(
            "group_id",
            "place",
            "okey",
            pl.lit(TERMINATE).alias("kind"),
            wide(0).alias("price_change"),
            wide(0).alias("past"),
            "paid_for_good",
            *PAID_ON_LINES,
            "is_settled",
            (pl.col("is_part") & pl.col("is_settled").is_null()).alias("is_taken_out"),
            pl.when(pl.col("is_part") & pl.col("is_settled").is_null()).then("ends_on").alias("ends.after"),
            "ends_on",
        )
    )


def ending_obligations(ended: pl.DataFrame, amendments: pl.DataFrame, touched: pl.DataFrame) -> pl.DataFrame:
    """Return what ends on the day of an amendment that does not touch it, as changes: nothing of it remains to share a pool."""
    days = amendments.select("group_id", pl.col("event_date").alias("ends_on"), "place")
    rows = ended.drop("place").join(days, on=["group_id", "ends_on"], how="inner")
    rows = rows.join(touched, on=["group_id", "place", "okey"], how="anti")
    return rows.select("group_id", "place", "okey", pl.lit(ENDING).alias("kind"), "price_change", "past")
