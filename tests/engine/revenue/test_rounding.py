"""Rounding against sums done by hand: signs, ties, minor units, splits that add up."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.revenue.rounding import (
    MONEY,
    give_residue,
    largest_remainder,
    minor_digits,
    money,
    post_schedule,
    round_money,
    round_quotient,
    round_share,
    truncate_quotient,
    units,
)


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


@pytest.mark.parametrize(("currency", "digits"), [("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("EUR", 2), (None, 2)])
def test_minor_units_of_currencies(currency: str | None, digits: int) -> None:
    table = pl.DataFrame({"c": [currency]}, schema={"c": pl.String})
    assert table.select(minor_digits(pl.col("c")).alias("d"))["d"].to_list() == [digits]


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


SCHEDULES = {
    # 200.00 over three: 66.666… each.
    "cumulative": [6667, 6666, 6667],
    "last_period_plug": [6667, 6667, 6666],
    "largest_remainder": [6667, 6667, 6666],
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_schedule_posts_differences_a_plug_or_remainders(schedule: str, sign: int) -> None:
    rows = pl.DataFrame({"g": ["A"] * 3, "p": ["2027-01", "2027-02", "2027-03"], "n": [sign * n for n in (20000, 40000, 60000)]})
    posted = post_schedule(pl.col("n"), pl.lit(3), order=["p"], group=["g"], schedule=schedule)
    assert rows.select(posted.alias("x"))["x"].to_list() == [sign * amount for amount in SCHEDULES[schedule]]


def test_each_group_follows_its_own_schedule_whatever_the_order_of_rows() -> None:
    rows = pl.DataFrame(
        {
            "g": ["A", "A", "A", "B", "B", "B"], "p": ["1", "2", "3"] * 2, "n": [10000, 20000, 30000] * 2, "d": [3] * 6,
            "s": ["cumulative"] * 3 + ["last_period_plug"] * 3,
        }
    )  # fmt: skip
    posted = post_schedule(pl.col("n"), pl.col("d"), order=["p"], group=["g"], schedule=pl.col("s"))
    backwards = rows.reverse().with_columns(posted.alias("x")).sort("g", "p")
    assert backwards["x"].to_list() == [3333, 3334, 3333, 3333, 3333, 3334]


def test_a_schedule_whose_whole_changes_is_rounded_cumulatively() -> None:
    rows = pl.DataFrame({"g": ["A"] * 2, "p": ["1", "2"], "n": [100, 200], "d": [3, 6]})
    posted = post_schedule(pl.col("n"), pl.col("d"), order=["p"], group=["g"], schedule="last_period_plug")
    assert rows.select(posted.alias("x"))["x"].to_list() == [33, 0]


groups = st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=12)


@given(groups, st.integers(1, 97), st.sampled_from(list(SCHEDULES)))
def test_every_schedule_adds_up_to_the_rounded_whole(periods: list[int], denominator: int, schedule: str) -> None:
    cumulative = [sum(periods[: index + 1]) for index in range(len(periods))]
    rows = pl.DataFrame({"p": range(len(periods)), "n": cumulative, "d": [denominator] * len(periods), "g": ["A"] * len(periods)})
    posted = rows.select(post_schedule(pl.col("n"), pl.col("d"), order=["p"], group=["g"], schedule=schedule).alias("x"))["x"].to_list()
    assert sum(posted) == quotients([(cumulative[-1], denominator)])[0]


@given(groups, st.integers(1, 97))
def test_largest_remainders_keep_the_sum_and_mirror_the_sign(shares: list[int], denominator: int) -> None:
    rows = pl.DataFrame({"k": range(len(shares)), "n": shares, "d": [denominator] * len(shares), "g": ["A"] * len(shares)})
    both = pl.concat([rows, rows.with_columns(pl.col("n") * -1, g=pl.lit("B"))])
    parts = both.select(largest_remainder(pl.col("n"), pl.col("d"), ["k"], ["g"]).alias("x"))["x"].to_list()
    split, mirrored = parts[: len(shares)], parts[len(shares) :]
    assert sum(split) == quotients([(sum(shares), denominator)])[0]
    assert mirrored == [-share for share in split]
    assert all(abs(Decimal(part) - Decimal(exact) / denominator) <= 1 for part, exact in zip(split, shares, strict=True))


@pytest.mark.parametrize(
    ("residual_to", "expected"),
    [
        ("largest", ["33.33", "33.34", "33.33"]), ("first", ["33.34", "33.33", "33.33"]), ("last", ["33.33", "33.33", "33.34"]),
        ("named(C)", ["33.33", "33.33", "33.34"]), ("named(Z)", ["33.34", "33.33", "33.33"]),
    ],
)  # fmt: skip
def test_the_residue_goes_to_the_owner_the_policy_names(residual_to: str, expected: list[str]) -> None:
    shares = [Decimal("33.33"), Decimal("33.33"), Decimal("33.33")]
    if residual_to == "largest":
        shares[1], expected = Decimal("33.34"), ["33.33", "33.33", "33.33"]
    rows = pl.DataFrame({"k": ["A", "B", "C"], "g": ["G"] * 3, "m": shares}, schema_overrides={"m": MONEY})
    total = pl.lit(Decimal("99.99") if residual_to == "largest" else Decimal(100), dtype=MONEY)
    given_ = rows.select(give_residue(pl.col("m"), total, key="k", group=["g"], residual_to=pl.lit(residual_to)).alias("m"))
    assert given_["m"].to_list() == [Decimal(amount) for amount in expected]
