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
    moved = _moves(terms, signed)
    later = _amended(moved, several) if moved.height else signed.clear()
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


def _moves(terms: pl.DataFrame, signed: pl.DataFrame) -> pl.DataFrame:
    """Return what lines of promises whose amounts changes move amount to by day; →apart: the promise starts anew, all of its lines do.

    A promise with a line that catches up on a day catches up, as `happenings` has it.
    """
    own = terms.drop("okey").join(signed.select(_KEY, "okey"), on=_KEY)
    moves = ((pl.col("action") == "change") & (pl.col("gross") != pl.col("before.gross"))).fill_null(value=False)
    asked = own.filter(pl.col("gross").is_not_null()).filter(moves.any().over("okey"))
    dated = stated_since(asked.with_columns(moves.alias("→moves")), "gross", "minor_digits", "okey", "→moves", "remaining_is_distinct")
    distinct = pl.col("remaining_is_distinct").fill_null(value=False)
    days = dated.filter("→moves").group_by("okey", "since").agg(distinct.all().alias("→apart"))
    each = dated.select(_KEY, "okey").unique().join(days, on="okey").sort("since")
    amounts = dated.select(_KEY, "since", (pl.col("gross").abs() // units_of_a_millionth()).alias("weight"))
    told = each.join_asof(amounts, on="since", by=_KEY, check_sortedness=False).filter(pl.col("weight").is_not_null())
    begins = amounts.join(told, on=[_KEY, "since"], how="anti").join(dated.select(_KEY, "okey").unique(), on=_KEY)
    names = (_KEY, "okey", "weight", "since", "→apart")
    return pl.concat([begins.with_columns(pl.lit(value=False).alias("→apart")).select(names), told.select(names)])


def _amended(moved: pl.DataFrame, reached: pl.DataFrame) -> pl.DataFrame:
    """Return what lines weigh from each day on, change by change, each on the state that the one before it left.

    A distinct change leaves what was done as it was: what is then left weighs what is left of the amount (25-13(a)), and what nothing is
    left of weighs no more. One that catches up moves what was done since the promise last started anew with what is left (25-13(b)).
    A fraction of the amount of the day moves with the amount by itself.
    """
    asked = moved.join(reached.select("okey").unique(), on="okey", how="semi").sort(_KEY, "since")
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
        before = now.select(_KEY, pl.col("base", "left", "left_at", "weight").name.prefix("→"))
        rows = steps.filter(pl.col("→step") == step).join(before, on=_KEY, how="inner")
        now = _after(rows)
        made.append(now)
    return pl.concat(made)


def _after(rows: pl.DataFrame) -> pl.DataFrame:
    """Return what lines weigh after one change of each."""
    at = pl.max_horizontal("→done", "→left_at")
    done = pl.col("→base") + _part("→left", at, "→left_at", "→total")
    left = pl.when(at < pl.col("→total")).then(pl.max_horizontal(pl.col("weight") - done, wide(1))).otherwise(wide(0))
    whole = pl.max_horizontal(pl.col("→left") + pl.col("weight") - pl.col("→weight"), wide(0))
    rows = rows.with_columns(
        pl.when("→apart").then(done).otherwise("→base").alias("base"), pl.when("→apart").then(left).otherwise(whole).alias("left"),
        pl.when("→apart").then(at).otherwise("→left_at").alias("left_at"),
    )  # fmt: skip
    return rows.with_columns((pl.col("base") + pl.col("left")).alias("weight")).select(_WEIGHTS)


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
