"""What is said of a table before any data: each verdict with a record that shows it, at its place."""

from __future__ import annotations

import random
import time

import pytest

from engine.canonical.kinds import FieldSpec, Kind
from engine.condition import Scope, decimal, enum
from engine.decision import DecisionTable, GridCell, TableInput, compile_table, output_type, parse_hit, read_pipes
from engine.decision.codes import PROOF_CODES
from engine.decision.proof import prove_table
from engine.diagnostics import Anchor, Diagnostic

SCOPE = Scope(
    {
        "status": enum("draft", "approved", "rejected"), "billable": Kind.BOOL, "age": Kind.INT, "amount": Kind.MONEY, "limit": Kind.MONEY,
        "day": Kind.DATE, "name": Kind.TEXT, "key": FieldSpec("key", Kind.ID, "", is_key=True),
    }
)  # fmt: skip
OUTPUTS = {"grade": output_type(["high", "low"]) or enum("high"), "fee": decimal(2)}


def said(
    header: str, *rows: str, hit: str = "UNIQUE", default: str | None = "low", budget: int = 200_000, inputs: tuple[TableInput, ...] = ()
) -> list[Diagnostic]:
    """Prove a table; each row is its input cells and grade, and its id is its place."""
    lines = [f"| rule | {header} | -> grade | -> fee |", *(f"| R{number} | {row} | 1 |" for number, row in enumerate(rows, start=1))]
    grid, told = read_pipes("\n".join(lines), Anchor("p.yaml", 10, 3, indent=2))
    policy, aggregation = parse_hit(hit) or (None, None)
    assert not told and policy is not None and aggregation is not None
    anchor = Anchor("p.yaml", 1, 1)
    cells = {"grade": GridCell(default, anchor)} if default is not None else None
    compiled = compile_table(DecisionTable("t", OUTPUTS, grid, inputs, policy, aggregation, cells, anchor), SCOPE)
    assert [each.message for each in compiled.diagnostics if each.is_error] == []
    return prove_table(compiled, compiled.anchor, budget=budget)


def messages(found: list[Diagnostic], code: str) -> list[str]:
    return [each.message for each in found if each.code.name == code]


EXAMPLES = {
    "table-gap": said("status", "draft, approved | high", "rejected | low", default=None),
    "rules-overlap": said("age", ">= 18 | high", "[10..20] | low"),
    "rule-unreachable": said("age", "> 5 | high", "<= 5, null | low", "7 | low", hit="FIRST"),
    "rule-redundant": said("age", "> 50 | low", "> 10 | low", "- | high", hit="FIRST"),
    "rules-duplicate": said("status", "draft, approved | high", "approved, draft | high", "- | low", hit="FIRST"),
    "rules-conflict": said("age", "> 5 | high", ">= 6 | low", hit="FIRST"),
    "dead-column": said("status | age", "draft | - | high", "approved | - | low"),
    "output-never-given": said("status", "draft | low"),
    "not-proven": said("amount", "> limit | high", "<= limit | low", "? IS NULL | low", default=None),
}  # fmt: skip


def test_every_verdict_has_its_smallest_example() -> None:
    assert {code.name for code in PROOF_CODES} == set(EXAMPLES)
    for code, found in EXAMPLES.items():
        assert code in {each.code.name for each in found}, code
        assert all(each.span.file == "p.yaml" and each.span.line >= 10 for each in found)


