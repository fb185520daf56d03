"""What the lines of one promise weigh in its progress, where each reports its own fraction; as amended (606-10-25-13, 55-17)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.exact import units_of_a_millionth
from engine.revenue.arithmetic.numbers import whole_number, wide
from engine.revenue.arithmetic.runs import carried
from engine.revenue.progress.observed import OBSERVED, summed

_KEY: Final = "contract_line_id"
# What a line has done so far weighs `base`, what was left of it at `left_at` (of its total) `left`; `weight` is both.
_WEIGHTS: Final = (_KEY, "okey", "since", "weight", "base", "left", "left_at")


def amounts_since(terms: pl.DataFrame) -> pl.DataFrame:
    """Return what lines amount to from each day on: contract_line_id, since, gross, minor_digits; sorted by day."""
    return stated_since(terms.filter(pl.col("gross").is_not_null()), "gross", "minor_digits")


def stated_since(stated: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Return what the steps of lines state from each day on: contract_line_id, since (the first: from ever), `names`; sorted by day."""
    first = pl.col("place") == pl.col("place").min().over("contract_line_id")
    since = pl.when(first).then(pl.date(1, 1, 1)).otherwise("event_date")
    dated = stated.sort("place").select("contract_line_id", since.alias("since"), *names)
    return dated.unique(["contract_line_id", "since"], keep="last", maintain_order=True).sort("since")


def weighed(reached: pl.DataFrame, chosen: pl.DataFrame, basis: pl.Expr, terms: pl.DataFrame) -> pl.DataFrame:
    """Return obligations' progress from lines' fractions (`done` / `total`): of several lines, weighed by their amounts.

    `in_money`: whether a line's fraction is of the amount it has on the day.
    """
    single = reached.filter(pl.col("lines_of") == 1).with_columns(
        pl.col("done").alias("to_date"), wide(0).alias("at_cost"), pl.lit(value=False).alias("is_reestimate"), basis.alias("basis")
    )
    several = reached.filter(pl.col("lines_of") > 1)
    if not several.height:
        return single
    signed = _as_signed(chosen)
    moved, apart = _moves(terms, signed)
    own = [_caught_up(moved, several) if moved.height else signed.clear(), _restarted(apart, several) if apart.height else signed.clear()]
    later = pl.concat([each.select(_WEIGHTS) for each in own])
    daily = _at_weights(several, pl.concat([signed.join(later, on=_KEY, how="anti"), later]).sort("since"))
    kept = several.select("okey", "timing").unique("okey", keep="first")
    made = daily.join(kept, on="okey", how="left").with_columns(
        pl.col("done").alias("to_date"),
        pl.max_horizontal("weight", wide(1)).alias("total"),
        wide(0).alias("at_cost"),
        pl.lit(value=False).alias("is_reestimate"),
        basis.alias("basis"),
    )
    return pl.concat([single.select(list(OBSERVED)), made.select(list(OBSERVED))])


def _as_signed(chosen: pl.DataFrame) -> pl.DataFrame:
    weights = chosen.select(_KEY, "okey", whole_number("amount", MONEY).abs().alias("weight"))
    weights = weights.with_columns(
        pl.when(pl.col("weight").sum().over("okey") > 0).then(pl.col("weight").fill_null(0)).otherwise(wide(10**6)).alias("weight"),
        pl.lit(dt.date.min).alias("since"),
    )
    return _whole(weights).select(_WEIGHTS)


def _whole(weights: pl.DataFrame) -> pl.DataFrame:
    """Return weights of lines that are measured as one from their beginning."""
    return weights.with_columns(wide(0).alias("base"), pl.col("weight").alias("left"), wide(0).alias("left_at"))


