"""Rounding against sums done by hand: signs, ties, minor units."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.rounding import money, round_money, round_quotient, round_share, truncate_quotient, units


def quotients(rows: list[tuple[int, int]], mode: str = "half_up") -> list[int | None]:
    table = pl.DataFrame(rows, schema={"n": pl.Int128, "d": pl.Int128}, orient="row")
    return table.select(round_quotient(pl.col("n"), pl.col("d"), mode).alias("q"))["q"].to_list()


def test_half_up_rounds_ties_away_from_zero() -> None:
    assert quotients([(5, 2), (-5, 2), (7, 2), (-7, 2), (5, -2), (2, 3), (1, 3), (0, 9)]) == [3, -3, 4, -4, -3, 1, 0, 0]


def test_half_even_rounds_ties_to_the_even_neighbour() -> None:
    assert quotients([(5, 2), (-5, 2), (7, 2), (-7, 2), (3, 2), (26, 10)], "half_even") == [2, -2, 4, -4, 2, 3]


def test_nothing_is_divided_by_zero() -> None:
    assert quotients([(5, 0), (0, 0)]) == [None, None]


def test_truncation_goes_towards_zero() -> None:
    table = pl.DataFrame({"n": [7, -7, 7], "d": [2, 2, 0]}, schema={"n": pl.Int128, "d": pl.Int128})
    assert table.select(truncate_quotient(pl.col("n"), pl.col("d")).alias("q"))["q"].to_list() == [3, -3, None]


@given(st.lists(st.tuples(st.integers(-(10**27), 10**27), st.integers(1, 10**9)), min_size=1, max_size=30))
def test_quotients_agree_with_decimal_arithmetic(rows: list[tuple[int, int]]) -> None:
    for mode, rounding in (("half_up", ROUND_HALF_UP), ("half_even", ROUND_HALF_EVEN)):
        exact = []
        for numerator, denominator in rows:
            floor, rest = divmod(abs(numerator), denominator)
            tail = Decimal("0.5") if rest * 2 == denominator else Decimal("0.7") if rest * 2 > denominator else Decimal("0.2")
            digit = int((Decimal(floor % 10) + tail).quantize(Decimal(1), rounding)) - floor % 10
            exact.append((floor + digit) * (1 if numerator >= 0 else -1))
        assert quotients(rows, mode) == exact


def test_money_is_rounded_to_its_minor_unit() -> None:
    amounts = [Decimal("2.345"), Decimal("-2.345"), Decimal("2.5"), Decimal("1.2345")]
    rows = pl.DataFrame({"m": amounts, "d": [2, 2, 0, 3]}, schema_overrides={"m": MONEY})
    rounded = rows.select(round_money(pl.col("m"), pl.col("d")).alias("r"))
    assert rounded.schema["r"] == MONEY
    assert rounded["r"].to_list() == [Decimal("2.35"), Decimal("-2.35"), Decimal(3), Decimal("1.235")]


def test_a_share_is_rounded_once() -> None:
    rows = pl.DataFrame({"m": [Decimal(100), Decimal(-100)], "p": [1, 1], "w": [3, 8]}, schema_overrides={"m": MONEY})
    assert rows.select(round_share(pl.col("m"), pl.col("p"), pl.col("w"), pl.lit(2)).alias("r"))["r"].to_list() == [
        Decimal("33.33"), Decimal("-12.5"),
    ]  # fmt: skip


def test_millionths_and_money_are_the_same_amount() -> None:
    rows = pl.DataFrame({"m": [Decimal("99999999999999.999999"), Decimal("-0.000001"), None]}, schema={"m": MONEY})
    assert rows.select(money(units(pl.col("m"))).alias("m")).equals(rows)
