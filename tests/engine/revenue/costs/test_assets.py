"""Contract costs: which are assets, how they are amortized and written down; figures computed by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.revenue.costs.assets import classified, contract_costs, undetermined_costs
from engine.revenue.costs.recoverable import RECOVERABLE

DAY = dt.date
Make = Callable[..., pl.DataFrame]


def recoverable(*rows: tuple[dt.date, int | None], margin: int | None = None) -> pl.DataFrame:
    data = [("C1", day, amount if amount is None else Decimal(amount), margin, "USD") for day, amount in rows]
    return pl.DataFrame(data, schema=RECOVERABLE, orient="row")


def commission(**changes: Any) -> dict[str, Any]:
    return {
        "cost_id": "K1", "contract_id": "C1", "kind": "obtain", "incurred_date": DAY(2026, 1, 10), "amount": 3650, "currency": "USD",
        "benefit_start": DAY(2026, 1, 1), "benefit_end": DAY(2027, 12, 31), "is_incremental": True,
    } | changes  # fmt: skip


@pytest.fixture
def costs(records: Make, contracts: Make, lines: Make, months: Callable[[int, int], pl.DataFrame]) -> Callable[..., pl.DataFrame]:
    def go(
        *rows: dict[str, Any], as_of: dt.date, limits: pl.DataFrame | None = None, contract: dict[str, Any] | None = None
    ) -> pl.DataFrame:
        terms = {"start_date": DAY(2026, 1, 1), "end_date": DAY(2026, 12, 31)} | (contract or {})
        limits = recoverable() if limits is None else limits
        return contract_costs(
            records("contract_cost", *rows), contracts(terms), lines({"start_date": DAY(2026, 1, 1), "end_date": DAY(2026, 12, 31)}),
            months(2026, 2030), limits, pl.lit(as_of),
        )  # fmt: skip

    return go


def column(found: pl.DataFrame, name: str) -> dict[str, Decimal]:
    return {row["period"]: row[name] for row in found.filter(pl.col(name) != 0).to_dicts()}


def test_an_incremental_cost_is_an_asset_amortized_by_the_day(costs: Callable[..., pl.DataFrame]) -> None:
    found = costs(commission(), as_of=DAY(2026, 3, 31))
    # 3,650 over 730 days: 5.00 a day
    assert column(found, "capitalized") == {"2026-01": 3650}
    assert column(found, "amortized") == {"2026-01": 155, "2026-02": 140, "2026-03": 155}
    assert column(found, "closing") == {"2026-01": 3495, "2026-02": 3355, "2026-03": 3200}
    assert column(found, "opening") == {"2026-02": 3495, "2026-03": 3355}


@pytest.mark.parametrize(
    ("changes", "treatment", "rule"),
    [
        ({}, "capitalize", "340-40-25-1"),
        ({"is_incremental": False}, "expense", "340-40-25-3"),
        ({"is_incremental": None}, "expense", "340-40-25-3"),
        ({"benefit_end": DAY(2026, 12, 31)}, "expense", "340-40-25-4"),
        ({"benefit_end": DAY(2027, 1, 1)}, "capitalize", "340-40-25-1"),
        ({"kind": "fulfil", "is_incremental": None, "benefit_end": DAY(2026, 6, 30)}, "capitalize", "340-40-25-5"),
        ({"kind": "fulfil", "governed_by": "350-40"}, "other_standard", "governed by 350-40"),
        ({"kind": "delivery"}, "expense", "340-40-25-8"),
    ],
)
def test_what_a_cost_is(records: Make, contracts: Make, lines: Make, changes: dict[str, Any], treatment: str, rule: str) -> None:
    found = classified(records("contract_cost", commission(**changes)), contracts({"start_date": DAY(2026, 1, 1)}), lines({}))
    assert found.select("treatment", "rule").row(0) == (treatment, rule)


def test_a_policy_without_the_expedient_capitalizes_short_benefits(records: Make, contracts: Make, lines: Make) -> None:
    short = records("contract_cost", commission(benefit_end=DAY(2026, 3, 31)))
    found = classified(short, contracts({"setting.costs.expedient_months": 0}), lines({}))
    assert found["treatment"].to_list() == ["capitalize"]


def test_the_benefit_runs_through_expected_renewals(records: Make, contracts: Make, lines: Make) -> None:
    cost = records("contract_cost", commission(benefit_start=None, benefit_end=None, expected_renewals=2))
    found = classified(cost, contracts({"start_date": DAY(2026, 3, 1), "end_date": DAY(2027, 2, 28)}), lines({}))
    assert found.select("benefit_start", "benefit_end").row(0) == (DAY(2026, 3, 1), DAY(2029, 2, 28))


def test_a_write_down_is_spread_over_the_rest_of_the_benefit(costs: Callable[..., pl.DataFrame]) -> None:
    fulfil = commission(kind="fulfil", amount=2400, benefit_end=DAY(2026, 12, 31), incurred_date=DAY(2026, 1, 1))
    monthly = {"setting.costs.proration": "monthly_even"}
    found = costs(fulfil, as_of=DAY(2026, 5, 31), limits=recoverable((DAY(2026, 3, 31), 900), (DAY(2026, 5, 31), 5000)), contract=monthly)
    # 200 a month; carrying 1,800 at the end of March is written down to 900: 100 a month from then on
    assert column(found, "impaired") == {"2026-03": 900}
    assert column(found, "amortized") == {"2026-01": 200, "2026-02": 200, "2026-03": 200, "2026-04": 100, "2026-05": 100}
    assert column(found, "closing")["2026-05"] == 700
    assert column(found, "reversed") == {}


def test_ifrs_takes_a_write_down_back_up_to_what_amortization_would_have_left(costs: Callable[..., pl.DataFrame]) -> None:
    fulfil = commission(kind="fulfil", amount=2400, benefit_end=DAY(2026, 12, 31), incurred_date=DAY(2026, 1, 1))
    ifrs = {"setting.costs.proration": "monthly_even", "setting.standard": "ifrs"}
    found = costs(fulfil, as_of=DAY(2026, 6, 30), limits=recoverable((DAY(2026, 3, 31), 900), (DAY(2026, 5, 31), 5000)), contract=ifrs)
    # At the end of May 700 are left, 1,400 without the write-down
    assert column(found, "reversed") == {"2026-05": 700}
    assert column(found, "closing") == {"2026-01": 2200, "2026-02": 2000, "2026-03": 900, "2026-04": 800, "2026-05": 1400, "2026-06": 1200}


def test_amortization_alone_takes_no_write_down_back(costs: Callable[..., pl.DataFrame]) -> None:
    fulfil = commission(kind="fulfil", amount=2400, benefit_end=DAY(2026, 12, 31), incurred_date=DAY(2026, 1, 1))
    ifrs = {"setting.costs.proration": "monthly_even", "setting.standard": "ifrs"}
    same = ((DAY(2026, 3, 31), 900), (DAY(2026, 4, 30), 900))
    for limits in (recoverable(*same), recoverable(*same, margin=900)):
        # 800 are carried where 900 could be: nothing more is expected of the contract than in March
        found = costs(fulfil, as_of=DAY(2026, 4, 30), limits=limits, contract=ifrs)
        assert column(found, "reversed") == {}
        assert column(found, "closing")["2026-04"] == 800


def test_two_assets_of_a_contract_share_a_write_down_by_what_they_carry(costs: Callable[..., pl.DataFrame]) -> None:
    later = {"kind": "fulfil", "benefit_start": DAY(2027, 1, 1), "incurred_date": DAY(2026, 1, 1)}
    found = costs(
        commission(**later, amount=100), commission(cost_id="K2", **later, amount=200), as_of=DAY(2026, 1, 31),
        limits=recoverable((DAY(2026, 1, 31), 250)),
    )  # fmt: skip
    # 50 shared 1 : 2, cumulatively rounded
    assert dict(found.select("cost_id", "impaired").rows()) == {"K1": Decimal("16.67"), "K2": Decimal("33.33")}


def test_what_is_left_on_termination_is_written_off(costs: Callable[..., pl.DataFrame]) -> None:
    ended = {"status": "terminated", "terminated_date": DAY(2026, 2, 28)}
    found = costs(commission(), as_of=DAY(2026, 4, 30), contract=ended)
    assert column(found, "impaired") == {"2026-02": 3355}
    assert column(found, "amortized") == {"2026-01": 155, "2026-02": 140}
    assert found["period"].to_list() == ["2026-01", "2026-02"]


def test_an_unknown_amount_recoverable_is_no_write_down(costs: Callable[..., pl.DataFrame]) -> None:
    assert column(costs(commission(), as_of=DAY(2026, 1, 31), limits=recoverable((DAY(2026, 1, 31), None))), "impaired") == {}


def test_costs_that_cannot_be_treated_are_told(records: Make, contracts: Make, lines: Make) -> None:
    rows = [commission(is_incremental=None), commission(cost_id="K2", benefit_end=None), commission(cost_id="K3")]
    found = undetermined_costs(classified(records("contract_cost", *rows), contracts({}), lines({})))
    assert dict(found.select("cost_id", "reason").rows()) == {"K1": "incremental", "K2": "benefit"}
