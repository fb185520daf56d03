"""What a source states of its export is held against what was read of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from adapters.control_totals import stated_and_read
from adapters.mapping.apply import EntityRecords
from adapters.snapshot_file import Source
from engine.errors import SnapshotError
from engine.readings import HELD_SCHEMA

INVOICES = pl.DataFrame({
    "invoice_id": ["I1", "I2", "I3"], "currency": ["EUR", "EUR", "USD"], "gross_amount": [Decimal("10.10"), Decimal("-0.05"), Decimal(7)],
})  # fmt: skip


def told(**stated: Any) -> list[tuple[str, str | None, str, str, bool]]:
    records = EntityRecords("invoice", INVOICES, frozenset(INVOICES.columns), pl.DataFrame(schema=HELD_SCHEMA))
    rows = stated_and_read(Source(system="billing", adapter="canonical", **stated), [records])
    return [(each["name"], each["currency"], each["stated"], each["found"], each["equal"]) for each in rows]


def test_rows_are_counted() -> None:
    assert told(expected_rows={"invoice": 3, "payment": 1}) == [("invoice", None, "3", "3", True), ("payment", None, "1", "0", False)]


def test_totals_are_exact_and_by_currency_where_they_are_stated_so() -> None:
    assert told(control_totals={"invoice.gross_amount": "17.050"}) == [("invoice.gross_amount", None, "17.05", "17.05", True)]
    assert told(control_totals={"invoice.gross_amount": {"EUR": "10.05", "USD": "7.01"}}) == [
        ("invoice.gross_amount", "EUR", "10.05", "10.05", True), ("invoice.gross_amount", "USD", "7.01", "7", False),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "stated", "message"), [
    ("invoice.gros_amount", "1", "names no canonical field"), ("invoice", "1", "names no canonical field"),
    ("invoice.status", "1", "a field that has no total"),
    ("invoice.gross_amount", "1O", "is not a number: 1O"),
])  # fmt: skip
def test_a_total_of_nothing_or_that_is_no_number_is_told(name: str, stated: str, message: str) -> None:
    with pytest.raises(SnapshotError, match=message):
        told(control_totals={name: stated})


def test_rows_of_what_is_no_entity_are_told() -> None:
    with pytest.raises(SnapshotError, match=r"did you mean 'invoice'\?$"):
        told(expected_rows={"invoices": 3})
