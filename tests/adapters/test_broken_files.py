"""Every broken export of the corpus goes through a whole run: no error, no lost row."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from adapters.policy_folder import SHIPPED
from adapters.run import run_snapshot

CORPUS = Path(__file__).parents[1] / "cases" / "broken"
SKIPPED = ("README.md", "expected.csv")
FILES = sorted(path for path in CORPUS.iterdir() if path.is_file() and path.name not in SKIPPED) if CORPUS.is_dir() else []


@pytest.fixture(scope="module")
def reading_policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped policies that judge how an export was read; what follows never sees a row that was not read."""
    folder = tmp_path_factory.mktemp("policies")
    for name in ("run.yaml", "calendar.yaml"):
        shutil.copy(SHIPPED / name, folder / name)
    for name in ("ownership", "quality", "billing"):
        shutil.copytree(SHIPPED / name, folder / name)
    return folder


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_broken_export_never_stops_a_run_and_loses_no_row(path: Path, reading_policies: Path, tmp_path: Path) -> None:
    folder = tmp_path / "snapshot"
    (folder / "psa").mkdir(parents=True)
    (folder / "psa" / f"time_entry{path.suffix}").write_bytes(path.read_bytes())
    (folder / "psa" / "project.csv").write_text("project_id,name\nP1,Sound\n")
    (folder / "snapshot.yaml").write_text("as_of: 2026-01-31\nsources:\n  - {system: psa, adapter: canonical, path: psa}\n")
    outcome = run_snapshot(folder, policies=reading_policies, out=tmp_path / "runs")
    for each in outcome.manifest["files"]:
        assert each["rows_read"] == each["rows_used"] + each["rows_held"] + sum(each["rows_set_aside"].values())
    assert pl.read_parquet(outcome.run_dir / "golden/project.parquet").height == 1
    listed = pl.read_parquet(outcome.run_dir / "held.parquet")
    broken = next(each for each in outcome.manifest["files"] if "time_entry" in each["path"])
    assert (broken["rows_held"] > 0) == (listed.height > 0)


def test_the_corpus_holds_at_least_sixty_broken_files() -> None:
    assert len(FILES) >= 60
