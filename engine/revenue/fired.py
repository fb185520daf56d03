"""How often each rule of the revenue table decides, and the price of what it decides."""

from __future__ import annotations

import polars as pl

from engine.decision.weigh import HELD, WEIGHED
from engine.policy.loaded import PolicySet
from engine.revenue.contracts.amendments import amended_lines, counted_amendments
from engine.revenue.contracts.gate import contract_frame
from engine.revenue.contracts.lines import asked_lines, line_frame
from engine.revenue.ground.records import read_records
from engine.revenue.ground.settings import ask_treatment, revenue_versions
from engine.stage import Context, Facts


def revenue_fired(facts: Facts, policies: PolicySet, context: Context) -> pl.DataFrame:
    """Return what every rule of the revenue table decides (`WEIGHED`, with `policy` and `version`); money is the lines' price.

    The day of a promise is that of its contract's signature.
    """
    versions = revenue_versions(policies)
    if not versions:
        return pl.DataFrame()
    records = read_records(facts, context)
    contracts = contract_frame(records, versions, context.as_of)
    amended = amended_lines(records, counted_amendments(records, contracts, context.as_of))
    lines = line_frame(records, contracts, amended, versions, context.as_of)
    days = pl.Series([policy.effective_from for _, policy in versions], dtype=pl.Date)
    sort = pl.when(pl.col("status") == "matched").then(pl.lit("decides")).when(pl.col("status") == "conflict").then(pl.lit("overlap"))
    told = lines.select(
        pl.lit(versions[-1][1].id).alias("policy"), pl.lit(days).gather(pl.col("version")).alias("version"),
        sort.otherwise(pl.lit("unmatched")).alias("sort"), pl.when(pl.col("status") == "matched").then("rule").alias("rule"),
        pl.concat_str(pl.lit("offering "), pl.col("offering").fill_null("missing")).alias("words"), "currency",
        pl.col("amount").fill_null(0).cast(WEIGHED["amount"]), "signed_date", "contract_line_id",
    ).with_columns(pl.when(pl.col("sort") != "decides").then("words").alias("words"))  # fmt: skip
    keys = ["policy", "version", "sort", "rule", "words", "currency"]
    return told.group_by(keys).agg(
        pl.len().cast(pl.Int64).alias("records"), pl.col("amount").sum().cast(WEIGHED["amount"]),
        pl.col("signed_date").min().alias("first"), pl.col("signed_date").max().alias("last"),
        pl.col("contract_line_id").min().alias("example"),
    ).select("policy", "version", *WEIGHED).sort(keys, nulls_last=True)  # fmt: skip


def revenue_held(facts: Facts, policies: PolicySet, context: Context) -> pl.DataFrame:
    """Return by promise the rules of the revenue table that hold for it (`HELD`), of a table that lists all of them."""
    versions = revenue_versions(policies)
    if not versions:
        return pl.DataFrame(schema=HELD)
    records = read_records(facts, context)
    contracts = contract_frame(records, versions, context.as_of)
    amended = amended_lines(records, counted_amendments(records, contracts, context.as_of))
    lines = asked_lines(records, contracts, amended, versions, context.as_of)
    told = ask_treatment(lines, versions, records)
    return told.select(pl.col("obligation_id").alias("id"), "contract_id", pl.col("table.rules").alias("rules"))
