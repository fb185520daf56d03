"""Foreign currency against sums done by hand: layers of an advance, remeasurement, missing rates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

Post = Callable[..., Any]

GBP = {"currency": "GBP", "functional_currency": "USD"}


def rates(kind: str, *days: tuple[str, str], currency: str = "GBP", to: str = "USD") -> list[dict[str, Any]]:
    return [{"from_currency": currency, "to_currency": to, "rate_type": kind, "rate_date": day, "rate": rate} for day, rate in days]


def paid(number: str, day: str, amount: int, **given: Any) -> dict[str, Any]:
    return {"payment_id": number, "contract_id": "C1", "paid_date": day, "amount": amount, **given}


def invoice(number: str, day: str, net: int, **given: Any) -> dict[str, Any]:
    return {"invoice_id": number, "contract_id": "C1", "invoice_date": day, "net_amount": net, "tax_amount": 0, "status": "posted", **given}


ADVANCES = {
    "lines": [{"amount": 1000}],
    "payment": [paid("P1", "2027-01-10", 400), paid("P2", "2027-02-10", 600)],
    "earned": [
        {"posting_date": "2027-03-05", "amount": 500, "timing": "point_in_time"},
        {"posting_date": "2027-04-05", "amount": 500, "timing": "point_in_time"},
    ],
    "exchange_rate": [
        *rates("spot", ("2027-01-10", "1.20"), ("2027-02-10", "1.30"), ("2027-03-05", "1.40"), ("2027-04-05", "1.10")),
        *rates("closing", ("2027-01-31", "1.21"), ("2027-02-28", "1.33"), ("2027-03-31", "1.38"), ("2027-04-30", "1.12")),
    ],
}


@pytest.mark.parametrize(
    ("layers", "first", "second"),
    # fifo: 400 at 1.20 and 100 at 1.30, then 500 at 1.30; average: 1,260 for 1,000.
    [("fifo", 610, 650), ("average", 630, 630)],
)
def test_revenue_from_an_advance_takes_the_rates_of_the_advance(posted: Post, layers: str, first: int, second: int) -> None:
    made = posted("2027-04-30", contracts=[{**GBP, "setting.fx.layers": layers}], **ADVANCES)
    assert made.entry("2027-03-05", functional=True) == {"contract_liability": first, "revenue": -first}
    assert made.entry("2027-04-05", functional=True) == {"contract_liability": second, "revenue": -second}
    assert made.balance("2027-02", "functional_contract_liability", "fx_difference") == [1260, 0]
    assert made.balance("2027-04", "functional_contract_liability", "contract_liability") == [0, 0]
    assert made.balances["fx_difference"].sum() == 0
    translated = made.books.extra["translated"]
    assert translated["functional_amount"].to_list() == [first, second]


def test_a_receivable_is_remeasured_at_closing_and_when_it_is_paid(posted: Post) -> None:
    made = posted(
        "2027-03-31", contracts=[GBP], lines=[{"amount": 800}], invoice=[invoice("I1", "2027-01-20", 800)],
        earned=[{"posting_date": "2027-01-20", "amount": 800, "timing": "point_in_time"}],
        payment=[paid("P1", "2027-02-15", 300, invoice_id="I1"), paid("P2", "2027-03-15", 500, invoice_id="I1")],
        exchange_rate=[
            *rates("spot", ("2027-01-20", "1.25"), ("2027-02-15", "1.28"), ("2027-03-15", "1.22")),
            *rates("closing", ("2027-01-31", "1.26"), ("2027-02-28", "1.27"), ("2027-03-31", "1.20")),
        ],
    )  # fmt: skip
    # 800 × (1.26 − 1.25); 800 × (1.28 − 1.26) − 500 × (1.28 − 1.27); 500 × (1.22 − 1.27).
    assert [made.balance(f"2027-0{month}", "fx_difference") for month in (1, 2, 3)] == [8, 11, -25]
    assert [made.balance(f"2027-0{month}", "functional_receivable") for month in (1, 2, 3)] == [1008, 635, 0]
    assert made.balance("2027-02", "functional_received") == 384
    assert made.entry("2027-02-15", functional=True) == {"cash": 384, "receivable": -368, "fx": -16}
    assert made.entry("2027-03-15", functional=True) == {"cash": 610, "receivable": -635, "fx": 25}


def test_over_time_revenue_takes_the_average_and_its_asset_the_closing_rate(posted: Post) -> None:
    given: dict[str, Any] = {
        "lines": [{"amount": 900}],
        "earned": [{"posting_date": "2027-01-31", "amount": 200}, {"posting_date": "2027-02-28", "amount": 300}],
        "exchange_rate": [
            *rates("average", ("2027-01-31", "1.31"), ("2027-02-28", "1.35")),
            *rates("closing", ("2027-01-31", "1.30"), ("2027-02-28", "1.40")),
            *rates("spot", ("2027-01-31", "1.30"), ("2027-02-28", "1.40")),
        ],
    }  # fmt: skip
    made = posted("2027-02-28", contracts=[GBP], **given)
    assert made.entry("2027-01-31", functional=True) == {"contract_asset": 260, "revenue": -262, "fx": 2}
    # 260 + 405 = 665 becomes 500 × 1.40.
    assert made.entry("2027-02-28", functional=True) == {"contract_asset": 440, "revenue": -405, "fx": -35}
    at_spot = posted("2027-02-28", contracts=[{**GBP, "setting.fx.revenue_rate": "spot"}], **given)
    assert at_spot.entry("2027-02-28", functional=True) == {"contract_asset": 440, "revenue": -420, "fx": -20}


@pytest.mark.parametrize(("policy", "liability", "difference"), [("payment_date", 1170, 0), ("invoice_date", 1080, 90)])
def test_an_advance_under_an_invoice_takes_the_rate_the_policy_names(posted: Post, policy: str, liability: int, difference: int) -> None:
    made = posted(
        "2027-02-28", contracts=[{**GBP, "setting.fx.advance_rate": policy}], lines=[{"amount": 900}],
        billing_plan_line=[{"plan_line_id": "B", "contract_id": "C1", "due_date": "2027-01-05", "amount": 900, "is_unconditional": False}],
        invoice=[invoice("I1", "2027-01-05", 900)], payment=[paid("P1", "2027-02-28", 900, invoice_id="I1")],
        exchange_rate=[*rates("spot", ("2027-01-05", "1.20"), ("2027-02-28", "1.30")), *rates("closing", ("2027-02-28", "1.30"))],
    )  # fmt: skip
    # Nothing is recorded at the invoice: it gives no right. The payment of 900 is worth 1,170.
    assert made.balance("2027-02", "functional_contract_liability", "fx_difference") == [liability, difference]


def test_the_rate_an_invoice_was_booked_at_comes_before_the_rate_of_its_day(posted: Post) -> None:
    made = posted(
        "2027-02-28", contracts=[{**GBP, "setting.fx.advance_rate": "invoice_date"}], lines=[{"amount": 900}],
        billing_plan_line=[{"plan_line_id": "B", "contract_id": "C1", "due_date": "2027-01-05", "amount": 900, "is_unconditional": False}],
        invoice=[invoice("I1", "2027-01-05", 900, exchange_rate="1.25")], payment=[paid("P1", "2027-02-28", 900, invoice_id="I1")],
        exchange_rate=rates("spot", ("2027-01-05", "1.20"), ("2027-02-28", "1.30")),
    )  # fmt: skip
    assert made.balance("2027-02", "functional_contract_liability") == 1125


def test_a_currency_without_cents_is_rounded_to_whole_units(posted: Post) -> None:
    made = posted(
        "2027-01-31", contracts=[{"currency": "USD", "functional_currency": "JPY"}], lines=[{"amount": 100}],
        earned=[{"posting_date": "2027-01-31", "amount": Decimal("33.33")}],
        exchange_rate=rates("closing", ("2027-01-31", "151.37"), currency="USD", to="JPY"),
    )  # fmt: skip
    # 33.33 × 151.37 = 5,045.1621
    assert made.balance("2027-01", "functional_contract_asset") == 5045


def test_a_rate_known_the_other_way_round_is_turned(posted: Post) -> None:
    made = posted(
        "2027-01-31", contracts=[GBP], payment=[paid("P1", "2027-01-31", 80)],
        exchange_rate=rates("spot", ("2027-01-31", "0.8"), currency="USD", to="GBP"),
    )  # fmt: skip
    assert made.balance("2027-01", "functional_contract_liability") == 100


def test_a_missing_rate_is_a_finding_and_leaves_the_contract_untranslated(posted: Post) -> None:
    money = [paid("P1", "2027-01-31", 80), paid("P2", "2027-01-31", 5, contract_id="C2")]
    made = posted("2027-02-28", contracts=[GBP, {"contract_id": "C2"}], payment=money)
    found = [(row["rule"], row["contract_id"], str(row["since"])) for row in made.findings]
    assert found == [("exchange_rate_missing", "C1", "2027-01-31")]
    assert made.balance("2027-01", "contract_liability") == 80
    assert made.balance("2027-01", "functional_contract_liability") is None
    assert made.balance("2027-01", "functional_contract_liability", contract="C2") == 5
    assert made.entry("2027-01-31") == {"cash": 80, "contract_liability": -80}
    assert made.entry("2027-01-31", functional=True) == {}


def test_a_deposit_is_money_owed_and_remeasured_until_the_contract_is_one(posted: Post) -> None:
    made = posted(
        "2027-03-31", contracts=[{**GBP, "gate_date": "2027-03-10"}], lines=[{"amount": 900}], payment=[paid("P1", "2027-01-10", 100)],
        exchange_rate=[
            *rates("spot", ("2027-01-10", "1.20"), ("2027-03-10", "1.32")),
            *rates("closing", ("2027-01-31", "1.25"), ("2027-02-28", "1.28"), ("2027-03-31", "1.5")),
        ],
    )  # fmt: skip
    # 120 grows to 125, 128 and 132, which is what the advance stands at from then on.
    assert [made.balance(f"2027-0{month}", "fx_difference") for month in (1, 2, 3)] == [-5, -3, -4]
    assert made.balance("2027-03", "functional_contract_liability", "deposit_liability") == [132, 0]


def test_a_refunded_advance_leaves_at_its_layer(posted: Post) -> None:
    made = posted(
        "2027-02-28", contracts=[GBP], lines=[{"amount": 900}], payment=[paid("P1", "2027-01-10", 100), paid("P2", "2027-02-10", -40)],
        exchange_rate=rates("spot", ("2027-01-10", "1.20"), ("2027-02-10", "1.30")),
    )  # fmt: skip
    assert made.entry("2027-02-10", functional=True) == {"cash": -52, "contract_liability": 48, "fx": 4}
    assert made.balance("2027-02", "functional_contract_liability") == 72


def test_the_order_of_rates_and_records_does_not_matter(posted: Post) -> None:
    turned = {name: rows[::-1] for name, rows in ADVANCES.items()}
    one, other = posted("2027-04-30", contracts=[GBP], **ADVANCES), posted("2027-04-30", contracts=[GBP], **turned)
    assert one.journal.equals(other.journal)
    assert one.balances.equals(other.balances)
    assert isinstance(one.balances, pl.DataFrame)


def test_a_document_in_another_currency_counts_at_the_rate_of_its_day(posted: Post) -> None:
    made = posted(
        "2027-02-28", lines=[{"amount": 1000}], earned=[{"posting_date": "2027-01-31", "amount": 500}],
        invoice=[invoice("I1", "2027-01-31", 400, currency="GBP")],
        payment=[paid("P1", "2027-02-10", 200, invoice_id="I1", currency="GBP")],
        exchange_rate=rates("spot", ("2027-01-31", "1.25"), ("2027-02-10", "1.30")),
    )  # fmt: skip
    assert made.balance("2027-01", "receivable", "contract_asset", "billed") == [500, 0, 500]
    assert made.balance("2027-02", "receivable", "received") == [240, 260]


def test_a_document_in_a_currency_without_rate_is_a_finding(posted: Post) -> None:
    made = posted("2027-02-28", invoice=[invoice("I1", "2027-01-31", 400, currency="CHF")])
    assert [(row["rule"], row["entity"], row["entity_id"]) for row in made.findings] == [("exchange_rate_missing", "invoice", "I1")]
    assert made.balance("2027-01", "billed", "receivable") == [0, 0]


@pytest.mark.parametrize(
    ("currency", "values"),
    # In pounds 2,400 at 1.20, 100 of it a month, however the pound stands later; in dollars the same is 2,000 pounds at that rate.
    [("GBP", (2400, 2880, 100, 120)), ("USD", (2000, 2400, "83.33", 100))],
)
def test_a_cost_asset_leaves_at_the_rate_it_came_in_at(posted: Post, currency: str, values: tuple[Any, ...]) -> None:
    amounts = {"capitalized": [2400, 0], "amortized": [100, 100], "impaired": [0, 0], "reversed": [0, 0], "expensed": [0, 0]}
    costs = pl.DataFrame(
        {
            "contract_id": ["C1"] * 2, "cost_id": ["K1"] * 2, "currency": [currency] * 2, "rule": ["340-40-35-1"] * 2,
            "kind": ["obtain"] * 2,
            "end_date": [dt.date(2027, 1, 31), dt.date(2027, 2, 28)], "evidence": [["c.csv:2"]] * 2,
            **{name: pl.Series(each, dtype=pl.Decimal(38, 6)) for name, each in amounts.items()},
        }
    )  # fmt: skip
    made = posted(
        "2027-02-28", contracts=[GBP], lines=[{"amount": 1000}], extra={"contract_costs": costs},
        exchange_rate=[
            *(each for kind in ("average", "spot", "closing") for each in rates(kind, ("2027-01-01", "1.20"), ("2027-02-15", "1.60"))),
            *rates("average", ("2027-01-01", str(Decimal(5) / Decimal(6))[:14]), currency="USD", to="GBP"),
        ],
    )  # fmt: skip
    inward, inward_functional, month, month_functional = values
    assets = made.journal.filter(pl.col("account_role") == "contract_cost_asset").sort("posting_date", "debit", descending=[False, True])
    assert assets["debit"].to_list() == [inward, 0, 0]
    assert assets["functional_debit"].to_list() == [inward_functional, 0, 0]
    assert [round(each, 1) for each in assets["credit"].to_list()[1:]] == [round(Decimal(month), 1)] * 2
    assert assets["functional_credit"].to_list() == [0, month_functional, month_functional]
