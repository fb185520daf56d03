"""Control of sources through whole runs: each fault of a snapshot is one finding, and a faultless one has none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from ruamel.yaml import YAML

from adapters.mapping.library import SOURCES, load_mapping
from adapters.policy_folder import SHIPPED
from adapters.run import run_snapshot
from adapters.sampling import FirmOptions, simulate_firm, write_vendor

Change = Callable[[dict[str, Any]], None]
ADAPTERS = ("kantata", "netsuite", "salesforce", "zuora", "zuora_revenue")


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("firm")
    return write_vendor(simulate_firm(FirmOptions(contracts=6, months=3, nights=2, clean=True)), folder)


@pytest.fixture
def night(nights: list[Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(nights[-1], tmp_path / "night"))


def states(night: Path, change: Change) -> None:
    """Change what snapshot.yaml says."""
    yaml, path = YAML(), night / "snapshot.yaml"
    body = yaml.load(path)
    change(body)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(body, file)


def source(body: dict[str, Any], system: str) -> Any:
    return next(each for each in body["sources"] if each["system"] == system)


def read_findings(night: Path, tmp_path: Path, *, policies: Path | None = None, **options: Any) -> list[tuple[str, str]]:
    run = run_snapshot(night, out=tmp_path / "runs", policies=policies or policies_with(tmp_path, ""), **options)
    findings = pl.read_parquet(run.run_dir / "findings.parquet").filter(pl.col("stage") == "read")
    assert findings["finding_id"].is_unique().all()
    return sorted(findings.select("kind", "entity_id").rows())


def policies_with(tmp_path: Path, settings: str) -> Path:
    """Return a folder with the shipped policies about the reading, and further settings of the run's."""
    folder = tmp_path / "policies"
    folder.mkdir(exist_ok=True)
    shutil.copy(SHIPPED / "calendar.yaml", folder)
    (folder / "run.yaml").write_text((SHIPPED / "run.yaml").read_text(encoding="utf-8") + settings, encoding="utf-8")
    return folder


def test_a_faultless_snapshot_has_no_finding(night: Path, tmp_path: Path, nights: list[Path]) -> None:
    assert read_findings(night, tmp_path, previous=nights[0]) == []


def test_a_source_whose_folder_is_missing_is_one_finding_and_not_one_a_total(night: Path, tmp_path: Path) -> None:
    shutil.rmtree(night / "revrec")
    assert read_findings(night, tmp_path) == [("missing_source", "revrec")]


def missing(night: Path, tmp_path: Path, **options: Any) -> list[tuple[str, str, str | None]]:
    run = run_snapshot(night, out=tmp_path / "runs", **options)
    found = pl.read_parquet(run.run_dir / "findings.parquet").filter(pl.col("kind").is_in(["missing_records", "missing_source"]))
    return sorted(found.select("kind", "entity_id", "field").rows())


def test_a_file_whose_records_the_previous_snapshot_had_is_missed(night: Path, tmp_path: Path, nights: list[Path]) -> None:
    (night / "revrec" / "revenue_contract_schedule.csv").unlink()
    states(night, lambda body: source(body, "revrec").update(expected_rows={}, control_totals={}))
    policies = policies_with(tmp_path, "")
    assert missing(night, tmp_path, policies=policies) == []
    assert missing(night, tmp_path, policies=policies, previous=nights[0]) == [("missing_records", "revrec", "revenue_schedule_line")]


def test_records_that_the_run_policy_requires_are_missed_every_night(night: Path, tmp_path: Path) -> None:
    (night / "revrec" / "revenue_contract_schedule.csv").unlink()
    policies = policies_with(tmp_path, "required_records: {revrec: [revenue_schedule_line, contract], desk: [invoice]}\n")
    assert missing(night, tmp_path, policies=policies) == [
        ("missing_records", "revrec", "revenue_schedule_line"), ("missing_source", "desk", None),
    ]  # fmt: skip


def test_an_export_that_says_it_has_no_records_is_not_missed(tmp_path: Path) -> None:
    for name, text in (("before", '[{"time_entry_id": "T1", "hours": 1}]'), ("now", "[]")):
        (tmp_path / name / "psa").mkdir(parents=True)
        (tmp_path / name / "psa/time_entry.json").write_text(text)
        (tmp_path / name / "snapshot.yaml").write_text("as_of: 2026-01-31\nsources:\n  - {system: psa, adapter: canonical, path: psa}\n")
    assert missing(tmp_path / "now", tmp_path, policies=policies_with(tmp_path, ""), previous=tmp_path / "before") == []


