"""Blocks of contracts: every contract once, combined ones together, and the same outputs however many go through at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from benchmarks.revenue import stage, write
from engine.revenue.ground import blocks as module
from engine.revenue.ground import frames
from engine.revenue.ground.blocks import Block, each_block
from engine.revenue.ground.frames import Books

Make = Callable[..., pl.DataFrame]


@pytest.fixture
def books(contracts: Make, performance: Make, monkeypatch: pytest.MonkeyPatch) -> Books:
    """Five contracts of which B and D are one, with four rows of performance each; blocks of four rows."""
    monkeypatch.setattr(module, "ROWS", 4)
    groups = {"A": "A", "B": "B", "C": "C", "D": "B", "E": "E"}
    rows = [{"contract_id": name, "posting_date": dt.date(2026, month, 28)} for name in groups for month in range(1, 5)]
    none = frames.empty
    return Books(
        contracts(*({"contract_id": name, "group_id": group} for name, group in groups.items())), none(frames.LINES),
        none(frames.OBLIGATIONS), performance(*rows), none(frames.PRICE), none(frames.PERIODS), none(frames.OBSERVATIONS),
        none(frames.MODIFICATIONS), pl.DataFrame({"contract_id": ["E", "A"], "account_role": ["cash", "cash"]}),
    )  # fmt: skip


def test_combined_contracts_stay_together_and_every_contract_stands_in_one_block(books: Books) -> None:
    found = each_block(books, lambda block: block.books(books))
    assert [each.contracts["contract_id"].to_list() for each in found] == [["A"], ["B", "C", "D"], ["E"]]
    assert [each.performance["contract_id"].unique().sort().to_list() for each in found] == [["A"], ["B", "C", "D"], ["E"]]
    assert [each.accounts["contract_id"].to_list() for each in found] == [["A"], [], ["E"]]


def test_what_blocks_make_comes_in_the_order_of_their_contracts(books: Books) -> None:
    made = each_block(books, lambda block: block.cut(books.performance)["contract_id"].first())
    assert made == ["A", "B", "E"]


def test_a_block_of_everything_is_everything(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 1000)
    assert each_block(books, lambda block: block) == [Block()]
    assert Block().books(books).performance.equals(books.performance)


def test_the_stage_gives_the_same_outputs_in_small_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write(tmp_path, 25)
    monkeypatch.setattr(module, "ROWS", 200)
    monkeypatch.setattr("engine.revenue.atoms.PROMISES", 10)
    parts = stage(tmp_path)[1]
    assert list(parts.frames) == list(whole.frames)
    for name, frame in whole.frames.items():
        assert_frame_equal(parts.frames[name].collect(), frame.collect(), check_exact=True)
