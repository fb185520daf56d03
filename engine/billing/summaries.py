"""Invoice lines that name no entry and bill a project's hours of a period in one sum: which entries, where that can be told.

Told is it where the hours of all approved, billable entries of the project in the period, which no
other line names, are the hours of the lines: then every one of them is billed. Anything else is
never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from engine.billing.money import HOURS, with_share
from engine.billing.references import frame_of
from engine.canonical.kinds import MONEY

_HOURLY: Final = ("time_and_materials", "cost_plus")
_GROUP: Final = ["project_id", "currency", "→cluster"]
_OWN: Final = ("time_entry_id", "expense_id", "milestone_id")

NOT_TOLD: Final = {
    "entity_id": pl.String(), "invoice_id": pl.String(), "project_id": pl.String(), "contract_id": pl.String(), "from": pl.Date(),
    "to": pl.Date(), "currency": pl.String(), "lines": pl.UInt32(), "billed": HOURS, "amount": MONEY, "hours": HOURS,
    "entries": pl.List(pl.String()), "evidence": pl.List(pl.String()),
}  # fmt: skip
"""Columns of `not_told`: `billed` hours of the lines and what they charge, `hours` of the entries that may be meant."""


def summary_lines(lines: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return the charging lines (of `counted_lines`) that state project, service period and hours but name no item.

    Lines of one project and currency whose periods meet stand in one `→cluster`. A line of a promise
    that is not billed by the hour is no such line.
    """
    bare = lines.filter(
        pl.col("project_id").is_not_null() & pl.col("service_start").is_not_null() & pl.col("service_end").is_not_null()
        & (pl.col("net_amount") > 0) & pl.all_horizontal(pl.col(name).is_null() for name in _OWN)
        & (pl.col("invoice.kind") != "credit_note").fill_null(value=True)
    )  # fmt: skip
    if "invoice_line_time" in frames:
        bare = bare.join(frame_of(frames, "invoice_line_time").select("invoice_line_id").unique(), on="invoice_line_id", how="anti")
    offering = frame_of(frames, "contract_line").select("contract_line_id", pl.col("offering").alias("→offering"))
    bare = bare.join(offering.unique("contract_line_id"), on="contract_line_id", how="left")
    found = bare.filter(pl.col("→offering").is_in(_HOURLY).fill_null(value=True)).collect()
    ordered = found.sort("project_id", "currency", "service_start", "service_end", "invoice_line_id", nulls_last=True)
    same = ["project_id", "currency"]
    before = pl.col("service_end").cum_max().shift(1).over(same)
    return ordered.with_columns((pl.col("service_start") > before).fill_null(value=False).cum_sum().over(same).alias("→cluster"))


