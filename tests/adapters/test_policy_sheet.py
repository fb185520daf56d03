"""Tables kept beside their policy are edited as they lie: a CSV file whole, a workbook cell by cell."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from adapters.policy_edit import changes_of
from adapters.policy_folder import require_policies
from adapters.policy_sheet import KeptTable, check_table, kept_table, save_table
from adapters.store.audit import Actor
from adapters.store.database import open_store
from engine.errors import PolicyError, UsageError

ANNA = Actor("anna", "signed_in", frozenset({"preparer"}))
POLICY = """policy: billing
id: bill-time
title: Time
owner: o
effective_from: 1900-01-01
item: time_entry
hit: FIRST
inputs: [status]
outputs: {decision: [billable, on_hold], reason: text}
rules_file: FILE
default: {decision: on_hold, reason: no rule}
"""
ROWS = [["rule", "status", "-> decision", "-> reason", "note"], ["B1", "approved", "billable", "fine", "=Approved is billed"]]


@pytest.fixture(params=["table.csv", "table.xlsx"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = tmp_path / "policies"
    made.mkdir()
    (made / "bill.yaml").write_text(POLICY.replace("FILE", request.param))
    if request.param == "table.csv":
        (made / "table.csv").write_text("\n".join(",".join(row) for row in ROWS) + "\n")
        return made
    book = openpyxl.Workbook()
    book.active.title = "bill-time"
    for row in ROWS:
        book.active.append(row)
        book.active.cell(book.active.max_row, 5).data_type = "s"
    book.create_sheet("notes").append(["kept"])
    book.save(made / "table.xlsx")
    return made


def table_in(folder: Path) -> KeptTable:
    found = kept_table(folder, "bill.yaml")
    assert found is not None
    return found


def test_an_edited_row_is_saved_where_it_lies_and_told(folder: Path, tmp_path: Path) -> None:
    table = table_in(folder)
    assert table.rows == ROWS
    rows = [*ROWS, ["B2", "rejected", "on_hold", "look again", ""]]
    store = open_store(f"sqlite:///{tmp_path / 't.db'}")
    with store.write() as session:
        save_table(session, ANNA, folder, table, rows)
        assert "+B2,rejected,on_hold,look again," in changes_of(session, table.file)[0]["difference"]
    assert table_in(folder).rows == rows
    require_policies(folder)
    if table.file.endswith("xlsx"):
        book = openpyxl.load_workbook(folder / table.file)
        assert book["notes"]["A1"].value == "kept"
        assert book["bill-time"]["E2"].data_type == "s"
    with store.write() as session, pytest.raises(UsageError, match="by somebody else meanwhile"):
        save_table(session, ANNA, folder, table, rows)
    store.close()


def test_a_mistake_is_told_at_its_cell_and_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    table = table_in(folder)
    before = (folder / table.file).read_bytes()
    wrong = [ROWS[0], ["B1", "aproved", "billable", "fine", ""]]
    assert [each.is_error for each in check_table(folder, table, wrong)][:1] == [True]
    store = open_store(f"sqlite:///{tmp_path / 't.db'}")
    with store.write() as session:
        with pytest.raises(PolicyError):
            save_table(session, ANNA, folder, table, wrong)
        with pytest.raises(UsageError, match="may not change a policy"):
            save_table(session, Actor("eve", "signed_in", frozenset({"viewer"})), folder, table, wrong)
    store.close()
    assert (folder / table.file).read_bytes() == before


def test_a_policy_with_its_table_inside_has_none_beside(tmp_path: Path) -> None:
    inside = "rules: |\n  | rule | status | -> decision | -> reason |\n  | B1 | approved | billable | ok |"
    text = POLICY.replace("rules_file: FILE", inside)
    (tmp_path / "bill.yaml").write_text(text)
    assert kept_table(tmp_path, "bill.yaml") is None
