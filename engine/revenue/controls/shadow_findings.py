"""Findings of the shadow check: one for what happened, not one for every period it shows in."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.revenue.controls.shadow import WHOLE_CONTRACT
from engine.revenue.ground.finding_columns import amount_text, finding_columns

_SAYS: Final = {
    "day_count": "counts days as {detail}",
    "cost_cut_off": "takes cost, or a new estimate of it, in another period",
    "ssp_version": "shares the price by other standalone selling prices",
    "rounding": "rounds otherwise",
    "unexplained": "differs for no reason found",
}
_SEVERITY: Final = {"rounding": "low", "day_count": "medium", "cost_cut_off": "medium", "ssp_version": "high", "unexplained": "high"}
_REMEDY: Final = {
    "rounding": "Set `rounding` as the revenue engine rounds, or have it round the cumulative amount.",
    "day_count": "Give the line the convention the contract asks for in both places.",
    "cost_cut_off": "Agree with the revenue engine the day on which cost, and an estimate of it, is cut off.",
    "ssp_version": "Have the revenue engine allocate with the standalone selling prices at inception (606-10-32-43).",
    "unexplained": "Compare both schedules of the line; `tieout explain` shows how ours came about.",
}


def shadow_findings(judged: pl.DataFrame, amendments: pl.DataFrame) -> list[pl.DataFrame]:
    """Return the findings of explained differences.

    missed_amendment: one per amendment; recognition_without_evidence: one per schedule line of theirs;
    evidence_without_recognition: one per contract line and period; schedule_differs: one per contract line and cause.
    """
    line = pl.col("contract_line_id")
    judged = judged.with_columns(
        line.str.starts_with(WHOLE_CONTRACT).fill_null(value=False).alias("of_contract"),
        line.str.strip_prefix(WHOLE_CONTRACT).alias("contract_line_id"),
    )
    return [
        _missed_amendments(judged.filter(pl.col("cause") == "missed_amendment"), amendments),
        _without_evidence(judged.filter(pl.col("cause") == "no_evidence")),
        _without_recognition(judged.filter(pl.col("cause") == "missed_evidence")),
        _differing(judged.filter(pl.col("cause").is_in(list(_SAYS)))),
    ]


def foreign_findings(foreign: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every line that the revenue engine keeps in a currency in which we cannot tell it."""
    held = theirs.group_by("contract_line_id").agg(
        pl.col("contract_id").first(), pl.col("currency").drop_nulls().unique().sort().str.join(", "),
        pl.col("amount").abs().sum().alias("held"), pl.col("evidence").explode().drop_nulls().unique().sort(),
    )  # fmt: skip
    found = foreign.join(held, on="contract_line_id", how="inner").sort("contract_line_id").with_columns(
        pl.col("contract_line_id").str.strip_prefix(WHOLE_CONTRACT)
    )
    text = "The revenue engine keeps {} in {}; its contract is in {}, and the amounts are not compared."
    message = pl.format(text, "contract_line_id", "currency", "own")
    remedy = "Keep the line in the contract's currency, or in the company's own, in the revenue engine."
    return found.select(
        *finding_columns("schedule_differs", "high", "contract_line", message, remedy), pl.col("contract_line_id").alias("entity_id"),
        "contract_id", pl.lit("currency").alias("field"), pl.lit(["revrec"]).alias("systems"), pl.col("held").alias("amount_at_risk"),
        "currency", "evidence",
    )  # fmt: skip


def _missed_amendments(rows: pl.DataFrame, amendments: pl.DataFrame) -> pl.DataFrame:
    grounds = amendments.group_by("amendment_id").agg(
        pl.col("date").first(), pl.col("evidence").explode().drop_nulls().unique().sort().alias("of_amendment")
    )
    found = rows.filter("is_past").group_by("amendment_id", "contract_id", "currency").agg(
        pl.col("difference").sum().alias("gap"), pl.col("contract_line_id").unique().sort().str.join(", ").alias("lines"),
        pl.col("their_evidence").explode().drop_nulls().unique().sort(),
    ).join(grounds, on="amendment_id", how="left")  # fmt: skip
    message = pl.format(
        "The revenue engine goes on with {} as before amendment {} of {}; it has recognized {} {} {} than the amended terms give.",
        "lines", "amendment_id", pl.col("date").cast(pl.String), amount_text(pl.col("gap").abs()), pl.col("currency").fill_null(""),
        pl.when(pl.col("gap") < 0).then(pl.lit("less")).otherwise(pl.lit("more")),
    )  # fmt: skip
    remedy = "Enter the amendment in the revenue engine and let it recalculate the contract (606-10-25-10 to 25-13)."
    return found.select(
        *finding_columns("missed_amendment", "high", "amendment", message, remedy),
        pl.col("amendment_id").alias("entity_id"), "contract_id",
        pl.lit(["revrec"]).alias("systems"), pl.col("gap").abs().alias("amount_at_risk"), "currency",
        pl.concat_list("of_amendment", "their_evidence").alias("evidence"), pl.col("date").cast(pl.Date).alias("since"),
    )  # fmt: skip


