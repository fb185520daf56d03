"""Small wrong changes of a table: each comes with a record that it decides differently; what changes nothing is left out."""

from __future__ import annotations

from typing import Any

from engine.canonical.kinds import Kind
from engine.condition import Scope
from engine.condition.scope import enum
from engine.decision import DecisionTable, GridCell, TableInput, parse_hit, read_pipes
from engine.decision.mutants import grid_as_pipes, mutants
from engine.diagnostics import Anchor

SCOPE = Scope({"status": enum("draft", "approved", "rejected"), "age": Kind.INT, "day": Kind.DATE})
ANCHOR = Anchor("p.yaml", 1, 1)
INPUTS = tuple(TableInput(name) for name in ("status", "age", "day"))
HEAD = "| rule | status | age | day | -> decision | note |\n"


def made(rows: str, hit: str = "FIRST", default: str | None = "hold") -> list[Any]:
    grid, told = read_pipes(HEAD + rows, ANCHOR)
    policy, aggregation = parse_hit(hit) or (None, None)
    assert not told and policy is not None and aggregation is not None
    cells = None if default is None else {"decision": GridCell(default, ANCHOR)}
    outputs = {"decision": enum("bill", "hold", "never")}
    return mutants(DecisionTable("t", outputs, grid, INPUTS, policy, aggregation, cells, ANCHOR), SCOPE)


def changes(rows: str, **more: Any) -> list[tuple[str, str]]:
    return [(each.rule, each.change) for each in made(rows, **more)]


def test_signs_bounds_and_conditions_are_changed() -> None:
    found = changes("| R1 | - | > 120 | - | never | Old |\n")
    assert ("R1", "age were >= 120 instead of > 120") in found
    assert ("R1", "age were > 121 instead of > 120") in found
    assert ("R1", "age were - instead of > 120") in found
    assert ("R1", "decision were bill instead of never") in found


def test_ranges_lists_and_dates_are_changed() -> None:
    found = {change for _, change in changes("| R1 | draft, approved | [1..5] | < 2026-01-31 | bill | - |\n")}
    assert "status were approved instead of draft, approved" in found
    assert {"age were (1..5] instead of [1..5]", "age were [1..5) instead of [1..5]"} <= found
    assert {"day were < 2026-02-01 instead of < 2026-01-31", "day were <= 2026-01-31 instead of < 2026-01-31"} <= found


def test_order_is_changed_only_where_it_decides() -> None:
    rows = "| R1 | draft | - | - | hold | - |\n| R2 | approved | - | - | bill | - |\n| R3 | - | > 5 | - | never | - |\n"
    found = changes(rows)
    assert ("R2", "it stood after R3") in found
    assert not any(change == "it stood after R2" for _, change in found)


def test_a_change_that_changes_nothing_is_left_out() -> None:
    rows = "| R1 | rejected | - | - | hold | - |\n| R2 | approved | - | - | bill | - |\n"
    assert not any(rule == "R1" and "decision were hold" in change for rule, change in changes(rows))
    assert ("R1", "status were - instead of rejected") in changes(rows)
    alone = changes("| R1 | rejected | > 3 | - | hold | - |\n")
    assert {change for _, change in alone} == {"decision were bill instead of hold", "decision were never instead of hold"}


def test_each_comes_with_a_record_and_what_both_say() -> None:
    found = {each.change: each for each in made("| R1 | - | > 120 | - | never | Old |\n")}
    each = found["age were > 121 instead of > 120"]
    assert (each.record, each.said, each.says) == ("a record with age 121", "never", "hold")
    assert "> 121" in grid_as_pipes(each.grid)


def test_a_table_written_as_pipes_reads_the_same() -> None:
    rows = "| R1 | draft | > 120 | - | never | a \\| b |\n"
    grid, _ = read_pipes(HEAD + rows, ANCHOR)
    again, told = read_pipes(grid_as_pipes(grid), ANCHOR)
    assert not told
    assert [[cell.text for cell in row] for row in again.rows] == [[cell.text for cell in row] for row in grid.rows]
