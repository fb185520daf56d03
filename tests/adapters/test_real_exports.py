"""Real exports nobody here wrote: the counts of data/README.md, nothing lost, nothing invented."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl

from adapters.run import run_snapshot
from adapters.snapshot import SnapshotRead, read_snapshot


def counts(read: SnapshotRead) -> dict[str, int]:
    return {name: frame.select(pl.len()).collect().item() for name, frame in read.facts.records.items()}


def assert_every_row_is_accounted_for(read: SnapshotRead) -> None:
    for each in read.files:
        assert each.rows_read == each.rows_used + each.rows_held + sum(each.set_aside.values()), each.path


def test_xero_reads_as_its_expected_table_says(shared_data: Path) -> None:
    read = read_snapshot(shared_data / "xero")
    found = counts(read)
    assert found["invoice"] + found["bill"] == 601
    assert found["invoice_line"] + found["bill_line"] == 649
    assert found["customer"] + found["vendor"] == 152
    assert (found["journal_line"], found["account"]) == (4033, 71)
    assert read.held.height == 0
    assert_every_row_is_accounted_for(read)


def test_xero_statuses_are_those_of_the_ledger(shared_data: Path) -> None:
    facts = read_snapshot(shared_data / "xero").facts
    by_status = facts.records["invoice"].group_by("status").len().collect()
    assert dict(by_status.iter_rows()) == {"paid": 103, "posted": 13, "void": 1}
    by_status = facts.records["bill"].group_by("status").len().collect()
    assert dict(by_status.iter_rows()) == {"paid": 473, "posted": 3, "void": 8}


def test_every_xero_journal_balances_on_net(shared_data: Path) -> None:
    lines = read_snapshot(shared_data / "xero").facts.records["journal_line"]
    sums = lines.group_by("journal_id").agg((pl.col("functional_debit") - pl.col("functional_credit")).sum().alias("d")).collect()
    assert sums.height == 1685
    assert sums.filter(pl.col("d") != 0).height == 0


def test_the_xero_rate_divides(shared_data: Path) -> None:
    invoices = read_snapshot(shared_data / "xero").facts.records["invoice"].collect()
    open_items = invoices.filter(pl.col("status") == "posted")
    wide = pl.Decimal(38, 18)
    total = open_items.select((pl.col("amount_due").cast(wide) * pl.col("exchange_rate")).sum()).item()
    assert total.quantize(Decimal("0.01")) == Decimal("60596.18")


def test_tock_loses_no_hour(shared_data: Path) -> None:
    read = read_snapshot(shared_data / "tock")
    entries = read.facts.records["time_entry"].collect()
    assert (entries.height, entries["hours"].sum()) == (11047, Decimal("171624.72"))
    assert entries.filter(~pl.col("billable").fill_null(value=False))["hours"].sum() == Decimal("78642.95")
    assert counts(read)["project"] == 114
    assert entries["work_date"].null_count() == 0
    assert_every_row_is_accounted_for(read)


def test_harvest_accounts_for_every_record(shared_data: Path) -> None:
    read = read_snapshot(shared_data / "harvest")
    assert sum(each.rows_read for each in read.files) == 113
    assert read.held.height == 0
    assert_every_row_is_accounted_for(read)
    lines = read.facts.records["invoice_line"].collect().filter(pl.col("invoice_id") == "28174531")
    assert lines["net_amount"].sum() == Decimal("80.1")


def test_fpds_finds_the_19_totals_that_do_not_follow_from_the_change(shared_data: Path, tmp_path: Path) -> None:
    outcome = run_snapshot(shared_data / "fpds/2025-03-11", previous=shared_data / "fpds/2025-02-20", out=tmp_path)
    findings = pl.read_parquet(outcome.run_dir / "findings.parquet")
    assert findings.filter(pl.col("kind") == "amended_total_mismatch").height == 19
    # Amendments of contracts of which no line is known say nothing of revenue.
    # Five contracts stood as signed the day before, and what is stated since does not lead to their total.
    rules = [("own-contract-amended", 19), ("own-contract-signed", 5), ("rows_held", 3)]
    assert findings.group_by("rule").len().sort("rule").rows() == rules
    assert outcome.manifest["header_changes"][0]["added"] == ["dt_scrape", "link", "uploaded_dt", "uploaded_on"]
