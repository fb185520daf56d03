"""Contracts that began before Tieout did: their rights and money are taken over as stated, older documents not counted again."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.minor_units import minor_digits
from engine.nothing import of_no
from engine.revenue.arithmetic.numbers import FRACTION, ZERO, whole_number
from engine.revenue.arithmetic.rounding import round_share
from engine.revenue.ground.frames import DAY, TEXT, Books
from engine.revenue.ground.rates import RATE
from engine.revenue.posting.claims import Agreed, Claims

_AMOUNTS: Final = ("recognized_amount", "billed_amount", "received_amount", "contract_asset", "contract_liability")

OPENED: Final[dict[str, pl.DataType]] = {
    "contract_id": TEXT, "opened_on": DAY, **dict.fromkeys(_AMOUNTS, MONEY), "of_price": MONEY, "liability_rate": RATE,
}  # fmt: skip
"""`of_price`: what of `recognized_amount` used up the transaction price: not that of work as invoiced, of use, or of a promise held."""


def openings(books: Books, records: Agreed, as_of: dt.date) -> pl.DataFrame:
    """Return per contract what its lines' last opening positions say together (OPENED)."""
    stated = records.frame("opening_position").filter(pl.col("as_of_date") <= as_of).sort("contract_line_id", "as_of_date")
    last = stated.unique("contract_line_id", keep="last", maintain_order=True)
    about = books.lines.select("contract_line_id", "contract_id", "group_id", "obligation_id")
    key = ["group_id", "obligation_id"]
    asked = books.obligations.join(last.join(about, on="contract_line_id", how="inner"), on=key, how="semi")
    priced = asked.group_by(key).agg(pl.col("allocated_amount").is_not_null().any().alias("→priced"))
    owned = last.join(about, on="contract_line_id", how="inner").join(priced, on=key, how="left")
    summed = owned.group_by("contract_id").agg(
        pl.col("recognized_amount").filter(pl.col("→priced").fill_null(value=True)).sum().alias("of_price"),
        pl.col("as_of_date").max().alias("opened_on"), *(pl.col(name).sum() for name in _AMOUNTS),
        pl.col("liability_rate").drop_nulls().first(),
        pl.col("received_amount").is_null().all().alias("unknown"),
    )  # fmt: skip
    # Where nobody says what was received, what was claimed counts as received: no receivable is invented.
    claimed = pl.col("recognized_amount") - pl.col("contract_asset") + pl.col("contract_liability")
    known = summed.with_columns(pl.when("unknown").then(claimed).otherwise(pl.col("received_amount")).alias("received_amount"))
    return known.select(pl.col(name).cast(dtype) for name, dtype in OPENED.items()).sort("contract_id")


def since_opening(rows: pl.DataFrame, opened: pl.DataFrame, day: str = "date") -> pl.DataFrame:
    """Return the rows of contracts (contract_id, `day`) that come after their opening positions, where they have any."""
    if not opened.height:
        return rows
    dated = rows.join(opened.select("contract_id", "opened_on"), on="contract_id", how="left", maintain_order="left")
    return dated.filter((pl.col(day) > pl.col("opened_on")).fill_null(value=True)).drop("opened_on")