def test_files_that_the_adapter_does_not_read_are_no_export(night: Path, tmp_path: Path) -> None:
    for path in (night / "revrec").iterdir():
        path.rename(path.with_name(f"old {path.name}"))
    assert missing(night, tmp_path, policies=policies_with(tmp_path, "")) == [("missing_source", "revrec", "revrec")]


def test_a_source_that_the_previous_snapshot_had_and_this_one_does_not_name_is_missing(
    night: Path, tmp_path: Path, nights: list[Path]
) -> None:  # fmt: skip
    states(night, lambda body: body["sources"].remove(source(body, "billing")))
    assert read_findings(night, tmp_path, previous=nights[0]) == [("missing_source", "billing")]
    assert read_findings(night, tmp_path) == []


def test_a_required_source_that_is_missing_is_said_once_even_if_the_previous_snapshot_had_it(
    night: Path, tmp_path: Path, nights: list[Path]
) -> None:  # fmt: skip
    policies = policies_with(tmp_path, "required_sources: [erp, billing]\n")
    states(night, lambda body: body["sources"].remove(source(body, "billing")))
    assert read_findings(night, tmp_path, previous=nights[0], policies=policies) == [("missing_source", "billing")]


def test_an_old_export_is_stale_once_however_many_parts_it_has(night: Path, tmp_path: Path) -> None:
    shutil.copytree(night / "warehouse", night / "erp_more")
    (night / "erp_more" / "integration_event.parquet").unlink()

    def age(body: dict[str, Any]) -> None:
        for each in (source(body, "erp"), source(body, "psa")):
            each["extracted_at"] = "2026-10-24T23:30:00Z"
        body["sources"].append({"system": "erp", "adapter": "canonical", "path": "erp_more", "extracted_at": "2026-10-20T23:30:00Z"})

    states(night, age)
    assert read_findings(night, tmp_path) == [("stale_source", "erp"), ("stale_source", "psa")]


def test_an_export_without_a_time_is_not_judged_and_that_is_said(night: Path, tmp_path: Path) -> None:
    states(night, lambda body: source(body, "crm").pop("extracted_at"))
    run = run_snapshot(night, out=tmp_path / "runs", policies=policies_with(tmp_path, ""))
    why = [each["why"] for each in run.manifest["not_applicable"] if each["policy"] == "run-demands"]
    assert why == ["the snapshot does not say when crm was exported, so its age is not known"]


def test_a_control_total_that_differs_is_one_finding_with_both_sides(night: Path, tmp_path: Path) -> None:
    def change(body: dict[str, Any]) -> None:
        source(body, "psa")["control_totals"]["time_entry.hours"] = "1.00"

    states(night, change)
    run = run_snapshot(night, out=tmp_path / "runs", policies=policies_with(tmp_path, ""))
    row = pl.read_parquet(run.run_dir / "findings.parquet").filter(pl.col("stage") == "read").to_dicts()
    assert [(each["kind"], each["entity_id"], each["field"]) for each in row] == [("control_total_differs", "psa", "time_entry.hours")]
    assert (row[0]["owner_value"], row[0]["message"].startswith("psa states 1 for time_entry.hours, but ")) == ("1", True)


def test_a_row_that_was_lost_on_the_way_shows_in_the_count_and_the_total(night: Path, tmp_path: Path) -> None:
    path = night / "billing" / "zuora_invoice_data.csv"
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
    assert read_findings(night, tmp_path) == [("control_total_differs", "billing"), ("row_count_differs", "billing")]


def test_a_row_count_that_differs_is_one_finding(night: Path, tmp_path: Path) -> None:
    def change(body: dict[str, Any]) -> None:
        source(body, "crm")["expected_rows"]["contract"] += 1

    states(night, change)
    assert read_findings(night, tmp_path) == [("row_count_differs", "crm")]


def test_a_mapping_that_is_not_the_approved_one_is_one_finding(night: Path, tmp_path: Path) -> None:
    approved = {name: load_mapping(name).fingerprint[:16] for name in ADAPTERS}
    settings = "approved_mappings: {" + ", ".join(f'{name}: "{text}"' for name, text in approved.items()) + "}\n"
    policies = policies_with(tmp_path, settings)
    assert read_findings(night, tmp_path, policies=policies) == []
    own = Path(shutil.copytree(SOURCES, tmp_path / "mappings"))
    changed = own / "netsuite.yaml"
    changed.write_text(changed.read_text(encoding="utf-8").replace("title: NetSuite ERP", "title: Our NetSuite"), encoding="utf-8")
    assert read_findings(night, tmp_path, policies=policies, mappings=own) == [("mapping_changed", "netsuite")]
