"""What unexplained findings share that their records do not: suggestions of causes that no rule names."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY, FieldSpec, Kind
from engine.canonical.schema import ENTITIES
from engine.stage import Facts

SUGGESTION_SCHEMA: Final[dict[str, pl.DataType]] = {
    "kind": pl.String(), "entity": pl.String(), "attribute": pl.String(), "value": pl.String(), "first_seen": pl.Date(),
    "findings": pl.Int64(), "of_findings": pl.Int64(), "records": pl.Int64(), "of_records": pl.Int64(), "lift": pl.Decimal(38, 2),
    "amount": MONEY, "currency": pl.String(), "score": MONEY, "message": pl.String(),
}  # fmt: skip
"""Columns of `cause_suggestions.parquet`: `findings` of `of_findings` of a kind bear the value, as do `records` of
`of_records`; lift is how many times more often, score is lift times amount."""

LEAST_FINDINGS: Final = 5
LEAST_LIFT: Final = 2
SHOWN: Final = 50

_NO_ATTRIBUTES: Final = ("name", "note", "description", "error")


def suggested_causes(findings: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """Return shared values scored by lift times amount, the highest first; of findings no rule explains only."""
    alone = findings.filter((pl.col("cause_id") == pl.col("finding_id")) & pl.col("cause_rule").is_null() & (pl.col("stage") != "triage"))
    found = [pl.DataFrame(schema=SUGGESTION_SCHEMA)]
    often = alone.group_by("kind", "entity").len().filter(pl.col("len") >= LEAST_FINDINGS).sort("kind", "entity")
    for entity in often["entity"].drop_nulls().unique().sort():
        frame, spec = facts.frame(entity), ENTITIES.get(entity)
        if frame is None or spec is None:
            continue
        columns = [name for name, each in spec.fields.items() if _is_attribute(each, spec.keys)]
        columns += [name for name in ("created_by", "source_file") if name not in columns]
        records = frame.select(spec.display_key().alias("entity_id"), *columns).collect()
        kinds = often.filter(pl.col("entity") == entity)["kind"]
        mine = alone.filter((pl.col("entity") == entity) & pl.col("kind").is_in(kinds.implode()))
        found += [_shared(mine, records, entity, column) for column in columns]
    order = ["score", "lift", "findings"]
    whole = pl.concat(found).sort([*order, "kind", "entity", "attribute", "value"], descending=[True] * 3 + [False] * 4, nulls_last=True)
    return whole.head(SHOWN)


def _is_attribute(each: FieldSpec, keys: tuple[str, ...]) -> bool:
    return each.kind in (Kind.ID, Kind.TEXT) and each.name not in keys and each.name not in _NO_ATTRIBUTES


def _shared(findings: pl.DataFrame, records: pl.DataFrame, entity: str, column: str) -> pl.DataFrame:
    mine = findings.join(records.select("entity_id", pl.col(column).alias("value")).drop_nulls(), on="entity_id", how="inner")
    whole = mine.group_by("kind").agg(pl.len().cast(pl.Int64).alias("of_findings"))
    values = mine.group_by("kind", "value").agg(
        pl.len().cast(pl.Int64).alias("findings"),
        pl.col("since").min().alias("first_seen"),
        pl.when(pl.col("currency").n_unique() == 1).then(pl.col("amount_at_risk").abs().sum().cast(MONEY)).alias("amount"),
        pl.when(pl.col("currency").n_unique() == 1).then(pl.col("currency").first()).alias("currency"),
    )
    values = values.filter(pl.col("findings") >= LEAST_FINDINGS)
    base = records.filter(pl.col(column).is_in(values["value"].implode())).group_by(pl.col(column).alias("value")).len("records")
    stated = records[column].count()
    joined = values.join(whole, on="kind").join(base, on="value").with_columns(
        pl.col("records").cast(pl.Int64), pl.lit(stated, dtype=pl.Int64).alias("of_records")
    )  # fmt: skip
    share = (pl.col("findings") * pl.col("of_records") * 100) // (pl.col("of_findings") * pl.col("records"))
    scored = joined.with_columns(share.alias("hundredths")).filter(pl.col("hundredths") >= LEAST_LIFT * 100)
    lift = (pl.col("hundredths").cast(pl.Decimal(38, 2)) / 100).cast(pl.Decimal(38, 2))
    message = pl.concat_str(
        pl.col("findings"), pl.lit(" of "), pl.col("of_findings"), pl.lit(f" unexplained {entity.replace('_', ' ')} findings of kind "),
        pl.col("kind"), pl.lit(f" share {column.replace('_', ' ')} "), pl.col("value"), pl.lit(", which "), pl.col("records"),
        pl.lit(" of "), pl.col("of_records"), pl.lit(" records bear."),
    )  # fmt: skip
    return scored.with_columns(
        lift.alias("lift"), pl.lit(entity).alias("entity"), pl.lit(column).alias("attribute"), message.alias("message"),
        (pl.col("amount") * pl.col("hundredths").cast(pl.Decimal(38, 6)) / 100).cast(MONEY).alias("score"),
    ).select(pl.col(name).cast(dtype) for name, dtype in SUGGESTION_SCHEMA.items())  # fmt: skip
