"""What amendments make of fees: prices and quantities from their day on, amounts of a term spread anew over what is left of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Final

import polars as pl

from engine.billing.money import product
from engine.billing.references import frame_of
from engine.nothing import of_no

Parts = Callable[[pl.DataFrame, pl.Expr | None], pl.DataFrame]

_KEY: Final = "contract_line_id"
_DAY: Final = pl.duration(days=1)


def fee_steps(frames: Mapping[str, pl.LazyFrame], as_of: dt.date) -> pl.DataFrame:
    """Return what approved amendments in force state of lines, in the order of their days, with `→turn` from 0 for each line.

    Columns: contract_line_id, →day, →gone, and quantity, unit_price, amount, end_date after it as `→to.<name>` (null: not stated).
    """
    day = pl.coalesce("effective_date", "approved_date")
    approved = frame_of(frames, "amendment").filter(pl.col("status") == "approved", day <= as_of)
    lines = frame_of(frames, "amendment_line").filter(pl.col("action") != "add", pl.col(_KEY).is_not_null())
    dated = lines.join(approved.select("amendment_id", "approved_date", day.alias("→day")), on="amendment_id", how="inner").collect()
    ordered = dated.sort("→day", "approved_date", "amendment_id", "amendment_line_id", nulls_last=True)
    named = (pl.col(name).alias(f"→to.{name}") for name in ("quantity", "unit_price", "amount", "end_date"))
    turn = pl.int_range(pl.len()).over(_KEY).alias("→turn")
    return ordered.select(_KEY, "→day", (pl.col("action") == "remove").alias("→gone"), *named).with_columns(turn)


def amended_prices(lines: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Return lines that have a price by the period with their `→price` and first day (`→begin`), and one row more for each change of it.

    What changes is charged from its day on and beside what was agreed before: half a month of 7 seats more is half of their price.
    The last day is the one the latest change states, the day before where a line is taken away, never after the contract's end.
    """
    one = pl.lit(1)
    signed = lines.with_columns(
        product(pl.coalesce(pl.col("quantity"), one), pl.col("unit_price")).alias("→price"), pl.col("start_date").alias("→begin")
    )
    own = steps.join(lines.select(_KEY), on=_KEY, how="semi").sort(_KEY, "→turn")
    if not own.height:
        return signed
    about = lines.select(_KEY, "quantity", "unit_price")
    moved = own.join(about, on=_KEY, how="left", maintain_order="left").with_columns(
        pl.coalesce(pl.col(f"→to.{name}").forward_fill().over(_KEY), name).alias(f"→{name}") for name in ("quantity", "unit_price")
    )
    moved = moved.with_columns(product(pl.coalesce(pl.col("→quantity"), one), pl.col("→unit_price")).alias("→after"))
    first = product(pl.coalesce(pl.col("quantity"), one), pl.col("unit_price"))
    moved = moved.with_columns((pl.col("→after") - pl.col("→after").shift(1).over(_KEY).fill_null(first)).alias("→delta"))
    ends = own.group_by(_KEY, maintain_order=True).agg(
        pl.col("→to.end_date").drop_nulls().last().alias("→end"), pl.col("→day").filter("→gone").min().dt.offset_by("-1d").alias("→last")
    )
    ended = signed.join(ends, on=_KEY, how="left", maintain_order="left").with_columns(
        pl.min_horizontal(pl.coalesce("→end", "agreed_end"), "→last", "terminated_date").alias("end_date")
    ).drop("→end", "→last")  # fmt: skip
    deltas = moved.filter((pl.col("→delta") != 0) & ~pl.col("→gone")).select(_KEY, "→day", "→delta")
    more = deltas.join(ended, on=_KEY, how="inner").with_columns(
        pl.max_horizontal("→day", "→begin").alias("start_date"), pl.col("→delta").alias("→price")
    )
    return pl.concat([ended, more.select(ended.columns)])