def _moves(terms: pl.DataFrame, signed: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the amounts by day of the lines of promises whose amounts changes move, where all catch up, and where all are distinct.

    Under both kinds of changes the weights stay those of the signature.
    """
    own = terms.drop("okey").join(signed.select(_KEY, "okey"), on=_KEY)
    moves = (pl.col("action") == "change") & (pl.col("gross") != pl.col("before.gross"))
    apart = pl.col("remaining_is_distinct").fill_null(value=False)
    told = own.filter(pl.col("gross").is_not_null())
    found = []
    for kind in (~apart, apart):
        asked = told.filter((moves.any() & (~moves | kind).all()).over("okey"))
        made = stated_since(asked, "gross", "minor_digits", "okey")
        found.append(made.select(_KEY, "okey", (pl.col("gross").abs() // units_of_a_millionth()).alias("weight"), "since"))
    return found[0], found[1]


def _caught_up(moved: pl.DataFrame, reached: pl.DataFrame) -> pl.DataFrame:
    """Return lines that weigh what they amount to from each day on: what was done of them too (25-13(b))."""
    return _whole(moved.join(reached.select("okey").unique(), on="okey", how="semi"))


def _restarted(apart: pl.DataFrame, reached: pl.DataFrame) -> pl.DataFrame:
    """Return lines whose distinct changes leave what was done as it was: what is then left weighs what is left of the amount (25-13(a)).

    What nothing is left of weighs no more. A fraction of the amount of the day moves with the amount by itself.
    """
    asked = apart.join(reached.select("okey").unique(), on="okey", how="semi").sort(_KEY, "since")
    in_money = reached.filter("in_money").select(_KEY).unique()
    own = _whole(asked.join(in_money, on=_KEY, how="semi")).select(_WEIGHTS)
    steps = asked.join(in_money, on=_KEY, how="anti").with_columns(pl.int_range(pl.len()).over(_KEY).alias("→step"))
    seen = reached.select(_KEY, "date", pl.col("done").alias("→done"), pl.col("total").alias("→total")).sort("date")
    steps = steps.sort("since").join_asof(
        seen, left_on="since", right_on="date", by=_KEY, allow_exact_matches=False, check_sortedness=False
    )
    steps = steps.with_columns(pl.col("→done").fill_null(0), pl.col("→total").fill_null(1))
    now = _whole(steps.filter(pl.col("→step") == 0)).select(_WEIGHTS)
    made = [own, now]
    last = steps["→step"].max() if steps.height else 0
    assert isinstance(last, int)
    for step in range(1, last + 1):
        before = now.select(_KEY, pl.col("base", "left", "left_at").name.prefix("→"))
        rows = steps.filter(pl.col("→step") == step).join(before, on=_KEY, how="inner")
        at = pl.max_horizontal("→done", "→left_at")
        done = pl.col("→base") + _part("→left", at, "→left_at", "→total")
        left = pl.when(at < pl.col("→total")).then(pl.max_horizontal(pl.col("weight") - done, wide(1))).otherwise(wide(0))
        now = rows.with_columns(done.alias("base"), left.alias("left"), at.alias("left_at"), (done + left).alias("weight")).select(_WEIGHTS)
        made.append(now)
    return pl.concat(made)


def _part(left: str, done: pl.Expr, since: str, total: str) -> pl.Expr:
    """Return what weight of what was left is done: all of it where nothing was left to do."""
    open_part = pl.max_horizontal(pl.col(total) - pl.col(since), wide(1))
    return pl.col(left) * pl.max_horizontal(pl.min_horizontal(done, total) - pl.col(since), wide(0)) // open_part


def _at_weights(reached: pl.DataFrame, weights: pl.DataFrame) -> pl.DataFrame:
    """Return per obligation and day what its lines have done of what they weigh that day (`weights`: by line, since a day)."""
    names = ["okey", _KEY, "date"]
    first = reached.group_by("okey").agg(pl.col("date").min().alias("→first"))
    days = weights.join(first, on="okey", how="inner").select("okey", _KEY, pl.max_horizontal("since", "→first").alias("date")).unique()
    days = days.join(reached, on=names, how="anti").with_columns(pl.lit([], dtype=OBSERVED["evidence"]).alias("evidence"))
    rows = pl.concat([reached.select(*names, "done", "total", "evidence"), days], how="diagonal").sort(_KEY, "date")
    rows = rows.with_columns(carried(pl.col(name), _KEY).alias(name) for name in ("done", "total"))
    told = ("weight", "base", "left", "left_at")
    rows = rows.sort("date").join_asof(
        weights.select(_KEY, "since", *told), left_on="date", right_on="since", by=_KEY, check_sortedness=False
    )
    rows = rows.with_columns(pl.col("done").fill_null(0), pl.col("total").fill_null(1))
    part = pl.col("base") + _part("left", pl.col("done"), "left_at", "total")
    return summed(rows.with_columns(part.alias("done")), ["done", "weight"])
