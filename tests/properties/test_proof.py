"""What is proven of a table is what trying every case finds: gaps, overlaps, rules that never decide or are not needed."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from decimal import Decimal
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.condition.scope import TEXT
from engine.decision import DecisionTable, TableInput, compile_table, output_type, parse_hit, read_rows
from engine.decision.proof.gaps import gap_boxes, gaps
from engine.decision.proof.overlaps import overlapping, overlaps
from engine.decision.proof.redundant import removable
from engine.decision.proof.subject import Subject
from engine.decision.proof.sweep import numbers_of
from engine.decision.proof.universe import axes_of
from engine.decision.proof.unreachable import deciding
from engine.decision.table import GridCell
from engine.diagnostics import Anchor
from tests.oracle.strategies import FIELDS, STATUSES
from tests.oracle.tables import Cell, cell_matches, cell_text

ANCHOR = Anchor("t.xlsx", 1, 1)
GRADES = ("high", "medium", "low")
# For each input the values a cell may name, and every value that such cells can tell apart.
NAMED: dict[str, tuple[Any, ...]] = {
    "amount": (Decimal("0.000001"), Decimal(0), Decimal("2.5")), "hours": (Decimal(8), Decimal(40)), "cost": (Decimal(100),),
    "count": (Decimal(0), Decimal(1), Decimal("2.5")), "begun": (dt.date(2026, 1, 1), dt.date(2026, 1, 2), dt.date(2026, 6, 30)),
    "status": STATUSES, "name": ("A", "B", ""), "billable": (True, False),
}  # fmt: skip
DAY = dt.timedelta(days=1)
TRIED: dict[str, tuple[Any, ...]] = {
    "amount": (None, *(value + step for value in NAMED["amount"] for step in (Decimal("-0.000001"), Decimal(0), Decimal("0.000001"))),
    Decimal(-9), Decimal(1), Decimal(9)),
    "hours": (None, Decimal(0), Decimal(8), Decimal(20), Decimal(40), Decimal(99)), "cost": (None, Decimal(1), Decimal(100), Decimal(101)),
    "count": (None, Decimal(-1), Decimal(0), Decimal(1), Decimal(2), Decimal(3)),
    "begun": (None, *(value + step for value in NAMED["begun"] for step in (-DAY, 0 * DAY, DAY))),
    "status": (None, *STATUSES), "name": (None, "A", "B", "", "something else"), "billable": (None, True, False),
}  # fmt: skip
RANGED = ("amount", "hours", "cost", "count", "begun")


def _alternatives(name: str) -> st.SearchStrategy[tuple[Any, ...]]:
    values = st.sampled_from(NAMED[name])
    exact = values.map(lambda value: ("is", value))
    if name not in RANGED:
        return exact | st.just(("null",))
    closed = st.booleans()
    above = st.tuples(st.just("bound"), values, closed, st.none(), closed)
    below = st.tuples(st.just("bound"), st.none(), closed, values, closed)
    between = st.tuples(values, closed, values, closed).filter(lambda ends: bool(ends[0] < ends[2])).map(lambda ends: ("bound", *ends))
    return st.one_of(exact, st.just(("null",)), above, below, between) if len(NAMED[name]) > 1 else st.one_of(exact, above, below)


def _cells(name: str) -> st.SearchStrategy[Cell]:
    plain = st.lists(_alternatives(name), min_size=1, max_size=2).map(tuple)
    other = plain.map(lambda alternatives: (("other", alternatives),))
    return st.one_of(st.none(), st.none(), plain, other, other.map(lambda cell: (*cell, ("null",))))


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[str, ...], list[tuple[Cell, ...]], list[str], str | None]:
    """Draw inputs, the cells of 2 to 200 rules, their outputs and a default; long tables draw from few different cells."""
    names = tuple(draw(st.lists(st.sampled_from(sorted(NAMED)), min_size=1, max_size=8, unique=True)))
    size = draw(st.sampled_from([2, 3, 4, 5, 6, 8, 12, 20, 60, 200]))
    choices = [draw(st.lists(_cells(name), min_size=1, max_size=3 if len(names) > 4 else 6)) for name in names]
    seed = random.Random(draw(st.integers(0, 2**32)))
    rules = [tuple(seed.choice(cells) for cells in choices) for _ in range(size)]
    outputs = [seed.choice(GRADES) for _ in range(size)]
    return names, rules, outputs, draw(st.none() | st.sampled_from(GRADES))


def subject_of(names: tuple[str, ...], rules: list[tuple[Cell, ...]], outputs: list[str], default: str | None, hit: str) -> Subject:
    rows = [["rule", *names, "out: grade"]]
    rows += [[f"R{number}", *map(cell_text, cells), output] for number, (cells, output) in enumerate(zip(rules, outputs, strict=True))]
    grid, _ = read_rows(rows, "t.xlsx")
    policy, aggregation = parse_hit(hit) or (None, None)
    assert policy is not None and aggregation is not None
    given = {"grade": GridCell(default, ANCHOR)} if default is not None else None
    kind = output_type(GRADES) or TEXT
    table = DecisionTable("t", {"grade": kind}, grid, tuple(TableInput(name) for name in names), policy, aggregation, given, ANCHOR)
    checked = compile_table(table, FIELDS).table
    assert checked is not None
    return Subject(checked, tuple(axes_of(checked)), ANCHOR)


def every_case(names: tuple[str, ...], rules: list[tuple[Cell, ...]]) -> Iterator[int]:
    """Yield the rules that hold (bits) for every combination of values that the cells of these rules can tell apart."""
    masks = []
    for index, name in enumerate(names):
        held = []
        for value in TRIED[name]:
            held.append(sum(1 << number for number, cells in enumerate(rules) if cell_matches(cells[index], value, {})))
        masks.append(sorted(set(held)))
    for chosen in product(*masks):
        alive = (1 << len(rules)) - 1
        for mask in chosen:
            alive &= mask
        yield alive


@given(tables())
def test_gaps_and_overlaps_are_those_of_every_case(drawn: tuple[tuple[str, ...], list[tuple[Cell, ...]], list[str], str | None]) -> None:
    names, rules, outputs, _ = drawn
    subject = subject_of(names, rules, outputs, None, "UNIQUE")
    cases = set(every_case(names, rules))
    boxes = []
    for box in gap_boxes(subject):
        boxes.append(box)
        if len(boxes) == 3:
            break
    assert bool(boxes) == (0 in cases)
    for box in boxes:
        chosen, sure = subject.choice(box)
        assert sure and subject.alive(chosen) == 0
        values = [axis.cases[place].stretch.value for axis, place in zip(subject.axes, chosen, strict=True)]
        assert not any(all(cell_matches(cell, value, {}) for cell, value in zip(cells, values, strict=True)) for cells in rules)
    together = [0] * len(rules)
    for alive in cases:
        for number in numbers_of(alive):
            together[number] |= alive & ~(1 << number)
    # A rule that never holds overlaps nothing, whatever its other cells are.
    assert overlapping(subject) == together


@given(tables())
def test_rules_that_decide_and_rules_not_needed_are_those_of_every_case(
    drawn: tuple[tuple[str, ...], list[tuple[Cell, ...]], list[str], str | None],
) -> None:
    names, rules, outputs, default = drawn
    subject = subject_of(names, rules, outputs, default, "FIRST")
    reached = needed = 0
    for alive in set(every_case(names, rules)):
        held = numbers_of(alive)
        if held:
            reached |= 1 << held[0]
            if outputs[held[0]] != (outputs[held[1]] if len(held) > 1 else default):
                needed |= 1 << held[0]
    assert deciding(subject) == reached
    assert removable(subject) == reached & ~needed


@given(tables())
def test_rules_of_an_any_table_not_needed_are_those_of_every_case(
    drawn: tuple[tuple[str, ...], list[tuple[Cell, ...]], list[str], str | None],
) -> None:
    names, rules, _, _ = drawn
    subject = subject_of(names, rules, ["low"] * len(rules), None, "ANY")
    cases = set(every_case(names, rules))
    holding = alone = 0
    for alive in cases:
        holding |= alive
        alone |= alive if alive and not alive & (alive - 1) else 0
    assert removable(subject) == holding & ~alone


_RELATED = st.sampled_from([">", ">=", "<", "<=", "=", "<>"]).map(lambda sign: ("field", sign, "cost"))
_AMOUNTS = st.sampled_from([Decimal(0), Decimal(5)])
_BESIDE = st.one_of(_RELATED, st.just(("null",)), _AMOUNTS.map(lambda value: ("is", value)), _AMOUNTS.map(lambda value: ("bound", value,
    True, None, False)))
_COMPARED = st.lists(_BESIDE, min_size=1, max_size=2).map(tuple)
_CELLS = {
    "amount": st.one_of(st.none(), _COMPARED, _COMPARED.map(lambda cell: (("other", cell),)), _COMPARED.map(lambda cell: (("other", cell),
    ("null",)))),
    "cost": st.one_of(st.none(), st.just((("null",),)), st.just((("bound", Decimal(3), True, None, False),)), st.just((("bound", None,
    False, Decimal(3), False),))),
}  # fmt: skip
_VALUES = (None, *(Decimal(number) for number in (-1, 0, 1, 2, 3, 4, 5, 6, 7)))


@given(st.sampled_from([("amount",), ("amount", "cost")]), st.data())
def test_comparisons_between_fields_never_lead_to_a_wrong_verdict(names: tuple[str, ...], data: st.DataObject) -> None:
    rules = data.draw(st.lists(st.tuples(*[_CELLS[name] for name in names]), min_size=2, max_size=6))
    subject = subject_of(names, rules, ["low"] * len(rules), None, "UNIQUE")
    told = {each.code.name for each in gaps(subject)}
    pairs_told = {each.code.name for each in overlaps(subject)}
    open_record, together = False, False
    for amount, cost in product(_VALUES, _VALUES):
        record = {"amount": amount, "cost": cost}
        held = [all(cell_matches(cell, record[name], record) for cell, name in zip(cells, names, strict=True)) for cells in rules]
        open_record = open_record or not any(held)
        matching = [cells for cells, holds in zip(rules, held, strict=True) if holds]
        together = together or len(set(matching)) > 1
    assert open_record or "table-gap" not in told
    assert not open_record or told
    assert together or "rules-overlap" not in pairs_told
    if names == ("amount",) and all(each[0] in ("field", "null") for cells in rules for each in flat(cells[0])):
        assert ("table-gap" in told) is open_record, "one comparison that stands alone is proven"


def flat(cell: Cell) -> Iterator[tuple[Any, ...]]:
    for each in cell or ():
        yield from (flat(each[1]) if each[0] == "other" else [each])
