"""Conditional advances count from the day their money came; everything else keeps its promised day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from engine.revenue.price.advances import cash_of_contracts, once_paid

Make = Callable[..., pl.DataFrame]
DUE, LATER, AS_OF = dt.date(2026, 1, 1), dt.date(2026, 7, 1), dt.date(2026, 12, 31)


@pytest.fixture
def told(records: Make) -> Callable[..., list[tuple[int, dt.date | None]]]:
    """Return the amounts of one planned payment of 1,000 with the day each bears from."""

    def go(
        *paid: dict[str, Any], conditional: bool = True, timing: tuple[str, ...] = ("point_in_time",), taken_over: bool = False
    ) -> list[tuple[int, dt.date | None]]:
        contracts = records("contract", {"contract_id": "C1", "currency": "USD"})
        promised = records("payment", {"contract_id": "C1", "paid_date": DUE, "amount": 1000}).select(
            "contract_id", pl.col("paid_date").alias("date"), "amount", is_retention=False, is_conditional=conditional
        )
        lines = pl.DataFrame({"contract_id": "C1", "okey": [f"O{n}" for n in range(len(timing))], "timing": timing})
        payments = records("payment", *({"contract_id": "C1", "currency": "USD", **row} for row in paid))
        cash = cash_of_contracts(records("invoice"), payments)
        openings = contracts if taken_over else contracts.clear()
        return sorted(once_paid(promised, contracts, lines, cash, openings, AS_OF).select(pl.col("amount").cast(int), "bears_from").rows())

    return go


def test_money_that_came_on_the_day_or_before_bears_as_promised(told: Callable[..., Any]) -> None:
    assert told({"paid_date": DUE, "amount": 1000}) == [(1000, None)]
    assert told({"paid_date": dt.date(2025, 6, 1), "amount": 1000}) == [(1000, None)]


def test_each_part_bears_from_the_day_it_came_and_the_rest_from_the_day_after_the_run(told: Callable[..., Any]) -> None:
    found = told({"paid_date": DUE, "amount": 300}, {"paid_date": LATER, "amount": 500})
    assert found == [(200, dt.date(2027, 1, 1)), (300, None), (500, LATER)]


def test_money_of_after_the_run_is_not_there_yet(told: Callable[..., Any]) -> None:
    assert told({"paid_date": dt.date(2027, 3, 1), "amount": 1000}) == [(1000, dt.date(2027, 1, 1))]


@pytest.mark.parametrize(
    "otherwise",
    [{"conditional": False}, {"timing": ("over_time",)}, {"timing": ("point_in_time", "point_in_time")}, {"taken_over": True}],
    ids=["a right", "over time", "two promises", "an opening position"],
)
def test_others_keep_the_promised_day(told: Callable[..., Any], otherwise: dict[str, Any]) -> None:
    assert told({"paid_date": LATER, "amount": 1000}, **otherwise) == [(1000, None)]


def test_contracts_paid_in_another_currency_keep_it_too(told: Callable[..., Any]) -> None:
    assert told({"paid_date": LATER, "amount": 1000, "currency": "EUR"}) == [(1000, None)]
