"""Run the decision tables of the DMN technology compatibility kit against the engine.

`python -m tests.conformance.dmn_tck KIT_FOLDER` reads every model of level 2 that is a decision
table with its test cases, anywhere below the folder; prints one line for each failed case, how many
other models were skipped, and the totals; exits 1 on a failure and 2 when there is nothing to run. A
model that lies twice below the folder counts once. In a folder that holds none of the kit's models,
every model is run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from xml.etree import ElementTree

import polars as pl

from engine.condition.scope import Category, Scope, Type
from engine.decision import CompiledTable, HitPolicy, compile_table
from engine.decision.table import Aggregation
from tests.conformance.dmn_model import SINGLE, Decision, Element, Model, child, children, local_name, read_model

# The kit's models of compliance level 2 that are decision tables, by the number they begin with.
LEVEL_2 = (
    "0004-simpletable-U", "0005-simpletable-A", "0006-simpletable-P1", "0007-simpletable-P2", "0010-multi-output-U",
    "0108-first", "0109-ruleOrder", "0110-outputOrder", "0111-first", "0112-ruleOrder", "0113-outputOrder",
    "0114-min-collect", "0115-sum-collect", "0116-count-collect", "0117-multi-any", "0118-multi-priority",
    "0119-multi-collect",
)  # fmt: skip
TOLERANCE = Decimal("1e-8")

_RESULT = "result of "
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"

Value = str | Decimal | bool | date | None
Result = Value | list["Result"] | dict[str, "Result"]


@dataclass(slots=True)
class Report:
    """Count test cases and say what failed."""

    models: int = 0
    skipped: int = 0
    passed: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)


def run(folder: Path) -> Report:
    """Run every model below a folder with the test files beside it."""
    report = Report()
    models = sorted(folder.rglob("*.dmn"))
    of_the_kit = [path for path in models if path.stem.startswith(LEVEL_2)]
    report.skipped = len(models) - len(of_the_kit) if of_the_kit else 0
    seen: set[tuple[str, bytes]] = set()
    for path in of_the_kit or models:
        copy = (path.name, path.read_bytes())
        tests = [each for each in sorted(path.parent.glob("*.xml")) if _is_test_of(each, path)]
        if tests and copy not in seen:
            seen.add(copy)
            report.models += 1
            _run_model(path, tests, report)
    return report


def _is_test_of(file: Path, model: Path) -> bool:
    """Say whether an XML file holds test cases of a model: it names it, or the folder has no other."""
    try:
        root = ElementTree.parse(file).getroot()
    except ElementTree.ParseError:
        return False
    if local_name(root) != "testCases":
        return False
    named = child(root, "modelName")
    is_named = named is not None and (named.text or "").strip() == model.name
    return is_named or len(list(model.parent.glob("*.dmn"))) == 1


def _run_model(path: Path, tests: Sequence[Path], report: Report) -> None:
    cases = [(file, case) for file in tests for case in children(ElementTree.parse(file).getroot(), "testCase")]
    try:
        model = read_model(path)
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        report.failed += len(cases)
        report.failures.append(f"{path.stem}: the model cannot be read ({error})")
        return
    for file, case in cases:
        wrong = _wrong_results(model, case)
        report.failures += [f"{file.stem} case {case.get('id')}: {each}" for each in wrong]
        if wrong:
            report.failed += 1
        else:
            report.passed += 1


def _wrong_results(model: Model, case: Element) -> list[str]:
    """Return what is wrong with the results of one test case."""
    given: dict[str, Value] = {}
    for node in children(case, "inputNode"):
        given |= _flat_values(str(node.get("name")), node, model.inputs)
    wrong = []
    for node in children(case, "resultNode"):
        name = str(node.get("name"))
        expected = child(node, "expected")
        wanted = _stated(expected if expected is not None else child(node, "computed"))
        try:
            got = Evaluation(model, given).result(name)
        except UnsupportedError as error:
            wrong.append(f"{name}: {error}")
            continue
        decision = model.decisions[name]
        is_ordered = decision.table is not None and decision.table.hit is not HitPolicy.COLLECT
        if not equal(wanted, got, is_ordered=is_ordered):
            wrong.append(f"{name}: expected {_shown(wanted)}, got {_shown(got)}")
    return wrong


class UnsupportedError(Exception):
    """A decision that is no decision table, or a table that the engine refuses."""


class Evaluation:
    """Evaluate the decisions of a model for one record, those behind information requirements first."""

    def __init__(self, model: Model, given: Mapping[str, Value]) -> None:
        self._model = model
        self._types: dict[str, Type] = dict(model.inputs)
        self._values: dict[str, Value] = {name: given.get(name) for name in model.inputs}

    def result(self, name: str) -> Result:
        """Return the result of a decision; UnsupportedError when it cannot be evaluated."""
        decision = self._model.decisions.get(name)
        if decision is None or decision.table is None:
            raise UnsupportedError("this is no decision table")
        for other in decision.requires:
            if not any(key == other or key.startswith(f"{other}.") for key in self._types):
                self._learn(other, self.result(other))
        scope = Scope(self._types)
        compiled = compile_table(decision.table, scope)
        if compiled.table is None:
            told = "; ".join(each.message for each in compiled.diagnostics if each.is_error)
            raise UnsupportedError(f"the table is refused: {told}")
        schema = {key: kind.dtype for key, kind in self._types.items()}
        frame = pl.LazyFrame({key: [self._values[key]] for key in schema}, schema=schema)
        row = compiled.apply(frame, prefix=_RESULT).collect().row(0, named=True)
        return _result(decision, compiled, row)

    def _learn(self, name: str, result: Result) -> None:
        """Make the result of a decision an input of the next one."""
        decision = self._model.decisions[name]
        assert decision.table is not None
        parts = result if isinstance(result, dict) else {SINGLE: result}
        for output, value in parts.items():
            if isinstance(value, (list, dict)):
                raise UnsupportedError(f"'{name}' gives a list, which no table can ask for")
            key = f"{name}.{output}" if decision.has_parts else name
            self._types[key] = decision.table.outputs[output]
            self._values[key] = value


def _result(decision: Decision, compiled: CompiledTable, row: Mapping[str, object]) -> Result:
    """Return a decided row as DMN does: a value, parts, or lists of them; nothing when no rule decides."""
    assert decision.table is not None
    if row[_RESULT + "status"] in {"conflict", "no_match"}:
        return None
    values = {name: row[_RESULT + name] for name in decision.table.outputs}
    is_list = decision.table.hit.is_multiple and decision.table.aggregation is Aggregation.NONE
    if not is_list:
        plain = {name: _plain(value) for name, value in values.items()}
        return dict(plain) if decision.has_parts else plain[SINGLE]
    columns = [value for value in values.values() if isinstance(value, list)]
    items = [dict(zip(values, map(_plain, item), strict=True)) for item in zip(*columns, strict=True)]
    return [dict(item) if decision.has_parts else item[SINGLE] for item in items]


def _plain(value: object) -> Value:
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    assert value is None or isinstance(value, (str, Decimal, bool, date))
    return value


def _flat_values(name: str, node: Element, types: Mapping[str, Type]) -> dict[str, Value]:
    """Return an input's value by its flattened names."""
    found: dict[str, Value] = {}
    value = child(node, "value")
    if value is not None and name in types:
        found[name] = _typed(value, types[name])
    for part in children(node, "component"):
        found |= _flat_values(f"{name}.{part.get('name')}", part, types)
    return found


