"""Cells of inputs: every form of the shorthand, what it matches, and what is said of a wrong one."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.canonical.kinds import FieldSpec, Kind
from engine.condition import Scope, enum
from engine.condition.scope import TEXT
from engine.decision import CompiledTable, DecisionTable, compile_table, read_rows
from engine.decision.compile import PlanName
from engine.diagnostics import Level

SCOPE = Scope(
    {
        "amount": FieldSpec("amount", Kind.MONEY, "", currency="currency"),
        "limit": FieldSpec("limit", Kind.MONEY, "", currency="currency"), "fee": FieldSpec("fee", Kind.MONEY, "", currency="other"),
        "count": Kind.INT, "day": Kind.DATE, "due": Kind.DATE, "status": enum("draft", "approved", "rejected"), "name": Kind.TEXT,
        "contract.status": enum("draft", "approved"), "billable": Kind.BOOL, "seen_at": Kind.TIME, "key": FieldSpec("key", Kind.ID, "",
        is_key=True),
        "period": Kind.PERIOD,
    }
)  # fmt: skip
DTYPES = {name: kind.dtype for name, kind in SCOPE.names.items()}


def compiled(name: str, text: str, plan: PlanName | None = None) -> CompiledTable:
    grid, told = read_rows([["rule", name, "out: x"], ["R1", text, "yes"]], "t.xlsx")
    assert not told
    return compile_table(DecisionTable("t", {"x": TEXT}, grid), SCOPE, plan=plan)


def matches(name: str, text: str, values: list[Any], others: dict[str, Any] | None = None) -> list[bool]:
    columns = {each: [None] * len(values) for each in DTYPES} | {each: [value] * len(values) for each, value in (others or {}).items()}
    frame = pl.LazyFrame(columns | {name: values}, schema=DTYPES)
    answers = []
    for plan in ("boolean", "classes"):
        table = compiled(name, text, plan)
        assert [each.message for each in table.diagnostics if each.code.level is Level.ERROR] == []
        answers.append((table.apply(frame, prefix="d.").collect()["d.hits"] == 1).to_list())
    assert answers[0] == answers[1]
    return answers[0]


def days(*texts: str | None) -> list[dt.date | None]:
    return [None if text is None else dt.date.fromisoformat(text) for text in texts]


@pytest.mark.parametrize(
    ("name", "text", "held", "failed"),
    [
        ("name", "-", ["a", None], []), ("name", "", ["a", None], []), ("name", "\N{EN DASH}", ["a", None], []),
        ("name", "A", ["A"], ["a", "A ", None]), ("name", "A, B", ["A", "B"], ["C", None]), ("name", '"A, B", C', ["A, B", "C"],
        ["A", "B"]),
        ("name", "'it''s'", ["it's"], ["it''s"]), ("name", '"say ""x"""', ['say "x"'], []), ("name", "Ann's", ["Ann's"], ["Anns"]),
        ("name", '"-"', ["-"], ["a", None]), ("name", '"null"', ["null"], [None]), ("name", "not(A, B)", ["C", ""], ["A", "B", None]),
        ("name", "not(A), null", ["B", None], ["A"]), ("name", "null", [None], ["a", ""]), ("name", "= null", [None], ["a"]),
        ("name", "!= null", ["a"], [None]), ("name", "<> A", ["B"], ["A", None]), ("name", "not(null)", ["A"], [None]),
        ("name", "not(not(A))", ["A"], ["B", None]), ("name", "? LIKE 'SUB-%'", ["SUB-1"], ["x", None]), ("name", "? LIKE '%?'", ["a?"],
        ["a"]),
        ("name", "? IS NULL OR LENGTH(?) > 2", [None, "abc"], ["ab"]), ("name", "[a..c]", ["a", "b", "c"], ["d", None]),
        ("name", "> m", ["n"], ["m"]),
        ("name", "SUB (old)", ["SUB (old)"], ["SUB"]), ("name", "a / b", ["a / b"], []),
        ("status", "approved", ["approved"], ["draft", None]), ("status", "not(approved), null", ["draft", None], ["approved"]),
        ("amount", "5", [Decimal(5)], [Decimal("5.000001"), None]), ("amount", "5.50, 7", [Decimal("5.5"), Decimal(7)], [Decimal(6)]),
        ("amount", "-5", [Decimal(-5)], [Decimal(5)]), ("amount", "> 0", [Decimal("0.000001")], [Decimal(0), Decimal(-1), None]),
        ("amount", ">= 0", [Decimal(0)], [Decimal("-0.01")]), ("amount", "< 0.0000001", [Decimal(0)], [Decimal("0.000001")]),
        ("amount", "<= 10", [Decimal(10)], [Decimal("10.01")]), ("amount", "= 10", [Decimal(10)], [Decimal(9)]),
        ("amount", "[1..5]", [Decimal(1), Decimal(5)], [Decimal(0), Decimal("5.01"), None]), ("amount", "(1..5)", [Decimal(2)],
        [Decimal(1), Decimal(5)]),
        ("amount", "(0..100]", [Decimal(100)], [Decimal(0)]), ("amount", "[0..100)", [Decimal(0)], [Decimal(100)]),
        ("amount", "]0..100[", [Decimal(50)], [Decimal(0), Decimal(100)]), ("amount", "[5..5]", [Decimal(5)], [Decimal(4)]),
        ("amount", "< 0, [10..20], > 90", [Decimal(-1), Decimal(15), Decimal(91)], [Decimal(5), Decimal(90), None]),
        ("amount", "not([0..10])", [Decimal(11)], [Decimal(5), None]), ("amount", "not(> 10), null", [Decimal(10), None], [Decimal(11)]),
        ("count", "3", [3], [4, None]), ("count", "> 2.5", [3], [2]), ("count", "[-2..2]", [-2, 0], [3]), ("count", "2.5", [], [2, 3]),
        ("day", "2026-01-31", days("2026-01-31"), days("2026-02-01", None)),
        ("day", "< 2026-01-01", days("2025-12-31"), days("2026-01-01", None)),
        ("day", "[2026-01-01..2026-03-31]", days("2026-01-01", "2026-03-31"), days("2026-04-01")),
        ("day", '>= date("2026-02-01")', days("2026-02-01"), days("2026-01-31")),
        ("day", '[date("2026-01-01")..date("2026-02-01"))', days("2026-01-31"), days("2026-02-01")),
        ("seen_at", ">= 2026-02-01", [dt.datetime(2026, 2, 1, tzinfo=dt.UTC)], [dt.datetime(2026, 1, 31, 23, 59, tzinfo=dt.UTC), None]),
        ("billable", "true", [True], [False, None]), ("billable", "no", [False], [True, None]), ("billable", "true, null", [True, None],
        [False]),
        ("billable", "not(true)", [False], [True, None]), ("period", "2026-01, 2026-02", ["2026-01"], ["2026-03", None]),
    ],
)  # fmt: skip
def test_a_cell_matches_what_it_says(name: str, text: str, held: list[Any], failed: list[Any]) -> None:
    assert matches(name, text, [*held, *failed]) == [True] * len(held) + [False] * len(failed)


