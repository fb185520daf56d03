"""DMN XML to decision tables of ours: names, types, cells and hit policies as the model states them.

Namespaces are ignored, so models of DMN 1.1 to 1.5 are read alike. Only decision tables are read;
a decision of any other kind is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from engine.condition.scope import BOOL, DATE, TEXT, Type, decimal, enum
from engine.decision import Aggregation, DecisionTable, Grid, GridCell, HitPolicy, TableInput
from engine.diagnostics import Anchor

Element = ElementTree.Element

# FEEL numbers carry no scale; ten decimals hold every number of the kit.
NUMBER = decimal(10)
# The output of a table that gives one plain value.
SINGLE = "result"

_BASE_TYPES = {"string": TEXT, "number": NUMBER, "boolean": BOOL, "date": DATE}
_AGGREGATIONS = {"": Aggregation.NONE, "SUM": Aggregation.SUM, "MIN": Aggregation.MIN, "MAX": Aggregation.MAX, "COUNT": Aggregation.COUNT}
_TEXT_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')
_NUMBER_LITERAL = re.compile(r"[+-]?\d*\.?\d+\Z")


@dataclass(frozen=True, slots=True)
class ItemType:
    """Hold a named type of the model: its base, the values it admits, and its parts."""

    base: str = ""
    values: tuple[str, ...] = ()
    parts: Mapping[str, ItemType] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Hold one decision: its table (None when it is no decision table) and the decisions it asks for."""

    name: str
    table: DecisionTable | None
    requires: tuple[str, ...]
    has_parts: bool


@dataclass(frozen=True, slots=True)
class Model:
    """Hold a model: the types of its input data, flattened (`loan.amount`), and its decisions."""

    path: Path
    inputs: Mapping[str, Type]
    decisions: Mapping[str, Decision]


