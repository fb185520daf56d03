"""Facts about the data itself: how records were entered, findings, and what systems' reports say."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import MONEY
from engine.canonical.schema import ENTITIES
from engine.kpi.places import aged, records, with_places
from engine.policy.facts import FACTS, PLACES
from engine.stage import Context, Facts


def record_facts(facts: Facts, context: Context) -> pl.LazyFrame:
    """Return every agreed record whose system tells how it was entered."""
    names = ["project_id", "contract_id", "contract_line_id", "customer_id", "legal_entity_id", "service_line"]
    parts: list[pl.LazyFrame] = []
    for entity in sorted(set(facts.records) & set(ENTITIES)):
        frame = records(facts, entity)
        fields = ENTITIES[entity].fields
        kept = [pl.col(name) if name in fields else pl.lit(None, dtype=pl.String).alias(name) for name in names]
        known = pl.coalesce(pl.col("recorded_at").dt.date(), pl.lit(context.as_of)).alias("date")
        told = frame.filter(pl.col("entry_mode").is_not_null())
        parts.append(told.select(known, *kept, pl.lit(entity).alias("entity"), "source_system", "entry_mode"))
    if not parts:
        return pl.LazyFrame(schema={name: pl.Date if name == "date" else pl.String for name in FACTS["records"].columns})
    return with_places(pl.concat(parts), facts).drop("contract_line_id")


def finding_facts(facts: Facts, context: Context) -> pl.LazyFrame:
    """Return every finding of the run so far."""
    findings = facts.frame("findings")
    assert findings is not None, "the facts need findings"
    # What is about a day to come is found all the same, and is new.
    began = pl.min_horizontal(pl.coalesce(pl.col("since"), pl.lit(context.as_of)), pl.lit(context.as_of))
    made = findings.select(
        began.alias("date"), "contract_id", "currency", "stage", "kind", "rule", "severity", pl.col("amount_at_risk").alias("amount")
    )
    return aged(with_places(made, facts), "date", context.as_of)


def reported_facts(facts: Facts, _: Context) -> pl.LazyFrame:
    """Return every reported figure beside each other system's figure of the same metric, period and dimension."""
    mine = records(facts, "reported_metric")
    on = ["metric", "period", "dimension", "unit"]
    other = mine.select(*on, pl.col("reported_by").alias("against"), pl.col("value").alias("other"))
    paired = mine.join(other, on=on).filter(pl.col("reported_by") < pl.col("against"))
    ends = (pl.col("period") + "-01").str.to_date("%Y-%m-%d", strict=False).dt.month_end()
    value, beside = pl.col("value").cast(MONEY), pl.col("other").cast(MONEY)
    shown = paired.select(
        ends.alias("date"), "metric", "reported_by", "unit", value.alias("value"), beside.alias("other"),
        (value - beside).abs().alias("gap"),
    )  # fmt: skip
    return shown.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in PLACES if name != "date")
