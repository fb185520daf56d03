"""Two nights of a large firm, grown from two nights of the sample firm and published as a run publishes.

Every record of the sample stands there many times under ids of its own, so that rules, states, currencies and texts are as they are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from adapters.publish import INPUTS, publish_run, read_manifest
from adapters.store.runs import enter_run
from engine.hashing import ID_LENGTH, hash_columns

FINDINGS: Final = 1_000_000
SCHEDULE: Final = 10_000_000
OTHERS: Final = 1_000_000
CONTRACTS: Final = 100_000

_COPY: Final = "copy"
_ROUND: Final = 2_500
"""Copies of each contract; further copies of its parts belong to these again."""

# Columns that name a record, and so get the number of the copy.
_SHARED: Final = ("contract_id", "contract_number", "project_id", "customer_id")
_OWN: Final = (
    "contract_line_id", "obligation_id", "entity_id", "related_id", "item_id", "match_id", "key", "time_entry_id", "journal_id", "event_id",
)  # fmt: skip

# By output: how many rows it is grown to, and the key it stands sorted by.
_SIZES: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "revenue_schedule": (SCHEDULE, ("contract_id", "contract_line_id", "period", "relates_to_period")),
    "billing_decisions": (OTHERS, ("item_type", "item_id", "part")),
    "matches": (OTHERS, ("reconciliation", "match_id", "side", "entity_id")),
    "journal": (OTHERS, ("journal_id", "line")), "golden/time_entry": (OTHERS, ("time_entry_id",)),
    "contract_balances": (OTHERS, ("contract_id", "period")), "golden/contract": (CONTRACTS, ("contract_id",)),
    "golden/contract_line": (2 * CONTRACTS, ("contract_line_id",)), "golden/project": (CONTRACTS, ("project_id",)),
    "golden/customer": (CONTRACTS // 10, ("customer_id",)), "obligations": (2 * CONTRACTS, ("obligation_id",)),
    "golden/integration_event": (OTHERS // 10, ("event_id",)), "disclosures": (OTHERS // 10, ("disclosure", "contract_id")),
    "time_revenue": (OTHERS, ("time_entry_id",)),
}  # fmt: skip


def grown(frame: pl.DataFrame, rows: int, key: Sequence[str]) -> pl.DataFrame:
    """Return a frame with so many rows, each copy under ids of its own, sorted by its key."""
    if frame.is_empty():
        return frame
    many = frame.lazy().join(pl.LazyFrame({_COPY: pl.arange(-(-rows // frame.height), eager=True)}), how="cross")
    number = pl.col(_COPY).cast(pl.String)
    renamed = [
        pl.concat_str(each, pl.lit("-"), (pl.col(_COPY) % _ROUND).cast(pl.String) if each in _SHARED else number).alias(each)
        for each in (*_SHARED, *_OWN)
        if each in frame.columns
    ]
    hashed = [
        pl.when(pl.col(each).is_not_null()).then(hash_columns([pl.col(each), number], length=ID_LENGTH)).alias(each)
        for each in ("finding_id", "cause_id")
        if each in frame.columns
    ]
    # Whole copies stay together, so that a cause comes with its symptoms.
    many = many.sort(_COPY, maintain_order=True).head(rows).with_columns(*renamed, *hashed).drop(_COPY)
    return many.collect().sort([each for each in key if each in frame.columns], nulls_last=True)


def publish_night(small: Path, out: Path, run_id: str, findings: int = FINDINGS, scale: float = 1.0) -> Path:
    """Publish a run that is a small one grown large, enter it in the store and move its cases; return its folder."""
    manifest: dict[str, Any] = read_manifest(small) | {"run_id": run_id}
    frames: dict[str, pl.DataFrame] = {}
    for path in sorted(small.rglob("*.parquet")):
        name = path.relative_to(small).with_suffix("").as_posix()
        frame = pl.read_parquet(path)
        rows, key = _SIZES.get(name, (0, ()))
        frames[name] = grown(frame, int(rows * scale), key) if rows else frame
    frames["findings"] = grown(frames["findings"], findings, ("rule", "entity_id", "finding_id"))
    manifest["counts"] = {name: frame.height for name, frame in sorted(frames.items())}
    inputs = {path.relative_to(small / INPUTS).as_posix(): path.read_bytes() for path in (small / INPUTS).rglob("*") if path.is_file()}
    folder = publish_run(out, run_id, frames, manifest, inputs)
    enter_run(f"sqlite:///{out / 'tieout.db'}", folder, {"snapshot": None, "previous": None})
    return folder
