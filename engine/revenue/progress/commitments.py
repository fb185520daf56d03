"""Use of what a customer is committed to (606-10-55-17), and what it buys beyond that at a price agreed for it (55-42)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.exact import money_units, times, units_of_a_millionth
from engine.revenue.arithmetic.numbers import whole_number, wide
from engine.revenue.arithmetic.runs import before, running
from engine.revenue.arithmetic.tiers import worth_by_tiers
from engine.revenue.ground.frames import empty
from engine.revenue.ground.records import Records
from engine.revenue.progress.delivered import DELIVERED
from engine.revenue.progress.expiry import as_agreed, expired
from engine.revenue.progress.line_weights import amounts_since, stated_since
from engine.revenue.progress.observed import OBSERVED, QTY, delivered, of_measure
from engine.revenue.progress.worked import unit_prices, valued_in_contract, with_unit_price

_KEY: Final = "contract_line_id"


def committed_use(records: Records, lines: pl.DataFrame, terms: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return use to date over the amount (or quantity) the customer is committed to on the day, as amended (`terms`).

    What was bought beyond it is no use of it, also once it is raised. Use that nothing prices is no measure of an amount. What is not
    used by the last day is owed all the same, unless it can be claimed back, and is earned then (55-46 to 55-48).
    """
    rows = _use(records, lines, terms)
    made = pl.DataFrame(schema=OBSERVED)
    if rows.height:
        own = pl.when("is_agreed").then(pl.col("done") - pl.col("over")).otherwise("done")
        made = delivered(rows.with_columns(own.alias("done")), "usage").select(list(OBSERVED))
    committed = as_agreed(_committed(lines), terms)
    lapses = ~pl.col("is_refundable").fill_null(value=False) & (pl.col("ends") <= as_of)
    return expired(made, committed, lapses) if committed.height else made


def _committed(lines: pl.DataFrame) -> pl.DataFrame:
    """Return the lines whose price is a commitment to use."""
    return of_measure(lines, "usage").filter((pl.col("pricing") != "usage") & (pl.col("amount") != 0))


