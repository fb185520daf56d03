"""The engine and the plainest arithmetic say the same of the same contract, month by month."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from fractions import Fraction

import hypothesis
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.conditions import round_exactly
from tests.oracle.revenue import Agreement, Measured, Served
from tests.properties.test_revenue import AS_OF, Rows, run

TOGETHER = 8
SOME = max(hypothesis.settings().max_examples // (2 * TOGETHER), 3)
START = dt.date(2026, 1, 1)
MONTHS = [dt.date(2026 + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1) for month in range(1, 18)]
CENT = Decimal("0.01")

cents = st.integers(100, 10**8).map(lambda count: count * CENT)


def contract(name: str) -> dict[str, object]:
    return {
        "contract_id": name, "currency": "USD", "signed_date": START, "start_date": START, "status": "active", "enforceable": True,
        "collectible": True,
    }  # fmt: skip


def days(draw: st.DrawFn, most: int) -> list[dt.date]:
    found = draw(st.lists(st.integers(1, 450), max_size=most, unique=True))
    return [START + dt.timedelta(days=each) for each in sorted(found)]


def change(rows: Rows, name: str, day: dt.date, **fields: object) -> None:
    """Add an approved amendment of one line to the rows."""
    amendment = f"{name}A{len(rows['amendment'])}"
    rows["amendment"].append(
        {"amendment_id": amendment, "contract_id": name, "effective_date": day, "approved_date": day, "status": "approved"}
    )
    rows["amendment_line"].append({"amendment_line_id": amendment, "amendment_id": amendment, **fields})


@st.composite
def measured(draw: st.DrawFn, name: str) -> tuple[Rows, Measured]:
    """Draw a promise measured by hours, with new estimates of them, a bonus and changes of the price that catch up."""
    amount, hours = draw(cents), Decimal(draw(st.integers(50, 900)))
    rows: Rows = {each: [] for each in ("contract_line", "amendment", "amendment_line", "progress", "variable_estimate")}
    rows["contract"] = [contract(name)]
    rows["contract_line"] = [
        {"contract_line_id": name, "contract_id": name, "offering": "fixed_fee", "amount": amount, "estimated_hours": hours,
         "obligation_key": name},
        {"contract_line_id": f"{name}B", "contract_id": name, "offering": "fixed_fee", "amount": Decimal(0), "variable_kind": "bonus",
         "obligation_key": name},
    ]  # fmt: skip
    price, bonus = [(START, Fraction(amount))], [(START, Fraction(0))]
    done, expected = [(START, Fraction(0))], [(START, Fraction(hours))]
    for place, day in enumerate(days(draw, 6)):
        told = Decimal(draw(st.integers(0, 1200)))
        again = draw(st.none() | st.integers(1, 1200).map(Decimal))
        rows["progress"].append(
            {
                "progress_id": f"{name}{place}",
                "contract_line_id": name,
                "as_of_date": day,
                "hours_to_date": told,
                "estimated_total_hours": again,
            }
        )
        done.append((day, Fraction(told)))
        if again is not None:
            expected.append((day, Fraction(again)))
    for place, day in enumerate(days(draw, 3)):
        included = draw(st.integers(-(10**6), 10**6)) * CENT
        rows["variable_estimate"].append(
            {
                "estimate_id": f"{name}{place}",
                "contract_line_id": f"{name}B",
                "as_of_date": day,
                "method": "most_likely",
                "amount": included,
            }
        )
        bonus.append((day, Fraction(included)))
    for day in days(draw, 2):
        # An estimate of the same day as a change has its own order; here every day has one event.
        if day in {each for each, _ in (*bonus, *done)}:
            continue
        after = draw(cents)
        stated = draw(st.none() | st.integers(1, 1200).map(Decimal))
        change(
            rows, name, day, contract_line_id=name, action="change", amount=after, estimated_hours=stated, remaining_is_distinct=False
        )  # fmt: skip
        price.append((day, Fraction(after)))
        if stated is not None:
            expected.append((day, Fraction(stated)))
    return rows, Measured(price, bonus, done, sorted(expected, key=lambda step: step[0]))


@st.composite
def agreed(draw: st.DrawFn, name: str) -> tuple[Rows, Agreement]:
    """Draw promises served by the day that share a price and an expected amount, and promises added below their price."""
    rows: Rows = {each: [] for each in ("contract_line", "amendment", "amendment_line", "progress", "variable_estimate")}
    rows["contract"] = [contract(name)]

    def served(begins: dt.date, discount: Decimal) -> Served:
        amount = draw(cents)
        standalone = (amount * discount).quantize(CENT)
        return Served(Fraction(amount), Fraction(standalone), begins, begins + dt.timedelta(days=draw(st.integers(20, 400))))

    def line(key: str, each: Served) -> dict[str, object]:
        return {
            "contract_line_id": key, "offering": "retainer", "amount": Decimal(each.amount.numerator) / each.amount.denominator,
            "standalone_selling_price": Decimal(each.standalone.numerator) / each.standalone.denominator, "start_date": each.begins,
            "end_date": each.ends,
        }  # fmt: skip

    promises = {}
    for number in range(draw(st.integers(1, 3))):
        begins = START + dt.timedelta(days=draw(st.sampled_from([0, 0, 40])))
        promises[f"{name}L{number}"] = served(begins, Decimal(draw(st.integers(60, 150))) / 100)
    rows["contract_line"] = [{**line(key, each), "contract_id": name} for key, each in promises.items()]
    fixed = sum(each.amount for each in promises.values())
    expected = []
    for place, day in enumerate([START, *days(draw, 3)]):
        included = (Decimal(int(fixed)) * draw(st.integers(-30, 30)) / 100).quantize(CENT)
        rows["variable_estimate"].append(
            {"estimate_id": f"{name}{place}", "contract_id": name, "as_of_date": day, "method": "expected_value", "amount": included}
        )
        expected.append((day, Fraction(included)))
    added: dict[str, Served] = {}
    for day in days(draw, 2):
        if day in {each for each, _ in expected} or not any(each.ends >= day for each in (*promises.values(), *added.values())):
            continue
        key = f"{name}N{len(added)}"
        added[key] = served(day, Decimal(draw(st.integers(115, 200))) / 100)
        change(rows, name, day, **line(key, added[key]), action="add", remaining_is_distinct=True)
    return rows, Agreement(promises, expected, added)


def monthly(rows: list[Rows]) -> dict[tuple[str, dt.date], Decimal]:
    """Return what the engine says each line has earned by the end of each month."""
    names = {name for each in rows for name in each}
    books, _ = run({name: [row for each in rows for row in each.get(name, [])] for name in names}, AS_OF)
    done = books.performance.filter(~pl.col("is_planned")).group_by("contract_line_id", "posting_date").agg(pl.col("amount").sum())
    found: dict[tuple[str, dt.date], Decimal] = {}
    for line, of_line in itertools.groupby(done.sort("contract_line_id", "posting_date").iter_rows(), key=lambda row: row[0]):
        posted = list(of_line)
        for month in MONTHS:
            found[line, month] = sum((amount for _, day, amount in posted if day <= month), Decimal(0))
    return found


def cases(kind: object) -> st.SearchStrategy[tuple[tuple[Rows, object], ...]]:
    return st.tuples(*(kind(f"C{number}") for number in range(TOGETHER)))  # type: ignore[operator]


@hypothesis.settings(max_examples=SOME)
@given(cases(measured))
def test_progress_prices_and_estimates_come_to_what_arithmetic_says(drawn: tuple[tuple[Rows, Measured], ...]) -> None:
    told = monthly([rows for rows, _ in drawn])
    for number, (_, promise) in enumerate(drawn):
        for month in MONTHS:
            own = sum((told.get((line, month), Decimal(0)) for line in (f"C{number}", f"C{number}B")), Decimal(0))
            assert own == round_exactly(promise.earned(month), 2, half_even=False), (number, month)


@hypothesis.settings(max_examples=SOME)
@given(cases(agreed))
def test_shared_prices_and_additions_come_to_what_arithmetic_says(drawn: tuple[tuple[Rows, Agreement], ...]) -> None:
    told = monthly([rows for rows, _ in drawn])
    for _, agreement in drawn:
        # An allocation is rounded to cents at signing and at each addition, which the fractions are not.
        near = CENT * (2 + len(agreement.added))
        for month in MONTHS:
            for line, amount in agreement.earned(month).items():
                assert abs(told.get((line, month), Decimal(0)) - round_exactly(amount, 2, half_even=False)) <= near, (line, month)