@pytest.mark.parametrize(
    ("header", "rows", "expected"),
    [
        ("status", ["draft, approved | high", "rejected | low"],
        ["a record with status missing meets no rule; the row that would close it: | null |"]),
        ("age", ["> 5 | high", "< 5 | low"], ["a record with age 5 meets no rule; the row that would close it: | 5, null |"]),
        ("age", ["(4..6) | high", "not((4..6)), null | low"], []),
        ("age", ["> 5 | high", "[3..5] | low", "null | low"], ["a record with age 2 meets no rule; the row that would close it: | < 3 |"]),
        ("day", ["< 2026-01-01 | high", "> 2026-01-31, null | low"],
         ["a record with day 2026-01-01 meets no rule; the row that would close it: | [2026-01-01..2026-01-31] |"]),
        ("name", ["A, B | high", "null | low"],
        ["a record with name with a value no rule names meets no rule; the row that would close it: | not(A, B) |"]),
        ("billable", ["true | high", "false | low"],
        ["a record with billable missing meets no rule; the row that would close it: | null |"]),
        ("key", ["A | high", "not(A) | low"], []), ("amount", ["<= 10 | high", "> 10, null | low"], []),
        ("amount", ["<= 10 | high", ">= 10.000001, null | low"], []), ("age", ["? IS NULL | high", "? IS NOT NULL | low"], None),
        ("status | billable", ["approved | true | high", "not(approved), null | - | low"],
         ["a record with status approved and billable false meets no rule; the row that would close it: | approved | false, null |"]),
        ("amount", ["> limit | high", "<= limit | low"], ["a record with amount 1 and limit missing meets no rule"]),
    ],
)  # fmt: skip
def test_a_gap_is_told_with_a_record_and_the_row_that_closes_it(header: str, rows: list[str], expected: list[str] | None) -> None:
    found = said(header, *rows, default=None)
    if expected is None:
        assert messages(found, "table-gap") == [] and messages(found, "not-proven")
    else:
        assert messages(found, "table-gap") == expected


def test_the_proposed_row_closes_the_gap() -> None:
    rows = ["approved | true | high", "draft | - | low"]
    for _ in range(10):
        told = messages(said("status | billable", *rows, default=None), "table-gap")
        if not told:
            break
        rows.append(told[0].partition("close it: | ")[2].removesuffix(" |").partition(" |; and")[0] + " | low")
    assert len(rows) == 4
    assert "rules-overlap" not in {each.code.name for each in said("status | billable", *rows, default=None)}


def test_a_default_leaves_no_gap() -> None:
    assert messages(said("status", "draft | low"), "table-gap") == []


def test_an_overlap_names_both_rules_and_a_record() -> None:
    found = said("age | status", ">= 18 | - | high", "[10..20] | draft | low", "< 5 | - | low")
    assert messages(found, "rules-overlap") == ["'R1' and 'R2' both hold for a record with age 18 and status draft"]
    assert (found[0].span.line, found[0].related[0].line) == (12, 11)


def test_overlaps_are_meant_where_the_order_or_the_collection_decides() -> None:
    for hit in ("FIRST", "PRIORITY", "RULE ORDER", "OUTPUT ORDER", "COLLECT"):
        assert messages(said("age", ">= 18 | high", "> 10 | low", hit=hit), "rules-overlap") == []
    assert messages(said("age", ">= 18 | low", "> 10 | low", hit="ANY"), "rules-overlap") == []
    assert len(messages(said("age", ">= 18 | high", "> 10 | low", hit="ANY"), "rules-overlap")) == 1


def test_a_rule_that_several_rules_together_shadow_is_unreachable() -> None:
    told = messages(said("age", "> 5 | high", "<= 5 | low", "[3..9] | low", hit="FIRST"), "rule-unreachable")
    assert told == ["'R3' never decides: earlier rules take each of its records; a record with age 3 is decided by 'R2'"]


def test_a_missing_value_can_keep_a_rule_reachable() -> None:
    assert messages(said("age", "> 5 | high", "<= 5 | low", "- | low", hit="FIRST"), "rule-unreachable") == []
    assert messages(said("age", "> 5 | high", "<= 5, null | low", "- | low", hit="FIRST"), "rule-unreachable") != []


def test_priority_decides_what_is_unreachable() -> None:
    assert messages(said("age", "- | low", "> 5 | high", hit="PRIORITY"), "rule-unreachable") == []
    assert messages(said("age", "- | high", "> 5 | low", hit="PRIORITY"), "rule-unreachable") != []


@pytest.mark.parametrize(("header", "cell"), [("age", "(5..6)"), ("status", "not(draft, approved, rejected)"),
    ("billable", "not(true, false)"), ("age", "2.5")])
def test_a_cell_that_admits_nothing_is_told(header: str, cell: str) -> None:
    assert messages(said(header, f"{cell} | low"), "rule-unreachable") == [f"'R1' never holds: {header} is never {cell}"]


