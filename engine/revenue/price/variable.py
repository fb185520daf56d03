"""Variable amounts: what of each uncertainty is in the price, from which day on (606-10-32-5 to 32-14, 32-42 to 32-45).

Every source gives *levels*: the included amount of one uncertainty from a day on, whole, in units.
A level belongs to a line (wholly that line's obligation, 32-40) or, with a null line, to the contract.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY, Kind, polars_dtype
from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import money_units, part_units, times
from engine.revenue.arithmetic.numbers import HUNDRED, percent, whole_number, wide
from engine.revenue.arithmetic.tiers import tier_value
from engine.revenue.contracts.amendments import stated_estimates
from engine.revenue.ground.frames import empty
from engine.revenue.ground.records import Records
from engine.revenue.price.fees import fee_levels
from engine.revenue.price.hourly import ends_of_lines, hours_levels, through_end
from engine.revenue.price.settled_price import settled
from engine.revenue.price.unpriced import until_priced

LEVELS: Final[dict[str, pl.DataType]] = {
    "group_id": pl.String(),
    "contract_id": pl.String(),
    "contract_line_id": pl.String(),
    "component": pl.String(),
    "date": pl.Date(),
    "level": pl.Int128(),
    "is_variable": pl.Boolean(),
    "evidence": pl.List(pl.String()),
}

_QUANTITIES: Final[dict[str, pl.DataType]] = {
    "contract_line_id": pl.String(), "date": pl.Date(), "quantity": polars_dtype(Kind.PRICE), "unit_price": polars_dtype(Kind.PRICE),
    "is_retrospective": pl.Boolean(), "evidence": pl.List(pl.String()),
}  # fmt: skip

_PCT: Final = polars_dtype(Kind.PCT)


def price_levels(
    records: Records, contracts: pl.DataFrame, lines: pl.DataFrame, terms: pl.DataFrame, worked: pl.DataFrame, as_of: dt.date
) -> pl.DataFrame:
    """Return the levels of every uncertainty through as_of (`LEVELS`), sorted; `worked`: the time that counts."""
    found = [
        _estimates(records, contracts, lines, terms),
        hours_levels(records, lines, terms, worked),
        _tiers(records, lines, terms),
        settled(_through_end(_cost_plus(records, lines, terms), records, lines, terms), terms, contracts),
        _payable(records, contracts),
        _noncash(records, contracts, lines),
    ]
    every = pl.concat([frame.select(pl.col(name).cast(dtype) for name, dtype in LEVELS.items()) for frame in found])
    every = pl.concat([every, fee_levels(every, lines)])
    keys = ["group_id", "contract_id", "contract_line_id", "component"]
    return every.filter(pl.col("date") <= as_of).sort(*keys, "date", nulls_last=True)


def included_estimates(records: Records, contracts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return each estimate with `included`: the constrained amount, else the estimate, else what its outcomes give (MONEY).

    Expected value: Σ probability × amount; most likely: the likeliest outcome, of equally likely ones the
    smaller. Columns: those of variable_estimate, `stated` (the estimate itself), `included`, `odds` (Σ probability).
    """
    estimates, outcomes = records.frame("variable_estimate"), records.frame("variable_outcome")
    return _included(estimates, outcomes, contracts, lines)


