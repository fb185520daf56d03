"""Decision tables compiled to one lazy pass: outputs, the rule that decided, how many held, and the status."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import polars as pl

from engine.condition.compile import Compiler, literal
from engine.condition.scope import INT, TEXT, Scope, Type
from engine.condition.typed import Value
from engine.decision.classes import Slot, class_slots
from engine.decision.plan import HITS, INDEX, BooleanPlan, ClassPlan, Plan, class_masks
from engine.decision.rules import TEMPORARY, CheckedTable, OutputValue, check_table
from engine.decision.table import Aggregation, DecisionTable, HitPolicy
from engine.diagnostics import Anchor, Diagnostic

MATCHED: Final = "matched"
DEFAULT: Final = "default"
NO_MATCH: Final = "no_match"
CONFLICT: Final = "conflict"

# Up to so many rules a Boolean column for each cell is quicker than class codes (measured on 2 M rows).
_SMALL: Final = 12

_DIFFER: Final = f"{TEMPORARY}differ"
_CHOSEN: Final = f"{TEMPORARY}chosen"
_CODE: Final = f"{TEMPORARY}class."

PlanName = Literal["boolean", "classes"]


@dataclass(frozen=True, slots=True)
class CompiledTable:
    """Hold a compiled table; with errors `table` is None and only `diagnostics` can be used.

    `anchor` is the first cell of the header, where what concerns the whole table is reported.
    """

    id: str
    table: CheckedTable | None
    diagnostics: tuple[Diagnostic, ...] = ()
    slots: tuple[Slot, ...] = field(default=(), repr=False)
    plan: Plan | None = field(default=None, repr=False)
    anchor: Anchor = field(default_factory=lambda: Anchor("", 1, 1))

    @property
    def is_valid(self) -> bool:
        """Say whether the table compiled without an error."""
        return self.table is not None

    @property
    def paths(self) -> tuple[str, ...]:
        """Return every column the table reads, sorted."""
        return self.table.paths if self.table is not None else ()

    def schema(self, prefix: str = "") -> dict[str, pl.DataType]:
        """Return the columns that `apply` adds, with their types, the trace apart."""
        table = self._checked()
        names: dict[str, pl.DataType] = {}
        for name, kind in table.outputs.items():
            dtype = output_type_of(table, kind).dtype
            is_list = table.hit.is_multiple and not table.aggregation
            names[prefix + name] = pl.List(dtype) if is_list else dtype
        names[prefix + "rule"] = pl.String()
        if table.hit.is_multiple:
            names[prefix + "rules"] = pl.List(pl.String)
        return names | {prefix + "hits": pl.UInt32(), prefix + "status": pl.String()}

    def apply(self, frame: pl.LazyFrame, *, prefix: str = "", trace: bool = False) -> pl.LazyFrame:
        """Add a decision to every row, in one lazy pass.

        Adds each output, `rule` (the rule that decided, `default`, or null), `hits` (how many rules
        hold), `status` (matched, default, no_match, conflict), for a table of several hits `rules`,
        and with `trace` the struct `trace` of class codes that `why` reads. `prefix` stands before
        every added name. ValueError when a name is taken, or the table has errors.
        """
        table = self._checked()
        assert self.plan is not None
        before = frame.collect_schema().names()
        added = [*self.schema(prefix), *([prefix + "trace"] if trace else [])]
        taken = sorted(set(added) & set(before))
        if taken:
            raise ValueError(f"the table '{self.id}' would overwrite the column '{taken[0]}'; give a prefix")
        for each in table.inputs:
            if each.computed is not None:
                frame = frame.with_columns(each.computed.alias(each.column))
        if trace or isinstance(self.plan, ClassPlan):
            frame = frame.with_columns(slot.code.alias(f"{_CODE}{number}") for number, slot in enumerate(self.slots))
        frame = self.plan.attach(frame)
        frame = _decided(table, self.plan, frame)
        columns = _results(table, self.plan)
        if trace:
            columns["trace"] = self._trace()
        return frame.select(*(pl.col(name) for name in before), *(columns[name[len(prefix) :]].alias(name) for name in added))

    def _trace(self) -> pl.Expr:
        if not self.slots:
            return pl.struct(pl.lit(0, dtype=pl.UInt16).alias("0"))
        return pl.struct(pl.col(f"{_CODE}{number}").alias(str(number)) for number in range(len(self.slots)))

    def _checked(self) -> CheckedTable:
        if self.table is None:
            raise ValueError(f"the table '{self.id}' has errors and cannot be applied")
        return self.table


def compile_table(
    table: DecisionTable,
    scope: Scope,
    *,
    holidays: Sequence[dt.date] = (),
    constants: Mapping[str, Value] | None = None,
    plan: PlanName | None = None,
) -> CompiledTable:
    """Check and compile a table; mistakes are diagnostics of the result, all told together.

    `plan` forces one of the two evaluations, which give the same results; by default size decides.
    """
    checked, diagnostics = check_table(table, scope, Compiler(tuple(holidays), constants or {}))
    if checked is None:
        return CompiledTable(table.id, None, tuple(diagnostics))
    slots = class_slots(checked)
    chosen = plan or ("boolean" if len(checked.rules) <= _SMALL else "classes")
    made: Plan = BooleanPlan(checked)
    if chosen == "classes":
        made = ClassPlan(len(checked.rules), slots, class_masks(checked, slots), lambda number: f"{_CODE}{number}")
    header = table.grid.header
    return CompiledTable(table.id, checked, tuple(diagnostics), tuple(slots), made, header[0].anchor if header else table.anchor)


def output_type_of(table: CheckedTable, kind: Type) -> Type:
    """Return the type of one value of an output: a count is a whole number."""
    return INT if table.aggregation is Aggregation.COUNT else kind


def _decided(table: CheckedTable, plan: Plan, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Add which row of outputs counts: a rule, the default (one past the last rule), or none."""
    default = pl.lit(len(table.rules) if table.default is not None else None, dtype=pl.UInt32)
    if table.hit is HitPolicy.ANY:
        frame = frame.with_columns(_differ(table, plan).alias(_DIFFER))
    conflict = _conflict(table)
    chosen = pl.when(pl.col(HITS) == 0).then(default).otherwise(pl.col(INDEX))
    if conflict is not None:
        chosen = pl.when(~conflict).then(chosen)
    return frame.with_columns(chosen.alias(_CHOSEN))


