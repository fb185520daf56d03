"""Findings: data against a rule, as rows of one shape with an identity that holds across runs.

Stages build findings as Polars frames with whatever columns they know; `finish_findings` fills
the rest, computes the stable id and gives the normative column order.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.hashing import ID_LENGTH, hash_columns

FINDING_SCHEMA: Final[dict[str, pl.DataType]] = {
    "finding_id": pl.String(),
    "stage": pl.String(),
    "kind": pl.String(),
    "rule": pl.String(),
    "severity": pl.String(),
    "entity": pl.String(),
    "entity_id": pl.String(),
    "related_entity": pl.String(),
    "related_id": pl.String(),
    "contract_id": pl.String(),
    "legal_entity_id": pl.String(),
    "systems": pl.List(pl.String()),
    "field": pl.String(),
    "period": pl.String(),
    "amount_at_risk": MONEY,
    "currency": pl.String(),
    "owner_value": pl.String(),
    "consumer_value": pl.String(),
    "since": pl.Date(),
    "message": pl.String(),
    "remedy": pl.String(),
    "owner": pl.String(),
    "evidence": pl.List(pl.String()),
    "policy_fingerprint": pl.String(),
    "cause_id": pl.String(),
    "cause_rule": pl.String(),
}
"""Columns of `findings.parquet`, in order. `field`, `owner_value` and `consumer_value` are filled where a finding is about
one field of a record, `since` where the records tell the day from which the rule is broken, `legal_entity_id` where a break
is in its books. `cause_id` is the finding that explains it (its own id where it stands alone or is the cause), `cause_rule`
the triage rule that said so."""

SEVERITIES: Final = ("low", "medium", "high", "critical")

STAGES: Final = ("read", "quality", "ownership", "billing", "revenue", "reconciliation", "kpi", "triage")

# What makes two findings of different runs the same finding.
IDENTITY: Final = (
    "kind", "rule", "entity", "entity_id", "related_entity", "related_id", "systems", "field", "period",
)  # fmt: skip

def severity_rank(severity: str) -> int:
    """Return 0 for low up to 3 for critical; the order in which findings are shown and judged."""
    return SEVERITIES.index(severity)


def empty_findings() -> pl.DataFrame:
    """Return a findings frame without rows."""
    return pl.DataFrame(schema=FINDING_SCHEMA)


def finish_findings(*frames: pl.DataFrame) -> pl.DataFrame:
    """Join the stages' findings into one frame: full columns, stable ids, one row an id, sorted.

    Missing columns become null. Two rows with one identity are one finding seen twice: the first
    by evidence stays. Order: finding_id.
    """
    present = [_to_schema(frame) for frame in frames if frame.height]
    if not present:
        return empty_findings()
    joined = pl.concat(present)
    identity = [
        pl.col(name).list.sort().list.join(",") if name == "systems" else pl.col(name) for name in IDENTITY
    ]
    return (
        joined.with_columns(finding_id=hash_columns(identity, length=ID_LENGTH))
        .sort("finding_id", pl.col("evidence").list.join(","), "message", nulls_last=True)
        .unique("finding_id", keep="first", maintain_order=True)
    )


def _to_schema(frame: pl.DataFrame) -> pl.DataFrame:
    unknown = set(frame.columns) - set(FINDING_SCHEMA)
    assert not unknown, f"a stage made finding columns that are not in the schema: {sorted(unknown)}"
    return frame.select(
        pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in FINDING_SCHEMA.items()
    )