@pytest.mark.parametrize(
    ("name", "text", "others", "held", "failed"),
    [
        ("amount", "> limit", {"limit": Decimal(10)}, [Decimal(11)], [Decimal(10), None]),
        ("amount", "limit", {"limit": Decimal(10)}, [Decimal(10)], [Decimal(11), None]),
        ("amount", "[0..limit]", {"limit": Decimal(10)}, [Decimal(0), Decimal(10)], [Decimal(11), None]),
        ("amount", "> limit", {"limit": None}, [], [Decimal(11), None]),
        ("amount", "not(> limit)", {"limit": Decimal(10)}, [Decimal(9)], [Decimal(11), None]),
        ("day", "<= due", {"due": dt.date(2026, 1, 5)}, days("2026-01-05"), days("2026-01-06", None)),
        ("day", "(due..2026-02-01]", {"due": dt.date(2026, 1, 5)}, days("2026-01-06"), days("2026-01-05")),
        ("seen_at", "<= due", {"due": dt.date(2026, 1, 5)}, [dt.datetime(2026, 1, 5, 23, tzinfo=dt.UTC)],
        [dt.datetime(2026, 1, 6, tzinfo=dt.UTC)]),
        ("status", "contract.status", {"contract.status": "approved"}, ["approved"], ["draft", None]),
        ("amount", "? > limit * 2", {"limit": Decimal(10)}, [Decimal(21)], [Decimal(20), None]),
    ],
)  # fmt: skip
def test_a_cell_may_name_another_field(name: str, text: str, others: dict[str, Any], held: list[Any], failed: list[Any]) -> None:
    assert matches(name, text, [*held, *failed], others) == [True] * len(held) + [False] * len(failed)


