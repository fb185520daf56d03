"""What people could do so that held items may be billed; what was agreed stays as it is."""

from __future__ import annotations

from typing import Any

from adapters.policy_folder import SHIPPED, check_policies
from engine.billing import unblocking_actions
from engine.stage import Context, Facts

LINE = {"contract_id": "C1", "project_id": "P1"}
ENTITIES: dict[str, list[dict[str, Any]]] = {
    "contract": [{"contract_id": "C1", "currency": "EUR", "status": "active"}, {"contract_id": "C2", "currency": "EUR", "status": "draft"}],
    "contract_line": [
        {"contract_line_id": "L1", "offering": "time_and_materials", **LINE}, {"contract_line_id": "L2", "offering": "milestone", **LINE},
        {"contract_line_id": "L3", "offering": "time_and_materials", "contract_id": "C2"},
    ],
    "project": [{"project_id": "P1", "contract_id": "C1", "manager": "Ada"}],
    "time_entry": [
        {"time_entry_id": name, "contract_line_id": line, "project_id": "P1", "work_date": "2026-03-02", "hours": "2", "billable": True,
         "status": status, "bill_rate": rate, "currency": "EUR"}
        for name, line, status, rate in (
            ("T1", "L1", "submitted", "100"), ("T2", "L1", "approved", "100"), ("T3", "L1", "draft", None),
            ("T4", "L2", "submitted", "100"), ("T5", "L3", "approved", "100"),
        )
    ],
    "milestone": [
        {"milestone_id": "M1", "contract_line_id": "L2", "project_id": "P1", "amount": "500", "currency": "EUR", "status": "completed",
         "due_date": "2026-03-01"}
    ],
}  # fmt: skip


def test_each_held_item_has_its_smallest_action_and_whose_turn_it_is(facts_of: Any) -> None:
    facts: Facts = facts_of(ENTITIES)
    policies, _ = check_policies(SHIPPED)
    rows = unblocking_actions(facts, policies, Context(facts.as_of)).select("item_id", "action", "needed", "would_decide", "manager").rows()
    assert rows == [
        ("M1", "Have the milestones accepted", "status is accepted", "BM-040", "Ada"),
        ("T1", "Approve the time", "status is approved", "BT-900", "Ada"),
        ("T3", "Approve the time; Give the time a rate", "status is approved and rate is not missing", "BT-900", "Ada"),
        ("T5", "Have the contract signed", "contract.status is not draft", "BT-900", "Ada"),
    ]
