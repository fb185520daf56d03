"""Quantity and term added at once to a service, at their price: more of it in its days, and a term of its own after them (606-10-25-12)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.revenue.arithmetic.conventions import TermColumns, with_measures
from engine.revenue.arithmetic.exact import GUARD, part_units, units_to_minor
from engine.revenue.arithmetic.numbers import whole_number, wide

_QTY: Final = pl.Decimal(38, 10)
_TERM: Final = ("convention", "anchor_day")


def with_longer_terms(changes: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return changes (`changes.classified`), one that widens a service for longer in two: in the days it had, and in those it gains.

    What is added is a contract of its own, so that what was agreed before is earned in its own days. Its price is shared by units and time:
    those added for the days left, all of them for the days gained, counted by the line's convention.
    """
    longer = ((pl.col("kind") == "widen") & (pl.col("end_date") > pl.col("before.end_date"))).fill_null(value=False)
    if not changes.select(longer.any()).item():
        return changes
    about = lines.select("contract_line_id", *_TERM)
    rows = changes.filter(longer).drop(_TERM, strict=False).join(about, on="contract_line_id", how="left", maintain_order="left")
    rows = rows.with_columns(pl.col("takes_effect").alias("→from"), pl.col("before.end_date").alias("→had"))
    terms = TermColumns(start="→from", end="end_date", anchor_day="anchor_day")
    rows = with_measures(rows.lazy(), {"→m": "→had"}, whole="→all", terms=terms).collect()
    # Measures are large: of units that are whole, whole ones are counted, of others thousandths.
    quantity, earlier = whole_number("quantity", _QTY), whole_number("before.quantity", _QTY)
    unit = pl.when((quantity % 10**10 == 0) & (earlier % 10**10 == 0)).then(wide(10**10)).otherwise(wide(10**7))
    quantity, earlier = quantity // unit, earlier // unit
    begun = pl.when(pl.col("→from") <= pl.col("→had")).then("→m").otherwise(wide(0))
    rows = rows.with_columns(((quantity - earlier) * begun).alias("→now"), (quantity * (pl.col("→all") - begun)).alias("→then"))
    whole = pl.col("→now") + pl.col("→then")
    price = units_to_minor(part_units(pl.col("price_change"), pl.col("→now"), whole)) * GUARD
    rows = rows.with_columns(price.alias("→price"), part_units(pl.col("ssp_change"), pl.col("→now"), whole).alias("→ssp"))
    wider = rows.filter(pl.col("→now") > 0).with_columns(pl.col("→price").alias("price_change"), pl.col("→ssp").alias("ssp_change"))
    after = rows.with_columns(
        pl.col("kind").replace("widen", "separate"), (pl.col("price_change") - pl.col("→price")).alias("price_change"),
        (pl.col("ssp_change") - pl.col("→ssp")).alias("ssp_change"),
    )  # fmt: skip
    return pl.concat([changes.filter(~longer), *(each.select(changes.columns) for each in (wider, after))])
