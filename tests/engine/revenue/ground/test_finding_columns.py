"""What every finding of revenue has: one code, an owner, and amounts as people write them."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from engine.findings import FINDING_SCHEMA, finish_findings
from engine.revenue.ground.finding_columns import OWNER, amount_text, finding_columns, plain_text

ROWS = pl.DataFrame({"contract_line_id": ["L1", "L2"], "code": ["too_much", "too_little"], "source": ["expense", "usage"]})


def test_a_finding_bears_its_code_as_kind_and_rule_and_stands_with_revenue_accounting() -> None:
    message = pl.format("{} differs.", "contract_line_id")
    found = ROWS.select(*finding_columns("differs", "high", "contract_line", message, "Correct it."), "contract_line_id")
    assert set(found.columns) - {"contract_line_id"} <= set(FINDING_SCHEMA)
    assert found.row(0, named=True) == {
        "stage": "revenue", "kind": "differs", "rule": "differs", "severity": "high", "entity": "contract_line", "message": "L1 differs.",
        "remedy": "Correct it.", "owner": OWNER, "contract_line_id": "L1",
    }  # fmt: skip
    assert finish_findings(found.rename({"contract_line_id": "entity_id"})).height == 2


def test_code_entity_and_remedy_may_differ_by_row_and_another_may_own_it() -> None:
    by_row = finding_columns(pl.col("code"), pl.lit("low"), pl.col("source"), pl.lit("Said."), pl.col("code"), "controller")
    found = ROWS.select(by_row)
    assert found["kind"].to_list() == found["rule"].to_list() == ["too_much", "too_little"]
    assert found["entity"].to_list() == ["expense", "usage"]
    assert found["remedy"].to_list() == ["too_much", "too_little"]
    assert found["owner"].to_list() == ["controller", "controller"]


@pytest.mark.parametrize(
    ("value", "amount", "plain"),
    [
        ("100", "100.00", "100"),
        ("0.5", "0.50", "0.5"),
        ("-1234.005", "-1234.01", "-1234.005"),
        ("0", "0.00", "0"),
        ("0.000001", "0.00", "0.000001"),
    ],
)
def test_amounts_have_two_decimals_and_numbers_what_they_need(value: str, amount: str, plain: str) -> None:
    frame = pl.DataFrame({"value": [Decimal(value), None]}, schema={"value": pl.Decimal(38, 6)})
    told = frame.select(amount_text(pl.col("value")).alias("amount"), plain_text(pl.col("value")).alias("plain"))
    assert told.row(0) == (amount, plain)
    assert told.row(1) == (None, None)


def test_whole_numbers_keep_their_zeros() -> None:
    assert pl.select(plain_text(pl.lit(100))).item() == "100"
