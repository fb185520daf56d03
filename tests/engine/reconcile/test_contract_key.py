"""Lines that name no contract of their own tie by the contract that what they refer to is of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

POLICY = """policy: reconciliation
id: rec-time
title: Work of a contract is billed
owner: o
reference: r
effective_from: 1900-01-01
left: {entity: time_entry, system: psa, amount: hours * bill_rate, date: work_date}
right: {entity: invoice_line, system: billing, amount: net_amount}
passes:
  - {id: contract, match: many_to_many, on: [contract_id], tolerance: {absolute: 1.00}}
"""
LINES = "contract_line_id,contract_id\nL1,C1\nL2,C1\n"


def test_work_and_invoices_of_one_contract_tie_whatever_their_lines(reconcile: Callable[..., Any]) -> None:
    """C1: 10 h at 100 on L1 and 5 h at 100 by its project are 1,500; 900 and 600 are billed, one line by its invoice alone."""
    header = "time_entry_id,project_id,contract_line_id,work_date,hours,bill_rate,currency\n"
    entries = header + "T1,,L1,2026-01-05,10,100,EUR\nT2,P1,,2026-01-06,5,100,EUR\n"
    psa = {"time_entry": entries, "project": "project_id,contract_id\nP1,C1\n", "contract_line": LINES}
    lines = "invoice_line_id,invoice_id,contract_line_id,net_amount,currency\nI1-1,I1,L2,900,EUR\nI1-2,I1,,600,EUR\n"
    invoice = "invoice_id,contract_id,invoice_date,currency\nI1,C1,2026-01-31,EUR\n"
    billing = {"invoice": invoice, "invoice_line": lines, "contract_line": LINES}
    found = reconcile(POLICY, psa=psa, billing=billing)
    assert found.kinds() == []
    assert found.tie()["status"] == "tied"
    assert found.matches("confirmed") == [["T1", "T2", "I1-1", "I1-2"]]
