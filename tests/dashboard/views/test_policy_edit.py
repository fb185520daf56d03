"""Editing a policy through the pages' functions: mistakes in place, a grid, its tests on a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl

from adapters.policy_folder import SHIPPED
from dashboard.views.policy_edit import checked_text, grid_of, text_with
from dashboard.views.policy_edit import tests_beside as run_beside

FILE = "tax/tax-codes.yaml"
TEXT = (SHIPPED / FILE).read_text(encoding="utf-8")


def test_a_mistake_in_the_grid_stands_at_its_line() -> None:
    grid = grid_of(TEXT)
    assert grid is not None
    broken = text_with(TEXT, grid.rename({grid.columns[1]: "nonsense"}))
    mistakes = [each for each in checked_text(SHIPPED, FILE, broken) if each["severity"] == "error"]
    assert any("nonsense" in each["text"] and each["remedy"] and each["line"] > 1 for each in mistakes)


def test_rows_left_empty_are_left_out() -> None:
    grid = grid_of(TEXT)
    assert grid is not None
    more = pl.concat([grid, pl.DataFrame({name: [None] for name in grid.columns}, schema=grid.schema)])
    again = grid_of(text_with(TEXT, more))
    assert again is not None
    assert again.equals(grid)


def test_the_tests_beside_a_policy_run_on_a_copy(tmp_path: Path) -> None:
    shutil.copytree((SHIPPED / FILE).parent, tmp_path / "policies")
    folder, name = tmp_path / "policies", Path(FILE).name
    found = run_beside(folder, name, TEXT)
    assert {each["passed"] for each in found} == {"yes"}
    for test in folder.glob("*_test.yaml"):
        test.unlink()
    assert run_beside(folder, name, TEXT) == []
    assert (folder / name).read_text(encoding="utf-8") == TEXT
