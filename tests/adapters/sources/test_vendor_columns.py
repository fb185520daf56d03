"""Column names as vendors and their connectors write them: files nobody here wrote, copied beside a snapshot.yaml.

The files are fixtures of names rather than books, so what counts is that every mapped entity yields
records, that each held cell has a known cause, and that no row is lost.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import polars as pl
import pytest

from adapters.snapshot import SnapshotRead, read_snapshot

RECORDS = {
    "hubspot": {"customer": 24, "opportunity": 44, "contract": 0},
    "quickbooks": {
        "account": 30, "bill": 13, "bill_line": 21, "customer": 4, "invoice": 17, "invoice_line": 23,
        "journal_line": 12, "payment": 12, "payment_application": 12, "vendor": 9,
    },
    "sage_intacct": {"account": 9, "bill": 10, "bill_line": 10, "invoice": 0, "invoice_line": 10, "journal_line": 9},
    "stripe": {"customer": 11, "invoice": 2, "invoice_line": 4, "payment": 4},
    "chargebee": {
        "contract": 5, "contract_line": 9, "customer": 5, "invoice": 5, "invoice_line": 9, "payment": 5,
        "payment_application": 5,
    },
    "tempo": {"contract": 10, "customer": 6, "time_entry": 265},
}  # fmt: skip

WITHOUT_RECORDS = {
    ("hubspot", "contract"): "no deal of the export stands in a stage that is won",
    ("sage_intacct", "invoice"): "every receivable of the export is deleted",
}

HELD = {
    # A type that QuickBooks does not know, and a line whose quantity slipped into the service date.
    "quickbooks": {("account", "account_class", "unknown_value"): 1, ("invoice_line", "service_start", "not_a_date"): 1,
                   ("invoice_line", "service_end", "not_a_date"): 1},
}  # fmt: skip

vendors = pytest.mark.parametrize("vendor", sorted(RECORDS))


def read_vendor(vendor: str, shared_data: Path, folder: Path) -> SnapshotRead:
    """Read a vendor's files from a copy, so that the shared folder stays as it is."""
    shutil.copytree(shared_data / vendor, folder / "export", copy_function=shutil.copyfile)
    folder.joinpath("snapshot.yaml").write_text(
        f"as_of: 2026-01-31\nsources:\n  - {{system: source, adapter: {vendor}, path: export}}\n", encoding="utf-8"
    )
    return read_snapshot(folder)


@vendors
def test_a_vendors_own_column_names_give_records(vendor: str, shared_data: Path, tmp_path: Path) -> None:
    read = read_vendor(vendor, shared_data, tmp_path)
    found = {name: frame.select(pl.len()).collect().item() for name, frame in read.facts.records.items()}
    assert found == RECORDS[vendor]
    assert {(vendor, name) for name, count in found.items() if not count} == {key for key in WITHOUT_RECORDS if key[0] == vendor}
    held = Counter(read.held.select("entity", "field", "reason").iter_rows())
    assert held == HELD.get(vendor, {})


@vendors
def test_no_row_of_a_vendors_files_is_lost(vendor: str, shared_data: Path, tmp_path: Path) -> None:
    read = read_vendor(vendor, shared_data, tmp_path)
    assert read.files
    for each in read.files:
        assert each.failure is None, each.path
        assert each.rows_read == each.rows_used + each.rows_held + sum(each.set_aside.values()), each.path


def test_tempo_seconds_become_hours(shared_data: Path, tmp_path: Path) -> None:
    lines = map(json.loads, (shared_data / "tempo/expected_records.jsonl").read_text(encoding="utf-8").splitlines())
    worklogs = [line["data"] for line in lines if line["stream"] == "worklogs"]
    entries = read_vendor("tempo", shared_data, tmp_path).facts.records["time_entry"].collect()
    scale = Decimal("0.00000001")
    expected = sum((Decimal(log["timeSpentSeconds"]) / 3600).quantize(scale, ROUND_HALF_UP) for log in worklogs)
    assert entries["hours"].sum() == expected
    assert entries["billable"].sum() == sum(log["billableSeconds"] > 0 for log in worklogs)
    assert entries["work_date"].null_count() == 0


def test_chargebee_cents_become_money(shared_data: Path, tmp_path: Path) -> None:
    invoices = [each["invoice"] for each in json.loads((shared_data / "chargebee/invoices.json").read_text(encoding="utf-8"))["list"]]
    records = read_vendor("chargebee", shared_data, tmp_path).facts.records
    found = records["invoice"].collect()
    assert found["gross_amount"].sum() * 100 == sum(each["total"] for each in invoices)
    assert found["amount_due"].sum() * 100 == sum(each["amount_due"] for each in invoices)
    applied = sum(part["applied_amount"] for each in invoices for part in each["linked_payments"])
    assert records["payment_application"].collect()["amount"].sum() * 100 == applied
    assert set(records["invoice_line"].collect()["invoice_id"]) == {each["id"] for each in invoices}


def test_stripe_refunds_are_negative_payments(shared_data: Path, tmp_path: Path) -> None:
    with (shared_data / "stripe/refund_data.csv").open(encoding="utf-8", newline="") as lines:
        refunded = sum(int(row["amount"]) for row in csv.DictReader(lines))
    payments = read_vendor("stripe", shared_data, tmp_path).facts.records["payment"].collect()
    assert payments["amount"].sum() * -100 == refunded
    assert payments["currency"].unique().to_list() == ["USD"]


def test_sage_intacct_ledger_detail_keeps_both_sides(shared_data: Path, tmp_path: Path) -> None:
    with (shared_data / "sage_intacct/sage_intacct__gl_detail.csv").open(encoding="utf-8", newline="") as lines:
        kept = [row for row in csv.DictReader(lines) if row["_fivetran_deleted"] == "FALSE"]
    detail = read_vendor("sage_intacct", shared_data, tmp_path).facts.records["journal_line"].collect()
    assert detail["functional_debit"].sum() == sum(Decimal(row["debitamount"]) for row in kept)
    assert detail["functional_credit"].sum() == sum(Decimal(row["creditamount"]) for row in kept)
    assert (detail["functional_debit"] - detail["functional_credit"]).sum() == sum(Decimal(row["amount"]) for row in kept)


def test_quickbooks_credits_are_negative_and_journals_have_two_sides(shared_data: Path, tmp_path: Path) -> None:
    records = read_vendor("quickbooks", shared_data, tmp_path).facts.records
    notes = records["invoice"].collect().filter(pl.col("kind") == "credit_note")
    with (shared_data / "quickbooks/credit_memo_data.csv").open(encoding="utf-8", newline="") as lines:
        kept = [row for row in csv.DictReader(lines) if row["_fivetran_deleted"] == "FALSE"]
    assert notes["gross_amount"].sum() == -sum(Decimal(row["total_amount"]) for row in kept)
    journal = records["journal_line"].collect()
    with (shared_data / "quickbooks/journal_entry_line_data.csv").open(encoding="utf-8", newline="") as lines:
        by_side = Counter[str]()
        for row in csv.DictReader(lines):
            by_side[row["posting_type"]] += int(row["amount"])
    assert (journal["debit"].sum(), journal["credit"].sum()) == (by_side["Debit"], by_side["Credit"])