def _conflict(table: CheckedTable) -> pl.Expr | None:
    if table.hit is HitPolicy.UNIQUE:
        return pl.col(HITS) > 1
    return pl.col(_DIFFER) if table.hit is HitPolicy.ANY else None


def _differ(table: CheckedTable, plan: Plan) -> pl.Expr:
    """Return whether the rules that hold give different outputs."""
    groups: dict[tuple[str | Value, ...], list[int]] = {}
    for number, rule in enumerate(table.rules):
        groups.setdefault(rule.outcome, []).append(number)
    held = [pl.any_horizontal([plan.hit(rule) for rule in rules]) for rules in groups.values()]
    if all(value.expression is None for rule in table.rules for value in rule.outputs):
        return pl.sum_horizontal([each.cast(pl.UInt32) for each in held]) > 1
    apart = []
    for position, kind in enumerate(table.outputs.values()):
        first = _picked(table, position, kind, pl.col(INDEX))
        for hit, rules in zip(held, groups.values(), strict=True):
            mine = _value(table.rules[rules[0]].outputs[position], kind)
            apart.append(hit & mine.ne_missing(first))
    return pl.any_horizontal(apart)


def _value(value: OutputValue, kind: Type) -> pl.Expr:
    return value.expression if value.expression is not None else literal(value.value, kind)


