"""Work of subcontractors that they have not billed by the period's end: a run of the shipped policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from adapters.policy_folder import SHIPPED

Reconcile = Callable[..., Any]

POLICY = (SHIPPED / "reconciliation" / "rec-subcontract-bill.yaml").read_text(encoding="utf-8")
LABOUR = (SHIPPED / "reconciliation" / "rec-labour-gl.yaml").read_text(encoding="utf-8")
REMEDIES = (SHIPPED / "remedies" / "rem-drafts.yaml").read_text(encoding="utf-8")

PEOPLE = "resource_id,vendor_id,legal_entity_id,cost_rate,cost_currency\nR1,V1,LE1,50,EUR\nR2,V2,LE1,60,EUR\nR9,,LE1,40,EUR\n"
PROJECTS = "project_id,contract_id,service_line\nP1,C1,Strategy\nP2,C2,Strategy\n"
TIME = "time_entry_id,resource_id,project_id,work_date,hours,status,cost_rate,cost_currency\n"
BILLS = "bill_id,vendor_id,invoice_date,status,currency\n" + "".join(f"B{n},V{n},2026-02-05,posted,EUR\n" for n in (1, 2, 7))
LINES = "bill_line_id,bill_id,project_id,service_start,service_end,net_amount,currency\n"


def run(reconcile: Reconcile, entries: str, lines: str, people: str = PEOPLE, policy: str = POLICY, **erp: str) -> Any:
    psa = {"resource": people, "project": PROJECTS, "time_entry": TIME + entries}
    supplied = {"bill": BILLS, "bill_line": LINES + lines, **erp}
    return reconcile(policy, as_of="2026-02-20", psa=psa, erp=supplied, others={"remedies.yaml": REMEDIES})


def told(run: Any) -> list[tuple[str, str, str, str]]:
    rows = run.frame("findings").filter(pl.col("rule") == "rec-subcontract-bill").sort("kind", "amount_at_risk").to_dicts()
    return [(each["kind"], f"{each['amount_at_risk']:.2f}", each["contract_id"], str(each["since"])) for each in rows]


JANUARY = (
    "T1,R1,P1,2026-01-12,8,approved,50,EUR\nT2,R1,P1,2026-01-13,6,approved,50,EUR\n" # 700
    "T3,R1,P2,2026-01-14,4,approved,50,EUR\n"                                         # 200
    "T4,R2,P1,2026-01-15,10,approved,60,EUR\n"                                        # 600
    "T5,R9,P1,2026-01-15,8,approved,40,EUR\nT6,R1,P1,2026-01-16,8,submitted,50,EUR\n" # own people; not approved
    "T7,R1,P1,2026-02-03,8,approved,50,EUR\n"                                         # a month that has not ended
)  # fmt: skip


def test_what_is_worked_and_not_billed_is_told_by_month_vendor_and_project(reconcile: Reconcile) -> None:
    lines = "L1,B1,P1,2026-01-01,2026-01-31,700.00,EUR\nL2,B2,P1,2026-01-01,2026-01-31,450.00,EUR\nL7,B7,P1,,,999.00,EUR\n"
    found = run(reconcile, JANUARY, lines)
    assert told(found) == [
        ("subcontract_cost_differs", "150.00", "C1", "2026-01-31"), ("subcontract_not_billed", "200.00", "C2", "2026-01-31"),
    ]  # fmt: skip
    assert [key for _, key in found.kinds()] == ["202601|V2|P1", "202601|V1|P2"]
    tie = found.tie()
    assert [f"{tie[name]:.2f}" for name in ("left_total", "right_total", "unexplained")] == ["1500.00", "1150.00", "350.00"]


def test_the_vendor_may_stand_on_the_line_where_the_bill_does_not_tell_it(reconcile: Reconcile) -> None:
    bills = "bill_id,vendor_id,invoice_date,status,currency\n" + "".join(f"B{n},,2026-02-05,posted,EUR\n" for n in (1, 2, 7))
    head = "bill_line_id,bill_id,vendor_id,kind,is_principal,project_id,service_start,service_end,net_amount,currency\n"
    rows = (
        "L1,B1,V1,bill,true,P1,2026-01-01,2026-01-31,700.00,EUR\nL2,B2,V2,bill,true,P1,2026-01-01,2026-01-31,450.00,EUR\n"
        "L7,B7,V7,bill,true,P1,,,999.00,EUR\n"
    )
    found = run(reconcile, JANUARY, "", bill=bills, bill_line=head + rows)
    assert [each[:2] for each in told(found)] == [("subcontract_cost_differs", "150.00"), ("subcontract_not_billed", "200.00")]
    assert f"{found.tie()['right_total']:.2f}" == "1150.00"


def test_what_is_not_billed_is_accrued_at_the_periods_end_and_taken_back_in_the_next(reconcile: Reconcile) -> None:
    found = run(reconcile, JANUARY, "L1,B1,P1,2026-01-01,2026-01-31,700.00,EUR\nL2,B2,P1,,2026-01-31,600.00,EUR\n")
    drafts = found.frame("remedies").filter(pl.col("rule") == "RM-135").to_dicts()
    assert [
        (each["debit_account"], each["credit_account"], f"{each['amount']:.2f}", str(each["posting_date"]), str(each["reversal_date"]))
        for each in drafts
    ] == [("5100", "2150", "200.00", "2026-01-31", "2026-02-01")]


def test_a_bill_over_two_months_and_one_without_days_pay_for_the_work_they_add_up_to(reconcile: Reconcile) -> None:
    entries = "T1,R1,P1,2025-12-12,8,approved,50,EUR\nT2,R1,P1,2026-01-13,6,approved,50,EUR\nT3,R2,P1,2026-01-13,1,approved,60,EUR\n"
    found = run(reconcile, entries, "L1,B1,P1,2025-12-01,2026-01-31,700.00,EUR\nL2,B2,P1,,,60.00,EUR\n")
    assert told(found) == []


def test_hours_without_a_cost_rate_are_worth_nobody_knows_what(reconcile: Reconcile) -> None:
    entries = "T1,R1,P1,2026-01-12,8,approved,50,EUR\nT2,R1,P1,2026-01-13,6,approved,,\n"
    found = run(reconcile, entries, "L1,B1,P1,2026-01-01,2026-01-31,400.00,EUR\n")
    assert [kind for kind, _ in found.kinds()] == ["amount_unknown"]


def test_work_in_two_currencies_is_two_sums(reconcile: Reconcile) -> None:
    entries = "T1,R1,P1,2026-01-12,8,approved,50,EUR\nT2,R1,P1,2026-01-13,6,approved,55,USD\n"
    found = run(reconcile, entries, "L1,B1,P1,2026-01-01,2026-01-31,400.00,EUR\n")
    assert told(found) == [("subcontract_not_billed", "330.00", "C1", "2026-01-31")]
    assert found.kinds() == [("subcontract_not_billed", "202601|V1|P1|USD")]


def test_where_nobody_is_known_to_be_a_vendors_there_is_nothing_to_tie(reconcile: Reconcile) -> None:
    people = "resource_id,legal_entity_id,cost_rate,cost_currency\nR1,LE1,50,EUR\n"
    found = run(reconcile, JANUARY, "L1,B1,P1,,,1.00,EUR\n", people)
    assert found.not_applicable() == [("rec-subcontract-bill", "no source of the snapshot states vendor_id for resource records")]


def test_subcontractors_are_no_labour_of_the_payroll(reconcile: Reconcile) -> None:
    journal = "journal_line_id,journal_id,posting_date,account,debit,currency,source_document_type,legal_entity_id,project_id\n"
    journal += "J1,J1,2026-01-31,5000,320.00,EUR,payroll,LE1,P1\n"
    found = run(reconcile, JANUARY, "", policy=LABOUR, journal_line=journal, account="account,account_class\n5000,expense\n")
    assert found.kinds() == []
