"""Minor units of currencies: one table for billing, revenue and reconciliation."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from engine.canonical.kinds import MONEY
from engine.minor_units import minor_digits, minor_unit, rounded, rounded_money


@pytest.mark.parametrize(
    ("currency", "digits", "unit"),
    [("USD", 2, "0.01"), ("EUR", 2, "0.01"), ("JPY", 0, "1"), ("UYI", 0, "1"), ("KWD", 3, "0.001"), ("IQD", 3, "0.001"),
     ("CLF", 4, "0.0001"), (None, 2, "0.01")],
)  # fmt: skip
def test_a_currency_has_the_minor_unit_of_the_standard(currency: str | None, digits: int, unit: str) -> None:
    table = pl.DataFrame({"c": [currency]}, schema={"c": pl.String})
    assert table.select(minor_digits(pl.col("c")).alias("d"), minor_unit(pl.col("c")).alias("u")).row(0) == (digits, Decimal(unit))


def test_amounts_are_rounded_to_the_minor_unit_of_their_currency() -> None:
    told = [("USD", "2.345"), ("USD", "-2.345"), ("JPY", "2.5"), ("KWD", "1.23450"), ("CLF", "1.23455"), ("LYD", "0.0005"), (None, "2.345")]
    rows = pl.DataFrame(
        {"c": [name for name, _ in told], "m": [Decimal(amount) for _, amount in told]}, schema={"c": pl.String, "m": pl.Decimal(38, 8)}
    )
    made = rows.select(
        rounded(pl.col("m"), pl.col("c")).alias("up"), rounded(pl.col("m"), pl.col("c"), "half_even").alias("even"),
        rounded_money(pl.col("m"), pl.col("c")).alias("money"),
    )  # fmt: skip
    up = [Decimal(amount) for amount in ("2.35", "-2.35", "3", "1.235", "1.2346", "0.001", "2.35")]
    assert made["up"].to_list() == up
    assert made["even"].to_list() == [Decimal(amount) for amount in ("2.34", "-2.34", "2", "1.234", "1.2346", "0", "2.34")]
    assert (made.schema["up"], made.schema["money"], made["money"].to_list()) == (pl.Decimal(38, 8), MONEY, up)
