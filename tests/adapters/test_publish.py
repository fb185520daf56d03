"""Publishing: what another run is writing is left alone, what a dead one left is removed, errors name the disk's reason."""

from __future__ import annotations

import errno
from pathlib import Path

import polars as pl
import pytest

from adapters.publish import MANIFEST, _partial_folder, publish_run, remove_leftovers
from engine.errors import StoreError

FRAMES = {"findings": pl.DataFrame({"finding_id": ["F1"]}), "golden/contract": pl.DataFrame({"contract_id": ["C1"]})}


def test_a_folder_that_another_run_is_writing_is_no_leftover(tmp_path: Path) -> None:
    with _partial_folder(tmp_path, "abc") as partial:
        remove_leftovers(tmp_path)
        assert partial.is_dir()
    assert not partial.exists()


def test_what_a_dead_run_left_is_removed_and_published_runs_stay(tmp_path: Path) -> None:
    published = publish_run(tmp_path, "abc", FRAMES, {"run_id": "abc"})
    (tmp_path / ".partial-abc-1" / "golden").mkdir(parents=True)
    (tmp_path / ".partial-abc-1" / "golden" / "contract.parquet").write_bytes(b"half")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["abc"]
    assert (published / MANIFEST).is_file()


def test_a_run_published_twice_at_once_is_the_same_run(tmp_path: Path) -> None:
    first = publish_run(tmp_path, "abc", FRAMES, {"run_id": "abc"})
    assert publish_run(tmp_path, "abc", FRAMES, {"run_id": "abc"}) == first
    assert [path.name for path in tmp_path.iterdir()] == ["abc"]


def test_a_disk_that_fills_while_a_file_is_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match=r"could not be written to .*: No space left on device"):
        publish_run(tmp_path, "abc", FRAMES, {"run_id": "abc"})
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
