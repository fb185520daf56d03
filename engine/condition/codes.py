"""Diagnostic codes of the condition language."""

from __future__ import annotations

from typing import Final

from engine.diagnostics import Code, Level

CONDITION_SYNTAX: Final = Code(
    "condition-syntax",
    Level.ERROR,
    "A condition or expression cannot be read.",
    "Look at the marked place: most often a missing operator, bracket or quote. Text stands in single quotes.",
)
CONDITION_TOO_LONG: Final = Code(
    "condition-too-long",
    Level.ERROR,
    "A condition is longer than 4,000 characters.",
    "Split it into rows of a table or into named inputs.",
)
CONDITION_TOO_DEEP: Final = Code(
    "condition-too-deep",
    Level.ERROR,
    "A condition nests brackets, functions or arithmetic deeper than 50 levels.",
    "Split it into rows of a table or into named inputs.",
)
CONSTRUCT_NOT_ALLOWED: Final = Code(
    "construct-not-allowed",
    Level.ERROR,
    "A condition uses something that is no part of the policy language.",
    "Use comparisons, AND, OR, NOT, IN, BETWEEN, IS NULL, LIKE, + - *, CASE and the listed functions.",
)
UNKNOWN_FUNCTION: Final = Code(
    "unknown-function",
    Level.ERROR,
    "A condition calls a function that the policy language does not have.",
    "Use one of the functions listed in the policy guide.",
)
WRONG_ARGUMENTS: Final = Code(
    "wrong-arguments",
    Level.ERROR,
    "A function is given too few, too many or the wrong kind of arguments.",
    "Give the function the arguments the message names.",
)
UNKNOWN_FIELD: Final = Code(
    "unknown-field",
    Level.ERROR,
    "A condition names a field that the record and its references do not have.",
    "Use a field name from docs/canonical.md.",
)
AMBIGUOUS_REFERENCE: Final = Code(
    "ambiguous-reference",
    Level.ERROR,
    "A condition reaches a record by a name that could mean several references.",
    "Write the referring field's name without `_id`.",
)
TYPE_MISMATCH: Final = Code(
    "type-mismatch",
    Level.ERROR,
    "A condition compares or combines values of kinds that do not go together.",
    "Compare amounts with amounts, dates with dates and text with text.",
)
CURRENCY_MISMATCH: Final = Code(
    "currency-mismatch",
    Level.ERROR,
    "A condition compares or adds amounts whose currencies are not known to be the same.",
    "Convert one of them, or require their currencies to be equal in the same condition (… AND currency = other.currency).",
)
UNKNOWN_ENUM_VALUE: Final = Code(
    "unknown-enum-value",
    Level.ERROR,
    "A condition compares a field with a value that the field can never have.",
    "Use one of the field's values from docs/canonical.md.",
)
NOT_A_DATE: Final = Code(
    "not-a-date",
    Level.ERROR,
    "A text that stands where a date is needed is no date.",
    "Write dates as 'YYYY-MM-DD'.",
)
NULL_COMPARISON: Final = Code(
    "null-comparison",
    Level.ERROR,
    "A condition compares with NULL, which is never true and never false.",
    "Use IS NULL or IS NOT NULL.",
)
DIVISION_OUTSIDE_ROUND: Final = Code(
    "division-outside-round",
    Level.ERROR,
    "A division stands outside ROUND, so how its result is rounded is not said.",
    "Write ROUND(x / y, digits) or ROUND_EVEN(x / y, digits).",
)
NOT_A_CONDITION: Final = Code(
    "not-a-condition",
    Level.ERROR,
    "A condition is needed, but the expression is a value that is neither true nor false.",
    "Compare the value with something.",
)
TOO_MANY_DECIMALS: Final = Code(
    "too-many-decimals",
    Level.ERROR,
    "A product would carry more decimals than can be kept exactly.",
    "Round one of the factors first with ROUND(x, digits).",
)
NUMBER_OUT_OF_RANGE: Final = Code(
    "number-out-of-range",
    Level.ERROR,
    "A number has more digits than can be kept exactly.",
    "Write the number with fewer digits.",
)
EMPTY_INTERVAL: Final = Code(
    "empty-interval",
    Level.ERROR,
    "An interval in a cell, or a BETWEEN, holds no value, so it never matches.",
    "Write the smaller end first.",
)

CODES: Final = (
    CONDITION_SYNTAX, CONDITION_TOO_LONG, CONDITION_TOO_DEEP, CONSTRUCT_NOT_ALLOWED, UNKNOWN_FUNCTION,
    WRONG_ARGUMENTS, UNKNOWN_FIELD, AMBIGUOUS_REFERENCE, TYPE_MISMATCH, CURRENCY_MISMATCH, UNKNOWN_ENUM_VALUE,
    NOT_A_DATE, NULL_COMPARISON, DIVISION_OUTSIDE_ROUND, NOT_A_CONDITION, TOO_MANY_DECIMALS, NUMBER_OUT_OF_RANGE,
    EMPTY_INTERVAL,
)  # fmt: skip
