"""Compiled tables give what the slow interpreter gives, by both plans, for every hit policy, nulls included."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.condition import decimal
from engine.condition.scope import TEXT
from engine.decision import DecisionTable, TableInput, compile_table, explain_rules, output_type, parse_hit, read_csv
from engine.decision.compile import PlanName
from engine.decision.table import GridCell
from engine.diagnostics import Anchor, Level
from tests.oracle.conditions import Tree
from tests.oracle.strategies import FIELDS, NAMES, RECORDS, STATUSES, frame_of
from tests.oracle.tables import Cell, OracleRule, cell_matches, cell_text, decide

INPUTS = ("amount", "count", "begun", "status", "name", "billable")
GRADES = ("high", "medium", "low")
ANCHOR = Anchor("table.csv", 1, 1)

_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "amount": st.sampled_from([Decimal("-1.5"), Decimal(0), Decimal("0.125"), Decimal(1), Decimal("2.5"), Decimal(100)]),
    "count": st.sampled_from([Decimal(-2), Decimal(0), Decimal("0.5"), Decimal(1), Decimal(3), Decimal(4)]),
    "begun": st.sampled_from([dt.date(2024, 1, 1), dt.date(2024, 2, 29), dt.date(2024, 6, 30), dt.date(2025, 1, 1)]),
    "status": st.sampled_from(STATUSES),
    "name": st.sampled_from(NAMES),
    "billable": st.booleans(),
}
_OTHER = {"amount": "cost", "count": "hours", "begun": "ended"}


def _bounds(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    def ordered(ends: tuple[Any, bool, Any, bool]) -> tuple[Any, ...]:
        low, low_closed, high, high_closed = ends
        if low is not None and high is not None and low >= high:
            low, high = (high, low) if low > high else (low, None)
        return ("bound", low, low_closed, high, high_closed)

    closed = st.booleans()
    pairs = st.tuples(st.none() | values, closed, st.none() | values, closed)
    return pairs.filter(lambda ends: ends[0] is not None or ends[2] is not None).map(ordered)


def _alternatives(name: str) -> st.SearchStrategy[tuple[Any, ...]]:
    values = _VALUES[name]
    kinds = [values.map(lambda value: ("is", value)), st.just(("null",))]
    if name in _OTHER:
        kinds += [_bounds(values), st.tuples(st.just("field"), st.sampled_from([">", "<=", "=", "<>"]), st.just(_OTHER[name]))]
    if name == "name":
        kinds.append(_bounds(values))
    return st.one_of(kinds)


def _cells(name: str) -> st.SearchStrategy[Cell]:
    plain = st.lists(_alternatives(name), min_size=1, max_size=3).map(tuple)
    other = plain.map(lambda alternatives: (("other", alternatives),))
    with_null = other.map(lambda cell: (*cell, ("null",)))
    question: Tree = ("like", ("field", "?"), ("text", "SUB%")) if name == "name" else ("not", ("missing", ("field", "?")))
    return st.none() | plain | other | with_null | st.just((("if", question),))


def _text(cell: Cell) -> str:
    return f"? {cell_text(cell)[1:-1].removeprefix('? ')}" if cell is not None and cell[0][0] == "if" else cell_text(cell)


def _question_text(cell: Cell) -> str:
    text = _text(cell)
    if cell is not None and cell[0][0] == "if" and cell[0][1][0] == "not":
        return "? IS NOT NULL"
    return text


_AMOUNTS = st.none() | st.integers(-500, 500).map(lambda whole: Decimal(whole).scaleb(-2))
_OUTPUTS = st.tuples(st.none() | st.sampled_from(GRADES), _AMOUNTS)
_ROWS = st.lists(st.tuples(st.tuples(*[_cells(name) for name in INPUTS]), _OUTPUTS), min_size=1, max_size=8)
HITS = (
    "UNIQUE", "FIRST", "ANY", "PRIORITY", "COLLECT", "RULE ORDER", "OUTPUT ORDER",
    "COLLECT COUNT", "COLLECT SUM", "COLLECT MIN", "COLLECT MAX",
)  # fmt: skip


def _csv(rules: list[OracleRule], names: tuple[str, ...]) -> str:
    quoted = [
        ",".join('"' + text.replace('"', '""') + '"' for text in row)
        for row in (
            [rule.id, *map(_question_text, rule.cells), *("" if value is None else str(value) for value in rule.outputs), ""]
            for rule in rules
        )
    ]
    return "\n".join([",".join(["rule", *INPUTS, *(f"out: {name}" for name in names), "note"]), *quoted]) + "\n"


def _table(rules: list[OracleRule], hit: str, default: tuple[Any, ...] | None) -> DecisionTable:
    both = {"grade": output_type(GRADES) or TEXT, "fee": decimal(2)}
    outputs = {"fee": decimal(2)} if hit in ("COLLECT SUM", "COLLECT MIN", "COLLECT MAX") else both
    kept = [rule if len(outputs) == 2 else OracleRule(rule.id, rule.cells, rule.outputs[1:]) for rule in rules]
    grid, told = read_csv(_csv(kept, tuple(outputs)), "table.csv")
    assert not told
    policy, aggregation = parse_hit(hit) or (None, None)
    assert policy is not None and aggregation is not None
    given = default if default is None or len(outputs) == 2 else default[1:]
    pairs = zip(outputs, given or (), strict=given is not None)
    cells = {name: GridCell("" if value is None else str(value), ANCHOR) for name, value in pairs} if given else None
    return DecisionTable("t", outputs, grid, tuple(TableInput(name) for name in INPUTS), policy, aggregation, cells, ANCHOR)


@given(
    _ROWS, st.sampled_from(HITS), st.none() | _OUTPUTS, st.lists(RECORDS, min_size=1, max_size=8), st.sampled_from(["boolean", "classes"])
)
def test_a_compiled_table_decides_as_the_interpreter(
    rows: list[tuple[tuple[Cell, ...], tuple[Any, ...]]],
    hit: str,
    default: tuple[Any, ...] | None,
    records: list[dict[str, Any]],
    plan: PlanName,
) -> None:
    rules = [OracleRule(f"R{number}", cells, outputs) for number, (cells, outputs) in enumerate(rows)]
    table = _table(rules, hit, default)
    compiled = compile_table(table, FIELDS, plan=plan)
    assert [each.message for each in compiled.diagnostics if each.code.level is Level.ERROR] == []
    frame = compiled.apply(frame_of(records), prefix="d.", trace=True).collect()
    assert dict(frame.schema)["d.hits"] == compiled.schema()["hits"]
    orders = [kind.values or None for kind in table.outputs.values()]
    mine = [OracleRule(rule.id, rule.cells, rule.outputs[-len(orders) :]) for rule in rules]
    given = default[-len(orders) :] if default is not None else None
    for row, record in zip(frame.to_dicts(), records, strict=True):
        expected = decide(mine, INPUTS, hit, record, given, orders)
        assert [row[f"d.{name}"] for name in table.outputs] == expected["outputs"]
        assert (row["d.rule"], row["d.hits"], row["d.status"]) == (expected["rule"], expected["hits"], expected["status"])
        assert row.get("d.rules", expected["rules"]) == expected["rules"]


@given(_ROWS, st.lists(RECORDS, min_size=1, max_size=4))
def test_the_trace_tells_of_every_cell_whether_it_held(
    rows: list[tuple[tuple[Cell, ...], tuple[Any, ...]]], records: list[dict[str, Any]]
) -> None:
    rules = [OracleRule(f"R{number}", cells, outputs) for number, (cells, outputs) in enumerate(rows)]
    compiled = compile_table(_table(rules, "FIRST", None), FIELDS)
    frame = compiled.apply(frame_of(records), prefix="d.", trace=True).collect()
    for trace, record in zip(frame["d.trace"].to_list(), records, strict=True):
        outcomes = explain_rules(compiled, list(trace.values()))
        for outcome, rule in zip(outcomes, rules, strict=True):
            expected = {
                (name, _question_text(cell)): cell_matches(cell, record[name], record)
                for cell, name in zip(rule.cells, INPUTS, strict=True)
                if cell is not None
            }
            assert {(cell.input, cell.needed): cell.holds for cell in outcome.cells} == expected
