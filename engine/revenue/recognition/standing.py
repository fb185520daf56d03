"""What closed periods stand by: facts that came after the close count from the first open period, prices as they were known (250-10-45)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from engine.revenue.ground.frames import Books, in_words
from engine.revenue.ground.periods import first_open, with_period
from engine.revenue.ground.records import COPY
from engine.revenue.recognition.late import Vintages


def as_arrived(rows: pl.DataFrame, books: Books, day: str, told: Sequence[str] = ()) -> pl.DataFrame:
    """Return records with `day` as the day they count from: after a close, the first day of the first period then open.

    `told`: what reports of one line tell of it so far; what a later report told before an earlier one arrived stays as it is.
    """
    periods = books.periods
    if "known_at" not in rows.columns or not rows["known_at"].count() or not periods["closed_at"].count():
        return rows
    own = books.lines.select("contract_line_id", pl.col("contract_id").alias("→contract")).unique("contract_line_id", keep="first")
    named = rows.with_columns(pl.lit(None, dtype=pl.String).alias("→contract"))
    if "contract_line_id" in rows.columns:
        named = rows.join(own, on="contract_line_id", how="left", maintain_order="left")
    if "contract_id" in rows.columns:
        named = named.with_columns(pl.coalesce("→contract", "contract_id").alias("→contract"))
    catches = books.contracts.filter(pl.col("setting.late.closed_period") == "catch_up")
    catches = catches.select(pl.col("contract_id").alias("→contract"), "calendar")
    dated = with_period(named.join(catches, on="→contract", how="left", maintain_order="left"), periods, day, "→own.")
    dated = dated.with_row_index("→row")
    late = dated.filter(pl.col("known_at") > pl.col("→own.closed_at"))
    if not late.height:
        return rows
    opens = first_open(late.select("→row", "calendar", day, "known_at"), periods, day, "known_at").select("→row", "→open")
    made = dated.join(opens, on="→row", how="left", maintain_order="left")
    made = made.with_columns(pl.max_horizontal(day, "→open").alias("→arrives"))
    if told:
        made = _not_overtaken(made, day, told)
    return made.sort("→row").with_columns(pl.col("→arrives").alias(day)).select(rows.columns)


def _not_overtaken(rows: pl.DataFrame, day: str, told: Sequence[str]) -> pl.DataFrame:
    line = "contract_line_id"
    made = rows.sort(line, "→arrives", day, "→row", nulls_last=True)
    last = {name: pl.when(pl.col(name).is_not_null()).then(pl.col(day)).cum_max().over(line) for name in told}
    return made.with_columns(pl.when(pl.col(day) >= last[name]).then(pl.col(name)).alias(name) for name in told)


def force_steps(contracts: pl.DataFrame) -> pl.DataFrame:
    """Return from which day contracts meet the criteria of a contract (25-1), in steps: contract_id, date, in_force."""
    met = contracts.filter((pl.col("gate") == "met") & pl.col("gate_date").is_not_null())
    return pl.concat([
        contracts.select("contract_id", pl.lit(dt.date.min).alias("date"), pl.lit(value=False).alias("in_force")),
        met.select("contract_id", pl.col("gate_date").alias("date"), pl.lit(value=True).alias("in_force")),
    ])  # fmt: skip


def composed_steps(
    final: pl.DataFrame, copies: pl.DataFrame, vintages: Vintages, contracts: pl.DataFrame, periods: pl.DataFrame, keys: Sequence[str],
    day: str,
) -> pl.DataFrame:  # fmt: skip
    """Return what holds step by step (from `day` on, by `keys`) as it stood in each period: as known at its close (`late.composed`).

    `final`: as known now; `copies`: as the copies of contracts with late facts know it. From the period on that took facts in, what
    they make of it holds.
    """
    final, copies = in_words(final), in_words(copies)
    steps = vintages.steps.select("group_id", pl.col("number").alias("copy"), "taken_in")
    last = steps.group_by("group_id").agg(pl.col("copy").max())
    own = contracts.select("contract_id", "group_id", "calendar").join(last.select("group_id"), on="group_id", how="semi")
    numbered = copies.with_columns(
        pl.col("contract_id").str.split(COPY).list.first().cast(pl.Int64).alias("copy"), pl.col("contract_id").str.split(COPY).list.last()
    )
    known = final.join(own.join(last, on="group_id", how="inner").select("contract_id", "copy"), on="contract_id", how="inner")
    # A copy's group bears the number of the copy too: the contract's own counts.
    every = pl.concat([numbered.select(*final.columns, "copy"), known]).drop("group_id", strict=False)
    every = every.join(own, on="contract_id", how="inner")
    begins = periods.select("calendar", pl.col("end_date").alias("taken_in"), pl.col("start_date").alias("→from"))
    spans = own.select("group_id", "calendar").unique().join(steps, on="group_id", how="inner")
    spans = spans.join(begins, on=["calendar", "taken_in"], how="left").drop("taken_in")
    until = spans.select("group_id", "calendar", pl.col("copy") - 1, pl.col("→from").alias("→until"))
    at = ["group_id", "calendar", "copy"]
    every = every.join(spans, on=at, how="left").join(until, on=at, how="left")
    every = every.filter(pl.col("→from").is_null() | pl.col("→until").is_null() | (pl.col("→from") < pl.col("→until")))
    every = every.filter(pl.col("→until").is_null() | (pl.col(day) < pl.col("→until")))
    is_before = (pl.col(day) < pl.col("→from")).fill_null(value=False)
    opening = every.filter(is_before).sort(day).unique([*keys, "copy"], keep="last", maintain_order=True)
    opening = opening.with_columns(pl.col("→from").alias(day))
    both = pl.concat([opening, every.filter(~is_before)]).unique([*keys, day], keep="last", maintain_order=True)
    rest = final.join(own, on="contract_id", how="anti")
    return pl.concat([rest, both.select(final.columns)]).sort(*keys, day)
