"""Writing a vendor's export and reading it again gives the same records."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import polars as pl

from adapters.mapping.library import load_mapping
from adapters.mapping.reverse import write_streams
from adapters.snapshot import read_snapshot
from engine.canonical.schema import entity_spec


def typed(entity: str, rows: list[dict[str, object]]) -> pl.DataFrame:
    schema = entity_spec(entity).polars_schema(with_provenance=False)
    return pl.DataFrame(rows, schema={name: schema[name] for name in rows[0]})


def round_trip(adapter: str, records: dict[str, pl.DataFrame], folder: Path) -> dict[str, pl.DataFrame]:
    mapping = load_mapping(adapter).mapping
    for stream, frame in write_streams(mapping, records).items():
        name = next(each for each in mapping.streams[stream].files if each.endswith(".csv") and "*" not in each)
        frame.write_csv(folder / name)
    (folder / "snapshot.yaml").write_text(f"as_of: 2026-01-31\nsources:\n  - {{system: x, adapter: {adapter}}}\n")
    read = read_snapshot(folder)
    assert read.held.height == 0
    return {name: frame.collect() for name, frame in read.facts.records.items()}


def test_kantata_time_in_minutes_and_cents_comes_back_exactly(tmp_path: Path) -> None:
    entries = typed("time_entry", [
        {"time_entry_id": "T1", "resource_id": "R1", "project_id": "P1", "work_date": dt.date(2026, 1, 5), "hours": Decimal("7.58333333"),
         "billable": True, "status": "approved", "bill_rate": Decimal("150.5"), "currency": "EUR",
         "approved_at": dt.datetime(2026, 1, 9, 8, 30, tzinfo=dt.UTC)},
        {"time_entry_id": "T2", "resource_id": "R1", "project_id": "P1", "work_date": dt.date(2026, 1, 6), "hours": Decimal("0.25"),
         "billable": False, "status": "draft", "bill_rate": None, "currency": "EUR", "approved_at": None},
    ])  # fmt: skip
    back = round_trip("kantata", {"time_entry": entries}, tmp_path)["time_entry"]
    assert back.select(entries.columns).sort("time_entry_id").equals(entries)


def test_salesforce_contracts_come_back_exactly(tmp_path: Path) -> None:
    contracts = typed("contract", [
        {"contract_id": "800A", "contract_number": "00123", "customer_id": "001A", "currency": "USD", "signed_date": dt.date(2025, 12, 1),
         "start_date": dt.date(2026, 1, 1), "end_date": None, "status": "active", "total_value": Decimal("1200000.55")},
    ])  # fmt: skip
    back = round_trip("salesforce", {"contract": contracts}, tmp_path)["contract"]
    assert back.select(contracts.columns).equals(contracts)
