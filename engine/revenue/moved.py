"""The source rows that moved a figure: what was observed, agreed and estimated anew of each obligation, by the period it belongs to."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.nothing import of_no
from engine.revenue.arithmetic.runs import begins, joined, put_in
from engine.revenue.core import Core
from engine.revenue.ground.frames import CODE, DAY, TEXT, TEXTS
from engine.revenue.ground.periods import with_period
from engine.revenue.ground.sources import MOST, united_by

MOVED: Final[dict[str, pl.DataType]] = {"contract_id": TEXT, "obligation_id": TEXT, "period": CODE, "moved": TEXTS}
"""One row per obligation and period in which something but the passing of time moved its revenue; sorted by its key."""


def moved_evidence(core: Core, modifications: pl.DataFrame) -> pl.DataFrame:
    """Return the source rows of observations, changes and re-estimates by obligation and period (MOVED).

    `modifications`: of `frames.MODIFICATIONS`. What was known before the criteria of a contract were met counts on the day they were.
    """
    found = [_observed(core), _changed(core, modifications), _estimated(core)]
    rows = pl.concat(frame.select("contract_id", "obligation_id", pl.col("date").cast(DAY), "evidence") for frame in found)
    head = core.contracts.select("contract_id", "calendar", "gate_date")
    dated = rows.join(head, on="contract_id", how="inner").with_columns(pl.max_horizontal("date", "gate_date").alias("date"))
    keys = ["contract_id", "obligation_id", "period"]
    placed = with_period(dated, core.periods, "date").select(*keys, pl.col("evidence").alias("moved"))
    named = united_by(placed.filter(pl.col("period").is_not_null()).sort(keys), keys, "moved")
    return named.filter(pl.col("moved").list.len() > 0).with_columns(pl.col("period").cast(CODE))


def with_moved(rows: pl.DataFrame, moved: pl.DataFrame, period: str) -> pl.DataFrame:
    """Return rows of the schedule that name beside their own evidence what moved their obligation in the period they belong to.

    Rows of one obligation stand together: which of them anything moved is asked once an obligation, so that what time alone
    moves costs nothing more.
    """
    if not moved.height:
        return rows
    names = ["contract_id", "obligation_id"]
    run = rows.select((begins(*names).cum_sum() - 1).alias("run")).to_series()
    heads = rows.lazy().filter(begins(*names)).select(names).collect()
    known = moved.select(names).unique().with_columns(pl.lit(value=True).alias("known"))
    is_moved = heads.join(known, on=names, how="left", maintain_order="left")["known"].fill_null(value=False)[run]
    asked = rows.select(*names, period, "evidence").with_row_index("row").filter(is_moved)
    found = asked.join(moved.rename({"period": period}), on=[*names, period], how="inner")
    both = pl.coalesce("evidence", pl.lit([], dtype=TEXTS)).list.set_union("moved").list.drop_nulls().list.sort()
    found = found.select("row", both.list.head(MOST).alias("moved"))
    return rows.with_columns(put_in(rows["evidence"], found["row"], found["moved"]))


def _observed(core: Core) -> pl.DataFrame:
    own = core.obligations.select("okey", "contract_id", "obligation_id")
    return core.measures.observed.select("okey", "date", "evidence").join(own, on="okey", how="inner")


@of_no("modifications")
def _changed(core: Core, modifications: pl.DataFrame) -> pl.DataFrame:
    """Return the lines and heads of amendments that changed an obligation; of a contract that ended without one, the contract's rows."""
    heads = core.changes.select("amendment_id", "amendment_evidence").unique("amendment_id", keep="first", maintain_order=True)
    rows = modifications.select("amendment_id", "contract_id", "obligation_id", pl.col("effective_date").alias("date"), "evidence")
    rows = joined(rows.join(heads, on="amendment_id", how="left", maintain_order="left"), _own(core.contracts), "contract_id")
    none = pl.lit([], dtype=TEXTS)
    told = pl.concat_list(pl.coalesce("evidence", none), pl.coalesce("amendment_evidence", none))
    return rows.with_columns(pl.when(told.list.len() > 0).then(told).otherwise("own").alias("evidence"))


def _own(contracts: pl.DataFrame) -> pl.DataFrame:
    return contracts.select("contract_id", pl.col("evidence").alias("own"))


def _estimated(core: Core) -> pl.DataFrame:
    """Return the estimates that changed a price after it was agreed: of the line's obligation, or of all of the contract's."""
    steps = core.later.select("group_id", "okey", "contract_line_id", "date").unique()
    keys = ["group_id", "contract_line_id", "date"]
    told = steps.join(core.levels.select(*keys, "evidence"), on=keys, how="inner", nulls_equal=True)
    own = core.obligations.select("okey", "group_id", "contract_id", "obligation_id")
    names = ["contract_id", "obligation_id", "date", "evidence"]
    of_line = told.filter(pl.col("okey").is_not_null()).join(own.drop("group_id"), on="okey", how="inner")
    of_all = told.filter(pl.col("okey").is_null()).drop("okey").join(own, on="group_id", how="inner")
    return pl.concat([of_line.select(names), of_all.select(names)])
