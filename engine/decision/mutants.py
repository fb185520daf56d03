"""Small wrong changes of a table, to see whether any test notices: bounds, alternatives, conditions, outputs, order."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from engine.condition import Scope
from engine.condition.scope import Category, Type
from engine.decision.compile import compile_table
from engine.decision.proof.sweep import lowest
from engine.decision.proof.universe import Axis, TooManyCasesError, axes_of
from engine.decision.proof.words import record_words
from engine.decision.rules import RULE_COLUMN, CheckedTable, outcome_of
from engine.decision.table import DecisionTable, Grid, HitPolicy

_OUTPUT: Final = re.compile(r"(?:->|→|out:)\s*(.+)\Z", re.IGNORECASE)
_BOUND: Final = re.compile(r"(<=|>=|<|>)(\s*)(\d{4}-\d{2}-\d{2}|-?\d+(?:\.\d+)?)")
_RANGE: Final = re.compile(r"([\[(])([^\[\]()]+\.\.[^\[\]()]+)([\])])")
_SIGNS: Final = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
Outcome = tuple[object, ...]

_SAMPLES: Final = 4_000
# The records drawn are the same each time.
_SEED: Final = 20_260_101


@dataclass(frozen=True, slots=True)
class Mutant:
    """Hold one wrong change: the rule, what is changed in words, the table that has it, and a record that it decides differently.

    `record` says such a record as a sentence, `said` and `says` what the table and the mutant give it.
    """

    rule: str
    change: str
    grid: Grid
    record: str
    said: str
    says: str


def mutants(table: DecisionTable, scope: Scope) -> list[Mutant]:
    """Return every small change of a table that decides some record differently, in the order of its rules.

    Changes for which no such record is found (of several thousand drawn around the change) are left
    out: they would change nothing. Tables of several hits are compared by all their outputs.
    """
    checked = compile_table(table, scope).table
    if checked is None:
        return []
    default = None if checked.default is None else outcome_of(checked.default)
    found: list[Mutant] = []
    for rows, rule, change, grid in _changes(table):
        told = _told_apart(table, grid, scope, rows, default)
        if told is not None:
            found.append(Mutant(rule, change, grid, *told))
    return found


def _changes(table: DecisionTable) -> Iterator[tuple[tuple[int, ...], str, str, Grid]]:
    """Yield each change: the places of the rows it touches, the rule, the words and the grid."""
    grid = table.grid
    names = [cell.text for cell in grid.header]
    place = names.index(RULE_COLUMN)
    inputs = {each.name for each in table.inputs}
    for number, row in enumerate(grid.rows):
        rule = row[place].text
        for column, name in enumerate(names):
            output = _OUTPUT.match(name)
            kind = table.outputs.get(output[1].strip()) if output else None
            if output is None and name not in inputs:
                continue
            texts = _other_outputs(row[column].text, kind) if output else _other_cells(row[column].text)
            for text in dict.fromkeys(texts):
                label = output[1].strip() if output else name
                yield (number,), rule, f"{label} were {text} instead of {row[column].text}", _with_cell(grid, number, column, text)
    if table.hit in (HitPolicy.FIRST, HitPolicy.RULE_ORDER):
        for number in range(len(grid.rows) - 1):
            one, other = grid.rows[number], grid.rows[number + 1]
            swapped = (*grid.rows[:number], other, one, *grid.rows[number + 2 :])
            yield (number, number + 1), one[place].text, f"it stood after {other[place].text}", replace(grid, rows=swapped)


def _with_cell(grid: Grid, number: int, column: int, text: str) -> Grid:
    row = list(grid.rows[number])
    row[column] = replace(row[column], text=text)
    return replace(grid, rows=(*grid.rows[:number], tuple(row), *grid.rows[number + 1 :]))


def _other_cells(text: str) -> Iterator[str]:
    """Yield a cell's neighbours: other signs, bounds one step on, an alternative less, no condition at all."""
    if text in ("", "-") or text.startswith("?"):
        return
    for match in _BOUND.finditer(text):
        before, after = text[: match.start()], text[match.end() :]
        yield f"{before}{_SIGNS[match[1]]}{match[2]}{match[3]}{after}"
        yield f"{before}{match[1]}{match[2]}{_next(match[3])}{after}"
    for match in _RANGE.finditer(text):
        before, after = text[: match.start()], text[match.end() :]
        yield f"{before}{'(' if match[1] == '[' else '['}{match[2]}{match[3]}{after}"
        yield f"{before}{match[1]}{match[2]}{')' if match[3] == ']' else ']'}{after}"
    inner = re.fullmatch(r"not\(([^()]*)\)", text)
    parts = [each.strip() for each in re.split(r",(?![^()\[\]]*[)\]])", text)]
    if len(parts) > 1:
        for place in range(len(parts)):
            yield ", ".join([*parts[:place], *parts[place + 1 :]])
    elif inner is not None:
        yield inner[1].strip()
    elif not _BOUND.search(text) and not _RANGE.search(text):
        yield f"not({text})"
    yield "-"


