"""Values too large to be computed exactly: told as findings, their contracts held, before anything is computed with them."""

from __future__ import annotations

import functools
from dataclasses import replace
from decimal import Decimal
from typing import Final

import polars as pl

from engine.canonical.kinds import Kind, polars_dtype
from engine.canonical.schema import entity_spec
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.ground.records import Records

LIMITS: Final = {Kind.MONEY: 10**13, Kind.PRICE: 10**12, Kind.QTY: 10**12, Kind.HOURS: 10**9, Kind.PCT: 10**9, Kind.RATE: 10**9}
"""What values stay below, so that products of any two amounts fit the 128 bits they are computed in (`exact.py`)."""

_ENTITIES: Final = (
    "contract", "contract_line", "amendment", "amendment_line", "variable_estimate", "variable_outcome", "billing_plan_line", "option",
    "price_tier", "incentive_fee", "consideration_payable", "noncash_value", "cost_estimate", "contract_cost", "opening_position",
    "time_entry", "expense", "milestone", "progress", "usage", "invoice", "invoice_line", "payment", "payment_application",
    "exchange_rate", "assignment", "rate",
)  # fmt: skip

# By which references a record leads to its contract, the nearest first.
_TOWARDS: Final = ("contract_line_id", "contract_id", "amendment_id", "estimate_id", "invoice_id", "payment_id")


def bounded(records: Records) -> tuple[Records, pl.DataFrame]:
    """Return the records without what is too large and without the contracts it belongs to, and a finding for each such record.

    A product of quantity and price is a value too. One value beyond what 128 bits hold would stop the run of every
    other contract, or turn into another amount without a word.
    """
    kept: dict[str, pl.DataFrame] = {}
    found: list[pl.DataFrame] = []
    for entity in _ENTITIES:
        frame = records.frame(entity)
        if not frame.height:
            continue
        large = _too_large(entity)
        # Nearly always nothing is: one look tells.
        if not frame.select(large.any()).item():
            continue
        hit = frame.filter(large)
        kept[entity] = frame.filter(~large)
        identity = entity_spec(entity).display_key().alias("entity_id")
        found.append(hit.select(pl.lit(entity).alias("entity"), identity, owner_of(records, entity, hit), "evidence"))
    if not found:
        return records, pl.DataFrame()
    told = pl.concat(found)
    left = kept.get("contract", records.frame("contract"))
    kept["contract"] = left.filter(~pl.col("contract_id").is_in(told["contract_id"].drop_nulls().implode()))
    return replace(records, held={**records.held, **kept}), _findings(told)


def _too_large(entity: str) -> pl.Expr:
    """Tell whether a value of a record, or its quantity × price, is beyond its limit."""
    fields = entity_spec(entity).fields
    tests = [
        (pl.col(name).abs() >= pl.lit(Decimal(LIMITS[spec.kind]), dtype=polars_dtype(spec.kind))).fill_null(value=False)
        for name, spec in fields.items()
        if spec.kind in LIMITS
    ]
    for count, price in (("quantity", "unit_price"), ("hours", "bill_rate"), ("quantity", "unit_fair_value")):
        if count in fields and price in fields:
            fits = pl.when(~functools.reduce(lambda one, other: one | other, tests)).then(pl.col(count))
            product = fits.cast(pl.Decimal(38, 8)) * pl.col(price).cast(pl.Decimal(38, 8))
            tests.append((product.abs() >= Decimal(LIMITS[Kind.MONEY])).fill_null(value=False))
    return functools.reduce(lambda one, other: one | other, tests, pl.lit(value=False))


def owner_of(records: Records, entity: str, hit: pl.DataFrame) -> pl.Series:
    """Return the contract of each record, null where it leads to none."""
    found = hit["contract_id"] if "contract_id" in hit.columns else pl.Series("contract_id", [None] * hit.height, dtype=pl.String)
    references = entity_spec(entity).references
    for name in _TOWARDS:
        if name in references and references[name] != entity and name != "contract_id":
            key = entity_spec(references[name]).keys[0]
            named = hit.select(pl.col(name).alias(key)).join(
                records.frame(references[name]).unique(key, keep="first"), on=key, how="left", maintain_order="left"
            )
            found = pl.select(pl.coalesce(found, owner_of(records, references[name], named).alias("contract_id"))).to_series()
    return found.alias("contract_id")


def _findings(told: pl.DataFrame) -> pl.DataFrame:
    text = "The {} {} states a value too large to be computed exactly; "
    left_out = pl.format(text + "it is left out.", "entity", "entity_id")
    held = pl.format(text + "contract {} is held.", "entity", "entity_id", "contract_id")
    message = pl.when(pl.col("contract_id").is_null()).then(left_out).otherwise(held)
    remedy = "Correct the value in its system: the comma or the unit is likely wrong."
    return told.select(
        *finding_columns("amount_out_of_range", "high", pl.col("entity"), message, remedy), "entity_id", "contract_id", "evidence"
    ).sort("entity", "entity_id")
