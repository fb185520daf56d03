"""A clean firm invoices everything it may, once, when it may; its ledgers, rates, events and reports follow."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

import polars as pl
import pytest

from adapters.sampling import Firm

Systems = Mapping[str, Mapping[str, pl.DataFrame]]
Sums = dict[tuple[object, ...], Decimal]


@pytest.fixture
def systems(any_clean_firm: Firm) -> Systems:
    return any_clean_firm.nights[-1].systems


@pytest.fixture
def as_of(any_clean_firm: Firm) -> dt.date:
    return any_clean_firm.options.as_of


def sums(frame: pl.DataFrame, keys: list[str], amount: str = "amount") -> Sums:
    return {row[:-1]: row[-1] for row in frame.group_by(keys).agg(pl.col(amount).sum()).rows() if row[-1] != 0}


def invoice_lines(systems: Systems) -> pl.DataFrame:
    head = systems["billing"]["invoice"].select("invoice_id", "contract_id", "legal_entity_id", "customer_id", "invoice_date")
    return systems["billing"]["invoice_line"].join(head, on="invoice_id")


def posted(systems: Systems, *accounts: str) -> pl.DataFrame:
    lines = systems["erp"]["journal_line"].filter(pl.col("account").is_in(accounts))
    return lines.with_columns((pl.col("debit") - pl.col("credit")).alias("amount"))


def rounded(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def test_every_fee_that_is_due_is_on_one_invoice_of_its_day(systems: Systems, as_of: dt.date) -> None:
    due = systems["billing"]["billing_plan_line"].filter(pl.col("due_date") <= as_of)
    planned = sums(due.rename({"due_date": "invoice_date"}), ["contract_line_id", "invoice_date"])
    invoiced = invoice_lines(systems).filter(pl.col("contract_line_id").is_in(due["contract_line_id"].unique().implode()))
    assert planned
    assert invoiced.select("contract_line_id", "invoice_date").is_duplicated().sum() == 0
    assert sums(invoiced, ["contract_line_id", "invoice_date"], "net_amount") == planned


def test_every_accepted_milestone_is_invoiced_once_the_day_after_and_no_other(systems: Systems, as_of: dt.date) -> None:
    accepted = systems["psa"]["milestone"].filter(pl.col("status") == "accepted")
    invoiced = invoice_lines(systems).drop_nulls("milestone_id")
    days = dict(invoiced.select("milestone_id", "invoice_date").rows())
    expected = {key: day + dt.timedelta(days=1) for key, day in accepted.select("milestone_id", "accepted_date").rows()}
    assert days == {key: day for key, day in expected.items() if day <= as_of}
    assert invoiced["milestone_id"].is_duplicated().sum() == 0
    amounts = {key: amount for key, amount in accepted.select("milestone_id", "amount").rows() if key in days}
    assert dict(invoiced.select("milestone_id", "net_amount").rows()) == amounts


def _due_day(day: dt.date, *, is_direct: bool) -> dt.date:
    """Return when work of a day is invoiced: the month's last day, or the next month's first workday from the fourth."""
    following = (day.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
    if is_direct:
        return following - dt.timedelta(days=1)
    fourth = following.replace(day=4)
    return fourth + dt.timedelta(days=(0, 0, 0, 0, 0, 2, 1)[fourth.weekday()])


def test_approved_work_and_expenses_whose_invoice_day_has_come_are_invoiced_once(systems: Systems, as_of: dt.date) -> None:
    lines = invoice_lines(systems)
    direct = set(lines.filter(pl.col("account").is_in(["4000", "4050"]))["contract_id"])
    contract_of = dict(systems["crm"]["contract_line"].select("contract_line_id", "contract_id").rows())
    entries = systems["psa"]["time_entry"].filter((pl.col("status") == "approved") & pl.col("billable") & pl.col("bill_rate").is_not_null())
    expected = {
        key for key, line, day in entries.select("time_entry_id", "contract_line_id", "work_date").rows()
        if _due_day(day, is_direct=contract_of[line] in direct) <= as_of
    }  # fmt: skip
    settled = systems["billing"]["invoice_line_time"]["time_entry_id"]
    assert set(settled) == expected
    assert settled.is_duplicated().sum() == 0
    spent = systems["psa"]["expense"].filter(pl.col("status") == "approved")
    priced = {
        key: amount * (100 + markup) / 100
        for key, line, day, amount, markup in spent.select(
            "expense_id", "contract_line_id", "incurred_date", "amount", "markup_pct"
        ).rows()
        if _due_day(day, is_direct=contract_of[line] in direct) <= as_of
    }
    assert dict(lines.drop_nulls("expense_id").select("expense_id", "net_amount").rows()) == priced


def test_tax_follows_from_seller_and_customer_and_is_in_the_tax_account(systems: Systems) -> None:
    seller = dict(systems["erp"]["legal_entity"].select("legal_entity_id", "country").rows())
    buyer = dict(systems["crm"]["customer"].select("customer_id", "country").rows())
    home = {"DE": (Decimal(19), "DE-S-19"), "US": (Decimal(0), "US-EXEMPT"), "GB": (Decimal(20), "GB-S-20")}
    for line in invoice_lines(systems).iter_rows(named=True):
        country = seller[line["legal_entity_id"]]
        rate, code = home[country] if country == buyer[line["customer_id"]] else (Decimal(0), "EU-RC-0")
        assert (line["tax_code"], line["tax_jurisdiction"]) == (code, buyer[line["customer_id"]])
        assert line["tax_amount"] == rounded(line["net_amount"] * rate / 100)
    key = ["contract_id", "currency"]
    invoiced = sums(systems["billing"]["invoice"].filter(pl.col("status") != "draft"), key, "tax_amount")
    assert sums(posted(systems, "2300").with_columns(-pl.col("amount")), key) == invoiced


def test_every_rate_that_is_used_is_published(systems: Systems, as_of: dt.date) -> None:
    functional = dict(systems["erp"]["legal_entity"].select("legal_entity_id", "functional_currency").rows())
    spot = systems["erp"]["exchange_rate"].filter(pl.col("rate_type") == "spot").sort("rate_date")
    published = dict(spot.group_by("from_currency", "to_currency", maintain_order=True))
    foreign = 0
    for each in systems["erp"]["invoice"].iter_rows(named=True):
        home = functional[each["legal_entity_id"]]
        if each["currency"] == home:
            assert each["exchange_rate"] == 1
            continue
        foreign += 1
        known = published[each["currency"], home].filter(pl.col("rate_date") <= each["invoice_date"])
        assert known["rate"][-1] == each["exchange_rate"]
        assert (each["invoice_date"] - known["rate_date"][-1]).days <= 2
    days = systems["erp"]["journal_line"]["posting_date"].unique()
    for (pair, part), day in itertools.product(published.items(), days):
        known = part.filter(pl.col("rate_date") <= day)
        assert known.height, (pair, day)
        assert (day - known["rate_date"][-1]).days <= 2, (pair, day)
    ends = systems["erp"]["fiscal_period"].filter(pl.col("end_date") <= as_of)["end_date"].unique()
    for kind in ("average", "closing"):
        own = systems["erp"]["exchange_rate"].filter(pl.col("rate_type") == kind)
        assert set(own["rate_date"]) == set(ends)
        assert own.select("from_currency", "to_currency").unique().height == len(published) == 6
    assert foreign or systems["crm"]["contract"].height < 20


def test_project_cost_in_the_ledger_is_what_was_spent(systems: Systems) -> None:
    key = ["project_id", "period"]
    month = pl.col("day").dt.strftime("%Y-%m").alias("period")
    time = systems["psa"]["time_entry"].filter(pl.col("status") == "approved").with_columns(
        (pl.col("hours").cast(pl.Decimal(38, 10)) * pl.col("cost_rate")).alias("amount")
    ).rename({"work_date": "day"})  # fmt: skip
    spent = systems["psa"]["expense"].filter(pl.col("status") == "approved").rename({"incurred_date": "day"})
    bought = systems["erp"]["bill_line"].rename({"service_end": "day", "net_amount": "amount"})
    for account, source in (("5000", time), ("5200", spent), ("5100", bought)):
        expected = sums(source.with_columns(month), key)
        assert expected, account
        assert sums(posted(systems, account), key) == expected, account


def test_projects_are_the_same_in_delivery_and_ledger(systems: Systems) -> None:
    shared = [name for name in systems["psa"]["project"].columns if name in systems["erp"]["project"].columns]
    one, other = (systems[system]["project"].select(shared).sort("project_id") for system in ("psa", "erp"))
    assert one.equals(other)
    begun = systems["psa"]["project"].drop_nulls("contract_id").join(
        systems["crm"]["contract"].select("contract_id", "signed_date", pl.col("start_date").alias("begins")), on="contract_id"
    ).drop_nulls("activated_date")  # fmt: skip
    assert begun.filter((pl.col("activated_date") - pl.col("signed_date")).dt.total_days() > 5).height == 0
    worked = systems["psa"]["time_entry"].group_by("project_id").agg(pl.col("work_date").min())
    late = systems["psa"]["project"].join(worked, on="project_id").filter(pl.col("activated_date") > pl.col("work_date"))
    assert late.height == 0


def test_time_is_worked_within_the_assignment_at_its_rate_and_the_rate_card(systems: Systems) -> None:
    entries = systems["psa"]["time_entry"].drop_nulls("contract_line_id")
    names = ("project_id", "resource_id", "start_date", "end_date", "role")
    joined = entries.join(
        systems["psa"]["assignment"].select(*names, pl.col("bill_rate").alias("agreed")), on=["project_id", "resource_id"]
    ).filter(pl.col("work_date").is_between("start_date", "end_date"))  # fmt: skip
    assert joined["time_entry_id"].n_unique() == entries.height == joined.height
    assert joined.filter(pl.col("bill_rate").ne_missing(pl.col("agreed"))).height == 0
    cards = systems["psa"]["rate"].select("contract_id", "role", pl.col("bill_rate").alias("card"), "effective_from", "effective_to")
    contract = systems["psa"]["project"].select("project_id", "contract_id")
    priced = joined.drop_nulls("bill_rate").join(contract, on="project_id").join(cards, on=["contract_id", "role"])
    assert priced.height == joined["bill_rate"].count()
    assert priced.filter(pl.col("card") != pl.col("bill_rate")).height == 0
    assert priced.filter(~pl.col("work_date").is_between("effective_from", "effective_to")).height == 0


def test_events_are_received_and_processed_within_minutes(systems: Systems) -> None:
    log = systems["warehouse"]["integration_event"]
    assert log.filter(pl.col("received_at") < pl.col("occurred_at")).height == 0
    assert log.filter(pl.col("processed_at") < pl.col("received_at")).height == 0
    assert log.filter(pl.col("processed_at") - pl.col("occurred_at") > pl.duration(minutes=5)).height == 0
    assert log["attempts"].unique().to_list() == [1]


def reported(systems: Systems, metric: str) -> dict[tuple[str, str], Decimal]:
    told = systems["warehouse"]["reported_metric"].filter(pl.col("metric") == metric)
    return {(period, dimension): value for period, dimension, value in told.select("period", "dimension", "value").rows()}


def test_reported_utilization_is_approved_client_hours_over_capacity(any_clean_firm: Firm) -> None:
    systems = any_clean_firm.nights[-1].systems
    entries = systems["psa"]["time_entry"].filter((pl.col("status") == "approved") & pl.col("billable"))
    for (period, dimension), value in reported(systems, "utilization").items():
        people = systems["psa"]["resource"]
        if dimension != "total":
            people = people.filter(pl.col("service_line") == dimension.removeprefix("service_line="))
        first = dt.date.fromisoformat(f"{period}-01")
        month = [first + dt.timedelta(days=n) for n in range(31) if (first + dt.timedelta(days=n)).month == first.month]
        last, capacity = month[-1], Decimal(0)
        for begin, end, weekly in people.select("start_date", "end_date", "weekly_capacity_hours").rows():
            capacity += sum(day.weekday() < 5 and begin <= day <= (end or last) for day in month) * weekly / 5
        own = entries.filter(pl.col("resource_id").is_in(people["resource_id"].implode()))
        hours = own.filter(pl.col("work_date").is_between(first, last))["hours"].sum()
        assert value == rounded(Decimal(hours) * 100 / capacity), (period, dimension)


def test_reported_billing_and_revenue_are_the_invoices_and_the_schedule(systems: Systems) -> None:
    functional = dict(systems["erp"]["legal_entity"].select("legal_entity_id", "functional_currency").rows())
    billed: Sums = {}
    for each in systems["billing"]["invoice"].iter_rows(named=True):
        key = (f"{each['invoice_date']:%Y-%m}", f"legal_entity={each['legal_entity_id']}")
        billed[key] = billed.get(key, Decimal(0)) + each["net_amount"] * each["exchange_rate"]
    told = reported(systems, "billed")
    assert {key: rounded(value) for key, value in billed.items() if key in told} == told
    company = systems["crm"]["contract"].select("contract_id", "legal_entity_id")
    closing = systems["erp"]["exchange_rate"].filter(pl.col("rate_type") == "closing")
    rates = {(a, b, f"{day:%Y-%m}"): rate for a, b, day, rate in closing.select("from_currency", "to_currency", "rate_date", "rate").rows()}
    earned: Sums = {}
    known = systems["revrec"]["revenue_schedule_line"].filter(pl.col("status") == "recognized").join(company, on="contract_id")
    for each in known.iter_rows(named=True):
        home = functional[each["legal_entity_id"]]
        rate = Decimal(1) if home == each["currency"] else rates[each["currency"], home, each["period"]]
        key = (each["period"], f"legal_entity={each['legal_entity_id']}")
        earned[key] = earned.get(key, Decimal(0)) + each["amount"] * rate
    told = reported(systems, "recognized")
    assert {key: rounded(value) for key, value in earned.items() if key in told} == told
