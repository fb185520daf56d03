"""Targets that are missed: a finding each, where the policy of the KPI gives its target a severity."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.policy.kinds.kpi import CURRENCY, KpiPolicy
from engine.policy.loaded import LoadedPolicy


def missed_targets(loaded: LoadedPolicy, policy: KpiPolicy, made: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return the findings of one KPI: by dimension, of the last month that has ended, or of the as-of date.

    A month that still runs is not judged. The finding bears no period, so that it is one while the target is missed.
    """
    severity = None if policy.target is None else policy.target.severity
    mine = made.filter(
        (pl.col("rule") == policy.id) & (pl.col("policy_fingerprint") == loaded.fingerprint) & (pl.col("status") == "missed")
        & (pl.col("period") == _judged(policy, as_of)) & pl.lit(severity is not None)
    )  # fmt: skip
    value = pl.col("value").cast(pl.Decimal(38, policy.decimals)).cast(pl.String)
    message = pl.concat_str(
        pl.lit(f"{policy.title} ("), pl.col("dimension"), pl.lit(") is "), value, pl.lit(" "), pl.col("unit"), pl.lit(" in "),
        pl.col("period"), pl.lit(", and its target "), pl.col("target"), pl.lit("."),
    )  # fmt: skip
    return mine.select(
        pl.lit("kpi").alias("entity"), pl.concat_str("kpi", "dimension", "unit", separator="|").alias("entity_id"),
        pl.lit("kpi_missed").alias("kind"), pl.lit(policy.id).alias("rule"), pl.lit("kpi").alias("stage"),
        pl.lit(severity, dtype=pl.String).alias("severity"),
        pl.col("dimension").str.extract(r"^legal_entity=(.*)$").alias("legal_entity_id"),
        pl.col("target").alias("owner_value"), value.alias("consumer_value"),
        (pl.col("unit") if policy.unit == CURRENCY else pl.lit(None, dtype=pl.String)).alias("currency"), message.alias("message"),
        pl.lit("Look at what the figure is made of, or have the target changed.").alias("remedy"), pl.lit(policy.owner).alias("owner"),
        pl.lit([], dtype=pl.List(pl.String)).alias("evidence"), pl.lit(loaded.fingerprint).alias("policy_fingerprint"),
    )  # fmt: skip


def _judged(policy: KpiPolicy, as_of: dt.date) -> str:
    if policy.period == "month" and (as_of + dt.timedelta(days=1)).day != 1:
        as_of = as_of.replace(day=1) - dt.timedelta(days=1)
    return as_of.strftime("%Y-%m")
