"""What a contract must say before anything can be earned: each gap is a finding, never a silent nothing."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.revenue.pricing import OUTSIDE
from engine.revenue.records import Records

_OWNER: Final = "revenue accounting"


def input_findings(
    records: Records, contracts: pl.DataFrame, lines: pl.DataFrame, levels: pl.DataFrame, obligations: pl.DataFrame
) -> pl.DataFrame:
    """Return a finding for every contract or promise of which too little is known to recognize its price.

    `lines`: promises as signed and as added, treated and priced. `levels`: what estimates put into prices.
    `obligations`: what the price as signed is shared by.
    """
    return pl.concat(
        [
            _untreated(lines),
            _without_term(lines),
            _unpriced(contracts, lines, levels),
            _without_promise(records, contracts, lines, obligations),
            _undated(records, contracts),
            _improbable(records, contracts, lines),
            _unobserved(records, lines),
            _measured_twice(lines),
        ],
        how="diagonal",
    )


def _untreated(lines: pl.DataFrame) -> pl.DataFrame:
    hit = lines.filter(pl.col("timing").is_null() | pl.col("measure").is_null())
    said = pl.format("No row of the policy says how {} is earned; nothing of it is recognized.", "contract_line_id")
    return _of_lines(hit, "promise_not_treated", "high", said, "State the promise's offering, or add a row to the policy rev-treatment.")


def _without_term(lines: pl.DataFrame) -> pl.DataFrame:
    by_time = (pl.col("timing") == "over_time") & (pl.col("measure") == "time_elapsed") & ~pl.col("pricing").is_in(list(OUTSIDE))
    lacks = pl.col("begins").is_null() | pl.col("ends").is_null()
    hit = lines.filter(by_time & (lacks | (pl.col("ends") < pl.col("begins"))))
    said = (
        pl.when(pl.col("begins").is_null() | pl.col("ends").is_null())
        .then(pl.format("{} is earned by time and has no start or no end; nothing of it is recognized.", "contract_line_id"))
        .otherwise(
            pl.format("{} is earned by time and ends ({}) before it starts ({}).", "contract_line_id", "ends", "begins")
        )
    )  # fmt: skip
    return _of_lines(hit, "promise_without_term", "high", said, "Correct the dates of the line or of its contract.")


def _of_lines(hit: pl.DataFrame, kind: str, severity: str, message: pl.Expr, remedy: str) -> pl.DataFrame:
    return _told(hit, "contract_line", "amount", kind, severity, message, remedy)


def _of_contracts(hit: pl.DataFrame, kind: str, severity: str, message: pl.Expr, remedy: str) -> pl.DataFrame:
    return _told(hit, "contract", "total_value", kind, severity, message, remedy)


def _told(hit: pl.DataFrame, entity: str, amount: str, kind: str, severity: str, message: pl.Expr, remedy: str) -> pl.DataFrame:
    return hit.select(
        *_labels(kind, severity),
        pl.lit(entity).alias("entity"),
        pl.col(f"{entity}_id").alias("entity_id"),
        "contract_id",
        pl.col(amount).abs().alias("amount_at_risk"),
        "currency",
        message.alias("message"),
        pl.lit(remedy).alias("remedy"),
        pl.lit(_OWNER).alias("owner"),
        "evidence",
    )


def _unpriced(contracts: pl.DataFrame, lines: pl.DataFrame, levels: pl.DataFrame) -> pl.DataFrame:
    """Return contracts whose promises state no price, singly or together, and of which nothing is estimated."""
    priced = lines.filter(pl.col("pricing") != "package").select("contract_id").unique()
    hit = (
        contracts.filter(pl.col("total_value").is_null())
        .join(lines.select("contract_id").unique(), on="contract_id", how="semi")
        .join(priced, on="contract_id", how="anti")
        .join(levels.select("contract_id").unique(), on="contract_id", how="anti")
    )
    said = pl.format("No line of contract {} states an amount, and the contract no value: there is no price to recognize.", "contract_id")
    return _of_contracts(hit, "price_missing", "high", said, "State the amount of each line, or the value of the contract.")


def _without_promise(records: Records, contracts: pl.DataFrame, lines: pl.DataFrame, obligations: pl.DataFrame) -> pl.DataFrame:
    """Return contracts with a price and nothing promised for it: no lines, or none but deductions.

    Where no system supplies lines at all, contracts are known by their heads alone, and none of them lacks a promise.
    """
    if not lines.height and not records.frame("contract_line").height:
        contracts = contracts.clear()
    added = lines.filter(pl.col("added_place") > 0).select("group_id")
    earning = pl.concat([obligations.select("group_id"), added]).unique()
    lined = lines.select("contract_id").unique()
    valued = (pl.col("total_value").fill_null(0) != 0) | pl.col("contract_id").is_in(lined["contract_id"].implode())
    hit = contracts.filter(valued).join(earning, on="group_id", how="anti")
    said = pl.format("Contract {} has a price, but no line that promises anything for it.", "contract_id")
    return _of_contracts(hit, "price_without_promise", "high", said, "Enter the lines of the contract, or correct their amounts.")


def _undated(records: Records, contracts: pl.DataFrame) -> pl.DataFrame:
    dates = pl.col("signed_date", "start_date", "criteria_met_date")
    bare = records.frame("contract").filter(pl.all_horizontal(dates.is_null())).select("contract_id")
    # A contract that promises nothing yet has nothing to recognize on any day.
    promised = records.frame("contract_line").select("contract_id").unique()
    hit = contracts.join(bare, on="contract_id", how="semi").join(promised, on="contract_id", how="semi")
    said = pl.format("Contract {} has no date of signing or start: it counts as signed on the day of the run.", "contract_id")
    return _of_contracts(hit, "contract_not_dated", "medium", said, "Enter the date of signing.")


def _improbable(records: Records, contracts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return estimates whose outcomes have probabilities that do not sum to 100 % (606-10-32-8)."""
    outcomes = records.frame("variable_outcome").filter(pl.col("probability_pct").is_not_null())
    odds = outcomes.group_by("estimate_id").agg(pl.col("probability_pct").sum().alias("odds"), pl.col("amount").abs().max().alias("most"))
    hit = odds.filter(pl.col("odds") != 100).join(records.frame("variable_estimate"), on="estimate_id", how="inner")
    own = lines.select("contract_line_id", pl.col("contract_id").alias("line_contract"))
    hit = hit.join(own, on="contract_line_id", how="left").with_columns(pl.coalesce("line_contract", "contract_id").alias("contract_id"))
    hit = hit.join(contracts.select("contract_id", "currency"), on="contract_id", how="inner", suffix=".contract")
    total = pl.col("odds").cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    text = "The probabilities of the outcomes of {} sum to {} %, not to 100 %: what they give is no estimate."
    return hit.sort("estimate_id").select(
        *_labels("probabilities_not_whole", "high"),
        pl.lit("variable_estimate").alias("entity"),
        pl.col("estimate_id").alias("entity_id"),
        "contract_id",
        pl.col("most").alias("amount_at_risk"),
        pl.col("currency.contract" if "currency.contract" in hit.columns else "currency").alias("currency"),
        pl.format(text, "estimate_id", total).alias("message"),
        pl.lit("Correct the probabilities of the outcomes, or state the amount of the estimate.").alias("remedy"),
        pl.lit(_OWNER).alias("owner"),
        "evidence",
    )


