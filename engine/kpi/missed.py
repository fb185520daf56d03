"""Targets that are missed: a finding each, where the policy of the KPI gives its target a severity."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.kpi.told import figure_findings, judged_period, told
from engine.policy.kinds.kpi import KpiPolicy
from engine.policy.loaded import LoadedPolicy


def missed_targets(loaded: LoadedPolicy, policy: KpiPolicy, made: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return the findings of one KPI: by dimension, of the last month that has ended, or of the as-of date.

    A month that still runs is not judged. The finding bears no period, so that it is one while the target is missed.
    """
    severity = None if policy.target is None else policy.target.severity
    mine = made.filter(
        (pl.col("rule") == policy.id) & (pl.col("policy_fingerprint") == loaded.fingerprint) & (pl.col("status") == "missed")
        & (pl.col("period") == judged_period(policy, as_of)) & pl.lit(severity is not None)
    )  # fmt: skip
    message = pl.concat_str(
        pl.lit(f"{policy.title} ("), pl.col("dimension"), pl.lit(") is "), told("value", policy), pl.lit(" "), pl.col("unit"),
        pl.lit(" in "), pl.col("period"), pl.lit(", and its target "), pl.col("target"), pl.lit("."),
        pl.when(pl.col("missing") > 0).then(pl.lit(" It is of what is known: ") + pl.col("missing_of") + ".").otherwise(pl.lit("")),
    )  # fmt: skip
    valued = mine.with_columns(pl.col("target").alias("owner_value"), told("value", policy).alias("consumer_value"))
    remedy = "Look at what the figure is made of, or have the target changed."
    return figure_findings(valued, loaded, policy, "kpi_missed", severity or "low", message, remedy)
