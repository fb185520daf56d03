"""Changes of the revenue policy for contracts signed before: estimates caught up, principles through equity, errors restated (ASC 250).

A version of the policy is for contracts signed from its first day on. One that says it changes an estimate, a principle or
corrects an error is, from that day, for earlier contracts too. Revenue is computed by the policy as it was and as it is;
periods that had ended keep what they were posted with, and the difference is posted in the period of the change.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.policy.kinds.revenue import PolicyChange
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.ground.frames import DAY, PERFORMANCE, TEXT, TEXTS, in_words, shaped
from engine.revenue.ground.settings import Versions

PRINCIPLE: Final = "principle_change"
"""The nature of what a change of principle moved before: it goes through opening equity and is no revenue of any period."""

RESTATEMENTS: Final[dict[str, pl.DataType]] = {
    "contract_id": TEXT, "contract_line_id": TEXT, "period": TEXT, "change": TEXT, "transition": TEXT, "adopted_on": DAY,
    "as_reported": MONEY, "restated": MONEY, "difference": MONEY, "currency": TEXT, "rule": TEXT, "evidence": TEXTS,
}  # fmt: skip
"""One row per contract line and period that a change concerns before it was adopted, in the contract's currency.

`change`: principle, error. A change of principle with the transition `modified_retrospective` restates no period: its rows are
left out, and the sum of the differences stands in the entry through opening equity alone.
"""

_NATURES: Final = {"estimate": "estimate_change", "principle": PRINCIPLE, "error": "error"}
_RULES: Final = {"estimate": "250-10-45-17", "principle": "250-10-45-5", "error": "250-10-45-23"}
_ABOUT: Final = ["contract_id", "group_id", "contract_line_id", "obligation_id", "role", "currency", "period"]


@dataclass(frozen=True, slots=True)
class World:
    """Hold the versions that decide from a day on, and the change that began it (None for the policy as first written)."""

    versions: Versions
    day: dt.date | None = None
    change: PolicyChange | None = None


def worlds(versions: Versions, as_of: dt.date) -> list[World]:
    """Return the policy as first written, then as each adopted change through as_of left it; mostly there is one."""
    found = [World(versions)]
    for index, (loaded, policy) in enumerate(versions):
        if policy.change is None or policy.change.kind == "new_facts" or not index or policy.effective_from > as_of:
            continue
        # It takes the place of every version before it, for contracts of whatever day.
        whole = policy.model_copy(update={"effective_from": versions[0][1].effective_from})
        found.append(World([(loaded, whole), *versions[index + 1 :]], policy.effective_from, policy.change))
    return found


def adopted(
    before: pl.DataFrame, after: pl.DataFrame, world: World, contracts: pl.DataFrame, periods: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """Return performance with a change adopted, and the periods it restates (RESTATEMENTS).

    `before` and `after`: performance by the policy as it was and as it is (`frames.PERFORMANCE`).
    """
    assert world.change is not None and world.day is not None, "the first world adopts nothing"
    before, after = in_words(before), in_words(after)
    spans = periods.select("calendar", "period", pl.col("end_date").alias("→end"))
    begins = periods.filter(pl.col("end_date") >= world.day).sort("end_date").group_by("calendar", maintain_order=True).agg(
        pl.col("period").first().alias("→first"), pl.col("end_date").first().alias("→until")
    )  # fmt: skip
    calendars = contracts.select("contract_id", "calendar").join(begins, on="calendar", how="left")
    old, new = (
        frame.join(calendars, on="contract_id", how="left").join(spans, on=["calendar", "period"], how="left").with_columns(
            ((pl.col("→end") < pl.col("→until")) & ~pl.col("is_planned")).fill_null(value=False).alias("→ended")
        )
        for frame in (before, after)
    )  # fmt: skip
    moved = _moved(old.filter("→ended"), new.filter("→ended"))
    posted = in_words(shaped(_posted(moved, world), PERFORMANCE))
    kept = pl.concat([old.filter("→ended").select(before.columns), new.filter(~pl.col("→ended")).select(before.columns)])
    return pl.concat([kept, posted.select(before.columns)]), _restated(moved, world)


def _moved(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Return by line and ended period what it was posted with, and what the changed policy gives it."""
    amounts = ["amount", "gross_amount"]
    sides = [
        frame.group_by(*_ABOUT, "→first").agg(
            *(pl.col(name).fill_null(0).sum() for name in amounts), pl.col("timing", "evidence").first()
        )
        for frame in (old, new)
    ]  # fmt: skip
    both = sides[0].join(sides[1], on=[*_ABOUT, "→first"], how="full", coalesce=True, nulls_equal=True, suffix=".new")
    return both.with_columns(
        *(pl.col(name).fill_null(ZERO) for each in amounts for name in (each, f"{each}.new")),
        pl.coalesce("timing.new", "timing").alias("timing"), pl.coalesce("evidence.new", "evidence").alias("evidence"),
    ).filter(pl.col("amount") != pl.col("amount.new"))  # fmt: skip


