"""The firm's figures: value, target and formula, the months before, and what each run said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import polars as pl

from dashboard.views.workspace import RunEntry, output

TOTAL: Final = "total"
MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class Figure:
    """One KPI of the whole firm in a unit: its value now and in the months before."""

    kpi: str
    unit: str
    period: str
    value: Decimal | None
    before: Decimal | None
    """The month before."""
    target: str | None
    status: str
    formula: str
    rule: str
    trend: tuple[tuple[str, Decimal | None], ...]
    missing: int = 0
    """How many facts belong to the value and state no amount."""
    missing_of: str | None = None

    @property
    def title(self) -> str:
        """Return the KPI's name as words."""
        text = self.kpi.replace("_", " ")
        return {"wip": "WIP", "dso": "DSO"}.get(text, text.capitalize()).replace("Wip", "WIP")


def figures(run: RunEntry) -> list[Figure]:
    """Return every KPI of the whole firm: of the run's month, or of the last month before that has it."""
    frame = output(run, "kpis")
    if frame is None:
        return []
    month = f"{run.as_of:%Y-%m}"
    rows = frame.filter((pl.col("dimension") == TOTAL) & (pl.col("period") <= month)).sort("kpi", "unit", "period").collect()
    found = []
    for part in rows.partition_by("kpi", "unit", maintain_order=True):
        months = part.tail(MONTHS).to_dicts()
        last = months[-1]
        found.append(
            Figure(
                last["kpi"],
                last["unit"],
                last["period"],
                last["value"],
                months[-2]["value"] if len(months) > 1 else None,
                last["target"],
                last["status"],
                last["formula"],
                last["rule"],
                tuple((each["period"], each["value"]) for each in months),
                last.get("missing") or 0,
                last.get("missing_of"),
            )
        )
    return found


def over_runs(runs: Sequence[RunEntry], kpi: str, period: str) -> pl.DataFrame:
    """Return what each run said of a KPI of the whole firm in a period, the earliest run first."""
    found: list[dict[str, Any]] = []
    for run in sorted(runs, key=lambda each: (each.as_of, each.run_id)):
        frame = output(run, "kpis")
        if frame is None:
            continue
        wanted = (pl.col("kpi") == kpi) & (pl.col("dimension") == TOTAL) & (pl.col("period") == period)
        rows = frame.filter(wanted).select("unit", "value").sort("unit").collect()
        found += [{"run": run.run_id, "as_of": run.as_of, **each} for each in rows.to_dicts()]
    schema = pl.Schema({"run": pl.String(), "as_of": pl.Date(), "unit": pl.String(), "value": pl.Decimal(38, 6)})
    return pl.DataFrame(found, schema=schema, orient="row")


def by_dimension(run: RunEntry, kpi: str, period: str) -> pl.LazyFrame | None:
    """Return a KPI of a period by every dimension it is told by."""
    frame = output(run, "kpis")
    if frame is None:
        return None
    split = pl.col("dimension").str.splitn("=", 2).struct
    # Runs of before this was told have no such column.
    missing = pl.col("missing") if "missing" in frame.collect_schema() else pl.lit(None, dtype=pl.Int64).alias("missing")
    return (
        frame.filter((pl.col("kpi") == kpi) & (pl.col("period") == period) & (pl.col("dimension") != TOTAL))
        .with_columns(split.field("field_0").alias("by"), split.field("field_1").alias("of"))
        .select("by", "of", "value", "unit", "numerator", "denominator", "status", missing)
    )
