"""Changes agreed before they take effect: known, priced and promised from approval on (606-10-25-10, 50-13).

A contract of its own is one from approval. Any other change is served on the old terms until it takes effect: revenue follows the
new ones from that day, but price, versions and what remains to be performed tell them from approval. Where the policy says so, a
catch-up (25-13(b), `modification.catch_up: approved`) is made on approval, once price and the whole of the measure are known, and a
prospective change (25-13(a), `modification.prospective: approved`) shares what is left on that day over all that is still to come.
"""

from __future__ import annotations

from typing import Final

import polars as pl

AHEAD: Final[dict[str, pl.DataType]] = {"amendment_id": pl.String(), "agreed_on": pl.Date()}
"""One row per change whose event comes after the day it was agreed on."""

_ESTIMATED: Final = {"cost_to_cost": "stated.estimated_cost", "hours": "stated.estimated_hours", "units": "stated.quantity"}
"""What a change must state so that the whole of a measure is known after it; the others know it by themselves."""

_CATCH_UP: Final = "setting.modification.catch_up"
_PROSPECTIVE: Final = "setting.modification.prospective"

_SUMMED: Final = ("price", "variable", "stated")


def waiting(amendments: pl.DataFrame) -> pl.DataFrame:
    """Return the amendments (`amendments.counted_amendments`) whose event comes after the day they were agreed on."""
    return amendments.filter(pl.col("event_date") > pl.col("agreed_on"))


def counted_at_once(changes: pl.DataFrame, amendments: pl.DataFrame) -> pl.DataFrame:
    """Return waiting amendments that are events of the day they were agreed on: wholly apart, a catch-up, or prospective.

    `changes`: of `changes.classified`. Columns: amendment_id, is_apart (a contract of its own). Of a change that is both a catch-up
    and prospective the day stays the one it takes effect, and of one that takes a promise away too: it is served until then. What is
    priced by the month keeps the price of each month.
    """
    measure = pl.col("measure")
    lacks = [(measure == name) & pl.col(stated).is_null() for name, stated in _ESTIMATED.items()]
    # A new rate or cap prices the hours still to come on its day: how many these are is known then.
    is_moved = (pl.col("unit_price") != pl.col("before.unit_price")) | (pl.col("cap_amount") != pl.col("before.cap_amount"))
    lacks.append(pl.col("pricing").is_in(["hours", "capped"]) & is_moved)
    knows = ~pl.any_horizontal(each.fill_null(value=False) for each in lacks)
    kind = pl.col("kind")
    behind = (kind == "catch_up") & (pl.col(_CATCH_UP) == "approved") & knows
    onward = (kind == "prospective") & (pl.col(_PROSPECTIVE) == "approved") & knows & (pl.col("pricing") != "periodic")
    found = changes.join(waiting(amendments).select("amendment_id", _CATCH_UP, _PROSPECTIVE), on="amendment_id", how="inner")
    apart = (kind == "separate").all()
    whole = found.group_by("amendment_id").agg(apart.alias("is_apart"), (apart | behind.all() | onward.all()).alias("at_once"))
    return whole.filter("at_once").drop("at_once").sort("amendment_id")


def as_agreed(versions: pl.DataFrame, ahead: pl.DataFrame) -> pl.DataFrame:
    """Return versions of obligations (`evolve.Evolved.versions`) dated by the day each was agreed on (AHEAD).

    What came between approval and effect was priced without the change: prices are put together anew in the order of the days.
    """
    if not ahead.height:
        return versions
    dated = versions.join(ahead, on="amendment_id", how="left", maintain_order="left")
    is_touched = pl.col("okey").is_in(dated.filter(pl.col("agreed_on").is_not_null())["okey"].unique().implode())
    touched = dated.filter(is_touched).sort("okey", "ordinal")
    filled = touched.with_columns(pl.col(name).fill_null(0) for name in _SUMMED)
    steps = filled.with_columns(pl.col(name) - pl.col(name).shift(1).over("okey").fill_null(0) for name in _SUMMED)
    ordered = steps.with_columns(pl.coalesce("agreed_on", "date").alias("date")).sort("okey", "date", "ordinal")
    summed = ordered.with_columns(pl.col(name).cum_sum().over("okey") for name in _SUMMED)
    return pl.concat([dated.filter(~is_touched).select(versions.columns), summed.select(versions.columns)])
