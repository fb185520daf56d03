"""KPI policies: a figure with its numerator, denominator, clock and target, as finance defines it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Literal

import pydantic

from engine.condition.compile import CompiledCondition, compile_condition, compile_value
from engine.condition.scope import Category
from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.facts import FACTS
from engine.policy.kinds.base import PolicyFile, Severity, Strict, Words, refuse_where
from engine.policy.names import near, nearest
from engine.policy.settled import condition_mistakes
from engine.policy.sheets import Sheet
from engine.policy.source import Document, Location

CURRENCY = "currency"


class Measure(Strict):
    """Say what is counted or summed: over which facts, limited by what, and how far back."""

    facts: str
    where: str | None = None
    sum: str | None = None
    median: str | None = None
    months: int | None = pydantic.Field(default=None, ge=1, le=120)

    @property
    def expression(self) -> tuple[str, str] | None:
        """Return which setting holds the expression, and its text; None when rows are counted."""
        if self.sum is not None:
            return "sum", self.sum
        return None if self.median is None else ("median", self.median)

    @pydantic.model_validator(mode="after")
    def _one_statistic(self) -> Measure:
        if self.sum is not None and self.median is not None:
            raise ValueError("a measure is a `sum` or a `median`, or a count when it has neither")
        return self


class Limits(Strict):
    """Say what a figure should be; within `warn` of missing it, it is near."""

    at_least: Decimal | None = None
    at_most: Decimal | None = None
    warn: Decimal = pydantic.Field(default=Decimal(0), ge=0)

    @pydantic.model_validator(mode="after")
    def _can_be_met(self) -> Limits:
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("no figure is both at least and at most this: `at_least` is no more than `at_most`")
        return self


class Target(Limits):
    """Say what a figure should be, with limits of their own for the dimensions in `by` (`service_line=audit`).

    With `severity` a figure that misses its target is a finding.
    """

    severity: Severity | None = None
    by: dict[str, Limits] = pydantic.Field(default_factory=dict)


class ChangeLimits(Strict):
    """Say how far a figure may move, in percent of what it was; a move of less than `amount_at_least` is none."""

    at_most: Decimal = pydantic.Field(gt=0)
    amount_at_least: Decimal = pydantic.Field(default=Decimal(0), ge=0)


class Change(ChangeLimits):
    """Say how far a figure may move from month to month and from run to run, with limits of their own in `by`.

    With `severity` a month that moves further than the month before permits is a finding.
    """

    severity: Severity | None = None
    by: dict[str, ChangeLimits] = pydantic.Field(default_factory=dict)


class Anomaly(Strict):
    """Say when a month stands out from the months before it, and what that is worth.

    `distance` is how far from their median, in spreads; `amount_at_least` what the difference is worth in money. Only
    both together tell. With `severity` it is a finding; the ranking stands in `kpi_anomalies` in any case.
    """

    months: int = pydantic.Field(default=12, ge=3, le=60)
    months_at_least: int = pydantic.Field(default=6, ge=3)
    distance: Decimal = pydantic.Field(default=Decimal("3.5"), gt=0, le=100)
    amount_at_least: Decimal = pydantic.Field(ge=0)
    severity: Severity | None = None

    @pydantic.model_validator(mode="after")
    def _enough(self) -> Anomaly:
        if self.months_at_least > self.months:
            raise ValueError("`months_at_least` is no more than `months`")
        return self


UNITS: Final = ("pct", "days", "hours", "count", CURRENCY)
"""What a figure is counted in; money is one row for each currency, or converted."""

_CODE: Final = re.compile("[A-Z]{3}")


class KpiPolicy(PolicyFile):
    """One KPI: value = numerator ÷ denominator × scale, by period and dimension.

    `formula` is the variant in words, printed beside every figure. `period` is `month` (each fact
    counts in its month) or `as_of` (everything up to the as-of date). `by` names the dimensions.
    With `convert` amounts are told in the reporting currency, all at the spot rates of the as-of
    date, so that months compare at constant rates.
    """

    policy: Literal["kpi"]
    kpi: str = pydantic.Field(pattern=r"^[a-z][a-z0-9_]*$")
    unit: str
    formula: str
    period: Literal["month", "as_of"] = "month"
    by: Words = ("total",)
    numerator: Measure
    denominator: Measure | None = None
    convert: bool = False
    scale: int = pydantic.Field(default=1, ge=1, le=100_000)
    decimals: int = pydantic.Field(default=2, ge=0, le=6)
    target: Target | None = None
    change: Change | None = None
    anomaly: Anomaly | None = None

    def measures(self) -> list[tuple[str, Measure]]:
        """Return the measures with the name of their setting."""
        both = [("numerator", self.numerator), ("denominator", self.denominator)]
        return [(name, each) for name, each in both if each is not None]


def measure_condition(measure: Measure, document: Document, place: Location) -> CompiledCondition | None:
    """Compile what limits a measure, or None when nothing does."""
    if measure.where is None:
        return None
    return compile_condition(measure.where, FACTS[measure.facts].scope(), document.anchor_of((*place, "where")))


def measure_value(measure: Measure, document: Document, place: Location) -> CompiledCondition | None:
    """Compile what a measure sums or takes the median of, or None when it counts rows."""
    if measure.expression is None:
        return None
    setting, text = measure.expression
    return compile_value(text, FACTS[measure.facts].scope(), document.anchor_of((*place, setting)))


def check_kpi(policy: KpiPolicy, document: Document, _: Sheet | None) -> list[Diagnostic]:
    """Check the facts, columns, conditions and dimensions a KPI names."""
    found = refuse_where(policy, document)
    if policy.unit not in UNITS:
        is_money = nearest(policy.unit, [CURRENCY]) is not None or _CODE.fullmatch(policy.unit) is not None
        wrong = f"adds amounts of all currencies, did you mean '{CURRENCY}'?"
        wrong = wrong if is_money else f"is none of {', '.join(UNITS)}{near(policy.unit, UNITS)}"
        found.append(document.diagnostic(codes.INVALID_VALUE, ("unit",), f"the unit '{policy.unit}' {wrong}"))
    for name, measure in policy.measures():
        if measure.facts not in FACTS:
            message = f"there are no facts '{measure.facts}'{near(measure.facts, FACTS)}; the facts are {', '.join(FACTS)}"
            found.append(document.diagnostic(codes.UNKNOWN_FACTS, (name, "facts"), message))
            continue
        found += _check_measure(policy, measure, document, (name,))
    if policy.numerator == policy.denominator:
        message = "the denominator is the numerator: their ratio is always 1"
        found.append(document.diagnostic(codes.SAME_SIDES, ("denominator",), message, prefer_key=True))
    found += _check_dimensions(policy, document, "target", () if policy.target is None else policy.target.by)
    found += _check_dimensions(policy, document, "change", () if policy.change is None else policy.change.by)
    found += _check_anomaly(policy, document)
    if policy.denominator is not None and policy.denominator.median is not None:
        message = "a denominator is a sum or a count"
        found.append(document.diagnostic(codes.INVALID_VALUE, ("denominator", "median"), message))
    return found


def _check_dimensions(policy: KpiPolicy, document: Document, setting: str, named: Iterable[str]) -> list[Diagnostic]:
    """Check that limits of their own stand for dimensions that the KPI is shown by."""
    shown = [each.removesuffix("_id") for each in policy.by if each != "total"]
    found: list[Diagnostic] = []
    for dimension in named:
        name, equals, value = dimension.partition("=")
        if not equals or not value or name not in shown:
            told = ", ".join(f"{each}=…" for each in shown) or "the total alone"
            message = f"the KPI has no dimension '{dimension}'{near(name, shown)}; it is shown by {told}"
            found.append(document.diagnostic(codes.INVALID_VALUE, (setting, "by", dimension), message))
    return found


def _check_anomaly(policy: KpiPolicy, document: Document) -> list[Diagnostic]:
    """Check that there are months to compare, and an amount by which to rank."""
    if policy.anomaly is None:
        return []
    if policy.period != "month":
        return [document.diagnostic(codes.INVALID_VALUE, ("anomaly",), "a month is held against the months before it: `period: month`")]
    if policy.unit != CURRENCY and not (policy.convert and policy.denominator is not None):
        message = "what stands out is ranked by money: the unit is `currency`, or the ratio one of converted amounts (`convert: true`)"
        return [document.diagnostic(codes.INVALID_VALUE, ("anomaly",), message)]
    return []


def _check_measure(policy: KpiPolicy, measure: Measure, document: Document, place: Location) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    condition = measure_condition(measure, document, place)
    value = measure_value(measure, document, place)
    found += condition_mistakes(condition, document.anchor_of((*place, "where"))) if condition is not None else []
    found += value.diagnostics if value is not None else ()
    if value is not None and value.is_valid and value.type.category is not Category.NUMBER:
        setting = measure.expression[0] if measure.expression else ""
        message = f"a {setting} needs numbers, and this is {value.type.words}"
        found.append(document.diagnostic(codes.INVALID_VALUE, (*place, setting), message))
    columns = FACTS[measure.facts].columns
    for name in [*policy.by, *([CURRENCY] if policy.unit == CURRENCY else [])]:
        if name != "total" and name not in columns:
            message = f"the facts '{measure.facts}' have no column '{name}'{near(name, columns)}"
            found.append(document.diagnostic(codes.UNKNOWN_FIELD, ("by",), message))
    return found
