"""Diagnostic codes of decision tables."""

from __future__ import annotations

from typing import Final

from engine.diagnostics import Code, Level

TABLE_SHAPE: Final = Code(
    "table-shape",
    Level.ERROR,
    "A table has no header, no rules, or a row with more or fewer cells than its header.",
    r"Give every row one cell for each column; write a bar inside a cell as \|.",
)
TABLE_COLUMN: Final = Code(
    "table-column",
    Level.ERROR,
    "A column of a table is missing, stands twice, or is neither an input nor an output of the policy.",
    "Let the header name `rule`, every input, every output as `-> name` or `out: name`, and `note`.",
)
RULE_ID: Final = Code(
    "rule-id",
    Level.ERROR,
    "A rule of a table has no id, or the id of another rule.",
    "Give every rule an id of its own.",
)
CELL_TOO_LONG: Final = Code(
    "cell-too-long",
    Level.ERROR,
    "A cell is longer than 4,000 characters, or nests `not(…)` deeper than 20 levels.",
    "Split the rule into several rows.",
)
CELL_SYNTAX: Final = Code(
    "cell-syntax",
    Level.ERROR,
    "A cell cannot be read.",
    "Write a value, a list `A, B`, a bound `> 0`, an interval `[1..5]`, `not(…)`, `null`, `-`, or `? condition`.",
)
CELL_TYPE: Final = Code(
    "cell-type",
    Level.ERROR,
    "A cell holds a value that its input can never have.",
    "Write a value of the input's kind.",
)
OUTPUT_TYPE: Final = Code(
    "output-type",
    Level.ERROR,
    "An output cell does not fit the declared type of its output.",
    "Write one of the output's values, or an {expression} of its kind.",
)
OUTPUT_DECLARATION: Final = Code(
    "output-declaration",
    Level.ERROR,
    "An output is declared with a type that outputs cannot have.",
    "Declare a list of values, text, bool, int, decimal(digits) or date.",
)
HIT_POLICY: Final = Code(
    "hit-policy",
    Level.ERROR,
    "A table's hit policy is not known or does not fit its outputs.",
    "Use UNIQUE, FIRST, ANY, PRIORITY, COLLECT (with SUM, MIN, MAX or COUNT), RULE ORDER or OUTPUT ORDER.",
)
DEFAULT_OUTPUT: Final = Code(
    "default-output",
    Level.ERROR,
    "The default of a table names something that is no output.",
    "Name only declared outputs.",
)
NOT_WITHOUT_NULL: Final = Code(
    "not-without-null",
    Level.HINT,
    "A cell `not(…)` does not match a missing value.",
    "Write `not(…), null` if a missing value should match as well.",
)

TABLE_GAP: Final = Code(
    "table-gap",
    Level.WARNING,
    "Some records meet no rule of a table that has no default, so nothing decides them.",
    "Add the row the message proposes, a last row that asks for nothing, or a `default`.",
)
RULES_OVERLAP: Final = Code(
    "rules-overlap",
    Level.WARNING,
    "Two rules hold for the same record although the hit policy admits one answer.",
    "Narrow one of the two, or choose FIRST or PRIORITY.",
)
RULE_UNREACHABLE: Final = Code(
    "rule-unreachable",
    Level.WARNING,
    "A rule never decides: no record fits its cells, or an earlier rule takes each that does.",
    "Move the rule up, narrow the rules before it, or remove it.",
)
RULE_REDUNDANT: Final = Code(
    "rule-redundant",
    Level.HINT,
    "A rule could be removed, and every record would get the same outputs.",
    "Remove it, or keep it where its own id or reference matters.",
)
RULES_DUPLICATE: Final = Code(
    "rules-duplicate",
    Level.WARNING,
    "Two rules ask for exactly the same and give the same.",
    "Remove one of the two.",
)
RULES_CONFLICT: Final = Code(
    "rules-conflict",
    Level.WARNING,
    "Two rules ask for exactly the same and give different outputs.",
    "Decide which of the two is meant and remove the other.",
)
DEAD_COLUMN: Final = Code(
    "dead-column",
    Level.HINT,
    "No rule of a table asks for one of its inputs.",
    "Remove the column, or write the cells that were meant.",
)
OUTPUT_NEVER_GIVEN: Final = Code(
    "output-never-given",
    Level.HINT,
    "An output is declared with a value that no rule and no default gives.",
    "Remove the value from the declaration, or add the rule that gives it.",
)
NOT_PROVEN: Final = Code(
    "not-proven",
    Level.HINT,
    "Whether a table is complete or its rules reachable could not be proven.",
    "Look at the case the message names; fewer comparisons with other fields, or a smaller table, can be proven.",
)

PROOF_CODES: Final = (
    TABLE_GAP, RULES_OVERLAP, RULE_UNREACHABLE, RULE_REDUNDANT, RULES_DUPLICATE, RULES_CONFLICT, DEAD_COLUMN,
    OUTPUT_NEVER_GIVEN, NOT_PROVEN,
)  # fmt: skip
"""What only looking at a whole table can show."""

CODES: Final = (
    TABLE_SHAPE, TABLE_COLUMN, RULE_ID, CELL_TOO_LONG, CELL_SYNTAX, CELL_TYPE, OUTPUT_TYPE, OUTPUT_DECLARATION,
    HIT_POLICY, DEFAULT_OUTPUT, NOT_WITHOUT_NULL, *PROOF_CODES,
)  # fmt: skip
