"""What the compiler says, and where: every mistake at its column, with the near name where there is one."""

from __future__ import annotations

import pytest

from engine.canonical.kinds import FieldSpec, Kind
from engine.condition import CODES, Scope, compile_condition, compile_value, entity_scope, enum
from engine.diagnostics import Anchor, render_diagnostic

SCOPE = Scope(
    {
        "amount": FieldSpec("amount", Kind.MONEY, "", currency="currency"),
        "fee": FieldSpec("fee", Kind.MONEY, "", currency="fee_currency"),
        "hours": Kind.HOURS, "rate": Kind.PRICE, "count": Kind.INT, "start_date": Kind.DATE, "product_family": enum("lease", "service"),
        "name": Kind.TEXT, "currency": Kind.TEXT, "fee_currency": Kind.TEXT, "billable": Kind.BOOL, "period": Kind.PERIOD,
    }
)  # fmt: skip

SAID = [
    ("product_famly = 'lease'", "unknown-field", 1, "unknown field 'product_famly', did you mean 'product_family'?"),
    ("DATE_DIFF('day', start_date, amount) > 1", "wrong-arguments", 30,
    "DATE_DIFF needs two dates in `DATE_DIFF('day', start_date, amount)`"),
    ("start_date > '2024-02-30'", "not-a-date", 14, "'2024-02-30' is not a date (YYYY-MM-DD)"),
    ("amount / 3 > 1", "division-outside-round", 1, "'/' must be inside ROUND(x / y, digits) so that rounding is explicit in `amount / 3`"),
    ("amount > 'x'", "type-mismatch", 10, "cannot compare an amount with text in `amount > 'x'`"),
    ("amount = NULL", "null-comparison", 1, "use IS NULL to test for missing values in `amount = NULL`"),
    ("amount <> NULL", "null-comparison", 1, "use IS NOT NULL to test for missing values in `amount <> NULL`"),
    ("count IN (1, NULL)", "null-comparison", 1, "a list in IN cannot hold NULL; add OR … IS NULL in `count IN (1, NULL)`"),
    ("count IN (1,, 2)", "condition-syntax", 13, "empty list item (stray comma)"),
    ("count IN ()", "condition-syntax", 1, "IN needs at least one value"),
    ("name IN (SELECT x)", "construct-not-allowed", 10, "Subquery is not allowed in policy expressions"),
    ("product_family = 'leese'", "unknown-enum-value", 18, "'product_family' never has the value 'leese', did you mean 'lease'?"),
    ("product_family > 'lease'", "type-mismatch", 1, "these values have no order; use = or <> in `product_family > 'lease'`"),
    ("amount > fee", "currency-mismatch", 10,
    "amounts in 'currency' and 'fee_currency' cannot be combined without a conversion in `amount > fee`"),
    ("amount > hours", "type-mismatch", 10, "an amount does not go together with hours in `amount > hours`"),
    ("amount * fee > 1", "type-mismatch", 10, "an amount cannot be multiplied by an amount in `amount * fee`"),
    ("amount", "not-a-condition", 1, "a condition is needed, but this is an amount"),
    ("billable AND count", "not-a-condition", 14, "AND needs conditions, but this is a number in `billable AND count`"),
    ("start_date + 3 > start_date", "type-mismatch", 1,
    "'+' needs numbers, but this is a date; write a length of time such as '5 days' or '5 workdays'"),
    ("start_date - start_date > 3", "type-mismatch", 1, "'-' needs numbers, but this is a date; use DATE_DIFF('day', from, to) in"),
    ("ROUND(amount, count) > 1", "wrong-arguments", 15, "ROUND needs its digits written out, from 0 to 12"),
    ("ROUND(name, 2) > 1", "wrong-arguments", 7, "ROUND needs a number and its digits"),
    ("SUM(amount) > 1", "unknown-function", 1, "there is no function SUM"),
    ("RUOND(amount, 2) > 1", "unknown-function", 1, "there is no function RUOND, did you mean ROUND?"),
    ("LENGTH(name, name) = 1", "wrong-arguments", 1, "LENGTH needs text"),
    ("DATE_DIFF('week', start_date, start_date) > 1", "wrong-arguments", 11, "DATE_DIFF needs 'day', 'month' or 'year' first"),
    ("period = '2026-1'", "not-a-date", 10, "'2026-1' is not a period (YYYY-NN)"),
    ('name = "x"', "condition-syntax", 8, "text is written in single quotes: 'x'"),
    ("name = 'x", "condition-syntax", 8, "a quote is not closed"),
    ("(amount > 1", "condition-syntax", 11, "')' is missing after '1'"),
    ("amount >", "condition-syntax", 8, "something is missing next to '>'"),
    ("amount > 1 2", "condition-syntax", 12, "'2' is not expected here"),
    ("amount x > 1", "condition-syntax", 10, "'>' is not expected here"),
    ("billable x", "construct-not-allowed", 10, "A second word after a value is not allowed in policy expressions"),
    ("", "condition-syntax", 1, "the condition is empty"),
    ("amount > 1e3", "condition-syntax", 10, "'1e3' is not a number (write digits, and a point before the decimals)"),
    ("amount > 1 -- always", "construct-not-allowed", 12, "Comment is not allowed in policy expressions"),
    ("name LIKE name", "condition-syntax", 1, "LIKE needs a pattern in single quotes"),
    ("name LIKE 5", "condition-syntax", 1, "LIKE needs a pattern in single quotes"),
    ("amount BETWEEN 10 AND 9.99", "empty-interval", 1, "no value lies between them; write the smaller bound first"),
    ("NOT start_date BETWEEN '2026-02-01' AND '2026-01-31'", "empty-interval", 5, "no value lies between them"),
    ("name = CASE WHEN billable THEN 'a' ELSE 1 END", "type-mismatch", 32, "CASE mixes a number with text"),
    ("rate * rate * rate * rate * hours > 1", "too-many-decimals", 1, "the product would carry 30 decimals; round one factor first"),
    ("count > 12345678901234567890123456789", "number-out-of-range", 9, "the number has more than 28 digits"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "column", "message"), SAID)
