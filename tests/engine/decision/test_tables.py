"""Whole tables: each hit policy, aggregation, default and status, by both plans; outputs, versions, and why."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.canonical.kinds import Kind
from engine.condition import Scope, decimal
from engine.condition.scope import TEXT, Type
from engine.decision import (
    CompiledTable,
    DecisionTable,
    GridCell,
    TableInput,
    TableVersion,
    VersionedTable,
    compile_table,
    nearest,
    output_type,
    parse_hit,
    read_pipes,
    why,
    why_not,
)
from engine.decision.compile import PlanName
from engine.diagnostics import Anchor

SCOPE = Scope({"age": Kind.INT, "risk": Kind.TEXT, "amount": Kind.MONEY, "day": Kind.DATE})
ANCHOR = Anchor("p.yaml", 10, 3, indent=2)
GRADE = output_type(["high", "low"]) or TEXT
RULES = """\
| rule | age   | risk | -> grade | -> fee | note             |
|------|-------|------|----------|--------|------------------|
| R1   | >= 18 | -    | low      | 1.50   | Grown up         |
| R2   | > 12  | A    | high     | 2.25   | Half grown and A |
| R3   | < 5   | -    | low      | -      | Small            |
"""


def table(text: str, hit: str, outputs: dict[str, Type] | None = None, default: dict[str, str] | None = None) -> DecisionTable:
    grid, told = read_pipes(text, ANCHOR)
    assert not told
    policy, aggregation = parse_hit(hit) or (None, None)
    assert policy is not None and aggregation is not None
    cells = {name: GridCell(value, ANCHOR) for name, value in default.items()} if default is not None else None
    return DecisionTable("t", outputs or {"grade": GRADE, "fee": decimal(2)}, grid, (), policy, aggregation, cells, ANCHOR)


def decided(made: DecisionTable, records: list[dict[str, Any]], plan: PlanName, *, trace: bool = False) -> list[dict[str, Any]]:
    compiled = compile_table(made, SCOPE, plan=plan)
    assert compiled.is_valid, compiled.diagnostics
    return compiled.apply(frame(records), trace=trace).drop(SCOPE.names).collect().to_dicts()


def frame(records: list[dict[str, Any]]) -> pl.LazyFrame:
    schema = {name: kind.dtype for name, kind in SCOPE.names.items()}
    return pl.LazyFrame([dict.fromkeys(schema) | each for each in records], schema=schema)


ADULT, ADULT_A, CHILD, NEITHER, NOBODY = {"age": 20}, {"age": 20, "risk": "A"}, {"age": 3}, {"age": 8}, {"risk": "A"}


def row(grade: str | None, fee: str | None, rule: str | None, hits: int, status: str) -> dict[str, Any]:
    return {"grade": grade, "fee": None if fee is None else Decimal(fee), "rule": rule, "hits": hits, "status": status}


@pytest.mark.parametrize("plan", ["boolean", "classes"])
@pytest.mark.parametrize(
    ("hit", "record", "expected"),
    [
        ("UNIQUE", ADULT, row("low", "1.50", "R1", 1, "matched")), ("UNIQUE", ADULT_A, row(None, None, None, 2, "conflict")),
        ("UNIQUE", NEITHER, row(None, None, None, 0, "no_match")), ("UNIQUE", NOBODY, row(None, None, None, 0, "no_match")),
        ("UNIQUE", CHILD, row("low", None, "R3", 1, "matched")), ("FIRST", ADULT_A, row("low", "1.50", "R1", 2, "matched")),
        ("PRIORITY", ADULT_A, row("high", "2.25", "R2", 2, "matched")), ("ANY", ADULT_A, row(None, None, None, 2, "conflict")),
        ("ANY", ADULT, row("low", "1.50", "R1", 1, "matched")),
    ],
)  # fmt: skip
def test_a_single_hit_policy_decides_by_its_rule(plan: PlanName, hit: str, record: dict[str, Any], expected: dict[str, Any]) -> None:
    assert decided(table(RULES, hit), [record], plan) == [expected]


@pytest.mark.parametrize("plan", ["boolean", "classes"])
def test_any_agrees_when_all_rules_that_hold_say_the_same(plan: PlanName) -> None:
    same = RULES.replace("high     | 2.25", "low      | 1.50")
    assert decided(table(same, "ANY"), [ADULT_A], plan) == [row("low", "1.50", "R1", 2, "matched")]


@pytest.mark.parametrize("plan", ["boolean", "classes"])
@pytest.mark.parametrize(
    ("hit", "grades", "rules"),
    [("RULE ORDER", ["low", "high"], ["R1", "R2"]), ("COLLECT", ["low", "high"], ["R1", "R2"]), ("OUTPUT ORDER", ["high", "low"],
    ["R2", "R1"])],
)
def test_a_multiple_hit_policy_gives_lists_in_its_order(plan: PlanName, hit: str, grades: list[str], rules: list[str]) -> None:
    both, none, child = decided(table(RULES, hit), [ADULT_A, NEITHER, CHILD], plan)
    assert (both["grade"], both["rules"], both["rule"], both["status"]) == (grades, rules, rules[0], "matched")
    assert (none["grade"], none["rules"], none["rule"], none["status"]) == ([], [], None, "no_match")
    assert child["fee"] == [None], "an empty output of a rule that holds is kept"


@pytest.mark.parametrize("plan", ["boolean", "classes"])
@pytest.mark.parametrize(
    ("hit", "both", "none", "child"),
    [("COLLECT SUM", "3.75", None, "0"), ("COLLECT MIN", "1.50", None, None), ("COLLECT MAX", "2.25", None, None),
    ("COLLECT COUNT", "2", "0", "1")],
)
def test_collect_makes_one_value_of_many(plan: PlanName, hit: str, both: str, none: str | None, child: str | None) -> None:
    fees = "\n".join("|".join(line.split("|")[:4] + line.split("|")[5:]) for line in RULES.splitlines())
    found = decided(table(fees, hit, {"fee": decimal(2)}), [ADULT_A, NEITHER, CHILD], plan)
    assert [each["fee"] for each in found] == [None if value is None else Decimal(value) for value in (both, none, child)]


@pytest.mark.parametrize("plan", ["boolean", "classes"])
def test_a_default_decides_where_no_rule_holds(plan: PlanName) -> None:
    default = {"grade": "high"}
    assert decided(table(RULES, "FIRST", default=default), [NEITHER], plan) == [row("high", None, "default", 0, "default")]
    listed = decided(table(RULES, "COLLECT", default=default), [NEITHER], plan)[0]
    assert (listed["grade"], listed["rules"], listed["status"]) == (["high"], ["default"], "default")


@pytest.mark.parametrize("plan", ["boolean", "classes"])
def test_a_computed_output_is_exact_and_of_the_declared_scale(plan: PlanName) -> None:
    text = "| rule | age | -> fee |\n| R1 | > 5 | {ROUND(amount / 3, 2)} |\n| R2 | - | {amount * 0} |\n"
    made = table(text, "FIRST", {"fee": decimal(6)})
    found = decided(made, [{"age": 9, "amount": Decimal("100.00")}, {"age": 1, "amount": Decimal(7)}, {"age": 9}], plan)
    assert [each["fee"] for each in found] == [Decimal("33.33"), Decimal(0), None]
    assert compile_table(made, SCOPE, plan=plan).schema()["fee"] == pl.Decimal(38, 6)


@pytest.mark.parametrize("plan", ["boolean", "classes"])
def test_any_compares_computed_outputs_by_value(plan: PlanName) -> None:
    text = "| rule | age | -> fee |\n| R1 | > 5 | {amount + 1} |\n| R2 | > 6 | 3 |\n"
    made = table(text, "ANY", {"fee": decimal(6)})
    found = decided(made, [{"age": 9, "amount": Decimal(2)}, {"age": 9, "amount": Decimal(5)}], plan)
    assert [each["status"] for each in found] == ["matched", "conflict"]


@pytest.mark.parametrize(
    ("before", "after", "code", "place", "message"),
    [
        ("| R2   |", "| R1   |", "rule-id", (13, 5), "the id 'R1' is given to two rules"),
        ("| R2   |", "|      |", "rule-id", (13, 4), "the rule has no id"),
        ("risk", "rsik", "unknown-field", (10, 20), "unknown field 'rsik', did you mean 'risk'?"),
        ("-> fee", "-> fe ", "table-column", (10, 38), "'fe' is no output of the policy, did you mean 'fee'?"),
        ("| low      | 1.50", "| lwo      | 1.50", "output-type", (12, 27),
        "the output 'grade' needs one of high, low, and 'lwo' is not, did you mean 'low'?"),
        ("1.50", "1.505", "output-type", (12, 38), "the output 'fee' needs a number with at most 2 decimals, and '1.505' is not"),
        ("1.50", "{amount}", "output-type", (12, 38), "the output 'fee' has 2 decimals, the expression 6; use ROUND(…, 2)"),
        ("1.50", "{risk}", "output-type", (12, 38), "the output 'fee' is a number, but the expression gives text"),
        ("1.50", "{amuont}", "unknown-field", (12, 39), "unknown field 'amuont', did you mean 'amount'?"),
        ("| R3   | < 5   |", "| R3   |", "table-shape", (14, 5), "the row has 5 cells, the header 6"),
        ("| R3   | < 5", "R3 | < 5", "table-shape", (14, 3), "a row of the table begins and ends with a bar |"),
        ("> 12 ", "> 1x2", "cell-type", (13, 14), "age is a number, and '1x2' is not"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_pipe_table_is_told_at_its_cell(before: str, after: str, code: str, place: tuple[int, int], message: str) -> None:
    grid, told = read_pipes(RULES.replace(before, after, 1), Anchor("p.yaml", 10, 3, indent=2))
    policy, aggregation = parse_hit("FIRST") or (None, None)
    assert policy is not None and aggregation is not None
    compiled = compile_table(DecisionTable("t", {"grade": GRADE, "fee": decimal(2)}, grid, (), policy, aggregation, None, ANCHOR), SCOPE)
    found = {each.code.name: each for each in (*told, *compiled.diagnostics) if each.is_error}
    assert code in found, [each.message for each in found.values()]
    assert (found[code].span.line, found[code].span.column) == place
    assert found[code].message.startswith(message)


@pytest.mark.parametrize(
    ("hit", "outputs", "message"),
    [
        ("PRIORITY", {"grade": TEXT, "fee": decimal(2)}, "PRIORITY needs an output with a list of values"),
        ("COLLECT SUM", {"grade": GRADE, "fee": decimal(2)}, "COLLECT SUM needs numbers, and 'grade' is not"),
    ],
)
def test_a_hit_policy_that_does_not_fit_its_outputs_is_refused(hit: str, outputs: dict[str, Type], message: str) -> None:
    compiled = compile_table(table(RULES, hit, outputs), SCOPE)
    assert [each.code.name for each in compiled.diagnostics if each.is_error] == ["hit-policy"]
    assert compiled.diagnostics[0].message.startswith(message)


def test_a_default_for_what_is_no_output_is_refused() -> None:
    compiled = compile_table(table(RULES, "FIRST", default={"grad": "low"}), SCOPE)
    assert [(each.code.name, each.message) for each in compiled.diagnostics if each.is_error] == [
        ("default-output", "'grad' is no output of the policy, did you mean 'grade'?"),
    ]


@pytest.mark.parametrize("text", ["SOMETIMES", "COLLECT AVG", "", "FIRST SUM"])
def test_an_unknown_hit_policy_is_none(text: str) -> None:
    assert parse_hit(text) is None


@pytest.mark.parametrize(
    ("setting", "words"), [("text", "text"), ("money", "a number"), ("decimal(4)", "a number"), ("bool", "a yes-or-no value"),
    (["a", "b"], "text")]
)
def test_outputs_are_declared_by_words_or_lists(setting: Any, words: str) -> None:
    found = output_type(setting)
    assert found is not None and found.words == words


@pytest.mark.parametrize("setting", ["float", "decimal(13)", [], ["a", "a"]])
def test_what_no_output_can_be_is_none(setting: Any) -> None:
    assert output_type(setting) is None


def test_a_computed_input_is_named_and_told_by_its_name() -> None:
    grid, _ = read_pipes("| rule | months | -> grade |\n| R1 | > 3 | high |\n| R2 | - | low |", ANCHOR)
    inputs = (TableInput("months", "DATE_DIFF('month', day, '2026-06-01')", ANCHOR),)
    policy, aggregation = parse_hit("FIRST") or (None, None)
    assert policy is not None and aggregation is not None
    compiled = compile_table(DecisionTable("t", {"grade": GRADE}, grid, inputs, policy, aggregation, None, ANCHOR), SCOPE)
    found = compiled.apply(frame([{"day": dt.date(2026, 1, 1)}, {"day": dt.date(2026, 5, 1)}])).collect()
    assert found["grade"].to_list() == ["high", "low"]
    assert compiled.paths == ("day",)


def explained(record: dict[str, Any]) -> tuple[CompiledTable, list[int]]:
    compiled = compile_table(table(RULES, "FIRST"), SCOPE)
    trace = compiled.apply(frame([record]), trace=True).collect()["trace"].to_list()[0]
    return compiled, list(trace.values())


def test_why_names_the_rules_that_held_with_the_values() -> None:
    compiled, codes = explained(ADULT_A)
    assert [each.rule for each in why(compiled, codes)] == ["R1", "R2"]
    assert why(compiled, codes, ADULT_A)[1].sentence() == "R2 (p.yaml:13) holds: age is 20, risk is A."


def test_why_not_names_the_cell_that_failed() -> None:
    compiled, codes = explained(NEITHER)
    assert why_not(compiled, codes, "R1").sentence() == "R1 (p.yaml:12) does not hold: age needs >= 18 but was between 5 and 12."
    assert why_not(compiled, codes, "R2",
    NEITHER | {"risk": None}).sentence().endswith("age needs > 12 but was 8, risk needs A but was missing.")
    found = nearest(compiled, codes)
    assert found is not None and found.rule == "R1"
    with pytest.raises(KeyError):
        why_not(compiled, codes, "R9")


def test_a_name_that_the_frame_already_has_is_not_overwritten() -> None:
    compiled = compile_table(table(RULES, "FIRST"), SCOPE)
    with pytest.raises(ValueError, match="would overwrite the column 'rule'"):
        compiled.apply(frame([ADULT]).with_columns(rule=pl.lit("mine")))


def version(fee: str, begins: str, ends: str | None = None) -> TableVersion:
    text = f"| rule | age | -> fee |\n| R1 | >= 18 | {fee} |\n"
    made = compile_table(table(text, "UNIQUE", {"fee": decimal(2)}), SCOPE)
    return TableVersion(made, dt.date.fromisoformat(begins), dt.date.fromisoformat(ends) if ends else None)


def test_each_record_is_decided_by_the_version_of_its_own_date() -> None:
    versions = VersionedTable([version("2", "2026-01-01"), version("1", "2025-01-01", "2025-12-31")], "day")
    dates = [dt.date(2024, 12, 31), dt.date(2025, 1, 1), dt.date(2025, 12, 31), dt.date(2026, 1, 1), None]
    found = versions.apply(frame([{"age": 20, "day": day} for day in dates])).collect()
    assert found["fee"].to_list() == [None, Decimal(1), Decimal(1), Decimal(2), None]
    assert found["status"].to_list() == ["no_version", "matched", "matched", "matched", "no_version"]
    assert found["version"].to_list() == [None, dt.date(2025, 1, 1), dt.date(2025, 1, 1), dt.date(2026, 1, 1), None]


def test_two_versions_in_force_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="in force on 2026-01-01"):
        VersionedTable([version("1", "2025-01-01", "2026-01-01"), version("2", "2026-01-01")], "day")
