"""A policy folder is read whole: what is wrong about one file is told among the mistakes of all."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.policy_edit import check_text
from adapters.policy_folder import check_policies
from engine.errors import UsageError

HEAD = "policy: calendar\nid: {id}\ntitle: Workdays\nowner: controller\neffective_from: 2026-01-01\nreference: r\n"


def folder_with(folder: Path, **files: bytes) -> Path:
    for name, content in files.items():
        (folder / f"{name}.yaml").write_bytes(content)
    return folder


def told(folder: Path) -> list[tuple[str, int, int, str]]:
    return [(each.span.file, each.span.line, each.span.column, each.code.name) for each in check_policies(folder)[1]]


def test_a_file_in_another_encoding_is_told_beside_the_mistakes_of_the_others(tmp_path: Path) -> None:
    cp1252 = (HEAD.format(id="a").replace("Workdays", "Tag é") + "holidays: []\n").encode("cp1252")
    wrong = (HEAD.format(id="b") + "holiday: []\n").encode()
    found = told(folder_with(tmp_path, a=cp1252, b=wrong))
    assert found == [("a.yaml", 3, 12, "not-utf8"), ("b.yaml", 7, 1, "unknown-setting")]


def test_a_column_counts_letters_and_not_bytes(tmp_path: Path) -> None:
    text = HEAD.format(id="a").encode().replace(b"Workdays", "é".encode() + b" \xe9")
    assert told(folder_with(tmp_path, a=text)) == [("a.yaml", 3, 10, "not-utf8")]


def test_utf_16_is_another_encoding(tmp_path: Path) -> None:
    assert told(folder_with(tmp_path, a=HEAD.format(id="a").encode("utf-16"))) == [("a.yaml", 1, 1, "not-utf8")]


def test_a_file_whose_letters_cannot_be_told_is_not_edited(tmp_path: Path) -> None:
    folder_with(tmp_path, a=b"title: \xe9\n")
    with pytest.raises(UsageError, match=r"line 1 is not UTF-8"):
        check_text(tmp_path, "a.yaml", "title: e\n")
