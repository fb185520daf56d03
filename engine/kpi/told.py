"""What findings about figures have in common: which month is judged, and the shape of a row."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.canonical.kinds import MONEY
from engine.policy.kinds.kpi import CURRENCY, KpiPolicy
from engine.policy.loaded import LoadedPolicy


def judged_period(policy: KpiPolicy, as_of: dt.date) -> str:
    """Return the last month that has ended, or for figures as of a day its month."""
    if policy.period == "month" and (as_of + dt.timedelta(days=1)).day != 1:
        as_of = as_of.replace(day=1) - dt.timedelta(days=1)
    return as_of.strftime("%Y-%m")


def decides(policy: KpiPolicy, period: str, as_of: dt.date) -> bool:
    """Say whether the version decides a period: by its last day, the as-of date at most."""
    following = dt.date(int(period[:4]) + int(period[5:]) // 12, int(period[5:]) % 12 + 1, 1)
    end = min(following - dt.timedelta(days=1), as_of)
    return policy.effective_from <= end and (policy.effective_to is None or end <= policy.effective_to)


def month_before(period: str, months: int = 1) -> str:
    """Return the label of an earlier month."""
    year, month = divmod(int(period[:4]) * 12 + int(period[5:]) - 1 - months, 12)
    return f"{year:04d}-{month + 1:02d}"


def told(value: str, policy: KpiPolicy) -> pl.Expr:
    """Return a figure's value as text with the decimals of its policy."""
    return pl.col(value).cast(pl.Decimal(38, policy.decimals)).cast(pl.String)


def figure_findings(
    rows: pl.DataFrame, loaded: LoadedPolicy, policy: KpiPolicy, kind: str, severity: str, message: pl.Expr, remedy: str
) -> pl.DataFrame:
    """Return a finding for each row of figures.

    `owner_value` and `consumer_value`: what was expected and what is; `amount` and `currency` may be missing, `period` is
    that of an event and stays out where a state goes on.
    """
    nothing = pl.lit(None, dtype=pl.String)
    present = rows.columns
    unit = pl.col("unit") if policy.unit == CURRENCY else nothing
    return rows.select(
        pl.lit("kpi").alias("entity"), pl.concat_str("kpi", "dimension", "unit", separator="|").alias("entity_id"),
        pl.lit(kind).alias("kind"), pl.lit(policy.id).alias("rule"), pl.lit("kpi").alias("stage"), pl.lit(severity).alias("severity"),
        pl.col("dimension").str.extract(r"^legal_entity=(.*)$").alias("legal_entity_id"), "owner_value", "consumer_value",
        (pl.col("period_of") if "period_of" in present else nothing).alias("period"),
        (pl.col("amount") if "amount" in present else pl.lit(None, dtype=MONEY)).alias("amount_at_risk"),
        (pl.col("currency") if "currency" in present else unit).alias("currency"), message.alias("message"),
        pl.lit(remedy).alias("remedy"), pl.lit(policy.owner).alias("owner"),
        pl.lit([], dtype=pl.List(pl.String)).alias("evidence"), pl.lit(loaded.fingerprint).alias("policy_fingerprint"),
    )  # fmt: skip
