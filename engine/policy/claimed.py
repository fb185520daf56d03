"""Records that two limited policies are both for: one of them counts, and that is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from engine.findings import FINDING_SCHEMA
from engine.policy.kinds.base import PolicyFile

_SHOWN: Final = 5


def both_apply(stage: str, what: str, counts: PolicyFile, other: PolicyFile, records: Sequence[str]) -> pl.DataFrame:
    """Return the finding that both policies are for the records, of which the first one counts; nothing for no record."""
    if not records:
        return pl.DataFrame(schema=FINDING_SCHEMA)
    names = sorted(records)
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    row = {
        "stage": stage, "kind": "policies_overlap", "rule": "policies_overlap", "severity": "medium", "entity": "policy",
        "entity_id": counts.id, "related_entity": "policy", "related_id": other.id, "field": what, "owner": other.owner,
        "message": f"{len(names):,} {what.replace('_', ' ')} {'record meets' if len(names) == 1 else 'records meet'} the conditions of "
        f"both '{counts.id}' and '{other.id}', and '{counts.id}' counts: {', '.join(names[:_SHOWN])}{more}.",
        "remedy": "Narrow the condition of one of the two policies, so that each is for records of its own.",
    }  # fmt: skip
    return pl.DataFrame([row], schema=FINDING_SCHEMA)
