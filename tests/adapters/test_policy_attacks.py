"""Hostile policy folders: code, SQL, bombs and giants are refused with a diagnostic, quickly, never with a stack trace."""

from __future__ import annotations

import re
import time
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner

from adapters.cli import _load_commands, app

HEAD = "policy: ownership\nid: own-x\ntitle: t\nowner: o\neffective_from: 2026-01-01\nreference: r\nentity: contract\nowner_system: crm\n"
TABLE = (
    "policy: revenue\nid: rev-x\ntitle: t\nowner: o\neffective_from: 2026-01-01\nreference: r\nhit: FIRST\ninputs: [offering, amount]\n"
    "outputs: {timing: [over_time], measure: [hours], share: decimal(2)}\n"
)
NESTED = "&a [x, x, x, x, x, x, x, x, x, x]"
BOMB = HEAD + f"b0: {NESTED}\n" + "".join(f"b{n + 1}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(9))

YAML = {
    "alias-not-allowed": [
        BOMB, HEAD + "note: &x text\n", HEAD + "note: *nowhere\n", HEAD + 'note: !!python/object/apply:os.system ["ls"]\n',
        HEAD + "note: !secret x\n",
    ],
    "key-not-text": [HEAD + "<<: {note: x}\n"],
    "duplicate-key": [HEAD + "title: again\n"],
    "hidden-character": [HEAD + "note: pay \u202e 001\n", HEAD + "note: a\u200bb\n"],
    "file-too-large": [HEAD + "where: " + "x " * 500_000 + "\n", HEAD + 'note: "' + "x" * 1_000_000 + '"\n', "[" * 100_000,
    "x\n" * 1_100_000],
    "invalid-yaml": ["[\n" * 50_000, "- " * 5_000, "\x89PNG\r\n\x00", HEAD + "---\n" + HEAD, "%YAML 9.9\n---\n" + HEAD],
    "unknown-setting": [HEAD + "".join(f"k{n}: v\n" for n in range(3_000))],
    "invalid-value": [HEAD + "effective_to: " + "9" * 5_000 + "\n"],
    "condition-too-long": [HEAD + "where: " + "(" * 3_000 + "1 = 1" + ")" * 3_000 + "\n",
    HEAD + "where: " + " AND ".join(["1 = 1"] * 1_500) + "\n"],
    "condition-too-deep": [HEAD + "where: " + "(" * 1_900 + "1" + ")" * 1_900 + "\n", HEAD + "where: " + "NOT " * 900 + "TRUE\n",
    HEAD + "where: " + "+".join(["1"] * 900) + " = 1\n"],
    "construct-not-allowed": [
        HEAD + "where: " + text + "\n"
        for text in (
            "__import__('os').system('ls') = 1", "contract_id IN (SELECT x FROM y)", "1 = 1; DROP TABLE contract",
            "SUM(total_value) OVER () > 1",
            "CAST(total_value AS INT) = 1", "EXISTS (SELECT 1)", "total_value::int = 1", '"{{ config }} = 1"', "$1 = 1", "lambda = 1",
        )
    ],
    "unknown-function": [HEAD + f"where: {text}\n" for text in ("read_csv('/etc/passwd') = 1", "eval('1') = 1", "pg_sleep(10) = 1",
    "COUNT(contract_id) = 1")],
}  # fmt: skip
CELLS = {
    "cell-too-long": ["x" * 10_000, "not(" * 300 + "1" + ")" * 300], "condition-too-deep": ["? " + "(" * 1_500],
    "construct-not-allowed": ["? IN (SELECT 1)"],
    "cell-syntax": ["," * 3_000, "[" + " " * 1_900 + ".." + " " * 1_900, "(" + "." * 3_000], "cell-type": ["__import__('os')",
    "date(" * 700, "=1+1", "@SUM(A1)"],
    "type-mismatch": ["? = 'x'"], "unknown-function": ["? > read_file('/etc/passwd')"],
}  # fmt: skip


_load_commands()


def check(folder: Path) -> str:
    started = time.perf_counter()
    result = CliRunner().invoke(app, ["policy", "check", str(folder)])
    assert result.exit_code == 2, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert time.perf_counter() - started < 20, "a refusal that takes long is an attack that works"
    assert "Traceback" not in result.output
    return result.output


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in YAML.items() for text in texts],
    ids=lambda each: each[:24] if isinstance(each, str) else "")
def test_a_hostile_file_is_refused_with_a_diagnostic(tmp_path: Path, code: str, text: str) -> None:
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    assert f"error {code}: " in check(tmp_path)


@pytest.mark.parametrize(("code", "cell"), [(code, cell) for code, cells in CELLS.items() for cell in cells], ids=lambda each: each[:24])
@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_hostile_cell_is_refused_at_its_place(tmp_path: Path, code: str, cell: str, form: str) -> None:
    (tmp_path / "p.yaml").write_text(TABLE + f"rules_file: t.{form}\n", encoding="utf-8")
    rows = [["rule", "offering", "amount", "out: timing", "out: measure", "out: share"], ["R1", "-", cell, "over_time", "hours", "1"]]
    place = write(tmp_path, form, rows)
    assert re.search(f"^{place}: error {code}: ", check(tmp_path), re.MULTILINE)


def write(folder: Path, form: str, rows: list[list[str]]) -> str:
    if form == "csv":
        text = "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
        (folder / "t.csv").write_text(text, encoding="utf-8")
        return r"t\.csv:2:\d+"
    book = openpyxl.Workbook()
    book.active.title = "rev-x"
    for number, row in enumerate(rows, start=1):
        for column, value in enumerate(row, start=1):
            book.active.cell(number, column, value).data_type = "s"
    book.save(folder / "t.xlsx")
    return r"t\.xlsx!C2"


@pytest.mark.parametrize("output", ["{__import__('os').system('ls')}", "{SELECT 1}", "{" + "(" * 3_000 + "}", "9" * 3_000, "{amount / 3}"])
def test_a_hostile_output_is_refused(tmp_path: Path, output: str) -> None:
    (tmp_path / "p.yaml").write_text(TABLE + "rules_file: t.csv\n", encoding="utf-8")
    write(tmp_path, "csv", [["rule", "offering", "amount", "out: timing", "out: measure", "out: share"],
    ["R1", "-", "-", "over_time", "hours", output]])
    assert "t.csv:2:" in check(tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("t.csv", b"\xff\xfe\x00rule", "it is no readable UTF-8 file"), ("t.xlsx", b"PK\x03\x04junk", "cannot be read"),
        ("t.xlsx", b"", "The file is empty"),
        ("t.csv", b'rule,name\n"' + b'"' * 200_000, "a quote is not closed"), ("t.csv", b"", "the table has no header and no rules"),
        ("u.csv", b"", "no such file"),
    ],
)  # fmt: skip
def test_a_broken_sheet_is_told(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    (tmp_path / "p.yaml").write_text(TABLE + f"rules_file: {name.replace('u', 't')}\n", encoding="utf-8")
    assert said in check(tmp_path)