@of_no("terms")
def amended_parts(terms: pl.DataFrame, steps: pl.DataFrame, parts_of: Parts, extension: str) -> pl.DataFrame:
    """Return the months of lines whose amount is spread over their term, each with the `→fee` it has by what was then agreed.

    What was due before a change stands; the rest of the new amount is spread over what is left of the term. A term that is prolonged for no
    less keeps its fees, and what is added is spread over the days added; where `extension` is remaining_term, what is left of the
    whole amount is spread over all that is left of the term. A line taken away, or whose contract ends, owes what was served.
    `parts_of`: cuts terms into months with `→weight`; with a day, only what is before it, weighed.
    """
    stops = terms.filter(pl.col("terminated_date").is_not_null()).select(
        _KEY, (pl.col("terminated_date") + _DAY).alias("→day"), pl.lit(value=True).alias("→gone")
    )
    own = steps.join(terms.select(_KEY), on=_KEY, how="semi")
    every = pl.concat([own.filter(pl.any_horizontal("→gone", pl.col("→to.amount", "→to.end_date").is_not_null())), stops], how="diagonal")
    every = every.sort(_KEY, "→day", "→turn", nulls_last=True).with_columns(pl.int_range(pl.len()).over(_KEY).alias("→turn"))
    state, told = terms.with_columns(pl.col("amount").alias("→rest"), pl.col("agreed_end").alias("end_date")), []
    for turn in every.partition_by("→turn", maintain_order=True) if every.height else []:
        hit = state.join(turn.drop("→turn"), on=_KEY, how="inner")
        end = pl.coalesce("→to.end_date", "end_date")
        grows = (end > pl.col("end_date")) & (pl.coalesce("→to.amount", "amount") >= pl.col("amount")) & ~pl.col("→gone")
        grows &= pl.lit(extension == "added_term")
        hit = hit.with_columns(
            pl.when(grows).then(pl.col("end_date") + _DAY).otherwise(pl.max_horizontal("→day", "start_date")).alias("→cut"),
            pl.when("→gone").then(pl.col("→day") - _DAY).otherwise(end).alias("→end"),
        )
        kept = _with_fees(hit, parts_of, pl.col("→cut"))
        due = kept.group_by(_KEY).agg(pl.col("→fee").sum().alias("→due"))
        after = hit.join(due, on=_KEY, how="left", maintain_order="left")
        moved = pl.coalesce("→to.amount", "amount") - pl.col("amount")
        rest = pl.col("→rest") + moved.cast(pl.Decimal(38, 18)) - pl.col("→due").fill_null(0)
        rest = pl.when(pl.col("→gone") & pl.col("→to.amount").is_null()).then(pl.lit(0)).otherwise(rest)
        after = after.with_columns(
            rest.cast(pl.Decimal(38, 18)).alias("→rest"), pl.coalesce("→to.amount", "amount").alias("amount"),
            pl.col("→cut").alias("start_date"), pl.max_horizontal("→cut", "→end").alias("end_date"),
        )
        told.append(kept)
        others = state.join(hit.select(_KEY), on=_KEY, how="anti")
        state = pl.concat([others.with_columns(pl.col("→rest").cast(pl.Decimal(38, 18))), after.select(state.columns)])
    last = _with_fees(state.filter(pl.col("→rest") != 0), parts_of, None)
    return pl.concat([*(each.select(last.columns) for each in told), last])


def _with_fees(state: pl.DataFrame, parts_of: Parts, before: pl.Expr | None) -> pl.DataFrame:
    """Return the months of what is left of terms with their fees; `before`: only what is due before a day."""
    whole = parts_of(state, None).group_by(_KEY).agg(pl.col("→weight").sum().alias("→whole"))
    parts = parts_of(state, before).join(whole, on=_KEY, how="inner", maintain_order="left")
    share = pl.col("→weight") / pl.when(pl.col("→whole") != 0).then(pl.col("→whole"))
    return parts.with_columns(product(pl.col("→rest"), share.fill_null(0)).alias("→fee")).drop("→whole")
