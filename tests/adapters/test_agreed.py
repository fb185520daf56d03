"""Agreed records as a run publishes them."""

from __future__ import annotations

import datetime as dt
import hashlib

import polars as pl

from adapters.agreed import agreed_output
from engine.canonical.schema import empty_frame, entity_spec


def _time_entries() -> pl.DataFrame:
    rows = [
        {"time_entry_id": "T2", "hours": 2, "work_date": dt.date(2026, 3, 1), "approved_at": dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC)},
        {"time_entry_id": "T1", "hours": 8, "work_date": dt.date(2026, 3, 1), "approved_at": None},
    ]
    schema = empty_frame("time_entry").schema
    frame = pl.DataFrame(rows, schema_overrides={name: schema[name] for name in rows[0]})
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
    return frame.with_columns(*missing, pl.lit([], dtype=pl.List(pl.String)).alias("evidence"))


def test_an_auditor_recomputes_the_hash_of_a_record_from_its_fields_as_text() -> None:
    frame = _time_entries()
    row = agreed_output(frame, "time_entry").row(1, named=True)
    texts = frame.select(pl.col(list(entity_spec("time_entry").fields)).cast(pl.String).fill_null("")).row(0)
    assert row["time_entry_id"] == "T2"
    assert row["record_hash"] == hashlib.sha256("\x1f".join(texts).encode()).hexdigest()


def test_agreed_records_stand_sorted_by_key() -> None:
    assert agreed_output(_time_entries(), "time_entry")["time_entry_id"].to_list() == ["T1", "T2"]
