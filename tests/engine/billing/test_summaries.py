"""Invoice lines that bill a project's hours of a period in one sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.engine.billing.conftest import Decided

Decide = Callable[..., Decided]


def _firm(*entries: tuple[str, str, Any], lines: list[dict[str, Any]], **more: Any) -> dict[str, list[dict[str, Any]]]:
    """Return a project billed by the hour at 100, its entries (id, day, hours) and the lines of one posted invoice."""
    return {
        "contract": [{"contract_id": "C1", "currency": "EUR", "status": "active", "customer_id": "K1"}],
        "contract_line": [{"contract_line_id": "L1", "contract_id": "C1", "project_id": "P1", "offering": "time_and_materials"}],
        "project": [{"project_id": "P1", "contract_id": "C1", "status": "active"}],
        "time_entry": [
            {"time_entry_id": name, "resource_id": "W1", "project_id": "P1", "contract_line_id": "L1", "work_date": day, "hours": hours,
             "billable": True, "status": "approved", "bill_rate": more.get("rates", {}).get(name, 100), "currency": "EUR"}
            for name, day, hours in entries
        ],
        "invoice": [{"invoice_id": "I1", "kind": "invoice", "contract_id": "C1", "customer_id": "K1", "invoice_date": "2026-02-28",
                     "currency": "EUR", "status": "posted"}],
        "invoice_line": [
            {"invoice_line_id": f"I1-{number}", "invoice_id": "I1", "contract_line_id": "L1", "project_id": "P1", "currency": "EUR",
             "service_start": "2026-02-01", "service_end": "2026-02-28", "unit_price": 100, **line}
            for number, line in enumerate(lines, start=1)
        ],
    }  # fmt: skip


def test_one_line_that_bills_all_hours_of_a_month_bills_every_entry(decide: Decide) -> None:
    done = decide(**_firm(("T1", "2026-02-03", 8), ("T2", "2026-02-04", 4), lines=[{"quantity": 12, "net_amount": 1200}]))
    assert sorted(done.rows("item_id", "decision", "amount_billed")) == [("T1", "billed", 800), ("T2", "billed", 400)]
    assert done.kinds() == []


def test_several_lines_together_bill_the_entries_of_their_period(decide: Decide) -> None:
    lines = [{"quantity": 2, "net_amount": 200}, {"quantity": 10, "net_amount": 1000}]
    done = decide(**_firm(("T1", "2026-02-03", 8), ("T2", "2026-02-04", 4), lines=lines))
    assert sorted(done.rows("item_id", "decision", "amount_billed")) == [("T1", "billed", 800), ("T2", "billed", 400)]


def test_lines_of_several_prices_bill_the_entries_of_their_price(decide: Decide) -> None:
    lines = [{"quantity": 8, "unit_price": 150, "net_amount": 1200}, {"quantity": 4, "net_amount": 400}]
    done = decide(**_firm(("T1", "2026-02-03", 8), ("T2", "2026-02-04", 4), lines=lines, rates={"T1": 150}))
    assert sorted(done.rows("item_id", "decision", "amount_billed")) == [("T1", "billed", 1200), ("T2", "billed", 400)]


def test_hours_that_do_not_fit_are_told_once_and_bill_nothing(decide: Decide) -> None:
    done = decide(**_firm(("T1", "2026-02-03", 8), ("T2", "2026-02-04", 4), lines=[{"quantity": 11, "net_amount": 1100}]))
    assert {row[0] for row in done.rows("amount_billed")} == {0}
    assert done.kinds() == [("billed_in_sum", "I1-1")]
    assert "bill 11.00 h of project P1 from 2026-02-01 to 2026-02-28" in done.message("billed_in_sum")
    assert "12.00 in 2 entries" in done.message("billed_in_sum")
    assert done.findings["amount_at_risk"].to_list() == [100]


def test_an_entry_outside_the_period_is_still_to_be_billed(decide: Decide) -> None:
    done = decide(**_firm(("T1", "2026-02-03", 8), ("T2", "2026-01-04", 4), lines=[{"quantity": 8, "net_amount": 800}]))
    assert sorted(done.rows("item_id", "decision")) == [("T1", "billed"), ("T2", "billable")]
    assert [name for _, name in done.kinds()] == ["T2"]


def test_entries_that_a_line_names_are_not_meant_by_a_sum(decide: Decide) -> None:
    lines: list[dict[str, Any]] = [{"quantity": 8, "net_amount": 800, "time_entry_id": "T1"}, {"quantity": 4, "net_amount": 400}]
    done = decide(**_firm(("T1", "2026-02-03", 8), ("T2", "2026-02-04", 4), lines=lines))
    assert sorted(done.rows("item_id", "decision")) == [("T1", "billed"), ("T2", "billed")]
    assert done.kinds() == []


def test_a_fee_of_a_period_bills_no_hours(decide: Decide) -> None:
    firm = _firm(("T1", "2026-02-03", 8), lines=[{"quantity": 1, "unit_price": 5000, "net_amount": 5000}])
    firm["contract_line"][0]["offering"] = "retainer"
    assert decide(**firm).rows("amount_billed", item_id="T1") == [(0,)]