def _posted(moved: pl.DataFrame, world: World) -> pl.DataFrame:
    """Return what is posted in the period of the change: an estimate in one sum, a principle or an error by the period it is of."""
    assert world.change is not None
    kind = world.change.kind
    rows = moved.with_columns(
        *((pl.col(f"{name}.new") - pl.col(name)).cast(MONEY).alias(name) for name in ("amount", "gross_amount")),
        pl.col("→first").alias("→period"),
    )
    if kind == "estimate":
        keys = [name for name in _ABOUT if name != "period"]
        rows = rows.group_by(*keys, "→period").agg(pl.col("amount", "gross_amount").sum(), pl.col("timing", "evidence").first())
        rows = rows.with_columns(pl.col("→period").alias("period")).filter(pl.col("amount") != 0)
    return rows.with_columns(
        pl.col("period").alias("relates_to_period"), pl.col("→period").alias("period"), pl.lit(world.day).alias("posting_date"),
        pl.lit(_NATURES[kind]).alias("nature"), pl.lit("policy_change").alias("basis"), pl.lit(value=False).alias("is_planned"),
        pl.col("amount").alias("catch_up_amount"), pl.lit(_RULES[kind]).alias("rule"),
    )  # fmt: skip


def _restated(moved: pl.DataFrame, world: World) -> pl.DataFrame:
    assert world.change is not None
    change = world.change
    rows = moved if change.kind == "error" or change.transition == "retrospective" else moved.clear()
    summed = rows.group_by("contract_id", "contract_line_id", "period", "currency").agg(
        pl.col("amount", "amount.new").sum(), pl.col("evidence").first()
    )
    told = summed.with_columns(
        pl.lit(change.kind).alias("change"), pl.lit(change.transition, dtype=TEXT).alias("transition"),
        pl.lit(world.day).alias("adopted_on"),
        pl.col("amount").alias("as_reported"), pl.col("amount.new").alias("restated"),
        (pl.col("amount.new") - pl.col("amount")).alias("difference"), pl.lit(_RULES[change.kind]).alias("rule"),
    )  # fmt: skip
    return told.select(pl.col(name).cast(dtype) for name, dtype in RESTATEMENTS.items()).sort("contract_id", "contract_line_id", "period")


def cost_conventions(before: pl.DataFrame, after: pl.DataFrame, world: World) -> pl.DataFrame:
    """Return the contracts whose costs a change spreads in another way from its day on: contract_id, date, before, convention, is_error.

    `before` and `after`: contracts with their settings. Another way of amortizing is a change in estimate, whatever else the version
    changes, unless it corrects an error (250-10-45-18).
    """
    assert world.change is not None and world.day is not None, "the first world adopts nothing"
    way = pl.coalesce("setting.costs.proration", "setting.proration", pl.lit("actual_days"))
    both = before.select("contract_id", way.alias("before")).join(after.select("contract_id", way.alias("convention")), on="contract_id")
    made = both.filter(pl.col("before") != pl.col("convention"))
    is_error = pl.lit(world.change.kind == "error").alias("is_error")
    return made.select("contract_id", pl.lit(world.day).alias("date"), "before", "convention", is_error)


def taken_over_before(obligations: pl.DataFrame, world: World) -> pl.DataFrame:
    """Return whether what opening positions before a change held is what the measure of their day shows: okey, runs_on.

    Another convention does not make an obligation that ran on one that began with its position.
    """
    return obligations.filter(pl.col("opened_on") < world.day).select("okey", "runs_on").drop_nulls()


def earned(performance: pl.DataFrame) -> pl.DataFrame:
    """Return performance without what a change of principle moved through equity: that is revenue of no period."""
    # Nearly always there is none: one look tells, and nothing is copied.
    if not performance.select((pl.col("nature") == PRINCIPLE).any()).item():
        return performance
    return performance.filter(pl.col("nature").ne_missing(PRINCIPLE))
