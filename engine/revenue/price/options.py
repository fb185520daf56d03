"""Material rights: what an option is worth on its own, the look-through alternative, exercise and expiry (606-10-55-41 to 55-45)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing
from engine.revenue.arithmetic.compounding import FINE
from engine.revenue.arithmetic.rounding import round_quotient

_PROBABILITY: Final = pl.Decimal(38, 18)
_HUNDRED: Final = Decimal(100)
_WIDE: Final = pl.Int128()

# Look-through shares are split in millionths of the currency, the scale of money.
_UNIT: Final = 10**6

_BY_COST: Final = pl.col("weights") == "expected_cost"


def _fine(name: str) -> pl.Expr:
    return pl.col(name).cast(FINE)


@of_nothing
def with_likelihood(options: pl.DataFrame) -> pl.DataFrame:
    """Add `likelihood`: the fraction with which each option is expected to be exercised.

    Options of one line that each have a first day are a chain of renewals: an `exercise_probability`
    there is conditional on the renewal before. Null where a probability is missing.
    """
    is_renewal = pl.col("start_date").is_not_null() & pl.col("contract_line_id").is_not_null()
    chain = pl.when(is_renewal).then(pl.col("contract_line_id"))
    place = pl.when(is_renewal).then(pl.struct("start_date", "option_id").rank("ordinal").over("chain")).otherwise(1)
    own = (pl.col("exercise_probability").cast(_PROBABILITY) / pl.lit(_HUNDRED, dtype=_PROBABILITY)).alias("likelihood")
    ranked = options.with_columns(chain.alias("chain")).with_columns(place.cast(pl.Int64).alias("renewal"), own)
    longest = ranked["renewal"].max() if ranked.height else 0
    assert isinstance(longest, int)
    for number in range(2, longest + 1):
        before = pl.col("likelihood").shift(1).over("chain", order_by="renewal")
        chained = pl.when(pl.col("renewal") == number).then(before * pl.col("likelihood")).otherwise(pl.col("likelihood"))
        ranked = ranked.with_columns(chained)
    return ranked.drop("chain")


def list_value(options: pl.DataFrame) -> pl.DataFrame:
    """Add `list_value`: what the customer would pay without the option for what it is expected to buy.

    The expected purchases where stated; else quantity × price (a null quantity: the price is for all),
    grossed up by the discount that the price already contains.
    """
    price = pl.coalesce(pl.col("quantity").cast(FINE), pl.lit(1, dtype=FINE)) * _fine("price")
    left = pl.lit(_HUNDRED, dtype=FINE) - pl.coalesce(_fine("discount_pct"), pl.lit(0, dtype=FINE))
    grossed = price * pl.lit(_HUNDRED, dtype=FINE) / pl.when(left > 0).then(left)
    return options.with_columns(
        price.alias("exercise_value"), pl.coalesce(_fine("expected_purchase_amount"), grossed).alias("list_value")
    )


@of_nothing
def option_prices(options: pl.DataFrame) -> pl.DataFrame:
    """Return by contract line the standalone selling price of its material rights.

    (discount − discount available anyway) × what it applies to × likelihood of exercise (55-44); an option
    that gives no more than is available anyway is worth 0. A missing discount, amount or probability leaves
    the price null: it must be estimated. Columns: contract_line_id, standalone_selling_price, evidence.
    """
    return (
        _with_worth(options.filter(pl.col("contract_line_id").is_not_null()))
        .group_by("contract_line_id")
        .agg(
            pl.when(pl.col("worth").is_not_null().all()).then(pl.col("worth").sum()).round(6, mode="half_away_from_zero").cast(MONEY)
            .alias("standalone_selling_price"),
            pl.col("evidence").explode().drop_nulls().unique().sort(),
        )
        .sort("contract_line_id")
    )  # fmt: skip


def _with_worth(options: pl.DataFrame) -> pl.DataFrame:
    """Add `worth`: what each option is worth on its own (55-44); null where it must be estimated. Adds likelihood and renewal too."""
    priced = list_value(with_likelihood(options))
    net = _fine("discount_pct") - pl.coalesce(_fine("discount_otherwise_pct"), pl.lit(0, dtype=FINE))
    net = pl.when(net < 0).then(pl.lit(0, dtype=FINE)).otherwise(net)
    worth = _fine("list_value") * net / pl.lit(_HUNDRED, dtype=FINE) * pl.col("likelihood").cast(FINE)
    # No discount above what everyone gets is worth nothing, however little is known of its exercise.
    return priced.with_columns(pl.when(net == 0).then(pl.lit(0, dtype=FINE)).otherwise(worth).alias("worth"))


def option_shares(options: pl.DataFrame, right: str = "contract_line_id") -> pl.DataFrame:
    """Return what of its material right each option is: `right`, option_id, weight, used, used_on, lapses_on.

    `right`: the column that tells the right; one of several lines has a chain of renewals for each. The weights within a right are what
    its options are worth, else how much each lets the customer buy; `used` is the part of the weight that was exercised, on `used_on` and
    in time. Of a chain of renewals the later ones lapse with the first that is not taken.
    """
    rights = _with_worth(options.filter(pl.col("contract_line_id").is_not_null()))
    offered = pl.coalesce(_fine("quantity"), _fine("exercised_quantity"), pl.lit(1, dtype=FINE))
    bought = pl.min_horizontal(pl.coalesce(_fine("exercised_quantity"), offered), offered)
    is_taken = pl.col("exercised_line_id").is_not_null() & pl.col("exercised_date").is_not_null()
    in_time = pl.col("expires_date").is_null() | (pl.col("exercised_date") <= pl.col("expires_date"))
    used = (is_taken & in_time).fill_null(value=False)
    priced = (pl.col("worth").is_not_null().all() & (pl.col("worth").sum() > 0)).over(right)
    made = rights.with_columns(
        _millionths(pl.when(priced).then("worth").otherwise(offered)).alias("weight"),
        _millionths(pl.when(used).then(bought / pl.when(offered > 0).then(offered)).otherwise(pl.lit(0, dtype=FINE))).alias("part"),
        pl.when(used).then("exercised_date").alias("used_on"),
    )
    is_renewal = pl.col("start_date").is_not_null()
    first_left = pl.when(is_renewal & pl.col("used_on").is_null()).then(pl.col("expires_date"))
    ended = first_left.cum_min().forward_fill().over("contract_line_id", order_by="renewal")
    return made.select(
        right, "option_id", "weight", ((pl.col("weight") * pl.col("part") + _UNIT // 2) // _UNIT).alias("used"), "used_on",
        pl.min_horizontal("expires_date", pl.when(is_renewal).then(ended)).alias("lapses_on"),
    )  # fmt: skip


def weighed_renewals(options: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Add `weight`: what each renewal is worth beside its service, if it is taken, by the policy's weights.

    The price without the option; of one that states no discount that of the service it renews, which is alike (55-45). Or the cost
    expected of it. `lines`: as of `look_through`, a service of each option's contract. Columns added besides: those of `with_likelihood`
    and `list_value`, the service's `units` (null: not told), rounding_unit, rounding_per.
    """
    service = lines.select(
        "contract_id", "weights", "rounding_unit", "rounding_per", _fine("standalone_selling_price").alias("→alike"),
        _fine("quantity").alias("units"),
    )  # fmt: skip
    priced = list_value(with_likelihood(options)).join(service, on="contract_id", how="inner")
    part = pl.coalesce(_fine("quantity") / pl.when(pl.col("units") != 0).then("units"), pl.lit(1, dtype=FINE))
    is_told = pl.col("discount_pct").is_not_null() | pl.col("expected_purchase_amount").is_not_null()
    alone = pl.when(is_told).then("list_value").otherwise(pl.coalesce(pl.col("→alike") * part, "list_value"))
    weight = pl.when(_BY_COST).then(_fine("estimated_cost")).otherwise(alone)
    return priced.with_columns(weight.alias("weight")).drop("weights", "→alike")