def _picked(table: CheckedTable, position: int, kind: Type, index: pl.Expr) -> pl.Expr:
    """Return an output by the row of outputs that counts; null where none does."""
    values = [rule.outputs[position] for rule in table.rules]
    if table.default is not None:
        values.append(table.default[position])
    result = pl.lit(pl.Series([value.value for value in values], dtype=kind.dtype)).gather(index)
    computed: dict[str, list[int]] = {}
    for number, value in enumerate(values):
        if value.expression is not None:
            computed.setdefault(value.text, []).append(number)
    if not computed:
        return result
    choice = [0] * len(values)
    for place, numbers in enumerate(computed.values(), start=1):
        for number in numbers:
            choice[number] = place
    chosen = pl.lit(pl.Series(choice, dtype=pl.UInt32)).gather(index)
    for place, numbers in enumerate(computed.values(), start=1):
        expression = values[numbers[0]].expression
        assert expression is not None
        result = pl.when(chosen == place).then(expression).otherwise(result)
    return result


def _results(table: CheckedTable, plan: Plan) -> dict[str, pl.Expr]:
    """Return every column of the decision."""
    names = pl.Series([*(rule.id for rule in table.rules), DEFAULT], dtype=pl.String)
    rule = pl.lit(names).gather(pl.col(_CHOSEN))
    columns = _several(table, plan) if table.hit.is_multiple else _single(table)
    return columns | {"rule": rule, "hits": pl.col(HITS), "status": _status(table)}


def _status(table: CheckedTable) -> pl.Expr:
    nothing = pl.lit(DEFAULT if table.default is not None else NO_MATCH)
    status = pl.when(pl.col(HITS) == 0).then(nothing).otherwise(pl.lit(MATCHED))
    conflict = _conflict(table)
    return pl.when(conflict).then(pl.lit(CONFLICT)).otherwise(status) if conflict is not None else status


def _single(table: CheckedTable) -> dict[str, pl.Expr]:
    return {
        name: _picked(table, position, kind, pl.col(_CHOSEN))
        for position, (name, kind) in enumerate(table.outputs.items())
    }


def _several(table: CheckedTable, plan: Plan) -> dict[str, pl.Expr]:
    """Return the outputs of all rules that hold: aggregated, or as lists in the order of the rules."""
    hits = [plan.hit(rule) for rule in range(len(table.rules))]
    ids = [literal(rule.id, TEXT) for rule in table.rules]
    columns: dict[str, pl.Expr] = {"rules": _list(ids, hits, literal(DEFAULT, TEXT), table)}
    for position, (name, kind) in enumerate(table.outputs.items()):
        values = [_value(rule.outputs[position], kind) for rule in table.rules]
        default = _value(table.default[position], kind) if table.default is not None else None
        if table.aggregation is Aggregation.NONE:
            columns[name] = _list(values, hits, default, table)
        else:
            columns[name] = _aggregated(table, kind, values, hits, default)
    return columns


def _list(values: Sequence[pl.Expr], hits: Sequence[pl.Expr], default: pl.Expr | None, table: CheckedTable) -> pl.Expr:
    # A value may itself be missing, so what is dropped is the wrapper of a rule that does not hold.
    wrapped = [pl.when(hit).then(pl.struct(value.alias("value"))) for hit, value in zip(hits, values, strict=True)]
    listed = pl.concat_list(wrapped).list.drop_nulls().list.eval(pl.element().struct.field("value"))
    if table.default is None or default is None:
        return listed
    return pl.when(pl.col(HITS) == 0).then(pl.concat_list(default)).otherwise(listed)


def _aggregated(
    table: CheckedTable, kind: Type, values: Sequence[pl.Expr], hits: Sequence[pl.Expr], default: pl.Expr | None
) -> pl.Expr:
    if table.aggregation is Aggregation.COUNT:
        return pl.col(HITS).cast(pl.Int64)
    held = [pl.when(hit).then(value) for hit, value in zip(hits, values, strict=True)]
    aggregates = {Aggregation.SUM: pl.sum_horizontal, Aggregation.MIN: pl.min_horizontal, Aggregation.MAX: pl.max_horizontal}
    found = aggregates[table.aggregation](held).cast(kind.dtype)
    nothing = default if default is not None else pl.lit(None, dtype=kind.dtype)
    return pl.when(pl.col(HITS) == 0).then(nothing).otherwise(found)
