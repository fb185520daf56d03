"""Checks on ten rows: what must hold of records and groups, numbers without a gap, what is not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

Reconcile = Callable[..., Any]

HEAD = """policy: check
id: chk-test
title: Journals
owner: controller
effective_from: 1900-01-01
reference: AM 8
"""

JOURNALS = (
    HEAD
    + """entity: journal_line
system: erp
group: {by: journal_id, called: journal, count: {numbers: journal_number}, sum: {debits: "COALESCE(debit, 0)"}}
checks:
  - {id: CHECK, kind: broken, says: It holds, remedy: Mend it.}
"""
)


def journals(check: str) -> str:
    return JOURNALS.replace("id: CHECK", f"id: chk-one, {check}")


LINES = """journal_line_id,journal_id,journal_number,legal_entity_id,posting_date,period,debit,credit,posted_by,approved_by,created_at
L1,J1,A-001,LE1,2026-01-05,2026-01,10.00,,ann,bob,2026-01-05T10:00:00Z
L2,J1,A-001,LE1,2026-01-05,2026-01,,10.00,ann,bob,2026-01-05T10:00:00Z
L3,J2,A-002,LE1,2026-01-06,2026-01,20.00,,ann,ann,2026-01-06T10:00:00Z
L4,J3,A-005,LE1,2025-11-06,2025-11,30.00,,ann,,2026-01-20T10:00:00Z
L5,J4,B-001,LE2,2026-01-06,2026-01,40.00,,bob,ann,2026-01-06T10:00:00Z
L6,J5,B-003,LE2,2026-01-07,2026-01,50.00,,bob,ann,2026-01-07T10:00:00Z
"""


def test_what_does_not_hold_is_a_finding_and_what_is_not_known_another(reconcile: Reconcile) -> None:
    run = reconcile(journals("must: posted_by <> approved_by"), erp={"journal_line": LINES})
    assert run.kinds() == [("broken", "J2"), ("unknown", "J3")]
    row = run.frame("checks").to_dicts()[0]
    assert (row["records"], row["passed"], row["failed"], row["unknown"], row["status"]) == (5, 3, 1, 1, "failed")


def test_a_finding_shows_the_values_it_was_judged_by(reconcile: Reconcile) -> None:
    found = reconcile(journals("must: posted_by <> approved_by"), erp={"journal_line": LINES}).frame("findings")
    message = found.filter(pl.col("kind") == "broken")["message"][0]
    assert message == "Journal J2. This must hold and does not: It holds (approved by ann, posted by ann)."


def test_groups_are_judged_by_what_is_counted_and_summed(reconcile: Reconcile) -> None:
    run = reconcile(journals("must: records = 1 AND numbers = 1 AND debits < 50, amount: debits"), erp={"journal_line": LINES})
    found = run.frame("findings").sort("entity_id").select("entity_id", pl.col("amount_at_risk").cast(pl.Int64)).rows()
    assert found == [("J1", 10), ("J5", 50)]


def test_missing_numbers_are_told_as_runs_by_series(reconcile: Reconcile) -> None:
    run = reconcile(journals("sequence: journal_number, per: legal_entity_id"), erp={"journal_line": LINES})
    assert run.kinds() == [("broken", "A-003..A-004"), ("broken", "B-002")]


CLOSED = "legal_entity_id,period,start_date,end_date,status,closed_at\nLE1,2025-11,2025-11-01,2025-11-30,closed,2025-12-08T18:00:00Z\n"


def test_a_journal_entered_after_its_period_was_closed(reconcile: Reconcile) -> None:
    check = journals("where: fiscal_period.closed_at IS NOT NULL, must: created_at <= fiscal_period.closed_at")
    run = reconcile(check, erp={"journal_line": LINES, "fiscal_period": CLOSED})
    assert run.kinds() == [("broken", "J3")]


def test_a_check_of_periods_does_not_apply_where_there_are_none(reconcile: Reconcile) -> None:
    check = journals("where: fiscal_period.closed_at IS NOT NULL, must: created_at <= fiscal_period.closed_at")
    run = reconcile(check, erp={"journal_line": LINES})
    assert run.not_applicable() == [("chk-one", "no source of the snapshot supplies fiscal period records")]


@pytest.mark.parametrize(("unstated", "findings"), [("not_applicable", 0), ("fails", 3)])
def test_a_field_that_no_source_states_is_asked_for_only_on_demand(reconcile: Reconcile, unstated: str, findings: int) -> None:
    lines = "journal_line_id,journal_id,debit\nL1,J1,1\nL2,J2,1\nL3,J3,1\n"
    run = reconcile(journals(f"must: approved_by IS NOT NULL, unstated: {unstated}"), erp={"journal_line": lines})
    assert len(run.kinds()) == findings


def test_a_line_counts_what_names_it(reconcile: Reconcile) -> None:
    policy = (
        HEAD
        + """entity: contract_line
with: {plans: {entity: billing_plan_line, on: contract_line_id}}
checks:
  - {id: chk-one, must: plans > 0, kind: no_plan, says: It is billed, remedy: Plan it.}
"""
    )
    lines, plans = "contract_line_id,contract_id\nL1,C1\nL2,C1\n", "plan_line_id,contract_line_id\nP1,L1\nP2,L1\n"
    run = reconcile(policy, crm={"contract_line": lines}, billing={"billing_plan_line": plans})
    assert run.kinds() == [("no_plan", "L2")]
    assert run.frame("findings")["contract_id"].to_list() == ["C1"]


def test_a_check_is_left_out_where_better_records_are_there(reconcile: Reconcile) -> None:
    check = "checks:\n  - {id: chk-one, must: due_date >= as_of, kind: overdue, says: s, remedy: r}\n"
    invoice = {"invoice": "invoice_id,due_date\nI1,2025-12-01\n"}
    payment = {"payment": "payment_id,amount\nP1,1.00\n"}
    run = reconcile(HEAD + "entity: invoice\nunless_supplied: payment\n" + check, billing=invoice | payment)
    assert run.kinds() == []
    assert [name for name, _ in run.not_applicable()] == ["chk-test"]
