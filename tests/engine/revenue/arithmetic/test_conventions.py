"""Every convention against amounts computed by hand, and the properties all of them share."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.conventions import CONVENTIONS, TermColumns, with_earned, with_measures, with_months

day = dt.date.fromisoformat


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "convention": pl.String, "start": pl.Date, "end": pl.Date, "at": pl.Date, "after": pl.Date, "amount": MONEY, "digits": pl.Int64,
        "anchor_day": pl.Int64, "from_at": pl.Datetime("us", "UTC"), "to_at": pl.Datetime("us", "UTC"),
    }  # fmt: skip
    filled = [{name: row.get(name) for name in schema} for row in rows]
    return pl.DataFrame(filled, schema=schema, orient="row").with_columns(pl.col("digits").fill_null(2))


TERMS = TermColumns("convention", "start", "end", "anchor_day", "from_at", "to_at")


def earned_through(rows: pl.DataFrame, terms: TermColumns = TERMS, after: str | None = None) -> list[Decimal]:
    earned = with_earned(rows.lazy(), "earned", amount="amount", at="at", after=after, digits="digits", terms=terms)
    return earned.collect()["earned"].to_list()


def elapsed(rows: pl.DataFrame, terms: TermColumns = TERMS) -> tuple[list[int | None], list[int | None]]:
    measured = with_measures(rows.lazy(), {"elapsed": "at"}, whole="whole", terms=terms).collect()
    return measured["elapsed"].to_list(), measured["whole"].to_list()


def by_month(convention: str, start: str, end: str, amount: str, **given_: Any) -> list[str]:
    """Return what each calendar month of the term earns."""
    first, last = day(start), day(end)
    ends = pl.date_range(first.replace(day=1), last, "1mo", eager=True).dt.month_end().to_list()
    row = {"convention": convention, "start": first, "end": last, "amount": Decimal(amount), **given_}
    through = earned_through(frame([{**row, "at": at} for at in ends]))
    return [format((now - before).normalize(), "f") for now, before in zip(through, [Decimal(0), *through[:-1]], strict=True)]


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        # 20 January – 10 April 2028, 8,200.00: 12 + 29 + 31 + 10 = 82 days, of them one 29 February.
        ("actual_days", ["1200", "2900", "3100", "1000"]),
        # 81 days without it: 12/81, 40/81, 71/81 of 8,200.
        ("actual_365", ["1214.81", "2834.57", "3138.27", "1012.35"]),
        # 11 (20–30), 30, 30, 10 of 81 days.
        ("thirty_360", ["1113.58", "3037.04", "3037.03", "1012.35"]),
        # 12/31 + 1 + 1 + 10/30 = 253/93 months.
        ("monthly_even", ["1166.8", "3014.23", "3014.23", "1004.74"]),
        # 12/30 + 2 + 10/30 = 82/30 months.
        ("thirty_day", ["1200", "3000", "3000", "1000"]),
        ("even_no_partial_last", ["2733.33", "2733.34", "2733.33", "0"]),
        ("even_no_partial_first", ["0", "2733.33", "2733.34", "2733.33"]),
        # Starts after the 15th, ends before it: two months.
        ("mid_month", ["0", "4100", "4100", "0"]),
        # 20 January + 2 months = 20 March, and some days: three months from January.
        ("first_of_month", ["2733.33", "2733.34", "2733.33", "0"]),
        ("next_month", ["0", "2733.33", "2733.34", "2733.33"]),
        # 1,200 and 1,000 at the ends; 6,000 over two full months.
        ("prorated_ends", ["1200", "3000", "3000", "1000"]),
        ("actual_seconds", ["1200", "2900", "3100", "1000"]),
        # Months 20 Jan–19 Feb (31), 20 Feb–19 Mar (29), then 22 of the 31 days from 20 March: 84/31 months.
        # January has 12/31; February 19/31 + 10/29; March 19/29 + 12/31; April 10/31.
        ("anchored_months", ["1171.43", "2898.27", "3154.11", "976.19"]),
    ],
)
def test_a_term_over_part_months_and_a_leap_day(convention: str, expected: list[str]) -> None:
    assert by_month(convention, "2028-01-20", "2028-04-10", "8200") == expected


@pytest.mark.parametrize(
    ("start", "expected"),
    [("2027-03-15", ["200", "200", "200", "200", "0"]), ("2027-03-16", ["0", "266.67", "266.66", "266.67", "0"])],
)
def test_mid_month_counts_a_start_by_the_fifteenth(start: str, expected: list[str]) -> None:
    assert by_month("mid_month", start, "2027-07-14", "800") == expected


def test_mid_month_counts_an_end_from_the_fifteenth_on() -> None:
    assert by_month("mid_month", "2027-03-16", "2027-07-15", "800") == ["0", "200", "200", "200", "200"]


def test_mid_month_over_two_months_that_do_not_count_is_earned_in_the_second() -> None:
    assert by_month("mid_month", "2027-01-22", "2027-02-10", "200") == ["0", "200"]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_term_inside_one_month_is_earned_in_it(convention: str) -> None:
    assert by_month(convention, "2027-05-18", "2027-05-24", "99.99") == ["99.99"]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_term_of_one_day_is_earned_on_it(convention: str) -> None:
    rows = frame(
        [
            {"convention": convention, "start": day("2028-02-29"), "end": day("2028-02-29"), "at": day(at), "amount": Decimal(7)}
            for at in ("2028-02-28", "2028-02-29", "2028-03-31")
        ]
    )
    assert earned_through(rows) == [Decimal(0), Decimal(7), Decimal(7)]


def test_a_service_of_no_length_is_earned_on_its_day() -> None:
    noon = dt.datetime(2027, 6, 3, 12, tzinfo=dt.UTC)
    row = {"convention": "actual_seconds", "start": day("2027-06-03"), "end": day("2027-06-03"), "from_at": noon, "to_at": noon}
    rows = frame([{**row, "at": day(at), "amount": Decimal(50)} for at in ("2027-06-02", "2027-06-03")])
    assert earned_through(rows) == [Decimal(0), Decimal(50)]


def test_a_term_that_ends_before_it_starts_earns_nothing_known() -> None:
    rows = frame([{"convention": c, "start": day("2027-06-03"), "end": day("2027-06-01"), "at": day("2027-06-02")} for c in CONVENTIONS])
    assert elapsed(rows) == ([None] * len(CONVENTIONS), [None] * len(CONVENTIONS))


def test_seconds_count_between_the_instants_even_past_the_last_date() -> None:
    # 1.5 days: 12 hours of 30 June, 24 of 1 July.
    instants = {"from_at": dt.datetime(2027, 6, 30, 12, tzinfo=dt.UTC), "to_at": dt.datetime(2027, 7, 2, tzinfo=dt.UTC)}
    row = {"convention": "actual_seconds", "start": day("2027-06-30"), "end": day("2027-06-30"), "amount": Decimal(300), **instants}
    assert earned_through(frame([{**row, "at": day("2027-06-30")}, {**row, "at": day("2027-07-01")}])) == [Decimal(100), Decimal(300)]


def test_thirty_360_gives_the_31st_nothing_and_the_end_of_february_the_rest() -> None:
    row = {"convention": "thirty_360", "start": day("2027-01-01"), "end": day("2027-12-31"), "amount": Decimal(360)}
    days = ["2027-01-30", "2027-01-31", "2027-02-27", "2027-02-28", "2027-03-01"]
    assert earned_through(frame([{**row, "at": day(at)} for at in days])) == [Decimal(n) for n in (30, 30, 57, 60, 61)]


def test_thirty_360_has_360_days_a_year_from_a_31st_too() -> None:
    # 31 January is a 30th: 1 day of January, 30 of every month between, 29 through 30 January.
    assert by_month("thirty_360", "2026-01-31", "2027-01-30", "360") == ["1", *["30"] * 11, "29"]
    assert by_month("thirty_360", "2026-03-31", "2026-04-30", "310") == ["10", "300"]


def test_anchored_months_from_the_31st_end_with_the_month() -> None:
    # Months from 31 January (29 days), 29 February (31) and 31 March (30): each calendar month holds one day of the next.
    assert by_month("anchored_months", "2028-01-31", "2028-04-29", "300") == ["3.45", "99.78", "100.1", "96.67"]
    row = {"convention": "anchored_months", "start": day("2028-01-31"), "end": day("2028-04-29"), "amount": Decimal(300)}
    boundaries = [day("2028-02-28"), day("2028-03-30"), day("2028-04-29")]
    assert earned_through(frame([{**row, "at": at} for at in boundaries])) == [Decimal(100), Decimal(200), Decimal(300)]


def test_an_anchor_day_of_its_own_makes_a_first_part_month() -> None:
    # Anchored on the 5th: 28 March – 4 April is 8 of the 31 days from 5 March.
    row = {"convention": "anchored_months", "start": day("2027-03-28"), "end": day("2027-05-04"), "anchor_day": 5, "amount": Decimal(390)}
    rows = frame([{**row, "at": day("2027-04-04")}, {**row, "at": day("2027-05-04")}])
    assert earned_through(rows) == [Decimal(80), Decimal(390)]


def test_prorated_ends_truncate_full_months_and_leave_the_rest_to_the_last() -> None:
    # 16 of 137 days at the front, 1 at the back; 1,001.00 − 116.91 − 7.31 over four months = 219.195.
    assert by_month("prorated_ends", "2027-01-16", "2027-06-01", "1001") == [
        "116.91", "219.19", "219.19", "219.19", "219.21", "7.31",
    ]  # fmt: skip
    assert by_month("prorated_ends", "2027-01-16", "2027-05-20", "-1001") == [
        "-128.13", "-237.57", "-237.57", "-237.57", "-160.16",
    ]  # fmt: skip


@pytest.mark.parametrize(("digits", "amount", "expected"), [(0, "1000", ["333", "334", "333"]), (3, "1.000", ["0.333", "0.334", "0.333"])])
def test_minor_units_of_yen_and_dinar(digits: int, amount: str, expected: list[str]) -> None:
    assert by_month("monthly_even", "2027-01-01", "2027-03-31", amount, digits=digits) == expected


@pytest.mark.parametrize(
    ("convention", "start", "end", "expected"),
    [
        ("monthly_even", "2027-08-18", "2027-12-31", Decimal(14) / 31 + 4),
        ("actual_days", "2027-08-18", "2027-12-31", Decimal(14) / 31 + 4),
        ("thirty_day", "2027-08-18", "2027-12-31", Decimal(14) / 30 + 4),
        ("thirty_360", "2027-08-18", "2027-12-31", Decimal(13) / 30 + 4),
        ("actual_365", "2027-01-01", "2028-12-31", Decimal(24)),
        ("anchored_months", "2028-01-31", "2028-04-29", Decimal(3)),
        ("mid_month", "2027-08-18", "2027-12-31", Decimal(4)),
        ("first_of_month", "2027-08-18", "2027-12-31", Decimal(5)),
    ],
)
def test_months_of_a_price_per_month(convention: str, start: str, end: str, expected: Decimal) -> None:
    rows = frame([{"convention": convention, "start": day(start), "end": day(end)}])
    months = with_months(rows.lazy(), numerator="n", denominator="d", terms=TERMS).collect()
    assert Decimal(months["n"][0]) / Decimal(months["d"][0]) == expected


def test_months_of_a_fiscal_calendar_are_its_periods() -> None:
    # 4-4-5 weeks: 28, 28 and 35 days; a term from the 15th day of the first to the end of the third.
    periods = pl.LazyFrame(
        {
            "legal_entity_id": ["LE"] * 3,
            "start_date": [day("2027-01-04"), day("2027-02-01"), day("2027-03-01")],
            "end_date": [day("2027-01-31"), day("2027-02-28"), day("2027-04-04")],
        }
    )
    rows = frame(
        [
            {"convention": "monthly_even", "start": day("2027-01-18"), "end": day("2027-04-04"), "at": day(at), "amount": Decimal(500)}
            for at in ("2027-01-31", "2027-02-28", "2027-04-04")
        ]
    ).with_columns(legal_entity_id=pl.lit("LE"))
    assert earned_through(rows, TermColumns("convention", "start", "end", periods=periods)) == [Decimal(100), Decimal(300), Decimal(500)]


def test_a_date_outside_the_fiscal_calendar_lies_in_its_calendar_month() -> None:
    periods = pl.LazyFrame({"legal_entity_id": ["LE"], "start_date": [day("2027-01-04")], "end_date": [day("2027-01-31")]})
    row = {"convention": "monthly_even", "start": day("2027-05-16"), "end": day("2027-05-31"), "at": day("2027-05-31")}
    rows = frame([{**row, "amount": Decimal(8)}] * 2).with_columns(legal_entity_id=pl.Series(["LE", None]))
    assert earned_through(rows, TermColumns("convention", "start", "end", periods=periods)) == [Decimal(8), Decimal(8)]


def test_what_is_left_after_a_day_is_spread_over_the_rest_of_the_term() -> None:
    # 900 after 30 June over July, August, September of a nine-month term.
    row = {"start": day("2027-01-01"), "end": day("2027-09-30"), "after": day("2027-06-30"), "at": day("2027-07-31")}
    rows = frame([{**row, "convention": convention, "amount": Decimal(900)} for convention in CONVENTIONS])
    spread = dict(zip(CONVENTIONS, earned_through(rows, after="after"), strict=True))
    by_days = Decimal("303.26")  # 31 of 92
    assert spread == {
        **dict.fromkeys(CONVENTIONS, Decimal(300)), "actual_days": by_days, "actual_365": by_days, "actual_seconds": by_days,
    }  # fmt: skip


terms = st.builds(
    lambda convention, start, length, amount, digits, anchor: {
        "convention": convention, "start": start, "end": start + dt.timedelta(days=length), "amount": Decimal(amount).scaleb(-2),
        "digits": digits, "anchor_day": anchor,
    },
    st.sampled_from(CONVENTIONS), st.dates(dt.date(2023, 1, 1), dt.date(2029, 12, 31)), st.integers(0, 1200),
    st.integers(-10_000_000_00, 10_000_000_00), st.sampled_from([2, 0, 3]), st.none() | st.integers(1, 31),
)  # fmt: skip


# Forty terms an example: a few examples see more terms than a hundred of one term each.
many_terms = st.lists(terms, min_size=20, max_size=40)
few_examples = settings(max_examples=max(settings().max_examples // 5, 1), deadline=None)


@few_examples
@given(many_terms, st.integers(0, 1000), st.integers(0, 1000))
def test_nothing_before_the_start_all_by_the_end_and_never_back(rows: list[dict[str, Any]], early: int, later: int) -> None:
    table = frame(rows).with_columns(length=(pl.col("end") - pl.col("start")).dt.total_days())
    shares = [pl.col("length") * share // 1000 for share in sorted((early, later))]
    moments = [pl.lit(-1), *shares, pl.col("length")]
    stacked = pl.concat([table.with_columns(at=pl.col("start") + pl.duration(days=moment)) for moment in moments])
    through, wholes = elapsed(stacked)
    count = table.height
    before, first, second, last = (through[part * count : (part + 1) * count] for part in range(4))
    assert before == [0] * count
    assert all(a is not None and b is not None and c is not None and a <= b <= c for a, b, c in zip(first, second, last, strict=True))
    assert last == wholes[:count]
    for row, amount in zip(rows, earned_through(stacked)[3 * count :], strict=True):
        assert abs(amount - row["amount"]) <= Decimal("0.5").scaleb(-min(row["digits"], 2))
        assert row["digits"] == 0 or amount == row["amount"]


@few_examples
@given(many_terms, st.integers(0, 1000))
def test_the_negative_of_an_amount_is_earned_as_its_negative(rows: list[dict[str, Any]], share: int) -> None:
    length = (pl.col("end") - pl.col("start")).dt.total_days()
    table = frame(rows).with_columns(at=pl.col("start") + pl.duration(days=length * share // 1000))
    both = earned_through(pl.concat([table, table.with_columns((pl.col("amount") * -1).cast(MONEY))]))
    assert both[: table.height] == [-amount for amount in both[table.height :]]


@few_examples
@given(many_terms, st.integers(-100, 1100))
def test_rows_of_one_convention_alone_measure_as_they_do_among_others(rows: list[dict[str, Any]], share: int) -> None:
    length = (pl.col("end") - pl.col("start")).dt.total_days()
    table = frame(rows).with_columns(at=pl.col("start") + pl.duration(days=length * share // 1000)).sort("convention")
    parts = [elapsed(part, replace(TERMS, only=str(name))) for (name,), part in table.partition_by("convention", as_dict=True).items()]
    assert tuple([each for part in parts for each in part[side]] for side in (0, 1)) == elapsed(table)


def test_thousands_of_rows_with_their_own_conventions_go_in_one_pass() -> None:
    row = {"start": day("2027-02-11"), "end": day("2028-05-03"), "at": day("2027-10-17"), "amount": Decimal("12345.67")}
    one = frame([{**row, "convention": convention} for convention in CONVENTIONS])
    many = pl.concat([one] * 500)
    assert earned_through(many) == earned_through(one) * 500
