"""What an agent passes on (606-10-55-38): the others' part of the price, of a promise that it keeps nothing of all of it."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import FIRST_DAY
from engine.revenue.arithmetic.exact import part_units, units_to_minor
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.core import Core
from engine.revenue.progress.measured import with_progress

KEPT_NOTHING: Final[dict[str, pl.DataType]] = {
    "contract_line_id": pl.String(), "okey": pl.String(), "date": pl.Date(), "whole": pl.Int128(), "passed": pl.Int128(),
    "start": pl.Int128(), "opened": pl.Int128(),
}  # fmt: skip
"""Columns of `kept_nothing_of`."""


def kept_nothing_of(core: Core) -> pl.DataFrame:
    """Return the lines an agent keeps nothing of, step by step: contract_line_id, okey, date, whole, passed, start, opened.

    What the customer pays for one in all is `whole`, of which `passed` was passed on when the step began, at `start` of the measure;
    what is left goes with what is left of the measure, as a price does (25-13(a)). After the end of its contract nothing goes on.
    `opened`: what had been passed on of it when it was taken over. Amounts are in units.
    """
    agents = core.lines.filter((pl.col("role") == "agent") & (pl.coalesce("commission_pct", pl.lit(0)) == 0))
    agents = agents.filter(pl.col("okey").is_not_null() & ~pl.col("is_as_invoiced")).select("contract_line_id", "okey")
    steps = core.terms.drop("okey").join(agents, on="contract_line_id", how="inner").filter(pl.col("gross").is_not_null())
    if not steps.height:
        return pl.DataFrame(schema=KEPT_NOTHING)
    gross = steps.select("contract_line_id", pl.coalesce("takes_effect", pl.lit(FIRST_DAY)).alias("date"), "place", "gross").sort("place")
    gross = gross.unique(["contract_line_id", "date"], keep="last", maintain_order=True).sort("date")
    begun = _begun(core, agents.select("okey").unique())
    days = pl.concat([
        begun.join(agents, on="okey", how="inner").select("contract_line_id", "okey", "date"),
        gross.join(agents, on="contract_line_id", how="inner").select("contract_line_id", "okey", "date"),
    ]).unique()  # fmt: skip
    dated = days.sort("date").join_asof(gross.drop("place"), on="date", by="contract_line_id", check_sortedness=False)
    dated = dated.join_asof(begun.drop("done", "all", "is_anew", "is_over"), on="date", by="okey", check_sortedness=False)
    # Only a day on which the promise itself starts anew, or ends, closes what was passed on before it.
    dated = dated.join(begun.select("okey", "date", "done", "all", "is_anew", "is_over"), on=["okey", "date"], how="left")
    return _one_by_one(dated.with_columns(pl.col("gross").fill_null(0))).select(list(KEPT_NOTHING))


def _begun(core: Core, promises: pl.DataFrame) -> pl.DataFrame:
    """Return the segments of promises: okey, date, start, and of the one before what was done by then of all (`done`, `all`).

    `is_anew`: what is left is earned anew from there; `is_over`: its contract ended.
    """
    parts = pl.concat(core.evolved.segments).join(promises, on="okey", how="semi").sort("okey", "ordinal")
    first = pl.col("ordinal") == pl.col("ordinal").min().over("okey")
    parts = parts.with_columns(pl.when(first).then(pl.lit(FIRST_DAY)).otherwise("from_date").alias("date"))
    parts = parts.unique(["okey", "date"], keep="last", maintain_order=True)
    ended = core.contracts.select("contract_id", "terminated_date")
    about = core.obligations.select("okey", "contract_id", "opened_on").join(ended, on="contract_id", how="left")
    parts = parts.join(about.drop("contract_id"), on="okey", how="left", maintain_order="left")
    over = (pl.col("date") >= pl.col("terminated_date")).fill_null(value=False)
    parts = parts.with_columns(over.alias("is_over"), pl.col("m0").alias("start"))
    next_of = {name: pl.col(name).shift(-1).over("okey") for name in ("date", "start", "is_over")}
    earlier = parts.with_columns(next_of[name].alias(f"→{name}") for name in next_of).filter(pl.col("→date").is_not_null())
    # The last day of a contract is served, the day of any other change belongs to what comes after.
    ends = pl.col("→is_over")
    seen = [
        with_progress(earlier.filter(which), core.measures, "→date", before=before) for which, before in ((ends, False), (~ends, True))
    ]
    told = pl.concat(each.select("okey", "→date", "m", "mt", "m0", "→start") for each in seen).select(
        "okey", pl.col("→date").alias("date"), pl.max_horizontal(pl.col("m") - pl.col("m0"), wide(0)).alias("done"),
        (pl.col("mt") - pl.col("m0")).alias("all"), (pl.col("→start") != pl.col("m0")).alias("is_anew"),
    )
    opened = with_progress(parts.filter((pl.col("date") == FIRST_DAY) & pl.col("opened_on").is_not_null()), core.measures, "opened_on")
    opened = opened.select("okey", "date", pl.col("m").alias("done"), pl.col("mt").alias("all"), pl.lit(value=False).alias("is_anew"))
    told = pl.concat([told, opened])
    return parts.select("okey", "date", "start", "is_over").join(told, on=["okey", "date"], how="left").sort("date")


def _one_by_one(steps: pl.DataFrame) -> pl.DataFrame:
    """Add `passed` and `whole` to the steps of lines, each from the one before it; they are few."""
    ordered = steps.sort("contract_line_id", "date").with_columns(pl.int_range(pl.len()).over("contract_line_id").alias("n"))
    state = ordered.select("contract_line_id").unique().with_columns(wide(0).alias("→passed"), wide(0).alias("→whole"))
    made = []
    taken_over = part_units(pl.col("gross"), pl.min_horizontal("done", "all"), pl.when(pl.col("all") > 0).then("all")).fill_null(0)
    begins = pl.col("n") == 0
    for (_,), now in sorted(ordered.partition_by("n", as_dict=True).items()):
        rows = now.join(state, on="contract_line_id", how="left")
        left = part_units(pl.col("→whole") - pl.col("→passed"), pl.min_horizontal("done", "all"), pl.when(pl.col("all") > 0).then("all"))
        closes = pl.col("is_anew").fill_null(value=False) | (pl.col("is_over").fill_null(value=False) & pl.col("done").is_not_null())
        rows = rows.with_columns(
            pl.when(begins).then(taken_over).alias("opened"),
            pl.when(begins & (pl.col("start") > 0)).then(taken_over).when(closes & ~begins)
            .then(pl.col("→passed") + left.fill_null(0)).otherwise("→passed").alias("passed"),
        )  # fmt: skip
        is_over = pl.col("is_over").fill_null(value=False)
        rows = rows.with_columns(pl.when(is_over).then("passed").otherwise("gross").alias("whole"))
        state = rows.select("contract_line_id", pl.col("passed").alias("→passed"), pl.col("whole").alias("→whole"))
        made.append(rows)
    return pl.concat(made)


def passed_by() -> pl.Expr:
    """Return what was passed on by each atom of a line the agent keeps nothing of (minor units; null where no progress is told)."""
    done = pl.min_horizontal(pl.max_horizontal(pl.col("m") - pl.col("start"), wide(0)), pl.col("mt") - pl.col("start"))
    span = pl.when(pl.col("mt") > pl.col("start")).then(pl.col("mt") - pl.col("start"))
    left = part_units(pl.col("whole") - pl.col("passed"), done, span)
    return units_to_minor(pl.when(pl.col("m").is_not_null()).then(pl.col("passed") + left.fill_null(0)))