def _typed(element: Element, kind: Type) -> Value:
    """Return a stated value as a value of the model's type."""
    text = (element.text or "").strip()
    if element.get(_NIL) == "true":
        return None
    if kind.category is Category.NUMBER:
        return Decimal(text)
    if kind.category is Category.BOOL:
        return text == "true"
    return date.fromisoformat(text) if kind.category is Category.DATE else (element.text or "")


def _stated(node: Element | None) -> Result:
    """Return what a test case expects: a value, parts by name, a list, or nothing."""
    if node is None:
        return None
    listed = child(node, "list")
    if listed is not None:
        return None if listed.get(_NIL) == "true" else [_stated(item) for item in children(listed, "item")]
    parts = list(children(node, "component"))
    if parts:
        return {str(part.get("name")): _stated(part) for part in parts}
    value = child(node, "value")
    return None if value is None or value.get(_NIL) == "true" else (value.text or "")


def equal(wanted: Result, got: Result, *, is_ordered: bool) -> bool:
    """Compare a stated result with an evaluated one: numbers within 1e-8, COLLECT lists in any order."""
    if isinstance(wanted, list) and isinstance(got, list):
        if len(wanted) != len(got):
            return False
        if is_ordered:
            return all(equal(one, other, is_ordered=True) for one, other in zip(wanted, got, strict=True))
        return _is_permutation(wanted, got)
    if isinstance(wanted, dict) and isinstance(got, dict):
        return wanted.keys() == got.keys() and all(equal(wanted[key], got[key], is_ordered=is_ordered) for key in wanted)
    if isinstance(wanted, (list, dict)) or isinstance(got, (list, dict)) or wanted is None or got is None:
        return wanted is None and got is None
    return _same_value(str(wanted), got)


def _is_permutation(wanted: Sequence[Result], got: Sequence[Result]) -> bool:
    left = list(got)
    for each in wanted:
        match = next((index for index, other in enumerate(left) if equal(each, other, is_ordered=False)), None)
        if match is None:
            return False
        del left[match]
    return True


def _same_value(wanted: str, got: Value) -> bool:
    if isinstance(got, bool):
        return wanted.strip() == str(got).lower()
    if isinstance(got, Decimal):
        try:
            return abs(Decimal(wanted) - got) <= TOLERANCE
        except InvalidOperation:
            return False
    return wanted == (got.isoformat() if isinstance(got, date) else got)


def _shown(result: Result) -> str:
    if isinstance(result, list):
        return "[" + ", ".join(map(_shown, result)) + "]"
    if isinstance(result, dict):
        return "{" + ", ".join(f"{name}: {_shown(value)}" for name, value in result.items()) + "}"
    if isinstance(result, Decimal):
        return f"{result.normalize():f}"
    return "nothing" if result is None else str(result)


def main(arguments: Iterable[str] | None = None) -> int:
    """Run the kit of a folder; return 0 when every case passes, 1 on a failure, 2 without any case."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.dmn_tck", description="Run the decision tables of the DMN kit.")
    parser.add_argument("folder", type=Path, help="folder of the kit, or any folder with models and their test cases")
    folder = parser.parse_args(None if arguments is None else list(arguments)).folder
    report = run(folder) if folder.is_dir() else Report()
    for failure in report.failures:
        print(failure)
    if not report.models:
        print(f"{folder} holds no DMN model with test cases")
        return 2
    if report.skipped:
        print(f"{report.skipped} models that are no decision tables of level 2 skipped")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