def _without_evidence(rows: pl.DataFrame) -> pl.DataFrame:
    said = (amount_text(pl.col("difference")), pl.col("currency").fill_null(""), "contract_line_id", "period")
    message = pl.when(pl.col("detail").is_null()).then(
        pl.format("{} {} recognized on {} in {}, a period without any evidence of performance.", *said)
    ).otherwise(pl.format("{} {} recognized on {} in {} for work that is not approved: {}.", *said, pl.col("detail").fill_null("")))
    remedy = "Reverse the line, or supply what it rests on: approved hours, an acceptance, units delivered."
    return rows.select(
        *finding_columns("recognition_without_evidence", "high", "revenue_schedule_line", message, remedy),
        pl.col("schedule_line_id").alias("entity_id"), pl.lit("contract_line").alias("related_entity"),
        pl.col("contract_line_id").alias("related_id"), "contract_id", "period", pl.lit(["revrec"]).alias("systems"),
        pl.col("difference").abs().alias("amount_at_risk"), "currency", pl.col("their_evidence").alias("evidence"), _last_day("period"),
    )  # fmt: skip


def _without_recognition(rows: pl.DataFrame) -> pl.DataFrame:
    said = (amount_text(pl.col("difference").abs()), pl.col("currency").fill_null(""), "contract_line_id", "period")
    message = pl.when(pl.col("detail").is_null()).then(
        pl.format("{} {} earned on {} in {} by the evidence at hand, and nothing recognized.", *said)
    ).otherwise(pl.format("{} {} earned on {} in {} and not recognized: {}.", *said, pl.col("detail").fill_null("")))
    remedy = "See why the evidence did not reach the revenue engine, and let it recognize the period."
    return rows.select(
        *finding_columns("evidence_without_recognition", "high", "contract_line", message, remedy),
        pl.col("contract_line_id").alias("entity_id"), "contract_id", "period", pl.lit(["revrec"]).alias("systems"),
        pl.col("difference").abs().alias("amount_at_risk"), "currency", pl.col("their_evidence").alias("evidence"), _last_day("period"),
    )  # fmt: skip


def _differing(rows: pl.DataFrame) -> pl.DataFrame:
    found = rows.group_by("contract_line_id", "of_contract", "contract_id", "currency", "cause").agg(
        pl.col("difference").abs().max().alias("largest"), pl.col("period").min().alias("first"), pl.len().alias("periods"),
        pl.col("detail").drop_nulls().first(), pl.col("their_evidence").explode().drop_nulls().unique().sort(),
    )  # fmt: skip
    says = pl.col("cause").replace_strict(_SAYS, return_dtype=pl.String)
    says = says.str.replace("{detail}", pl.col("detail").fill_null(""), literal=True)
    message = pl.format(
        "The revenue engine {} on {}: {} period(s) differ from {} on, by up to {} {}.", says, "contract_line_id", "periods", "first",
        amount_text(pl.col("largest")), pl.col("currency").fill_null(""),
    )  # fmt: skip
    severity = pl.col("cause").replace_strict(_SEVERITY, return_dtype=pl.String)
    remedy = pl.col("cause").replace_strict(_REMEDY, return_dtype=pl.String)
    entity = pl.when("of_contract").then(pl.lit("contract")).otherwise(pl.lit("contract_line"))
    return found.select(
        *finding_columns("schedule_differs", severity, entity, message, remedy), pl.col("contract_line_id").alias("entity_id"),
        "contract_id", pl.col("cause").alias("field"), pl.lit(["revrec"]).alias("systems"), pl.col("largest").alias("amount_at_risk"),
        "currency", pl.col("their_evidence").alias("evidence"), _last_day("first"),
    )  # fmt: skip


def _last_day(period: str) -> pl.Expr:
    """Return the last day of a calendar month's label, from when its difference stands; other labels do not tell it."""
    return (pl.col(period) + "-01").str.to_date("%Y-%m-%d", strict=False).dt.month_end().alias("since")