def test_repeated_rules_are_duplicates_or_conflicts() -> None:
    found = said("status", "draft | low", "draft | low", "draft | high", hit="FIRST")
    assert messages(found, "rules-duplicate") == ["'R2' asks for the same as 'R1' and gives the same"]
    assert messages(found, "rules-conflict") == ["'R3' asks for the same as 'R1' and gives something else"]
    assert messages(said("status", "draft | low", "draft | high", hit="COLLECT"), "rules-conflict") == []


def test_a_rule_that_the_default_repeats_is_redundant() -> None:
    rows = ("> 5 | high", "< 3 | {IF(age > 1, 'low', 'high')}")
    assert messages(said("age", *rows, hit="FIRST"), "rule-redundant") == []
    found = said("age", "> 5 | high", "> 3 | high", "- | low", hit="FIRST")
    assert messages(found, "rule-redundant") == ["without 'R1' every record would get the same outputs"]


def test_what_rests_on_comparisons_that_cannot_be_followed_is_not_proven() -> None:
    found = said("amount | limit", "> limit | - | high", "<= limit | - | low", "- | null | low", "null | - | low", default=None)
    assert messages(found, "table-gap") == []


def test_a_table_beyond_the_budget_is_not_proven_and_says_so() -> None:
    found = said("age | status | billable", "> 1 | draft | true | high", "> 2 | approved | - | low", "> 3 | - | false | low",
    default=None, budget=2)
    assert "whether every record meets a rule is not proven: the table has more cases than 2 steps can look at" in messages(found,
    "not-proven")


def test_many_overlaps_are_counted() -> None:
    found = messages(said("age", *[f"> {number} | low" for number in range(12)]), "rules-overlap")
    assert len(found) == 20
    assert found[-1].endswith("; and 46 more")


def test_inputs_made_of_the_same_field_are_not_taken_for_free() -> None:
    inputs = (TableInput("age"), TableInput("months", "age * 12"))
    rows = ("> 5 | - | high", "<= 5, null | > 60 | low", "<= 5, null | <= 60, null | low")
    assert messages(said("age | months", *rows, default=None, inputs=inputs), "table-gap") == []
    found = said("age | months", "> 5 | > 60 | high", "<= 5, null | - | low", default=None, inputs=inputs)
    assert messages(found, "table-gap") == []
    assert messages(found,
    "not-proven")[0].startswith("a record with age 6 and months 59 would meet no rule; whether there can be one is not proven")


@pytest.mark.parametrize(
    ("expression", "is_missing"),
    [("age + 1", True), ("COALESCE(age, 0) + 1", False), ("IF(billable, 1, 2)", False), ("CASE WHEN billable THEN 1 END", True),
     ("ROUND(1 / COALESCE(age, 0), 2)", True), ("LENGTH(key)", False), ("IF(age IS NULL, 0, age)", True)],
)  # fmt: skip
def test_a_computed_input_that_surely_has_a_value_has_no_missing_case(expression: str, is_missing: bool) -> None:
    found = said("x", "> 5 | high", "<= 5 | low", default=None, inputs=(TableInput("x", expression),))
    assert bool(messages(found, "table-gap")) is is_missing


def test_a_table_of_two_hundred_rules_is_proven_in_under_a_second() -> None:
    draw = random.Random(7)

    def row() -> str:
        low = draw.randrange(0, 5_000, 250)
        cells = (
            draw.choice(["draft", "approved", "rejected", "not(draft), null"]), draw.choice(["true", "false"]), f"> {draw.randrange(60)}",
            f"[{low}..{low + draw.randrange(250, 2_500, 250)})", f"< 20{draw.randrange(20, 30)}-{draw.randrange(1, 13):02}-01",
            ", ".join(draw.sample([f"N{number}" for number in range(20)], 2)),
        )
        return " | ".join([*(cell if draw.random() < 0.6 else "-" for cell in cells), draw.choice(["high", "low"])])

    rows = [row() for _ in range(200)]
    started = time.process_time()
    found = said("status | billable | age | amount | day | name", *rows, hit="FIRST", default=None)
    spent = time.process_time() - started
    assert messages(found, "rule-unreachable") and not messages(found, "not-proven")
    assert spent < 1, f"{spent:.2f} s of processor, reading and compiling the table included"