def _next(text: str) -> str:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return str(dt.date.fromisoformat(text) + dt.timedelta(days=1))
    value = Decimal(text)
    return f"{value + Decimal(1).scaleb(int(value.as_tuple().exponent)):f}"


def _other_outputs(text: str, kind: Type | None) -> Iterator[str]:
    """Yield the other values an output can have; a number one step on. What is computed or free text stays."""
    if kind is None or text.startswith("{"):
        return
    if kind.values:
        yield from (value for value in kind.values if value != text)
    elif kind.category is Category.BOOL and text in ("true", "false"):
        yield "false" if text == "true" else "true"
    elif kind.category is Category.NUMBER and re.fullmatch(r"-?\d+(?:\.\d+)?", text):
        yield _next(text)


def _told_apart(
    table: DecisionTable, grid: Grid, scope: Scope, rows: Sequence[int], default: Outcome | None
) -> tuple[str, str, str] | None:  # fmt: skip
    """Return a record that two tables decide differently, with what each says; None where none is found."""
    both = _both(table, grid)
    compiled = compile_table(replace(table, grid=both, hit=HitPolicy.RULE_ORDER, default=None), scope)
    if compiled.table is None:
        return None
    try:
        axes = axes_of(compiled.table)
    except TooManyCasesError:
        return None
    count = len(table.grid.rows)
    places = [_around(axis, rows, count) for axis in axes]
    state = _SEED
    for _ in range(_SAMPLES):
        cases = []
        for choice in places:
            state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
            cases.append(choice[(state >> 33) % len(choice)])
        held = _held(axes, cases)
        alone = (1 << count) - 1
        said, says = (_outcome(compiled.table, held >> start & alone, start, table.hit) or default for start in (0, count))
        if said != says:
            return record_words(axes, cases), _words(said), _words(says)
    return None


def _both(table: DecisionTable, grid: Grid) -> Grid:
    """Return one table with the rules of both, those of the second under other names."""
    place = [cell.text for cell in grid.header].index(RULE_COLUMN)
    renamed = tuple(
        tuple(replace(cell, text=f"{cell.text}~") if column == place else cell for column, cell in enumerate(row)) for row in grid.rows
    )
    return Grid(table.grid.header, (*table.grid.rows, *renamed))


def _around(axis: Axis, rows: Sequence[int], count: int) -> list[int]:
    """Return the cases to draw from: those that a touched row, as it was or is, admits."""
    admitted = 0
    for row in rows:
        admitted |= axis.sets[row] | axis.sets[count + row]
    return [place for place in range(len(axis.cases)) if admitted >> place & 1] or list(range(len(axis.cases)))


def _held(axes: Sequence[Axis], cases: Sequence[int]) -> int:
    held = -1
    for axis, place in zip(axes, cases, strict=True):
        held &= axis.cases[place].rules
    return held


def _outcome(table: CheckedTable, held: int, start: int, hit: HitPolicy) -> Outcome | None:
    """Return what the rules that hold give by the hit policy; None where none holds, or where several contradict UNIQUE."""
    if not held:
        return None
    if hit.is_multiple:
        return tuple(table.rules[start + number].outcome for number in range(held.bit_length()) if held >> number & 1)
    if hit is HitPolicy.UNIQUE and held & (held - 1):
        return ("two rules at once",)
    return table.rules[start + lowest(held).bit_length() - 1].outcome


def _words(outcome: Outcome | None) -> str:
    return "what no rule gives" if outcome is None else ", ".join(str(each) for each in outcome if each is not None)


def grid_as_pipes(grid: Grid) -> str:
    """Return a table as aligned pipes, the form in which policies hold it."""
    rows = [[cell.text.replace("|", r"\|") or "-" for cell in row] for row in (grid.header, *grid.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(grid.header))]
    lines = ["| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"
