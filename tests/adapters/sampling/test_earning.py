"""Revenue of a clean firm, computed anew from what its exports say: hours, estimates, days, amendments."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

from adapters.sampling import Firm

Systems = Mapping[str, Mapping[str, pl.DataFrame]]
Earned = dict[tuple[str, str], Decimal]
"""Amounts by contract line and period."""

BY_DAY = ("retainer", "managed_service", "subscription")


@pytest.fixture
def systems(any_clean_firm: Firm) -> Systems:
    return any_clean_firm.nights[-1].systems


def cents(amount: Fraction) -> Decimal:
    whole = Decimal(amount.numerator * 100) / Decimal(amount.denominator)
    return whole.quantize(Decimal(1), ROUND_HALF_UP) / 100


def lines_of(systems: Systems, *offerings: str) -> list[dict[str, Any]]:
    """Return the promises of some offerings: as signed, and those that amendments add."""
    signed = systems["crm"]["contract_line"].filter(pl.col("offering").is_in(offerings)).to_dicts()
    added = systems["crm"]["amendment_line"].filter((pl.col("action") == "add") & pl.col("offering").is_in(offerings)).to_dicts()
    return signed + added


def month_ends(first: dt.date, last: dt.date) -> list[dt.date]:
    return pl.date_range(first, last, "1d", eager=True).dt.month_end().unique().sort().to_list()


def scheduled(systems: Systems, lines: list[dict[str, Any]], status: str | None = None) -> Earned:
    wanted = [line["contract_line_id"] for line in lines]
    schedule = systems["revrec"]["revenue_schedule_line"].filter(pl.col("contract_line_id").is_in(wanted))
    if status is not None:
        schedule = schedule.filter(pl.col("status") == status)
    sums = schedule.group_by("contract_line_id", "period").agg(pl.col("amount").sum())
    return {(line, period): amount for line, period, amount in sums.rows() if amount != 0}


def test_work_by_the_hour_earns_approved_billable_hours_at_their_rate_in_their_month(systems: Systems) -> None:
    lines = lines_of(systems, "time_and_materials")
    expected: Earned = defaultdict(Decimal)
    entries = systems["psa"]["time_entry"].filter((pl.col("status") == "approved") & pl.col("billable") & pl.col("bill_rate").is_not_null())
    for line, day, hours, rate in entries.select("contract_line_id", "work_date", "hours", "bill_rate").iter_rows():
        expected[line, f"{day:%Y-%m}"] += hours * rate
    assert expected
    assert scheduled(systems, lines) == expected


def test_expenses_passed_on_earn_their_amount_with_the_markup(systems: Systems) -> None:
    expected: Earned = defaultdict(Decimal)
    for each in systems["psa"]["expense"].filter((pl.col("status") == "approved") & pl.col("billable")).iter_rows(named=True):
        expected[each["contract_line_id"], f"{each['incurred_date']:%Y-%m}"] += each["amount"] * (100 + each["markup_pct"]) / 100
    assert scheduled(systems, lines_of(systems, "pass_through")) == expected


def test_a_fixed_fee_earns_hours_to_date_over_hours_expected_and_catches_up_when_it_is_amended(systems: Systems) -> None:
    lines, expected = lines_of(systems, "fixed_fee"), {}
    lines = [line for line in lines if line["service_line"] != "Integration"]
    worked: Earned = defaultdict(Decimal)
    for line, day, hours in systems["psa"]["time_entry"].filter(pl.col("status") == "approved").select(
        "contract_line_id", "work_date", "hours"
    ).iter_rows():  # fmt: skip
        worked[line, f"{day:%Y-%m}"] += hours
    amended = systems["crm"]["amendment_line"].join(
        systems["crm"]["amendment"].select("amendment_id", "effective_date"), on="amendment_id"
    )
    changes = {each["contract_line_id"]: each for each in amended.filter(pl.col("action") == "change").to_dicts()}
    as_of = systems["psa"]["time_entry"]["work_date"].max()
    assert isinstance(as_of, dt.date)
    for line in lines:
        key, change = line["contract_line_id"], changes.get(line["contract_line_id"])
        so_far, hours = Decimal(0), Decimal(0)
        for end in month_ends(line["start_date"], min(line["end_date"], as_of)) if line["start_date"] <= as_of else []:
            terms = change if change is not None and change["effective_date"] <= end else line
            hours += worked[key, f"{end:%Y-%m}"]
            price, estimate = Fraction(terms["amount"]), Fraction(terms["estimated_hours"])
            earned = cents(price * min(Fraction(hours) / estimate, Fraction(1))) if estimate else Decimal(0)
            if earned != so_far:
                expected[key, f"{end:%Y-%m}"] = earned - so_far
            so_far = earned
    assert expected
    assert scheduled(systems, lines) == expected


def test_a_catch_up_is_the_amended_price_on_the_hours_before_less_what_was_earned(any_clean_firm: Firm) -> None:
    systems = any_clean_firm.nights[-1].systems
    schedule = systems["revrec"]["revenue_schedule_line"]
    amended = systems["crm"]["amendment_line"].filter(pl.col("action") == "change").join(
        systems["crm"]["amendment"].select("amendment_id", "effective_date"), on="amendment_id"
    )  # fmt: skip
    entries = systems["psa"]["time_entry"].filter(pl.col("status") == "approved")
    for each in amended.iter_rows(named=True):
        own = pl.col("contract_line_id") == each["contract_line_id"]
        hours = entries.filter(own & (pl.col("work_date") < each["effective_date"]))["hours"].sum()
        before = Decimal(schedule.filter(own & (pl.col("period") < f"{each['effective_date']:%Y-%m}"))["amount"].sum())
        after = cents(Fraction(each["amount"]) * Fraction(hours) / Fraction(each["estimated_hours"]))
        caught_up = schedule.filter(own & pl.col("is_catch_up"))
        assert caught_up["amount"].sum() == after - before
        assert set(caught_up["period"]) <= {f"{each['effective_date']:%Y-%m}"}
    by_cost = systems["erp"]["progress"]["contract_line_id"].unique()
    assert schedule.filter(pl.col("is_catch_up") & ~pl.col("contract_line_id").is_in(by_cost.implode())).height <= amended.height


def test_a_fixed_fee_that_a_partner_shares_in_earns_cost_to_date_over_cost_expected(any_clean_firm: Firm) -> None:
    systems = any_clean_firm.nights[-1].systems
    lines = [line for line in lines_of(systems, "fixed_fee") if line["service_line"] == "Integration"]
    assert bool(lines) == (any_clean_firm.options.contracts > 34)
    time = systems["psa"]["time_entry"].filter(pl.col("status") == "approved").select(
        "contract_line_id", pl.col("work_date").alias("day"), (pl.col("hours").cast(pl.Decimal(38, 10)) * pl.col("cost_rate")).alias("cost")
    )
    bills = systems["erp"]["bill_line"].select("contract_line_id", pl.col("service_end").alias("day"), pl.col("net_amount").alias("cost"))
    spent = pl.concat([each.cast({"cost": pl.Decimal(38, 2)}) for each in (time, bills)])
    schedule = systems["revrec"]["revenue_schedule_line"]
    for line in lines:
        own = pl.col("contract_line_id") == line["contract_line_id"]
        reports = systems["erp"]["progress"].filter(own).sort("as_of_date")
        assert reports["estimated_total_cost"].unique(maintain_order=True).len() == 2
        assert reports["estimated_total_cost"][0] == line["estimated_cost"] < reports["estimated_total_cost"][-1] < line["amount"]
        assert bills.filter(own).height >= reports.height
        before, earned, estimate = Decimal(0), Decimal(0), line["estimated_cost"]
        for report in reports.to_dicts():
            end = report["as_of_date"]
            cost = Decimal(spent.filter(own & (pl.col("day") <= end))["cost"].sum())
            assert report["cost_to_date"] == cost <= report["estimated_total_cost"]
            month = schedule.filter(own & (pl.col("period") == f"{end:%Y-%m}"))
            if report["estimated_total_cost"] != estimate:
                estimate = report["estimated_total_cost"]
                caught_up = cents(Fraction(line["amount"]) * Fraction(before) / Fraction(estimate)) - earned
                assert month.filter("is_catch_up")["amount"].to_list() == [caught_up]
                assert caught_up < 0
            so_far = cents(Fraction(line["amount"]) * Fraction(cost) / Fraction(estimate))
            assert month["amount"].sum() == so_far - earned
            before, earned = cost, so_far


def test_promises_paid_by_plan_earn_by_the_days_of_their_term(systems: Systems) -> None:
    lines, expected = lines_of(systems, *BY_DAY), {}
    for line in lines:
        days, so_far = (line["end_date"] - line["start_date"]).days + 1, Decimal(0)
        for end in month_ends(line["start_date"], line["end_date"]):
            passed = (min(end, line["end_date"]) - line["start_date"]).days + 1
            earned = cents(Fraction(line["amount"]) * Fraction(passed, days))
            expected[line["contract_line_id"], f"{end:%Y-%m}"] = earned - so_far
            so_far = earned
    assert expected
    assert scheduled(systems, lines) == expected


def test_what_is_due_by_plan_is_never_less_than_what_has_been_performed(systems: Systems) -> None:
    plan = systems["billing"]["billing_plan_line"]
    for line in lines_of(systems, *BY_DAY):
        own = plan.filter(pl.col("contract_line_id") == line["contract_line_id"])
        assert own["amount"].sum() == line["amount"]
        earned = systems["revrec"]["revenue_schedule_line"].filter(pl.col("contract_line_id") == line["contract_line_id"])
        for end in month_ends(line["start_date"], line["end_date"]):
            performed = earned.filter(pl.col("period") <= f"{end:%Y-%m}")["amount"].sum()
            assert own.filter(pl.col("due_date") <= end)["amount"].sum() >= performed, (line["contract_line_id"], end)


def test_a_contract_stands_at_every_months_end_as_billed_less_earned(systems: Systems) -> None:
    """Fees and plans: contract liability or asset; work invoiced later: the unbilled receivable."""
    entry = systems["erp"]["journal_line"].with_columns(
        (pl.col("debit") - pl.col("credit")).alias("net"), pl.col("posting_date").dt.month_end().alias("end")
    )  # fmt: skip
    billed = systems["billing"]["invoice_line"].join(
        systems["billing"]["invoice"].select("invoice_id", "contract_id", "invoice_date"), on="invoice_id"
    )  # fmt: skip
    earned = systems["revrec"]["revenue_schedule_line"].filter(pl.col("status") == "recognized")
    delivered = [line["contract_line_id"] for line in lines_of(systems, "time_and_materials", "pass_through")]
    by_delivery = pl.col("contract_line_id").is_in(delivered)
    accrued = entry.filter(pl.col("account") == "1200")["contract_id"].unique()
    for end in month_ends(entry["posting_date"].min(), entry["posting_date"].max()):  # type: ignore[arg-type]
        past, invoices = entry.filter(pl.col("end") <= end), billed.filter(pl.col("invoice_date") <= end)
        known = earned.filter(pl.col("period") <= f"{end:%Y-%m}")
        for accounts, kind in ((["1210", "2400"], ~by_delivery), (["1200"], by_delivery & pl.col("contract_id").is_in(accrued.implode()))):
            moved = pl.concat(
                [
                    invoices.filter(kind).select("contract_id", pl.col("net_amount").alias("amount")),
                    known.filter(kind).select("contract_id", -pl.col("amount")),
                    past.filter(pl.col("account").is_in(accounts)).select("contract_id", pl.col("net").alias("amount")),
                ]
            ).group_by("contract_id").agg(pl.col("amount").sum())  # fmt: skip
            assert moved.filter(pl.col("amount") != 0).height == 0, (end, accounts, moved.filter(pl.col("amount") != 0).head(2).to_dicts())
