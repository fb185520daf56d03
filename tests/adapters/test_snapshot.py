"""Reading a snapshot: what a source's path and settings name is read, once, and what nobody can read is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from adapters.snapshot import read_snapshot
from engine.errors import SnapshotError
from engine.readings import HELD_SCHEMA, reading_findings
from engine.stage import Context


def write(folder: Path, text: str) -> Path:
    (folder / "snapshot.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("e", ["e/contract-a.csv", "e/contract-b.csv", "e/customer.csv"]), ("e/contract-a.csv", ["e/contract-a.csv"]),
        ("e/contract-*.csv", ["e/contract-a.csv", "e/contract-b.csv"]), ("*/c?ntract-b.csv", ["e/contract-b.csv"]),
        ("**", ["e/contract-a.csv", "e/contract-b.csv", "e/customer.csv"]), ("f*", []), ("nope/*.csv", []),
    ],
)  # fmt: skip
def test_a_path_is_a_folder_a_file_or_a_pattern(tmp_path: Path, path: str, read: list[str]) -> None:
    (tmp_path / "e").mkdir()
    for name in ("contract-a", "contract-b", "customer"):
        (tmp_path / "e" / f"{name}.csv").write_text(f"{name[:8]}_id,currency\nX-{name},EUR\n", encoding="utf-8")
    write(tmp_path, f"as_of: 2026-01-31\nsources:\n  - {{system: erp, adapter: canonical, path: '{path}'}}\n")
    found = read_snapshot(tmp_path)
    assert [(each.path, each.rows_read, each.rows_used) for each in found.files] == [(each, 1, 1) for each in read]
    assert bool(found.empty_sources) is not bool(read)


def test_a_pattern_does_not_lead_out_of_the_snapshot(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "contract.csv").write_text("contract_id\nC1\n", encoding="utf-8")
    for path in ("../*.csv", "../contract.csv", "../*"):
        write(tmp_path / "in", f"as_of: 2026-01-31\nsources:\n  - {{system: erp, adapter: canonical, path: '{path}'}}\n")
        with pytest.raises(SnapshotError, match="lies outside the snapshot"):
            read_snapshot(tmp_path / "in")


def test_a_link_that_leads_out_of_the_snapshot_is_not_read(tmp_path: Path) -> None:
    night = tmp_path / "night"
    (night / "e").mkdir(parents=True)
    (tmp_path / "contract.csv").write_text("contract_id,currency\nC1,EUR\n", encoding="utf-8")
    (night / "kept.csv").write_text("customer_id,currency\nX1,EUR\n", encoding="utf-8")
    (night / "e" / "contract.csv").symlink_to(tmp_path / "contract.csv")
    (night / "e" / "notes.csv").symlink_to(tmp_path / "contract.csv")
    (night / "e" / "customer.csv").symlink_to(night / "kept.csv")
    found = read_snapshot(write(night, "as_of: 2026-01-31\nsources:\n  - {system: erp, adapter: canonical, path: e}\n"))
    told = {each.path: (each.rows_read, each.failure) for each in found.files}
    assert told == {"e/contract.csv": (0, "outside_snapshot"), "e/customer.csv": (1, None), "e/notes.csv": (0, None)}
    assert "contract" not in found.facts.records or not found.facts.records["contract"].collect().height


def test_a_source_says_how_its_files_are_written(tmp_path: Path) -> None:
    """Canonical files have no mapping of one's own: a semicolon and an encoding are declared at the source."""
    (tmp_path / "customer.csv").write_bytes("customer_id;name\n0012;\"Müller; Söhne\"\n".encode("cp1252"))
    told = "as_of: 2026-01-31\nsources:\n  - {system: erp, adapter: canonical, path: .%s}\n"
    refused = read_snapshot(write(tmp_path, told % "")).files[0]
    assert refused.failure is not None and refused.rows_held == 1
    found = read_snapshot(write(tmp_path, told % ", delimiter: ';', encoding: cp1252"))
    assert found.facts.records["customer"].select("customer_id", "name").collect().rows() == [("0012", "Müller; Söhne")]


SHEET = """adapter: sheet
title: A sheet of contracts with their customers
streams: {row: {files: ["*.csv"]}}
entities:
  - {entity: customer, from: row, distinct: true, fields: {customer_id: customer, name: name}}
  - {entity: contract, from: row, fields: {contract_id: id, customer_id: customer, total_value: value}}
"""


