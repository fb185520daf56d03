"""The price of an hour comes from the first source that has one, on the day of work, in the contract's currency."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

FROM_CARD = {"bill-time": {"rate": ["rate_card(role, work_date)"]}}


def card(number: int, price: str, **more: Any) -> dict[str, Any]:
    return {"rate_id": f"RC{number}", "bill_rate": price, "unit": "hour", "currency": "EUR", **more}


def test_the_entry_comes_before_the_assignment_and_that_before_the_card(decide: Any, base: Any, make: Any) -> None:
    assigned = {"assignment_id": "A1", "project_id": "P1", "resource_id": "R1", "role": "Lead", "bill_rate": "90", "currency": "EUR"}
    entries = [make.entry(2), make.entry(3, rate=None), make.entry(4, rate=None, resource_id="R2")]
    base["resource"] = [{"resource_id": "R1", "role": "Consultant"}, {"resource_id": "R2", "role": "Consultant"}]
    decided = decide(**base, time_entry=entries, assignment=[assigned], rate=[card(1, "80", role="Consultant")])
    assert decided.rows("rate", "rate_source") == [
        (100, "time_entry.bill_rate"), (90, "assignment.bill_rate"), (80, "rate_card"),
    ]  # fmt: skip


def test_the_most_specific_line_of_the_card_counts(decide: Any, base: Any, make: Any) -> None:
    cards = [
        card(1, "10"), card(2, "20", role="Consultant"), card(3, "30", contract_id="C1"),
        card(4, "40", contract_id="C1", role="Consultant"),
        card(5, "50", project_id="P1", role="Consultant"), card(6, "60", project_id="P1", resource_id="R1"),
    ]  # fmt: skip
    for known in range(1, 7):
        decided = decide(**base, time_entry=[make.entry(2, rate=None)], rate=cards[:known], policies=FROM_CARD)
        assert decided.rows("rate") == [(known * 10,)]


def test_the_card_of_the_day_of_work_counts_and_a_gap_has_no_price(decide: Any, base: Any, make: Any) -> None:
    cards = [
        card(1, "80", role="Consultant", effective_from="2026-01-01", effective_to="2026-03-04"),
        card(2, "85", role="Consultant", effective_from="2026-03-06"),
        card(3, "99", role="Consultant", effective_from="2026-03-20", effective_to="2026-03-20"),
    ]
    entries = [make.entry(day, rate=None) for day in (4, 5, 6, 20, 21)]
    decided = decide(**base, time_entry=entries, rate=cards, policies=FROM_CARD)
    assert decided.rows("item_id", "rate", "decision") == [
        ("T20", 99, "billable"), ("T21", 85, "billable"), ("T4", 80, "billable"), ("T5", None, "on_hold"), ("T6", 85, "billable"),
    ]  # fmt: skip


def test_a_daily_rate_is_told_by_the_hour(decide: Any, base: Any, make: Any) -> None:
    changed = {"bill-time": {**FROM_CARD["bill-time"], "settings": {"hours_per_day": Decimal("7.5")}}}
    decided = decide(**base, time_entry=[make.entry(2, "7.5", None)], rate=[card(1, "1000", unit="day")], policies=changed)
    assert decided.rows("amount") == [(1000,)]


def test_the_role_of_the_assignment_prices_the_work(decide: Any, base: Any, make: Any) -> None:
    assigned = {"assignment_id": "A1", "project_id": "P1", "resource_id": "R1", "role": "Principal"}
    decided = decide(
        **base,
        time_entry=[make.entry(2, rate=None)],
        assignment=[assigned],
        rate=[card(1, "80", role="Consultant"), card(2, "200", role="Principal")],
    )
    assert decided.rows("rate") == [(200,)]


def test_a_rate_in_another_currency_is_converted_on_the_day_of_work(decide: Any, base: Any, make: Any) -> None:
    rates = [{"from_currency": "USD", "to_currency": "EUR", "rate_date": "2026-03-02", "rate_type": "spot", "rate": "0.9"}]
    entries = [make.entry(3, currency="USD"), make.entry(20, currency="USD")]
    decided = decide(**base, time_entry=entries, exchange_rate=rates)
    # The last rate is 18 days old on the 20th, and a policy takes none older than seven.
    assert decided.rows("item_id", "rate", "amount", "currency", "decision", "reason") == [
        ("T20", None, None, "EUR", "on_hold", "no rate"), ("T3", 90, 720, "EUR", "billable", "approved"),
    ]  # fmt: skip


def test_cost_plus_is_what_an_hour_costs_and_a_percent_in_the_currency_it_costs_in(decide: Any, base: Any, make: Any) -> None:
    base["contract_line"] = [{**base["contract_line"][0], "fee_pct": "12.5"}]
    rates = [{"from_currency": "USD", "to_currency": "EUR", "rate_date": "2026-03-02", "rate_type": "spot", "rate": "0.9"}]
    entries = [
        make.entry(2, "8", None, cost_rate="60", cost_currency="EUR"), make.entry(3, "8", None, cost_rate="60", cost_currency="USD"),
        make.entry(4, "8", None),
    ]  # fmt: skip
    written = {"bill-time": {"rate": ["marked_up(time_entry.cost_rate, 15)"]}}
    decided = decide(**base, time_entry=entries, exchange_rate=rates, policies=written)
    # 60 x 1.15 = 69; in dollars 69 x 0.9 = 62.10; what an hour costs is not known of the third.
    assert decided.rows("rate", "amount", "rate_source", "decision") == [
        (69, 552, "marked_up", "billable"), (Decimal("62.1"), Decimal("496.8"), "marked_up", "billable"), (None, None, None, "on_hold"),
    ]  # fmt: skip
    of_line = {"bill-time": {"rate": ["marked_up(cost_rate, contract_line.fee_pct)"]}}
    assert decide(**base, time_entry=entries[:1], policies=of_line).rows("rate") == [(Decimal("67.5"),)]
    plain = {"bill-time": {"rate": ["time_entry.cost_rate"]}}
    assert decide(**base, time_entry=entries[1:2], exchange_rate=rates, policies=plain).rows("rate") == [(54,)]


def test_tiers_price_the_running_hours_of_a_line(decide: Any, base: Any, make: Any) -> None:
    tiers = [
        {"tier_id": "A", "contract_line_id": "L1", "from_quantity": 0, "to_quantity": 10, "unit_price": 100},
        {"tier_id": "B", "contract_line_id": "L1", "from_quantity": 10, "unit_price": 80},
    ]
    entries = [make.entry(day, "8", None) for day in (2, 3)]
    assert decide(**base, time_entry=entries, price_tier=tiers).rows("amount", "rate") == [(800, 100), (680, 85)]
    backwards = [{**tier, "is_retrospective": True} for tier in tiers]
    assert decide(**base, time_entry=entries, price_tier=backwards).rows("amount") == [(640,), (640,)]


def test_yen_have_no_cents(decide: Any, base: Any, make: Any) -> None:
    base["contract"] = [{**make.contract, "currency": "JPY"}]
    assert decide(**base, time_entry=[make.entry(2, "0.5", "1001", currency="JPY")]).rows("amount") == [(501,)]
