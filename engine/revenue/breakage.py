"""Prepaid units of which some are never used: what part of the price the used ones have earned (606-10-55-46 to 55-49)."""

from __future__ import annotations

from typing import Final

import polars as pl

_WIDE: Final = pl.Int128()


def breakage_observations(progress: pl.DataFrame, lines: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return cumulative use over expected use of prepaid units, exact, and the rest at expiry.

    `progress`: contract_line_id, as_of_date, units_delivered, expected_breakage, estimated_total_units.
    `lines`: contract_line_id, quantity, end_date (last day of the right; null: it does not expire),
    is_refundable, mode (proportional | remote).

    proportional: used ÷ (bought − expected never to be used), or ÷ the stated expectation of all use;
    remote: used ÷ bought, the rest when the right has lapsed. What can be claimed back is never breakage.
    Use above the expectation earns everything. Columns: contract_line_id, date, to_date, total (integers of
    one unit), is_reestimate, basis (units | expiry).
    """
    seen = progress.filter(pl.col("units_delivered").is_not_null()).join(lines, on="contract_line_id", how="inner")
    bought = pl.col("quantity").cast(pl.Decimal(38, 10))
    expected = pl.coalesce("estimated_total_units", bought - pl.coalesce("expected_breakage", pl.lit(0)).cast(pl.Decimal(38, 10)))
    counts_breakage = (pl.col("mode") == "proportional") & ~pl.col("is_refundable").fill_null(value=False)
    total = pl.when(counts_breakage).then(expected).otherwise(pl.coalesce(bought, "estimated_total_units"))
    used = pl.min_horizontal("units_delivered", "total")
    observed = (
        seen.with_columns(total.alias("total"))
        .with_columns(used.alias("to_date"))
        .select("contract_line_id", pl.col("as_of_date").alias("date"), "to_date", "total", pl.lit("units").alias("basis"))
    )
    lapsed = lines.filter(
        (pl.col("end_date") <= as_of) & ~pl.col("is_refundable").fill_null(value=False) & pl.col("quantity").is_not_null()
    ).select(
        "contract_line_id", pl.col("end_date").alias("date"), pl.col("quantity").alias("to_date"), pl.col("quantity").alias("total"),
        pl.lit("expiry").alias("basis"),
    )  # fmt: skip
    # After the right has lapsed nothing more is used; on its last day the expiry has the last word.
    ended = lapsed.select("contract_line_id", pl.col("date").alias("ended"))
    kept = observed.join(ended, on="contract_line_id", how="left").filter(pl.col("ended").is_null() | (pl.col("date") < pl.col("ended")))
    every = pl.concat([kept.drop("ended"), lapsed.select(kept.drop("ended").columns)]).sort("contract_line_id", "date")
    before = pl.col("total").shift(1).over("contract_line_id", order_by="date")
    return every.with_columns(
        ((pl.col("total") != before) & (pl.col("basis") == "units")).fill_null(value=False).alias("is_reestimate"),
        pl.col("to_date").cast(pl.Decimal(38, 10)).to_physical().cast(_WIDE),
        pl.col("total").cast(pl.Decimal(38, 10)).to_physical().cast(_WIDE),
    ).select("contract_line_id", "date", "to_date", "total", "is_reestimate", "basis")