@pytest.mark.parametrize(
    ("name", "text", "code", "message"),
    [
        ("name", "A,,B", "cell-syntax", "empty alternative (stray comma) in `A,,B`"),
        ("name", "A,", "cell-syntax", "empty alternative (stray comma) in `A,`"),
        ("name", '"A', "cell-syntax", 'a quote is not closed in `"A`'),
        ("amount", "[1..", "cell-syntax", "an interval ends with ] or ) in `[1..`"),
        ("amount", "[..5]", "cell-syntax", "an interval needs both ends"), ("amount", ">", "cell-syntax", "a value is missing after '>'"),
        ("amount", "[5..1]", "empty-interval", "no value lies in [5..1]"),
        ("amount", "(5..5]", "empty-interval", "no value lies in (5..5]"),
        ("day", "[2026-02-01..2026-01-01]", "empty-interval", "no value lies in"),
        ("amount", "ten", "cell-type", "amount is an amount, and 'ten' is not"),
        ("day", "2026-02-30", "cell-type", "'2026-02-30' is not a date (YYYY-MM-DD)"),
        ("day", "5", "cell-type", "day is a date, and '5' is not"),
        ("status", "aproved", "cell-type", "status never has the value 'aproved', did you mean 'approved'?"),
        ("status", "zzz", "cell-type", "status never has the value 'zzz'; it has draft, approved, rejected"),
        ("status", "> draft", "cell-type", "the values of status have no order; list the values"),
        ("billable", "maybe", "cell-type", "billable is a yes-or-no value"),
        ("amount", "> fee", "cell-type", "amounts in 'currency' and 'other' cannot be compared without a conversion"),
        ("amount", "> day", "cell-type", "cannot compare an amount with a date"),
        ("period", "2026-1", "cell-type", "'2026-1' is not a period (YYYY-NN)"),
        ("amount", "123456789012345678901", "cell-type", "'123456789012345678901' has more digits than amount can have"),
        ("name", "? LIKE", "condition-syntax", "something is missing next to 'LIKE'"),
        ("name", "? > 5", "type-mismatch", "cannot compare text with a number in `? > 5`"),
        ("amount", "? IN (SELECT 1)", "construct-not-allowed", "Subquery is not allowed"),
        ("amount", "__import__('os')", "cell-type", "amount is an amount, and"),
        ("name", "x" * 4001, "cell-too-long", "the cell has 4,001 characters; 4,000 is the most"),
        ("name", "not(" * 30 + "a" + ")" * 30, "cell-too-long", "not(…) is nested deeper than 20 levels"),
    ],
)  # fmt: skip
def test_a_wrong_cell_is_told_in_its_place(name: str, text: str, code: str, message: str) -> None:
    table = compiled(name, text)
    assert not table.is_valid
    told = table.diagnostics[0]
    assert (told.code.name, told.span.line, told.span.column) == (code, 2, 2)
    assert told.message.startswith(message)


@pytest.mark.parametrize(("name", "text", "hinted"), [("status", "not(approved)", True), ("status", "not(approved), null", False),
    ("key", "not(K1)", False)])
def test_not_without_null_is_hinted_at(name: str, text: str, hinted: bool) -> None:
    table = compiled(name, text)
    assert table.is_valid
    assert [each.code.name for each in table.diagnostics] == (["not-without-null"] if hinted else [])


def test_amounts_in_even_steps_are_classed_like_any_others() -> None:
    bounds = [f"[{low}..{low + 250})" for low in range(0, 2_500, 250)]
    grid, _ = read_rows([["rule", "amount", "out: x"], *([f"R{number}", cell, "yes"] for number, cell in enumerate(bounds))], "t.xlsx")
    table = compile_table(DecisionTable("t", {"x": TEXT}, grid), SCOPE, plan="classes")
    tiny = Decimal("0.000001")
    values = [None, Decimal(-(10**25)), -tiny, *(Decimal(low) + step for low in range(0, 2_501, 250) for step in (-tiny, Decimal(0),
    tiny)), Decimal(10**25)]
    columns = {name: [None] * len(values) for name in DTYPES} | {"amount": values}
    found = table.apply(pl.LazyFrame(columns, schema=DTYPES), prefix="d.").collect()["d.rule"].to_list()
    assert found == [f"R{int(value // 250)}" if value is not None and 0 <= value < 2_500 else None for value in values]
