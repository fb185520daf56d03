"""Significant financing: hand-computed prices and interest."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.canonical.kinds import Kind, polars_dtype
from engine.revenue.price.financing import Financing, interest_entries, significant_financing

MONEY, PCT = polars_dtype(Kind.MONEY), polars_dtype(Kind.PCT)


def contract(**changes: Any) -> pl.DataFrame:
    row = {
        "contract_id": "C1", "calendar": "", "minor_digits": 2, "financing_rate": None, "financing_exclusion": None,
        "cash_price": None, "expedient_months": 12, "compounding": "annual",
    } | changes  # fmt: skip
    types: dict[str, pl.DataType | type[pl.DataType]] = {
        "financing_rate": PCT, "cash_price": MONEY, "financing_exclusion": pl.String,
        "minor_digits": pl.Int64, "expedient_months": pl.Int64,
    }  # fmt: skip
    return pl.DataFrame([row], schema_overrides=types)


def transfers(*rows: tuple[str, dt.date, str]) -> pl.DataFrame:
    data = [("C1", line, day, Decimal(amount)) for line, day, amount in rows]
    return pl.DataFrame(
        data, schema={"contract_id": pl.String, "contract_line_id": pl.String, "date": pl.Date, "amount": MONEY}, orient="row"
    )


def payments(*rows: tuple[dt.date, str], retention: tuple[dt.date, str] | None = None) -> pl.DataFrame:
    data = [("C1", day, Decimal(amount), False) for day, amount in rows]
    if retention is not None:
        data.append(("C1", retention[0], Decimal(retention[1]), True))
    schema: dict[str, pl.DataType] = {"contract_id": pl.String(), "date": pl.Date(), "amount": MONEY, "is_retention": pl.Boolean()}
    return pl.DataFrame(data, schema=schema, orient="row").with_columns(pl.lit(None, dtype=pl.Date).alias("bears_from"))


def months(first: int, last: int) -> pl.DataFrame:
    starts = pl.date_range(dt.date(first, 1, 1), dt.date(last, 12, 1), "1mo", eager=True)
    return pl.DataFrame({"start_date": starts}).with_columns(
        pl.lit("").alias("calendar"),
        pl.col("start_date").dt.strftime("%Y-%m").alias("period"),
        pl.col("start_date").dt.month_end().alias("end_date"),
    )


def price(found: Financing) -> Decimal:
    return Decimal(found.prices["price"].sum()).quantize(Decimal("0.01"))


def interest(found: Financing, first: int, last: int) -> dict[str, Decimal]:
    entries = interest_entries(found.parts, months(first, last))
    years = entries.group_by(pl.col("posting_date").dt.year().cast(pl.String).alias("year"), "direction").agg(pl.col("interest").sum())
    return {f"{row['year']} {row['direction']}": row["interest"] for row in years.to_dicts()}


def test_an_advance_grows_to_the_price_at_the_rate_of_the_contract() -> None:
    # 9,000 × 1.05³ = 10,418.625; the interest of the years is 450.00, 472.50, 496.13 (cumulative 1,418.625 → 1,418.63)
    found = significant_financing(
        contract(financing_rate=Decimal(5)), transfers(("L1", dt.date(2029, 1, 1), "9000")), payments((dt.date(2026, 1, 1), "9000"))
    )
    assert found.decisions["significant"].to_list() == [True]
    assert price(found) == Decimal("10418.62")  # half-even here; posting rounds half up
    assert interest(found, 2025, 2029) == {
        "2026 expense": Decimal(450),
        "2027 expense": Decimal("472.5"),
        "2028 expense": Decimal("496.13"),
    }


def test_instalments_after_transfer_are_worth_their_annuity() -> None:
    # 24 × 500 at 9 % a year, monthly 0.75 %: 500 × (1 − 1.0075^−24)/0.0075 = 10,944.573…
    due = [(dt.date(2026 + (month - 1) // 12, (month - 1) % 12 + 1, 15), "500") for month in range(2, 26)]
    found = significant_financing(
        contract(financing_rate=Decimal(9), compounding="monthly"), transfers(("L1", dt.date(2026, 1, 15), "12000")), payments(*due)
    )
    assert price(found) == Decimal("10944.57")
    assert sum(interest(found, 2026, 2028).values()) == Decimal("1055.43")
    assert set(interest(found, 2026, 2028)) == {"2026 income", "2027 income", "2028 income"}


def test_the_cash_price_implies_the_rate_and_is_the_price() -> None:
    # 14,520 in 24 months for a cash price of 12,000: 1.1² → 10 % a year
    found = significant_financing(
        contract(cash_price=Decimal(12000)), transfers(("L1", dt.date(2026, 3, 31), "14520")), payments((dt.date(2028, 3, 31), "14520"))
    )
    assert found.decisions.select("implicit_rate", "period_rate").row(0) == (10, 10)
    assert price(found) == Decimal(12000)
    assert interest(found, 2026, 2028) == {
        "2026 income": Decimal("889.19"),
        "2027 income": Decimal("1288.92"),
        "2028 income": Decimal("341.89"),
    }


def test_a_given_rate_prevails_over_the_implied_one() -> None:
    found = significant_financing(
        contract(financing_rate=Decimal(4), cash_price=Decimal(3000)),
        transfers(("L1", dt.date(2028, 1, 1), "2500")),
        payments((dt.date(2026, 1, 1), "2500")),
    )
    assert price(found) == Decimal(2704)
    assert found.decisions["implicit_rate"].item().quantize(Decimal("0.01")) == Decimal("9.54")
    assert found.decisions["period_rate"].item() == 4


@pytest.mark.parametrize(
    ("transfer", "expedient", "significant"),
    [
        (dt.date(2027, 1, 31), 12, False),
        (dt.date(2027, 2, 28), 12, True),
        (dt.date(2026, 7, 31), 0, True),
        (dt.date(2026, 7, 31), 12, False),
    ],
)
def test_the_expedient_holds_up_to_its_months_inclusive(transfer: dt.date, expedient: int, significant: bool) -> None:
    found = significant_financing(
        contract(financing_rate=Decimal(6), expedient_months=expedient),
        transfers(("L1", transfer, "100")),
        payments((dt.date(2026, 1, 31), "100")),
    )
    assert found.decisions["significant"].to_list() == [significant]
    assert found.decisions["rule"].to_list() == ["606-10-32-15" if significant else "606-10-32-18"]


def test_a_reason_other_than_financing_excludes_it() -> None:
    found = significant_financing(
        contract(financing_rate=Decimal(6), financing_exclusion="customer_discretion"),
        transfers(("L1", dt.date(2029, 1, 1), "100")), payments((dt.date(2026, 1, 1), "100")),
    )  # fmt: skip
    assert found.decisions.select("significant", "reason").row(0) == (False, "excluded: customer_discretion")
    assert found.prices.height == 0


def test_money_held_back_as_retention_is_no_financing() -> None:
    found = significant_financing(
        contract(financing_rate=Decimal(6)), transfers(("L1", dt.date(2026, 1, 1), "1000")),
        payments((dt.date(2026, 1, 1), "900"), retention=(dt.date(2029, 1, 1), "100")),
    )  # fmt: skip
    assert found.decisions["significant"].to_list() == [False]


def test_a_retention_is_a_part_of_every_transfer() -> None:
    found = significant_financing(
        contract(financing_rate=Decimal(10)), transfers(("L1", dt.date(2026, 1, 1), "1000"), ("L2", dt.date(2028, 1, 1), "1000")),
        payments((dt.date(2028, 1, 1), "1800"), retention=(dt.date(2029, 1, 1), "200")),
    )  # fmt: skip
    assert price(found) == Decimal("1843.80")  # 900 / 1.21 + 100 held back + 1,000
    assert found.prices["promised"].sum() == Decimal(2000)


def test_a_long_wait_without_any_rate_is_not_known() -> None:
    found = significant_financing(
        contract(cash_price=Decimal(-5)), transfers(("L1", dt.date(2029, 1, 1), "100")), payments((dt.date(2026, 1, 1), "100"))
    )
    assert found.decisions.select("significant", "reason").row(0) == (None, "no rate is given or implied")


def test_monthly_payments_for_monthly_service_finance_nothing() -> None:
    ends = [dt.date(2026 + (month - 1) // 12, (month - 1) % 12 + 1, 28) for month in range(1, 37)]
    found = significant_financing(
        contract(financing_rate=Decimal(8)), transfers(*[("L1", day, "10") for day in ends]), payments(*[(day, "10") for day in ends])
    )
    assert found.decisions["significant"].to_list() == [False]


def test_an_advance_for_years_of_service_bears_interest_until_each_year_is_served() -> None:
    # 300 in advance for three equal yearly transfers, one price each (32-16): P × (1/1.1 + 1/1.21 + 1/1.331) = 300, P = 120.634.
    # 300 × 10 % = 30; (330 - 120.634) × 10 % = 20.94; (230.302 - 120.634) × 10 % = 10.97; of 361.90 in all 10.96 are left.
    years = [("L1", dt.date(2026 + year, 1, 1), "100") for year in (1, 2, 3)]
    found = significant_financing(contract(financing_rate=Decimal(10)), transfers(*years), payments((dt.date(2026, 1, 1), "300")))
    assert price(found) == Decimal("361.90")
    assert interest(found, 2026, 2029) == {"2026 expense": Decimal(30), "2027 expense": Decimal("20.94"), "2028 expense": Decimal("10.96")}


def test_payment_by_period_compounds_once_a_step() -> None:
    # Half-yearly instalments at 6 %: 3 % a step; 1,000/1.03 + 1,000/1.03² + 1,000/1.03³ = 2,828.61
    due = [dt.date(2026, 7, 1), dt.date(2027, 1, 1), dt.date(2027, 7, 1)]
    found = significant_financing(
        contract(financing_rate=Decimal(6), compounding="period"),
        transfers(("L1", dt.date(2026, 1, 1), "3000")),
        payments(*[(day, "1000") for day in due]),
    )
    assert price(found) == Decimal("2828.61")
    assert found.decisions["period_rate"].item() == 3


def test_the_order_of_rows_changes_nothing() -> None:
    days = [("L2", dt.date(2028, 1, 1), "300"), ("L1", dt.date(2027, 6, 1), "700")]
    paid = [(dt.date(2026, 1, 1), "400"), (dt.date(2026, 2, 1), "600")]
    one = significant_financing(contract(financing_rate=Decimal(7)), transfers(*days), payments(*paid))
    two = significant_financing(contract(financing_rate=Decimal(7)), transfers(*days[::-1]), payments(*paid[::-1]))
    assert one.prices.equals(two.prices)
    assert interest(one, 2026, 2028) == interest(two, 2026, 2028)
