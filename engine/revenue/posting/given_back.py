"""Money paid back that names no invoice: of which invoices it goes back (606-10-45-2, 45-4)."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing
from engine.revenue.arithmetic.numbers import ZERO

_KEY = "contract_id"
_CLAIM = ["claim", "basis", "is_as_invoiced"]


def with_overpaid_back(cash: pl.DataFrame, billed: pl.DataFrame) -> pl.DataFrame:
    """Return the payments with what goes back without an invoice placed on claims that are paid beyond what they charge by then.

    The customer is owed that excess, from paying too much or from a credit note, and paying it back leaves no invoice open. What goes
    back beyond it stays without a claim. `cash`, `billed`: as in `Claims`; several such claims give back in the order of their names.
    """
    is_back = pl.col("claim").is_null() & (pl.col("amount") < 0)
    back = cash.with_row_index("→row").filter(is_back)
    placed = _placed(back, cash.filter(pl.col("claim").is_not_null()), billed)
    if placed.is_empty():
        return cash
    of_row = placed.group_by("→row").agg(pl.col("→taken").sum())
    rest = cash.with_row_index("→row").join(of_row, on="→row", how="left", maintain_order="left")
    rest = rest.with_columns((pl.col("amount") + pl.col("→taken").fill_null(ZERO)).cast(MONEY).alias("amount"))
    named = back.drop(_CLAIM, "amount").join(placed, on="→row", how="inner")
    named = named.with_columns((pl.col("→taken") * -1).cast(MONEY).alias("amount"))
    parts = pl.concat([rest.filter(pl.col("amount") != 0).select(cash.columns), named.select(cash.columns)])
    return parts.sort(_KEY, "date", "payment_id", "claim", "basis", nulls_last=True)


@of_nothing
def _placed(back: pl.DataFrame, named: pl.DataFrame, billed: pl.DataFrame) -> pl.DataFrame:
    """Return by payment back and claim what of it that claim gives back: →row, the claim and →taken."""
    flows = [
        billed.select(_KEY, *_CLAIM, "date", (pl.col("net") + pl.col("tax")).alias("→charged"), ZERO.alias("→paid")),
        named.select(_KEY, *_CLAIM, "date", ZERO.alias("→charged"), pl.col("amount").alias("→paid")),
    ]
    claims = pl.concat(flows).group_by(_KEY, *_CLAIM, "date").agg(pl.col("→charged", "→paid").sum())
    asked = back.select("→row", _KEY, pl.col("date").alias("→day"), "payment_id", (pl.col("amount") * -1).cast(MONEY).alias("→back"))
    by_then = asked.join(claims, on=_KEY, how="inner").filter(pl.col("date") <= pl.col("→day"))
    over = pl.max_horizontal(pl.col("→paid").sum() - pl.col("→charged").sum(), ZERO).cast(MONEY)
    each = by_then.group_by("→row", _KEY, "→day", "payment_id", "→back", *_CLAIM).agg(over.alias("→over"))
    each = each.sort(_KEY, "→day", "payment_id", *_CLAIM).with_columns(pl.col("→over").cum_sum().over("→row").cast(MONEY).alias("→end"))
    # Each takes what is there beyond what those before it took.
    total = asked.join(each.group_by("→row").agg(pl.col("→over").sum()), on="→row", how="left").sort(_KEY, "→day", "payment_id")
    asked_so_far = pl.col("→back").cum_sum().over(_KEY)
    through = pl.min_horizontal(asked_so_far, pl.col("→over").fill_null(ZERO)).cum_max().over(_KEY)
    total = total.with_columns(through.alias("→through"))
    before = pl.col("→through").shift(1).over(_KEY).fill_null(ZERO)
    total = total.with_columns(pl.min_horizontal("→through", before + pl.col("→back")).alias("→through"), before.alias("→before"))
    shared = each.join(total.select("→row", "→through", "→before"), on="→row", how="inner", maintain_order="left")
    upper = pl.min_horizontal("→end", "→through")
    lower = pl.max_horizontal(pl.col("→end") - pl.col("→over"), "→before")
    return shared.select("→row", *_CLAIM, (upper - lower).cast(MONEY).alias("→taken")).filter(pl.col("→taken") > 0)
