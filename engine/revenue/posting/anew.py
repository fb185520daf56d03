"""What of an amount of the whole price has been earned, where a change lets the rest of the price start anew (606-10-25-13(a))."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.ground.frames import Books

_BEFORE = ("→amount", "→earned")


def with_earned_share(rows: pl.DataFrame, books: Books, name: str, *, by: Sequence[str]) -> pl.DataFrame:
    """Add `name`: the part of `→of` that is earned as `→done` of `→price` is.

    Rows have contract_id, the columns `by`, date, minor_digits and the three amounts (MONEY), in the order of their days within `by`.
    What was borne by the day of a prospective change stays borne; the rest goes with the rest of the price. Null without a price.
    """
    made = rows.with_columns(ZERO.alias(each) for each in _BEFORE)
    changes = books.modifications.filter(pl.col("treatment") == "prospective")
    days = changes.select("contract_id", pl.col("effective_date").alias("→day")).unique().join(rows, on="contract_id", how="semi")
    if days.height:
        days = days.sort("contract_id", "→day").with_columns(pl.int_range(pl.len()).over("contract_id").alias("→n"))
        for _, now in sorted(days.partition_by("→n", as_dict=True, include_key=False).items()):
            made = _begun_anew(made, now, list(by))
    return made.with_columns(_share().alias(name)).drop(_BEFORE)


def _begun_anew(rows: pl.DataFrame, days: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Let what is earned from a contract's day on begin with what was earned before it."""
    made = rows.join(days, on="contract_id", how="left", maintain_order="left")
    told = made.with_columns(_share().fill_null(ZERO).alias("→share")).filter(pl.col("date") < pl.col("→day"))
    last = told.group_by(by, maintain_order=True).agg(pl.col("→share").last(), pl.col("→done").last().alias("→then"))
    made = made.join(last, on=by, how="left", nulls_equal=True, maintain_order="left")
    begun = (pl.col("date") >= pl.col("→day")).fill_null(value=False) & pl.col("→share").is_not_null()
    return made.with_columns(
        pl.when(begun).then(new).otherwise(old).cast(MONEY).alias(old) for old, new in zip(_BEFORE, ("→share", "→then"), strict=True)
    ).drop("→day", "→share", "→then")


def _share() -> pl.Expr:
    left = units(pl.col("→price") - pl.col("→earned"))
    rest = round_share(
        pl.col("→of") - pl.col("→amount"), units(pl.col("→done") - pl.col("→earned")), pl.when(left != 0).then(left), pl.col("minor_digits")
    )
    return (pl.col("→amount") + rest.fill_null(ZERO)).cast(MONEY)
