"""Positions in the functional currency: advances at historical layers, monetary items remeasured (ASC 830, IAS 21, IFRIC 22).

A contract liability is not monetary: every increase is a layer at the rate of its day, taken out
first in first out or at the average. Receivable, contract asset, refund and deposit liabilities
and payables are monetary: after each day's performance they stand at the day's spot rate, at the
end of a period at the closing rate, and the difference is the exchange gain or loss.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.minor_units import minor_digits
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.arithmetic.runs import joined
from engine.revenue.ground.frames import Books, setting
from engine.revenue.ground.rates import translated, with_rate
from engine.revenue.posting.claims import Claims
from engine.revenue.posting.late_claims import OWN_DAY, late_bill_rates, late_cash_rates
from engine.revenue.posting.layers import with_carried, with_layers
from engine.revenue.posting.rights import POSITION, sequenced
from engine.revenue.posting.valued import taken_back, with_own_rates, with_values

MONETARY: Final = ("receivable", "contract_asset", "refund_liability", "deposit_liability", "payable")

# Assets that are not monetary leave at the rates they came in at.
_CARRIED: Final = ("customer_payment_asset", "return_asset")

_ASSETS: Final = ("receivable", "contract_asset", "customer_payment_asset", "return_asset")

# Steps of a day in the order in which they post: performance, remeasurement, payments, closing.
PERFORMED, REMEASURED, CLOSED = 0, 1, 1_000_000
_FIRST_PAYMENT: Final = 10


@dataclass(frozen=True, slots=True)
class Translated:
    """Hold functional figures.

    `steps`: the positions with `order`, per balance `functional_<role>` after the step and
    `change_<role>` of the step, `functional_cash`, `functional_income`, `functional_expense`,
    `functional_goods`, `fx_difference` (gain +) and `rate_missing`. `atoms`: the performance with `functional_amount` and
    `functional_gross`. `is_at_par`: every contract is in its entity's own currency.
    """

    steps: pl.DataFrame
    atoms: pl.DataFrame
    is_at_par: bool = False


def translate(books: Books, steps: pl.DataFrame, claims: Claims, rates: pl.DataFrame, opened: pl.DataFrame, as_of: dt.date) -> Translated:
    """Return every step's position and changes in the functional currency of the contract's legal entity.

    `opened`: opening positions by contract; their liability keeps its stated rate.
    """
    contracts = books.contracts.select(
        "contract_id", "group_id", "calendar", "currency", "functional_currency",
        minor_digits(pl.col("functional_currency")).alias("functional_digits"), setting("fx.advance_rate").alias("advance_rate"),
        setting("fx.layers").alias("layers"), setting("fx.revenue_rate").alias("revenue_rate"),
    )  # fmt: skip
    changed = joined(_with_changes(steps), contracts, "contract_id")
    rows = in_period(changed, books.periods)
    done = books.performance.with_row_index("place").filter(~pl.col("is_planned"))
    own = (pl.col("currency") == pl.col("functional_currency")).fill_null(value=False)
    other = contracts.filter(~own).select("contract_id")
    if other.is_empty():
        return replace(_at_par(_with_opening(rows, opened), done), is_at_par=True)
    at_par = _at_par(_with_opening(rows.filter(own), opened), done.join(other, on="contract_id", how="anti", maintain_order="left"))
    foreign = _with_opening(_with_remeasurements(rows.filter(~own), contracts, books.periods, as_of), opened)
    foreign = _with_rates(foreign, rates, claims, as_of)
    done = done.join(other, on="contract_id", how="semi", maintain_order="left")
    performed = pl.col("order") == PERFORMED
    atoms = with_own_rates(done, foreign.filter(performed), contracts, books.periods, rates)
    back = taken_back(foreign.filter(performed), atoms).with_columns(pl.lit(PERFORMED, dtype=pl.Int32).alias("order"))
    foreign = with_layers(foreign.join(back, on=["contract_id", "date", "order"], how="left", maintain_order="left"))
    atoms = with_values(atoms, foreign.filter(performed)).select(*done.columns, "functional_amount", "functional_gross")
    told = _without_untranslated(_functional(foreign, atoms), atoms)
    return Translated(pl.concat([at_par.steps, told.steps.select(at_par.steps.columns)]), pl.concat([at_par.atoms, told.atoms]))


def _with_opening(rows: pl.DataFrame, opened: pl.DataFrame) -> pl.DataFrame:
    terms = opened.select("contract_id", "opened_on", "liability_rate")
    return joined(rows, terms, "contract_id")


def _at_par(rows: pl.DataFrame, done: pl.DataFrame) -> Translated:
    """Return the figures of contracts in their entity's own currency: the functional amounts are the amounts."""
    plain = rows.with_columns(
        *(pl.col(f"delta_{role}").alias(f"change_{role}") for role in POSITION),
        *(pl.col(role).alias(f"functional_{role}") for role in POSITION),
        pl.col("delta_income").alias("functional_income"), pl.col("delta_expense").alias("functional_expense"),
        (pl.col("delta_received") - pl.col("delta_paid_out")).cast(MONEY).alias("functional_cash"),
        pl.col("delta_goods_cost").alias("functional_goods"), pl.lit(value=False).alias("rate_missing"),
    )  # fmt: skip
    steps = _of_combined(plain.with_columns(_difference(pl.col("delta_recognized")).alias("fx_difference")))
    atoms = done.with_columns(
        pl.col("amount").alias("functional_amount"), pl.coalesce("gross_amount", "amount").alias("functional_gross")
    )
    return Translated(steps, atoms)


