"""Disclosures: bands, expedients, revenue by source, splits; figures computed by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.bands import fiscal_year_start
from engine.revenue.disclosures.backlog import remaining_obligations
from engine.revenue.disclosures.flows import disaggregated, opening_liability_recognized, prior_period_performance, year_to_date
from engine.revenue.disclosures.notes import disclosures
from engine.revenue.disclosures.positions import credit_exposures, current_portions, roll_forward, to_unit, waterfall
from engine.revenue.ground import frames

DAY = dt.date
Make = Callable[..., pl.DataFrame]
AS_OF = pl.lit(DAY(2026, 9, 30))


def planned(*rows: tuple[dt.date, int]) -> list[dict[str, Any]]:
    return [{"posting_date": day, "amount": amount, "is_planned": True} for day, amount in rows]


@pytest.fixture
def rpo(contracts: Make, obligations: Make, lines: Make, performance: Make) -> Callable[..., list[tuple[Any, ...]]]:
    def go(
        earned: list[dict[str, Any]], *, contract: dict[str, Any] | None = None, obligation: dict[str, Any] | None = None,
        line: dict[str, Any] | None = None, year: str | None = None,
    ) -> list[tuple[Any, ...]]:  # fmt: skip
        terms = contracts({"start_date": DAY(2026, 1, 1), "end_date": DAY(2027, 12, 31), **(contract or {})})
        terms = terms.with_columns(pl.lit(year, dtype=pl.String).alias("fiscal_year_start"))
        promised = obligations({"allocated_amount": 2400, "timing": "over_time", "is_as_invoiced": False, **(obligation or {})})
        found = remaining_obligations(terms, promised, lines(line or {}), performance(*earned), frames.empty(frames.FEES), AS_OF)
        return found.select("band_start", "band_end", "amount", "exempted_by").rows()

    return go


PLAN = [
    {"posting_date": DAY(2026, 9, 30), "amount": 900},
    *planned((DAY(2026, 12, 31), 300), (DAY(2027, 6, 30), 500), (DAY(2027, 12, 31), 700)),
]


def test_what_is_planned_falls_in_the_band_of_its_day(rpo: Callable[..., list[tuple[Any, ...]]]) -> None:
    assert rpo(PLAN) == [
        (DAY(2026, 10, 1), DAY(2026, 12, 31), 300, None),
        (DAY(2027, 1, 1), DAY(2027, 12, 31), 1200, None),
    ]


def test_bands_follow_the_fiscal_year_of_the_legal_entity(rpo: Callable[..., list[tuple[Any, ...]]]) -> None:
    found = rpo(PLAN, contract={"setting.disclosure.rpo_bands": "fiscal_year"}, year="07-01")
    assert found == [(DAY(2026, 10, 1), DAY(2027, 6, 30), 800, None), (DAY(2027, 7, 1), DAY(2028, 6, 30), 700, None)]


def test_what_no_plan_dates_is_spread_to_the_end_of_an_over_time_promise(rpo: Callable[..., list[tuple[Any, ...]]]) -> None:
    # 1,500 over 92 + 365 days: 301.97 by the end of the year
    found = rpo([{"posting_date": DAY(2026, 9, 30), "amount": 900}])
    assert [row[2] for row in found] == [Decimal("301.97"), Decimal("1198.03")]


def test_a_promise_at_a_point_stands_on_its_expected_day_or_on_none(rpo: Callable[..., list[tuple[Any, ...]]]) -> None:
    at_a_point = {"timing": "point_in_time"}
    assert rpo([], obligation=at_a_point, line={"transfer_date": DAY(2027, 3, 15)}) == [(DAY(2027, 1, 1), DAY(2027, 12, 31), 2400, None)]
    assert rpo([], obligation=at_a_point, contract={"end_date": None}) == [(None, None, 2400, None)]


def test_a_contract_its_customer_may_end_is_promised_through_the_notice(rpo: Callable[..., list[tuple[Any, ...]]]) -> None:
    monthly = planned(*((DAY(2026, month, 1) + dt.timedelta(days=30), 100) for month in (10, 12)))
    # Notice to 10 October: 10 of 31 days of the 100 planned on 31 October; nothing of December
    found = rpo(monthly, contract={"term_end": DAY(2026, 10, 10)}, obligation={"allocated_amount": 200})
    assert found == [(DAY(2026, 10, 1), DAY(2026, 12, 31), Decimal("32.26"), None)]


def test_expedients_exempt_one_by_one_and_say_so(rpo: Callable[..., list[tuple[Any, ...]]]) -> None:
    short = {"end_date": DAY(2026, 12, 31), "setting.disclosure.rpo_expedients": ["original_term", "right_to_invoice"]}
    assert rpo([], contract=short) == [(None, None, 0, "original_term")]
    hourly = {"is_as_invoiced": True, "allocated_amount": None}
    assert rpo([], contract={**short, "end_date": DAY(2027, 12, 31)}, obligation=hourly) == [(None, None, 0, "right_to_invoice")]
    variable = {"setting.disclosure.rpo_expedients": ["unsatisfied_variable"]}
    at_once = {"allocated_variable": 400, "timing": "point_in_time"}
    found = rpo([], contract=variable, obligation={**at_once, "variable_alone": 400}, line={"transfer_date": DAY(2027, 1, 31)})
    assert found == [(DAY(2027, 1, 1), DAY(2027, 12, 31), 2000, None), (None, None, 0, "unsatisfied_variable")]
    # a share of an amount that is promised for others too is not wholly this promise's
    found = rpo([], contract=variable, obligation={**at_once, "variable_alone": 0}, line={"transfer_date": DAY(2027, 1, 31)})
    assert found == [(DAY(2027, 1, 1), DAY(2027, 12, 31), 2400, None)]


def test_a_completed_contract_needs_no_expedient(rpo: Callable[..., list[tuple[Any, ...]]]) -> None:
    short = {"end_date": DAY(2026, 8, 31), "setting.disclosure.rpo_expedients": ["original_term"]}
    assert rpo([{"posting_date": DAY(2026, 8, 31), "amount": 2400}], contract=short) == []


def test_work_by_the_hour_without_the_expedient_counts_committed_hours(rpo: Callable[..., list[tuple[Any, ...]]]) -> None:
    hourly = {"is_as_invoiced": True, "allocated_amount": None}
    line = {"estimated_hours": 730, "unit_price": 100, "start_date": DAY(2026, 1, 1), "end_date": DAY(2027, 12, 31)}
    earned = [{"posting_date": DAY(2026, 9, 30), "amount": 27300, "timing": "as_invoiced"}]
    # 73,000 committed; with 30 days' notice 303 of 730 days of it
    assert sum(row[2] for row in rpo(earned, obligation=hourly, line=line)) == 45700
    assert rpo(earned, obligation=hourly, line=line, contract={"term_end": DAY(2026, 10, 30)}) == [
        (DAY(2026, 10, 1), DAY(2026, 12, 31), 3000, None)
    ]


def test_a_terminated_contract_promises_nothing(rpo: Callable[..., list[tuple[Any, ...]]]) -> None:
    assert rpo([], contract={"status": "terminated", "terminated_date": DAY(2026, 9, 30)}) == []


@pytest.fixture
def years(contracts: Make) -> pl.DataFrame:
    terms = contracts({}, {"contract_id": "C2", "group_id": "C2"}).with_columns(pl.lit("04-01").alias("fiscal_year_start"))
    return year_to_date(terms, AS_OF)


def liability(contract: str, day: dt.date, amount: int) -> dict[str, Any]:
    none = dict.fromkeys(("contract_asset", "paid_ahead", "remaining_obligation"), Decimal(0))
    return {"contract_id": contract, "end_date": day, "contract_liability": Decimal(amount), **none}


def test_the_opening_liability_is_used_first(years: pl.DataFrame, performance: Make) -> None:
    liabilities = pl.DataFrame(
        [liability("C1", DAY(2026, 2, 28), 70), liability("C1", DAY(2026, 3, 31), 90), liability("C2", DAY(2026, 3, 31), 50)],
        schema_overrides=dict.fromkeys(("contract_liability", "contract_asset", "paid_ahead", "remaining_obligation"), MONEY),
    )
    earned = performance(
        {"posting_date": DAY(2026, 3, 31), "amount": 500}, {"posting_date": DAY(2026, 5, 31), "amount": 60},
        {"posting_date": DAY(2026, 8, 31), "amount": 80}, {"contract_id": "C2", "posting_date": DAY(2026, 4, 30), "amount": 20},
    )  # fmt: skip
    # 30 taken back of earlier years lessen what was earned out of C2's liability by nothing: 20 are what is left of 50 earned.
    prior = pl.DataFrame(
        {"contract_id": ["C2", "C2"], "amount": [Decimal(-30), Decimal(10)]}, schema_overrides={"amount": MONEY}
    )
    found = opening_liability_recognized(years, earned, prior, liabilities)
    assert dict(found.select("contract_id", "amount").rows()) == {"C1": 90, "C2": 50}
    assert found.select("band_start", "band_end").unique().rows() == [(DAY(2026, 4, 1), DAY(2026, 9, 30))]


def test_the_part_of_a_catch_up_before_the_year_is_prior_performance(
    years: pl.DataFrame, performance: Make, months: Callable[[int, int], pl.DataFrame]
) -> None:
    earned = performance(
        {"posting_date": DAY(2026, 3, 31), "amount": 300, "progress": "0.3"},
        {"posting_date": DAY(2026, 6, 30), "amount": 200, "progress": "0.5"},
        {"posting_date": DAY(2026, 7, 31), "amount": 100, "progress": "0.5", "catch_up_amount": 100, "nature": "estimate_change"},
        {"posting_date": DAY(2026, 7, 31), "amount": 40, "catch_up_amount": 40, "nature": "out_of_period", "relates_to_period": "2026-03"},
        {"posting_date": DAY(2026, 7, 31), "amount": 7, "catch_up_amount": 7, "nature": "out_of_period", "relates_to_period": "2026-05"},
    )
    nothing = frames.empty(frames.DONE_BY_CHANGE), frames.empty(frames.OBSERVATIONS), frames.empty(frames.MODIFICATIONS)
    found = prior_period_performance(years, earned, months(2026, 2026), *nothing)
    # 100 × 30 % ÷ 50 %; the late fact of March whole, that of May not at all
    assert dict(found.select("dimension_value", "amount").rows()) == {"estimate_change": 60, "out_of_period": 40}


def test_disaggregation_follows_references_and_every_dimension_sums_to_the_whole(
    years: pl.DataFrame, contracts: Make, performance: Make, records: Make
) -> None:
    by = {"setting.disclosure.disaggregate_by": ["service_line", "customer.country", "timing"]}
    golden = {
        "contract": records("contract", {"contract_id": "C1", "customer_id": "K1"}, {"contract_id": "C2"}),
        "contract_line": records("contract_line", {"contract_line_id": "L1", "service_line": "Data"}, {"contract_line_id": "L2"}),
        "customer": records("customer", {"customer_id": "K1", "country": "NO"}),
    }
    earned = performance(
        {"posting_date": DAY(2026, 3, 31), "amount": 999}, {"posting_date": DAY(2026, 4, 30), "amount": 30},
        {"posting_date": DAY(2026, 4, 30), "amount": 5, "timing": "as_invoiced"},
        {"contract_id": "C2", "contract_line_id": "L2", "posting_date": DAY(2026, 5, 31), "amount": 12, "timing": "point_in_time"},
    )  # fmt: skip
    found = disaggregated(years, contracts(by, {**by, "contract_id": "C2"}), earned, golden)
    assert {row[:2]: row[2] for row in found.select("dimension", "dimension_value", "amount").rows()} == {
        ("service_line", "Data"): 35, ("service_line", None): 12, ("customer.country", "NO"): 35, ("customer.country", None): 12,
        ("timing", "over_time"): 35, ("timing", "point_in_time"): 12,
    }  # fmt: skip


def test_the_roll_forward_sums_to_the_closing_position(years: pl.DataFrame, performance: Make) -> None:
    balances = pl.DataFrame(
        [liability("C1", DAY(2026, 3, 31), 90), liability("C1", DAY(2026, 9, 30), 30)],
        schema_overrides=dict.fromkeys(("contract_liability", "contract_asset", "paid_ahead", "remaining_obligation"), MONEY),
    )
    earned = performance(
        {"posting_date": DAY(2026, 5, 31), "amount": 100}, {"posting_date": DAY(2026, 5, 31), "amount": -15, "nature": "modification"}
    )
    interest = pl.DataFrame(
        {"contract_id": ["C1"], "posting_date": [DAY(2026, 6, 30)], "cause": ["interest"], "amount": [Decimal(-4)]},
        schema_overrides={"amount": MONEY},
    )
    found = dict(roll_forward(years, earned, balances, interest).select("dimension_value", "amount").rows())
    assert found == {"opening": -90, "current": 100, "modification": -15, "interest": -4, "billed_or_received": -21, "closing": -30}


def test_current_and_non_current(years: pl.DataFrame) -> None:
    closing = pl.DataFrame(
        {"contract_id": ["C1", "C1", "C1"], "balance": ["contract_liability", "cost_asset", "contract_asset"],
         "amount": [Decimal(100), Decimal(50), Decimal(20)], "currency": ["USD"] * 3},
        schema_overrides={"amount": MONEY},
    )  # fmt: skip
    future = pl.DataFrame(
        [("C1", "contract_liability", DAY(2027, 3, 31), Decimal(60)), ("C1", "contract_liability", DAY(2028, 3, 31), Decimal(30)),
         ("C1", "cost_asset", DAY(2027, 9, 30), Decimal(15))],
        schema={"contract_id": pl.String, "balance": pl.String, "date": pl.Date, "amount": MONEY}, orient="row",
    )  # fmt: skip
    found = current_portions(closing, future, pl.lit(DAY(2027, 9, 30)), AS_OF)
    assert {row[:2]: row[2] for row in found.select("dimension", "dimension_value", "amount").rows()} == {
        ("contract_liability", "current"): 70, ("contract_liability", "non_current"): 30, ("cost_asset", "current"): 15,
        ("cost_asset", "non_current"): 35, ("contract_asset", "current"): 20,
    }  # fmt: skip


def test_the_waterfall_uses_the_liability_up_in_order(performance: Make) -> None:
    closing = pl.DataFrame(
        {"contract_id": ["C1"], "contract_liability": [Decimal(130)], "currency": ["USD"]},
        schema_overrides={"contract_liability": MONEY},
    )
    plan = planned((DAY(2026, 10, 31), 50), (DAY(2026, 11, 30), 60))
    found = waterfall(closing, performance({"posting_date": DAY(2026, 9, 30), "amount": 45}, *plan), AS_OF)
    assert found.select("band_start", "dimension_value", "amount").sort("band_start", nulls_last=True).rows() == [
        (DAY(2026, 9, 1), "recognized", 45), (DAY(2026, 10, 1), "deferred", 50), (DAY(2026, 11, 1), "deferred", 60),
        (None, "deferred_undated", 20),
    ]  # fmt: skip


def test_credit_exposure_is_open_money_by_age_and_contract_assets(records: Make) -> None:
    invoice = {"contract_id": "C1", "currency": "USD", "status": "posted", "invoice_date": DAY(2026, 7, 1)}
    invoices = records(
        "invoice", {**invoice, "invoice_id": "I1", "due_date": DAY(2026, 8, 1), "gross_amount": 100},
        {**invoice, "invoice_id": "I2", "due_date": DAY(2026, 10, 30), "gross_amount": 70},
        {**invoice, "invoice_id": "I3", "gross_amount": 9, "status": "draft"},
    )  # fmt: skip
    applied = pl.DataFrame(
        [("I1", DAY(2026, 9, 1), Decimal(40)), ("I2", DAY(2026, 10, 1), Decimal(70))],
        schema={"invoice_id": pl.String, "date": pl.Date, "amount": MONEY},
        orient="row",
    )
    closing = pl.DataFrame(
        {"contract_id": ["C1"], "contract_asset": [Decimal(25)], "currency": ["USD"]}, schema_overrides={"contract_asset": MONEY}
    )
    found = credit_exposures(invoices, applied, closing, AS_OF)
    assert dict(found.select("dimension_value", "amount").rows()) == {"31-60": 60, "not_due": 70, "contract_asset": 25}


def test_a_credit_note_lessens_the_invoice_it_corrects_at_its_age(records: Make) -> None:
    invoice = {"contract_id": "C1", "currency": "USD", "status": "posted"}
    invoices = records(
        "invoice", {**invoice, "invoice_id": "I1", "invoice_date": DAY(2026, 5, 1), "due_date": DAY(2026, 5, 31), "gross_amount": 100},
        {**invoice, "invoice_id": "N1", "corrects_invoice_id": "I1", "invoice_date": DAY(2026, 9, 20), "gross_amount": -100},
        {**invoice, "invoice_id": "N2", "invoice_date": DAY(2026, 9, 20), "gross_amount": -5},
    )  # fmt: skip
    applied = pl.DataFrame(schema={"invoice_id": pl.String, "date": pl.Date, "amount": MONEY})
    closing = pl.DataFrame(schema={"contract_id": pl.String, "contract_asset": MONEY, "currency": pl.String})
    found = credit_exposures(invoices, applied, closing, AS_OF)
    assert found["amount"].to_list() == [-5]


def test_amounts_are_rounded_to_the_unit_of_the_policy(contracts: Make) -> None:
    rows = pl.DataFrame(
        {"contract_id": ["C1", "C1"], "amount": [Decimal(1500), Decimal("-2499.99")]}, schema_overrides={"amount": MONEY}
    )
    assert to_unit(rows, contracts({"setting.rounding.disclosure_unit": 1000}))["amount"].to_list() == [2000, -2000]
    assert to_unit(rows, contracts({}))["amount"].to_list() == [1500, Decimal("-2499.99")]


@pytest.mark.parametrize(
    ("day", "start", "first"),
    [
        (DAY(2026, 3, 31), "04-01", DAY(2025, 4, 1)),
        (DAY(2026, 4, 1), "04-01", DAY(2026, 4, 1)),
        (DAY(2026, 7, 1), None, DAY(2026, 1, 1)),
        (DAY(2027, 3, 1), "02-29", DAY(2027, 3, 1)),
        (DAY(2026, 8, 31), "2026-07-01", DAY(2026, 7, 1)),
        (DAY(2026, 8, 31), "--10-01", DAY(2025, 10, 1)),
        (DAY(2026, 8, 31), "7", DAY(2026, 7, 1)),
        (DAY(2026, 8, 31), "31-12", DAY(2026, 1, 1)),
    ],
)
def test_the_fiscal_year_a_day_lies_in(day: dt.date, start: str | None, first: dt.date) -> None:
    assert pl.select(fiscal_year_start(pl.lit(day), pl.lit(start, dtype=pl.String))).item() == first


def test_the_whole_output_has_its_columns_whatever_is_missing(
    contracts: Make, obligations: Make, lines: Make, performance: Make, months: Callable[[int, int], pl.DataFrame]
) -> None:
    books = frames.Books(
        contracts({"start_date": DAY(2026, 1, 1), "end_date": DAY(2027, 12, 31)}), lines({}),
        obligations({"allocated_amount": 100, "timing": "over_time", "is_as_invoiced": False}),
        performance({"posting_date": DAY(2026, 8, 31), "amount": 40}), frames.empty(frames.PRICE), months(2026, 2027),
        frames.empty(frames.OBSERVATIONS), frames.empty(frames.MODIFICATIONS), pl.DataFrame(),
    )  # fmt: skip
    balance = liability("C1", DAY(2026, 9, 30), 0) | {"contract_asset": Decimal(40)}
    kinds = dict.fromkeys(("contract_asset", "contract_liability", "paid_ahead", "remaining_obligation"), MONEY)
    balances = pl.DataFrame([balance], schema_overrides=kinds).with_columns(pl.lit("USD").alias("currency"))
    costs = pl.DataFrame(
        schema={"cost_id": pl.String, "contract_id": pl.String, "end_date": pl.Date, "closing": MONEY, "currency": pl.String}
    )
    ahead = pl.DataFrame(schema={"contract_id": pl.String, "date": pl.Date, "amount": MONEY})
    found = disclosures(books, balances, costs, ahead, {}, AS_OF)
    told = found.group_by("disclosure").agg(pl.col("amount").sum()).sort("disclosure").rows()
    assert told == [
        ("credit_exposure", 40), ("current_portion", 40), ("remaining_obligation", 60), ("roll_forward", 40 + 40), ("waterfall", 40)
    ]  # fmt: skip
