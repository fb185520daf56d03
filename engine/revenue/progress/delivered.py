"""Revenue outside the price: work as invoiced, expenses passed on, use and royalties as they occur (606-10-55-18, 55-65)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.caps import OVER, up_to_cap
from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import GUARD, money_units, part_units, times, units_to_minor
from engine.revenue.arithmetic.numbers import HUNDRED, percent, wide
from engine.revenue.arithmetic.tiers import worth_by_tiers
from engine.revenue.ground.frames import empty
from engine.revenue.ground.records import Records, restored
from engine.revenue.price.sharing import share_minor
from engine.revenue.progress.worked import priced, valued_in_contract, with_cap, with_unit_price

DELIVERED: Final[dict[str, pl.DataType]] = {
    "okey": pl.String(),
    "contract_line_id": pl.String(),
    "date": pl.Date(),
    "units": pl.Int128(),
    "basis": pl.String(),
    "timing": pl.String(),
    "is_accrued": pl.Boolean(),
    "evidence": pl.List(pl.String()),
}
"""Amounts earned on a day by a line, in units, before an agent's pass-through is taken out."""

OF_EXPENSES: Final = {"expense": "as_invoiced", "accrued_expense": "accrual"}
"""The basis of what is earned of expenses, beside that of the work it is told with."""


def delivered(
    records: Records, lines: pl.DataFrame, worked: pl.DataFrame, prices: pl.DataFrame, caps: pl.DataFrame, as_of: dt.date
) -> pl.DataFrame:
    """Return what lines outside the pool earned by day (`DELIVERED`); `prices` (of units) and `caps`: where changes give others."""
    caps = caps.filter(pl.col("date") <= as_of)
    found = [
        _work(lines, worked, caps),
        _reported(records, lines, prices, caps, as_of),
        _spent(records, lines, as_of),
        _used(records, lines, prices, as_of),
    ]
    made = pl.concat([frame.select(pl.col(name).cast(dtype) for name, dtype in DELIVERED.items()) for frame in found])
    fees = lines.filter(pl.col("is_as_invoiced") & pl.col("fee_pct").is_not_null() & pl.col("fee_on_line_id").is_not_null())
    return pl.concat([made, _fees_on_work(fees, made)]) if fees.height else made


def _fees_on_work(fees: pl.DataFrame, made: pl.DataFrame) -> pl.DataFrame:
    """Return what fees earn that are a percent of what other lines earned as invoiced."""
    about = fees.select(pl.col("contract_line_id").alias("→fee"), pl.col("okey").alias("→okey"), "fee_pct", "fee_on_line_id")
    rows = made.filter(pl.col("timing") == "as_invoiced").join(about, left_on="contract_line_id", right_on="fee_on_line_id", how="inner")
    part = part_units(pl.col("units"), percent("fee_pct"), wide(HUNDRED))
    rows = rows.with_columns(part.alias("units"), pl.col("→fee").alias("contract_line_id"), pl.col("→okey").alias("okey"))
    return rows.select(made.columns)


def _work(lines: pl.DataFrame, worked: pl.DataFrame, caps: pl.DataFrame) -> pl.DataFrame:
    chosen = lines.filter(pl.col("is_as_invoiced") & (pl.col("offering") != "pass_through")).select(
        "contract_line_id", "okey", "cap_amount", "minor_digits"
    )
    rows = worked.filter(pl.col("earns") & pl.col("value").is_not_null()).join(chosen, on="contract_line_id", how="inner")
    if not (rows.height or caps.height):
        return empty(DELIVERED)
    daily = (
        rows.group_by("okey", "contract_line_id", "date", "is_accrued", "cap_amount", "minor_digits")
        .agg(pl.col("value").sum().alias("units"), pl.col("evidence").explode().drop_nulls().unique().sort())
    )
    if caps.height:
        # Work beyond the cap is earned on the day a change raises it.
        moved = caps.join(chosen, on="contract_line_id", how="inner").select(
            *chosen.columns, "date", pl.lit(value=False).alias("is_accrued"), wide(0).alias("units"),
            pl.lit([], dtype=daily.schema["evidence"]).alias("evidence"),
        )  # fmt: skip
        daily = with_cap(pl.concat([daily, moved.select(pl.col(name).cast(kind) for name, kind in daily.schema.items())]), caps, "date")
    daily = daily.sort("contract_line_id", "date", "is_accrued")
    # Nobody estimated the hours, so nobody could expect an overrun before the cap is reached.
    reached = pl.col("units").cum_sum().over("contract_line_id")
    cap = money_units(pl.col("cap_amount"), pl.col("minor_digits"))
    daily = daily.with_columns(up_to_cap(reached, cap).alias("so_far"))
    return daily.with_columns(
        (pl.col("so_far") - pl.col("so_far").shift(1).over("contract_line_id").fill_null(0)).alias("units"),
        pl.when("is_accrued").then(pl.lit("accrual")).otherwise(pl.lit("as_invoiced")).alias("basis"),
        pl.lit("as_invoiced").alias("timing"),
    )