def local_name(element: Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def children(element: Element, name: str) -> Iterator[Element]:
    """Yield the direct children of a name."""
    return (child for child in element if local_name(child) == name)


def child(element: Element, name: str) -> Element | None:
    """Return the first direct child of a name."""
    return next(children(element, name), None)


def text_of(element: Element | None, name: str = "text") -> str:
    """Return the text of a child with its blanks made one, or nothing."""
    found = None if element is None else child(element, name)
    return "" if found is None else " ".join("".join(found.itertext()).split())


def read_model(path: Path) -> Model:
    """Read a model file; ElementTree.ParseError when it is not XML."""
    root = ElementTree.parse(path).getroot()
    types = {str(each.get("name")): _item_type(each) for each in children(root, "itemDefinition")}
    inputs: dict[str, Type] = {}
    for data in children(root, "inputData"):
        variable = child(data, "variable")
        reference = "" if variable is None else variable.get("typeRef", "")
        inputs |= _flattened(str(data.get("name")), _resolved(reference, types), types)
    names = {str(each.get("id")): str(each.get("name")) for each in children(root, "decision")}
    decisions = [_decision(each, names, types, path) for each in children(root, "decision")]
    return Model(path, inputs, {each.name: each for each in decisions})


def _item_type(element: Element) -> ItemType:
    parts = {str(each.get("name")): _item_type(each) for each in children(element, "itemComponent")}
    return ItemType(text_of(element, "typeRef"), _allowed(child(element, "allowedValues")), parts or None)


def _allowed(element: Element | None) -> tuple[str, ...]:
    """Return a list of text values such as `"High", "Low"`; anything else admits every value."""
    text = text_of(element)
    listed = _TEXT_LITERAL.findall(text)
    only_texts = not _TEXT_LITERAL.sub("", text).replace(",", "").strip()
    return tuple(dict.fromkeys(each[1:-1] for each in listed)) if listed and only_texts else ()


def _resolved(reference: str, types: Mapping[str, ItemType]) -> ItemType:
    """Follow type names to a base type; the values of the name nearest to the use count."""
    name = reference.rpartition(":")[2].strip()
    found = types.get(name)
    if found is None:
        return ItemType(name)
    if found.parts is not None:
        return found
    below = _resolved(found.base, types)
    return ItemType(below.base, found.values or below.values, below.parts)


def _flattened(prefix: str, kind: ItemType, types: Mapping[str, ItemType]) -> dict[str, Type]:
    if kind.parts is None:
        return {prefix: _BASE_TYPES.get(kind.base, TEXT)}
    found: dict[str, Type] = {}
    for name, part in kind.parts.items():
        inner = part if part.parts is not None else _resolved(part.base, types)
        found |= _flattened(f"{prefix}.{name}", inner, types)
    return found


def _decision(element: Element, names: Mapping[str, str], types: Mapping[str, ItemType], path: Path) -> Decision:
    name = str(element.get("name"))
    asked = (child(each, "requiredDecision") for each in children(element, "informationRequirement"))
    requires = tuple(names[each.get("href", "").lstrip("#")] for each in asked if each is not None)
    table = child(element, "decisionTable")
    if table is None:
        return Decision(name, None, requires, has_parts=False)
    variable = child(element, "variable")
    result = _resolved(table.get("typeRef") or ("" if variable is None else variable.get("typeRef") or ""), types)
    outputs = list(children(table, "output"))
    made = DecisionTable(
        id=name,
        outputs={_output_name(each, outputs): _output_type(each, index, table, result, types) for index, each in enumerate(outputs)},
        grid=_grid(table, outputs, path),
        inputs=tuple(TableInput(each, "", Anchor(path.name, 1, 1)) for each in _input_names(table)),
        hit=HitPolicy(table.get("hitPolicy", "UNIQUE")),
        aggregation=_AGGREGATIONS[table.get("aggregation", "")],
        default=_defaults(outputs, path),
        anchor=Anchor(path.name, 1, 1),
    )
    return Decision(name, made, requires, has_parts=len(outputs) > 1)


def _input_names(table: Element) -> list[str]:
    return [text_of(child(each, "inputExpression")) for each in children(table, "input")]


def _output_name(output: Element, outputs: list[Element]) -> str:
    return str(output.get("name")) if len(outputs) > 1 else SINGLE


def _output_type(output: Element, index: int, table: Element, result: ItemType, types: Mapping[str, ItemType]) -> Type:
    """Return an output's type: as it states, else as its decision does, else as its entries look."""
    part = (result.parts or {}).get(output.get("name", "")) or (result if result.parts is None else ItemType())
    stated = _resolved(output.get("typeRef") or part.base, types)
    values = _allowed(child(output, "outputValues")) or stated.values or part.values
    if values:
        return enum(*values)
    entries = [text_of(list(children(rule, "outputEntry"))[index]) for rule in children(table, "rule")]
    if stated.base in _BASE_TYPES:
        return _BASE_TYPES[stated.base]
    return NUMBER if all(_NUMBER_LITERAL.match(entry) for entry in entries) else TEXT


def _grid(table: Element, outputs: list[Element], path: Path) -> Grid:
    header = ["rule", *_input_names(table), *(f"-> {_output_name(each, outputs)}" for each in outputs)]
    rows = []
    for number, rule in enumerate(children(table, "rule"), start=1):
        cells = [text_of(each) for each in children(rule, "inputEntry")]
        entries = [_entry(text_of(each)) for each in children(rule, "outputEntry")]
        rows.append(tuple(_cell(text, path, number) for text in (str(number), *cells, *entries)))
    return Grid(tuple(_cell(text, path, 0) for text in header), tuple(rows))


def _defaults(outputs: list[Element], path: Path) -> dict[str, GridCell] | None:
    given = {_output_name(each, outputs): text_of(child(each, "defaultOutputEntry")) for each in outputs}
    stated = {name: _cell(_entry(text), path, 0) for name, text in given.items() if text}
    return stated or None


def _entry(text: str) -> str:
    """Return an output entry as ours: literals as they stand, anything else as an expression."""
    call = re.fullmatch(r'date\s*\(\s*"([^"]*)"\s*\)', text)
    if call:
        return call[1]
    is_literal = _TEXT_LITERAL.fullmatch(text) or _NUMBER_LITERAL.match(text) or text in {"", "-", "true", "false", "null"}
    return text if is_literal else "{" + text + "}"


def _cell(text: str, path: Path, row: int) -> GridCell:
    return GridCell(text, Anchor(path.name, row + 1, 1), is_sheet=True)