@of_nothing
def _included(estimates: pl.DataFrame, outcomes: pl.DataFrame, contracts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return estimates with what of them is included; `outcomes`: of variable_outcome."""
    method = contracts.select("contract_id", pl.col("setting.variable.method").alias("default_method"))
    own = lines.select("contract_line_id", pl.col("contract_id").alias("line_contract"))
    found = estimates.join(own, on="contract_line_id", how="left", maintain_order="left")
    found = found.with_columns(pl.coalesce("line_contract", "contract_id").alias("contract_id")).join(method, on="contract_id", how="inner")
    outcomes = outcomes.filter(pl.col("amount").is_not_null() & pl.col("probability_pct").is_not_null())
    micros = whole_number("amount", MONEY)
    odds = whole_number("probability_pct", _PCT)
    valued = (
        outcomes.with_columns((micros * odds).alias("weighed"), odds.alias("odds"))
        .sort("estimate_id", "odds", "amount", descending=[False, True, False])
        .group_by("estimate_id", maintain_order=True)
        .agg(pl.col("weighed").sum(), pl.col("odds").sum(), pl.col("amount").first().alias("likeliest"))
    )
    hundred = wide(HUNDRED)
    whole = pl.col("weighed").abs()
    mean = (whole // hundred + (whole % hundred * 2 >= hundred).cast(pl.Int128)) * pl.col("weighed").sign()
    expected = mean.cast(pl.Decimal(38, 0)).cast(MONEY) / pl.lit(10**6, dtype=MONEY)
    made = found.join(valued, on="estimate_id", how="left", maintain_order="left").with_columns(expected.alias("mean"))
    computed = pl.when(pl.coalesce("method", "default_method") == "expected_value").then(pl.col("mean")).otherwise(pl.col("likeliest"))
    return made.with_columns(pl.coalesce("amount", computed).alias("stated")).with_columns(
        pl.coalesce("constrained_amount", "stated").alias("included")
    )


def _estimates(records: Records, contracts: pl.DataFrame, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    if records.frame("variable_estimate").is_empty():
        return empty(LEVELS)
    made = included_estimates(records, contracts, lines).filter(pl.col("included").is_not_null())
    made = pl.concat([made, until_priced(records, made, terms)], how="diagonal")
    about = lines.select(
        "contract_line_id", "variable_allocation", "variable_kind", "variable_amount", "pricing", "offering", "role", "commission_pct"
    )
    made = made.join(about, on="contract_line_id", how="left", maintain_order="left", suffix=".line")
    made = made.join(contracts.select("contract_id", "group_id", "minor_digits"), on="contract_id", how="left", maintain_order="left")
    # A royalty is price when the sale occurs (55-65), and use when it is made; only what is taken off them is estimated. Tiers take the
    # quantity.
    is_royalty = (pl.col("variable_kind") == "usage") & (pl.col("offering") == "licence")
    of_use = (pl.col("pricing") == "usage") & ((pl.col("offering") == "licence").fill_null(value=False) | (pl.col("included") >= 0))
    of_tiers = (pl.col("pricing") == "tiers") & pl.col("quantity").is_not_null()
    made = made.filter(~pl.any_horizontal(each.fill_null(value=False) for each in (is_royalty, of_use, of_tiers)))
    penalty = pl.when(pl.col("variable_kind") == "penalty").then(pl.coalesce("variable_amount", pl.lit(0))).otherwise(pl.lit(0))
    units = money_units((pl.col("included") + penalty.cast(MONEY)).cast(MONEY), pl.col("minor_digits"))
    share = percent("commission_pct")
    units = pl.when(pl.col("role") == "agent").then(part_units(units, share, wide(HUNDRED))).otherwise(units)
    is_pooled = pl.col("variable_allocation") == "contract"
    return (
        made.sort("as_of_date", "known_at", "estimate_id", nulls_last=False)
        .select(
            "group_id",
            "contract_id",
            pl.when(~is_pooled.fill_null(value=False)).then(pl.col("contract_line_id")).alias("contract_line_id"),
            pl.when(is_pooled).then(pl.format("variable {}", "contract_line_id")).otherwise(pl.lit("variable")).alias("component"),
            pl.col("as_of_date").alias("date"),
            units.alias("level"),
            pl.lit(value=True).alias("is_variable"),
            "evidence",
        )
        .unique(["contract_id", "contract_line_id", "component", "date"], keep="last", maintain_order=True)
    )


def expected_quantities(records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return for lines priced by tiers the quantity expected from a day on; units delivered above it raise it.

    It is the one of the contract as amended, of the latest estimate, or of a progress report that says how many units are expected in all;
    of one day the estimate's. From the day a line ends ahead of time it is what was delivered by then (606-10-32-14).

    Columns: contract_line_id, date, quantity, unit_price (of the tier it falls in), is_retrospective, evidence.
    """
    chosen = lines.filter(pl.col("pricing") == "tiers")
    if chosen.is_empty():
        return empty(_QUANTITIES)
    stated = records.frame("variable_estimate").join(chosen, on="contract_line_id", how="semi").filter(pl.col("quantity").is_not_null())
    signed = chosen.filter(pl.col("quantity").is_not_null()).select(
        "contract_line_id", pl.col("signed_date").alias("date"), "quantity", "evidence"
    )
    changed = stated_estimates(terms.filter(pl.col("action") == "change"), chosen, "quantity", "quantity").drop_nulls("quantity")
    seen = records.frame("progress").join(chosen, on="contract_line_id", how="semi").filter(pl.col("estimated_total_units").is_not_null())
    seen = seen.with_columns(pl.col("estimated_total_units").alias("quantity"))
    told = (each.select("contract_line_id", pl.col("as_of_date").alias("date"), "quantity", "evidence") for each in (seen, stated))
    said = pl.concat([signed, changed.select(signed.columns), *told]).sort("contract_line_id", "date", maintain_order=True)
    said = said.unique(["contract_line_id", "date"], keep="last", maintain_order=True)
    ends = ends_of_lines(records, chosen, chosen, terms)
    done = through_end(units_done(records, chosen).rename({"quantity": "done"}), ends)
    said = _until_the_end(said, done, ends)
    both = pl.concat([said, done], how="diagonal").sort("contract_line_id", "date")
    key = "contract_line_id"
    held = both.with_columns(
        pl.max_horizontal(
            pl.col("quantity").forward_fill().over(key, order_by="date"), pl.col("done").forward_fill().over(key, order_by="date")
        ).alias("expected")
    ).filter(pl.col("expected").is_not_null())
    held = held.unique([key, "date"], keep="last", maintain_order=True)
    changed = held.filter((pl.col("expected") != pl.col("expected").shift(1).over(key, order_by="date")).fill_null(value=True))
    tiers = records.frame("price_tier").filter(pl.col("unit_price").is_not_null())
    # Of a line that ends with nothing delivered no tier is reached: it comes to nothing.
    first = pl.coalesce("from_quantity", pl.lit(0))
    inside = ((pl.col("expected") > first) | ((pl.col("expected") == 0) & (first == 0))) & (
        pl.col("to_quantity").is_null() | (pl.col("expected") <= pl.col("to_quantity"))
    )
    priced = changed.join(tiers.drop("evidence"), on=key, how="inner").filter(inside)
    return priced.select(key, "date", pl.col("expected").alias("quantity"), "unit_price", "is_retrospective", "evidence").sort(key, "date")


def _until_the_end(said: pl.DataFrame, done: pl.DataFrame, ends: pl.DataFrame) -> pl.DataFrame:
    if not ends.height:
        return said
    key = "contract_line_id"
    last = ends.select(key, pl.col("date").alias("→end"))
    kept = said.join(last, on=key, how="left", maintain_order="left").filter((pl.col("date") < pl.col("→end")).fill_null(value=True))
    left = ends.join_asof(done.select(key, "date", "done").sort("date"), on="date", by=key, check_sortedness=False)
    left = left.filter((pl.col("done") > 0) | pl.col("is_removed"))
    quantity = pl.col("done").fill_null(0).cast(said.schema["quantity"]).alias("quantity")
    return pl.concat([kept.select(said.columns), left.select(key, "date", quantity, "evidence").select(said.columns)])


def units_done(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return units delivered of lines, cumulative by day: as progress reports tell them, else as used.

    Columns: contract_line_id, date, quantity, evidence.
    """
    told = records.frame("progress").join(lines, on="contract_line_id", how="semi").filter(pl.col("units_delivered").is_not_null())
    told = told.select("contract_line_id", pl.col("as_of_date").alias("date"), pl.col("units_delivered").alias("quantity"), "evidence")
    used = records.frame("usage").join(lines, on="contract_line_id", how="semi").join(told, on="contract_line_id", how="anti")
    daily = used.filter(pl.col("quantity").is_not_null()).group_by("contract_line_id", pl.col("usage_date").alias("date")).agg(
        pl.col("quantity").sum(), pl.col("evidence").explode().drop_nulls().unique().sort()
    ).sort("contract_line_id", "date")  # fmt: skip
    so_far = pl.col("quantity").cum_sum().over("contract_line_id", order_by="date").cast(told.schema["quantity"])
    return pl.concat([told, daily.with_columns(so_far)])


def _tiers(records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return the price of lines with volume tiers at the expected quantity: all units at its tier, or each tier's own."""
    expected = expected_quantities(records, lines, terms).with_row_index("row")
    if expected.is_empty():
        return empty(LEVELS)
    by_tier = tier_value(expected.select("row", "contract_line_id", "quantity"), records.frame("price_tier"))
    whole = times(pl.col("quantity"), pl.col("unit_price"))
    value = pl.when(pl.col("is_retrospective").fill_null(value=False)).then(whole).otherwise(pl.col("value"))
    about = lines.select("contract_line_id", "contract_id", "group_id", "minor_digits")
    return (
        expected.join(by_tier, on="row", how="left")
        .join(about, on="contract_line_id", how="inner")
        .select(
            "group_id",
            "contract_id",
            "contract_line_id",
            pl.lit("tiers").alias("component"),
            "date",
            money_units(value, pl.col("minor_digits")).alias("level"),
            pl.lit(value=True).alias("is_variable"),
            "evidence",
        )
    )


def _cost_plus(records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return cost-plus prices: the expected cost plus the fee that the expected cost gives; elsewhere the fee alone.

    Fee = target fee − the firm's share of what the cost exceeds the target by, between floor and ceiling.
    """
    fees = records.frame("incentive_fee").unique("contract_line_id", keep="first").drop("evidence", "currency")
    chosen = lines.join(fees, on="contract_line_id", how="left", maintain_order="left", suffix=".fee").filter(
        (pl.col("pricing") == "cost_plus") | pl.col("target_fee").is_not_null()
    )
    if chosen.is_empty():
        return empty(LEVELS)
    cost = money_units(pl.col("cost"), pl.col("minor_digits"))
    by_percent = part_units(cost, percent("fee_pct"), wide(HUNDRED))
    fee = pl.when(pl.col("target_fee").is_not_null()).then(_incentive_fee(cost)).otherwise(by_percent)
    whole = pl.when(pl.col("pricing") == "cost_plus").then(cost + fee).otherwise(fee)
    return _expected_costs(records, chosen, terms).select(
        "group_id",
        "contract_id",
        "contract_line_id",
        pl.lit("fee").alias("component"),
        "date",
        whole.alias("level"),
        pl.lit(value=True).alias("is_variable"),
        "evidence",
    )


def _through_end(levels: pl.DataFrame, records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return the levels of cost-plus work without those after its end: progress stops there, and what is priced for it with it (32-14)."""
    chosen = lines.filter(pl.col("pricing") == "cost_plus")
    return through_end(levels, ends_of_lines(records, chosen, chosen, terms)) if chosen.height else levels


def _expected_costs(records: Records, chosen: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return what the chosen lines were expected to cost, day by day (`cost`), as stated and as observed, with how they are paid."""
    stated = stated_estimates(terms, chosen, "estimated_cost", "cost")
    # What nobody estimated when it was signed is expected to cost what the fee aims at.
    aimed = chosen.select("contract_line_id", pl.col("target_cost").cast(stated.schema["cost"]).alias("→aimed"))
    is_first = pl.int_range(pl.len()).over("contract_line_id", order_by="date") == 0
    stated = stated.join(aimed, on="contract_line_id", how="left", maintain_order="left").with_columns(
        pl.when(is_first).then(pl.coalesce("cost", "→aimed")).otherwise("cost").alias("cost")
    ).drop("→aimed")  # fmt: skip
    observed = (
        records.frame("progress")
        .join(chosen, on="contract_line_id", how="semi")
        .select(
            "contract_line_id",
            pl.col("as_of_date").alias("date"),
            pl.max_horizontal(
                "estimated_total_cost", pl.when(pl.col("estimated_total_cost").is_not_null()).then(pl.col("cost_to_date"))
            ).alias("cost"),
            "evidence",
        )
    )
    known = pl.concat([stated, observed], how="diagonal").filter(pl.col("cost").is_not_null()).sort("contract_line_id", "date")
    return known.unique(["contract_line_id", "date"], keep="last", maintain_order=True).join(
        chosen.select(
            "contract_line_id",
            "contract_id",
            "group_id",
            "minor_digits",
            "pricing",
            "fee_pct",
            "target_cost",
            "target_fee",
            "contractor_share_pct",
            "floor_fee",
            "ceiling_fee",
        ),
        on="contract_line_id",
        how="inner",
        maintain_order="left",
    )


def _incentive_fee(cost: pl.Expr) -> pl.Expr:
    """Return target fee − the firm's share of what the cost (units) exceeds the target by, between floor and ceiling."""
    digits = pl.col("minor_digits")
    share = percent("contractor_share_pct")
    over = cost - money_units(pl.coalesce("target_cost", "cost"), digits)
    fee = money_units(pl.coalesce("target_fee", pl.lit(0)).cast(MONEY), digits) - part_units(over, share, wide(HUNDRED))
    fee = pl.when(pl.col("floor_fee").is_not_null()).then(pl.max_horizontal(fee, money_units(pl.col("floor_fee"), digits))).otherwise(fee)
    below = pl.min_horizontal(fee, money_units(pl.col("ceiling_fee"), digits))
    return pl.when(pl.col("ceiling_fee").is_not_null()).then(below).otherwise(fee)


def _payable(records: Records, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return what the firm pays to its customers for nothing distinct, as a reduction of price from the day it is promised (32-27)."""
    about = contracts.select("contract_id", "group_id", "minor_digits")
    found = records.frame("consideration_payable").filter(
        ~pl.col("is_for_distinct_good").fill_null(value=False) & pl.col("amount").is_not_null()
    )
    return found.join(about, on="contract_id", how="inner").select(
        "group_id",
        "contract_id",
        pl.lit(None, dtype=pl.String).alias("contract_line_id"),
        pl.format("payable {}", "payable_id").alias("component"),
        pl.coalesce("agreed_date", "paid_date").alias("date"),
        (money_units(pl.col("amount"), pl.col("minor_digits")) * -1).alias("level"),
        pl.lit(value=False).alias("is_variable"),
        "evidence",
    )


def _noncash(records: Records, contracts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return non-cash consideration at its fair value: of inception, or of each day of receipt (policy).

    Beside cash, for the same promise or another, it adds to the price. Measured at receipt, a new value holds for what
    is still to be received (`happenings.REVALUED`).
    """
    when = contracts.select("contract_id", pl.col("setting.noncash.measured_at").alias("measured_at"))
    in_kind = pl.col("pricing").is_in(["noncash", "fixed", "periodic", "package"])
    about = lines.filter(in_kind).select("contract_line_id", "contract_id", "group_id", "minor_digits", "signed_date", "added_place")
    found = records.frame("noncash_value").join(about, on="contract_line_id", how="inner").join(when, on="contract_id", how="left")
    first = pl.col("as_of_date") <= pl.col("signed_date")
    earliest = pl.col("as_of_date") == pl.col("as_of_date").min().over("contract_line_id")
    own = (pl.col("measured_at") == "receipt") | (pl.col("added_place") > 0)
    value = times(pl.col("quantity"), pl.col("unit_fair_value"))
    return (
        found.filter(first | earliest | (pl.col("measured_at") == "receipt"))
        .sort("as_of_date", "known_at", "unit_fair_value", nulls_last=False)
        .select(
            "group_id",
            "contract_id",
            # At its value of inception it is part of the price of the contract, shared like all of it (606-10-32-28).
            pl.when(own).then(pl.col("contract_line_id")).alias("contract_line_id"),
            pl.when(pl.col("measured_at") == "receipt")
            .then(pl.lit("noncash at receipt"))
            .otherwise(pl.format("noncash {}", "contract_line_id"))
            .alias("component"),
            pl.col("as_of_date").alias("date"),
            money_units(value, pl.col("minor_digits")).alias("level"),
            pl.lit(value=False).alias("is_variable"),
            "evidence",
        )
    )