def _reported(
    records: Records, lines: pl.DataFrame, prices: pl.DataFrame, caps: pl.DataFrame, as_of: dt.date
) -> pl.DataFrame:  # fmt: skip
    """Return hours told by progress reports at the unit price, for lines without time entries."""
    timed = records.frame("time_entry").filter(pl.col("contract_line_id").is_not_null()).select("contract_line_id").unique()
    tiers = records.frame("price_tier")
    by_tier = pl.col("contract_line_id").is_in(tiers["contract_line_id"].implode())
    chosen = lines.filter(pl.col("is_as_invoiced") & (pl.col("unit_price").is_not_null() | by_tier))
    chosen = chosen.join(timed, on="contract_line_id", how="anti")
    about = chosen.select("contract_line_id", "okey", "unit_price", "cap_amount", "minor_digits")
    told = records.frame("progress").filter((pl.col("as_of_date") <= as_of) & pl.col("hours_to_date").is_not_null())
    rows = told.join(about, on="contract_line_id", how="inner", maintain_order="left")
    if not rows.height:
        return empty(DELIVERED)
    if caps.height:
        moved = caps.join(rows.select("contract_line_id").unique(), on="contract_line_id", how="semi")
        moved = moved.select("contract_line_id", pl.col("date").alias("as_of_date"))
        moved = moved.join(rows, on=["contract_line_id", "as_of_date"], how="anti").join(about, on="contract_line_id", how="inner")
        rows = with_cap(pl.concat([rows, moved], how="diagonal"), caps, "as_of_date")
        rows = rows.sort("contract_line_id", "as_of_date", maintain_order=True)
        rows = rows.with_columns(pl.col("hours_to_date").forward_fill().over("contract_line_id").fill_null(0))
    # Of several reports of a day the one known last stands last, and what it says counts.
    rows = with_unit_price(rows, prices, "as_of_date").sort("contract_line_id", "as_of_date", maintain_order=True)
    more = pl.col("hours_to_date") - pl.col("hours_to_date").shift(1).over("contract_line_id").fill_null(0)
    rows = rows.with_columns(times(more, pl.col("unit_price")).alias("so_far"))
    so_far = pl.col("so_far").cum_sum().over("contract_line_id").cast(MONEY)
    rows = rows.with_row_index("row")
    worth = worth_by_tiers(rows.select("row", "contract_line_id", pl.col("hours_to_date").alias("quantity")), tiers)
    rows = rows.join(worth, on="row", how="left", maintain_order="left")
    so_far = pl.coalesce("value", so_far)
    rows = rows.with_columns(up_to_cap(so_far, pl.col("cap_amount")).alias("so_far"))
    value = pl.col("so_far") - pl.col("so_far").shift(1).over("contract_line_id").fill_null(0)
    return rows.select(
        "okey",
        "contract_line_id",
        pl.col("as_of_date").alias("date"),
        money_units(value, pl.col("minor_digits")).alias("units"),
        pl.lit("as_invoiced").alias("basis"),
        pl.lit("as_invoiced").alias("timing"),
        pl.lit(value=False).alias("is_accrued"),
        "evidence",
    )


