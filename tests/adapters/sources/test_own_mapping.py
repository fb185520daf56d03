"""A system nobody here knows, added with a mapping file alone: receivables whose days stand before months."""

from __future__ import annotations

import csv
import datetime as dt
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path

import polars as pl

from adapters.snapshot import SnapshotRead, read_snapshot

MAPPING = """adapter: receivables
title: A list of receivables
date: ["%d/%m/%Y"]
streams:
  receivable: {files: ["*.csv"]}
entities:
  - entity: customer
    from: receivable
    distinct: true
    fields: {customer_id: customerID}
  - entity: invoice
    from: receivable
    fields:
      invoice_id: invoiceNumber
      invoice_number: invoiceNumber
      kind: {const: invoice}
      customer_id: customerID
      invoice_date: InvoiceDate
      due_date: DueDate
      currency: {const: USD, note: the list names none}
      gross_amount: InvoiceAmount
      status: {const: paid}
      fully_paid_date: SettledDate
  - entity: payment
    from: receivable
    fields:
      payment_id: invoiceNumber
      invoice_id: invoiceNumber
      customer_id: customerID
      paid_date: SettledDate
      amount: InvoiceAmount
      currency: {const: USD}
"""


def read(folder: Path, export: Path, mapping: str) -> SnapshotRead:
    (folder / "mappings").mkdir()
    (folder / "mappings/receivables.yaml").write_text(mapping, encoding="utf-8")
    (folder / "export").mkdir()
    shutil.copyfile(export, folder / "export/receivables.csv")
    (folder / "snapshot.yaml").write_text("as_of: 2014-01-31\nsources:\n  - {system: erp, adapter: receivables, path: export}\n")
    return read_snapshot(folder, folder / "mappings")


def exported(shared_data: Path) -> tuple[Path, list[dict[str, str]]]:
    path = shared_data / "ar_invoices/WA_Fn-UseC_-Accounts-Receivable.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return path, list(csv.DictReader(lines))


def test_the_declared_order_of_day_and_month_decides_every_date(shared_data: Path, tmp_path: Path) -> None:
    path, rows = exported(shared_data)
    result = read(tmp_path, path, MAPPING)
    invoices = result.facts.records["invoice"].collect().sort("source_row")
    assert (invoices.height, result.held.height) == (2466, 0)
    assert [(each.rows_read, each.rows_used, each.rows_held, each.set_aside) for each in result.files] == [(2466, 2466, 0, {})]
    assert invoices["gross_amount"].sum() == sum(Decimal(row["InvoiceAmount"]) for row in rows)
    # The list states by itself how long each payment took and how late it was: no date is a day off.
    took = invoices.select((pl.col("fully_paid_date") - pl.col("invoice_date")).dt.total_days()).to_series()
    assert took.to_list() == [int(row["DaysToSettle"]) for row in rows]
    late = invoices.select((pl.col("fully_paid_date") - pl.col("due_date")).dt.total_days().clip(lower_bound=0)).to_series()
    assert late.to_list() == [int(row["DaysLate"]) for row in rows]
    assert invoices["invoice_date"][0] == dt.date(2012, 1, 3)
    assert result.facts.records["customer"].collect().height == len({row["customerID"] for row in rows})


def test_the_other_order_holds_what_cannot_be_and_loses_nothing(shared_data: Path, tmp_path: Path) -> None:
    path, rows = exported(shared_data)
    result = read(tmp_path, path, MAPPING.replace("%d/%m/%Y", "%m/%d/%Y"))
    impossible = [row for row in rows if any(int(row[name][:2]) > 12 for name in ("InvoiceDate", "DueDate", "SettledDate"))]
    (account,) = result.files
    assert (account.rows_read, account.rows_held) == (2466, len(impossible))
    assert account.rows_read == account.rows_used + account.rows_held
    assert Counter(result.held["reason"]).keys() == {"not_a_date"}
