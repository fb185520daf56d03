"""What each promise costs the customer: fixed amounts by line and step, and how a line is priced (606-10-32-2 to 32-27)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.conventions import MONTHS_IN, TermColumns, with_months
from engine.revenue.arithmetic.exact import GUARD, money_units, part_units
from engine.revenue.arithmetic.numbers import HUNDRED, percent, wide, worth_of_units
from engine.revenue.arithmetic.runs import before
from engine.revenue.ground.records import Records

OUTSIDE: Final = ("as_invoiced", "usage")
"""Ways of pricing that leave a line outside the pool: its revenue is what the customer owes for work or use."""

# How a line is priced; each is decided once, from the line as signed.
_KINDS: Final = ("as_invoiced", "usage", "capped", "hours", "tiers", "cost_plus", "noncash", "periodic", "percent_of", "fixed", "package")


def with_pricing(lines: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Add `pricing`: how each line is priced."""
    tiered = records.frame("price_tier").group_by("contract_line_id").agg(
        pl.lit(value=True).alias("has_tiers"), pl.col("is_retrospective").fill_null(value=False).any().alias("has_rebate")
    )  # fmt: skip
    noncash = records.frame("noncash_value").select("contract_line_id").unique().with_columns(pl.lit(value=True).alias("has_noncash"))
    expected = (
        records.frame("progress")
        .filter(pl.col("estimated_total_hours").is_not_null())
        .select("contract_line_id")
        .unique()
        .with_columns(pl.lit(value=True).alias("has_estimate"))
    )
    estimated = records.frame("variable_estimate").select("contract_line_id").drop_nulls().unique()
    made = lines
    for frame in (tiered, noncash, expected, estimated.with_columns(pl.lit(value=True).alias("has_amount_expected"))):
        made = made.join(frame, on="contract_line_id", how="left", maintain_order="left")
    made = made.with_columns(_pricing().alias("pricing")).drop(
        "has_tiers", "has_rebate", "has_noncash", "has_estimate", "has_amount_expected"
    )
    made = _of_work(_of_the_whole(_by_royalty_alone(made), records))
    # What an hourly line with a cap earns is measured by the value of the hours, not by invoices.
    # Use priced by the tier expected is measured by the units used.
    by_hours = (pl.col("pricing") == "capped") | ((pl.col("pricing") == "hours") & (pl.col("measure") == "as_invoiced"))
    measure = pl.when(by_hours).then(pl.lit("hours")).otherwise(pl.col("measure"))
    by_use = (pl.col("pricing") == "tiers") & (pl.col("measure") == "usage")
    return made.with_columns(
        pl.when(by_use).then(pl.lit("units")).otherwise(measure).alias("measure"),
        (pl.col("pricing") == "as_invoiced").alias("is_as_invoiced"),
    )


