"""What is stated of a price beside what it is made of: the value of a contract and its lines, an amount and its quantity."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.revenue.arithmetic.exact import GUARD, money_units, units_money, units_to_minor
from engine.revenue.ground.finding_columns import finding_columns, plain_text
from engine.revenue.ground.records import Records

_PRICED: Final = ("fixed", "periodic", "percent_of")
"""Ways of pricing that give a total on the day of signing; work, use, tiers and cost plus a fee come to what they come to."""


def total_findings(records: Records, contracts: pl.DataFrame, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every contract whose stated value is not the sum of its lines as signed; revenue follows the lines.

    Compared only where every line is known and of a kind with a total (`_PRICED`), in the contract's currency, and none was added
    by an amendment that is not in force yet. An amount computed from quantity or months may be rounded by a minor unit.
    """
    signed = _signed(records, lines, terms)
    sums = signed.group_by("contract_id").agg(
        pl.col("units").sum(), pl.col("is_known").all(), pl.col("is_computed").sum().cast(pl.Int128).alias("computed"), pl.len()
    )
    made = contracts.filter(pl.col("total_value").is_not_null()).join(sums.filter("is_known"), on="contract_id", how="inner")
    away = money_units(pl.col("total_value"), pl.col("minor_digits")) - pl.col("units")
    hit = made.filter(away.abs() > pl.col("computed") * GUARD).with_columns(
        units_money(away, pl.col("minor_digits")).alias("difference"), units_money(pl.col("units"), pl.col("minor_digits")).alias("sum")
    )
    hit = hit.filter(units_to_minor(away) != 0)
    of_lines = signed.join(hit, on="contract_id", how="semi").group_by("contract_id").agg(
        pl.col("evidence").explode().drop_nulls().unique().sort().alias("of_lines")
    )
    hit = hit.join(of_lines, on="contract_id", how="left", maintain_order="left")
    none = pl.lit([], dtype=pl.List(pl.String))
    every = pl.concat_list(pl.coalesce("evidence", none), pl.coalesce("of_lines", none)).list.unique().list.sort()
    said = pl.format("Contract {} states a value of {}; its lines come to {}, which is what revenue follows.", "contract_id",
                     plain_text(pl.col("total_value")), plain_text(pl.col("sum")))  # fmt: skip
    remedy = "Correct the value or the lines as signed; what an amendment changed belongs into the amendment."
    return hit.sort("contract_id").select(
        *finding_columns("total_differs_from_lines", "high", "contract", said, remedy),
        pl.col("contract_id").alias("entity_id"),
        "contract_id",
        pl.col("difference").abs().alias("amount_at_risk"),
        "currency",
        every.alias("evidence"),
    )


def _signed(records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return lines as signed: contract_id, units (null: not known), is_known, is_computed, evidence."""
    # A line that an amendment adds may have a record of its own before the amendment counts.
    to_come = records.frame("amendment_line").filter(pl.col("action") == "add")["contract_line_id"].drop_nulls()
    foreign = pl.col("is_foreign").fill_null(value=False) if "is_foreign" in lines.columns else pl.lit(value=False)
    open_ended = (pl.col("pricing") == "periodic") & pl.col("end_date").is_null() & pl.col("contract.end").is_null()
    about = lines.filter(pl.col("added_place") == 0).select(
        "contract_line_id", (foreign | open_ended).alias("is_open"), pl.col("evidence").alias("of_line")
    )
    first = terms.filter(pl.col("place") == 0).select("contract_line_id", "contract_id", "pricing", "amount", "quantity", "unit_price",
                                                      "minor_digits", "gross").join(about, on="contract_line_id", how="inner")  # fmt: skip
    digits = pl.col("minor_digits")
    product = money_units((pl.col("quantity") * pl.col("unit_price")).cast(pl.Decimal(38, 6)), digits)
    # What is stated is the whole amount; the fixed part leaves a penalty out of it.
    units = pl.coalesce(money_units(pl.col("amount"), digits), pl.when(pl.col("pricing") == "fixed").then(product), "gross")
    made = first.with_columns(units.alias("units"))
    known = pl.col("pricing").is_in(list(_PRICED)) & pl.col("units").is_not_null() & ~pl.col("is_open")
    return made.select(
        "contract_id", "units", (known & ~pl.col("contract_line_id").is_in(to_come.implode())).alias("is_known"),
        pl.col("amount").is_null().alias("is_computed"), pl.col("of_line").alias("evidence"),
    )  # fmt: skip


def quantity_findings(terms: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every change that states a quantity and no price, of a line whose amount was quantity x price per unit.

    What a change does not state stays as it was (`line_terms`): the price does, and stands beside another quantity.
    """
    digits = pl.col("minor_digits")
    amount = money_units(pl.col("before.amount"), digits)
    was = money_units((pl.col("before.quantity") * pl.col("before.unit_price")).cast(pl.Decimal(38, 6)), digits)
    bare = (pl.col("action") == "change") & pl.col("stated.amount").is_null() & (pl.col("stated.quantity") != pl.col("before.quantity"))
    bare &= pl.col("unit_price") == pl.col("before.unit_price")
    hit = terms.filter(bare & (pl.col("pricing") == "fixed"))
    hit = hit.filter((was - amount).abs() <= GUARD).join(
        contracts.select("contract_id", "currency"), on="contract_id", how="left", maintain_order="left"
    )
    text = "{} changes the quantity of {} from {} to {} and states no amount; the price stays {}."
    told = [plain_text(pl.col(name)) for name in ("before.quantity", "quantity", "before.amount")]
    message = pl.format(text, "amendment_id", "contract_line_id", *told)
    remedy = "State the amount of the line after the change, over its whole life."
    at_risk = (pl.col("quantity") - pl.col("before.quantity")).abs() * pl.col("unit_price")
    return hit.sort("amendment_id", "contract_line_id").select(
        *finding_columns("quantity_change_not_priced", "high", "amendment_line", message, remedy),
        pl.col("amendment_line_id").alias("entity_id"),
        "contract_id",
        at_risk.cast(pl.Decimal(38, 6)).alias("amount_at_risk"),
        "currency",
        "evidence",
    )
