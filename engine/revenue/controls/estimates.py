"""Controls over estimates at completion: stale, never attested, far from the outcome, with a look-back by manager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY, Kind, polars_dtype
from engine.nothing import of_nothing
from engine.revenue.arithmetic.rounding import round_quotient, units
from engine.revenue.ground.finding_columns import amount_text, finding_columns

PCT: Final = polars_dtype(Kind.PCT)

_KEY: Final = "contract_line_id"


@dataclass(frozen=True, slots=True)
class _Rests:
    """Say what a measure rests on: the estimate observed, the one signed, and its words in a finding."""

    observed: str
    signed: str
    words: str


# Progress by cost or by hours rests on an estimate at completion that someone has to stand behind.
MEASURES: Final = {
    "cost_to_cost": _Rests("estimated_total_cost", "estimated_cost", "its cost at completion was"),
    "hours": _Rests("estimated_total_hours", "estimated_hours", "its hours at completion were"),
}


def estimated_lines(lines: pl.DataFrame, progress: pl.DataFrame) -> pl.DataFrame:
    """Return the lines whose estimates measure their promise: of several with one measure those with an estimate, else the first.

    A promise of several lines is measured by the sum of what they state (606-10-25-32): a bonus or a licence beside the work has no
    cost of its own to estimate. Columns needed: group_id, obligation_id, contract_line_id, measure and the signed estimates.
    """
    told = progress.group_by(_KEY).agg(pl.col(rests.observed).is_not_null().any() for rests in MEASURES.values())
    made = lines.join(told, on=_KEY, how="left", maintain_order="left")
    states = pl.any_horizontal(
        (pl.col("measure") == name) & (pl.col(rests.signed).is_not_null() | pl.col(rests.observed).fill_null(value=False))
        for name, rests in MEASURES.items()
    ).fill_null(value=False)
    made = made.with_columns(states.alias("→states"))
    is_first = pl.col(_KEY) == pl.col(_KEY).min().over("group_id", "obligation_id", "measure")
    kept = made.filter(pl.col("→states") | (is_first & ~pl.col("→states").any().over("group_id", "obligation_id", "measure")))
    return kept.select(lines.columns)


def estimate_findings(
    lines: pl.DataFrame, progress: pl.DataFrame, as_of: pl.Expr, attested: pl.DataFrame | None = None
) -> pl.DataFrame:  # fmt: skip
    """Return findings of running lines whose estimate at completion is stale or was never observed.

    `lines`: contract_line_id, contract_id, measure, start_date, end_date, is_done, stale_days, estimate_hours (whether the
    policy asks this of hours too), evidence. A line is running from its start until it is done or its last day is past;
    stale: no estimate within the policy's days. `attested`: what people stood behind (contract_line_id, as_of_date,
    estimated_total_cost, estimated_total_hours); it counts while the systems say the same.
    """
    asked = lines.filter((pl.col("measure") != "hours") | pl.col("estimate_hours"))
    return pl.concat([_late(asked.filter(pl.col("measure") == name), progress, as_of, attested, name) for name in MEASURES])


@of_nothing
def _late(lines: pl.DataFrame, progress: pl.DataFrame, as_of: pl.Expr, attested: pl.DataFrame | None, measure: str) -> pl.DataFrame:
    rests = MEASURES[measure]
    seen = progress.filter(pl.col(rests.observed).is_not_null() & (pl.col("as_of_date") <= as_of))
    if attested is not None and rests.observed in attested.columns:
        seen = pl.concat([seen, _standing(attested, seen, lines, as_of, rests)], how="diagonal_relaxed")
        seen = seen.sort("as_of_date", maintain_order=True)
    running = lines.filter(
        (pl.col("start_date") <= as_of) & ~pl.col("is_done") & ((pl.col("end_date") >= as_of) | pl.col("end_date").is_null())
    )
    last = seen.select(_KEY, "as_of_date", "evidence").join(running, on=_KEY, how="semi").group_by(_KEY)
    running = running.join(
        last.agg(pl.col("as_of_date").max().alias("last"), pl.col("evidence").last().alias("seen_at")), on=_KEY, how="left"
    )
    age = (as_of - pl.coalesce("last", "start_date")).dt.total_days()
    late = running.with_columns(age.alias("age")).filter(pl.col("age") > pl.col("stale_days"))
    never = pl.col("last").is_null()
    kind = pl.when(never).then(pl.lit("estimate_never_attested")).otherwise(pl.lit("estimate_stale"))
    unattested = pl.format(f"{{}} has run for {{}} days, and {rests.words} never estimated again.", _KEY, "age")
    stale = pl.format("The estimate at completion of {} is {} days old.", _KEY, "age")
    message = pl.when(never).then(unattested).otherwise(stale)
    what = "cost" if measure == "cost_to_cost" else "hours"
    remedy = f"Have the project manager estimate the {what} at completion as of the last period end."
    return late.select(
        *finding_columns(kind, "medium", "contract_line", message, remedy), pl.col(_KEY).alias("entity_id"), "contract_id",
        pl.coalesce("seen_at", "evidence").alias("evidence"),
    )  # fmt: skip


def _standing(attested: pl.DataFrame, seen: pl.DataFrame, lines: pl.DataFrame, as_of: pl.Expr, rests: _Rests) -> pl.DataFrame:
    """Return the words given on estimates that still are the systems', as further observations of their day."""
    told = rests.observed
    latest = seen.sort("as_of_date", maintain_order=True).group_by(_KEY).agg(pl.col(told).last().alias("observed"))
    said = lines.select(_KEY, rests.signed).join(latest, on=_KEY, how="left")
    now = said.select(_KEY, pl.coalesce("observed", rests.signed).cast(MONEY).alias(told)).drop_nulls().unique(_KEY, keep="first")
    given = attested.filter(pl.col("as_of_date") <= as_of).select(_KEY, "as_of_date", pl.col(told).cast(MONEY))
    return given.join(now, on=[_KEY, told], how="semi")


