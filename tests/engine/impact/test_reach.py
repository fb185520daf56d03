"""What a change of policies can reach: only tie-outs that it takes, and revenue only where work is worth something else."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from adapters.policy_folder import SHIPPED, require_policies
from engine.impact.reach import caused_policies, explaining_policies, reading_policies
from engine.revenue import decided_reach

SCHEMA = {
    "item_type": pl.String(), "item_id": pl.String(), "contract_id": pl.String(), "rate": pl.Decimal(38, 6), "currency": pl.String(),
    "decision": pl.String(),
}  # fmt: skip


def decisions(*rows: tuple[str, str | None, int, str]) -> pl.DataFrame:
    told = [("time_entry", item, contract, Decimal(rate), "EUR", decision) for item, contract, rate, decision in rows]
    return pl.DataFrame(told, schema=SCHEMA, orient="row")


def test_work_that_waits_earns_what_work_that_goes_out_does() -> None:
    assert decided_reach(decisions(("T1", "C1", 100, "billable")), decisions(("T1", "C1", 100, "on_hold"))) == []


def test_another_rate_and_work_that_is_never_billed_reach_revenue() -> None:
    old = decisions(("T1", "C1", 100, "billable"), ("T2", "C2", 100, "billable"), ("T3", "C3", 100, "billable"))
    new = decisions(("T1", "C1", 90, "billable"), ("T2", "C2", 100, "not_billable"), ("T3", "C3", 100, "on_hold"))
    assert decided_reach(old, new) == ["C1", "C2"]


def test_work_of_no_contract_reaches_every_contract() -> None:
    assert decided_reach(decisions(("T1", None, 100, "billable")), decisions(("T1", None, 90, "billable"))) is None


def test_what_explains_a_difference_is_tied_out_with_it() -> None:
    shipped = require_policies(SHIPPED)
    assert explaining_policies(shipped, {"rec-fee-invoice"}) == ({"rec-fee-invoice"}, False)
    needed, revenue = explaining_policies(shipped, {"rec-invoice-tax"})
    assert needed == {"rec-invoice-tax", "rec-invoice-erp"} and not revenue
    assert explaining_policies(shipped, {"rec-schedule-revrec"})[1]


def test_policies_that_take_a_kind_for_a_cause_are_known_by_it() -> None:
    assert {"rec-fee-invoice", "rec-expense-invoice"} <= caused_policies(require_policies(SHIPPED), {"not_billed"})


def test_only_tie_outs_that_speak_of_a_decision_about_an_item_read_it() -> None:
    shipped = require_policies(SHIPPED)
    hours = reading_policies(shipped, items={"time_entry"}, revenue=False)
    assert "rec-time-invoice" in hours and not hours & {"rec-labour-gl", "rec-expense-invoice", "chk-time-approval"}
    expenses = reading_policies(shipped, items={"expense"}, revenue=False)
    assert "rec-expense-invoice" in expenses and not expenses & {"rec-time-invoice", "rec-expense-gl"}
    assert reading_policies(shipped, items=(), revenue=False) == set()
    assert {"rec-schedule-gl", "rec-contract-asset-gl"} <= reading_policies(shipped, items=(), revenue=True)
