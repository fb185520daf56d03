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
    "salesforce": {"customer": 1, "opportunity": 0},
    "netsuite": {
        "account": 3, "bill": 3, "bill_line": 0, "customer": 5, "fiscal_period": 5, "invoice": 0, "journal_line": 5,
        "legal_entity": 2, "project": 4, "vendor": 4,
    },
    "zuora": {"contract": 3, "customer": 4, "invoice": 5, "invoice_line": 6, "payment": 5, "payment_application": 6},
}  # fmt: skip

WITHOUT_RECORDS = {
    ("hubspot", "contract"): "no deal of the export stands in a stage that is won",
    ("sage_intacct", "invoice"): "every receivable of the export is deleted",
    ("salesforce", "opportunity"): "every opportunity of the export is deleted",
    ("netsuite", "invoice"): "every transaction of the export is a bill",
    ("netsuite", "bill_line"): "no line of the export belongs to one of its bills",
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


def record(read: SnapshotRead, entity: str, key: str) -> dict[str, object]:
    """Return the one record of an entity with this key."""
    rows = read.facts.records[entity].collect()
    (found,) = rows.filter(pl.col(rows.columns[0]) == key).iter_rows(named=True)
    return found


def says(read: SnapshotRead, entity: str, key: str, **expected: object) -> None:
    """Check fields of one record; amounts are written as text."""
    found = record(read, entity, key)
    for name, value in expected.items():
        actual = found[name]
        assert (actual == Decimal(str(value)) if isinstance(actual, Decimal) else str(actual) == str(value)), (name, actual, value)


def test_salesforce_keeps_the_one_account_that_is_not_deleted(shared_data: Path, tmp_path: Path) -> None:
    read = read_vendor("salesforce", shared_data, tmp_path)
    says(read, "customer", "0015500000Xyy06AAB", name="Eric's Test", country=None)
    reasons = {each.path: each.set_aside for each in read.files}
    assert reasons["export/sf_account_data.csv"] == {"deleted_in_source": 9}
    assert reasons["export/sf_order_data.csv"] == {"no_stream": 10}


def test_zuora_keeps_net_tax_and_gross_apart_and_finds_the_account(shared_data: Path, tmp_path: Path) -> None:
    read = read_vendor("zuora", shared_data, tmp_path)
    says(read, "invoice", "dff38ac0a531a01100012160a3061ef6", net_amount="65", tax_amount="5.36", gross_amount="70.36", amount_due="0",
         customer_id="dff38ac00240057303623f9ba5542afa", currency="USD",
         invoice_date="2015-10-15", posted_at="2016-01-15 22:30:00+00:00", status="posted", kind="invoice")  # fmt: skip
    says(read, "invoice_line", "dff38ac0abba719061f1e5b1eb7fbf9d", net_amount="570860", tax_amount="45668", quantity="33580",
         unit_price="17", currency="JPY", service_start="2015-08-01", service_end="2015-08-31")  # fmt: skip
    says(read, "contract", "8ad0877b8262bc1e018263418ba12451", customer_id="8ad088718262bc1701826340a8720972", currency="USD",
         status="draft", contract_number="A-S00000019")  # fmt: skip


def test_netsuite_reads_letters_numbers_and_the_primary_book(shared_data: Path, tmp_path: Path) -> None:
    read = read_vendor("netsuite", shared_data, tmp_path)
    says(read, "bill", "5914", vendor_id="1570", invoice_date="2017-05-07", due_date="2017-05-05", status="posted", kind="bill")
    says(read, "bill", "3", status="paid", recorded_at="2017-05-12 03:41:25+00:00")
    says(read, "journal_line", "5914|5|1", posting_date="2017-05-07", period="2017-05", functional_debit="0", reverses_journal_id=None)
    closed = read.facts.records["fiscal_period"].collect().filter(pl.col("period") == "2002-03")
    assert closed.select("status", pl.col("end_date").cast(pl.String)).rows() == [("closed", "2002-03-31")]
    says(read, "project", "1548", customer_id="1547", start_date="2017-05-01", end_date="2017-06-30", name="Another Cat Name")
    reasons = {each.path: each.set_aside for each in read.files}
    assert reasons["export/netsuite2_account_data.csv"] == {"earlier_version": 1, "non_posting_account": 2}


def test_a_hubspot_deal_and_company_keep_their_instants(shared_data: Path, tmp_path: Path) -> None:
    read = read_vendor("hubspot", shared_data, tmp_path)
    says(read, "customer", "2182162682", recorded_at="2019-07-05 20:35:26+00:00", country=None)
    says(read, "opportunity", "1244495215", created_at="2019-12-04 12:48:22+00:00", amount=None)


def test_a_quickbooks_invoice_is_parted_into_net_and_tax(shared_data: Path, tmp_path: Path) -> None:
    read = read_vendor("quickbooks", shared_data, tmp_path)
    says(read, "invoice", "40115", gross_amount="1015.05", tax_amount="10.05", net_amount="1005", amount_due="1015.05",
         exchange_rate="0.8", invoice_date="2021-02-03", status="posted")  # fmt: skip
    says(read, "bill", "111", gross_amount="5000", status="paid", due_date=None)
    says(read, "invoice_line", "35647|5", net_amount="-24850", account="226")
    says(read, "journal_line", "41|0", credit="30476", debit=None, posting_date="2020-07-14")


def test_a_sage_intacct_reversal_is_a_negative_credit_that_is_not_paid(shared_data: Path, tmp_path: Path) -> None:
    read = read_vendor("sage_intacct", shared_data, tmp_path)
    says(read, "bill", "120279", kind="vendor_credit", gross_amount="-372", status="posted", fully_paid_date=None)
    says(read, "bill", "9823", kind="bill", gross_amount="372", status="paid", fully_paid_date="2020-09-04", amount_due="0")
    says(read, "journal_line", "YGy2nQ7YHphQv5+5AdQTyQ==", debit="2492.5", credit="0", account="15030", posting_date="2021-12-01")
    says(read, "invoice_line", "1807990", net_amount="350000", account="18400")


def test_stripe_amounts_are_cents_and_a_credit_note_is_negative(shared_data: Path, tmp_path: Path) -> None:
    read = read_vendor("stripe", shared_data, tmp_path)
    says(read, "invoice", "ab1111", gross_amount="10", amount_due="0", status="paid", currency="USD", kind="invoice")
    says(read, "invoice", "cn_89hUNfs", gross_amount="-0.5", kind="credit_note", corrects_invoice_id="in_1J7DINLdeVo",
         invoice_date="2021-06-30")  # fmt: skip
    says(read, "invoice_line", "ad1111", net_amount="0.21", unit_price="0.042", service_start="2021-02-18")
    assert {each.path: each.set_aside for each in read.files}["export/charge_data.csv"] == {"not_captured": 16}


def test_a_chargebee_invoice_and_the_last_day_of_its_service(shared_data: Path, tmp_path: Path) -> None:
    read = read_vendor("chargebee", shared_data, tmp_path)
    says(read, "invoice", "cbdemo_inv_003", gross_amount="800", net_amount="800", amount_due="270", status="posted",
         invoice_date="2021-07-12", contract_id="cbdemo_non_renewing_sub")  # fmt: skip
    # The next invoice of a monthly plan begins its service on 2021-08-12.
    says(read, "invoice_line", "li_AzZlweSefvesUUyx", net_amount="600", service_start="2021-07-12", service_end="2021-08-11")
    says(read, "contract", "cbdemo_cancelled_sub", status="terminated", terminated_date="2021-07-22", start_date="2021-06-22")
    # Its end on 2021-08-12 was entered two weeks before; the other ended on the day it was entered.
    ends = {each["contract_id"]: each["terminated_recorded_at"] for each in read.facts.records["contract"].collect().to_dicts()}
    assert str(ends["cbdemo_non_renewing_sub"]) == "2021-07-30 18:57:59+00:00" and ends["cbdemo_cancelled_sub"] is None


def test_a_tempo_account_is_the_agreement(shared_data: Path, tmp_path: Path) -> None:
    read = read_vendor("tempo", shared_data, tmp_path)
    assert read.facts.records["contract"].collect()["status"].drop_nulls().unique().to_list() == ["active"]
    assert read.facts.records["time_entry"].collect()["resource_id"].null_count() == 0


@vendors
def test_a_column_that_no_file_shows_is_marked_as_from_general_knowledge(vendor: str, shared_data: Path, tmp_path: Path) -> None:
    read = read_vendor(vendor, shared_data, tmp_path)
    rules = [rule for rule in read.mappings[vendor].mapping.entities if rule.entity in read.facts.records]
    assumed = {(rule.entity, name) for rule in rules for name, field in rule.fields.items() if field.known}
    stated = {(entity, name) for (entity, _), names in read.facts.stated.items() for name in names}
    mapped = {(rule.entity, name) for rule in rules for name in rule.fields}
    assert mapped - stated - assumed == set()