def test_a_mistake_is_told_at_its_column(text: str, code: str, column: int, message: str) -> None:
    compiled = compile_condition(text, SCOPE, Anchor("policies/revenue.yaml", 5, 1))
    assert not compiled.is_valid
    told = [(each.code.name, each.span.line, each.span.column) for each in compiled.diagnostics]
    assert told == [(code, 5, column)], compiled.diagnostics
    assert compiled.diagnostics[0].message.startswith(message)
    assert render_diagnostic(compiled.diagnostics[0]).startswith(f"policies/revenue.yaml:5:{column}: error {code}: ")


def test_all_mistakes_of_a_condition_are_told_together() -> None:
    compiled = compile_condition("amuont > 1 AND start_date = 'soon' AND name > 5", SCOPE, Anchor("p.yaml", 1, 9))
    assert [(each.code.name, each.span.column) for each in compiled.diagnostics] == [
        ("unknown-field", 9), ("not-a-date", 37), ("type-mismatch", 55),
    ]  # fmt: skip


def test_the_second_line_of_a_block_has_its_own_columns() -> None:
    compiled = compile_condition("amount > 1\n  AND nam = 'x'", SCOPE, Anchor("p.yaml", 7, 5, indent=4))
    assert [(each.span.line, each.span.column) for each in compiled.diagnostics] == [(8, 11)]


def test_a_reference_that_could_be_two_asks_which() -> None:
    compiled = compile_condition("legal_entity.country = 'DE'", entity_scope("time_entry"), Anchor("p.yaml", 1, 1))
    assert [each.code.name for each in compiled.diagnostics] == ["ambiguous-reference"]
    assert "write which" in compiled.diagnostics[0].message


def test_an_unknown_reference_names_the_nearest() -> None:
    compiled = compile_condition("projct.status = 'active'", entity_scope("time_entry"), Anchor("p.yaml", 1, 1))
    assert compiled.diagnostics[0].message.endswith("time_entry has no reference 'projct', did you mean 'project.status'?")


def test_equal_currencies_in_the_same_condition_allow_the_comparison() -> None:
    assert compile_condition("currency = fee_currency AND amount > fee", SCOPE, Anchor("p.yaml", 1, 1)).is_valid
    assert not compile_condition("currency = fee_currency OR amount > fee", SCOPE, Anchor("p.yaml", 1, 1)).is_valid


def test_an_error_leaves_an_expression_that_is_always_unknown() -> None:
    assert not compile_value("nope + 1", SCOPE, Anchor("p.yaml", 1, 1)).is_valid


def test_every_code_of_the_language_has_its_example() -> None:
    elsewhere = {"condition-too-long", "condition-too-deep", "ambiguous-reference"}
    assert {code for _, code, _, _ in SAID} | elsewhere == {code.name for code in CODES}
