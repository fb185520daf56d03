"""Contracts that began before Tieout did: their allocation and what was recognized are taken over, nothing is allocated anew."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.canonical.schema import entity_spec
from engine.revenue.amendments import TERM_FIELDS
from engine.revenue.exact import GUARD, money_units, units_to_minor, wide
from engine.revenue.measured import Measures, with_progress
from engine.revenue.records import Records
from engine.revenue.segments import with_revenue


def latest_openings(records: Records, as_of: dt.date) -> pl.DataFrame:
    """Return the last opening position of each line through as_of, with `opened_on`."""
    found = records.frame("opening_position").filter((pl.col("as_of_date") <= as_of) & pl.col("allocated_amount").is_not_null())
    latest = found.sort("contract_line_id", "as_of_date").unique("contract_line_id", keep="last", maintain_order=True)
    return latest.rename({"as_of_date": "opened_on"})


def opened_groups(openings: pl.DataFrame, records: Records, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return the groups that have opening positions and the day of the last: group_id, opened_on."""
    lines = pl.concat(
        [
            records.frame("contract_line").select("contract_line_id", "contract_id"),
            records.frame("amendment_line")
            .join(records.frame("amendment").select("amendment_id", "contract_id"), on="amendment_id")
            .select("contract_line_id", "contract_id"),
        ]
    ).unique("contract_line_id", keep="first", maintain_order=True)
    made = openings.select("contract_line_id", "opened_on").join(lines, on="contract_line_id", how="inner")
    return (
        made.join(contracts.select("contract_id", "group_id"), on="contract_id", how="inner")
        .group_by("group_id")
        .agg(pl.col("opened_on").max())
    )


def as_opened(records: Records, before: pl.DataFrame) -> Records:
    """Return the records with lines as they stood on opening; `before` are the amended lines of changes up to then."""
    if not before.height:
        return records
    schema = entity_spec("contract_line").polars_schema()
    latest = (
        before.sort("place")
        .group_by("contract_line_id", maintain_order=True)
        .agg(
            pl.col("contract_id").last(),
            *(pl.col(name).drop_nulls().last() for name in TERM_FIELDS),
            pl.col("offering").drop_nulls().last(),
            pl.col("obligation_key").drop_nulls().last(),
            pl.col("evidence").last(),
        )
    )
    own = records.frame("contract_line")
    changed = own.join(latest, on="contract_line_id", how="left", maintain_order="left", suffix=".after")
    names = (*TERM_FIELDS, "offering", "obligation_key")
    changed = changed.with_columns(pl.coalesce(f"{name}.after", name).alias(name) for name in names).select(own.columns)
    added = latest.join(own, on="contract_line_id", how="anti")
    fresh = added.select(
        *(pl.col(name).cast(kind) if name in added.columns else pl.lit(None, dtype=kind).alias(name) for name, kind in schema.items()),
        "evidence",
        pl.lit(None, dtype=own.schema["known_at"]).alias("known_at"),
    )
    return Records(
        records.facts, records.as_of, records.known_on, {**records.held, "contract_line": pl.concat([changed, fresh.select(own.columns)])}
    )


def with_openings(states: pl.DataFrame, openings: pl.DataFrame, lines: pl.DataFrame, measures: Measures) -> pl.DataFrame:
    """Let obligations with opening positions start from them; add `opened_on` and `opened` (minor units recognized by then).

    Where what was recognized is what the measure shows, the obligation runs on as if it had always been here
    (a later estimate catches up from its first day); else what is left is earned from here on.
    """
    nothing = [pl.lit(None, dtype=pl.Date).alias("opened_on"), wide(0).alias("opened")]
    if not openings.height:
        return states.with_columns(nothing)
    own = lines.select("contract_line_id", "okey", "minor_digits")
    found = openings.drop("evidence").join(own, on="contract_line_id", how="inner")
    digits = pl.col("minor_digits")
    sums = found.group_by("okey").agg(
        pl.col("opened_on").max(),
        money_units(pl.col("allocated_amount"), digits).sum().alias("→allocated"),
        money_units(pl.col("recognized_amount").fill_null(0), digits).sum().alias("→recognized"),
    )
    rest = states.join(sums, on="okey", how="anti").with_columns(nothing)
    rows = states.join(sums, on="okey", how="inner")
    rows = with_progress(rows.with_columns(wide(0).alias("base"), pl.col("→allocated").alias("rem")), measures, "opened_on")
    taken = units_to_minor(pl.col("→recognized"))
    rows = with_revenue(rows, minor="→shown")
    agrees = ((pl.col("→shown") - taken).abs() <= 1) & (pl.col("m") > 0)
    rows = rows.with_columns(agrees.alias("→agrees"), taken.alias("opened"))
    anew = ~pl.col("→agrees")
    rows = rows.with_columns(
        pl.when(anew).then(pl.col("opened") * GUARD).otherwise(wide(0)).alias("base"),
        pl.when(anew).then(pl.col("m")).otherwise(wide(0)).alias("m0"),
        pl.when(anew).then(pl.col("u")).otherwise(wide(0)).alias("u0"),
        pl.lit(None, dtype=pl.String).alias("problem"),
        wide(0).alias("variable"),
        wide(0).alias("cut"),
    ).with_columns((pl.col("→allocated") - pl.col("base")).alias("rem"))
    return pl.concat([rest, rows.select(rest.columns)])
