"""What a source states of its export, row counts and control totals, beside what was read of it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl

from adapters.mapping.apply import EntityRecords
from adapters.snapshot_file import Source
from engine.canonical.kinds import Kind, is_decimal
from engine.canonical.schema import ENTITIES
from engine.errors import SnapshotError
from engine.policy.names import near


def stated_and_read(source: Source, made: list[EntityRecords]) -> list[dict[str, Any]]:
    """Return each row count and control total that a source states beside what was read; raises SnapshotError for what is none."""
    frames: dict[str, list[pl.DataFrame]] = {}
    for each in made:
        frames.setdefault(each.entity, []).append(each.frame)
    results: list[dict[str, Any]] = []
    for entity, expected in sorted(source.expected_rows.items()):
        if entity not in ENTITIES:
            raise SnapshotError(
                f"The expected rows '{entity}' of source '{source.system}' name no canonical entity{near(entity, ENTITIES) or '.'}",
                "Write the entity, as in invoice: 120; docs/canonical.md has every name.",
            )
        actual = sum(frame.height for frame in frames.get(entity, []))
        results.append(_compared(source, "expected_rows", entity, None, str(expected), str(actual), expected == actual))
    for name, stated in sorted(source.control_totals.items()):
        entity, _, column = name.partition(".")
        spec = ENTITIES.get(entity)
        if spec is None or column not in spec.fields:
            raise SnapshotError(
                f"The control total '{name}' of source '{source.system}' names no canonical field.",
                "Write entity.field, as in invoice.gross_amount.",
            )
        if not (is_decimal(spec.fields[column].kind) or spec.fields[column].kind is Kind.INT):
            raise SnapshotError(
                f"The control total '{name}' of source '{source.system}' names a field that has no total.",
                "Name an amount, a quantity or hours, as in invoice.gross_amount.",
            )
        parts = stated if isinstance(stated, dict) else {None: stated}
        for currency, total in parts.items():
            actual_total = _total(frames.get(entity, []), column, spec.fields[column].currency, currency)
            expected_total = _decimal(total, name)
            results.append(_compared(source, "control_totals", name, currency, f"{expected_total.normalize():f}",
                                     f"{actual_total.normalize():f}", expected_total == actual_total))  # fmt: skip
    return results


def _decimal(value: Any, name: str) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation as error:
        raise SnapshotError(f"The control total '{name}' is not a number: {value}.", "Write it as digits.") from error


def _total(frames: list[pl.DataFrame], column: str, currency_field: str | None, currency: str | None) -> Decimal:
    total = Decimal(0)
    for frame in frames:
        if column not in frame.columns:
            continue
        part = frame
        if currency is not None and currency_field in frame.columns:
            part = frame.filter(pl.col(currency_field) == currency)
        value = part[column].sum()
        total += value if isinstance(value, Decimal) else Decimal(str(value or 0))
    return total


def _compared(
    source: Source, kind: str, name: str, currency: str | None, stated: str, found: str, equal: bool
) -> dict[str, Any]:  # fmt: skip
    return {"source": source.system, "path": source.path, "kind": kind, "name": name, "currency": currency, "stated": stated,
            "found": found, "equal": equal}  # fmt: skip
