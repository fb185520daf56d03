"""Invoices that name no promise, in contracts of work as invoiced and promises with a price: what they bill (606-10-45-4)."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.ground.frames import Books

_KEY = "contract_id"


def with_work_billed(claims: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Return the claims with what an invoice without a line bills of work as invoiced apart from the rest of it.

    It bills the work of its month and before that no other invoice billed, then promises with a price: a right to invoice work is there
    as soon as it is done, and what is billed of it is no advance for anything else. A credit note follows what it credits.
    """
    kinds = books.lines.group_by(_KEY).agg(pl.col("is_as_invoiced").any().alias("some"), pl.col("is_as_invoiced").all().alias("all"))
    mixed = kinds.filter(pl.col("some") & ~pl.col("all")).select(_KEY)
    is_open = pl.col("contract_line_id").is_null() & (pl.col("basis") == "free") & ~pl.col("is_as_invoiced")
    chosen = claims.with_row_index("→row").filter(is_open).join(mixed, on=_KEY, how="semi")
    return _split(claims, chosen, books) if chosen.height else claims


def _split(claims: pl.DataFrame, chosen: pl.DataFrame, books: Books) -> pl.DataFrame:
    digits = books.contracts.select(_KEY, "minor_digits")
    first = _of_work(chosen.filter(pl.col("net") > 0), claims, books)
    rows = chosen.join(first.select("→row", "→work"), on="→row", how="left", maintain_order="left").join(digits, on=_KEY, how="left")
    billed, worked = (pl.col(name).filter(pl.col("net") > 0).sum().over("claim") for name in ("net", "→work"))
    credited = round_share(pl.col("net"), units(worked.fill_null(ZERO)), units(pl.when(billed > 0).then(billed)), pl.col("minor_digits"))
    rows = rows.with_columns(pl.coalesce("→work", credited, ZERO).cast(MONEY).alias("→work"))
    tax = round_share(pl.col("tax"), units(pl.col("→work")), units(pl.when(pl.col("net") != 0).then("net")), pl.col("minor_digits"))
    rows = rows.with_columns(tax.fill_null(ZERO).alias("→tax"))
    work = rows.with_columns(pl.col("→work").alias("net"), pl.col("→tax").alias("tax"), pl.lit(value=True).alias("is_as_invoiced"))
    rest = rows.with_columns((pl.col(name) - pl.col(part)).cast(MONEY).alias(name) for name, part in (("net", "→work"), ("tax", "→tax")))
    parts = pl.concat([each.filter((pl.col("net") != 0) | (pl.col("tax") != 0)).select(claims.columns) for each in (work, rest)])
    others = claims.with_row_index("→row").join(chosen.select("→row"), on="→row", how="anti").drop("→row")
    return pl.concat([others, parts]).sort(_KEY, "date", "claim", "basis", "invoice_id")


def _of_work(chosen: pl.DataFrame, claims: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Add `→work`: what each invoice bills of work, one after the other, as far as work is there that is not billed."""
    months = chosen.sort(_KEY, "date", "invoice_id", "→row").with_columns(pl.col("date").dt.month_end().alias("→until"))
    done = books.performance.filter((pl.col("timing") == "as_invoiced") & ~pl.col("is_planned"))
    done = done.select(_KEY, pl.col("posting_date").alias("→until"), pl.coalesce("gross_amount", "amount").alias("→done"))
    billed = claims.filter("is_as_invoiced").select(_KEY, pl.col("date").alias("→until"), pl.col("net").alias("→billed"))
    for flow in (done, billed):
        name = flow.columns[-1]
        summed = flow.group_by(_KEY, "→until").agg(pl.col(name).sum()).sort(_KEY, "→until")
        summed = summed.with_columns(pl.col(name).cum_sum().over(_KEY).cast(MONEY)).sort("→until")
        months = months.sort("→until", maintain_order=True).join_asof(summed, on="→until", by=_KEY, check_sortedness=False)
    months = months.sort(_KEY, "date", "invoice_id", "→row").with_columns(
        pl.max_horizontal(pl.col("→done").fill_null(ZERO) - pl.col("→billed").fill_null(ZERO), ZERO).cum_max().over(_KEY).alias("→there"),
        pl.col("net").cum_sum().over(_KEY).alias("→all"),
    )
    # Each takes what is there beyond what those before it took: the least of what was there and was not asked for yet.
    short = pl.min_horizontal((pl.col("→there") - pl.col("→all")).cum_min().over(_KEY), ZERO)
    months = months.with_columns((pl.col("→all") + short).alias("→through"))
    earlier = pl.col("→through").shift(1).over(_KEY).fill_null(ZERO)
    return months.with_columns((pl.col("→through") - earlier).cast(MONEY).alias("→work"))
