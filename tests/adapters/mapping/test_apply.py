"""A mapping written in the test reads a small export: what counts, what is set aside and why."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl

from adapters.snapshot import SnapshotRead, read_snapshot

HEAD = "adapter: own\ntitle: A system of our own\n"


def read(folder: Path, mapping: str, **files: str) -> SnapshotRead:
    """Read CSV files with a mapping of our own."""
    (folder / "mappings").mkdir()
    (folder / "mappings/own.yaml").write_text(HEAD + mapping, encoding="utf-8")
    (folder / "export").mkdir()
    for name, text in files.items():
        (folder / f"export/{name}.csv").write_text(text, encoding="utf-8")
    (folder / "snapshot.yaml").write_text("as_of: 2026-01-31\nsources:\n  - {system: x, adapter: own, path: export}\n")
    return read_snapshot(folder, folder / "mappings")


def set_aside(result: SnapshotRead) -> dict[str, int]:
    return {reason: rows for each in result.files for reason, rows in each.set_aside.items()}


WEEKS = """
set_aside: [{reason: deleted, when: {deleted: [T]}}]
streams: {week: {files: [week.csv]}}
entities:
  - entity: time_entry
    from: week
    unpivot: {start: start, columns: {mon: 0, tue: 1, wed: 2}, value: cell, day: day, identity: offset}
    fields: {time_entry_id: {join: [id, offset]}, work_date: day, hours: cell}
"""


def test_a_week_that_makes_as_many_entries_as_there_are_weeks_uses_only_itself(tmp_path: Path) -> None:
    result = read(tmp_path, WEEKS, week="id,start,mon,tue,wed,deleted\n1,2026-01-05,8,7,0,F\n2,2026-01-05,8,8,8,T\n")
    assert result.facts.records["time_entry"].collect()["work_date"].to_list() == [dt.date(2026, 1, 5), dt.date(2026, 1, 6)]
    assert (result.files[0].rows_used, set_aside(result)) == (1, {"deleted": 1})


def test_a_week_whose_days_do_not_add_up_to_its_total_is_held_as_a_whole(tmp_path: Path) -> None:
    mapping = WEEKS.replace("identity: offset}", "identity: offset, total: sum}")
    weeks = "id,start,mon,tue,wed,sum,deleted\n1,2026-01-05,8,7.5,,15.50,F\n2,2026-01-05,8,8,8,23,F\n"
    weeks += "3,2026-01-05,8,x,,8,F\n4,2026-01-05,8,,,,F\n"
    result = read(tmp_path, mapping, week=weeks)
    assert result.facts.records["time_entry"].collect()["time_entry_id"].to_list() == ["1|0", "3|0", "4|0", "1|1"]
    assert result.held.select("row", "field", "value", "reason").rows() == [
        (4, "hours", "x", "not_a_number"), (3, "hours", "23", "total_differs"),
    ]  # fmt: skip
    assert (result.files[0].rows_used, result.files[0].rows_held) == (2, 2)


def test_a_line_of_totals_below_the_rows_is_no_record(tmp_path: Path) -> None:
    mapping = """
streams: {customer: {files: [customer.csv]}, line: {files: [line.csv]}}
entities:
  - {entity: customer, from: customer, fields: {customer_id: id, name: name}}
  - {entity: expense, from: line, fields: {expense_id: id, incurred_date: day, category: what, amount: amount, tax_amount: tax}}
"""
    lines = "id,day,what,amount,tax\nE1,2026-01-05,hotel,100,7\nTotal,2026-01-06,taxi,20,1\nTotal,,,120,8\nE2,,,5,\n"
    result = read(tmp_path, mapping, customer="id,name\nTotal,TotalEnergies\n", line=lines)
    assert result.facts.records["expense"].collect()["expense_id"].to_list() == ["E1", "Total", "E2"]
    assert result.held.select("row", "field", "value", "reason").rows() == [(4, "expense_id", "Total", "total_line")]
    assert result.facts.records["customer"].collect()["customer_id"].to_list() == ["Total"]
    assert [(each.rows_read, each.rows_used, each.rows_held) for each in result.files] == [(1, 1, 0), (4, 3, 1)]


def test_a_line_that_counts_the_rows_is_no_record_however_it_is_written(tmp_path: Path) -> None:
    mapping = """
streams: {customer: {files: [customer.csv]}}
entities:
  - {entity: customer, from: customer, fields: {customer_id: id, name: name, country: country}}
"""
    rows = ["C1,One,", "Totally,,", "Record Count: 2,,", "Grand Totals (2 records),,", '"Summe: 1.234,50",,', "Total-7,,"]
    result = read(tmp_path, mapping, customer="\n".join(["id,name,country", *rows]) + "\n")
    assert result.facts.records["customer"].collect()["customer_id"].to_list() == ["C1", "Totally", "Total-7"]
    assert result.held["reason"].to_list() == ["total_line"] * 3


LINES = """
streams: {invoice: {files: [invoice.csv]}, line: {files: [line.csv]}}
entities:
  - entity: invoice_line
    from: line
    missing: {stream: invoice, on: {invoice: id}, when: {void: [T]}, reason: invoice_is_void}
    fields:
      invoice_line_id: id
      invoice_id: invoice
      service_start: start
      service_end: {from: end, exclusive_end: [start]}
      account: {lookup: {stream: invoice, on: {invoice: id}, take: account, else: {stream: invoice, on: {invoice: id}, take: other}}}
