"""A table checked before any data is read: typed inputs, rules and outputs, and every mistake at once."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import polars as pl

from engine.condition.compile import CompiledCondition, Compiler, compile_value
from engine.condition.nodes import Op
from engine.condition.scope import Category, Scope, Type
from engine.condition.typed import Typed, Value
from engine.decision.cells import MAX_CHARACTERS, Cell, InputType, is_error, read_cell
from engine.decision.codes import CELL_TOO_LONG, DEFAULT_OUTPUT, HIT_POLICY, OUTPUT_TYPE, RULE_ID, TABLE_COLUMN, TABLE_SHAPE
from engine.decision.table import Aggregation, DecisionTable, GridCell, HitPolicy, TableInput
from engine.diagnostics import Diagnostic, Span, sort_diagnostics

RULE_COLUMN: Final = "rule"
NOTE_COLUMNS: Final = ("note", "says")
REFERENCE_COLUMN: Final = "reference"
_OUTPUT: Final = re.compile(r"(?:->|→|out:)\s*(.+)\Z", re.IGNORECASE)

# Columns that a table makes for itself while it is applied; no field is named so.
TEMPORARY: Final = "→"


@dataclass(frozen=True, slots=True)
class OutputValue:
    """Hold a typed output cell: a literal value, or the expression that computes it."""

    text: str
    value: Value = None
    expression: pl.Expr | None = None
    typed: Typed | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Hold one row of a table."""

    id: str
    cells: tuple[Cell, ...]
    outputs: tuple[OutputValue, ...]
    note: str
    reference: str
    place: Span
    line_text: str = ""

    @property
    def outcome(self) -> tuple[str | Value, ...]:
        """Return what the rule gives, so that two rules can be compared: values, and the texts of expressions."""
        return outcome_of(self.outputs)


def outcome_of(outputs: Sequence[OutputValue]) -> tuple[str | Value, ...]:
    """Return outputs as comparable values: literals by value, expressions by their text."""
    return tuple(each.value if each.expression is None else each.text for each in outputs)


@dataclass(frozen=True, slots=True)
class Input:
    """Hold one typed input: where its value stands, and the expression that computes it there."""

    name: str
    type: Type
    column: str
    computed: pl.Expr | None = None
    paths: tuple[str, ...] = ()
    typed: Typed | None = None


@dataclass(frozen=True, slots=True)
class CheckedTable:
    """Hold a table without errors, its rules in the order they are looked at."""

    id: str
    inputs: tuple[Input, ...]
    outputs: Mapping[str, Type]
    rules: tuple[Rule, ...]
    hit: HitPolicy
    aggregation: Aggregation
    default: tuple[OutputValue, ...] | None
    compiler: Compiler

    @property
    def paths(self) -> tuple[str, ...]:
        """Return every column the table reads, sorted."""
        found = {path for each in self.inputs for path in each.paths}
        found |= {path for rule in self.rules for cell in rule.cells for path in cell.paths()}
        values = [*(value for rule in self.rules for value in rule.outputs), *(self.default or ())]
        found |= {path for value in values if value.typed is not None for path in value.typed.paths()}
        known = set(self.compiler.constants)
        return tuple(sorted(path for path in found if not path.startswith(TEMPORARY) and path not in known))


@dataclass(frozen=True, slots=True)
class _Columns:
    """Say which column of the grid holds what."""

    rule: int
    inputs: dict[str, int]
    outputs: dict[str, int]
    note: int | None
    reference: int | None


def check_table(table: DecisionTable, scope: Scope, compiler: Compiler) -> tuple[CheckedTable | None, list[Diagnostic]]:
    """Check a whole table; return it typed (None with errors) and every diagnostic, sorted."""
    return _Checker(table, scope, compiler).checked()


