"""Cash kept of what never was, or was not yet, a contract: revenue without one (606-10-25-7)."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.acceptance import accepted_by
from engine.canonical.kinds import MONEY
from engine.nothing import of_no, of_nothing
from engine.revenue.arithmetic.exact import money_units
from engine.revenue.ground.frames import setting
from engine.revenue.ground.records import Records
from engine.revenue.price.advances import cash_of_contracts


def kept_cash(records: Records, contracts: pl.DataFrame, lines: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return cash that became revenue although the criteria of a contract were not met by then (`delivered.DELIVERED`; 606-10-25-7).

    Only what cannot be claimed back (every line says so), without tax and up to the price, and only when the agreement was terminated,
    or all of it was delivered and all of the price was received; under US GAAP also when the firm has stopped and owes no more. Where
    the criteria are met after all, what was performed is earned on that day, and the cash kept before is taken off it.
    """
    final = (
        lines.sort("contract_line_id")
        .group_by("contract_id", maintain_order=True)
        .agg(
            (~pl.col("is_refundable").fill_null(value=True)).all().alias("→final"),
            pl.when(pl.col("amount").is_not_null().any()).then(pl.col("amount").sum()).alias("→price"),
            pl.col("okey", "contract_line_id").first(),
        )
    )
    met_on = pl.when(pl.col("gate") == "met").then("gate_date")
    waited = (pl.col("gate") == "not_met") | (met_on > pl.col("signed_date")).fill_null(value=False)
    failed = contracts.filter(waited).with_columns(met_on.alias("→met_on")).join(final, on="contract_id", how="inner").filter("→final")
    return _kept_of_failed(failed, records, lines, as_of)


@of_nothing
def _kept_of_failed(failed: pl.DataFrame, records: Records, lines: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    # Tax is no consideration (32-2).
    paid = cash_of_contracts(records.frame("invoice"), records.frame("payment")).rename({"date": "paid_date"})
    failed = failed.join(_delivered_on(records, lines, failed, as_of), on="contract_id", how="left")
    failed = failed.select(
        "contract_id", "okey", "contract_line_id", "minor_digits", "status", "terminated_date", "end_date", "→met_on", "→delivered_on",
        pl.coalesce("→price", "total_value").alias("→price"), (setting("standard") == "us_gaap").alias("→may_stop"),
    )  # fmt: skip
    rows = paid.filter(pl.col("paid_date") <= as_of).join(failed, on="contract_id", how="inner")
    rows = rows.join(_repriced(records), on="contract_id", how="left", maintain_order="left")
    in_order = ["paid_date", "payment_id"]
    # Money beyond what was agreed is not for it.
    limit = pl.when(pl.col("→is_repriced").is_null()).then("→price")
    rows = rows.with_columns(pl.col("amount").cum_sum().over("contract_id", order_by=in_order).alias("→so_far"))
    rows = rows.with_columns(pl.min_horizontal("→so_far", limit).alias("→kept"))
    before = pl.col("→kept").shift(1).over("contract_id", order_by=in_order).fill_null(0)
    rows = rows.with_columns((pl.col("→kept") - before).cast(MONEY).alias("amount"), _free_on(as_of).alias("→free"))
    kept = rows.filter(pl.col("→free").is_not_null()).select(
        "okey",
        "contract_line_id",
        pl.max_horizontal("paid_date", "→free").alias("date"),
        money_units(pl.col("amount"), pl.col("minor_digits")).alias("units"),
        pl.lit("cash").alias("basis"),
        pl.lit("point_in_time").alias("timing"),
        pl.lit(value=False).alias("is_accrued"),
        "evidence",
        "→met_on",
    )
    kept = kept.filter((pl.col("date") < pl.col("→met_on")).fill_null(value=True))
    back = kept.filter(pl.col("→met_on").is_not_null()).with_columns(pl.col("→met_on").alias("date"), pl.col("units") * -1)
    return pl.concat([kept, back]).drop("→met_on").filter(pl.col("date") <= as_of)


def _free_on(as_of: dt.date) -> pl.Expr:
    """Return the day from which what a customer paid is kept for good; null: it may go back."""
    full_on = pl.col("paid_date").filter(pl.col("→so_far") >= pl.col("→price")).min().over("contract_id")
    ended = pl.when(pl.col("terminated_date") <= as_of).then(pl.col("terminated_date"))
    is_over = pl.col("status") == "completed"
    done = pl.when(is_over & full_on.is_not_null()).then(pl.max_horizontal("end_date", full_on))
    delivered_all = pl.when(full_on.is_not_null() & pl.col("→delivered_on").is_not_null()).then(pl.max_horizontal("→delivered_on", full_on))
    stopped_on = pl.when(is_over & pl.col("→may_stop")).then(pl.coalesce("end_date", "paid_date"))
    # How a contract ended in the end says nothing of the days before it was one.
    return pl.when(pl.col("→met_on").is_null()).then(pl.coalesce(ended, done, delivered_all, stopped_on)).otherwise(delivered_all)


def _repriced(records: Records) -> pl.DataFrame:
    """Return the contracts of which a change states another price than their lines: contract_id, →is_repriced."""
    stated = records.frame("amendment_line").filter((pl.col("action") == "change") & pl.col("amount").is_not_null())
    changed = records.frame("amendment").join(stated, on="amendment_id", how="semi")
    return changed.select("contract_id", pl.lit(value=True).alias("→is_repriced")).unique()


@of_no("contracts")
def _delivered_on(records: Records, lines: pl.DataFrame, contracts: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return the day by which every line of a contract was delivered in full: contract_id, →delivered_on (null: not yet)."""
    priced = lines.join(contracts.select("contract_id"), on="contract_id", how="semi").filter(pl.coalesce("amount", pl.lit(1)) != 0)
    key = "contract_line_id"
    accepted = pl.col("accepted_date").max()
    all_accepted = accepted_by(pl.lit(as_of)).all()
    milestones = records.frame("milestone").group_by(key).agg(pl.when(all_accepted).then(accepted).alias("→on"))
    seen = records.frame("progress").filter(pl.col("as_of_date") <= as_of).join(priced.select(key, "quantity"), on=key, how="inner")
    is_full = (
        (pl.col("percent_complete") >= 100)
        | (pl.col("units_delivered") >= pl.coalesce("estimated_total_units", "quantity"))
        | (pl.col("cost_to_date") >= pl.col("estimated_total_cost"))
        | (pl.col("hours_to_date") >= pl.col("estimated_total_hours"))
    )
    observed = seen.filter(is_full.fill_null(value=False)).group_by(key).agg(pl.col("as_of_date").min().alias("→on"))
    lapsed = priced.filter((pl.col("measure") == "time_elapsed") & (pl.col("ends") <= as_of)).select(key, pl.col("ends").alias("→on"))
    days = pl.concat([milestones, observed, lapsed]).drop_nulls().group_by(key).agg(pl.col("→on").max())
    every = priced.join(days, on=key, how="left").group_by("contract_id")
    return every.agg(pl.when(pl.col("→on").is_not_null().all()).then(pl.col("→on").max()).alias("→delivered_on"))