def _spent(records: Records, lines: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return billable expenses with their markup, for the line that they are of (606-10-55-18, 55-36).

    Beside the price of a line that has one they are what it is for use: paid as they are made, in the position of the promise.
    """
    limit = pl.when(pl.col("offering") == "pass_through").then(money_units(pl.col("cap_amount"), pl.col("minor_digits"))).alias("limit")
    about = lines.filter(pl.col("pricing").is_not_null()).select(
        "contract_line_id", "okey", "minor_digits", "accrual_expenses", pl.col("currency").alias("contract_currency"), limit,
        "is_as_invoiced",
    )  # fmt: skip
    rows = records.frame("expense").filter((pl.col("incurred_date") <= as_of) & pl.col("billable").fill_null(value=False))
    rows = rows.join(about, on="contract_line_id", how="inner", suffix=".line")
    if not rows.height:
        return empty(DELIVERED)
    approved = pl.col("status") == "approved"
    accrued = (pl.col("status") == "submitted") & (pl.col("accrual_expenses") == "submitted")
    rows = _recharged(rows.filter((approved | accrued) & pl.col("amount").is_not_null()), records)
    rows = valued_in_contract(rows, records, "amount", "incurred_date")
    rows = rows.filter(pl.col("amount").is_not_null())
    units = money_units(pl.col("amount"), pl.col("minor_digits"))
    markup = percent("markup_pct")
    whole = units + part_units(units, markup, wide(HUNDRED))
    rows = priced(rows.with_columns(whole.alias("→so_far")), records, "expense", "→so_far", pl.col("limit").is_not_null())
    # What exceeds the cap of passing on is the firm's own cost.
    rows = rows.with_columns(approved.alias("→approved")).sort("contract_line_id", "incurred_date", "expense_id")
    rows = rows.with_columns(up_to_cap(pl.col("→so_far").cum_sum().over("contract_line_id"), pl.col("limit")).alias("→so_far"))
    whole, approved = pl.col("→so_far") - pl.col("→so_far").shift(1).over("contract_line_id").fill_null(0), pl.col("→approved")
    return rows.select(
        "okey",
        "contract_line_id",
        pl.col("incurred_date").alias("date"),
        whole.alias("units"),
        pl.when(approved).then(pl.lit("expense")).otherwise(pl.lit("accrued_expense")).alias("basis"),
        pl.when("is_as_invoiced").then(pl.lit("as_invoiced")).otherwise(pl.lit("usage")).alias("timing"),
        (~approved).alias("is_accrued"),
        "evidence",
    )


def _recharged(rows: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Return expenses without those of which billing says that the customer does not pay them; what is beyond a cap has its place."""
    decided = records.output("billing_decisions")
    if decided is None or not {"reason", "decision"} <= set(decided.columns):
        return rows
    kept = ~pl.col("decision").is_in(["not_billable", "billed_otherwise"]) | (pl.col("reason") == OVER).fill_null(value=False)
    paid = decided.filter(pl.col("item_type") == "expense").group_by(pl.col("item_id").alias("expense_id")).agg(kept.any().alias("→paid"))
    made = rows.join(paid, on="expense_id", how="left", maintain_order="left")
    return made.filter(pl.col("→paid").fill_null(value=True) | restored(made.columns)).drop("→paid")


def _used(records: Records, lines: pl.DataFrame, prices: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return use priced as it occurs, and royalties on the later of the sale and the licence's transfer."""
    rows = _use(records, lines, prices, as_of)
    return rows.filter(pl.col("opens").is_not_null() & (pl.col("date") <= as_of)).select(list(DELIVERED))


def _use(records: Records, lines: pl.DataFrame, prices: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return use and sales so far as they are earned (`DELIVERED`), with the day of each (`occurred`) and from which it is (`opens`)."""
    is_royalty = (pl.col("offering") == "licence") & (pl.col("variable_kind") == "usage")
    by_line = is_royalty & (pl.col("variable_allocation").is_null() | (pl.col("variable_allocation") == "line"))
    chosen = lines.filter((pl.col("pricing") == "usage") | by_line.fill_null(value=False))
    about = chosen.select(
        "contract_line_id", "okey", "unit_price", "minor_digits", "begins", "offering", "satisfied_on", "timing",
        pl.col("currency").alias("contract_currency"),
    )  # fmt: skip
    rows = _with_worth(records, about, prices, as_of)
    if not rows.height:
        return empty(DELIVERED | {"occurred": pl.Date(), "opens": pl.Date()})
    licence = pl.col("offering") == "licence"
    opens = (
        pl.when(licence)
        .then(pl.coalesce("satisfied_on", pl.when(pl.col("timing") == "over_time").then(pl.col("begins"))))
        .otherwise(pl.col("usage_date"))
    )
    return rows.with_columns(pl.max_horizontal("usage_date", opens).alias("date"), opens.alias("opens")).select(
        "okey",
        "contract_line_id",
        "date",
        money_units(pl.col("worth"), pl.col("minor_digits")).alias("units"),
        pl.when(licence).then(pl.lit("royalty")).otherwise(pl.lit("usage")).alias("basis"),
        pl.when(licence).then(pl.lit("royalty")).otherwise(pl.lit("usage")).alias("timing"),
        pl.lit(value=False).alias("is_accrued"),
        "evidence",
        pl.col("usage_date").alias("occurred"),
        "opens",
    )


def _with_worth(records: Records, lines: pl.DataFrame, prices: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return use and sales of lines so far with their `worth` in the contract's currency: as told, else by tiers or the price of the day.

    What is told in another currency without a rate is left out: a finding (`worked.unvalued_work`). `lines`: contract_line_id, unit_price,
    minor_digits, contract_currency, and what else a row is to bear.
    """
    rows = records.frame("usage").filter(pl.col("usage_date") <= as_of).join(lines, on="contract_line_id", how="inner")
    if not rows.height:
        return rows
    rows = _with_tier_worth(with_unit_price(rows, prices, "usage_date"), records.frame("price_tier"))
    worth = pl.coalesce("amount", "by_tier", times(pl.col("quantity"), pl.col("unit_price")))
    rows = valued_in_contract(rows.with_columns(worth.alias("worth")), records, "worth", "usage_date")
    return rows.filter(pl.col("worth").is_not_null())


def _with_tier_worth(rows: pl.DataFrame, tiers: pl.DataFrame) -> pl.DataFrame:
    """Add `by_tier`: what the units of a row cost in the tiers they fall in, after those used before (null: no tiers)."""
    key = "contract_line_id"
    rows = rows.sort(key, "usage_date", "usage_id").with_row_index("row")
    so_far = rows.with_columns(pl.col("quantity").fill_null(0).cum_sum().over(key).cast(pl.Decimal(38, 10)).alias("quantity"))
    worth = worth_by_tiers(so_far.select("row", key, "quantity"), tiers)
    made = rows.join(worth, on="row", how="left", maintain_order="left")
    step = pl.col("value") - pl.col("value").shift(1).over(key).fill_null(0)
    return made.with_columns(step.cast(MONEY).alias("by_tier")).drop("row", "value")


def shared_royalties(
    records: Records, lines: pl.DataFrame, prices: pl.DataFrame, obligations: pl.DataFrame, satisfied: pl.DataFrame, as_of: dt.date
) -> pl.DataFrame:
    """Return royalties allocated to several obligations by their shares at inception, each when it is satisfied (`DELIVERED`).

    `obligations`: okey, group_id, obligation_id, share, line_id (its first line); `satisfied`: okey, satisfied_on.
    """
    rows = _shared_sales(records, lines, prices, obligations, satisfied, as_of)
    return rows.filter(pl.col("opens").is_not_null() & (pl.col("date") <= as_of)).select(list(DELIVERED))


def _shared_sales(
    records: Records, lines: pl.DataFrame, prices: pl.DataFrame, obligations: pl.DataFrame, satisfied: pl.DataFrame, as_of: dt.date
) -> pl.DataFrame:
    """Return the shares of royalties as they are earned (`DELIVERED`), with the day of each sale (`occurred`) and of transfer (`opens`)."""
    is_royalty = (pl.col("offering") == "licence") & (pl.col("variable_kind") == "usage") & (pl.col("variable_allocation") == "contract")
    chosen = lines.filter(is_royalty.fill_null(value=False)).select(
        "contract_line_id", "group_id", "unit_price", "minor_digits", pl.col("currency").alias("contract_currency"), "owner",
        (pl.col("rounding_mode") == "half_even").alias("half_even"),
    )  # fmt: skip
    rows = _with_worth(records, chosen, prices, as_of)
    if not rows.height:
        return pl.DataFrame(schema=DELIVERED | {"occurred": pl.Date(), "opens": pl.Date()})
    spread = rows.select(
        "usage_id", "group_id", "usage_date", money_units(pl.col("worth"), pl.col("minor_digits")).alias("pool"), "owner", "half_even",
        "evidence",
    ).join(obligations.filter(pl.col("share") > 0), on="group_id", how="inner")
    shared = share_minor(spread, pool_key="usage_id", pool="pool", weight="share")
    dated = shared.join(satisfied, on="okey", how="left").with_columns(pl.max_horizontal("usage_date", "satisfied_on").alias("date"))
    return dated.select(
        "okey",
        pl.col("line_id").alias("contract_line_id"),
        "date",
        (pl.col("shared") * GUARD).alias("units"),
        pl.lit("royalty").alias("basis"),
        pl.lit("royalty").alias("timing"),
        pl.lit(value=False).alias("is_accrued"),
        "evidence",
        pl.col("usage_date").alias("occurred"),
        pl.col("satisfied_on").alias("opens"),
    )


def sold_before_transfer(
    records: Records, lines: pl.DataFrame, prices: pl.DataFrame, obligations: pl.DataFrame, satisfied: pl.DataFrame, as_of: dt.date
) -> pl.DataFrame:
    """Return royalties of sales that came before the promise they pay for is satisfied.

    They are price (606-10-55-65), and what remains of the promise until it is. The frames are those of `delivered` and `shared_royalties`.

    Columns: contract_line_id, occurred, date (null: not yet earned), units.
    """
    sold = lines.filter(pl.col("offering") == "licence")
    own = _use(records, sold, prices, as_of).filter(pl.col("basis") == "royalty")
    every = pl.concat([own, _shared_sales(records, lines, prices, obligations, satisfied, as_of).select(own.columns)])
    waits = every.filter(pl.col("opens").is_null() | (pl.col("opens") > pl.col("occurred")))
    earned = pl.when(pl.col("opens").is_not_null() & (pl.col("date") <= as_of)).then("date")
    return waits.select("contract_line_id", "occurred", earned.alias("date"), "units")


@of_nothing
def rounded_daily(rows: pl.DataFrame, half_even: str) -> pl.DataFrame:
    """Return what was earned by line and day in whole minor units, rounded cumulatively: `minor` beside the other columns."""
    key = ["contract_line_id", "timing"]
    daily = (
        rows.group_by(
            "okey", "contract_line_id", "posting_date", "period", "date", "basis", "nature", "timing", half_even, "share_of", "minor_digits"
        )
        .agg(pl.col("units").sum(), pl.col("evidence").explode().drop_nulls().unique().sort())
        .sort("contract_line_id", "timing", "posting_date", "date", "nature", "basis")
    )
    so_far = pl.col("units").cum_sum().over(key)
    net = pl.when(pl.col("share_of").is_not_null()).then(part_units(so_far, pl.col("share_of"), wide(HUNDRED))).otherwise(so_far)
    daily = daily.with_columns(
        units_to_minor(net, pl.col(half_even)).alias("→net"), units_to_minor(so_far, pl.col(half_even)).alias("→gross")
    )
    return daily.with_columns(
        (pl.col("→net") - pl.col("→net").shift(1).over(key).fill_null(0)).alias("minor"),
        (pl.col("→gross") - pl.col("→gross").shift(1).over(key).fill_null(0)).alias("gross"),
    ).drop("→net", "→gross", "units")