class _Checker:
    def __init__(self, table: DecisionTable, scope: Scope, compiler: Compiler) -> None:
        self.table = table
        self.scope = scope
        self.compiler = compiler
        self.diagnostics: list[Diagnostic] = []

    def checked(self) -> tuple[CheckedTable | None, list[Diagnostic]]:
        columns = self._columns()
        if columns is None:
            return None, sort_diagnostics(self.diagnostics)
        self._check_lengths()
        inputs, types = self._inputs(columns)
        rules = self._rules(columns, types)
        default = self._default()
        self._check_hit(rules)
        told = sort_diagnostics(self.diagnostics)
        if is_error(told):
            return None, told
        table = self.table
        if table.hit in (HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER):
            rules = sorted(rules, key=self._priority)
        made = CheckedTable(
            table.id, tuple(inputs), table.outputs, tuple(rules), table.hit, table.aggregation, default, self.compiler
        )
        return made, told

    def _report(self, code: object, cell: GridCell, message: str) -> None:
        self.diagnostics.append(Diagnostic(code, cell.span(), message, cell.anchor.line_text))  # type: ignore[arg-type]

    def _columns(self) -> _Columns | None:
        header = self.table.grid.header
        outputs: dict[str, int] = {}
        others: dict[str, int] = {}
        for index, cell in enumerate(header):
            found = _OUTPUT.match(cell.text)
            name = found[1].strip() if found else cell.text
            into = outputs if found else others
            if name in into or not name:
                self._report(TABLE_COLUMN, cell, f"the column '{name}' stands twice" if name else "a column has no name")
                continue
            into[name] = index
        self._check_outputs(outputs, header)
        rule = others.pop(RULE_COLUMN, None)
        if rule is None and header:
            self._report(TABLE_COLUMN, header[0], "the table has no column 'rule'")
        note = next((others.pop(name) for name in NOTE_COLUMNS if name in others and not self._is_input(name)), None)
        reference = others.pop(REFERENCE_COLUMN, None) if not self._is_input(REFERENCE_COLUMN) else None
        self._check_inputs(others, header)
        if rule is None:
            return None
        return _Columns(rule, others, outputs, note, reference)

    def _check_lengths(self) -> None:
        for cell in (cell for row in (self.table.grid.header, *self.table.grid.rows) for cell in row):
            if len(cell.text) > MAX_CHARACTERS:
                message = f"the cell has {len(cell.text):,} characters; {MAX_CHARACTERS:,} is the most"
                place = replace(cell.span(), length=1)
                self.diagnostics.append(Diagnostic(CELL_TOO_LONG, place, message))

    def _is_input(self, name: str) -> bool:
        return any(each.name == name for each in self.table.inputs)

    def _check_outputs(self, found: dict[str, int], header: tuple[GridCell, ...]) -> None:
        for name, index in list(found.items()):
            if name not in self.table.outputs:
                self._report(TABLE_COLUMN, header[index], f"'{name}' is no output of the policy{_near(name, self.table.outputs)}")
                del found[name]
        self._check_missing("output", [name for name in self.table.outputs if name not in found])

    def _check_inputs(self, found: dict[str, int], header: tuple[GridCell, ...]) -> None:
        if not self.table.inputs:
            return
        known = [each.name for each in self.table.inputs]
        for name, index in list(found.items()):
            if name not in known:
                hint = _near(name, known) or _near(name, self.table.outputs, "-> ")
                self._report(TABLE_COLUMN, header[index], f"'{name}' is no input of the policy{hint}")
                del found[name]
        self._check_missing("input", [name for name in known if name not in found])

    def _check_missing(self, what: str, names: list[str]) -> None:
        for name in names:
            anchor = self.table.grid.header[0].anchor if self.table.grid.header else self.table.anchor
            message = f"the table has no column for the {what} '{name}'"
            self.diagnostics.append(Diagnostic(TABLE_COLUMN, anchor.span(""), message, anchor.line_text))

    def _inputs(self, columns: _Columns) -> tuple[list[Input], list[InputType | None]]:
        declared = self.table.inputs or tuple(
            TableInput(name, "", self.table.grid.header[index].anchor) for name, index in columns.inputs.items()
        )
        inputs: list[Input] = []
        types: list[InputType | None] = []
        scope = self.scope
        for index, each in enumerate(declared):
            compiled = self._input_expression(each, scope)
            if compiled is None or compiled.typed is None:
                types.append(None)
                continue
            is_column = not each.expression and each.name not in self.compiler.constants
            column = str(compiled.typed.value) if is_column else f"{TEMPORARY}in.{index}"
            computed = None if is_column else compiled.expression
            inputs.append(Input(each.name, compiled.type, column, computed, compiled.paths, compiled.typed))
            if each.expression:
                scope = scope.extended({each.name: compiled.type}, {each.name: column})
            types.append(InputType(each.name, compiled.type, column, scope, self.compiler))
        return inputs, [replace(each, scope=scope) if each is not None else None for each in types]

    def _input_expression(self, each: TableInput, scope: Scope) -> CompiledCondition | None:
        if not each.expression:
            found = scope.resolve(each.name)
            if isinstance(found, tuple):
                typed = Typed(Op.PATH, found[1], (), found[0])
                return CompiledCondition(each.name, self.compiler.expression(typed), found[1], typed.paths(), (), typed)
        compiled = compile_value(
            each.expression or each.name, scope, each.anchor, holidays=self.compiler.holidays, constants=self.compiler.constants
        )
        self.diagnostics += compiled.diagnostics
        return compiled

    def _rules(self, columns: _Columns, types: list[InputType | None]) -> list[Rule]:
        rules: list[Rule] = []
        seen: dict[str, GridCell] = {}
        names = [each.name for each in self.table.inputs] or list(columns.inputs)
        if not self.table.grid.rows and self.table.grid.header:
            self._report(TABLE_SHAPE, self.table.grid.header[0], "the table has no rules")
        for row in self.table.grid.rows:
            identity = row[columns.rule]
            if not identity.text:
                self._report(RULE_ID, identity, "the rule has no id")
            elif identity.text in seen:
                self._report(RULE_ID, identity, f"the id '{identity.text}' is given to two rules")
            seen.setdefault(identity.text, identity)
            cells = []
            for name, kind in zip(names, types, strict=True):
                index = columns.inputs.get(name)
                if index is None or kind is None:
                    continue
                cell, told = read_cell(row[index], kind)
                self.diagnostics += told
                cells.append(cell)
            outputs = [self._output(row[columns.outputs[name]], name, self._scope_of(types)) for name in columns.outputs]
            order = list(columns.outputs)
            arranged = tuple(outputs[order.index(name)] for name in self.table.outputs if name in order)
            note = row[columns.note].text if columns.note is not None else ""
            reference = row[columns.reference].text if columns.reference is not None else ""
            rules.append(Rule(identity.text, tuple(cells), arranged, note, reference, identity.span(), identity.anchor.line_text))
        return rules

    def _scope_of(self, types: list[InputType | None]) -> Scope:
        known = [each for each in types if each is not None]
        return known[-1].scope if known else self.scope

    def _output(self, cell: GridCell, name: str, scope: Scope) -> OutputValue:
        kind = self.table.outputs[name]
        text = cell.text
        if text in {"", "-"} or text.lower() == "null":
            return OutputValue(text)
        if text.startswith("{") and text.endswith("}"):
            return self._computed(cell, name, kind, scope)
        value = _literal(text, kind)
        if value is None:
            hint = _near(text, kind.values)
            wanted = f"one of {', '.join(kind.values)}" if kind.values else kind.words
            if kind.category is Category.NUMBER:
                wanted = "a whole number" if kind.is_integer else f"a number with at most {kind.scale} decimals"
            self._report(OUTPUT_TYPE, cell, f"the output '{name}' needs {wanted}, and '{text}' is not{hint}")
        return OutputValue(text, value)

    def _computed(self, cell: GridCell, name: str, kind: Type, scope: Scope) -> OutputValue:
        inner = cell.text[1:-1]
        anchor = cell.anchor if cell.is_sheet else replace(cell.anchor, column=cell.anchor.column + 1)
        compiled = compile_value(inner, scope, anchor, holidays=self.compiler.holidays, constants=self.compiler.constants)
        self.diagnostics += [replace(each, span=cell.span()) if cell.is_sheet else each for each in compiled.diagnostics]
        if compiled.typed is None:
            return OutputValue(cell.text)
        found = compiled.type
        fits = found.category in (kind.category, Category.NULL)
        if fits and kind.category is Category.NUMBER:
            fits = found.scale <= kind.scale
            if not fits:
                more = f"the output '{name}' has {kind.scale} decimals, the expression {found.scale}"
                self._report(OUTPUT_TYPE, cell, f"{more}; use ROUND(…, {kind.scale})")
        elif not fits:
            self._report(OUTPUT_TYPE, cell, f"the output '{name}' is {kind.words}, but the expression gives {found.words}")
        if fits and kind.values and found.values and not set(found.values) <= set(kind.values):
            extra = ", ".join(sorted(set(found.values) - set(kind.values)))
            self._report(OUTPUT_TYPE, cell, f"the output '{name}' never has the value {extra}")
        return OutputValue(cell.text, None, self.compiler.as_type(compiled.typed, kind), compiled.typed)

    def _default(self) -> tuple[OutputValue, ...] | None:
        given = self.table.default
        if given is None:
            return None
        for name, cell in given.items():
            if name not in self.table.outputs:
                self._report(DEFAULT_OUTPUT, cell, f"'{name}' is no output of the policy{_near(name, self.table.outputs)}")
        return tuple(
            self._output(given[name], name, self.scope) if name in given else OutputValue("") for name in self.table.outputs
        )

    def _check_hit(self, rules: list[Rule]) -> None:
        table = self.table
        anchor = table.anchor
        message = ""
        if table.hit in (HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER):
            ordered = [index for index, kind in enumerate(table.outputs.values()) if kind.values]
            computed = any(rule.outputs[index].expression is not None for rule in rules for index in ordered if index < len(rule.outputs))
            if not ordered:
                message = f"{table.hit} needs an output with a list of values, which says the order"
            elif computed:
                message = f"{table.hit} needs values written out in the outputs that say the order"
        if table.aggregation in (Aggregation.SUM, Aggregation.MIN, Aggregation.MAX):
            wrong = [name for name, kind in table.outputs.items() if not _can_aggregate(kind, table.aggregation)]
            if wrong:
                message = f"COLLECT {table.aggregation} needs numbers, and '{wrong[0]}' is not"
        if message:
            self.diagnostics.append(Diagnostic(HIT_POLICY, anchor.span(""), message, anchor.line_text))

    def _priority(self, rule: Rule) -> tuple[int, ...]:
        return tuple(
            kind.values.index(str(value.value)) if value.value in kind.values else len(kind.values)
            for kind, value in zip(self.table.outputs.values(), rule.outputs, strict=True)
            if kind.values
        )


