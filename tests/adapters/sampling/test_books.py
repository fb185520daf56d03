"""A clean firm ties: every pair of figures that issue 5 reconciles is equal to the cent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from adapters.sampling import Firm
from adapters.sampling.claims import CLAIMS

Systems = Mapping[str, Mapping[str, pl.DataFrame]]

_ZERO = Decimal(0)


@pytest.fixture(params=[0, 1, 2])
def systems(clean_firm: Firm, request: pytest.FixtureRequest) -> Systems:
    return clean_firm.nights[request.param].systems


def _sums(frame: pl.DataFrame, key: str | list[str], value: pl.Expr) -> dict[object, Decimal]:
    rows = frame.group_by(key).agg(value.sum().alias("value")).rows()
    return {row[:-1]: row[-1] for row in rows if row[-1] != 0}


def _net(side: str = "") -> pl.Expr:
    return pl.col(f"{side}debit").fill_null(_ZERO) - pl.col(f"{side}credit").fill_null(_ZERO)


def _posted(systems: Systems, *accounts: str) -> pl.DataFrame:
    return systems["erp"]["journal_line"].filter(pl.col("account").is_in(accounts))


def test_copies_of_customers_and_contracts_agree_in_every_system(systems: Systems) -> None:
    for entity, key in (("customer", "customer_id"), ("contract", "contract_id")):
        owner = {**dict.fromkeys(CLAIMS["crm"][entity], "crm"), "tax_id": "erp"}
        for system in ("psa", "billing", "erp", "revrec"):
            if entity not in CLAIMS[system]:
                continue
            shared = [name for name in CLAIMS[system][entity] if name in owner and not name.endswith("_at")]
            copy = systems[system][entity].sort(key)
            original = systems["crm"][entity].sort(key)
            if entity == "customer":
                erp = systems["erp"][entity].select(key, "tax_id", "payment_terms_days")
                original = original.join(erp, on=key).sort(key)
            assert_frame_equal(copy.select(shared), original.select(shared))


def test_a_contract_is_worth_what_was_won_and_what_its_lines_add_up_to(systems: Systems) -> None:
    contracts = systems["crm"]["contract"]
    values = _sums(contracts, ["contract_id", "currency"], pl.col("total_value"))
    won = systems["crm"]["opportunity"].filter("is_won")
    assert _sums(won, ["contract_id", "currency"], pl.col("amount")) == values
    lines = systems["crm"]["contract_line"].join(contracts.select("contract_id", "currency"), on="contract_id")
    assert _sums(lines, ["contract_id", "currency"], pl.col("amount")) == values


def test_an_amended_total_is_the_total_before_plus_the_change(systems: Systems) -> None:
    amended = systems["crm"]["amendment"].join(systems["crm"]["contract"].select("contract_id", "total_value"), on="contract_id")
    assert amended.height > 0
    assert amended.filter(pl.col("total_after") != pl.col("total_value") + pl.col("amount_change")).height == 0


def test_every_journal_balances_in_both_currencies(systems: Systems) -> None:
    for side in ("", "functional_"):
        assert _sums(systems["erp"]["journal_line"], "journal_id", _net(side)) == {}


def test_journal_numbers_have_no_gap_and_follow_entry(systems: Systems) -> None:
    heads = (
        systems["erp"]["journal_line"]
        .group_by("legal_entity_id", "journal_id")
        .agg(pl.col("journal_number", "created_at").first(), pl.col("journal_number").n_unique().alias("numbers"))
    )
    assert heads["numbers"].max() == 1
    for _, company in heads.group_by("legal_entity_id"):
        ordered = company.sort("journal_number")
        numbers = ordered["journal_number"].str.extract(r"(\d+)$").cast(pl.Int64).to_list()
        assert numbers == list(range(1, len(numbers) + 1))
        assert ordered["created_at"].is_sorted()


def test_no_journal_is_entered_after_its_day_or_into_a_closed_period(systems: Systems) -> None:
    lines = systems["erp"]["journal_line"]
    assert lines.filter(pl.col("created_at").dt.date() != pl.col("posting_date")).height == 0
    periods = systems["erp"]["fiscal_period"].select("legal_entity_id", "period", "closed_at")
    joined = lines.join(periods, on=["legal_entity_id", "period"], how="left")
    assert joined.filter(pl.col("created_at") > pl.col("closed_at")).height == 0
    assert joined.height == lines.height


def test_invoices_are_the_sum_of_their_lines(systems: Systems) -> None:
    for amount in ("net_amount", "tax_amount"):
        lines = _sums(systems["billing"]["invoice_line"], "invoice_id", pl.col(amount))
        assert lines == _sums(systems["billing"]["invoice"], "invoice_id", pl.col(amount))
    wrong = systems["billing"]["invoice"].filter(pl.col("gross_amount") != pl.col("net_amount") + pl.col("tax_amount"))
    assert wrong.height == 0


def test_billing_and_erp_hold_the_same_invoices(systems: Systems) -> None:
    same = ["invoice_id", "invoice_number", "currency", "net_amount", "tax_amount", "gross_amount", "status", "amount_due"]
    assert_frame_equal(systems["billing"]["invoice"].select(same), systems["erp"]["invoice"].select(same))


def test_open_invoices_are_the_receivables_account(systems: Systems) -> None:
    key = ["contract_id", "currency"]
    invoices = systems["erp"]["invoice"].filter(pl.col("status") != "draft")
    assert _sums(invoices, key, pl.col("amount_due")) == _sums(_posted(systems, "1100"), key, _net())


def test_payments_are_what_is_applied_and_what_is_no_longer_open(systems: Systems) -> None:
    applied = systems["billing"]["payment_application"]
    assert _sums(applied, "payment_id", pl.col("amount")) == _sums(systems["billing"]["payment"], "payment_id", pl.col("amount"))
    settled = _sums(systems["billing"]["invoice"], "invoice_id", pl.col("gross_amount") - pl.col("amount_due"))
    assert _sums(applied, "invoice_id", pl.col("amount")) == settled


def test_open_bills_are_the_payables_account(systems: Systems) -> None:
    key = ["legal_entity_id", "currency"]
    assert _sums(systems["erp"]["bill"], key, pl.col("amount_due")) == _sums(_posted(systems, "2000"), key, -_net())
    assert _sums(systems["erp"]["bill_line"], "bill_id", pl.col("net_amount")) == _sums(
        systems["erp"]["bill"], "bill_id", pl.col("net_amount")
    )


def test_approved_billable_hours_of_invoiced_months_are_on_invoice_lines_once(systems: Systems) -> None:
    lines = systems["crm"]["contract_line"].filter(pl.col("offering") == "time_and_materials")
    due = systems["psa"]["time_entry"].filter((pl.col("status") == "approved") & pl.col("billable")).join(
        lines.select("contract_line_id", "contract_id"), on="contract_line_id"
    ).with_columns(pl.col("work_date").dt.strftime("%Y-%m").alias("month"))  # fmt: skip
    billed = systems["billing"]["invoice_line"].join(lines.select("contract_line_id", "contract_id"), on="contract_line_id")
    months = billed.select("contract_id", pl.col("service_start").dt.strftime("%Y-%m").alias("month")).unique()
    expected = due.join(months, on=["contract_id", "month"], how="semi")
    assert expected.height > 1000
    settled = systems["billing"]["invoice_line_time"]
    assert settled["time_entry_id"].is_duplicated().sum() == 0
    assert _sums(expected, "time_entry_id", pl.col("hours")) == _sums(settled, "time_entry_id", pl.col("hours"))
    on_lines = _sums(billed, "invoice_line_id", pl.col("quantity").cast(pl.Decimal(38, 8)))
    assert _sums(settled, "invoice_line_id", pl.col("hours")) == on_lines


def test_hours_are_billed_at_the_rate_card_and_within_the_cap(systems: Systems) -> None:
    lines = systems["billing"]["invoice_line"]
    rated = systems["billing"]["invoice_line_time"].join(
        systems["psa"]["time_entry"].select("time_entry_id", "bill_rate"), on="time_entry_id"
    ).join(lines.select("invoice_line_id", "unit_price"), on="invoice_line_id")  # fmt: skip
    assert rated.filter(pl.col("bill_rate") != pl.col("unit_price")).height == 0
    totals = lines.group_by("contract_line_id").agg(pl.col("net_amount").sum())
    capped = systems["crm"]["contract_line"].filter(pl.col("cap_amount").is_not_null())
    assert capped.height > 0
    assert capped.join(totals, on="contract_line_id").filter(pl.col("net_amount") > pl.col("cap_amount")).height == 0


def test_milestones_are_accepted_and_expenses_approved_with_receipt_before_they_are_billed(systems: Systems) -> None:
    lines = systems["billing"]["invoice_line"].join(systems["billing"]["invoice"].select("invoice_id", "invoice_date"), on="invoice_id")
    milestones = lines.drop_nulls("milestone_id").join(
        systems["psa"]["milestone"].select("milestone_id", "accepted_date", "amount"), on="milestone_id"
    )
    assert milestones.height > 0
    assert (
        milestones.filter((pl.col("accepted_date") <= pl.col("invoice_date")) & (pl.col("amount") == pl.col("net_amount"))).height
        == milestones.height
    )
    expenses = lines.drop_nulls("expense_id").join(
        systems["psa"]["expense"].select("expense_id", "has_receipt", "approved_at"), on="expense_id"
    )
    assert expenses.height > 0
    assert expenses.filter(pl.col("has_receipt") & (pl.col("approved_at").dt.date() <= pl.col("invoice_date"))).height == expenses.height


def test_the_schedule_is_the_revenue_in_the_ledger(systems: Systems) -> None:
    key = ["contract_id", "period", "currency"]
    recognized = systems["revrec"]["revenue_schedule_line"].filter(pl.col("status") == "recognized")
    assert _sums(recognized, key, pl.col("amount")) == _sums(_posted(systems, "4000", "4050"), key, -_net())
    by_journal = _sums(recognized, ["journal_id"], pl.col("amount"))
    assert by_journal == _sums(_posted(systems, "4000", "4050"), ["journal_id"], -_net())


def test_invoice_lines_on_revenue_accounts_are_the_revenue_that_invoices_post(systems: Systems) -> None:
    lines = systems["billing"]["invoice_line"].filter(pl.col("account").is_in(["4000", "4050"]))
    posted = _posted(systems, "4000", "4050").filter(pl.col("source_document_type") == "invoice")
    key = ["invoice_id", "account"]
    assert _sums(lines, key, pl.col("net_amount")) == _sums(posted.rename({"source_document_id": "invoice_id"}), key, -_net())


def test_a_contract_never_earns_more_than_it_is_worth(systems: Systems) -> None:
    worth = pl.concat(
        [
            systems["crm"]["contract"].select("contract_id", pl.col("total_value").alias("value")),
            systems["crm"]["amendment"].select("contract_id", pl.col("amount_change").alias("value")),
        ]
    ).group_by("contract_id").agg(pl.col("value").sum())  # fmt: skip
    # Recharged expenses come on top of the price.
    priced = systems["crm"]["contract_line"].filter(pl.col("offering") == "pass_through")["contract_line_id"]
    earned = systems["revrec"]["revenue_schedule_line"].filter(~pl.col("contract_line_id").is_in(priced.implode()))
    total = earned.group_by("contract_id").agg(pl.col("amount").sum())
    assert total.join(worth, on="contract_id").filter(pl.col("amount") > pl.col("value")).height == 0


def test_contract_positions_are_invoiced_less_earned_and_stand_on_one_side(clean_firm: Firm) -> None:
    systems = clean_firm.nights[-1].systems
    lines = systems["billing"]["invoice_line"].join(systems["billing"]["invoice"].select("invoice_id", "contract_id"), on="invoice_id")
    earned = systems["revrec"]["revenue_schedule_line"].filter(pl.col("status") == "recognized")
    direct = lines.filter(pl.col("account").is_in(["4000", "4050"]))["contract_line_id"].unique()
    moves = pl.concat(
        [
            lines.select("contract_id", pl.col("net_amount").alias("amount"), "contract_line_id"),
            earned.select("contract_id", -pl.col("amount"), "contract_line_id"),
        ]
    ).filter(~pl.col("contract_line_id").is_in(direct.implode()))  # fmt: skip
    balance = _sums(_posted(systems, "1200", "1210", "2400"), "contract_id", -_net())
    assert _sums(moves, "contract_id", pl.col("amount")) == balance
    for account, sign in (("1200", 1), ("1210", 1), ("2400", -1)):
        assert all(value * sign > 0 for value in _sums(_posted(systems, account), "contract_id", _net()).values())
    assets, debts = _sums(_posted(systems, "1210"), "contract_id", _net()), _sums(_posted(systems, "2400"), "contract_id", _net())
    assert assets
    assert debts
    assert not set(assets) & set(debts)


def test_labour_in_the_ledger_is_approved_hours_at_cost(clean_firm: Firm) -> None:
    systems = clean_firm.nights[-1].systems
    approved = systems["psa"]["time_entry"].filter(pl.col("status") == "approved")
    cost = approved.group_by("project_id").agg((pl.col("hours").cast(pl.Decimal(38, 10)) * pl.col("cost_rate")).sum().alias("value"))
    spent = {row[0]: row[1] for row in cost.rows()}
    booked = {key[0]: value for key, value in _sums(_posted(systems, "5000"), ["project_id"], _net()).items()}  # type: ignore[index]
    assert spent == booked


def test_nobody_approves_their_own_work(systems: Systems) -> None:
    for entity in ("time_entry", "expense"):
        frame = systems["psa"][entity]
        assert frame.filter(pl.col("approved_by") == pl.col("resource_id")).height == 0
        assert frame.filter((pl.col("status") == "approved") & pl.col("approved_by").is_null()).height == 0
    for entity in ("journal_line", "invoice", "bill"):
        assert systems["erp"][entity].filter(pl.col("posted_by") == pl.col("approved_by")).height == 0
    assert systems["erp"]["journal_line"]["entry_mode"].unique().to_list() == ["system"]


def test_every_new_contract_and_invoice_sent_its_events_and_all_were_processed(systems: Systems) -> None:
    log = systems["warehouse"]["integration_event"]
    assert log["status"].unique().to_list() == ["processed"]
    assert log.select("correlation_id", "to_system").is_duplicated().sum() == 0
    for entity, system, copies in (("contract", "crm", 4), ("invoice", "billing", 1), ("payment", "billing", 1), ("amendment", "crm", 2)):
        told = log.filter(pl.col("entity") == entity).group_by("entity_id").len()
        known = systems[system][entity][f"{entity}_id"]
        assert set(told["entity_id"]) == set(known)
        assert told["len"].unique().to_list() == [copies]


def test_two_systems_report_the_same_figure(systems: Systems) -> None:
    figures = systems["warehouse"]["reported_metric"].group_by("metric", "period", "dimension").agg(
        pl.col("value").n_unique().alias("values"), pl.len()
    )  # fmt: skip
    assert figures["values"].max() == 1
    assert figures["len"].min() == 2


def test_reported_backlog_is_signed_and_amended_value_less_recognized(clean_firm: Firm) -> None:
    systems = clean_firm.nights[-1].systems
    contracts = systems["crm"]["contract"].select("contract_id", "currency", "total_value")
    amended = systems["crm"]["amendment"].join(contracts, on="contract_id").select("currency", pl.col("amount_change").alias("value"))
    earned = (
        systems["revrec"]["revenue_schedule_line"]
        .filter(pl.col("status") == "recognized")
        .select("currency", -pl.col("amount").alias("value"))
    )
    left = pl.concat([contracts.select("currency", pl.col("total_value").alias("value")), amended, earned])
    rates = systems["erp"]["exchange_rate"].filter(
        (pl.col("rate_type") == "closing") & (pl.col("to_currency") == "EUR") & (pl.col("rate_date") == clean_firm.options.as_of)
    )
    to_euro = {**dict(rates.select("from_currency", "rate").rows()), "EUR": Decimal(1)}
    total = sum((row[1] * to_euro[row[0]] for row in left.rows()), Decimal(0))
    reported = systems["warehouse"]["reported_metric"].filter((pl.col("metric") == "backlog") & (pl.col("period") == "2026-10"))["value"]
    assert abs(reported[0] - total) <= Decimal("0.005")
