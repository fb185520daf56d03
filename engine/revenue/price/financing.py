"""Significant financing: the price as if paid in cash at transfer, and the interest apart (606-10-32-15 to 32-20)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY, Kind, polars_dtype
from engine.nothing import of_nothing
from engine.revenue.arithmetic.compounding import FINE, RATE, grown, implied_rate, period_rate, with_factors
from engine.revenue.arithmetic.months import next_day, whole_months
from engine.revenue.price.pairing import paired

PCT: Final = polars_dtype(Kind.PCT)

RULE: Final = "606-10-32-15"

FINANCING_SCHEMA: Final[dict[str, pl.DataType]] = {
    "contract_id": pl.String(), "significant": pl.Boolean(), "implicit_rate": PCT, "period_rate": PCT,
    "reason": pl.String(), "rule": pl.String(),
}  # fmt: skip
"""Columns of `financing.parquet`; rates are percent."""

_PART_SCHEMA: Final[dict[str, pl.DataType]] = {
    "contract_id": pl.String(), "contract_line_id": pl.String(), "from_date": pl.Date(), "to_date": pl.Date(),
    "months": pl.Int32(), "direction": pl.String(), "start_value": FINE, "end_value": FINE, "rate": RATE,
    "compounding": pl.String(), "step": pl.Int64(), "minor_digits": pl.Int64(), "calendar": pl.String(), "known_from": pl.Date(),
}  # fmt: skip

_OF_PAYMENT: Final = ["contract_id", "promise", "paid_date"]
"""What one payment pays for of one promise: all of it has one cash price."""

_RATE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "contract_id": pl.String(), "rate": RATE, "implicit_rate": RATE, "period_rate": RATE, "step": pl.Int64(),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Financing:
    """Hold what financing does to prices.

    `decisions`: the output `financing`. `prices`: contract_id, contract_line_id, promised, price (what
    the line's promise is worth at transfer, unrounded, 20 decimals; only where financing is significant).
    `parts`: the pairs of payment and transfer that bear interest, for `interest_entries`; `known_from`: the day from
    which one does, with all it would have borne until then (null: from its first day).
    """

    decisions: pl.DataFrame
    prices: pl.DataFrame
    parts: pl.DataFrame


def significant_financing(
    contracts: pl.DataFrame, transfers: pl.DataFrame, payments: pl.DataFrame, held: pl.DataFrame | None = None
) -> Financing:
    """Decide for every contract with a rate, a cash price or a reason whether it finances, and price it.

    `contracts`: contract_id, calendar, minor_digits, financing_rate (percent a year),
    financing_exclusion, cash_price (Σ cash selling prices, null when none is given), expedient_months,
    compounding. `transfers`: contract_id, contract_line_id, date, amount (what is promised for it), and okey where lines share a promise.
    `payments`: contract_id, date, amount, is_retention, bears_from (null: from its date).
    A payment held back to protect performance is no financing (32-17(c)). Where a rate is given it
    prevails over the one the cash price implies (32-19: frozen at inception). `held`: contract_line_id,
    earned_from, of promises whose whole price is held back until a day after transfer: until then there
    is nothing that could bear interest.
    """
    pairs = paired(
        transfers.join(contracts, on="contract_id", how="semi"), payments.join(contracts, on="contract_id", how="semi")
    ).with_columns(
        pl.min_horizontal("paid_date", "transfer_date").alias("from_date"),
        pl.max_horizontal("paid_date", "transfer_date").alias("to_date"),
        (pl.col("paid_date") < pl.col("transfer_date")).fill_null(value=False).alias("is_advance"),
    ).with_columns(whole_months(pl.col("from_date"), pl.col("to_date")).alias("months"))  # fmt: skip
    promises = transfers.select("contract_line_id", pl.col("okey" if "okey" in transfers.columns else "contract_line_id").alias("promise"))
    pairs = pairs.join(promises.unique(), on="contract_line_id", how="left", maintain_order="left")
    decided = _decisions(contracts, pairs)
    parts = _parts(pairs, decided.filter("significant"))
    if held is not None and held.height:
        parts = _held_back(parts, held)
    prices = (
        parts.group_by("contract_id", "contract_line_id")
        .agg(pl.col("promised").sum(), pl.col("worth").sum().alias("price"))
        .sort("contract_id", "contract_line_id")
    )
    return Financing(
        decided.select(pl.col(name).cast(dtype) for name, dtype in FINANCING_SCHEMA.items()).sort("contract_id"),
        prices,
        parts.filter(pl.col("months") > 0).select(pl.col(name).cast(dtype) for name, dtype in _PART_SCHEMA.items()),
    )


@of_nothing
def _decisions(stated: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    apart = pairs.group_by("contract_id").agg(pl.col("months").max().alias("longest"))
    rated = stated.join(_rates(stated, pairs), on="contract_id", how="left").join(apart, on="contract_id", how="left")
    has_rate = pl.col("rate").is_not_null()
    is_excluded = pl.col("financing_exclusion").is_not_null()
    is_short = pl.col("longest") <= pl.col("expedient_months")
    is_free = (pl.col("rate") == 0) | (pl.col("longest") == 0)
    reason = (
        pl.when(is_excluded).then("excluded: " + pl.col("financing_exclusion"))
        .when(pl.col("longest").is_null()).then(pl.lit("no payment or transfer is dated"))
        .when(is_short & (pl.col("expedient_months") > 0)).then(pl.lit("expedient: paid within the months of the policy"))
        .when(is_free).then(pl.lit("promise and cash price do not differ"))
        .when(~has_rate).then(pl.lit("no rate is given or implied"))
        .otherwise(pl.lit("payment and transfer lie apart"))
    )  # fmt: skip
    rule = (
        pl.when(is_excluded).then(pl.lit("606-10-32-17"))
        .when(is_short & (pl.col("expedient_months") > 0)).then(pl.lit("606-10-32-18"))
        .otherwise(pl.lit(RULE))
    )  # fmt: skip
    # Apart for long and no rate to judge by: not known, which is not the same as not significant.
    is_open = ~has_rate & (pl.col("longest") > pl.col("expedient_months"))
    significant = pl.when(is_excluded).then(pl.lit(value=False)).when(~is_open).then(
        has_rate & ~is_free & (pl.col("longest") > pl.col("expedient_months"))
    )  # fmt: skip
    return rated.with_columns(
        pl.when(pl.col("longest").is_null() & ~is_excluded).then(pl.lit(value=False)).otherwise(significant).alias("significant"),
        reason.alias("reason"),
        rule.alias("rule"),
    )


def _rates(stated: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Return per contract the rate in use, the implied one and the period's, and the months of a step."""
    rows = []
    flows = (
        pairs.with_columns(pl.when("is_advance").then(pl.col("months")).otherwise(pl.col("months") * -1))
        .group_by(*_OF_PAYMENT, "months").agg(pl.col("promised").sum()).sort(*_OF_PAYMENT, "months")
        .group_by(_OF_PAYMENT, maintain_order=True).agg("months", "promised")
        .group_by("contract_id", maintain_order=True).agg("months", "promised")
    )  # fmt: skip
    by_contract = {
        contract: tuple(tuple(zip(when, what, strict=True)) for when, what in zip(months, promised, strict=True))
        for contract, months, promised in flows.rows()
    }
    # Contracts that state a rate or a cash price are few; equal patterns are solved once.
    needed = stated.select("contract_id", "financing_rate", "cash_price", "compounding").rows()
    for contract, given, cash, compounding in needed:
        pattern = by_contract.get(contract, ())
        step = math.gcd(*(months for paid in pattern for months, _ in paid)) or 1
        implied = implied_rate(pattern, cash, compounding, step) if cash is not None and pattern else None
        rate = implied if given is None else Decimal(given)
        period = None if rate is None else period_rate(rate, compounding, step)
        rows.append((contract, rate, given if implied is None else implied, period, step))
    return pl.DataFrame(rows, schema=_RATE_SCHEMA, orient="row")


def _parts(pairs: pl.DataFrame, significant: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs of contracts that finance with what each is worth at payment and at transfer."""
    terms = significant.select("contract_id", "rate", "compounding", "step", "minor_digits", "calendar")
    parts = pairs.join(terms, on="contract_id", how="inner").with_columns((pl.col("months") * -1).alias("back"))
    parts = _once_there(_at_one_price(with_factors(with_factors(parts, "months", "on"), "back", "off")))
    fine = pl.col("paid")
    worth = pl.when("is_advance").then(grown(fine, "on")).otherwise(grown(fine, "off"))
    return parts.with_columns(worth.alias("worth")).with_columns(
        pl.when("is_advance").then(fine).otherwise(pl.col("worth")).alias("start_value"),
        pl.when("is_advance").then(pl.col("worth")).otherwise(fine).alias("end_value"),
        pl.when("is_advance").then(pl.lit("expense")).otherwise(pl.lit("income")).alias("direction"),
        pl.lit(None, dtype=pl.Date).alias("known_from"),
    )


def _at_one_price(parts: pl.DataFrame) -> pl.DataFrame:
    """Add `paid`: what of a payment buys each month of the service it pays for, so that all of it has one cash price (32-16).

    By the amounts promised alone a month served later would cost more, and interest would run at another rate than the contract's.
    """
    fine = pl.col("promised").cast(FINE)
    parts = parts.with_columns(pl.when("is_advance").then(grown(fine, "off")).otherwise(grown(fine, "on")).alias("→now"))
    part = pl.col("→now") / pl.col("→now").sum().over(_OF_PAYMENT)
    shared = pl.col("promised").sum().over(_OF_PAYMENT).cast(FINE) * part
    alone = pl.col("months").n_unique().over(_OF_PAYMENT) == 1
    return parts.with_columns(pl.when(alone).then(fine).otherwise(shared).alias("paid")).drop("→now")


def _once_there(parts: pl.DataFrame) -> pl.DataFrame:
    """Let an advance bear interest from the day its money is there: without it there is no contract liability (32-20, 45-2)."""
    comes_later = pl.col("is_advance") & (pl.col("bears_from") > pl.col("paid_date"))
    if not parts.select(comes_later.any()).item():
        return parts
    begins = pl.min_horizontal("bears_from", "transfer_date")
    made = parts.drop("on_high", "on_low").with_columns(
        pl.when(comes_later).then(begins).otherwise("from_date").alias("from_date"),
        pl.when(comes_later).then(whole_months(begins, pl.col("transfer_date"))).otherwise("months").alias("months"),
    )
    return with_factors(made, "months", "on")


def _held_back(parts: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """Let the interest of a promise begin when its price is earned, at the rate of what is then left of the time."""
    later = parts.join(held, on="contract_line_id", how="left", maintain_order="left")
    months = whole_months(pl.col("earned_from"), pl.col("to_date"))
    is_held = (pl.col("direction") == "income") & (pl.col("earned_from") > pl.col("from_date")) & (months > 0)
    later = later.with_columns(is_held.fill_null(value=False).alias("is_held"), months.alias("left"))
    keys = ["left", "start_value", "end_value", "compounding", "step"]
    held_ones = later.filter("is_held").select(keys).unique()
    rows = [(*row, implied_rate((((-row[0], row[2]),),), row[1], row[3], row[4])) for row in held_ones.rows()]
    schema = {name: later.schema[name] for name in keys} | {"left_rate": RATE}
    later = later.join(pl.DataFrame(rows, schema=schema, orient="row"), on=keys, how="left", maintain_order="left")
    is_moved = pl.col("is_held") & pl.col("left_rate").is_not_null()
    return later.with_columns(
        pl.when(is_moved).then("earned_from").otherwise("from_date").alias("from_date"),
        pl.when(is_moved).then("left").otherwise("months").alias("months"),
        pl.when(is_moved).then("left_rate").otherwise("rate").alias("rate"),
    ).select(parts.columns)


@of_nothing
def interest_entries(parts: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Return the interest by contract, day and direction: positive both ways, rounded cumulatively.

    `periods`: calendar, period, start_date, end_date. Interest accrues by
    whole months from the earlier of payment and transfer to the later one; a month that ends with the
    period counts in it. Columns: contract_id, period, posting_date, direction (expense | income), interest.
    """
    points = _points(parts, periods)
    before = pl.col("value").shift(1).over("part", order_by="posting_date")
    steps = points.with_columns((pl.col("value") - pl.coalesce(before, pl.col("start_value"))).alias("step_value"))
    key = ["contract_id", "direction"]
    summed = (
        steps.group_by(*key, "period", "posting_date", "minor_digits").agg(pl.col("step_value").sum())
        .sort(*key, "posting_date")
        .with_columns(pl.col("step_value").cum_sum().over(key, order_by="posting_date").alias("so_far"))
    )  # fmt: skip
    posted = _to_minor(pl.col("so_far"), pl.col("minor_digits"))
    earlier = pl.col("posted").shift(1).over(key, order_by="posting_date").fill_null(0)
    return (
        summed.with_columns(posted.alias("posted"))
        .with_columns((pl.col("posted") - earlier).cast(MONEY).alias("interest"))
        .filter(pl.col("interest") != 0)
        .select("contract_id", "period", "posting_date", "direction", "interest")
        .sort("contract_id", "posting_date", "direction")
    )


def _points(parts: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Return for every part the period ends at which it has grown, and the day it ends, with its value then."""
    spread = parts.with_row_index("part").join(periods, on="calendar", how="inner").filter(
        (pl.col("end_date") >= pl.col("from_date")) & (pl.col("start_date") <= pl.col("to_date"))
    )
    is_last = pl.col("to_date") <= pl.col("end_date")
    grown_months = pl.min_horizontal(whole_months(pl.col("from_date"), next_day(pl.col("end_date"))), pl.col("months"))
    points = spread.with_columns(
        pl.min_horizontal("end_date", "to_date").alias("posting_date"),
        pl.when(is_last).then(pl.col("months")).otherwise(grown_months).alias("elapsed"),
    )
    points = with_factors(points, "elapsed", "so_far")
    # The last value is the one the price rests on, so that the whole interest is the difference of both.
    value = pl.when(is_last).then(pl.col("end_value")).otherwise(grown(pl.col("start_value"), "so_far"))
    is_unknown = (pl.col("posting_date") < pl.col("known_from")).fill_null(value=False)
    value = pl.when(is_unknown).then(pl.col("start_value")).otherwise(value)
    return points.with_columns(value.alias("value"))


def _to_minor(amount: pl.Expr, digits: pl.Expr) -> pl.Expr:
    """Return the amount rounded half away from zero to 0, 2 or 3 digits."""
    rounded = [pl.when(digits == count).then(amount.round(count, mode="half_away_from_zero")) for count in (0, 2, 3)]
    return pl.coalesce(rounded)
