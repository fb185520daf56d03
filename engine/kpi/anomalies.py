"""Months that stand out from the months before them, ranked by how far they do and what that is worth."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import polars as pl

from engine.canonical.kinds import DECIMAL_PRECISION, MONEY
from engine.condition.compile import quotient
from engine.exchange import with_rate
from engine.kpi.measure import Material, exact_median
from engine.kpi.places import amount_of
from engine.kpi.told import figure_findings, judged_period, month_before, told
from engine.policy.kinds.kpi import CURRENCY, Anomaly, KpiPolicy
from engine.policy.loaded import LoadedPolicy

ANOMALY_SCHEMA: Final[dict[str, pl.DataType]] = {
    "rank": pl.Int64(), "kpi": pl.String(), "period": pl.String(), "dimension": pl.String(), "unit": pl.String(), "value": MONEY,
    "expected": MONEY, "spread": MONEY, "months": pl.Int64(), "distance": MONEY, "amount": MONEY, "currency": pl.String(),
    "weight": MONEY, "stands_out": pl.Boolean(), "rule": pl.String(), "policy_fingerprint": pl.String(),
}  # fmt: skip
"""Columns of `kpi_anomalies.parquet`: every judged figure, the one that weighs most first."""

_ON: Final = ("kpi", "dimension", "unit")
_WHOLE: Final = pl.Decimal(DECIMAL_PRECISION, 0)
# A median deviation of 1 is a standard deviation of 1.4826 where figures scatter as they usually do.
_SCATTER: Final = Decimal("1.4826")
_FURTHEST: Final = 100


def judged_figures(loaded: LoadedPolicy, policy: KpiPolicy, made: pl.DataFrame, material: Material) -> pl.DataFrame:
    """Return one KPI's figures of the last month that has ended beside the median of the months before.

    The spread is the median distance of those months from their median, as a standard deviation, and at least 1 % of the
    median: months that are all alike would else make any cent stand out. The distance is counted in spreads, 100 at most.
    """
    anomaly = policy.anomaly
    if anomaly is None:
        return _none()
    period = judged_period(policy, material.as_of)
    own = made.filter(pl.col("rule") == policy.id)
    now = own.filter((pl.col("period") == period) & (pl.col("policy_fingerprint") == loaded.fingerprint) & pl.col("value").is_not_null())
    expected = _expected(_history(own, policy, anomaly, period))
    beside = now.join(expected, on=list(_ON)).filter(pl.col("months") >= anomaly.months_at_least)
    gap = (pl.col("value") - pl.col("expected")).abs()
    spread = pl.max_horizontal(
        amount_of(pl.col("deviation"), pl.lit(_SCATTER)), amount_of(pl.col("expected").abs(), pl.lit(Decimal("0.01")))
    )
    measured = beside.with_columns(gap.alias("gap"), spread.alias("spread")).with_columns(_distance().alias("distance"), _amount(policy))
    far = pl.col("distance") >= pl.lit(anomaly.distance, dtype=MONEY)
    dear = pl.col("amount") >= pl.lit(anomaly.amount_at_least, dtype=MONEY)
    weighed = _weighed(measured, policy, material).with_columns(
        pl.lit(0, dtype=pl.Int64).alias("rank"), (far & dear).fill_null(value=False).alias("stands_out")
    )
    return weighed.select(pl.col(name).cast(dtype) for name, dtype in ANOMALY_SCHEMA.items())


def ranked(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the figures of all KPIs, the one with the greatest distance × amount first."""
    joined = pl.concat([_none(), *parts])
    first = joined.sort("weight", "kpi", "dimension", "unit", descending=[True, False, False, False], nulls_last=True)
    return first.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("rank"))