def look_through(lines: pl.DataFrame, renewals: pl.DataFrame) -> pl.DataFrame:
    """Return the look-through allocation of contracts with renewal rights of like services (55-45).

    `lines`: contract_id, contract_line_id, quantity, amount, standalone_selling_price, estimated_cost and the
    settings weights (ssp | expected_cost), rounding_unit (null: the money's own digits), rounding_per
    (contract | total); one service line a contract. `renewals`: of `weighed_renewals`, chained by start date.

    The hypothetical price is the line's amount plus every renewal's price × likelihood; it is shared by
    weights: standalone selling prices, or expected costs, likewise × likelihood. Rounded per contract, a line
    of many units shares the price of one and multiplies; rounded in total, the whole is shared once.
    Columns: contract_id, step (0 = the line, 1… = renewals), contract_line_id, option_id, consideration,
    allocated, deferred (received less allocated, through the step, if all comes as expected).
    """
    base = lines.select(
        "contract_id", pl.lit(0, dtype=pl.Int64).alias("step"), "contract_line_id", pl.lit(None, dtype=pl.String).alias("option_id"),
        _fine("amount").alias("consideration"),
        pl.when(_BY_COST).then(_fine("estimated_cost")).otherwise(_fine("standalone_selling_price")).alias("weight"),
        pl.coalesce(pl.col("quantity").cast(FINE), pl.lit(1, dtype=FINE)).alias("units"), "rounding_unit", "rounding_per",
    )  # fmt: skip
    chance = pl.col("likelihood").cast(FINE)
    later = renewals.select(
        "contract_id", pl.col("renewal").alias("step"), pl.col("exercised_line_id").alias("contract_line_id"), "option_id",
        (pl.col("exercise_value") * chance).alias("consideration"), (pl.col("weight") * chance).alias("weight"),
        pl.coalesce("units", pl.lit(1, dtype=FINE)), "rounding_unit", "rounding_per",
    )  # fmt: skip
    steps = pl.concat([base, later]).sort("contract_id", "step")
    return _shared(steps).select(
        "contract_id", "step", "contract_line_id", "option_id", pl.col("consideration").cast(MONEY), "allocated",
        (pl.col("consideration").cast(MONEY) - pl.col("allocated")).cum_sum().over("contract_id", order_by="step").alias("deferred"),
    )  # fmt: skip