def _without_untranslated(steps: pl.DataFrame, atoms: pl.DataFrame) -> Translated:
    """Leave contracts whose amounts have no rate on some day without functional figures; `rate_missing` tells the days."""
    # A contract liability keeps the rate it came in at, and what is earned out of it has that: neither asks for one of the day.
    asks = pl.any_horizontal(pl.col(name) != 0 for name in (*POSITION, "delta_received") if name != "contract_liability")
    comes_in = (pl.col("put_in") > 0) & pl.col("layer_rate").is_null()
    # An average is asked for by what is earned over time and by interest.
    lacking = atoms.filter(pl.col("functional_amount").is_null() & (pl.col("amount") != 0))
    lacking = lacking.select("contract_id", pl.col("posting_date").alias("date"), pl.lit(value=True).alias("→lacks")).unique()
    steps = steps.join(lacking, on=["contract_id", "date"], how="left", maintain_order="left")
    borne = pl.any_horizontal(pl.col("functional_income", "functional_expense").is_null())
    missing = (pl.col("spot").is_null() & asks) | comes_in | borne | pl.col("→lacks").fill_null(value=False)
    steps = steps.with_columns(missing.alias("rate_missing")).drop("→lacks")
    whole = steps.filter("rate_missing").select("contract_id").unique().with_columns(pl.lit(value=True).alias("untranslated"))
    names = [name for name in steps.columns if name.startswith(("change_", "functional_")) and steps.schema[name] == MONEY]
    parts = []
    for frame, columns in ((steps, [*names, "fx_difference"]), (atoms, ["functional_amount", "functional_gross"])):
        told = frame.join(whole, on="contract_id", how="left", maintain_order="left")
        known = pl.col("untranslated").is_null()
        parts.append(told.with_columns(pl.when(known).then(pl.col(name)).alias(name) for name in columns).drop("untranslated"))
    return Translated(parts[0], parts[1])


def _with_changes(steps: pl.DataFrame) -> pl.DataFrame:
    """Add what each balance and flow changed by in the step."""
    names = (
        *POSITION, "billed", "received", "recognized", "income", "expense", "paid_out", "goods_cost", "earned_gross", "earned_as_invoiced",
    )  # fmt: skip
    # Steps stand in the order of their contracts: the row before is the step before, or another contract's.
    steps = steps.with_columns((pl.col("contract_id") == pl.col("contract_id").shift(1)).fill_null(value=False).alias("follows"))
    changes = [
        (pl.col(name) - pl.when("follows").then(pl.col(name).shift(1)).otherwise(ZERO)).cast(MONEY).alias(f"delta_{name}") for name in names
    ]
    order = pl.when(pl.col("seq") == 0).then(PERFORMED).otherwise(pl.col("seq") + _FIRST_PAYMENT)
    return steps.with_columns(*changes, order.cast(pl.Int32).alias("order")).drop("follows")