def cost_by_opening(books: Books, reports: pl.DataFrame, progress: pl.DataFrame) -> pl.DataFrame:
    """Return what lines taken over without a report had cost by then, as reports of that day (contract_line_id, date, cost_to_date, …).

    606-10-25-31: as much of the cost expected as the opening position makes of the promise, and never more than the first report tells.
    Where nobody expects a cost, what was recognized is cost recovered (25-37).
    """
    opened = books.extra.get("opened")
    if opened is None or not opened.height or not reports.height:
        return reports.clear()
    opened = opened.select("contract_id", "obligation_id", "posting_date", "progress", "amount", pl.col("currency").alias("→own"))
    alone = (pl.len().over("contract_id", "obligation_id") == 1).alias("→alone")
    about = books.lines.select("contract_id", "contract_line_id", "obligation_id", "estimated_cost", alone)
    first = reports.sort("contract_line_id", "as_of_date").unique("contract_line_id", keep="first", maintain_order=True)
    found = first.join(about.drop("contract_id"), on="contract_line_id", how="inner").join(
        opened, on=["contract_id", "obligation_id"], how="inner"
    ).filter(pl.col("as_of_date") > pl.col("posting_date"))  # fmt: skip
    told = progress.filter(pl.col("estimated_total_cost").is_not_null()).select(
        "contract_line_id", pl.col("as_of_date").alias("posting_date"), pl.col("estimated_total_cost").alias("→then")
    ).sort("posting_date")  # fmt: skip
    found = found.sort("posting_date").join_asof(told, on="posting_date", by="contract_line_id", check_sortedness=False)
    expected = pl.coalesce("→then", "estimated_cost", "estimated_total_cost").cast(MONEY)
    part = whole_number(pl.col("progress").cast(FRACTION), FRACTION)
    by_part = round_share(expected, part, pl.lit(10**12, dtype=pl.Int128), minor_digits(pl.coalesce("currency", "→own")))
    recovered = pl.when((pl.col("progress") == 0) & pl.col("→alone")).then(pl.max_horizontal("amount", ZERO))
    cost = pl.min_horizontal(pl.coalesce(recovered, by_part, ZERO), "cost_to_date").cast(MONEY)
    days = (pl.col("posting_date").alias(name) for name in ("date", "as_of_date"))
    return found.with_columns(cost.alias("cost_to_date"), *days).select(reports.columns)


def after_opening(claims: Claims, opened: pl.DataFrame) -> Claims:
    """Return the claims without what an opening position already holds."""
    if not opened.height:
        return claims
    days = opened.select("contract_id", "opened_on")
    billed, plan = since_opening(claims.billed, opened), since_opening(claims.plan, opened, "due_date")
    cash = since_opening(claims.cash, opened)
    # Money for an invoice of before settles what the opening position holds open: its claim is not there any more.
    known = billed.select("contract_id", "claim").unique().with_columns(pl.lit(value=True).alias("known"))
    named = cash.join(known, on=["contract_id", "claim"], how="left", maintain_order="left")
    gone = pl.col("known").is_null() & pl.col("contract_id").is_in(days["contract_id"].implode())
    cash = named.with_columns(pl.when(gone).then(None).otherwise(pl.col(name)).alias(name) for name in ("claim", "basis")).drop("known")
    return replace(claims, billed=billed, cash=cash, plan=plan)


def opening_steps(opened: pl.DataFrame) -> pl.DataFrame:
    """Return the opening positions as steps (`rights.FLOWS`): what was earned, claimed and received before."""
    claimed = pl.col("recognized_amount") - pl.col("contract_asset") + pl.col("contract_liability")
    received = pl.col("received_amount")
    return opened.select(
        "contract_id", pl.col("opened_on").alias("date"), pl.col("recognized_amount").alias("earned_gross"),
        pl.max_horizontal(claimed, received).cast(MONEY).alias("free_right"), received.alias("named_cash"),
        pl.col("billed_amount").alias("free_billed"),
    ).with_columns(pl.col("earned_gross", "free_right", "named_cash", "free_billed").fill_null(ZERO))  # fmt: skip


@of_no("opened")
def unopened_steps(opened: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Return what promises without an opening position earned through the day of their contract's as claimed and paid, as steps.

    No entry of ours posts it, and nobody says that anything of it is open: neither an asset nor a receivable is invented.
    """
    days = opened.select("contract_id", "opened_on")
    done = books.performance.filter(~pl.col("is_planned")).join(days, on="contract_id", how="inner")
    done = done.filter(pl.col("posting_date") <= pl.col("opened_on"))
    of_work = (pl.col("timing") == "as_invoiced").fill_null(value=False)
    earned = pl.coalesce("gross_amount", "amount")
    return done.select(
        "contract_id", pl.col("posting_date").alias("date"), pl.when(of_work).then(ZERO).otherwise(earned).cast(MONEY).alias("free_right"),
        earned.alias("named_cash"),
    )  # fmt: skip