def _unobserved(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return promises earned by cost of which cost is on record, but no progress report ever told the cost to date."""
    by_cost = lines.filter((pl.col("measure") == "cost_to_cost") & ~pl.col("pricing").is_in(list(OUTSIDE)))
    told = records.frame("progress").filter(pl.col("cost_to_date").is_not_null()).select("contract_line_id")
    spent = records.frame("contract_cost").filter((pl.col("kind") == "delivery") & (pl.col("amount") != 0)).select("contract_line_id")
    worked = records.frame("time_entry").filter(pl.col("status") == "approved").select("contract_line_id")
    hit = by_cost.join(told, on="contract_line_id", how="anti").join(pl.concat([spent, worked]), on="contract_line_id", how="semi")
    text = "{} is earned by its cost and has cost on record, but no report of the cost to date; nothing of it is recognized."
    said = pl.format(text, "contract_line_id")
    return _of_lines(hit, "progress_not_observed", "medium", said, "Report the cost to date of the line, or choose another measure for it.")


def _measured_twice(lines: pl.DataFrame) -> pl.DataFrame:
    """Return lines of one obligation that are to be measured otherwise than its first (606-10-25-32)."""
    measured = lines.filter(~pl.col("pricing").is_in(list(OUTSIDE)) & (pl.coalesce("amount", pl.lit(1)) != 0))
    measured = measured.filter(pl.len().over("okey") > 1).sort("okey", "contract_line_id")
    first = pl.concat_str("timing", "measure", separator=" ").first().over("okey", order_by="contract_line_id")
    hit = measured.with_columns(first.alias("→first")).filter(pl.concat_str("timing", "measure", separator=" ") != pl.col("→first"))
    said = pl.format("{} is to be earned {} by {}, but its obligation {} has one measure, that of its first line: {}.", "contract_line_id",
                     "timing", "measure", "obligation_id", "→first")  # fmt: skip
    return _of_lines(hit, "measures_differ", "medium", said, "Assign one timing and measure to all lines of the obligation.")


def _labels(kind: str, severity: str) -> list[pl.Expr]:
    return [
        pl.lit("revenue").alias("stage"),
        pl.lit(kind).alias("kind"),
        pl.lit(kind).alias("rule"),
        pl.lit(severity).alias("severity"),
    ]
