"""The gate in a run: held rows leave and are counted, warned ones are findings, Data Docs stand beside."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adapters.quality import DocsWriter, rendered
from adapters.run import run_snapshot

Snapshot = Callable[..., Path]

HEADER = "invoice_id,invoice_number,currency,net_amount,status\n"
INVOICES = {"invoice": HEADER + "I1,N1,EUR,10,posted\nI2,N2,euro,20,posted\nI3,N3,EUR,-5,posted\n"}


def folder(tmp_path: Path, severity: str, *expectations: dict[str, Any]) -> Path:
    policies = tmp_path / "policies"
    policies.mkdir()
    head = "policy: quality\nid: q-test\ntitle: T\nowner: ar\neffective_from: 1900-01-01\nreference: AM\nentity: invoice\nsuite: s.json\n"
    (policies / "q.yaml").write_text(head + f"severity: {severity}\n", encoding="utf-8")
    (policies / "s.json").write_text(json.dumps({"name": "s", "expectations": expectations}), encoding="utf-8")
    return policies


CODE = {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "currency", "regex": "^[A-Z]{3}$"}}
POSITIVE = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "net_amount", "min_value": 0, "mostly": 0.5}}
FEW = {"type": "expect_table_row_count_to_be_between", "kwargs": {"max_value": 2}}


def test_held_records_are_used_nowhere_and_every_row_is_counted(snapshot: Snapshot, tmp_path: Path) -> None:
    run = run_snapshot(snapshot(billing=INVOICES), policies=folder(tmp_path, "held", CODE, POSITIVE), out=tmp_path / "runs")
    held = pl.read_parquet(run.run_dir / "held.parquet").to_dicts()
    assert [(row["row"], row["field"], row["value"], row["reason"]) for row in held] == [(3, "currency", "euro", "q-test-1")]
    assert pl.read_parquet(run.run_dir / "golden" / "invoice.parquet")["invoice_id"].to_list() == ["I1", "I3"]
    file = run.manifest["files"][0]
    assert (file["rows_read"], file["rows_used"], file["rows_held"]) == (3, 2, 1)
    found = pl.read_parquet(run.run_dir / "findings.parquet").to_dicts()
    assert [(row["stage"], row["kind"], row["rule"], row["evidence"]) for row in found] == [
        ("quality", "quality_held", "q-test-1", ["billing/invoice.csv:3"])
    ]


def test_warned_records_stay_and_each_is_a_finding(snapshot: Snapshot, tmp_path: Path) -> None:
    run = run_snapshot(snapshot(billing=INVOICES), policies=folder(tmp_path, "warned", CODE, FEW), out=tmp_path / "runs")
    assert pl.read_parquet(run.run_dir / "golden" / "invoice.parquet").height == 3
    found = pl.read_parquet(run.run_dir / "findings.parquet").sort("kind").to_dicts()
    assert [(row["kind"], row["entity_id"], row["field"]) for row in found] == [
        ("quality_not_met", None, None), ("quality_warned", "I2", "currency")
    ]  # fmt: skip
    assert "it is 3" in found[0]["message"]


def test_a_suite_without_its_records_is_not_applicable(snapshot: Snapshot, tmp_path: Path) -> None:
    run = run_snapshot(snapshot(crm={"contract": "contract_id\nC1\n"}), policies=folder(tmp_path, "held", CODE), out=tmp_path / "runs")
    assert {"policy": "q-test", "why": "no source of the snapshot supplies invoice records"} in run.manifest["not_applicable"]


def test_data_docs_say_what_the_gate_found_and_hold_no_address_that_tells(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("TIEOUT_DATA_DOCS", "on")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    run = run_snapshot(snapshot(billing=INVOICES), policies=folder(tmp_path, "warned", CODE, POSITIVE), out=tmp_path / "runs")
    docs = run.run_dir / "quality" / "docs"
    assert run.manifest["data_docs"] == "quality/docs/index.html"
    validation = json.loads((docs / "q-test.json").read_text(encoding="utf-8"))
    assert [each["success"] for each in validation["results"]] == [False, True]
    assert validation["results"][0]["result"]["unexpected_count"] == 1
    page = (docs / "q-test.html").read_text(encoding="utf-8")
    assert "net_amount" in page
    assert "great-expectations-web-assets" not in page
    assert str(tmp_path) not in page
    assert re.search(r'href="q-test.html".*1 of 2 expectations are not met', (docs / "index.html").read_text(encoding="utf-8"))
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("run_id", ["1234567890123456", "4217390652891e17", "d3737540d35ae627"])
def test_pages_are_made_whatever_letters_and_digits_a_run_has_its_name_of(run_id: str) -> None:
    result = {"type": FEW["type"], "kwargs": FEW["kwargs"], "rule": "q-test-1",
              "verdict": {"success": True, "observed": 2, "elements": None, "unexpected": None, "missing": None}}  # fmt: skip
    suite = {"policy": "q-test", "entity": "invoice", "run_id": run_id, "as_of": "2026-01-31", "results": [result]}
    assert f"run {run_id}" in rendered([suite])["q-test.html"]


def test_the_writer_of_pages_does_not_outlive_its_run() -> None:
    with DocsWriter() as writer:
        process = writer._process
    assert process.poll() is not None
