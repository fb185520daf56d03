"""The settings of a snapshot: every mistake is told at once, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.snapshot_file import load_snapshot_file
from engine.errors import SnapshotError


def write(folder: Path, text: str) -> Path:
    (folder / "snapshot.yaml").write_text(text, encoding="utf-8")
    return folder


def test_every_mistake_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    folder = write(tmp_path, "as_of: 2026-13-01\nsources:\n  - {system: crm}\n  - {system: psa, adapter: tock, folder: x}\n")
    with pytest.raises(SnapshotError) as told:
        load_snapshot_file(folder)
    lines = [each.strip() for each in str(told.value).split(";")]
    assert [each.partition("snapshot.yaml:")[2].partition(": '")[0] for each in lines] == ["1", "3", "4"]
    assert "'as_of'" in lines[0] and "'sources.0.adapter'" in lines[1] and "'sources.1.folder'" in lines[2]


def test_one_mistake_is_one_sentence(tmp_path: Path) -> None:
    folder = write(tmp_path, "as_of: 2026-01-31\nsources: []\nclock: 5\n")
    with pytest.raises(SnapshotError, match=r"snapshot\.yaml:3: 'clock': ") as told:
        load_snapshot_file(folder)
    assert ";" not in str(told.value)


@pytest.mark.parametrize(("text", "message"), [
    ("as_of: 2026-01-31\nsources: []\n", "names no source"),
    ("as_of: 2026-01-31\nsources:\n", "a list of sources is needed"),
    ("as_of: 31.01.2026\nsources: [{system: crm, adapter: tock}]\n", "'as_of': a day that exists is needed, as YYYY-MM-DD, not 31.01.2026"),
    ("as_of: 2026-01-31T10:00:00\nsources: [{system: crm, adapter: tock}]\n", "a day without a time"),
    ("as_of: 2026-01-31\nsources: [{system: c, adapter: a, paht: x}]\n", r"'sources.0.paht': this is no setting, did you mean 'path'\?$"),
])  # fmt: skip
def test_a_mistake_is_told_in_the_words_of_who_writes_the_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SnapshotError, match=message):
        load_snapshot_file(write(tmp_path, text))


def test_a_file_in_another_encoding_is_there_and_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "snapshot.yaml").write_text("as_of: 2026-01-31\nsources: []\n", encoding="utf-16")
    with pytest.raises(SnapshotError, match="is not written in UTF-8"):
        load_snapshot_file(tmp_path)
