"""The price shared over obligations at inception: relative prices, bundles, residuals, cents to their owner (606-10-32-28 to 32-41)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.policy.kinds.revenue_settings import named_keys
from engine.revenue.arithmetic.exact import (
    COEFFICIENT,
    GUARD,
    money_units,
    part_units,
    units_of_a_millionth,
    units_to_minor,
)
from engine.revenue.arithmetic.numbers import HUNDRED, percent, whole_number, wide
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.price.bearing import shared_amounts, with_pooled_promises
from engine.revenue.price.sharing import share_minor

# Shares of a bundle are kept to the ten-thousandth of a millionth.
_FINE: Final = 10**4


@dataclass(frozen=True, slots=True)
class Allocated:
    """Hold the obligations at inception and what was found wrong with their standalone prices."""

    obligations: pl.DataFrame
    findings: pl.DataFrame


def _signed(lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of contracts as signed, with `is_borne`: no promise of its own, the others bear it.

    That is a discount, and a line that is nothing but an uncertain amount of all the contract, which is estimated on it (32-39, 32-40).
    """
    signed = (
        lines.filter(pl.col("added_place") == 0)
        .drop("pooled", "gross", strict=False)
        .join(terms.filter(pl.col("place") == 0).select("contract_line_id", "pooled", "gross"), on="contract_line_id", how="left")
    )
    # A promise that is said to have the residual as its price is one, whatever is left for it.
    is_promise = (pl.col("ssp_method") == "residual").fill_null(value=False)
    is_discount = (pl.col("pooled") < 0) & (pl.col("ssp").fill_null(0) == 0) & ~is_promise
    of_contract = _of_contract() & ~is_promise
    signed = signed.with_columns(is_discount.fill_null(value=False).alias("is_borne"), of_contract.alias("→of_contract"))
    # A contract of nothing else would have no promise at all.
    promises = ~(pl.col("is_borne") | pl.col("→of_contract")).all().over("group_id")
    return signed.with_columns(pl.col("is_borne") | (pl.col("→of_contract") & promises)).drop("→of_contract")


def borne_lines(lines: pl.DataFrame, terms: pl.DataFrame) -> pl.Series:
    """Return the lines of contracts as signed that are no promise of their own, since the others bear them: contract_line_id."""
    return _signed(lines, terms).filter("is_borne")["contract_line_id"]