def summary_links(
    lines: pl.LazyFrame, named: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the entries that summary lines bill, in the columns of the ledger's links, and the lines of which it cannot be told.

    `named` holds the `item.id` of entries that lines name. Where the lines of one period have several
    prices, entries belong to the lines of their own price. The lines' amount is shared by hours.
    """
    found = summary_lines(lines, frames)
    nothing = pl.DataFrame(schema=NOT_TOLD)
    if found.height == 0:
        return pl.DataFrame(), nothing
    entries = _entries(found, named, frames)
    prices = found.group_by(_GROUP).agg(pl.col("unit_price").n_unique().alias("→prices"), pl.col("unit_price").first().alias("→price"))
    own_price = pl.when(pl.col("→prices") == 1).then(pl.col("→price")).otherwise(pl.col("bill_rate"))
    entries = entries.join(prices, on=_GROUP, how="left", nulls_equal=True).with_columns(own_price.alias("unit_price"))
    by_price = [*_GROUP, "unit_price"]
    stated = pl.col("quantity").sum().cast(HOURS).alias("→billed"), pl.col("quantity").has_nulls().alias("→unsaid")
    billed = found.group_by(by_price).agg(stated)
    worked = entries.group_by(by_price).agg(pl.col("hours").sum().cast(HOURS).alias("→hours"))
    both = billed.join(worked, on=by_price, how="full", coalesce=True, nulls_equal=True)
    ties = (pl.col("→billed") == pl.col("→hours")).fill_null(value=False) & ~pl.col("→unsaid").fill_null(value=True)
    told = both.group_by(_GROUP).agg(ties.all().alias("→told"))
    yes, no = (told.filter(pl.col("→told") == which).select(_GROUP) for which in (True, False))
    links = _links(
        entries.join(yes, on=_GROUP, how="semi", nulls_equal=True), found.join(yes, on=_GROUP, how="semi", nulls_equal=True), by_price
    )
    # A line of unknown kind that does not fit hours may be a fee.
    hourly = found.filter(pl.col("→offering").is_not_null()).join(no, on=_GROUP, how="semi", nulls_equal=True)
    return links, _not_told(hourly, entries)


def _entries(found: pl.DataFrame, named: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return the approved, billable entries of the lines' projects and periods that no line names."""
    periods = found.group_by(_GROUP).agg(pl.col("service_start").min().alias("→from"), pl.col("service_end").max().alias("→to"))
    may_be = pl.col("billable").fill_null(value=True) & (pl.col("status") == "approved").fill_null(value=True) & (pl.col("hours") > 0)
    time = frame_of(frames, "time_entry").filter(may_be)
    time = time.join(periods.lazy(), on="project_id", how="inner", suffix="_line").filter(pl.col("work_date").is_between("→from", "→to"))
    time = time.join(named.select("item.id").unique(), left_on="time_entry_id", right_on="item.id", how="anti")
    own = [name for name in ("currency_line",) if name in time.collect_schema().names()]
    time = time.with_columns(pl.col(own[0]).alias("currency")) if own else time
    return time.select(*_GROUP, "time_entry_id", "hours", "bill_rate", "work_date").collect().sort("work_date", "time_entry_id")


def _links(entries: pl.DataFrame, lines: pl.DataFrame, by_price: list[str]) -> pl.DataFrame:
    heads = lines.sort("invoice_date", "invoice_line_id").group_by(by_price, maintain_order=True).agg(
        pl.col("net_amount").sum(), pl.col("invoice_line_id", "invoice_id", "contract_line_id", "invoice_date").first(),
        pl.col("evidence").explode(),
    )  # fmt: skip
    joined = entries.join(heads, on=by_price, how="inner", nulls_equal=True)
    shared = with_share(joined.lazy(), ["work_date", "time_entry_id"], "invoice_line_id").collect()
    return shared.select(
        pl.col("time_entry_id").alias("item.id"), pl.col("hours").cast(HOURS).alias("quantity"), pl.col("→share").alias("amount"),
        "currency", "invoice_line_id", "invoice_id", "contract_line_id", "invoice_date", "evidence",
    )  # fmt: skip


def _not_told(lines: pl.DataFrame, entries: pl.DataFrame) -> pl.DataFrame:
    groups = lines.sort("invoice_date", "invoice_line_id").group_by(_GROUP, maintain_order=True).agg(
        pl.col("invoice_line_id").first().alias("entity_id"), pl.col("invoice_id").first(),
        pl.col("invoice.contract_id").first().alias("contract_id"), pl.col("service_start").min().alias("from"),
        pl.col("service_end").max().alias("to"), pl.len().alias("lines"), pl.col("quantity").sum().alias("billed"),
        pl.col("net_amount").sum().alias("amount"), pl.col("evidence").explode().drop_nulls(),
    )  # fmt: skip
    worked = entries.group_by(_GROUP).agg(pl.col("hours").sum(), pl.col("time_entry_id").sort().alias("entries"))
    joined = groups.join(worked, on=_GROUP, how="left", nulls_equal=True).with_columns(
        pl.col("hours").fill_null(0), pl.col("entries").fill_null(pl.lit([], dtype=pl.List(pl.String)))
    )
    return joined.select(pl.col(name).cast(dtype) for name, dtype in NOT_TOLD.items()).sort("entity_id")
