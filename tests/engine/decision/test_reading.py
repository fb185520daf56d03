"""Pipes, CSV and sheets give the same grid, each cell with its exact place."""

from __future__ import annotations

import pytest

from engine.decision import Grid, read_csv, read_pipes, read_rows
from engine.diagnostics import Anchor, Diagnostic


def texts(grid: Grid) -> list[list[str]]:
    return [[cell.text for cell in row] for row in (grid.header, *grid.rows)]


def places(grid: Grid) -> list[list[tuple[int, int]]]:
    return [[(cell.anchor.line, cell.anchor.column) for cell in row] for row in (grid.header, *grid.rows)]


def test_a_pipe_table_keeps_lines_and_columns() -> None:
    grid, told = read_pipes("| rule | a   |\n|------|----:|\n\n| R1   | x\\|y |\r\n|R2||\n", Anchor("p.yaml", 7, 5, indent=4))
    assert told == []
    assert texts(grid) == [["rule", "a"], ["R1", "x|y"], ["R2", ""]]
    assert places(grid) == [[(7, 7), (7, 14)], [(10, 7), (10, 14)], [(11, 6), (11, 9)]]
    assert grid.rows[0][1].anchor.line_text == "    | R1   | x\\|y |"


def test_csv_keeps_lines_and_columns_over_quoted_breaks() -> None:
    grid, told = read_csv('\ufeffrule,a,note\r\nR1,"x, ""y""",\r\n"R2\nmore",  z ,n\r\n\r\nR3,,\n', "t.csv")
    assert told == []
    assert texts(grid) == [["rule", "a", "note"], ["R1", 'x, "y"', ""], ["R2\nmore", "z", "n"], ["R3", "", ""]]
    assert places(grid)[1:] == [[(2, 1), (2, 5), (2, 15)], [(3, 2), (4, 9), (4, 12)], [(6, 1), (6, 4), (6, 5)]]


def test_csv_may_be_separated_by_semicolons() -> None:
    assert texts(read_csv("rule;a\nR1;A, B\n", "t.csv")[0]) == [["rule", "a"], ["R1", "A, B"]]


def test_a_sheet_names_its_cells_by_row_and_column() -> None:
    grid, told = read_rows([["rule", "a", None], [None, " ", None], ["R1", None, None], ["R2", "x"]], "t.xlsx")
    assert told == []
    assert texts(grid) == [["rule", "a"], ["R1", ""], ["R2", "x"]]
    assert places(grid) == [[(1, 1), (1, 2)], [(3, 1), (3, 2)], [(4, 1), (4, 2)]]
    assert all(cell.is_sheet for row in grid.rows for cell in row)


def test_the_same_table_reads_alike_in_every_form() -> None:
    rows = [["rule", "a", "out: x", "note"], ["R1", "A, B", "[1..5]", 'say "so"'], ["R2", "-", "", ""]]
    pipes = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    csv = "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    assert texts(read_pipes(pipes, Anchor("p", 1, 1))[0]) == texts(read_csv(csv, "t")[0]) == texts(read_rows(rows, "t")[0]) == rows


@pytest.mark.parametrize(
    ("told", "place", "message"),
    [
        (read_pipes("", Anchor("p", 3, 1))[1], (3, 1), "the table has no header and no rules"),
        (read_pipes("| rule | a |\n| R1 | x | y |", Anchor("p", 1, 1))[1], (2, 3), "the row has 3 cells, the header 2"),
        (read_csv('rule,a\nR1,x\n"R2', "t")[1], (3, 1), "a quote is not closed"),
        (read_rows([["rule"], ["R1", "x"]], "t")[1], (2, 1), "the row has 2 cells, the header 1"),
        (read_rows([], "t")[1], (1, 1), "the table has no header and no rules"),
    ],
)  # fmt: skip
def test_a_broken_shape_is_told_in_its_place(told: list[Diagnostic], place: tuple[int, int], message: str) -> None:
    assert [(each.span.line, each.span.column, each.message) for each in told] == [(*place, message)]