def _pricing() -> pl.Expr:
    """Return how a line is priced, by what it states and what is known of it; the first that fits decides."""
    by_hour = pl.col("offering") == "time_and_materials"
    knows_hours = pl.col("estimated_hours").is_not_null() | pl.col("has_estimate").fill_null(value=False)
    # Use beside the fixed part of one promise stands on a line of no amount: its price is the use, unless it is estimated.
    has_amount = pl.col("amount").is_not_null()
    own = (pl.coalesce("variable_allocation", pl.lit("line")) == "line") & ~pl.col("offering").is_in(["licence", "goods"])
    of_use = (pl.col("amount") == 0) & (pl.col("variable_kind") == "usage") & pl.all_horizontal(
        pl.col("has_amount_expected", "quantity").is_null()
    )
    has_price = has_amount & ~(of_use & own).fill_null(value=False)
    has_tiers = pl.col("has_tiers").fill_null(value=False)
    priced_hours = by_hour & pl.col("unit_price").is_not_null()
    # A rebate on all hours fails the expedient: the price of an hour is that of the hours expected (55-18, 32-8).
    rebated = by_hour & pl.col("has_rebate").fill_null(value=False) & knows_hours & pl.col("cap_amount").is_null()
    # A service that states a price of its use and nothing else is paid by use (32-40), whatever measures a fixed fee of its kind.
    by_use = (pl.col("variable_kind") == "usage") & pl.col("unit_price").is_not_null() & ~pl.col("offering").is_in(["licence", "goods"])
    by_use = by_use & pl.all_horizontal(pl.col("quantity", "price_period").is_null()) & (pl.col("measure") == "time_elapsed") & ~has_tiers
    hours_by_tier = by_hour & has_tiers & (pl.col("measure") == "hours")
    return (
        pl.when((pl.col("measure") == "as_invoiced") & priced_hours & pl.col("cap_amount").is_not_null() & knows_hours)
        .then(pl.lit("capped"))
        .when((pl.col("measure") == "as_invoiced") & rebated)
        .then(pl.lit("hours"))
        .when(pl.col("measure") == "as_invoiced")
        .then(pl.lit("as_invoiced"))
        .when(((pl.col("measure") == "usage") | by_use) & ~has_price & ~pl.col("has_rebate").fill_null(value=False))
        .then(pl.lit("usage"))
        .when(priced_hours & (pl.col("cap_amount").is_not_null()))
        .then(pl.lit("capped"))
        .when(priced_hours | hours_by_tier)
        .then(pl.lit("hours"))
        .when(has_tiers & ~has_amount)
        .then(pl.lit("tiers"))
        .when((pl.col("offering") == "cost_plus") & ~has_amount)
        .then(pl.lit("cost_plus"))
        .when(has_amount)
        .then(pl.lit("fixed"))
        .when(pl.col("has_noncash").fill_null(value=False))
        .then(pl.lit("noncash"))
        .when(pl.col("fee_pct").is_not_null() & pl.col("fee_on_line_id").is_not_null())
        .then(pl.lit("percent_of"))
        .when(pl.col("price_period").is_in(list(MONTHS_IN)) & pl.col("unit_price").is_not_null())
        .then(pl.lit("periodic"))
        .when(pl.col("quantity").is_not_null() & pl.col("unit_price").is_not_null())
        .then(pl.lit("fixed"))
        .otherwise(pl.lit("package"))
    )


def _by_royalty_alone(lines: pl.DataFrame) -> pl.DataFrame:
    """Leave a licence that earns nothing but its own royalty outside the pool: the royalty is its whole price (32-40)."""
    own = pl.coalesce("variable_allocation", pl.lit("line")) == "line"
    nothing = pl.coalesce("amount", pl.lit(0)) == 0
    alone = (pl.col("offering") == "licence") & (pl.col("variable_kind") == "usage") & own & nothing
    made = lines.with_columns(alone.fill_null(value=False).alias("→alone"))
    # A price quoted for the whole contract belongs to its licence where nothing else was promised.
    others = (~pl.col("→alone") & ~pl.col("pricing").is_in(list(OUTSIDE))).any().over("group_id")
    return made.with_columns(pl.when(pl.col("→alone") & others).then(pl.lit("usage")).otherwise(pl.col("pricing")).alias("pricing")).drop(
        "→alone"
    )


def _of_work(lines: pl.DataFrame) -> pl.DataFrame:
    """Price a fee that is a percent of work as invoiced as that work is: with what is invoiced of it (55-18)."""
    work = lines.filter(pl.col("pricing") == "as_invoiced")["contract_line_id"]
    on_work = (pl.col("pricing") == "percent_of") & pl.col("fee_on_line_id").is_in(work.implode())
    return lines.with_columns(
        pl.when(on_work).then(pl.lit("as_invoiced")).otherwise(pl.col(name)).alias(name) for name in ("pricing", "measure")
    )


