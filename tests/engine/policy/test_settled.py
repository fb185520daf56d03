"""Conditions that no record can change are told before any data is read, and no other."""

from __future__ import annotations

import itertools

import polars as pl
import pytest

from engine.condition import Scope, compile_condition
from engine.condition.scope import BOOL, INT, enum
from engine.diagnostics import Anchor
from engine.policy.load import load_policies
from engine.policy.settled import FALSE, TRUE, UNKNOWN, condition_mistakes, truths
from engine.policy.source import SourceText
from engine.policy.where import policy_scope

HERE = Anchor("p.yaml", 1, 1)
HEAD = "id: x\ntitle: t\nowner: o\neffective_from: 1900-01-01\nreference: r\n"

CHECK = "policy: check\n" + HEAD + "entity: time_entry\nchecks:\n  - {id: c, must: hours > 0, kind: k, says: s, remedy: r}\n"
OWNERSHIP = (
    "policy: ownership\n" + HEAD + "entity: invoice\nmatch: [invoice_number]\nowner_system: billing\nwhere: currency = 'EUR'\n"
    "rules:\n  - {id: o, field: gross_amount, owner: billing, consumers: [erp], says: s}\n"
)
KPI = (
    "policy: kpi\n" + HEAD + "kpi: dso\nunit: hours\nformula: f\n"
    "numerator: {facts: time, sum: hours, where: billable}\ndenominator: {facts: time, sum: hours}\n"
)
REC = (
    "policy: reconciliation\n" + HEAD + "says: s\n"
    "left: {entity: invoice, system: billing, amount: gross_amount, where: status = 'posted'}\n"
    "right: {entity: invoice, system: erp, amount: gross_amount, where: status = 'posted'}\n"
    "breaks: {severity: \"CASE WHEN difference > 5 THEN 'high' ELSE 'low' END\"}\n"
)


def told(entity: str, text: str) -> list[tuple[str, str]]:
    """Return code and message of what a condition is told."""
    found = condition_mistakes(compile_condition(text, policy_scope(entity), HERE), HERE)
    return [(each.code.name, each.message) for each in found]


def warned(text: str) -> list[tuple[str, int]]:
    """Return code and line of what a policy is told of its conditions and sides."""
    names = ("condition-never-true", "condition-always-true", "same-sides")
    _, found = load_policies([SourceText("p.yaml", text)])
    assert not [each.message for each in found if each.is_error]
    return [(each.code.name, each.span.line) for each in found if each.code.name in names]


@pytest.mark.parametrize(
    "text",
    [
        "hours > 5 AND hours < 3",
        "status = 'approved' AND status = 'rejected'",
        "hours = 3 AND hours NOT BETWEEN 2 AND 5",
        "billable AND NOT billable",
        "hours IS NULL AND hours > 3",
        "project.status = 'active' AND project.status <> 'active'",
        "work_date > as_of AND as_of >= work_date",
        "DATE_DIFF('day', work_date, as_of) > 5 AND DATE_DIFF('day', work_date, as_of) < 3",
        "billable AND hours > 2 AND (hours < 1 OR status = 'draft' AND status <> 'draft')",
        "2 > 3",
    ],
)
def test_a_condition_that_no_record_meets_is_told(text: str) -> None:
    ((code, message),) = told("time_entry", text)
    assert (code, message.endswith("is true of no record")) == ("condition-never-true", True)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("1 = 1", "every record"),
        ("true", "every record"),
        ("time_entry_id IS NOT NULL", "every record"),
        ("hours = hours", "every record, unless a value is missing"),
        ("hours > 5 OR hours <= 5", "every record, unless a value is missing"),
        ("COALESCE(hours, 0) >= 1 OR COALESCE(hours, 0) < 1", "every record"),
        ("billable OR NOT billable OR billable IS NULL", "every record"),
    ],
)
def test_a_condition_that_every_record_meets_is_told(text: str, where: str) -> None:
    assert told("time_entry", text) == [("condition-always-true", f"`{text.upper() if text == 'true' else text}` is true of {where}")]


