"""Two books side by side: their settings are checked, their differences listed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from adapters.policy_folder import check_policies
from engine.canonical.kinds import MONEY
from engine.revenue.second_book import BOOK_DIFFERENCES, book_differences

ROOT = Path(__file__).parents[3]


def balances(**values: str) -> dict[str, pl.LazyFrame]:
    row = {"contract_id": "C1", "period": "2026-01", "currency": "USD", **{name: Decimal(value) for name, value in values.items()}}
    return {"contract_balances": pl.DataFrame([row], schema_overrides=dict.fromkeys(values, MONEY)).lazy()}


STANDARDS = pl.DataFrame({"contract_id": ["C1"], "first_standard": ["us_gaap"], "second_standard": ["ifrs"]})


def test_only_figures_that_differ_are_listed() -> None:
    found = book_differences(
        balances(contract_asset="5", loss_provision="0", receivable="7"),
        balances(contract_asset="5", loss_provision="3", receivable="6"),
        STANDARDS,
    )
    assert found.schema == BOOK_DIFFERENCES
    assert found.select("column", "first", "second", "difference").rows() == [("loss_provision", 0, 3, 3), ("receivable", 7, 6, -1)]


def test_equal_books_differ_in_nothing() -> None:
    assert book_differences(balances(contract_asset="5"), balances(contract_asset="5"), STANDARDS).height == 0


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("{standard: ifrs, fx: {advance_rate: invoice_date}}", "IFRIC 22"),
        ("{standard: martian}", "'standard' cannot be 'martian'"),
        ("{standrd: ifrs}", "standrd"),
    ],
)
def test_the_settings_of_the_second_book_are_checked_like_the_first(tmp_path: Path, second: str, message: str) -> None:
    text = (ROOT / "policies" / "revenue" / "rev-treatment.yaml").read_text(encoding="utf-8")
    (tmp_path / "rev-treatment.yaml").write_text(f"{text}second_book: {second}\n", encoding="utf-8")
    diagnostics = check_policies(tmp_path)[1]
    assert [each for each in diagnostics if message in each.message], [each.message for each in diagnostics]


def test_a_right_second_book_is_accepted(tmp_path: Path) -> None:
    text = (ROOT / "policies" / "revenue" / "rev-treatment.yaml").read_text(encoding="utf-8")
    (tmp_path / "rev-treatment.yaml").write_text(
        f"{text}second_book: {{standard: ifrs, loss: {{cost_basis: incremental}}}}\n", encoding="utf-8"
    )
    assert not [each for each in check_policies(tmp_path)[1] if "book" in each.message or "second" in each.message]