@of_nothing
def _shared(steps: pl.DataFrame) -> pl.DataFrame:
    """Add `allocated`: the hypothetical price shared by weight; what rounding leaves goes to the last step."""
    whole, weights = pl.col("consideration").sum().over("contract_id"), pl.col("weight").sum().over("contract_id")
    per = pl.when(pl.col("rounding_per") == "contract").then(pl.col("units")).otherwise(pl.lit(1, dtype=FINE))
    unit = pl.coalesce(_fine("rounding_unit"), pl.lit(Decimal("0.01"), dtype=FINE))
    # Integers of a millionth: weights as large as costs in millions keep a product within 38 digits.
    numerator = _millionths(whole / per) * _millionths(pl.col("weight"))
    share = round_quotient(numerator, _millionths(weights) * _millionths(unit)).cast(FINE) * unit * per
    known = pl.col("weight").is_not_null().all().over("contract_id") & (weights > 0)
    rounded = steps.with_columns(pl.when(known).then(share).cast(MONEY).alias("allocated"))
    is_last = pl.col("step") == pl.col("step").max().over("contract_id")
    total = pl.col("consideration").sum().over("contract_id").cast(MONEY)
    rest = total - pl.col("allocated").sum().over("contract_id") + pl.col("allocated")
    return rounded.with_columns(pl.when(is_last & known).then(rest).otherwise(pl.col("allocated")).alias("allocated"))


def _millionths(amount: pl.Expr) -> pl.Expr:
    return (amount.round(6, mode="half_away_from_zero") * pl.lit(_UNIT, dtype=FINE)).cast(_WIDE)