def anomaly_findings(loaded: LoadedPolicy, policy: KpiPolicy, figures: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for each figure that stands out by distance and by money, where the policy gives a severity."""
    severity = None if policy.anomaly is None else policy.anomaly.severity
    out = figures.filter(pl.lit(severity is not None)).filter("stands_out").with_columns(
        pl.col("period").alias("period_of"), told("expected", policy).alias("owner_value"), told("value", policy).alias("consumer_value")
    )
    message = pl.concat_str(
        pl.lit(f"{policy.title} ("), pl.col("dimension"), pl.lit(") is "), pl.col("consumer_value"), pl.lit(" "), pl.col("unit"),
        pl.lit(" in "), pl.col("period"), pl.lit("; the median of the "), pl.col("months").cast(pl.String), pl.lit(" months before is "),
        pl.col("owner_value"), pl.lit(", "), pl.col("distance").cast(pl.Decimal(38, 2)).cast(pl.String), pl.lit(" spreads away: "),
        pl.col("amount").cast(pl.Decimal(38, 2)).cast(pl.String), pl.lit(" "), pl.col("currency"), pl.lit("."),
    )  # fmt: skip
    remedy = "Find what makes the month unlike those before it."
    return figure_findings(out, loaded, policy, "kpi_anomaly", severity or "low", message, remedy)


def _none() -> pl.DataFrame:
    return pl.DataFrame(schema=ANOMALY_SCHEMA)


def _history(own: pl.DataFrame, policy: KpiPolicy, anomaly: Anomaly, period: str) -> pl.DataFrame:
    """Return the values of the months before; a sum or a count that has no rows since it began was nothing."""
    first = month_before(period, anomaly.months)
    past = own.filter((pl.col("period") < period) & (pl.col("period") >= first))
    rows = past.select(*_ON, "period", "value")
    if policy.denominator is not None or policy.numerator.median is not None:
        return rows.drop_nulls("value")
    months = pl.DataFrame({"period": [month_before(period, each) for each in range(anomaly.months, 0, -1)]})
    begun = own.filter(pl.col("period") < period).group_by(_ON).agg(pl.col("period").min().alias("begun"))
    whole = begun.join(months, how="cross").filter(pl.col("period") >= pl.col("begun"))
    filled = whole.join(rows.with_columns(pl.lit(value=True).alias("counted")), on=[*_ON, "period"], how="left")
    zero = pl.lit(0).cast(MONEY)
    return filled.with_columns(pl.when(pl.col("counted").is_null()).then(zero).otherwise("value").alias("value")).drop_nulls("value")


def _expected(history: pl.DataFrame) -> pl.DataFrame:
    """Return by figure the median of its months, how far they are from it in the median, and how many they are."""
    middle = history.group_by(_ON).agg(exact_median(pl.col("value")).alias("expected"), pl.len().cast(pl.Int64).alias("months"))
    apart = history.join(middle, on=list(_ON)).with_columns((pl.col("value") - pl.col("expected")).abs().alias("apart"))
    return middle.join(apart.group_by(_ON).agg(exact_median(pl.col("apart")).alias("deviation")), on=list(_ON))


def _distance() -> pl.Expr:
    """Return the gap in spreads with two decimals; without any spread a gap is as far as can be."""
    spreads = quotient(pl.col("gap").to_physical().cast(_WHOLE), pl.col("spread").to_physical().cast(_WHOLE), 0, 2, half_even=False)
    furthest = pl.lit(_FURTHEST).cast(MONEY)
    alike = pl.when(pl.col("gap") != 0).then(furthest).otherwise(pl.lit(0).cast(MONEY))
    return pl.when(pl.col("spread") == 0).then(alike).otherwise(pl.min_horizontal(spreads.cast(MONEY), furthest))


def _amount(policy: KpiPolicy) -> pl.Expr:
    """Return what the gap is worth: itself, or of a ratio its part of what stands below."""
    if policy.unit == CURRENCY:
        return pl.col("gap").alias("amount")
    share = amount_of(pl.col("gap"), pl.col("denominator"))
    whole = share.to_physical().cast(_WHOLE)
    return quotient(whole, pl.lit(Decimal(policy.scale), dtype=_WHOLE), 6, 2, half_even=False).cast(MONEY).alias("amount")


def _weighed(rows: pl.DataFrame, policy: KpiPolicy, material: Material) -> pl.DataFrame:
    """Add the weight, distance × amount, in the reporting currency so that figures of all currencies rank together."""
    home = pl.lit(material.reporting_currency, dtype=pl.String)
    currency = pl.col("unit") if policy.unit == CURRENCY else home
    told_in = rows.with_columns(currency.alias("currency"))
    rated = with_rate(told_in.lazy(), material.rates, material.reporting_currency, material.as_of).collect()
    return rated.with_columns(amount_of(amount_of(pl.col("amount"), pl.col("rate")), pl.col("distance")).alias("weight"))
