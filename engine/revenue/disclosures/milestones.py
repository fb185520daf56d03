"""When the rest of a promise measured by its milestones is expected: on the days they are due (606-10-50-13(b))."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.acceptance import accepted_by
from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing
from engine.revenue.arithmetic.numbers import whole_number
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.arithmetic.runs import before, running, without

_PERCENT: Final = pl.Decimal(38, 8)
_KEY: Final = ["contract_id", "obligation_id"]
_LINE: Final = "contract_line_id"


@of_nothing
def due_milestones(milestones: pl.DataFrame, lines: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return what is still to be accepted of promises, by the day it is due: contract_id, obligation_id, day, part, whole.

    `part` of `whole` is of what remains of the promise: by percent where a milestone of the line states one, else by amount; what of the
    line no milestone stands for is in the whole and has no day. A milestone that was due by as_of has none either. Lines of one promise
    weigh their amounts; where one with percentages has none, nothing is dated.
    """
    about = lines.select(*_KEY, pl.col(_LINE).cast(pl.String), units(pl.col("amount")).alias("→line"), _shared())
    known = milestones.join(about, on=_LINE, how="inner")
    by_percent = pl.col("progress_pct").is_not_null().any().over(_LINE)
    percent, hundred = whole_number(pl.col("progress_pct").cast(_PERCENT), _PERCENT), pl.lit(100 * 10**_PERCENT.scale, dtype=pl.Int128)
    own = pl.when("→shared").then(pl.col("→line") * percent // hundred).otherwise(percent)
    part = pl.when(by_percent).then(own).otherwise(whole_number(pl.col("amount").cast(MONEY), MONEY))
    line = pl.when(by_percent & ~pl.col("→shared")).then(hundred).otherwise("→line")
    told = known.with_columns(part.alias("part"), line.alias("→line"), accepted_by(as_of).alias("→done"))
    unknown = told.filter(pl.col("→shared") & by_percent & pl.col("→line").is_null())
    told = without(told.filter(pl.col("part") > 0), unknown, *_KEY)
    open_parts, done = (pl.col("part").filter(each).sum() for each in (~pl.col("→done"), pl.col("→done")))
    of_line = told.group_by(*_KEY, _LINE).agg(pl.max_horizontal(open_parts, pl.col("→line").first() - done).alias("whole"))
    silent = without(about.filter("→shared"), of_line, _LINE).select(*_KEY, _LINE, pl.col("→line").fill_null(0).alias("whole"))
    whole = pl.concat([of_line, silent]).group_by(_KEY).agg(pl.col("whole").sum())
    is_refused = (pl.col("status") == "rejected").fill_null(value=False)
    told = told.filter(~pl.col("→done") & ~is_refused & (pl.col("due_date") > as_of)).join(whole, on=_KEY, how="left")
    return told.select(*_KEY, pl.col("due_date").alias("day"), "part", "whole")


def _shared() -> pl.Expr:
    return (pl.len().over(_KEY) > 1).alias("→shared")


def dated_by_milestones(rest: pl.DataFrame, due: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what of the rest of promises milestones date (contract_id, obligation_id, day, amount), and the rest without that.

    `rest`: rows of what remains by promise with measure, rest, term_end, minor_digits; what is due after the notice period is dated, and
    no part of what remains (25-3). `due`: of `due_milestones`.
    """
    key = _KEY
    if due is None or not due.height:
        return rest.clear().select(*key, pl.col("term_end").alias("day"), pl.col("rest").alias("amount")), rest
    asked = rest.filter((pl.col("measure") == "milestones") & (pl.col("rest") > 0))
    told = asked.select(pl.col(key).cast(pl.String), "rest", "minor_digits", "term_end").join(due, on=key, how="inner").sort(*key, "day")
    so_far = round_share(pl.col("rest"), running(pl.col("part"), *key), pl.col("whole"), pl.col("minor_digits"))
    told = told.with_columns(so_far.alias("→so_far"))
    amount = (pl.col("→so_far") - before(pl.col("→so_far"), *key).fill_null(0)).cast(MONEY).alias("amount")
    told = told.select(*key, "day", "term_end", amount)
    taken = told.group_by(key).agg(pl.col("amount").sum().cast(MONEY).alias("→dated"))
    left = rest.join(taken, on=key, how="left", maintain_order="left")
    left = left.with_columns((pl.col("rest") - pl.col("→dated").fill_null(0)).cast(MONEY).alias("rest")).drop("→dated")
    within = told.filter((pl.col("day") <= pl.col("term_end")).fill_null(value=True)).drop("term_end")
    return within, left.filter(pl.col("rest") != 0)