@of_nothing
def look_back(lines: pl.DataFrame, progress: pl.DataFrame) -> pl.DataFrame:
    """Return how far the estimates of finished lines were from their outcome, by line.

    `lines`: contract_line_id, contract_id, manager, is_done, measure. The outcome is the last cost to date; the estimate
    looked back to is the one in force when half of it was spent: the latest with no more than half the outcome incurred,
    else the first. deviation_pct: outcome over estimate, percent, + where it cost more.
    Columns: contract_line_id, contract_id, manager, estimate, outcome, deviation_pct.
    """
    key = "contract_line_id"
    seen = progress.filter(pl.col("cost_to_date").is_not_null() & pl.col("estimated_total_cost").is_not_null())
    seen = seen.sort("as_of_date", maintain_order=True)
    outcome = seen.group_by(key).agg(pl.col("cost_to_date").last().alias("outcome"), pl.len().alias("seen"))
    done = lines.filter("is_done").join(outcome, on=key, how="inner").filter((pl.col("seen") > 1) & (pl.col("outcome") > 0))
    early = seen.join(done.select(key, "outcome"), on=key, how="inner", maintain_order="left").with_columns(
        (pl.col("cost_to_date") * 2 <= pl.col("outcome")).alias("is_early")
    )
    half = early.group_by(key).agg(
        pl.coalesce(
            pl.col("estimated_total_cost").filter("is_early").last(), pl.col("estimated_total_cost").first()
        ).alias("estimate")
    )  # fmt: skip
    # Percent with eight decimals: a whole number of hundred-millionths.
    parts = round_quotient(units(pl.col("outcome") - pl.col("estimate")) * 10**10, units(pl.col("estimate")))
    deviation = parts.cast(PCT) / pl.lit(10**8, dtype=PCT)
    return (
        done.join(half, on=key, how="inner").filter(pl.col("estimate") > 0)
        .with_columns(deviation.alias("deviation_pct"))
        .select(key, "contract_id", "manager", pl.col("estimate", "outcome").cast(MONEY), "deviation_pct").sort(key)
    )  # fmt: skip


@of_nothing
def look_back_findings(found: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    """Return findings of finished lines whose estimate was further from the outcome than the policy's percent.

    `found`: from `look_back`. `limits`: contract_id, deviation_pct, currency. The message tells how the manager's finished
    lines went on the whole.
    """
    by_manager = found.group_by("manager").agg(pl.len().alias("jobs"), (pl.col("outcome") > pl.col("estimate")).sum().alias("overruns"))
    far = found.join(limits.rename({"deviation_pct": "limit"}), on="contract_id", how="inner").filter(
        pl.col("deviation_pct").abs() > pl.col("limit")
    ).join(by_manager, on="manager", how="left", nulls_equal=True)  # fmt: skip
    percent = pl.col("deviation_pct").abs().round(1).cast(pl.Decimal(38, 1)).cast(pl.String)
    more = pl.when(pl.col("outcome") > pl.col("estimate")).then(pl.lit("more")).otherwise(pl.lit("less"))
    message = pl.format(
        "{} cost {} {}, {} % {} than estimated halfway; {} of {} finished lines of {} cost more than estimated.", "contract_line_id",
        amount_text(pl.col("outcome")), pl.col("currency").fill_null(""), percent, more, "overruns", "jobs",
        pl.col("manager").fill_null("no manager"),
    )  # fmt: skip
    remedy = "Go through the manager's open estimates before the next close."
    return far.select(
        *finding_columns("estimate_far_from_outcome", "low", "contract_line", message, remedy),
        pl.col("contract_line_id").alias("entity_id"), "contract_id",
        (pl.col("outcome") - pl.col("estimate")).abs().alias("amount_at_risk"), "currency",
    )  # fmt: skip