def _can_aggregate(kind: Type, aggregation: Aggregation) -> bool:
    return kind.category is Category.NUMBER or (aggregation is not Aggregation.SUM and kind.category is Category.DATE)


def _near(name: str, known: Mapping[str, object] | list[str] | tuple[str, ...], prefix: str = "") -> str:
    near = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f", did you mean '{prefix}{near[0]}'?" if near else ""


_BOOLS: Final = {"true": True, "yes": True, "false": False, "no": False}
_NUMBER: Final = re.compile(r"[+-]?\d{1,26}(\.\d+)?\Z")


def _literal(text: str, kind: Type) -> Value:
    """Return an output cell's literal as a value of the type, or None when it is none."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    plain = text[1:-1] if quoted else text
    if kind.category is Category.TEXT:
        return plain if not kind.values or plain in kind.values else None
    if kind.category is Category.BOOL:
        return _BOOLS.get(plain.lower())
    if kind.category is Category.DATE:
        try:
            return dt.date.fromisoformat(plain) if re.match(r"\d{4}-\d{2}-\d{2}\Z", plain) else None
        except ValueError:
            return None
    if kind.category is Category.NUMBER and _NUMBER.match(text):
        decimals = len(text.partition(".")[2])
        if kind.is_integer:
            return int(text) if decimals == 0 and abs(int(text)) < 2**63 else None
        return Decimal(text) if decimals <= kind.scale else None
    return None

