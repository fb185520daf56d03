"""Exact arithmetic: against Python's fractions, over signs, currencies and sizes that would overflow."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.revenue.arithmetic.exact import (
    GUARD,
    cumulative_minor,
    fraction,
    minor_money,
    money_units,
    part_units,
    units_to_minor,
    with_cumulative,
    with_fraction,
    with_parts,
)
from engine.revenue.arithmetic.numbers import WIDE


def rounded(value: Fraction, mode: str) -> int:
    sign, size = (-1 if value < 0 else 1), abs(value)
    floor = size.numerator // size.denominator
    rest = size - floor
    if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and (mode == ROUND_HALF_UP or floor % 2)):
        floor += 1
    return sign * floor


@given(
    st.integers(-(10**15), 10**15), st.integers(-(10**15), 10**15), st.integers(1, 10**22), st.fractions(0, 1), st.booleans(),
)  # fmt: skip
def test_a_cumulative_figure_is_rounded_once(base: int, amount: int, whole: int, share: Fraction, even: bool) -> None:
    part = int(whole * share)
    frame = pl.DataFrame({"b": [base * GUARD], "a": [amount * GUARD], "n": [part], "d": [whole]}, schema=dict.fromkeys("band", WIDE))
    got = frame.select(cumulative_minor(pl.col("b"), pl.col("a"), pl.col("n"), pl.col("d"), pl.lit(even))).item()
    assert got == rounded(base + Fraction(amount * part, whole), ROUND_HALF_EVEN if even else ROUND_HALF_UP)


@pytest.mark.parametrize(("third", "expected"), [(1, 1), (-1, -1)])
def test_a_tie_behind_a_cut_base_is_still_a_tie(third: int, expected: int) -> None:
    # 1/3 + 2/3 × 1/4 = 0.5 of a cent: the third is cut to nine digits on the way.
    base = third * (GUARD // 3)
    frame = pl.DataFrame({"b": [base], "a": [third * GUARD - base], "n": [1], "d": [4]}, schema=dict.fromkeys("band", WIDE))
    assert frame.select(cumulative_minor(pl.col("b"), pl.col("a"), pl.col("n"), pl.col("d"))).item() == expected


@given(
    st.integers(-(10**15), 10**15), st.one_of(st.integers(-GUARD, GUARD), st.integers(GUARD // 2 - 502, GUARD // 2 + 502)), st.booleans(),
)  # fmt: skip
def test_units_beside_a_tie_round_as_the_tie_does(minor: int, beside: int, even: bool) -> None:
    units = minor * GUARD + beside
    near = round(Fraction(2 * units, GUARD)) * GUARD // 2
    stands_for = near if abs(units - near) <= 500 else units
    got = pl.DataFrame({"u": [units]}, schema={"u": WIDE}).select(units_to_minor(pl.col("u"), pl.lit(even))).item()
    assert got == rounded(Fraction(stands_for, GUARD), ROUND_HALF_EVEN if even else ROUND_HALF_UP)
    if not even:
        assert got == pl.DataFrame({"u": [units]}, schema={"u": WIDE}).select(units_to_minor(pl.col("u"))).item()


@given(st.integers(-(10**24), 10**24), st.integers(1, 10**22), st.fractions(0, 1))
def test_a_part_is_right_to_the_nearest_unit(amount: int, whole: int, share: Fraction) -> None:
    part = int(whole * share)
    frame = pl.DataFrame({"a": [amount], "n": [part], "d": [whole]}, schema=dict.fromkeys("and", WIDE))
    got = frame.select(part_units(pl.col("a"), pl.col("n"), pl.col("d"))).item()
    assert abs(got - Fraction(amount * part, whole)) <= Fraction(1, 2)


@pytest.mark.parametrize(("digits", "amount", "minor"), [(0, "1234", 1234), (2, "-12.34", -1234), (3, "1.234", 1234)])
def test_money_and_minor_units_are_two_ways_to_say_one_thing(digits: int, amount: str, minor: int) -> None:
    frame = pl.DataFrame({"m": [Decimal(amount)], "d": [digits]}, schema={"m": pl.Decimal(38, 6), "d": pl.Int8})
    units = frame.select(money_units(pl.col("m"), pl.col("d"))).item()
    assert units == minor * GUARD
    assert frame.select(minor_money(pl.lit(minor, dtype=WIDE), pl.col("d"))).item() == Decimal(amount)


def test_a_fraction_is_told_in_twelve_places() -> None:
    frame = pl.DataFrame({"n": [1, 2, 0], "d": [3, 2, 7]}, schema=dict.fromkeys("nd", WIDE))
    assert frame.select(fraction(pl.col("n"), pl.col("d"))).to_series().to_list() == [
        Decimal("0.333333333333"), Decimal(1), Decimal(0)
    ]  # fmt: skip


_MEASURES = st.one_of(st.integers(0, 400), st.integers(8_999_990, 9_000_010), st.integers(0, 10**22))


@given(st.lists(st.tuples(st.one_of(st.none(), _MEASURES), st.one_of(st.none(), _MEASURES)), max_size=8))
def test_fractions_of_small_and_large_measures_are_those_of_the_formula(parts: list[tuple[int | None, int | None]]) -> None:
    rows = pl.DataFrame(parts, schema={"n": WIDE, "d": WIDE}, orient="row")
    expected = rows.select(fraction(pl.col("n"), pl.col("d")).alias("part")).to_series()
    assert with_fraction(rows, "part", pl.col("n"), pl.col("d"))["part"].equals(expected)


@given(
    st.integers(-(10**15), 10**15), st.one_of(st.integers(-(10**24), 10**24), st.integers(-5 * 10**18, 5 * 10**18)),
    st.lists(_MEASURES.filter(bool), min_size=1, max_size=3),
    st.fractions(0, 1), st.booleans(),
)  # fmt: skip
def test_a_column_of_figures_is_divided_as_each_of_them_is(base: int, amount: int, of: list[int], share: Fraction, even: bool) -> None:
    data = {"b": [base] * len(of), "a": [amount] * len(of), "n": [int(whole * share) for whole in of], "d": of}
    rows = pl.DataFrame(data, schema=dict.fromkeys(data, WIDE))
    parts = {"base": pl.col("b"), "amount": pl.col("a"), "numerator": pl.col("n"), "denominator": pl.col("d")}
    made = with_cumulative(rows, **parts, half_even=pl.lit(even), minor="minor", units="units")
    assert made["minor"].equals(rows.select(cumulative_minor(**parts, half_even=pl.lit(even)).alias("minor"))["minor"])
    assert made["units"].equals(rows.select((pl.col("b") + part_units(pl.col("a"), pl.col("n"), pl.col("d"))).alias("units"))["units"])


def test_parts_made_step_by_step_are_those_of_one_expression() -> None:
    rows = pl.DataFrame({"a": [10, -10, 7, 7, None], "n": [1, 1, 2, 2, 1], "d": [3, 3, 0, -1, 3]}, schema=dict.fromkeys("and", WIDE))
    made = with_parts(rows, x=(pl.col("a"), pl.col("n"), pl.col("d")), y=(pl.col("a"), pl.col("n"), pl.lit(4, dtype=WIDE)))
    assert made["x"].to_list() == rows.select(part_units(pl.col("a"), pl.col("n"), pl.col("d"))).to_series().to_list()
    assert made.select("x", "y").rows() == [(3, 3), (-3, -3), (None, 4), (None, 4), (None, None)]
    assert with_parts(rows.clear(), x=(pl.col("a"), pl.col("n"), pl.col("d"))).columns == ["a", "n", "d", "x"]
