"""Compiled conditions give what the slow interpreter gives, on random conditions and records."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from engine.condition import compile_condition, compile_value
from engine.condition.codes import EMPTY_INTERVAL, TOO_MANY_DECIMALS
from engine.condition.parse import parse_condition
from engine.condition.render import render_text, render_words
from engine.diagnostics import Anchor
from tests.oracle.conditions import Tree, evaluate, text_of
from tests.oracle.strategies import CONDITIONS, FIELDS, HOLIDAYS, NUMBERS, RECORDS, frame_of

ANCHOR = Anchor("policy.yaml", 1, 1)
EMPTY = dict.fromkeys(FIELDS.names)


@given(CONDITIONS, st.lists(RECORDS, min_size=1, max_size=6))
@example(("=", ("field", "amount"), ("field", "cost")), [EMPTY])
def test_a_compiled_condition_agrees_with_the_interpreter(tree: Tree, records: list[dict[str, Any]]) -> None:
    compiled = compile_condition(text_of(tree), FIELDS, ANCHOR, holidays=HOLIDAYS)
    assume(not any(each.code in (TOO_MANY_DECIMALS, EMPTY_INTERVAL) for each in compiled.diagnostics))
    assert compiled.diagnostics == ()
    held = frame_of(records).with_columns(_held=compiled.expression).collect()["_held"].to_list()
    assert held == [evaluate(tree, record, HOLIDAYS) for record in records]


@given(NUMBERS, st.lists(RECORDS, min_size=1, max_size=6))
def test_a_compiled_number_is_exact_and_of_the_stated_type(tree: Tree, records: list[dict[str, Any]]) -> None:
    compiled = compile_value(text_of(tree), FIELDS, ANCHOR)
    assume(not any(each.code is TOO_MANY_DECIMALS for each in compiled.diagnostics))
    assert compiled.diagnostics == ()
    column = frame_of(records).with_columns(_value=compiled.expression).collect()["_value"]
    assert column.dtype == compiled.type.dtype
    assert column.to_list() == [evaluate(tree, record) for record in records]


@given(CONDITIONS)
def test_canonical_text_reads_back_as_the_same_tree(tree: Tree) -> None:
    node = parse_condition(text_of(tree), ANCHOR).node
    assert node is not None
    again = parse_condition(render_text(node), ANCHOR).node
    assert again is not None
    assert [(each.op, each.value, len(each.args)) for each in again.walk()] == [
        (each.op, each.value, len(each.args)) for each in node.walk()
    ]
    assert render_text(again) == render_text(node)
    assert render_words(node)
