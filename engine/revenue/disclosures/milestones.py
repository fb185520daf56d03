"""When the rest of a promise measured by its milestones is expected: on the days they are due (606-10-50-13(b))."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.numbers import HUNDRED, whole_number, wide
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.arithmetic.runs import before, running
from engine.revenue.ground.records import is_accepted

_PERCENT = pl.Decimal(38, 8)


def due_milestones(milestones: pl.DataFrame, lines: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return what is still to be accepted of promises of one line, by the day it is due: contract_id, obligation_id, day, part, whole.

    `part` of `whole` is of what remains of the promise: by percent where a milestone of the line states one, else by amount; what of the
    line no milestone stands for is in the whole and has no day. A milestone that was due by as_of has none either.
    """
    alone = lines.filter(pl.len().over("contract_id", "obligation_id") == 1)
    about = alone.select("contract_id", "obligation_id", "contract_line_id", pl.col("amount").alias("→line"))
    known = milestones.join(about.with_columns(pl.col("contract_line_id").cast(pl.String)), on="contract_line_id", how="inner")
    by_percent = pl.col("progress_pct").is_not_null().any().over("contract_line_id")
    amount = whole_number(pl.col("amount").cast(MONEY), MONEY)
    part = pl.when(by_percent).then(whole_number(pl.col("progress_pct").cast(_PERCENT), _PERCENT)).otherwise(amount)
    line = pl.when(by_percent).then(wide(HUNDRED)).otherwise(units(pl.col("→line")))
    told = known.with_columns(part.alias("part"), line.alias("→line"), is_accepted().fill_null(value=False).alias("→done"))
    told = told.filter(pl.col("part") > 0)
    open_parts = pl.col("part").filter(~pl.col("→done")).sum().over("contract_line_id")
    done = pl.col("part").filter("→done").sum().over("contract_line_id")
    whole = pl.max_horizontal(open_parts, pl.col("→line") - done)
    is_refused = (pl.col("status") == "rejected").fill_null(value=False)
    told = told.with_columns(whole.alias("whole")).filter(~pl.col("→done") & ~is_refused & (pl.col("due_date") > as_of))
    return told.select("contract_id", "obligation_id", pl.col("due_date").alias("day"), "part", "whole")


def dated_by_milestones(rest: pl.DataFrame, due: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what of the rest of promises milestones date (contract_id, obligation_id, day, amount), and the rest without that.

    `rest`: rows of what remains by promise with measure, rest, term_end, minor_digits; one cut to the notice is not dated here.
    `due`: of `due_milestones`.
    """
    key = ["contract_id", "obligation_id"]
    end = pl.coalesce("end_date", "line_end", "contract_end")
    is_cut = (pl.col("term_end") < end).fill_null(value=False)
    if due is None or not due.height:
        return rest.clear().select(*key, pl.col("term_end").alias("day"), pl.col("rest").alias("amount")), rest
    asked = rest.filter((pl.col("measure") == "milestones") & ~is_cut & (pl.col("rest") > 0))
    told = asked.select(pl.col(key).cast(pl.String), "rest", "minor_digits").join(due, on=key, how="inner").sort(*key, "day")
    so_far = round_share(pl.col("rest"), running(pl.col("part"), *key), pl.col("whole"), pl.col("minor_digits"))
    told = told.with_columns(so_far.alias("→so_far"))
    told = told.select(*key, "day", (pl.col("→so_far") - before(pl.col("→so_far"), *key).fill_null(0)).cast(MONEY).alias("amount"))
    taken = told.group_by(key).agg(pl.col("amount").sum().cast(MONEY).alias("→dated"))
    left = rest.join(taken, on=key, how="left", maintain_order="left")
    left = left.with_columns((pl.col("rest") - pl.col("→dated").fill_null(0)).cast(MONEY).alias("rest")).drop("→dated")
    return told, left.filter(pl.col("rest") != 0)
