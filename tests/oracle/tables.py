"""The slow interpreter of decision tables: rule by rule, cell by cell, plain Python.

A cell is a tuple of alternatives (None for any value): `("is", v)`, `("bound", low, closed, high,
closed)`, `("null",)`, `("other", alternatives)`, `("field", op, name)`, `("if", condition)` where
the condition's field `?` is the input. `cell_text` writes a cell as its author would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.oracle.conditions import evaluate, text_of

Record = Mapping[str, Any]
Alternative = tuple[Any, ...]
Cell = tuple[Alternative, ...] | None


@dataclass(frozen=True)
class OracleRule:
    """One rule: its cells, and its outputs as values."""

    id: str
    cells: tuple[Cell, ...]
    outputs: tuple[Any, ...]


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    return str(value)


def cell_text(cell: Cell) -> str:
    """Write a cell in decision-table shorthand."""
    return "-" if cell is None else ", ".join(_alternative_text(each) for each in cell)


def _alternative_text(each: Alternative) -> str:
    head, *rest = each
    if head == "is":
        return _written(rest[0])
    if head == "null":
        return "null"
    if head == "other":
        return f"not({cell_text(rest[0])})"
    if head == "field":
        return f"{rest[0]} {rest[1]}"
    if head == "if":
        return text_of(rest[0])
    low, low_closed, high, high_closed = rest
    if low is None:
        return f"{'<=' if high_closed else '<'} {_written(high)}"
    if high is None:
        return f"{'>=' if low_closed else '>'} {_written(low)}"
    return f"{'[' if low_closed else '('}{_written(low)}..{_written(high)}{']' if high_closed else ')'}"


def cell_matches(cell: Cell, value: Any, record: Record) -> bool:
    """Say whether a cell matches a value; a missing value matches only what asks for it."""
    return cell is None or any(_matches(each, value, record) for each in cell)


def _matches(each: Alternative, value: Any, record: Record) -> bool:
    head, *rest = each
    if head == "null":
        return value is None
    if head == "if":
        return evaluate(rest[0], {**record, "?": value}) is True
    if value is None:
        return False
    if head == "is":
        return bool(value == rest[0])
    if head == "other":
        return not cell_matches(rest[0], value, record)
    if head == "field":
        other = record[rest[1]]
        return other is not None and evaluate((rest[0], ("field", "?"), ("field", "other")), {"?": value, "other": other}) is True
    low, low_closed, high, high_closed = rest
    above = low is None or value > low or (low_closed and value == low)
    return above and (high is None or value < high or (high_closed and value == high))


def decide(
    rules: Sequence[OracleRule], inputs: Sequence[str], hit: str, record: Record, default: tuple[Any, ...] | None, orders: Sequence[Any]
) -> dict[str, Any]:
    """Return what the table says of one record: outputs, rule, hits, status, and the ids of all rules that hold.

    `orders` gives for each output its list of values by priority, or None.
    """
    held = [rule for rule in rules if all(cell_matches(cell, record[name], record) for cell, name in zip(rule.cells, inputs, strict=True))]
    if hit in {"PRIORITY", "OUTPUT ORDER"}:
        held.sort(key=lambda rule: [_rank(order, value) for order, value in zip(orders, rule.outputs, strict=True) if order])
    width = len(orders)
    several = hit in {"COLLECT", "RULE ORDER", "OUTPUT ORDER"} or hit.startswith("COLLECT ")
    answer: dict[str, Any] = {"hits": len(held), "rules": [rule.id for rule in held]}
    if not held:
        given = default if default is not None else (None,) * width
        outputs = [[value] for value in given] if several and default is not None else [[] for _ in given] if several else list(given)
        status = "no_match" if default is None else "default"
        rules_told = ["default"] if default is not None else []
        answer |= {"outputs": outputs, "rule": "default" if default is not None else None, "status": status, "rules": rules_told}
        if hit.startswith("COLLECT "):
            answer["outputs"] = [0 for _ in given] if hit.endswith("COUNT") else list(given)
        return answer
    if several:
        answer |= {"outputs": _several(hit, held, width), "rule": held[0].id, "status": "matched"}
        return answer
    conflict = (hit == "UNIQUE" and len(held) > 1) or (hit == "ANY" and len({rule.outputs for rule in held}) > 1)
    if conflict:
        return answer | {"outputs": [None] * width, "rule": None, "status": "conflict"}
    return answer | {"outputs": list(held[0].outputs), "rule": held[0].id, "status": "matched"}


def _rank(order: Sequence[Any], value: Any) -> int:
    return list(order).index(value) if value in order else len(order)


def _several(hit: str, held: Sequence[OracleRule], width: int) -> list[Any]:
    columns = [[rule.outputs[position] for rule in held] for position in range(width)]
    if hit == "COLLECT COUNT":
        return [len(held)] * width
    if hit.startswith("COLLECT "):
        combiners: dict[str, Callable[..., Any]] = {"SUM": sum, "MIN": min, "MAX": max}
        combine = combiners[hit.split()[1]]
        known = [[value for value in column if value is not None] for column in columns]
        nothing = Decimal(0) if hit == "COLLECT SUM" else None
        return [combine(column) if column else nothing for column in known]
    return columns



