from __future__ import annotations

import csv
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from ruamel.yaml import YAML

from adapters.sampling import Firm, FirmOptions, simulate_firm, write_canonical, write_vendor
from adapters.sampling.claims import CLAIMS
from adapters.sampling.nights import make_night
from adapters.snapshot import read_snapshot
from engine.canonical.schema import SCHEMA_VERSION


@pytest.fixture(scope="module")
def small() -> Firm:
    return simulate_firm(FirmOptions(contracts=22, nights=2))


def test_every_night_is_a_snapshot_that_names_its_sources(small: Firm, tmp_path: Path) -> None:
    folders = write_canonical(small, tmp_path)
    assert [folder.name for folder in folders] == ["2026-10-30", "2026-10-31"]
    for folder, night in zip(folders, small.nights, strict=True):
        snapshot = YAML(typ="safe").load(folder / "snapshot.yaml")
        assert snapshot["schema_version"] == SCHEMA_VERSION
        assert snapshot["as_of"] == night.date
        assert [source["system"] for source in snapshot["sources"]] == list(night.systems)
        for source in snapshot["sources"]:
            assert source["adapter"] == "canonical"
            for entity, rows in source["expected_rows"].items():
                written = pl.read_parquet(folder / source["path"] / f"{entity}.parquet")
                assert written.height == rows
                assert_frame_equal(written, night.systems[source["system"]][entity])


def test_control_totals_are_the_sums_of_what_is_written(small: Firm, tmp_path: Path) -> None:
    folder = write_canonical(small, tmp_path)[-1]
    snapshot = YAML(typ="safe").load(folder / "snapshot.yaml")
    totals = {source["system"]: source.get("control_totals", {}) for source in snapshot["sources"]}
    invoices = pl.read_parquet(folder / "billing" / "invoice.parquet")
    for currency, total in totals["billing"]["invoice.gross_amount"].items():
        assert Decimal(total) == invoices.filter(pl.col("currency") == currency)["gross_amount"].sum()
    hours = pl.read_parquet(folder / "psa" / "time_entry.parquet")["hours"].sum()
    assert Decimal(totals["psa"]["time_entry.hours"]) == hours


def test_csv_says_the_same_as_parquet(small: Firm, tmp_path: Path) -> None:
    folder = write_canonical(small, tmp_path, "csv")[-1]
    with (folder / "billing" / "invoice.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    frame = small.nights[-1].systems["billing"]["invoice"]
    assert [row["invoice_id"] for row in rows] == frame["invoice_id"].to_list()
    assert [Decimal(row["gross_amount"]) for row in rows] == frame["gross_amount"].to_list()
    assert rows[0]["posted_at"].endswith("Z")


def test_expected_findings_stand_beside_the_nights(small: Firm, tmp_path: Path) -> None:
    write_canonical(small, tmp_path)
    written = pl.read_csv(tmp_path / "expected_findings.csv")
    assert written.columns == ["defect", "kind", "entity", "entity_id", "stage", "note"]
    assert_frame_equal(written, small.expected_findings)


def test_writing_again_replaces_the_night_and_nothing_else(small: Firm, tmp_path: Path) -> None:
    (tmp_path / "2026-10-31" / "old").mkdir(parents=True)
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    write_canonical(small, tmp_path)
    assert not (tmp_path / "2026-10-31" / "old").exists()
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_each_system_is_written_as_its_vendor_exports_it(small: Firm, tmp_path: Path) -> None:
    folder = write_vendor(small, tmp_path)[-1]
    sources = YAML(typ="safe").load(folder / "snapshot.yaml")["sources"]
    assert [(source["system"], source["adapter"]) for source in sources] == [
        ("crm", "salesforce"), ("psa", "kantata"), ("billing", "zuora"), ("erp", "netsuite"), ("revrec", "zuora_revenue"),
        ("warehouse", "canonical"),
    ]  # fmt: skip
    for source in sources:
        records = small.nights[-1].systems[source["system"]]
        assert source["expected_rows"] == {entity: records[entity].height for entity in records}
    entries = pl.read_csv(folder / "psa" / "time_entries.csv", infer_schema=False)
    hours = small.nights[-1].systems["psa"]["time_entry"]["hours"]
    assert entries["time_in_minutes"].cast(pl.Int64).to_list() == [int(each * 60) for each in hours]
    workspaces = json.loads((folder / "psa" / "workspaces.json").read_text(encoding="utf-8"))
    assert workspaces["count"] == len(workspaces["results"]) == len(workspaces["workspaces"])
    assert {type(each["budget_in_minutes"]) for each in workspaces["workspaces"].values()} == {int, type(None)}


def test_what_a_vendor_has_no_place_for_stands_in_a_source_of_its_own(small: Firm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLAIMS["erp"], "bill_line", (*CLAIMS["erp"]["bill_line"], "time_entry_id"))
    bills = small.frames["bill_line"].with_columns(pl.lit(None, dtype=pl.String).alias("time_entry_id"))
    night = make_night(small.options.as_of, 1, {**small.frames, "bill_line": bills}, [])
    folder = write_vendor(replace(small, nights=(night,)), tmp_path)[-1]
    sources = YAML(typ="safe").load(folder / "snapshot.yaml")["sources"]
    rest = next(source for source in sources if source["path"] == "erp_canonical")
    assert (rest["system"], rest["adapter"], list(rest["expected_rows"])) == ("erp", "canonical", ["bill_line"])
    known = bills.filter(pl.col("recorded_at") <= night.extracted_at)
    assert read_snapshot(folder).facts.records["bill_line"].collect().height == known.height
