"""`tieout explain time_entry:ID`: the rule in its author's words, inputs with source rows, every other rule's failed cell."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.command import ROOT, tieout

CONTRACT = "contract_id,currency,status\nC1,EUR,active\n"
LINE = "contract_line_id,contract_id,offering,cap_amount\nL1,C1,time_and_materials,1000\n"
TIME = (
    "time_entry_id,contract_line_id,work_date,hours,billable,status,bill_rate,currency\n"
    "T1,L1,2026-01-12,8,true,submitted,100,EUR\nT2,L1,2026-01-13,8,true,approved,100,EUR\nT3,L1,2026-01-14,8,true,approved,100,EUR\n"
)
INVOICE = "invoice_id,kind,status,currency,invoice_date\nI1,invoice,posted,EUR,2026-01-31\n"
LINES = "invoice_line_id,invoice_id,time_entry_id,quantity,net_amount\nIL1,I1,T2,8,800\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("explain")
    (folder / "psa").mkdir()
    files = {"contract": CONTRACT, "contract_line": LINE, "time_entry": TIME, "invoice": INVOICE, "invoice_line": LINES}
    for entity, text in files.items():
        (folder / "psa" / f"{entity}.csv").write_text(text)
    (folder / "snapshot.yaml").write_text("as_of: 2026-01-31\nsources:\n  - {system: psa, adapter: canonical, path: psa}\n")
    tieout("run", str(folder), "--out", str(folder / "runs"))
    return folder, folder / "runs"


def explain(identity: str, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return tieout("explain", identity, "--out", str(out), *more)


def test_a_held_entry_says_which_rule_held_it_and_what_would_release_it(runs: tuple[Path, Path]) -> None:
    folder, out = runs
    told = explain("time_entry:T1", out, "--snapshot", str(folder))
    assert told.returncode == 0
    lines = told.stdout.splitlines()
    assert lines[0] == "time entry T1: on hold, 800.00 EUR (not approved)"
    assert lines[1].strip() == "rule      BT-020: Only approved time is billed"
    assert "billing/bill-time.yaml:" in lines[2] and "AM 5.1.2" in lines[2]
    assert "psa/time_entry.csv:2" in told.stdout and "T1,L1,2026-01-12,8,true,submitted,100,EUR" in told.stdout
    assert "psa/contract_line.csv:2" in told.stdout
    assert "status needs approved but was submitted" in told.stdout
    assert lines[-1] == "It would be billable by BT-900 if status were approved. That would release 800.00 EUR."
    ranked = tieout("unblock", "--out", str(out))
    assert ranked.stdout.splitlines() == [
        "  1.         800.00 EUR  Approve the time: contract C1", "     1 time entry held by BT-020: T1",
    ]  # fmt: skip


def test_a_billed_entry_names_its_invoice_line(runs: tuple[Path, Path]) -> None:
    told = json.loads(explain("time_entry:T2", runs[1], "--json").stdout)
    assert told["invoiced"][0]["invoice_line_id"] == "IL1"
    assert told["invoiced"][0]["evidence"][0]["place"] == "psa/invoice_line.csv:2"
    assert [rule["rule"] for rule in told["rules"] if rule["holds"]] == ["BT-900"]
    assert told["inputs"]["contract_line.offering"] == "time_and_materials"


def test_an_entry_split_at_the_cap_shows_both_rows(runs: tuple[Path, Path]) -> None:
    told = explain("time_entry:T3", runs[1]).stdout
    assert "time entry T3: billable, 200.00 EUR (approved)" in told
    assert "time entry T3: not billable, 600.00 EUR (over the cap)" in told
    assert "BT-CAP: Work beyond the cap of its line is not billed" in told


def test_a_changed_policy_is_said_and_not_guessed(runs: tuple[Path, Path], tmp_path: Path) -> None:
    changed = tmp_path / "policies"
    changed.mkdir()
    text = (ROOT / "policies" / "billing" / "bill-time.yaml").read_text(encoding="utf-8")
    (changed / "bill-time.yaml").write_text(text.replace("> 120", "> 90"), encoding="utf-8")
    told = explain("time_entry:T1", runs[1], "--policies", str(changed))
    assert told.returncode == 0
    assert "The policy has changed since this run" in told.stdout
    assert "rules, in order" not in told.stdout


def test_an_unknown_item_is_a_sentence_and_exit_2(runs: tuple[Path, Path]) -> None:
    told = explain("time_entry:NONE", runs[1])
    assert (told.returncode, told.stdout) == (2, "")
    assert "has no decision on time_entry NONE" in told.stderr


def test_a_finding_about_an_item_tells_how_the_item_was_decided(snapshot: Any, tmp_path: Path) -> None:
    twice = LINES + "IL2,I1,T2,8,800\n"
    folder = snapshot(psa={"contract": CONTRACT, "contract_line": LINE, "time_entry": TIME, "invoice": INVOICE, "invoice_line": twice})
    tieout("run", str(folder), "--out", str(tmp_path / "runs"))
    findings = pl.read_parquet(next((tmp_path / "runs").glob("*/findings.parquet")))
    identity = findings.filter(pl.col("kind") == "billed_twice")["finding_id"].item()
    told = explain(identity, tmp_path / "runs").stdout
    assert "BT-C03: No hour is billed twice" in told
    assert "How the item was decided" in told and "billed by IL2" in told
    assert json.loads(explain(identity, tmp_path / "runs", "--json").stdout)["decision"]["item"] == "time_entry:T2"
