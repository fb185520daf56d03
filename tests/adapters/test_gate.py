"""`tieout gate`: what of a draft invoice run must not go out, and why; exit 1 when something must not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.command import tieout

FILES = {
    "contract": "contract_id,currency,status,billing_frequency\nC1,EUR,active,monthly\n",
    "contract_line": (
        "contract_line_id,contract_id,offering,cap_amount\n"
        "L1,C1,time_and_materials,\nL2,C1,time_and_materials,1000\nL3,C1,managed_service,\n"
    ),
    "time_entry": (
        "time_entry_id,contract_line_id,work_date,hours,billable,status,bill_rate,currency\n"
        "T1,L1,2026-01-12,8,true,submitted,100,EUR\nT2,L1,2026-01-13,8,true,approved,100,EUR\nT3,L1,2026-01-14,8,true,approved,100,EUR\n"
        "T4,L1,2026-01-15,8,true,rejected,100,EUR\nT5,L2,2026-01-15,12,true,approved,100,EUR\nT6,L1,2026-01-16,4,true,approved,100,EUR\n"
    ),
    "milestone": (
        "milestone_id,contract_line_id,amount,currency,status,accepted_date\n"
        "M1,L3,500,EUR,accepted,2026-01-20\nM2,L3,500,EUR,completed,\nM3,L3,,EUR,accepted,2026-01-20\n"
    ),
    "billing_plan_line": "plan_line_id,contract_id,contract_line_id,due_date,amount,currency\nB1,C1,L3,2026-01-01,300,EUR\n",
    "invoice": "invoice_id,kind,status,currency,invoice_date,contract_id\nI1,invoice,posted,EUR,2026-01-31,C1\n",
    "invoice_line": "invoice_line_id,invoice_id,time_entry_id,quantity,net_amount\nIL1,I1,T3,8,800\n",
}  # fmt: skip
HEAD = "invoice_line_id,time_entry_id,milestone_id,contract_line_id,quantity,net_amount,currency\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gate")
    (folder / "psa").mkdir()
    for entity, text in FILES.items():
        (folder / "psa" / f"{entity}.csv").write_text(text)
    (folder / "snapshot.yaml").write_text("as_of: 2026-01-31\nsources:\n  - {system: psa, adapter: canonical, path: psa}\n")
    assert tieout("run", str(folder), "--out", str(folder / "runs")).returncode in (0, 1)
    return folder / "runs"


def gate(runs: Path, draft: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return tieout("gate", str(draft), "--out", str(runs), *more)


def written(tmp_path: Path, rows: str, head: str = HEAD) -> Path:
    path = tmp_path / "draft run.csv"
    path.write_text(head + rows)
    return path


def test_a_draft_of_billable_items_may_go_out(runs: Path, tmp_path: Path) -> None:
    result = gate(runs, written(tmp_path, "D1,T2,,,8,800,EUR\nD2,,M1,,1,500,EUR\nD3,,M3,L3,1,300,EUR\n"))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == ["0 of 3 lines must not go out.", "May go out: 3 lines, 1,600.00 EUR."]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("D1,T1,,,8,800,EUR", "time entry T1, 800.00 EUR: it is on hold (not approved) [BT-020]"),
        ("D1,T4,,,8,800,EUR", "time entry T4, 800.00 EUR: it is not billable (rejected) [BT-010]"),
        ("D1,T3,,,8,800,EUR", "time entry T3, 800.00 EUR: it is billed (approved) [BT-900]"),
        ("D1,T9,,,8,800,EUR", "time entry T9, 800.00 EUR: the run has no such item"),
        ("D1,T2,,,9,900,EUR", "time entry T2, 900.00 EUR: it bills 9.00 h and 8.00 h are left to bill [BT-900]"),
        ("D1,T2,,,8,760,EUR", "time entry T2, 760.00 EUR: it bills 760.00 for 8.00 h; at the rate of 100.00 it is 800.00 [BT-900]"),
        ("D1,T2,,,8,800,USD", "time entry T2, 800.00 USD: it is in USD and is billed in EUR [BT-900]"),
        (
            "D1,T5,,,12,1200,EUR",
            "time entry T5, 1,200.00 EUR: it bills 12.00 h and 10.00 h are left to bill; the rest is not billable (over the cap) [BT-CAP]",
        ),
        ("D1,,M2,,1,500,EUR", "milestone M2, 500.00 EUR: it is on hold (not accepted) [BM-050]"),
        ("D1,,M1,,1,600,EUR", "milestone M1, 600.00 EUR: it bills 600.00 and 500.00 are left to bill [BM-040]"),
        ("D1,,,L3,1,900,EUR", "contract line L3, 900.00 EUR: it names no item, and its contract line has 800.00 left to bill"),
        ("D1,,,,1,900,EUR", "no item, 900.00 EUR: it names neither an item nor a contract line"),
    ],
)  # fmt: skip
def test_what_must_not_go_out_is_told_with_its_reason(runs: Path, tmp_path: Path, row: str, reason: str) -> None:
    result = gate(runs, written(tmp_path, row + "\n"))
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.splitlines() == [f"row 2  D1  {reason}", "1 of 1 lines must not go out."]


def test_two_lines_of_one_entry_are_added_up(runs: Path, tmp_path: Path) -> None:
    result = gate(runs, written(tmp_path, "D1,T2,,,6,600,EUR\nD2,T2,,,6,600,EUR\n"))
    assert result.returncode == 1
    assert result.stdout.splitlines()[0] == "row 3  D2  time entry T2, 600.00 EUR: it bills 6.00 h and 2.00 h are left to bill [BT-900]"
    assert "May go out: 1 lines, 600.00 EUR." in result.stdout


def test_a_folder_with_invoices_and_settled_entries_is_read(runs: Path, tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    draft.mkdir()
    (draft / "invoice.csv").write_text("invoice_id,invoice_date,currency\nI9,2026-01-20,EUR\n")
    (draft / "invoice_line.csv").write_text("invoice_line_id,invoice_id,quantity,net_amount\nD1,I9,12,1200\n")
    (draft / "invoice_line_time.csv").write_text("invoice_line_id,time_entry_id,hours\nD1,T2,8\nD1,T6,4\n")
    told = json.loads(gate(runs, draft, "--json").stdout)
    # Both entries may be billed from the month's end only.
    assert [(each["item"], each["reason"]) for each in told["stopped"]] == [
        ("time entry T2", "it may be billed from 2026-01-31"), ("time entry T6", "it may be billed from 2026-01-31"),
    ]  # fmt: skip


def test_json_and_workbooks_are_read_as_well(runs: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"invoice_line_id": "D1", "time_entry_id": "T1", "quantity": "8", "net_amount": "800", "currency": "EUR"}]
    (tmp_path / "draft.json").write_text(json.dumps(rows))
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(rows[0]))
    sheet.append(list(rows[0].values()))
    book.save(tmp_path / "draft.xlsx")
    for name in ("draft.json", "draft.xlsx"):
        result = gate(runs, tmp_path / name)
        assert result.returncode == 1, result.stderr
        assert "time entry T1, 800.00 EUR: it is on hold (not approved) [BT-020]" in result.stdout


def test_a_credit_in_the_draft_is_not_judged(runs: Path, tmp_path: Path) -> None:
    assert gate(runs, written(tmp_path, "D1,T3,,,-8,-800,EUR\n")).returncode == 0


def test_a_row_that_cannot_be_read_stops_the_draft(runs: Path, tmp_path: Path) -> None:
    result = gate(runs, written(tmp_path, "D1,T2,,,eight,800,EUR\n"))
    assert result.returncode == 1
    assert "row 2  cannot be read" in result.stdout and "eight" in result.stdout


def test_a_missing_or_foreign_file_is_a_sentence_and_exit_2(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "draft.pdf").write_text("x")
    for path in (tmp_path / "none.csv", tmp_path / "draft.pdf", written(tmp_path, "1,2\n", "a,b\n")):
        result = gate(runs, path)
        assert (result.returncode, result.stdout) == (2, ""), path
        assert "Traceback" not in result.stderr and result.stderr
