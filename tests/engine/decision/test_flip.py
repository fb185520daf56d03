"""What would flip a decision: the fewest changes after which the table itself says otherwise."""

from __future__ import annotations

from itertools import product
from typing import Any

import polars as pl
import pytest

from engine.canonical.kinds import Kind
from engine.condition import Scope
from engine.condition.scope import enum
from engine.decision import CompiledTable, DecisionTable, GridCell, compile_table, parse_hit, read_pipes
from engine.decision.flip import Flip, smallest_flip
from engine.diagnostics import Anchor

SCOPE = Scope({"status": enum("draft", "approved", "rejected"), "age": Kind.INT, "kind": Kind.TEXT, "limit": Kind.INT})
ANCHOR = Anchor("p.yaml", 1, 1)
HEAD = "| rule | status | age | kind | -> decision |\n"
RULES = HEAD + (
    "| R1 | rejected | - | - | never |\n| R2 | not(approved), null | - | - | hold |\n| R3 | - | > 120 | - | hold |\n"
    "| R4 | - | - | fixed | other |\n| R5 | approved | - | - | bill |\n"
)


def table(text: str = RULES, hit: str = "FIRST", default: str | None = "hold") -> CompiledTable:
    grid, _ = read_pipes(text, ANCHOR)
    policy, aggregation = parse_hit(hit) or (None, None)
    assert policy is not None and aggregation is not None
    cells = None if default is None else {"decision": GridCell(default, ANCHOR)}
    outputs = {"decision": enum("bill", "hold", "other", "never")}
    made = compile_table(DecisionTable("t", outputs, grid, (), policy, aggregation, cells, ANCHOR), SCOPE)
    assert made.is_valid, made.diagnostics
    return made


def traced(made: CompiledTable, record: dict[str, Any]) -> list[int]:
    schema = {name: kind.dtype for name, kind in SCOPE.names.items()}
    row = made.apply(pl.LazyFrame([dict.fromkeys(schema) | record], schema=schema), prefix="t.", trace=True).collect().to_dicts()[0]
    return [row["t.trace"][str(number)] for number in range(len(made.slots))]


def flip(record: dict[str, Any], made: CompiledTable | None = None, kept: tuple[str, ...] = ()) -> Flip | None:
    made = made or table()
    return smallest_flip(made, traced(made, record), lambda outputs: outputs[0].value == "bill", kept)


def test_one_change_is_found_where_one_is_enough() -> None:
    assert flip({"status": "draft", "age": 5, "kind": "time"}) == Flip("R5", (("status", "approved"),))
    assert flip({"status": "approved", "age": 200, "kind": "time"}) == Flip("R5", (("age", "below 120"),))


def test_every_rule_in_the_way_counts() -> None:
    found = flip({"status": None, "age": 200, "kind": "fixed"})
    assert found is not None
    assert found.condition() == "status were approved and age were below 120 and kind were not fixed"


def test_what_nobody_can_change_is_kept() -> None:
    assert flip({"status": "draft", "age": 5, "kind": "fixed"}, kept=("kind",)) is None
    assert flip({"status": "draft", "age": 5, "kind": "time"}, kept=("kind", "age")) == Flip("R5", (("status", "approved"),))


def test_the_default_may_be_what_is_wanted() -> None:
    rules = HEAD + "| R1 | draft | - | - | hold |\n"
    assert flip({"status": "draft"}, table(rules, default="bill")) == Flip(None, (("status", "not draft"),))


def test_two_rules_at_once_are_no_answer_under_unique() -> None:
    rules = HEAD + "| R1 | approved | - | - | bill |\n| R2 | - | > 10 | - | hold |\n"
    found = flip({"status": "draft", "age": 20}, table(rules, "UNIQUE", None))
    assert found == Flip("R1", (("status", "approved"), ("age", "below 10")))


def test_a_condition_on_another_field_is_told_as_written() -> None:
    rules = HEAD + "| R1 | - | > limit | - | hold |\n| R2 | - | - | - | bill |\n"
    assert flip({"age": 5, "limit": 3}, table(rules)) == Flip("R2", (("age", "not > limit"),))


def test_tables_of_several_hits_have_no_flip() -> None:
    assert flip({"status": "draft"}, table(RULES, "COLLECT", None)) is None


VALUES = {"status": (None, "draft", "approved", "rejected"), "age": (None, 5, 120, 200), "kind": (None, "fixed")}


@pytest.mark.parametrize("record", [dict(zip(VALUES, each, strict=True)) for each in product(*VALUES.values())])
def test_no_smaller_set_of_changes_would_do(record: dict[str, Any]) -> None:
    """Brute force over every value of every input agrees on how many changes it takes."""

    def bills(each: dict[str, Any]) -> bool:
        late = each["age"] is not None and each["age"] > 120
        return each["status"] == "approved" and not late and each["kind"] != "fixed"

    others = [dict(zip(VALUES, each, strict=True)) for each in product(*VALUES.values())]
    fewest = min(sum(record[name] != other[name] for name in VALUES) for other in others if bills(other))
    found = flip(record)
    if bills(record):
        return
    assert found is not None and len(found.changes) == fewest