def _of_the_whole(lines: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Give the only promise of a contract that an amendment changes the contract's price: the change is one of that."""
    changed = records.frame("amendment_line").filter(pl.col("action") == "change").select("contract_line_id").unique()
    worth = records.frame("contract").select("contract_id", pl.col("total_value").alias("→worth"))
    made = lines.join(worth, on="contract_id", how="left", maintain_order="left")
    inside = (pl.col("added_place") == 0) & ~pl.col("pricing").is_in(list(OUTSIDE))
    alone = inside & (pl.col("pricing") == "package") & (inside.sum().over("group_id") == 1) & pl.col("→worth").is_not_null()
    is_changed = pl.col("contract_line_id").is_in(changed["contract_line_id"].implode())
    takes = (alone & is_changed).fill_null(value=False)
    return made.with_columns(
        pl.when(takes).then(pl.col("→worth").cast(lines.schema["amount"])).otherwise(pl.col("amount")).alias("amount"),
        pl.when(takes).then(pl.lit("fixed")).otherwise(pl.col("pricing")).alias("pricing"),
    ).drop("→worth")


def with_pooled(terms: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Add to every step of a line `pooled` and `before.pooled`: its fixed part of the price in units, net of an agent's pass-through
    (`gross`, `before.gross`: with it).

    Null where the line states no amount of its own (a package price, hours, tiers, work as invoiced).
    """
    names = ("contract_line_id", "okey", "obligation_id", "pricing", "minor_digits", "convention", "price_period", "variable_kind",
             "variable_amount", "fee_pct", "fee_on_line_id", "role", "commission_pct", "begins", "ends", "anchor_day",
             "added_place")  # fmt: skip
    made = terms.join(lines.select(names), on="contract_line_id", how="inner")
    digits = pl.col("minor_digits")
    amount = pl.coalesce("amount", worth_of_units())
    penalty = pl.when(pl.col("variable_kind") == "penalty").then(pl.coalesce("variable_amount", pl.lit(0))).otherwise(pl.lit(0))
    fixed = money_units((amount.cast(pl.Decimal(38, 6)) - penalty.cast(pl.Decimal(38, 6))), digits)
    # A promise signed without a price, beside others with one, is priced when a change states it.
    open_price = (pl.col("pricing") == "package") & (pl.col("place") > 0)
    has_fixed = pl.col("contract_id").is_in(made.filter(pl.col("pricing") == "fixed")["contract_id"].unique().implode())
    # Mostly nothing is priced so: then nobody asks.
    if (made["pricing"] == "package").any():
        open_price = open_price & ((pl.col("added_place") > 0) | has_fixed)
    made = made.with_columns(pl.when((pl.col("pricing") == "fixed") | open_price).then(fixed).alias("pooled"))
    made = _periodic(made)
    made = _percent_of(made)
    kept = (
        pl.when(pl.col("role") == "agent")
        .then(part_units(pl.col("pooled"), percent("commission_pct"), wide(HUNDRED)))
        .otherwise(pl.col("pooled"))
    )
    made = made.with_columns(pl.col("pooled").alias("gross"), kept.alias("pooled"))
    made = made.sort("contract_line_id", "place", "amendment_line_id", nulls_last=False)
    return made.with_columns(
        pl.when(pl.col("action") == "add").then(None).otherwise(before(pl.col(name), "contract_line_id")).alias(f"before.{name}")
        for name in ("pooled", "gross")
    )


def _periodic(terms: pl.DataFrame) -> pl.DataFrame:
    """Price lines by month, quarter or year: quantity × unit price × periods of the term, rounded to the minor unit.

    A change of quantity, price or term counts from its day on: what came before stays at the price of before. Of a line that is taken
    away nothing more is to come. What a change agrees for the months served is on top.
    """
    chosen = terms.filter(pl.col("pricing") == "periodic")
    if not chosen.height:
        return terms
    keys = ["contract_line_id", "place"]
    chosen = chosen.sort(*keys, "amendment_line_id", nulls_last=False).unique(keys, keep="last", maintain_order=True)
    chosen = chosen.with_columns(pl.coalesce("start_date", "begins").alias("→start"), pl.coalesce("end_date", "ends").alias("→end"))
    first = pl.max_horizontal("→start", pl.when(pl.col("action").is_in(["change", "remove"])).then(pl.col("takes_effect")))
    until = pl.col("takes_effect").shift(-1).over("contract_line_id", order_by="place").dt.offset_by("-1d")
    chosen = chosen.with_columns(
        first.alias("→first"), pl.min_horizontal("→end", until).alias("→until"), first.dt.offset_by("-1d").alias("→earlier")
    )
    # Months are counted from the start of the term, not anew from a change: at one price there are as many as without it.
    for end, name in (("→end", "→open"), ("→until", "→closed"), ("→earlier", "→gone")):
        chosen = _months_worth(chosen, end, name)
    none = wide(0)
    closed = pl.when(pl.col("→until") >= pl.col("→first")).then(pl.col("→closed") - pl.col("→gone")).otherwise(none).fill_null(none)
    runs_on = (pl.col("→end") >= pl.col("→first")) & (pl.col("action") != "remove")
    left = pl.when(runs_on).then(pl.col("→open") - pl.col("→gone")).otherwise(none).fill_null(none)
    chosen = chosen.with_columns(closed.alias("→closed"), left.alias("→open"))
    passed = pl.col("→closed").cum_sum().over("contract_line_id", order_by="place") - pl.col("→closed")
    past = pl.when(pl.col("action") == "change").then(pl.col("past_performance_amount")).cast(MONEY).fill_null(0)
    past = money_units(past, pl.col("minor_digits")).cum_sum().over("contract_line_id", order_by="place")
    whole = passed + pl.col("→open") + past
    priced = chosen.select(*keys, ((whole + GUARD // 2) // GUARD * GUARD).alias("periodic"))
    return (
        terms.join(priced, on=keys, how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("pricing") == "periodic")
            .then(pl.coalesce(money_units(pl.col("amount"), pl.col("minor_digits")), "periodic"))
            .otherwise(pl.col("pooled"))
            .alias("pooled")
        )
        .drop("periodic")
    )


def _months_worth(rows: pl.DataFrame, end: str, name: str) -> pl.DataFrame:
    """Add what the months from `→start` to the day of a column cost, in units; nothing where there are none."""
    term = TermColumns(start="→start", end=end, anchor_day="anchor_day")
    made = with_months(rows.lazy(), numerator="→months", denominator="→of", terms=term).collect()
    each = worth_of_units(pl.coalesce("quantity", pl.lit(1)))
    months = pl.col("price_period").replace_strict(MONTHS_IN, return_dtype=pl.Int64).cast(pl.Int128)
    worth = part_units(money_units(each, pl.col("minor_digits")), pl.col("→months"), pl.col("→of") * months)
    served = pl.col(end) >= pl.col("→start")
    return made.with_columns(pl.when(served).then(worth).otherwise(wide(0)).fill_null(0).alias(name)).drop("→months", "→of")


def _percent_of(terms: pl.DataFrame) -> pl.DataFrame:
    """Price a fee that is a percent of another line by that line's latest amount."""
    if not terms.filter(pl.col("pricing") == "percent_of").height:
        return terms
    other = terms.select(pl.col("contract_line_id").alias("fee_on_line_id"), "place", pl.col("pooled").alias("of")).sort("place")
    asked = terms.filter(pl.col("pricing") == "percent_of").select("contract_line_id", "fee_on_line_id", "place", "fee_pct").sort("place")
    found = (
        asked.join_asof(other, on="place", by="fee_on_line_id", check_sortedness=False)
        .select("contract_line_id", "place", part_units(pl.col("of"), percent("fee_pct"), wide(HUNDRED)).alias("fee"))
        .with_columns(((pl.col("fee") + GUARD // 2) // GUARD * GUARD).alias("fee"))
    )
    return (
        terms.join(found, on=["contract_line_id", "place"], how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("pricing") == "percent_of").then(pl.coalesce("pooled", "fee")).otherwise(pl.col("pooled")).alias("pooled")
        )
        .drop("fee")
    )
