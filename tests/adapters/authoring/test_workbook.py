"""`tieout policy export` and `import`: a workbook for finance, and exactly its edited cells back."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from adapters.authoring.importing import import_workbook
from adapters.authoring.workbook import export_workbook, read_edits
from engine.errors import UsageError

YAML = """# Kept comment
policy: tax
id: tax-codes
title: Which tax code a sale bears
owner: tax
effective_from: 1900-01-01
reference: r
hit: FIRST
inputs: [tax_jurisdiction, account]
outputs: {tax_code: text}
rules: |
  | rule | tax_jurisdiction | account | -> tax_code | note           |
  |------|------------------|---------|-------------|----------------|
  | X-1  | DE, AT           | -       | V19         | At home        |
  | X-2  | not(DE), null    | "4000"  | V0          | Abroad \\| else |
default: {tax_code: null}   # nothing said
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "policies"
    made.mkdir()
    (made / "tax.yaml").write_text(YAML)
    return made


Edit = Callable[[Any], None]


def edited(folder: Path, edit: Edit) -> bytes:
    book = openpyxl.load_workbook(io.BytesIO(export_workbook(folder)[0]))
    edit(book["tax-codes"])
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def imported(folder: Path, edit: Edit, *, write: bool = True) -> tuple[str, bool]:
    return import_workbook(edited(folder, edit), folder, None, folder, write=write)


def test_the_workbook_has_text_cells_locked_ids_and_remarks(folder: Path) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(export_workbook(folder)[0]))["tax-codes"]
    assert [cell.value for cell in sheet[1]] == ["rule", "tax_jurisdiction", "account", "out: tax_code", "note"]
    assert [cell.value for cell in sheet[3]] == ["X-2", "not(DE), null", '"4000"', "V0", "Abroad | else"]
    assert sheet["A2"].protection.locked and not sheet["B2"].protection.locked
    assert sheet["B2"].number_format == "@" and "FIRST" in sheet["A1"].comment.text


def test_a_workbook_nobody_edited_changes_nothing(folder: Path) -> None:
    assert imported(folder, lambda _: None) == ("The workbook changes nothing.", True)
    assert (folder / "tax.yaml").read_text() == YAML


def test_only_the_edited_cell_changes(folder: Path) -> None:
    def edit(sheet: Any) -> None:
        sheet["D2"] = "V20"

    told, sound = imported(folder, edit)
    assert sound and "rule X-1 is changed" in told and "V19 → V20" in told
    assert (folder / "tax.yaml").read_text() == YAML.replace("V19 ", "V20 ")


def test_rows_are_added_where_they_stand_and_deleted(folder: Path) -> None:
    def edit(sheet: Any) -> None:
        sheet.insert_rows(3)
        for column, text in enumerate(("X-1b", "CH", "", "V8", "Next door"), start=1):
            sheet.cell(3, column).value = text
        sheet.delete_rows(4)

    told, sound = imported(folder, edit)
    assert sound and "rule X-1b is added" in told and "rule X-2 is removed" in told
    lines = (folder / "tax.yaml").read_text().splitlines()
    assert lines[13:15] == ["  | X-1  | DE, AT           | -       | V19         | At home        |",
                            "  | X-1b | CH               | -       | V8          | Next door      |"]  # fmt: skip
    assert lines[15].startswith("default:")


def test_edits_of_two_people_are_merged_and_a_conflict_is_told(folder: Path) -> None:
    def edit(sheet: Any) -> None:
        sheet["D2"], sheet["B3"] = "V20", "CH"

    data = edited(folder, edit)
    (folder / "tax.yaml").write_text(YAML.replace("| At home        |", "| Here           |").replace("not(DE), null", "FR           "))
    told, sound = import_workbook(data, folder, None, folder, write=True)
    assert not sound and "Nothing was written." in told
    assert "conflict  tax.yaml, rule X-2: tax_jurisdiction was not(DE), null, is FR in the folder and CH in the workbook." in told
    (folder / "tax.yaml").write_text(YAML.replace("| At home        |", "| Here           |"))
    assert import_workbook(data, folder, None, folder, write=True)[1]
    text = (folder / "tax.yaml").read_text()
    assert "| Here           |" in text and "V20" in text and "| CH            | " not in text and "# Kept comment" in text


def test_a_mistake_is_told_and_nothing_written(folder: Path) -> None:
    def edit(sheet: Any) -> None:
        sheet["B2"] = "DE,,AT"

    told, sound = imported(folder, edit)
    assert not sound and "stray comma" in told
    assert (folder / "tax.yaml").read_text() == YAML


def test_a_table_beside_its_policy_is_edited_there(folder: Path) -> None:
    head, _, rest = YAML.partition("rules: |\n")
    (folder / "tax.yaml").write_text(head + "rules_file: t.csv\n" + rest[rest.index("default:") :])
    (folder / "t.csv").write_text('rule,tax_jurisdiction,account,out: tax_code,note\nX-1,"DE, AT",,V19,At home\n')

    def edit(sheet: Any) -> None:
        sheet["D2"] = "V20"

    assert imported(folder, edit)[1]
    assert (folder / "t.csv").read_text() == 'rule,tax_jurisdiction,account,out: tax_code,note\nX-1,"DE, AT",,V20,At home\n'


def test_libreoffice_saves_a_workbook_whose_edits_are_the_same(folder: Path, tmp_path: Path) -> None:
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office is None:
        pytest.skip("LibreOffice is not installed, so what it saves is not tested")

    def edit(sheet: Any) -> None:
        sheet["D2"] = "V20"

    (tmp_path / "t.xlsx").write_bytes(edited(folder, edit))
    target = str(tmp_path / "saved")
    command = [office, "--headless", "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", target, str(tmp_path / "t.xlsx")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    edits = read_edits((tmp_path / "saved" / "t.xlsx").read_bytes())
    assert [(each.rule, dict(each.cells)) for each in edits] == [("X-1", {"out: tax_code": ("V19", "V20")})]


def test_a_workbook_from_elsewhere_is_refused() -> None:
    target = io.BytesIO()
    openpyxl.Workbook().save(target)
    with pytest.raises(UsageError, match="not made by"):
        read_edits(target.getvalue())
