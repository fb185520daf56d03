"""The settings of a snapshot: every mistake is told at once, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.snapshot import load_snapshot_file, read_snapshot
from engine.errors import SnapshotError


def write(folder: Path, text: str) -> Path:
    (folder / "snapshot.yaml").write_text(text, encoding="utf-8")
    return folder


def test_every_mistake_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    folder = write(tmp_path, "as_of: 2026-13-01\nsources:\n  - {system: crm}\n  - {system: psa, adapter: tock, folder: x}\n")
    with pytest.raises(SnapshotError) as told:
        load_snapshot_file(folder)
    lines = [each.strip() for each in str(told.value).split(";")]
    assert [each.partition("snapshot.yaml:")[2].partition(": '")[0] for each in lines] == ["1", "3", "4"]
    assert "'as_of'" in lines[0] and "'sources.0.adapter'" in lines[1] and "'sources.1.folder'" in lines[2]


def test_one_mistake_is_one_sentence(tmp_path: Path) -> None:
    folder = write(tmp_path, "as_of: 2026-01-31\nsources: []\nclock: 5\n")
    with pytest.raises(SnapshotError, match=r"snapshot\.yaml:3: 'clock': ") as told:
        load_snapshot_file(folder)
    assert ";" not in str(told.value)


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


def test_a_source_says_how_its_files_are_written(tmp_path: Path) -> None:
    """Canonical files have no mapping of one's own: a semicolon and an encoding are declared at the source."""
    (tmp_path / "customer.csv").write_bytes("customer_id;name\n0012;\"Müller; Söhne\"\n".encode("cp1252"))
    told = "as_of: 2026-01-31\nsources:\n  - {system: erp, adapter: canonical, path: .%s}\n"
    refused = read_snapshot(write(tmp_path, told % "")).files[0]
    assert refused.failure is not None and refused.rows_held == 1
    found = read_snapshot(write(tmp_path, told % ", delimiter: ';', encoding: cp1252"))
    assert found.facts.records["customer"].select("customer_id", "name").collect().rows() == [("0012", "Müller; Söhne")]