def without_borne(lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return lines without the obligation of those that others bear: what is told of them is told of the contract."""
    signed = _signed(lines, terms)
    if not signed["is_borne"].any():
        return lines
    promised = signed.filter(~pl.col("is_borne"))["okey"].unique()
    only = signed.filter("is_borne")["okey"].unique()
    alone = pl.col("okey").is_in(only.implode()) & ~pl.col("okey").is_in(promised.implode()) & (pl.col("added_place") == 0)
    return lines.with_columns(pl.when(~alone).then(pl.col("okey")).alias("okey"))


def inception(
    lines: pl.DataFrame, terms: pl.DataFrame, contracts: pl.DataFrame, initial: pl.DataFrame, financed: pl.DataFrame
) -> Allocated:
    """Return the obligations of contracts as signed with their allocated price, in units.

    `initial`: okey and group_id with what variable amounts put into the price from the start (`own`: of the
    obligation, `shared`: of the contract; `own_variable`, `shared_variable` the parts that are variable; `has_whole`).
    `financed`: what promises that finance are worth at transfer (`financing.Financing.prices`).
    Columns of an obligation: okey, group_id, contract_id, obligation_id, ssp, share (of COEFFICIENT), base,
    rem, w_rem, variable, on_whole (what of the whole contract's price is variable), stated, cut (what rounding took off its share),
    is_pooled, problem (null, or why the contract is held), method (how its share was found: residual, relative_ssp).
    """
    signed = _signed(lines, terms)
    signed = with_pooled_promises(signed, contracts, shared_amounts(signed, terms, initial))
    signed, shared = _with_own_interest(signed, financed)
    pools = _with_interest(_pools(signed, contracts), shared, contracts)
    rows = _promises(signed).join(pools, on="group_id", how="left").join(_choices(contracts), on="group_id", how="left")
    rows = rows.join(initial, on=["okey", "group_id"], how="left").with_columns(
        pl.col(name).fill_null(0) for name in ("own", "shared", "own_variable", "shared_variable")
    )
    # A promise whose whole price is variable and its own is priced by it; the fixed price is for the others (32-40, 32-41).
    others = (pl.col("is_pooled") & ~pl.col("is_variable_alone")).any().over("group_id")
    rows = rows.with_columns((pl.col("is_pooled") & ~(pl.col("is_variable_alone") & others)).alias("is_pooled"))
    # Work that is the only bearer of what concerns the contract would be sold at what it comes to.
    sold_at = pl.when(pl.col("by_work") & (pl.col("own") > 0)).then(pl.col("own") // units_of_a_millionth())
    rows = rows.with_columns(pl.coalesce("ssp", sold_at).alias("ssp"))
    # What is variable for the whole contract joins the pool; what is the obligation's own does not.
    rows = _weights(rows.with_columns((pl.col("pool").fill_null(0) + pl.col("shared")).alias("pool")))
    held = rows.select("group_id", "problem").filter(pl.col("problem").is_not_null()).unique("group_id", keep="first")
    made = _allocated(rows).drop("problem").join(held, on="group_id", how="left").with_columns(pl.col("shared_variable").alias("on_whole"))
    names = ("okey", "group_id", "contract_id", "obligation_id", "ssp", "w_rem", "base", "rem", "variable", "on_whole", "stated", "cut",
             "is_pooled", "problem", "method", "evidence", "weight")  # fmt: skip
    return Allocated(made.select(names).sort("okey"), _problems(rows))


def _promises(signed: pl.DataFrame) -> pl.DataFrame:
    """Return the obligations of lines as signed, with what their lines say of price and standalone price."""
    return (
        signed.filter(~pl.col("is_borne"))
        .sort("contract_line_id")
        .group_by("okey", maintain_order=True)
        .agg(
            pl.col("group_id", "contract_id", "obligation_id").first(),
            pl.col("is_pooled", "by_work").any(),
            _is_variable_alone().all().alias("is_variable_alone"),
            pl.when(~pl.col("is_pooled")).then(pl.col("pooled") + pl.col("→interest")).otherwise(wide(0)).sum().alias("apart"),
            pl.when(pl.col("ssp").is_not_null().any()).then(pl.col("ssp").sum()).alias("ssp"),
            pl.col("ssp_method").eq("residual").any().fill_null(value=False).alias("is_residual"),
            pl.col("ssp_low", "ssp_high").sum(),
            pl.col("ssp_low").is_not_null().any().alias("has_range"),
            pl.when(pl.col("gross").is_not_null().any()).then(pl.col("pooled").sum()).alias("stated"),
            pl.col("contract_line_id").alias("line_ids"),
            pl.col("lacks_rate").any(),
            pl.col("evidence").explode().drop_nulls().unique().sort(),
        )
    )


def _choices(contracts: pl.DataFrame) -> pl.DataFrame:
    """Return by group what its policy says of sharing and rounding."""
    return contracts.group_by("group_id").agg(
        pl.col("setting.allocation.method").first().alias("method"),
        pl.col("setting.allocation.residual_to").first().alias("owner"),
        pl.col("setting.allocation.discount").first().alias("discount"),
        pl.col("setting.allocation.bundle_price").first().alias("bundle_price"),
        pl.col("setting.allocation.bundle_tolerance").first().alias("bundle_tolerance"),
        (pl.col("setting.rounding.mode").first() == "half_even").alias("half_even"),
        pl.col("minor_digits").first(),
    )


def _allocated(rows: pl.DataFrame) -> pl.DataFrame:
    """Add each obligation's price (`base`, `rem`), its share of the contract's (`w_rem`) and what rounding took off it (`cut`)."""
    pooled = rows.filter(pl.col("is_pooled"))
    pooled = share_minor(pooled, pool_key="group_id", pool="pool", weight="weight")
    rest = rows.filter(~pl.col("is_pooled")).with_columns(wide(0).alias("shared"), wide(0).alias("weight"))
    both = pl.concat([pooled, rest.with_columns(wide(0).alias("weight")).select(pooled.columns)])
    both = both.with_columns(pl.col("weight").sum().over("group_id").alias("→whole"))
    coefficient = pl.when(pl.col("→whole") > 0).then(_coefficient(pl.col("weight"), pl.col("→whole"))).otherwise(wide(0))
    made = both.with_columns(
        (pl.col("shared") * GUARD + pl.col("own") + pl.col("apart")).alias("rem"), wide(0).alias("base"), coefficient.alias("w_rem")
    ).with_columns(
        (pl.col("own_variable") + part_units(pl.col("shared_variable"), pl.col("w_rem"), wide(COEFFICIENT))).alias("variable"),
    )
    exact = pl.when(pl.col("→whole") > 0).then(part_units(pl.col("pool"), pl.col("weight"), pl.col("→whole")))
    cut = pl.when(pl.col("is_pooled")).then(exact - pl.col("shared") * GUARD)
    return made.with_columns(cut.fill_null(0).alias("cut")).drop("→whole")


def _is_variable_alone() -> pl.Expr:
    """Tell of a line whether nothing but an uncertain fee of its own is its price."""
    fee = pl.col("variable_kind").is_in(["bonus", "usage", "other"]) & (pl.coalesce("variable_allocation", pl.lit("line")) == "line")
    return ((pl.col("amount") == 0) & (pl.col("pricing") == "fixed") & fee).fill_null(value=False)


def _of_contract() -> pl.Expr:
    """Tell of a line whether it is nothing but an uncertain amount of the whole contract: no price, no standalone price, no use."""
    about_all = (pl.col("variable_allocation") == "contract") & pl.col("variable_kind").is_not_null() & (pl.col("variable_kind") != "usage")
    unpriced = (pl.col("amount").fill_null(0) == 0) & (pl.col("ssp").fill_null(0) == 0) & pl.col("pricing").is_in(["fixed", "package"])
    return (about_all & unpriced & pl.col("offering").ne_missing("material_right")).fill_null(value=False)


def _coefficient(weight: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return part_units(wide(COEFFICIENT), weight, whole)


def _pools(signed: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return each group's fixed price in units: its lines' amounts, or the value of the contract where no line has one."""
    by_contract = (
        signed.filter(pl.col("is_pooled") | pl.col("is_borne"))
        .group_by("group_id", "contract_id")
        .agg(
            pl.col("pooled").sum().alias("lines"),
            (pl.col("pooled").is_not_null().any() | (pl.col("pricing") == "noncash").all()).alias("has_lines"),
        )
    )
    worth = contracts.select("contract_id", "minor_digits", "total_value")
    made = by_contract.join(worth, on="contract_id", how="left").with_columns(
        pl.when("has_lines").then(pl.col("lines")).otherwise(money_units(pl.col("total_value"), pl.col("minor_digits"))).alias("pool")
    )
    return made.group_by("group_id").agg(pl.col("pool").sum())


def _with_own_interest(signed: pl.DataFrame, financed: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add `→interest`: what financing does to lines with a price of their own; return them and what finances in the shared price."""
    own = financed.join(signed.filter(~pl.col("is_pooled") & pl.col("pooled").is_not_null()), on="contract_line_id", how="semi")
    if not own.height:
        return signed.with_columns(wide(0).alias("→interest")), financed
    apart = (pl.col("price") - pl.col("promised")).round(6, mode="half_away_from_zero").cast(MONEY).alias("→apart")
    made = signed.join(own.select("contract_line_id", apart), on="contract_line_id", how="left", maintain_order="left")
    interest = units_to_minor(money_units(pl.col("→apart").fill_null(0), pl.col("minor_digits"))) * GUARD
    made = made.with_columns(interest.alias("→interest")).drop("→apart")
    return made, financed.join(own, on="contract_line_id", how="anti")


def _with_interest(pools: pl.DataFrame, financed: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Take the interest out of (or put it on) the price of groups that finance (32-15)."""
    apart = (pl.col("price") - pl.col("promised")).round(6, mode="half_away_from_zero").cast(MONEY)
    about = contracts.select("contract_id", "group_id", "minor_digits")
    units = money_units(apart, pl.col("minor_digits"))
    change = financed.join(about, on="contract_id", how="inner").with_columns(units.alias("interest"))
    change = change.group_by("group_id").agg(units_to_minor(pl.col("interest").sum()).alias("interest"))
    made = pools.join(change, on="group_id", how="left").with_columns(pl.col("interest").fill_null(0))
    return made.select("group_id", (pl.col("pool") + pl.col("interest") * GUARD).alias("pool"))


def _weights(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `weight` (what the pool is shared by), `is_zero` and `problem` to obligations of the pool, and say of each by which `method`."""
    count = pl.col("is_pooled").sum().over("group_id")
    alone = pl.col("is_pooled") & (count == 1)
    lacks = (pl.col("method") == "residual") & pl.col("ssp").is_null()
    is_residual = pl.col("is_pooled") & ~pl.col("alone") & (pl.col("is_residual") | lacks)
    made = _bundled(rows.with_columns(alone.alias("alone")).with_columns(is_residual.alias("is_residual")))
    # The residual is what the price leaves after every other obligation, bundles first (32-34(c), 32-38).
    is_other = pl.col("is_pooled") & ~pl.col("is_residual")
    others = pl.when(is_other).then(pl.col("weight").fill_null(0)).otherwise(wide(0)).sum().over("group_id")
    unit = units_of_a_millionth()
    left = pl.col("pool") // unit * pl.col("scale") - others
    low, high = (whole_number(name, MONEY) * pl.col("scale") for name in ("ssp_low", "ssp_high"))
    several = pl.col("is_residual").sum().over("group_id") > 1
    outside = pl.col("is_residual") & (several | (left <= 0) | (pl.col("has_range") & ((left < low) | (left > high))))
    made = made.with_columns(
        outside.alias("is_outside"),
        pl.when("alone")
        .then(wide(1))
        .when("is_residual")
        .then(pl.max_horizontal(left, wide(0)))
        .otherwise(pl.col("weight"))
        .alias("weight"),
        pl.when("is_residual").then(left // pl.col("scale")).otherwise(pl.col("ssp")).alias("ssp"),
        pl.when("is_residual").then(pl.lit("residual")).otherwise(pl.lit("relative_ssp")).alias("method"),
    )
    shares = pl.col("is_pooled") & ~pl.col("alone")
    nothing = shares & (pl.when(shares).then(pl.col("weight").fill_null(0)).otherwise(wide(0)).sum().over("group_id") == 0)
    problem = (
        pl.when(pl.col("is_outside"))
        .then(pl.lit("residual_out_of_range"))
        # What a promise with a price of its own would be sold at is never below nothing.
        .when(shares & (pl.col("weight").is_null() | ((pl.col("weight") < 0) & (pl.col("stated") > 0))))
        .then(pl.lit("ssp_missing"))
        .when(nothing)
        .then(pl.lit("ssp_all_zero"))
    )
    is_zero = shares & (pl.col("weight") == 0) & ~nothing & ~pl.col("is_outside")
    return made.with_columns(
        problem.alias("problem"),
        is_zero.fill_null(value=False).alias("is_zero"),
        pl.when(pl.col("is_pooled")).then(pl.col("weight").fill_null(0)).otherwise(wide(0)).alias("weight"),
    )


def _bundled(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `weight` and its `scale`: the standalone price, in a bundle its share of the price the bundle is sold at (32-37).

    A bundle is sold where all of it is promised, and where its discount is that of the contract (32-37(c)); what a residual
    leaves is the bundle's by its making (32-38).
    """
    made = rows.with_columns(pl.col("ssp").alias("weight"), wide(1).alias("scale"))
    for text in sorted(text for text in rows["discount"].unique().drop_nulls().to_list() if text.startswith("bundle")):
        keys = sorted(set(named_keys(text)))
        of_bundle = pl.col("is_pooled") & pl.col("obligation_id").is_in(keys)
        whole = pl.when(of_bundle).then(pl.col("ssp")).otherwise(wide(0)).sum().over("group_id")
        is_sold = (of_bundle.sum().over("group_id") == len(keys)) & _is_the_discount(whole)
        chosen = (pl.col("discount") == text) & is_sold.fill_null(value=False)
        inside = chosen & of_bundle
        price = whole_number("bundle_price", MONEY) * _FINE
        made = made.with_columns(
            pl.when(inside & (whole > 0))
            .then(part_units(price, pl.col("ssp"), whole))
            .when(chosen)
            .then(pl.col("weight") * _FINE)
            .otherwise(pl.col("weight"))
            .alias("weight"),
            pl.when(chosen).then(wide(_FINE)).otherwise(pl.col("scale")).alias("scale"),
        )
    return made


def _is_the_discount(whole: pl.Expr) -> pl.Expr:
    """Tell whether the discount of a bundle (of `whole` alone) is substantially that of its contract, or a residual takes the rest."""
    alone = pl.when("is_pooled").then(pl.col("ssp")).otherwise(wide(0)).sum().over("group_id")
    of_bundle = whole - whole_number("bundle_price", MONEY)
    apart = (alone - pl.col("pool") // units_of_a_millionth() - of_bundle).abs()
    near = apart * wide(HUNDRED) <= of_bundle.abs() * percent("bundle_tolerance")
    return near | pl.col("is_residual").any().over("group_id")


def _problems(rows: pl.DataFrame) -> pl.DataFrame:
    """Return findings about standalone selling prices."""
    found = []
    said = {
        "ssp_missing": (
            "high",
            "{} has no standalone selling price (or one below 0); its contract is held until one is estimated.",
            "606-10-32-33",
        ),
        "residual_out_of_range": (
            "high",
            "The residual price of {} lies outside what such a promise can cost; estimate it another way.",
            "606-10-32-34",
        ),
        "ssp_zero": (
            "medium",
            "{} has a standalone selling price of 0 and so no share in the price; a distinct promise needs an estimate.",
            "606-10-32-31",
        ),
    }
    by_kind = {
        # What no rate translates lacks the rate, no standalone price.
        "ssp_missing": (pl.col("problem") == "ssp_missing") & ~pl.col("lacks_rate"),
        "residual_out_of_range": pl.col("problem") == "residual_out_of_range",
        "ssp_zero": pl.col("is_zero"),
    }
    remedy = "Estimate the standalone selling price (606-10-32-33) and enter it on the line."
    for kind, (severity, text, _) in said.items():
        hit = rows.filter(by_kind[kind].fill_null(value=False))
        found.append(
            hit.select(
                *finding_columns(kind, severity, "contract_line", pl.format(text, "obligation_id"), remedy),
                pl.col("line_ids").list.first().alias("entity_id"),
                "contract_id",
                "evidence",
            )
        )
    zero = rows.filter(pl.col("problem") == "ssp_all_zero").unique("contract_id", keep="first", maintain_order=True)
    message = pl.format("Every promise of {} has a standalone selling price of 0, so its price cannot be allocated.", "contract_id")
    remedy = "Estimate the standalone selling prices (606-10-32-33)."
    found.append(
        zero.select(
            *finding_columns("ssp_all_zero", "high", "contract", message, remedy),
            pl.col("contract_id").alias("entity_id"),
            "contract_id",
            "evidence",
        )
    )
    return pl.concat(found)
