"""One KPI from its facts: numerator and denominator by period and dimension, the exact ratio, the status."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import polars as pl

from engine.canonical.kinds import DECIMAL_PRECISION, MONEY
from engine.condition.compile import quotient
from engine.exchange import with_rate
from engine.kpi.places import amount_of
from engine.policy.facts import FACTS
from engine.policy.kinds.kpi import CURRENCY, KpiPolicy, Limits, Measure, Target, measure_condition, measure_value
from engine.policy.loaded import LoadedPolicy

KPI_SCHEMA: Final[dict[str, pl.DataType]] = {
    "kpi": pl.String(), "period": pl.String(), "dimension": pl.String(), "value": MONEY, "unit": pl.String(), "numerator": MONEY,
    "denominator": MONEY, "formula": pl.String(), "target": pl.String(), "status": pl.String(), "rule": pl.String(),
    "policy_fingerprint": pl.String(), "missing": pl.Int64(), "missing_of": pl.String(),
}  # fmt: skip
"""Columns of `kpis.parquet`; the value has the decimals its policy states.

`missing` counts the facts that belong to the figure and state no amount, `missing_of` says in words which: the value is of the others.
"""

TOTAL: Final = "total"
_KEYS: Final = ("period", "dimension", "unit")
_COUNTS: Final = ("counted", "lacking")
"""By row: how many facts belong to it, and how many of them state no amount."""

_WHOLE: Final = pl.Decimal(DECIMAL_PRECISION, 0)


@dataclass(frozen=True, slots=True)
class Material:
    """Hold what KPIs are measured on: facts by name, exchange rates, the reporting currency, the day."""

    facts: Mapping[str, pl.LazyFrame]
    rates: pl.LazyFrame
    reporting_currency: str | None
    as_of: dt.date


def measure_kpi(loaded: LoadedPolicy, policy: KpiPolicy, material: Material) -> pl.LazyFrame:
    """Return the rows of one version of a KPI: a row for each period, dimension and unit with facts.

    A figure with no denominator, one of 0 or less, or an amount that no rate converts has no value and
    the status `not_available`: a loss on revenue below 0 would else be told as a margin above 100 %.
    """
    as_of = material.as_of
    above = _measured(loaded, policy, policy.numerator, ("numerator",), material).rename({"amount": "numerator"})
    if policy.denominator is None:
        nobody = [pl.lit(None, dtype=pl.UInt32).alias(f"{name}_right") for name in _COUNTS]
        joined = above.with_columns(pl.lit(None, dtype=MONEY).alias("denominator"), *nobody)
        value = pl.col("numerator") * pl.lit(policy.scale)
    else:
        below = _measured(loaded, policy, policy.denominator, ("denominator",), material).rename({"amount": "denominator"})
        joined = above.join(below, on=list(_KEYS), how="full", coalesce=True)
        # Nothing counted above is nothing, not unknown.
        nothing = pl.col("counted").is_null()
        joined = joined.with_columns(pl.when(nothing).then(pl.lit(0).cast(MONEY)).otherwise("numerator").alias("numerator"))
        value = _ratio(policy)
    rounded = value.round(policy.decimals, mode="half_away_from_zero").cast(MONEY)
    rows = joined.filter(_in_force(policy, as_of)).with_columns(rounded.alias("value"))
    return rows.select(
        pl.lit(policy.kpi).alias("kpi"), "period", "dimension", "value", "unit", "numerator", "denominator",
        pl.lit(policy.formula).alias("formula"), _by_dimension(policy.target, _words).alias("target"),
        _by_dimension(policy.target, _status).alias("status"), pl.lit(policy.id).alias("rule"),
        pl.lit(loaded.fingerprint).alias("policy_fingerprint"), *_missing(policy),
    ).cast(dict(KPI_SCHEMA))  # type: ignore[arg-type]  # fmt: skip


def _measured(loaded: LoadedPolicy, policy: KpiPolicy, measure: Measure, place: tuple[str, ...], material: Material) -> pl.LazyFrame:
    """Return a measure by period, dimension and unit."""
    as_of = material.as_of
    frame = material.facts[measure.facts].with_columns(pl.lit(as_of).alias("as_of"))
    if not FACTS[measure.facts].is_ahead:
        frame = frame.filter(pl.col("date") <= as_of)
    condition = measure_condition(measure, loaded.document, place)
    if condition is not None:
        frame = frame.filter(condition.expression.fill_null(value=False))
    compiled = measure_value(measure, loaded.document, place)
    amount = pl.lit(1) if compiled is None else compiled.expression
    unit = pl.col(CURRENCY).fill_null("?") if policy.unit == CURRENCY else pl.lit(policy.unit)
    raw = amount.cast(MONEY)
    lacks = raw.is_null()
    known = pl.lit(value=True)
    if policy.convert:
        frame = with_rate(frame, material.rates, material.reporting_currency, as_of)
        known = raw.is_null() | pl.col("rate").is_not_null()
        raw = amount_of(raw, pl.col("rate"))
        unit = pl.lit(material.reporting_currency or "?") if policy.unit == CURRENCY else unit
    places = [name for name in policy.by if name != TOTAL]
    month = pl.col("date").dt.month_start().alias("month")
    counts = (pl.lit(1, dtype=pl.UInt32).alias("counted"), lacks.cast(pl.UInt32).alias("lacking"))
    base = frame.select(month, "date", unit.alias("unit"), raw.alias("amount"), known.alias("known"), *counts, *places)
    base = _within(base, measure, policy, as_of)
    if measure.median is None:
        # Added up by all places at once: each dimension then groups few rows instead of every fact.
        base = base.group_by("month", "unit", *places).agg(_sum(), pl.col("known").all(), *(pl.col(name).sum() for name in _COUNTS))
    base = _trailing(base, measure, policy, as_of)
    return pl.concat([_grouped(base, name, measure) for name in policy.by])


def _within(base: pl.LazyFrame, measure: Measure, policy: KpiPolicy, as_of: dt.date) -> pl.LazyFrame:
    """Return the facts of the window that ends with the as-of date, all of them in its month."""
    if policy.period == "month":
        return base
    if measure.months is not None:
        base = base.filter(pl.col("date") > pl.lit(as_of).dt.offset_by(f"-{measure.months}mo"))
    return base.with_columns(pl.lit(as_of).dt.month_start().alias("month"))


def _trailing(base: pl.LazyFrame, measure: Measure, policy: KpiPolicy, as_of: dt.date) -> pl.LazyFrame:
    """Let each fact count in the months whose trailing window holds it."""
    if policy.period == "as_of" or measure.months is None:
        return base
    spread = base.with_columns(pl.int_ranges(0, measure.months).alias("later")).explode("later")
    month = pl.col("month").dt.offset_by(pl.col("later").cast(pl.String) + "mo")
    return spread.filter(month <= as_of).with_columns(month.alias("month")).drop("later")


def dimension_of(column: str, value: str = "") -> str:
    """Return how a row of a dimension is named: `legal_entity=LE-EU`."""
    return f"{column.removesuffix('_id')}={value}"


def _grouped(base: pl.LazyFrame, name: str, measure: Measure) -> pl.LazyFrame:
    label = pl.lit(TOTAL) if name == TOTAL else pl.lit(dimension_of(name)) + pl.col(name).fill_null("none")
    statistic = _sum() if measure.median is None else exact_median(pl.col("amount"))
    # One amount that no rate converts makes the whole figure unknown.
    told = pl.when(pl.col("known").all()).then(statistic.cast(MONEY))
    counts = [pl.col(name).sum() for name in _COUNTS]
    grouped = base.group_by("month", "unit", label.alias("dimension")).agg(told.alias("amount"), *counts)
    return grouped.select(pl.col("month").dt.strftime("%Y-%m").alias("period"), "dimension", "unit", "amount", *_COUNTS)


def _missing(policy: KpiPolicy) -> tuple[pl.Expr, pl.Expr]:
    """Return how many facts of a figure state no amount, and in words which; nothing where all do."""
    sides = {"": policy.numerator}
    below = policy.denominator
    # What is divided by the same facts lacks the same of them.
    if below is not None and (below.facts, below.where) != (policy.numerator.facts, policy.numerator.where):
        sides["_right"] = below
    count = pl.sum_horizontal([pl.col(f"lacking{side}").fill_null(0) for side in sides])
    told = []
    for side, measure in sides.items():
        if measure.expression is None:
            continue
        lacking, counted = (pl.col(f"{name}{side}").cast(pl.String) for name in ("lacking", "counted"))
        limit = f" where {measure.where}" if measure.where is not None else ""
        source = ", ".join(FACTS[measure.facts].needs)
        meant = f" facts of {measure.facts}{limit} have no {measure.expression[1]}" + (f" (made of {source})" if source else "")
        words = pl.concat_str(lacking, pl.lit(" of "), counted, pl.lit(meant))
        told.append(pl.when(pl.col(f"lacking{side}") > 0).then(words))
    none = pl.lit(None, dtype=pl.String)
    which = pl.concat_str(*told, separator="; ", ignore_nulls=True) if told else none
    return pl.when(count > 0).then(count).alias("missing"), pl.when(count > 0).then(which).alias("missing_of")


def _sum() -> pl.Expr:
    """Return the sum of the amounts that are known: nothing known is not known, and no 0."""
    return pl.when(pl.col("amount").count() > 0).then(pl.col("amount").sum()).alias("amount")


def exact_median(values: pl.Expr) -> pl.Expr:
    """Return the exact median of decimals: the middle one, or half the sum of the middle two."""
    known = values.drop_nulls().sort()
    low, high = known.get((known.len() - 1) // 2, null_on_oob=True), known.get(known.len() // 2, null_on_oob=True)
    return (low + high) * pl.lit(Decimal("0.5"), dtype=MONEY)


def _ratio(policy: KpiPolicy) -> pl.Expr:
    """Return numerator ÷ denominator × scale, rounded once, half away from zero."""
    above = pl.col("numerator").to_physical().cast(_WHOLE) * pl.lit(policy.scale)
    below = pl.when(pl.col("denominator") > 0).then(pl.col("denominator")).to_physical().cast(_WHOLE)
    return quotient(above.cast(_WHOLE), below, 0, policy.decimals, half_even=False).cast(MONEY)


def _in_force(policy: KpiPolicy, as_of: dt.date) -> pl.Expr:
    """Return whether the version decides a row: by the last day of its period, the as-of date at most."""
    end = pl.min_horizontal((pl.col("period") + "-01").str.to_date("%Y-%m-%d").dt.month_end(), pl.lit(as_of))
    begun = end >= pl.lit(policy.effective_from)
    return begun if policy.effective_to is None else begun & (end <= pl.lit(policy.effective_to))


def _by_dimension(target: Target | None, told: Callable[[Limits | None], pl.Expr]) -> pl.Expr:
    """Return what limits say of a row: those of its dimension, else those of all."""
    said = told(target)
    for name, limits in ({} if target is None else target.by).items():
        said = pl.when(pl.col("dimension") == name).then(told(limits)).otherwise(said)
    return said


def _words(target: Limits | None) -> pl.Expr:
    return pl.lit(_told(target), dtype=pl.String)


def _told(target: Limits | None) -> str | None:
    if target is None:
        return None
    parts = [f"≥ {target.at_least}" if target.at_least is not None else "", f"≤ {target.at_most}" if target.at_most is not None else ""]
    return " and ".join(part for part in parts if part) or None


def _status(target: Limits | None) -> pl.Expr:
    value = pl.col("value")
    if target is None or _told(target) is None:
        return pl.when(value.is_null()).then(pl.lit("not_available")).otherwise(pl.lit("no_target"))
    low = value < _money(target.at_least) if target.at_least is not None else pl.lit(value=False)
    high = value > _money(target.at_most) if target.at_most is not None else pl.lit(value=False)
    near_low = value < _money(target.at_least - target.warn) if target.at_least is not None else pl.lit(value=False)
    near_high = value > _money(target.at_most + target.warn) if target.at_most is not None else pl.lit(value=False)
    missed = pl.when(near_low | near_high).then(pl.lit("missed")).when(low | high).then(pl.lit("near"))
    return pl.when(value.is_null()).then(pl.lit("not_available")).otherwise(missed.otherwise(pl.lit("met")))


def _money(value: Decimal) -> pl.Expr:
    return pl.lit(value, dtype=MONEY)
