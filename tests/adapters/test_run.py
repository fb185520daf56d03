"""A run: content-addressed, repeatable to the byte, never half written, honest about what it read."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from adapters.publish import MANIFEST
from adapters.run import run_snapshot

Snapshot = Callable[..., Path]
CONTRACTS = {"contract": "contract_id,contract_number,total_value\nC1,N1,100\nC2,N2,200\n"}
COPIES = {"contract": "contract_id,contract_number,total_value\nC2,N2,200\nC1,N1,90\n"}


def digest(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_running_again_is_a_no_op_that_returns_the_same_run(snapshot: Snapshot, tmp_path: Path) -> None:
    folder = snapshot(crm=CONTRACTS, psa=COPIES)
    first = run_snapshot(folder, out=tmp_path / "runs")
    written = digest(first.run_dir)
    second = run_snapshot(folder, out=tmp_path / "runs")
    assert (first.is_new, second.is_new, second.run_id) == (True, False, first.run_id)
    assert digest(second.run_dir) == written


def test_the_bytes_do_not_depend_on_the_number_of_threads(snapshot: Snapshot, tmp_path: Path) -> None:
    folder = snapshot(crm=CONTRACTS, psa=COPIES)
    digests = []
    for threads in ("1", "2"):
        out = tmp_path / f"runs{threads}"
        command = [sys.executable, "-m", "adapters.cli", "run", str(folder), "--out", str(out), "--json"]
        environment = {**os.environ, "POLARS_MAX_THREADS": threads}
        result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[2], check=False)
        assert result.returncode == 1, result.stderr
        digests.append(digest(Path(json.loads(result.stdout)["run_dir"])))
    assert digests[0] == digests[1]


def test_rows_in_another_order_give_the_same_golden_records_and_findings(snapshot: Snapshot, tmp_path: Path) -> None:
    one = run_snapshot(snapshot(name="a", crm=CONTRACTS, psa=COPIES), out=tmp_path / "runs")
    turned = {"contract": "contract_id,contract_number,total_value\nC2,N2,200\nC1,N1,100\n"}
    two = run_snapshot(snapshot(name="b", crm=turned, psa=COPIES), out=tmp_path / "runs")
    for name, provenance in (("golden/contract", ["source_row", "evidence"]), ("findings", ["evidence"])):
        left, right = (pl.read_parquet(each.run_dir / f"{name}.parquet").drop(provenance) for each in (one, two))
        assert left.equals(right)


def test_no_output_holds_a_clock_time_or_an_absolute_path(snapshot: Snapshot, tmp_path: Path) -> None:
    run = run_snapshot(snapshot(crm=CONTRACTS, psa=COPIES), out=tmp_path / "runs")
    text = (run.run_dir / MANIFEST).read_text()
    assert str(tmp_path) not in text
    assert str(dt.datetime.now(tz=dt.UTC).year) + "-" not in text.replace("2026-01-31", "")


def test_a_kill_at_any_moment_leaves_no_half_written_run(snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = snapshot(crm=CONTRACTS, psa=COPIES), tmp_path / "runs"

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("adapters.publish._move", die)
    with pytest.raises(KeyboardInterrupt):
        run_snapshot(folder, out=out)
    monkeypatch.undo()
    assert not [path for path in out.iterdir() if (path / MANIFEST).exists()]
    assert run_snapshot(folder, out=out).is_new
    assert len([path for path in out.iterdir() if path.is_dir()]) == 1


def test_row_counts_and_control_totals_that_differ_are_findings(snapshot: Snapshot, tmp_path: Path) -> None:
    folder = snapshot(crm=CONTRACTS)
    (folder / "snapshot.yaml").write_text(
        'as_of: 2026-01-31\nsources:\n  - {system: crm, adapter: canonical, path: crm, extracted_at: 2026-01-02T00:00:00Z, '
        'expected_rows: {contract: 3}, control_totals: {contract.total_value: "300.01"}}\n'
    )
    findings = pl.read_parquet(run_snapshot(folder, out=tmp_path / "runs").run_dir / "findings.parquet")
    assert sorted(findings.filter(pl.col("stage") == "read")["kind"]) == ["control_total_differs", "row_count_differs", "stale_source"]


def test_a_required_source_that_is_missing_and_a_changed_mapping_are_findings(snapshot: Snapshot, tmp_path: Path) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "run.yaml").write_text(
        "policy: run\nid: run\ntitle: t\nowner: o\neffective_from: 1900-01-01\n"
        'required_sources: [erp]\napproved_mappings: {canonical: "0000"}\n'
    )
    outcome = run_snapshot(snapshot(crm=CONTRACTS), policies=policies, out=tmp_path / "runs")
    findings = pl.read_parquet(outcome.run_dir / "findings.parquet")
    assert sorted(findings["kind"]) == ["mapping_changed", "missing_source"]


def test_a_source_whose_system_policies_name_otherwise_is_a_finding(snapshot: Snapshot, tmp_path: Path) -> None:
    policies = tmp_path / "misnamed"
    policies.mkdir()
    check = "policy: check\nid: {0}\ntitle: T\nowner: ar\neffective_from: {1}\nreference: A\nentity: invoice\nsystem: [billing, erp]\nchecks:\n  - {{id: {0}-1, must: currency IS NOT NULL, kind: odd, says: S, remedy: R}}\n"  # noqa: E501
    (policies / "now.yaml").write_text(check.format("chk-now", "1900-01-01"))
    (policies / "ended.yaml").write_text(check.format("chk-ended", "1900-01-01\neffective_to: 2025-12-31"))
    (policies / "later.yaml").write_text(check.format("chk-later", "2027-01-01"))
    outcome = run_snapshot(snapshot(Billing={"invoice": "invoice_id\nI1\n"}), policies=policies, out=tmp_path / "runs")
    found = pl.read_parquet(outcome.run_dir / "findings.parquet")
    assert found.select("kind", "entity_id", "field").rows() == [("missing_source", "billing", "Billing")]
    why = {each["policy"]: each["why"] for each in outcome.manifest["not_applicable"]}
    assert (why["chk-ended"], why["chk-later"]) == ("it was in force until 2025-12-31", "it is in force from 2027-01-01")


def test_a_policy_without_its_entity_is_not_applicable_and_not_passed(snapshot: Snapshot, tmp_path: Path) -> None:
    outcome = run_snapshot(snapshot(crm={"customer": "customer_id\nK1\n"}), out=tmp_path / "runs")
    assert {"policy": "own-contract", "why": "no source of the snapshot supplies contract records"} in outcome.manifest["not_applicable"]


def test_held_rows_are_listed_and_the_rest_goes_on(snapshot: Snapshot, tmp_path: Path) -> None:
    bad = {"contract": "contract_id,total_value,end_date\nC1,1e5,2026-01-01\nC2,5,13/15/2024\n,7,\nC4,8,2026-01-31\nC5\n"}
    outcome = run_snapshot(snapshot(crm=bad), out=tmp_path / "runs")
    held = pl.read_parquet(outcome.run_dir / "held.parquet").sort("row")
    assert held.select("row", "reason").rows() == [
        (2, "not_a_number"), (3, "not_a_date"), (4, "missing_key"), (6, "short_row"),
    ]  # fmt: skip
    file = outcome.manifest["files"][0]
    assert (file["rows_read"], file["rows_used"], file["rows_held"]) == (5, 1, 4)


def test_a_name_that_is_not_canonical_is_named_with_the_nearest_and_no_row_is_held(snapshot: Snapshot, tmp_path: Path) -> None:
    header = "contract_id,total_value,recorded_at ,terminated_rec_at,Our Colour\n"
    crm = {"contract": header + "C1,100,2026-01-02,2026-01-03,blue\n", "contrat_line": "contract_line_id,contract_id\nL1,C1\n",
           "contract-2": header + "C2,50,2026-01-02,,red\n", "zzz": "a,b\n1,2\n"}  # fmt: skip
    outcome = run_snapshot(snapshot(crm=crm), out=tmp_path / "runs")
    findings = pl.read_parquet(outcome.run_dir / "findings.parquet").filter(pl.col("kind").is_in(["unknown_column", "unknown_file"]))
    assert sorted(findings.select("field", "severity", "entity_id").rows()) == [
        ("contract.Our Colour", "low", "crm"), ("contract.terminated_rec_at", "medium", "crm"), ("contrat_line", "medium", "crm"),
        ("zzz", "low", "crm"),
    ]  # fmt: skip
    told = dict(findings.select("field", "message").rows())
    assert told["contract.terminated_rec_at"] == (
        "The column 'terminated_rec_at' of crm/contract-2.csv and 1 more file is no field of contract, so it is not read; "
        "'terminated_recorded_at' is near, and not there."
    )
    assert told["contrat_line"] == (
        "The file crm/contrat_line.csv bears no name of an entity, so none of its rows is used; 'contract_line' is near."
    )
    assert pl.read_parquet(outcome.run_dir / "held.parquet").is_empty()
    golden = pl.read_parquet(outcome.run_dir / "golden/contract.parquet")
    assert golden["recorded_at"].null_count() == 0
    assert {each["path"]: each["rows_set_aside"] for each in outcome.manifest["files"] if each["rows_set_aside"]} == {
        "crm/contrat_line.csv": {"no_stream": 1}, "crm/zzz.csv": {"no_stream": 1},
    }  # fmt: skip


def test_a_source_without_any_file_is_a_finding(snapshot: Snapshot, tmp_path: Path) -> None:
    folder = snapshot(crm=CONTRACTS)
    (folder / "snapshot.yaml").write_text(
        "as_of: 2026-01-31\nsources:\n  - {system: crm, adapter: canonical, path: crm}\n  - {system: erp, adapter: xero, path: nowhere}\n"
    )
    outcome = run_snapshot(folder, out=tmp_path / "runs")
    findings = pl.read_parquet(outcome.run_dir / "findings.parquet")
    assert findings.filter(pl.col("stage") == "read").select("kind", "entity_id").rows() == [("missing_source", "erp")]
    assert outcome.fails
