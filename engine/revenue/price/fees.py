"""Fees that are a percent of a line whose price is told by its work: hours, under a cap or not, tiers, cost (606-10-32-40)."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_no
from engine.revenue.arithmetic.exact import GUARD, part_units
from engine.revenue.arithmetic.numbers import HUNDRED, percent, whole_number, wide

_LINE = "contract_line_id"
_OF_WORK = ("hours", "tiers", "fee")


def _fees(lines: pl.DataFrame) -> pl.DataFrame:
    """Return the fees that are a percent of a line: of (the line), contract_line_id, fee_pct."""
    return lines.filter(pl.col("pricing") == "percent_of").select(pl.col("fee_on_line_id").alias("of"), _LINE, "fee_pct")


def fee_levels(levels: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return what fees come to with the levels (`variable.LEVELS`) of the lines they are a percent of."""
    return _of_levels(_fees(lines), levels.filter(pl.col("component").is_in(_OF_WORK)))


@of_no("fees", "levels")
def _of_levels(fees: pl.DataFrame, levels: pl.DataFrame) -> pl.DataFrame:
    found = levels.rename({_LINE: "of"}).join(fees, on="of", how="inner", maintain_order="left")
    part = part_units(pl.col("level"), percent("fee_pct"), wide(HUNDRED))
    return found.with_columns(((part + GUARD // 2) // GUARD * GUARD).alias("level")).select(levels.columns)


def with_fee_steps(steps: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return steps of rates and caps (`hourly.STEPS`) with those of the fees on their lines: what each does to the fee."""
    fees = _fees(lines)
    if not steps.height or not fees.height:
        return steps
    moved = steps.filter(pl.col("effect").is_not_null()).rename({_LINE: "of"}).join(fees, on="of", how="inner")
    micros = part_units(whole_number("effect", MONEY), percent("fee_pct"), wide(HUNDRED))
    name = pl.format("{}|{}", "amendment_line_id", _LINE)
    made = moved.with_columns(micros.reinterpret(dtype=MONEY).alias("effect"), name.alias("amendment_line_id"))
    return pl.concat([steps, made.select(steps.columns)])


def with_fee_progress(observed: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return observations with those of promises that are nothing but a fee on another one's work: they are as far as it is.

    A fee measured by time, or of which something is observed, has its own.
    """
    by_work = (pl.col("pricing") == "percent_of") & ~pl.col("measure").is_in(["time_elapsed", "as_invoiced"])
    alone = lines.filter((by_work & (pl.col("timing") == "over_time")).fill_null(value=False).all().over("okey"))
    return _followed(observed, alone, lines)


@of_no("observed")
def _followed(observed: pl.DataFrame, alone: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    if not alone.height:
        return observed
    base = lines.select(pl.col(_LINE).alias("fee_on_line_id"), pl.col("okey").alias("→of"))
    pairs = alone.join(base, on="fee_on_line_id", how="inner").select("okey", "→of").unique("okey", keep="first", maintain_order=True)
    pairs = pairs.filter(pl.col("okey") != pl.col("→of")).join(observed, on="okey", how="anti")
    told = observed.rename({"okey": "→of"}).join(pairs, on="→of", how="inner").select(observed.columns)
    return pl.concat([observed, told]).sort("okey", "date", maintain_order=True) if told.height else observed
