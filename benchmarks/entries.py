"""Time entries of any number, as canonical Parquet or as a vendor's CSV."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from adapters.mapping.library import load_mapping
from adapters.mapping.reverse import write_streams
from engine.canonical.schema import entity_spec


def time_entries(count: int) -> pl.DataFrame:
    """Return `count` plausible time entries; the same for the same count.

    Twenty workdays of the last month for each person, not yet billed and not yet late: what a run
    finds is nothing, and what it takes is the way of the records.
    """
    row = pl.int_range(count, dtype=pl.Int64)
    schema = entity_spec("time_entry").polars_schema(with_provenance=False)
    place, person = row % 20, row // 20
    # The month begins on a Thursday.
    day = pl.date(2026, 10, 1) + pl.duration(days=place + (place + 3) // 5 * 2)
    frame = pl.select(
        (pl.lit("T") + row.cast(pl.String)).alias("time_entry_id"),
        (pl.lit("R") + person.cast(pl.String)).alias("resource_id"),
        (pl.lit("P") + (person % 1500).cast(pl.String)).alias("project_id"),
        (pl.lit("L") + (person % 2500).cast(pl.String)).alias("contract_line_id"),
        day.alias("work_date"),
        ((row % 32 + 1) * 15).cast(pl.Decimal(38, 8)).alias("minutes"),
        (row % 7 != 0).alias("billable"),
        pl.when(row % 11 == 0).then(pl.lit("submitted")).otherwise(pl.lit("approved")).alias("status"),
        (day.cast(pl.Datetime("us", "UTC")) + pl.duration(hours=60)).alias("approved_at"),
        (pl.lit("M") + (row % 60).cast(pl.String)).alias("approved_by"),
        ((row % 90 + 90) * 100).cast(pl.Decimal(38, 10)).alias("cents"),
        pl.lit("EUR").alias("currency"),
        (pl.lit("Workshop, ") + (row % 1000).cast(pl.String)).alias("note"),
    )
    frame = frame.with_columns((pl.col("minutes") / 60).alias("hours"), (pl.col("cents") / 100).alias("bill_rate"))
    return frame.select(pl.col(name).cast(schema[name]) for name in schema if name in frame.columns)


def write_snapshot(folder: Path, count: int, form: str) -> Path:
    """Write a snapshot of time entries: `canonical` Parquet or `vendor` CSV (Kantata)."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = time_entries(count)
    if form == "canonical":
        entries.write_parquet(folder / "time_entry.parquet")
        adapter = "canonical"
    else:
        adapter = "kantata"
        streams = write_streams(load_mapping(adapter).mapping, {"time_entry": entries})
        streams["time_entries"].write_csv(folder / "time_entries.csv")
    (folder / "snapshot.yaml").write_text(
        f"as_of: 2026-10-31\nsources:\n  - {{system: psa, adapter: {adapter}, extracted_at: 2026-10-31T00:00:00Z}}\n", encoding="utf-8"
    )
    return folder