def test_a_part_that_is_settled_is_told_where_it_stands() -> None:
    text = "billable OR (status = 'approved' AND status = 'draft')"
    (found,) = condition_mistakes(compile_condition(text, policy_scope("time_entry"), HERE), HERE)
    assert found.message == "`status = 'approved' AND status = 'draft'` is true of no record"
    assert found.span.column == text.index("status") + 1


@pytest.mark.parametrize(
    "text",
    [
        "hours > 2 AND hours < 3",
        "hours >= 5 OR hours < 3",
        "status LIKE 'a%' AND status LIKE '%d'",
        "work_date > as_of AND approved_at < as_of",
        "project.project_id IS NULL OR project.status = 'active'",
        "ROUND(hours, 0) = 2 AND hours > 2",
        "status IN ('approved', 'draft') AND status <> 'draft'",
    ],
)
def test_what_some_records_meet_and_others_do_not_is_not_told(text: str) -> None:
    assert told("time_entry", text) == []


def test_what_is_proven_is_what_every_record_shows() -> None:
    scope = Scope({"n": INT, "m": INT, "b": BOOL, "s": enum("x", "y")})
    atoms = ["n > 1", "n <= 1", "n = m", "n < m", "b", "s = 'x'", "s IN ('x', 'y')", "n IS NULL", "n BETWEEN 1 AND 2", "NOT b"]
    pairs = [f"({one}) {op} NOT ({other})" for one, other in itertools.product(atoms, atoms) for op in ("AND", "OR")]
    values = [(n, m, b, s) for n in (None, 0, 1, 2, 3) for m in (None, 0, 1, 2, 3) for b in (None, False, True) for s in (None, "x", "y")]
    frame = pl.DataFrame(values, schema={"n": pl.Int64, "m": pl.Int64, "b": pl.Boolean, "s": pl.String}, orient="row")
    for text in pairs:
        compiled = compile_condition(text, scope, HERE)
        seen = frame.select(compiled.expression.alias("r"))["r"].unique().to_list()
        bits = sum({True: TRUE, False: FALSE, None: UNKNOWN}[each] for each in seen)
        assert compiled.typed is not None
        # What is thought possible is at least what occurs; of one field, or of fields apart, exactly that.
        possible = truths(compiled.typed)
        assert possible & bits == bits, text
        assert "n = m" in text or "n < m" in text or possible == bits, (text, possible, bits)


@pytest.mark.parametrize("text", [CHECK, OWNERSHIP, KPI, REC])
def test_a_sound_policy_is_told_nothing(text: str) -> None:
    assert warned(text) == []


@pytest.mark.parametrize(
    ("text", "old", "new", "found"),
    [
        (CHECK, "must: hours > 0", "must: hours = hours", [("condition-always-true", 9)]),
        (CHECK, "must: hours > 0", "must: hours > 0, where: hours > 5 AND hours < 5", [("condition-never-true", 9)]),
        (OWNERSHIP, "where: currency = 'EUR'", "where: currency = 'EUR' AND currency = 'USD'", [("condition-never-true", 10)]),
        (KPI, "where: billable", "where: billable OR NOT billable", [("condition-always-true", 10)]),
        (KPI, "sum: hours, where: billable", "sum: hours", [("same-sides", 11)]),
        (REC, "system: erp", "system: billing", [("same-sides", 9)]),
        (REC, "erp, amount: gross_amount, where: status = 'posted'", "erp, amount: gross_amount, where: status <> status",
         [("condition-never-true", 9)]),
        (REC, "WHEN difference > 5", "WHEN difference > 5 AND difference < 5", [("condition-never-true", 10)]),
    ],
)  # fmt: skip
def test_every_kind_of_policy_is_told_its_settled_conditions(text: str, old: str, new: str, found: list[tuple[str, int]]) -> None:
    assert old in text
    assert warned(text.replace(old, new)) == found