def bought_beyond(records: Records, lines: pl.DataFrame, terms: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return what customers bought beyond what they are committed to, by day, where its price is agreed (`DELIVERED`).

    Each use beyond it is a purchase of its own: at the price of the tiers it falls in, else of a unit; use told in money at that money.
    """
    rows = _use(records, lines, terms)
    if not rows.height or not rows.filter(pl.col("is_agreed") & (pl.col("over") != 0)).height:
        return empty(DELIVERED)
    rows = rows.filter("is_agreed").sort(_KEY, "date").with_row_index("row")
    more = pl.col("over") - before(pl.col("over"), _KEY).fill_null(0)
    rows = rows.with_columns(more.alias("more"), times(more.reinterpret(dtype=QTY), pl.col("unit_price")).alias("each"))
    drawn, used = ((pl.col("done") - pl.col("over")), pl.col("done"))
    tiers = _ahead(records)
    for name, quantity in (("→upto", drawn), ("→with", used)):
        asked = rows.filter(~pl.col("by_amount")).select("row", _KEY, quantity.reinterpret(dtype=QTY).alias("quantity"))
        rows = rows.join(worth_by_tiers(asked, tiers).rename({"value": name}), on="row", how="left", maintain_order="left")
    by_tier = pl.col("→with") - pl.col("→upto").fill_null(0)
    by_tier = by_tier - before(by_tier, _KEY).fill_null(0)
    worth = pl.when("by_amount").then(pl.col("more").reinterpret(dtype=MONEY)).otherwise(pl.coalesce(by_tier, "each"))
    rows = rows.with_columns(money_units(worth.cast(MONEY), pl.col("minor_digits")).alias("units"))
    rows = rows.with_columns(
        pl.lit("usage").alias("basis"), pl.lit("usage").alias("timing"), pl.lit(value=False).alias("is_accrued")
    )
    return rows.filter((pl.col("date") <= as_of) & (pl.col("units") != 0)).select(list(DELIVERED))


def priced_beyond(records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of which the price of use beyond the commitment is agreed: contract_line_id."""
    changed = terms.filter(pl.col("unit_price").is_not_null()).select(_KEY)
    own = lines.filter(pl.col("unit_price").is_not_null()).select(_KEY)
    return pl.concat([own, changed, _ahead(records).select(_KEY)]).unique()


def _ahead(records: Records) -> pl.DataFrame:
    """Return the price tiers that price their own units: a rebate on all of them is no price of what is bought beyond."""
    tiers = records.frame("price_tier")
    return tiers.filter(pl.col("unit_price").is_not_null() & ~pl.col("is_retrospective").fill_null(value=False))


def _use(records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return by line and day the use so far (`done`), the commitment (`total`), and what of the use is beyond it (`over`).

    Also: okey, by_amount (both are micros of the currency; else units in their last place), is_agreed, unit_price, minor_digits, evidence.
    """
    chosen = of_measure(lines, "usage").filter(pl.col("pricing") != "usage")
    used = records.frame("usage").join(_about(records, chosen, terms), on=_KEY, how="inner")
    if not used.height:
        return pl.DataFrame()
    used = with_unit_price(used, unit_prices(terms), "usage_date")
    in_money = pl.col("amount").is_not_null().all().over(_KEY) | ~pl.col("counts")
    used = valued_in_contract(used.with_columns(in_money.alias("by_amount")), records, "amount", "usage_date")
    priced = pl.coalesce("amount", times(pl.col("quantity"), pl.col("unit_price")))
    done = pl.when("by_amount").then(whole_number(priced, MONEY)).otherwise(whole_number("quantity", QTY))
    daily = used.with_columns(done.alias("done")).group_by("okey", _KEY, pl.col("usage_date").alias("date")).agg(
        pl.col("done").sum(),
        pl.col("evidence").explode().drop_nulls().unique().sort(),
        (pl.col("by_amount") & pl.col("done").is_null() & pl.col("amount").is_null() & (pl.col("quantity") != 0)).any().alias("unpriced"),
    )
    about = used.select(_KEY, "by_amount", "signed", "minor_digits", "is_agreed").unique(_KEY)
    rows = _with_commitments(daily, about, terms)
    rows = rows.filter(pl.col("total").is_not_null() & ~pl.col("unpriced").any().over(_KEY)).drop("unpriced")
    lasting = lines.select(_KEY, "unit_price").unique(_KEY)
    rows = with_unit_price(rows.join(lasting, on=_KEY, how="left", maintain_order="left"), unit_prices(terms), "date")
    return _with_over(rows.sort(_KEY, "date"))


def _about(records: Records, chosen: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return what is asked of lines: whether they `count` units, and whether a price of more is agreed (`is_agreed`)."""
    counted = terms.filter(pl.col("quantity").is_not_null())[_KEY]
    agreed = priced_beyond(records, chosen, terms)[_KEY]
    # The royalty of a licence is no use of its fixed fee.
    royalty = ((pl.col("offering") == "licence") & (pl.col("variable_kind") == "usage")).fill_null(value=False)
    return chosen.select(
        _KEY, "okey", "minor_digits", "unit_price", pl.col("currency").alias("contract_currency"),
        whole_number("amount", MONEY).alias("signed"),
        (pl.col("quantity").is_not_null() | pl.col(_KEY).is_in(counted.implode())).alias("counts"),
        (pl.col(_KEY).is_in(agreed.implode()) & ~royalty).alias("is_agreed"),
    )  # fmt: skip


def _with_commitments(daily: pl.DataFrame, about: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return the use of lines by day, summed up, with what they are committed to on the day (`total`), also on days that change it."""
    steps = terms.join(about.select(_KEY), on=_KEY, how="semi")
    amounts, quantities = amounts_since(steps), stated_since(steps.filter(pl.col("quantity").is_not_null()), "quantity")
    rows = _on_days_of_change(daily, pl.concat(each.select(_KEY, "since") for each in (amounts, quantities)))
    rows = rows.sort(_KEY, "date").with_columns(running(pl.col("done"), _KEY).alias("done"))
    rows = rows.join(about, on=_KEY, how="left", maintain_order="left")
    for known in (amounts.drop("minor_digits"), quantities):
        rows = rows.sort("date").join_asof(known, left_on="date", right_on="since", by=_KEY, check_sortedness=False)
        rows = rows.drop("since")
    # Units of the minor unit to micros of the currency.
    committed = pl.coalesce(pl.col("gross") // units_of_a_millionth(), "signed")
    total = pl.when("by_amount").then(committed).otherwise(whole_number("quantity", QTY))
    return rows.with_columns(total.alias("total")).drop("gross", "quantity", "signed")


def _on_days_of_change(daily: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    """Return use by line and day with the days on which what is committed changes: nothing more is used on them."""
    days = changes.filter(pl.col("since") > pl.date(1, 1, 1)).select(_KEY, pl.col("since").alias("date")).unique()
    if not days.height:
        return daily
    idle = days.join(daily.select(_KEY, "okey").unique(), on=_KEY, how="inner").join(daily, on=[_KEY, "date"], how="anti")
    idle = idle.with_columns(
        wide(0).alias("done"), pl.lit(value=False).alias("unpriced"), pl.lit([], dtype=daily.schema["evidence"]).alias("evidence")
    )
    return pl.concat([daily, idle.select(pl.col(name).cast(kind) for name, kind in daily.schema.items())])


def _with_over(rows: pl.DataFrame) -> pl.DataFrame:
    """Add what of the use so far is beyond the commitment: `over`; sorted by line and day.

    One commitment after the other: what was bought beyond the one before stays bought, and one that is cut below what was drawn
    of it makes no purchase of that. A correction takes back what came last.
    """
    moved = (pl.col("total") != before(pl.col("total"), _KEY)).fill_null(value=False).cast(pl.Int64)
    turns = rows.with_columns(running(moved, _KEY).alias("→turn")).partition_by("→turn", maintain_order=True)
    so_far = rows.select(_KEY, wide(0).alias("→over"), wide(0).alias("→drawn")).clear()
    made = []
    for turn in sorted(turns, key=lambda part: part["→turn"][0]):
        here = turn.join(so_far, on=_KEY, how="left", maintain_order="left").with_columns(pl.col("→over", "→drawn").fill_null(0))
        limit = pl.max_horizontal("total", "→drawn")
        beyond = pl.max_horizontal(pl.col("done") - pl.col("→over") - limit, wide(0))
        here = here.with_columns((pl.col("→over") + beyond).alias("over"))
        ends = here.group_by(_KEY).agg(pl.col("over").last().alias("→over"), (pl.col("done") - pl.col("over")).last().alias("→drawn"))
        so_far = pl.concat([ends, so_far]).unique(_KEY, keep="first", maintain_order=True)
        made.append(here.drop("→over", "→drawn", "→turn"))
    return pl.concat(made).sort(_KEY, "date") if made else rows.with_columns(wide(0).alias("over"))
