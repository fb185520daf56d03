"""What policies with a decision table share: the table's settings, its reading, and its versions over time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

import pydantic

from engine.condition import Scope
from engine.decision import (
    CompiledTable,
    DecisionTable,
    Grid,
    GridCell,
    TableInput,
    TableVersion,
    VersionedTable,
    compile_table,
    output_type,
    parse_hit,
    read_pipes,
)
from engine.decision.codes import HIT_POLICY, OUTPUT_DECLARATION, TABLE_GAP
from engine.decision.proof import prove_table
from engine.decision.rules import NOTE_COLUMNS, REFERENCE_COLUMN, RULE_COLUMN
from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds.base import PolicyFile, RulePlace, Strict, Words
from engine.policy.loaded import LoadedPolicy
from engine.policy.sheets import Sheet
from engine.policy.source import Document

Scalar = str | bool | int | Decimal | None


class ComputedInput(Strict):
    """Name an input that is computed from fields by an expression."""

    name: str
    expr: str


class TablePolicy(PolicyFile):
    """A policy whose rules stand in a decision table, in the file or in a sheet beside it.

    `no_match` says in a sentence why records that meet no rule are meant to be findings; gaps are then not told.
    """

    hit: str = "UNIQUE"
    inputs: tuple[str | ComputedInput, ...] = ()
    outputs: dict[str, str | Words]
    rules: str | None = None
    rules_file: str | None = None
    default: dict[str, Scalar] | None = None
    no_match: str | None = None

    @pydantic.model_validator(mode="after")
    def _one_table(self) -> TablePolicy:
        if (self.rules is None) == (self.rules_file is None):
            raise ValueError("give the table either as `rules` or as `rules_file`")
        return self


_Policy = TypeVar("_Policy", bound=TablePolicy)


def decision_table(policy: TablePolicy, document: Document, sheet: Sheet | None) -> tuple[DecisionTable | None, list[Diagnostic]]:
    """Return a policy's table as written (None when it cannot be read) and what is wrong with it."""
    grid, found = policy_grid(policy, document, sheet)
    hit = parse_hit(policy.hit)
    if hit is None:
        found.append(document.diagnostic(HIT_POLICY, ("hit",), f"'{policy.hit}' is no hit policy"))
    outputs = {}
    for name, setting in policy.outputs.items():
        kind = output_type(setting)
        if kind is None:
            message = f"'{name}' is declared as '{setting}', which is no type of an output"
            found.append(document.diagnostic(OUTPUT_DECLARATION, ("outputs", name), message))
        else:
            outputs[name] = kind
    if grid is None or hit is None or len(outputs) < len(policy.outputs):
        return None, found
    inputs = tuple(
        TableInput(each, "", document.anchor_of(("inputs", index)))
        if isinstance(each, str)
        else TableInput(each.name, each.expr, document.anchor_of(("inputs", index, "expr")))
        for index, each in enumerate(policy.inputs)
    )
    default = None
    if policy.default is not None:
        default = {name: GridCell(_text(value), document.anchor_of(("default", name))) for name, value in policy.default.items()}
    made = DecisionTable(policy.id, outputs, grid, inputs, hit[0], hit[1], default, document.anchor_of(("id",)))
    return made, found


def policy_grid(policy: TablePolicy, document: Document, sheet: Sheet | None) -> tuple[Grid | None, list[Diagnostic]]:
    """Return a policy's table as cells, wherever it is kept; None, with diagnostics, when it cannot be read."""
    if policy.rules is not None:
        return read_pipes(policy.rules, document.anchor_of(("rules",)))
    if sheet is None or sheet.problem:
        problem = "there is no such file beside the policy" if sheet is None else sheet.problem
        message = f"the table '{policy.rules_file}' cannot be read: {problem}"
        return None, [document.diagnostic(codes.TABLE_FILE, ("rules_file",), message)]
    grid, found = sheet.grid(policy.id)
    if grid is None:
        message = f"the workbook '{policy.rules_file}' has no sheet '{policy.id}'"
        found.append(document.diagnostic(codes.TABLE_FILE, ("rules_file",), message))
    return grid, found


def _text(value: Scalar) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def compile_policy_table(
    policy: TablePolicy, document: Document, sheet: Sheet | None, scope: Scope, holidays: Sequence[dt.date] = ()
) -> tuple[CompiledTable | None, list[Diagnostic]]:
    """Compile a policy's table over a scope and prove what it leaves open; None, with diagnostics, when it has mistakes."""
    compiled, found = compile_rules(policy, document, sheet, scope, holidays)
    if compiled is None or compiled.table is None:
        return None, found
    proven = prove_table(compiled, compiled.anchor)
    if policy.no_match is not None:
        proven = [each for each in proven if each.code is not TABLE_GAP]
    return compiled, [*found, *proven]


def compile_rules(
    policy: TablePolicy, document: Document, sheet: Sheet | None, scope: Scope, holidays: Sequence[dt.date]
) -> tuple[CompiledTable | None, list[Diagnostic]]:
    """Compile a policy's table without proving it, as a run does with what was checked before."""
    table, found = decision_table(policy, document, sheet)
    if table is None:
        return None, found
    compiled = compile_table(table, scope, holidays=holidays)
    return (compiled if compiled.is_valid else None), [*found, *compiled.diagnostics]


def versioned_table(
    versions: Sequence[tuple[LoadedPolicy, _Policy]],
    applies_by: str,
    scope: Callable[[_Policy], Scope],
    holidays: Sequence[dt.date] = (),
) -> VersionedTable:
    """Return the table of a policy over its versions; `applies_by` is the column with the deciding date.

    The policy set is free of errors: a run does not begin with others.
    """
    made = []
    for loaded, policy in versions:
        compiled, _ = compile_rules(policy, loaded.document, loaded.sheet, scope(policy), holidays)
        assert compiled is not None, "a policy set with errors does not run"
        made.append(TableVersion(compiled, policy.effective_from, policy.effective_to))
    return VersionedTable(made, applies_by)


def table_rules(policy: TablePolicy, document: Document, sheet: Sheet | None) -> list[RulePlace]:
    """Return every rule of a table with its place, sentence and reference."""
    grid, _ = policy_grid(policy, document, sheet)
    if grid is None or not grid.header:
        return []
    names = [cell.text for cell in grid.header]
    if RULE_COLUMN not in names:
        return []
    note = next((names.index(name) for name in NOTE_COLUMNS if name in names), None)
    reference = names.index(REFERENCE_COLUMN) if REFERENCE_COLUMN in names else None
    return [
        RulePlace(
            row[names.index(RULE_COLUMN)].text,
            row[names.index(RULE_COLUMN)].span(),
            "" if note is None else row[note].text,
            (row[reference].text if reference is not None else "") or policy.reference,
        )
        for row in grid.rows
    ]