"""


def test_lines_of_a_void_invoice_are_set_aside_by_the_name_given(tmp_path: Path) -> None:
    lines = "id,invoice,start,end\n1,A,2026-01-01,2026-02-01\n2,B,2026-01-01,2026-02-01\n3,A,2026-01-05,2026-01-05\n"
    result = read(tmp_path, LINES, invoice="id,void,account,other\nA,F,,4000\nB,T,,\n", line=lines)
    found = result.facts.records["invoice_line"].collect().sort("invoice_line_id")
    assert found["service_end"].to_list() == [dt.date(2026, 1, 31), dt.date(2026, 1, 5)]
    assert found["account"].to_list() == ["4000", "4000"]
    assert set_aside(result) == {"invoice_is_void": 1, "not_claimed": 1}


def test_a_held_row_shows_the_cell_that_several_columns_may_give(tmp_path: Path) -> None:
    fields = "{customer_id: id, status: {first_of: [a, b]}}"
    mapping = f"streams: {{c: {{files: [c.csv]}}}}\nentities: [{{entity: customer, from: c, fields: {fields}}}]\n"
    result = read(tmp_path, mapping, c="id,a,b\n1,,asleep\n")
    assert result.held.select("field", "value", "reason").rows() == [("status", "asleep", "unknown_value")]


def test_a_file_the_mapping_knows_and_leaves_out_is_set_aside_by_its_reason(tmp_path: Path) -> None:
    mapping = "ignore: {people_only: ['user*.csv']}\nstreams: {c: {files: [c.csv]}}\n"
    mapping += "entities: [{entity: customer, from: c, fields: {customer_id: id}}]\n"
    result = read(tmp_path, mapping, c="id\n1\n", user_roles="id\n1\n2\n", other="id\n1\n")
    assert set_aside(result) == {"people_only": 2, "no_stream": 1}


LOOKED_UP = """
streams: {invoice: {files: [invoice.csv]}, account: {files: [account.csv]}}
entities:
  - entity: invoice
    from: invoice
    fields:
      invoice_id: id
      customer_id: {lookup: {stream: account, on: {account: id}, take: crm}, if_not_found: account}
      currency: {prefer: currency, lookup: {stream: account, on: {account: id}, take: currency}}
      legal_entity_id: {lookup: {stream: account, on: {account: id}, take: entity}}
"""


def test_what_is_not_found_keeps_the_id_the_row_names(tmp_path: Path) -> None:
    accounts = "id,crm,currency\nA,001,USD\nB,,EUR\n"
    result = read(tmp_path, LOOKED_UP, invoice="id,account,currency\n1,A,\n2,B,GBP\n3,C,\n", account=accounts)
    found = result.facts.records["invoice"].collect().sort("invoice_id").select("customer_id", "currency")
    assert found.rows() == [("001", "USD"), ("B", "GBP"), ("C", None)]


def test_a_field_looked_up_in_a_column_that_is_not_exported_is_not_stated(tmp_path: Path) -> None:
    result = read(tmp_path, LOOKED_UP, invoice="id,account\n1,A\n", account="id,crm\nA,001\n")
    assert result.facts.stated["invoice", "x"] == {"invoice_id", "customer_id"}


TYPED = """
set_aside: [{reason: deleted, when: {deleted: ["true"]}}]
streams: {note: {files: [note.parquet]}}
entities:
  - entity: invoice
    from: note
    fields:
      invoice_id: id
      net_amount: {from: total, minus: [tax], negate_when: {id: {blank: false}}}
      due_date: {from: due, only_when: {paid: ["false"]}}
"""


def test_columns_that_the_export_types_are_treated_like_text(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/own.yaml").write_text(HEAD + TYPED, encoding="utf-8")
    day = dt.date(2026, 1, 9)
    frame = pl.DataFrame({"id": [1, 2, 3], "total": ["11.50", "2.00", "1.00"], "tax": ["1.50", "0.25", "0.00"], "due": [day, day, day],
                          "paid": [True, False, False], "deleted": [False, False, True]})  # fmt: skip
    frame.with_columns(pl.col("total", "tax").str.to_decimal(scale=2)).write_parquet(tmp_path / "export/note.parquet")
    (tmp_path / "snapshot.yaml").write_text("as_of: 2026-01-31\nsources:\n  - {system: x, adapter: own, path: export}\n")
    result = read_snapshot(tmp_path, tmp_path / "mappings")
    found = result.facts.records["invoice"].collect().sort("invoice_id")
    assert [f"{value:.2f}" for value in found["net_amount"]] == ["-10.00", "-1.75"]
    assert found["due_date"].to_list() == [None, day]
    assert set_aside(result) == {"deleted": 1}


PARTS = """
streams: {bill: {files: [bill.csv], delimiter: ";"}}
entities:
  - entity: invoice
    from: bill
    fields:
      invoice_id: id
      gross_amount: {from: gross, unit: cents, sign: absolute}
      net_amount: {from: gross, unit: cents, minus: [tax], plus: [fee]}
      amount_due: {from: open, strip: "€ ", thousands: ".", decimal: ",", minus: [held]}
"""


def test_parts_of_an_amount_are_written_as_the_amount_is(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/own.yaml").write_text(HEAD + PARTS, encoding="utf-8")
    text = "id;gross;tax;fee;open;held\n1;11900;1900;50;€ 1.900,50;€ 1.000,25\n2;100;;;7;\n3;100;a;;7;1.00\n"
    (tmp_path / "export/bill.csv").write_text(text, encoding="utf-8")
    (tmp_path / "snapshot.yaml").write_text("as_of: 2026-01-31\nsources:\n  - {system: x, adapter: own, path: export}\n")
    result = read_snapshot(tmp_path, tmp_path / "mappings")
    found = result.facts.records["invoice"].collect().sort("invoice_id")
    assert [f"{value:.2f}" for value in found["net_amount"]] == ["100.50", "1.00"]
    assert [f"{value:.2f}" for value in found["amount_due"]] == ["900.25", "7.00"]