def _with_remeasurements(rows: pl.DataFrame, contracts: pl.DataFrame, periods: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Add to contracts in a foreign currency a remeasurement on each day of a step, and one at every closing."""
    foreign = rows.filter((pl.col("currency") != pl.col("functional_currency")).fill_null(value=False))
    if not foreign.height:
        return rows
    days = foreign.group_by("contract_id", "date", "period", "period_end").agg((pl.col("seq") > 0).any().alias("has_payment"))
    is_last = pl.col("date") == pl.min_horizontal("period_end", pl.lit(as_of))
    spots = days.filter(pl.col("has_payment") | ~is_last)
    spots = spots.select("contract_id", "date", "period", "period_end", pl.lit(REMEASURED).alias("order"))
    since = foreign.group_by("contract_id", "calendar").agg(pl.col("date").min().alias("since"))
    ends = since.join(periods.select("calendar", "period", "start_date", "end_date"), on="calendar", how="inner").filter(
        (pl.col("end_date") >= pl.col("since")) & (pl.col("start_date") <= as_of)
    )
    closings = ends.select(
        "contract_id", pl.min_horizontal("end_date", pl.lit(as_of)).alias("date"), "period", pl.col("end_date").alias("period_end"),
        pl.lit(CLOSED).alias("order"),
    )  # fmt: skip
    added = pl.concat([spots, closings]).with_columns(pl.col("order").cast(pl.Int32)).join(contracts, on="contract_id", how="left")
    changes = [name for name in rows.columns if name.startswith("delta_")]
    carried = [name for name in rows.columns if name not in {*added.columns, *changes, "contract_id"}]
    both = pl.concat([foreign, added], how="diagonal").sort("contract_id", "date", "order")
    filled = both.with_columns(pl.col(carried).forward_fill().over("contract_id"), pl.col(changes).fill_null(ZERO))
    unknown = rows.filter((pl.col("currency") != pl.col("functional_currency")).is_null())
    return pl.concat([unknown, filled.select(rows.columns)])


def in_period(rows: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Add the period of each row's `date` in its `calendar`, and that period's last day."""
    starts = periods.select("calendar", pl.col("start_date").alias("date"), "period", pl.col("end_date").alias("period_end")).sort("date")
    # Days are few, rows are many and wide: the days are looked up.
    days = rows.select("calendar", "date").unique().sort("date").join_asof(starts, on="date", by="calendar", check_sortedness=False)
    return rows.join(days, on=["calendar", "date"], how="left", nulls_equal=True, maintain_order="left")


def _with_rates(rows: pl.DataFrame, rates: pl.DataFrame, claims: Claims, as_of: dt.date) -> pl.DataFrame:
    """Add `spot`, `average`, `closing`, `measured_at` (what monetary items stand at after the step) and the layer's rate."""
    rows = with_rate(rows, rates, day="date", kind="spot", name="spot")
    rows = with_rate(rows, rates, day="period_end", kind="average", name="average", as_of=as_of)
    rows = with_rate(rows, rates, day="date", kind="closing", name="closing")
    at_end = (pl.col("order") == CLOSED) & (pl.col("date") == pl.col("period_end"))
    rows = rows.with_columns(pl.when(at_end).then(pl.col("closing")).otherwise(pl.col("spot")).alias("measured_at"))
    rows = late_bill_rates(late_cash_rates(rows, sequenced(claims.cash), rates), claims.billed, rates)
    rows = rows.with_columns(
        pl.coalesce("late_rate", "spot").alias("cash_rate"),
        pl.when(pl.col("order") == PERFORMED).then("billed_rate").fill_null(pl.col("spot")).alias("claim_rate"),
    )
    invoiced = _invoice_rates(rows, claims, rates)
    rows = rows.join(invoiced, on=["contract_id", "date", "seq"], how="left", maintain_order="left")
    by_invoice = (pl.col("advance_rate") == "invoice_date") & (pl.col("order") > REMEASURED) & (pl.col("order") < CLOSED)
    taken_over = pl.col("date") == pl.col("opened_on")
    layer = (
        pl.when(by_invoice).then(pl.coalesce("invoice_rate", "spot"))
        .when(taken_over).then(pl.coalesce("liability_rate", "spot"))
        .when(pl.col("order") == PERFORMED).then("claim_rate").otherwise("cash_rate")
    )  # fmt: skip
    return rows.with_columns(layer.alias("layer_rate"))


def _invoice_rates(rows: pl.DataFrame, claims: Claims, rates: pl.DataFrame) -> pl.DataFrame:
    """Return for payments that name an invoice the rate of that invoice's day, as booked if the invoice states it."""
    first = claims.billed.sort("date").group_by("contract_id", "claim", maintain_order=True).agg(
        pl.coalesce(OWN_DAY, "date").first().alias("invoiced_on"), pl.col("exchange_rate").drop_nulls().first().alias("stated_rate")
    )
    paid = sequenced(claims.cash).drop_nulls("claim").join(first, on=["contract_id", "claim"], how="inner")
    pairs = rows.select("contract_id", "currency", "functional_currency").unique()
    paid = with_rate(paid.join(pairs, on="contract_id", how="inner"), rates, day="invoiced_on", kind="spot", name="of_day")
    chosen = pl.coalesce("stated_rate", "of_day").first().alias("invoice_rate")
    return paid.sort("claim").group_by("contract_id", "date", "seq").agg(chosen)


def _functional(rows: pl.DataFrame, atoms: pl.DataFrame) -> pl.DataFrame:
    """Add functional balances, changes and the exchange difference of every step."""
    daily = atoms.group_by("contract_id", pl.col("posting_date").alias("date")).agg(
        pl.col("functional_amount").sum().alias("revenue_value"), pl.col("functional_gross").sum().alias("gross_value")
    ).with_columns(pl.lit(PERFORMED, dtype=pl.Int32).alias("order"))  # fmt: skip
    rows = rows.join(daily, on=["contract_id", "date", "order"], how="left", maintain_order="left").with_columns(
        pl.col("revenue_value", "gross_value").fill_null(ZERO)
    )
    for role in _CARRIED:
        rows = with_carried(rows, role)
    digits = pl.col("functional_digits")
    foreign = (pl.col("currency") != pl.col("functional_currency")).fill_null(value=False)
    performed = pl.col("order") == PERFORMED
    steady = rows.with_columns(
        *(
            pl.when(~performed | ~foreign).then(translated(pl.col(role), "measured_at", digits)).alias(f"stands_{role}")
            for role in MONETARY
        ),
        translated(pl.col("delta_income"), "average", digits).alias("functional_income"),
        _borne(digits).cast(MONEY).alias("functional_expense"),
        translated(pl.col("delta_tax_payable"), "claim_rate", digits).alias("change_tax_payable"),
        translated(pl.col("delta_received") - pl.col("delta_paid_out"), "cash_rate", digits).alias("functional_cash"),
        # Goods that come back have the value they were expected back at.
        pl.when((pl.col("delta_goods_cost") < 0) & (pl.col("delta_goods_cost") == pl.col("delta_return_asset")))
        .then("change_return_asset").otherwise(translated(pl.col("delta_goods_cost"), "spot", digits)).alias("functional_goods"),
    )
    steady = steady.with_columns(
        pl.col(f"stands_{role}").shift(1).over("contract_id").fill_null(ZERO).alias(f"before_{role}") for role in MONETARY
    )
    steady = _performed_changes(steady)
    steady = steady.with_columns(
        pl.when(performed & foreign).then(pl.col(f"performed_{role}")).otherwise(pl.col(f"stands_{role}") - pl.col(f"before_{role}"))
        .cast(MONEY).alias(f"change_{role}")
        for role in MONETARY
    )  # fmt: skip
    # After a performance the next row always remeasures: its change is against what the performance left.
    left = {role: pl.when(performed & foreign).then(pl.col(f"before_{role}") + pl.col(f"change_{role}")) for role in MONETARY}
    steady = steady.with_columns(left[role].shift(1).over("contract_id").alias(f"left_{role}") for role in MONETARY)
    steady = steady.with_columns(
        pl.when(pl.col(f"left_{role}").is_not_null() & ~(performed & foreign)).then(pl.col(f"stands_{role}") - pl.col(f"left_{role}"))
        .otherwise(pl.col(f"change_{role}")).cast(MONEY).alias(f"change_{role}")
        for role in MONETARY
    )  # fmt: skip
    return _with_difference(steady)


def _borne(digits: pl.Expr) -> pl.Expr:
    """Return interest borne on money in advance at its average; what of it is taken back goes at what it was borne at, on the mean."""
    more = pl.max_horizontal("delta_expense", ZERO)
    worth = translated(more, "average", digits)
    so_far, worth_so_far = (of.cum_sum().over("contract_id") for of in (more, worth))
    back = round_share(worth_so_far, units(pl.col("delta_expense")), units(so_far), digits).fill_null(ZERO)
    return pl.when(pl.col("delta_expense") < 0).then(back).otherwise(worth)


def _performed_changes(rows: pl.DataFrame) -> pl.DataFrame:
    """Add what a performance step changes monetary items by: what is given up leaves at its carrying amount, the rest balances."""
    digits = pl.col("functional_digits")

    def leaving(role: str) -> pl.Expr:
        carrying = round_share(
            pl.col(f"before_{role}"), units(pl.col(f"delta_{role}")), units(pl.col(role) - pl.col(f"delta_{role}")), digits
        ).fill_null(ZERO)
        at_spot = translated(pl.col(f"delta_{role}"), "spot", digits)
        return pl.when(pl.col(f"delta_{role}") < 0).then(carrying).otherwise(at_spot)

    rows = rows.with_columns(
        leaving("refund_liability").alias("performed_refund_liability"), leaving("deposit_liability").alias("performed_deposit_liability"),
        translated(pl.col("delta_deposit_liability"), "spot", digits).alias("deposit_at_spot"),
        (pl.col("gross_value") - pl.col("revenue_value")).alias("performed_payable"),
        leaving("contract_asset").alias("contract_asset_given"),
    )  # fmt: skip
    rows = rows.with_columns(_counterpart().cast(MONEY).alias("counterpart"))
    asset_rises, moved = pl.col("delta_contract_asset") > 0, pl.col("delta_receivable") != 0
    receivable = translated(pl.col("delta_receivable"), "spot", digits)
    return rows.with_columns(
        pl.when(asset_rises & moved).then(receivable).when(moved).then(pl.col("counterpart") - pl.col("contract_asset_given"))
        .otherwise(ZERO).cast(MONEY).alias("performed_receivable"),
        pl.when(asset_rises & moved).then(pl.col("counterpart") - receivable).when(asset_rises).then(pl.col("counterpart"))
        .otherwise(pl.col("contract_asset_given")).cast(MONEY).alias("performed_contract_asset"),
    )  # fmt: skip


def _counterpart() -> pl.Expr:
    """Return what receivable and contract asset together change by, so that a performance step balances."""
    return (
        pl.col("revenue_value") + pl.col("performed_payable") + pl.col("functional_income") - pl.col("functional_expense")
        + pl.col("change_contract_liability") + pl.col("performed_refund_liability") + pl.col("deposit_at_spot")
        + pl.col("change_tax_payable") - pl.col("change_customer_payment_asset") - pl.col("functional_cash")
    )  # fmt: skip


def _with_difference(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the exchange difference of each step: what its functional changes do not balance by; and running balances."""
    changed = [f"change_{role}" for role in POSITION]
    difference = _difference(pl.col("revenue_value"))
    rows = _of_combined(rows.with_columns(difference.alias("fx_difference"), *(pl.col(name).cast(MONEY) for name in changed)))
    return rows.with_columns(
        *(pl.col(f"change_{role}").cum_sum().over("contract_id").cast(MONEY).alias(f"functional_{role}") for role in POSITION),
    )


def _of_combined(rows: pl.DataFrame) -> pl.DataFrame:
    """Tell the exchange difference of combined contracts once a step, at the first of them.

    One's asset is netted against another's liability (606-10-45-1): what moves between them balances together only.
    """
    combined = pl.col("contract_id").n_unique().over("group_id") > 1
    if rows.is_empty() or rows["group_id"].n_unique() == rows["contract_id"].n_unique():
        return rows
    step = ["group_id", "functional_currency", "date", "order"]
    is_first = pl.col("contract_id") == pl.col("contract_id").min().over(step)
    whole = pl.when(is_first).then(pl.col("fx_difference").sum().over(step)).otherwise(ZERO)
    return rows.with_columns(pl.when(combined).then(whole).otherwise(pl.col("fx_difference")).cast(MONEY).alias("fx_difference"))


def _difference(revenue: pl.Expr) -> pl.Expr:
    """Return what a step's functional changes do not balance by; `revenue`: what it recognized."""
    performed = pl.col("order") == PERFORMED
    net = pl.sum_horizontal(pl.col(f"change_{role}") * (1 if role in _ASSETS else -1) for role in POSITION)
    # Goods leave inventory as cost of revenue or return asset: no part of the position's balance.
    returned = pl.col("change_return_asset")
    earned = pl.when(performed).then(revenue + pl.col("functional_income") - pl.col("functional_expense")).otherwise(ZERO)
    difference = net - returned + pl.col("functional_cash") - earned
    # What was gained before the opening is in the opening balances.
    return pl.when((pl.col("date") <= pl.col("opened_on")).fill_null(value=False)).then(ZERO).otherwise(difference).cast(MONEY)