def test_what_two_sources_of_one_system_hold_counts_once(tmp_path: Path) -> None:
    """C1 stands in both word for word, C2 with another value; of a row that also names a new customer nothing is set aside."""
    for name, rows in {"a": "C1,K1,A,5\nC2,K1,A,7\nC3,K1,A,9\n", "b": "C1,K1,A,5\nC2,K1,A,8\nC4,K2,B,1\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows.csv").write_text("id,customer,name,value\n" + rows, encoding="utf-8")
    (tmp_path / "sheet.yaml").write_text(SHEET, encoding="utf-8")
    sources = [f"  - {{system: erp, adapter: sheet, path: {name}}}" for name in "ab"]
    write(tmp_path, "\n".join(["as_of: 2026-01-31", "sources:", *sources]))
    found = read_snapshot(tmp_path, tmp_path)
    contracts = found.facts.records["contract"].collect()
    assert contracts.select("contract_id", "total_value").rows() == [("C1", 5), ("C2", 7), ("C3", 9), ("C4", 1)]
    assert found.facts.records["customer"].collect()["customer_id"].to_list() == ["K1", "K2"]
    assert found.held.select("file", "row", "field", "value", "reason").rows() == [
        ("b/rows.csv", 3, "contract_id", "C2", "duplicate_key")
    ]
    assert [(each.path, each.rows_read, each.rows_used, each.rows_held, each.set_aside) for each in found.files] == [
        ("a/rows.csv", 3, 3, 0, {}), ("b/rows.csv", 3, 1, 1, {"repeated_row": 1})
    ]  # fmt: skip


def test_a_file_that_two_sources_read_for_one_system_counts_once(tmp_path: Path) -> None:
    (tmp_path / "contract.csv").write_text("contract_id,total_value\nC1,5\n", encoding="utf-8")
    places = (("erp", "."), ("erp", "*.csv"), ("crm", "."))
    lines = [f"  - {{system: {system}, adapter: canonical, path: '{path}'}}" for system, path in places]
    found = read_snapshot(write(tmp_path, "\n".join(["as_of: 2026-01-31", "sources:", *lines])))
    assert found.facts.records["contract"].collect()["source_system"].to_list() == ["erp", "crm"]
    assert [(each.rows_used, each.set_aside) for each in found.files] == [(1, {}), (0, {"repeated_row": 1}), (1, {})]


def test_a_file_nobody_can_read_in_place_of_one_of_a_stream_is_told(tmp_path: Path) -> None:
    """The old workbook and the packed month are missed; the packed copy, the PDF beside the export and the checksum are not."""
    for name in ("customer.xls", "contract-2.csv.gz", "contract.csv.gz", "contract.pdf", "contract.csv.md5", "notes.pdf"):
        (tmp_path / name).write_bytes(b"\xd0\xcf\x11\xe0")
    (tmp_path / "contract.csv").write_text("contract_id\nC1\n", encoding="utf-8")
    found = read_snapshot(write(tmp_path, "as_of: 2026-01-31\nsources: [{system: erp, adapter: canonical}]\n"))
    told = {each.path: (each.failure, each.remedy) for each in found.files if each.failure}
    assert told == {
        "contract-2.csv.gz": ("compressed_file", "Unpack the file and put the unpacked export into the snapshot."),
        "customer.xls": ("not_a_workbook", "Save the file as an .xlsx workbook without a password."),
    }


def test_a_file_below_what_the_path_reads_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "erp").mkdir()
    (tmp_path / "erp" / "contract-1.csv").write_text("contract_id\nC1\n", encoding="utf-8")
    found = read_snapshot(write(tmp_path, "as_of: 2026-01-31\nsources: [{system: erp, adapter: canonical}]\n"))
    assert [(each.name, each.near, each.is_deeper) for each in found.files[0].unknown] == [("contract-1", None, True)]
    told = reading_findings(pl.DataFrame(schema=HELD_SCHEMA), [], [], [], [], {}, None, Context(found.file.as_of), unknown=[
        {"source": "erp", "path": each.path, **dataclasses.asdict(one)} for each in found.files for one in each.unknown
    ])  # fmt: skip
    assert told["severity"].to_list() == ["medium"]
    assert "'**/contract.csv'" in told["remedy"][0]


def test_ids_in_a_workbook_keep_the_zeros_their_format_shows(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["contract_id", "total_value"])
    book.active.append([123, 7])
    book.active["A2"].number_format = "00000"
    book.save(tmp_path / "contract.xlsx")
    found = read_snapshot(write(tmp_path, "as_of: 2026-01-31\nsources: [{system: erp, adapter: canonical}]\n"))
    assert found.facts.records["contract"].collect().select("contract_id", "total_value").rows() == [("00123", 7)]
