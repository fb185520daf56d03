"""Percentages that are none: told as findings, and not reckoned with as stated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import polars as pl

from engine.canonical.kinds import Kind, polars_dtype
from engine.canonical.schema import entity_spec
from engine.revenue.controls.bounds import owner_of
from engine.revenue.ground.finding_columns import finding_columns, plain_text
from engine.revenue.ground.records import Records

_PCT: Final = polars_dtype(Kind.PCT)


@dataclass(frozen=True, slots=True)
class _Range:
    """Say what a field may state at most, what counts where it states another value (none, zero, most: the most where it is more)."""

    field: str
    highest: int | None
    instead: str
    counts: str
    remedy: str


_PLAIN: Final = "Correct it: 25 is 25 %."
_COUNTS: Final = "above 100 it counts as 100, below 0 not at all"
_RATE: Final = "State the rate at inception in percent a year, or the cash selling price."

RANGES: Final[dict[str, _Range]] = {
    "contract": _Range("financing_rate", None, "none", "it counts as not stated", _RATE),
    "contract_line": _Range("commission_pct", 100, "zero", "the firm keeps nothing of the price until it is corrected", _PLAIN),
    "progress": _Range("percent_complete", 100, "most", _COUNTS, _PLAIN),
    "milestone": _Range("progress_pct", 100, "most", _COUNTS, _PLAIN),
    "option": _Range("exercise_probability", 100, "most", _COUNTS, _PLAIN),
    "variable_outcome": _Range("probability_pct", 100, "none", "the outcome does not count", _PLAIN),
}
"""What percentages of the records are held to, by entity."""


def sound_percents(records: Records) -> tuple[Records, pl.DataFrame]:
    """Return the records with percentages that can be reckoned with, and a finding for each that cannot.

    A commission above all of the price, or a negative interest rate, would turn into revenue or interest without a word.
    """
    kept: dict[str, pl.DataFrame] = {}
    found: list[pl.DataFrame] = []
    for entity, held in RANGES.items():
        frame = records.frame(entity)
        if not frame.height:
            continue
        stated = pl.col(held.field)
        wrong = (stated < 0) if held.highest is None else (stated < 0) | (stated > held.highest)
        wrong = wrong.fill_null(value=False)
        # Nearly always all are sound: one look tells.
        if not frame.select(wrong.any()).item():
            continue
        kept[entity] = frame.with_columns(pl.when(wrong).then(_instead(held)).otherwise(stated).cast(_PCT).alias(held.field))
        found.append(_told(records, entity, held, frame.filter(wrong)))
    if not found:
        return records, pl.DataFrame()
    return replace(records, held={**records.held, **kept}), pl.concat(found)


def _instead(held: _Range) -> pl.Expr:
    if held.instead == "zero":
        return pl.lit(Decimal(0), dtype=_PCT)
    if held.instead == "most" and held.highest is not None:
        return pl.when(pl.col(held.field) > held.highest).then(pl.lit(Decimal(held.highest), dtype=_PCT))
    return pl.lit(None, dtype=_PCT)


def _told(records: Records, entity: str, held: _Range, hit: pl.DataFrame) -> pl.DataFrame:
    identity, contract = entity_spec(entity).display_key().alias("entity_id"), owner_of(records, entity, hit)
    rows = hit.select(identity, contract, pl.col(held.field).alias("stated"), "evidence")
    range_told = "below 0" if held.highest is None else f"not between 0 and {held.highest}"
    text = f"{{}} states a {held.field} of {{}}, which is {range_told}; {held.counts}."
    message = pl.format(text, "entity_id", plain_text(pl.col("stated")))
    return rows.sort("entity_id").select(
        *finding_columns("percent_out_of_range", "high", entity, message, held.remedy), "entity_id", "contract_id", "evidence"
    )
