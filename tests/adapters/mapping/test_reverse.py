"""Writing a vendor's export and reading it again gives the same records."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from adapters.mapping.library import load_mapping
from adapters.mapping.reverse import carried_fields, write_streams
from adapters.snapshot import read_snapshot
from engine.canonical.schema import entity_spec
from engine.errors import UsageError


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


JOURNAL_LINES = [
    {"journal_line_id": "J1|1|1", "journal_id": "J1", "legal_entity_id": "LE-1", "posting_date": dt.date(2026, 1, 31), "period": "2026-01",
     "account": "1100", "debit": Decimal("10.55"), "credit": Decimal(0), "currency": "EUR", "functional_debit": Decimal("11.40"),
     "functional_credit": Decimal(0), "customer_id": "C1", "contract_id": None, "status": "posted"},
    {"journal_line_id": "J1|2|1", "journal_id": "J1", "legal_entity_id": "LE-1", "posting_date": dt.date(2026, 1, 31), "period": "2026-01",
     "account": "4000", "debit": Decimal(0), "credit": Decimal("10.55"), "currency": "EUR", "functional_debit": Decimal(0),
     "functional_credit": Decimal("11.40"), "customer_id": None, "contract_id": "K1", "status": "posted"},
]  # fmt: skip


def test_what_reading_looks_up_in_other_streams_is_written_there(tmp_path: Path) -> None:
    accounts = typed("account", [
        {"account": "1100", "name": "Receivables", "account_class": "asset", "control_for": "ar"},
        {"account": "4000", "name": "Revenue", "account_class": "revenue", "control_for": "revenue"},
        {"account": "1210", "name": "Contract assets", "account_class": "asset", "control_for": "contract_asset"},
    ])  # fmt: skip
    lines = typed("journal_line", JOURNAL_LINES)
    back = round_trip("netsuite", {"account": accounts, "journal_line": lines}, tmp_path)
    assert back["journal_line"].select(lines.columns).sort("journal_line_id").equals(lines)
    assert back["account"].select(accounts.columns).equals(accounts)
    assert (tmp_path / "netsuite2_account_data.csv").read_text().splitlines()[1:] == [
        "1100,1100,Receivables,AcctRec,ar", "4000,4000,Revenue,Income,revenue", "1210,1210,Contract assets,OthCurrAsset,contract_asset",
    ]  # fmt: skip


def test_two_values_that_differ_and_share_a_column_are_refused(tmp_path: Path) -> None:
    day = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    frame = typed("opportunity", [{"opportunity_id": "O1", "created_at": day}])
    late = frame.with_columns(pl.lit(day + dt.timedelta(days=1)).alias("recorded_at"))
    with pytest.raises(UsageError, match="CreatedDate cannot hold both '2026-01-02T00:00:00Z' and '2026-01-03T00:00:00Z' of opportunity"):
        write_streams(load_mapping("salesforce").mapping, {"opportunity": late})
    with pytest.raises(UsageError, match="says two things of one row of transaction"):
        lines = typed("journal_line", [JOURNAL_LINES[0], {**JOURNAL_LINES[1], "posting_date": dt.date(2026, 2, 1)}])
        write_streams(load_mapping("netsuite").mapping, {"journal_line": lines})


def test_a_record_that_stands_on_other_rows_needs_one(tmp_path: Path) -> None:
    contract = typed("contract", [{"contract_id": "C1", "contract_number": "N1"}])
    project = typed("project", [{"project_id": "P1", "contract_id": "C1"}, {"project_id": "P2", "contract_id": None}])
    back = round_trip("kantata", {"contract": contract, "project": project}, tmp_path)
    assert back["contract"].select(contract.columns).equals(contract)
    assert back["project"].select(project.columns).equals(project)
    with pytest.raises(UsageError, match="The contract C1 has no row to stand on in workspaces"):
        write_streams(load_mapping("kantata").mapping, {"contract": contract, "project": project.tail(1)})


def test_fields_that_are_computed_when_read_are_not_carried() -> None:
    fields = carried_fields(load_mapping("xero").mapping, "journal_line")
    assert "journal_id" in fields
    assert carried_fields(load_mapping("xero").mapping, "time_entry") == frozenset()
    assert "net_amount" not in carried_fields(load_mapping("quickbooks").mapping, "invoice_line")


def test_the_last_day_of_a_zuora_term_is_written_as_the_day_after_and_comes_back(tmp_path: Path) -> None:
    contracts = typed("contract", [
        {"contract_id": "C1", "contract_number": "A-S1", "customer_id": "001A", "currency": "USD", "start_date": dt.date(2026, 1, 1),
         "end_date": dt.date(2026, 12, 31), "status": "active", "total_value": Decimal("1200.5")},
        {"contract_id": "C2", "contract_number": "A-S2", "customer_id": "001A", "currency": "USD", "start_date": dt.date(2026, 1, 1),
         "end_date": None, "status": "terminated", "total_value": None},
    ])  # fmt: skip
    customers = typed("customer", [{"customer_id": "001A", "name": "Northwind", "currency": "USD", "status": "active"}])
    back = round_trip("zuora", {"customer": customers, "contract": contracts}, tmp_path)
    assert back["contract"].select(contracts.columns).sort("contract_id").equals(contracts)
    assert "2027-01-01" in (tmp_path / "subscription.csv").read_text()


def test_planned_recognized_and_reversed_revenue_comes_back_from_one_stream(tmp_path: Path) -> None:
    def line(key: str, status: str, amount: str, day: dt.date | None) -> dict[str, object]:
        return {"schedule_line_id": key, "contract_id": "C1", "contract_line_id": "L1", "period": "2026-01", "amount": Decimal(amount),
                "currency": "USD", "status": status, "recognized_date": day, "is_catch_up": False}  # fmt: skip

    day = dt.date(2026, 1, 31)
    rows = [line("1", "recognized", "725.04", day), line("2", "planned", "725.04", None), line("3", "reversed", "-725.04", day)]
    schedule = typed("revenue_schedule_line", rows)
    back = round_trip("zuora_revenue", {"revenue_schedule_line": schedule}, tmp_path)["revenue_schedule_line"]
    assert back.select(schedule.columns).sort("schedule_line_id").equals(schedule)


@pytest.mark.parametrize("adapter", ["salesforce", "kantata", "zuora", "netsuite", "zuora_revenue"])
def test_what_a_sample_gives_is_the_same_after_being_written_and_read_again(adapter: str, tmp_path: Path) -> None:
    mapping = load_mapping(adapter).mapping
    first = read_snapshot(Path(__file__).parents[1] / "sources" / adapter)
    records = {name: frame.collect() for name, frame in first.facts.records.items()}
    carried = {name: [each for each in entity_spec(name).fields if each in carried_fields(mapping, name)] for name in records}
    back = round_trip(adapter, {name: frame.select(carried[name]) for name, frame in records.items()}, tmp_path)
    for name, frame in records.items():
        keys = entity_spec(name).keys
        assert back[name].select(carried[name]).sort(keys).equals(frame.select(carried[name]).sort(keys)), name
