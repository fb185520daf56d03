"""Checks on ten rows: what must hold of records and groups, numbers without a gap, what is not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from adapters.policy_folder import SHIPPED
from engine.policy.load import load_policies
from engine.policy.source import SourceText

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


@pytest.fixture
def policies_of() -> Callable[[str], list[str]]:
    """Return the messages about a policy's text that are errors."""
    return lambda text: [each.message for each in load_policies([SourceText("chk.yaml", text)])[1] if each.is_error]


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


def test_missing_numbers_are_told_one_by_one_by_series(reconcile: Reconcile) -> None:
    run = reconcile(journals("sequence: journal_number, per: legal_entity_id, dated: posting_date"), erp={"journal_line": LINES})
    assert run.kinds() == [("broken", "A-003"), ("broken", "A-004"), ("broken", "B-002")]
    row = run.frame("checks").to_dicts()[0]
    assert (row["records"], row["passed"], row["failed"], row["status"]) == (5, 3, 2, "failed")


def test_a_missing_number_is_of_the_company_and_after_the_day_of_the_number_before_and_of_no_contract(reconcile: Reconcile) -> None:
    lines = LINES.replace("created_at\n", "created_at,contract_id\n").replace("Z\n", "Z,C9\n")
    run = reconcile(journals("sequence: journal_number, per: legal_entity_id, dated: posting_date"), erp={"journal_line": lines})
    found = run.frame("findings").filter(pl.col("kind") == "broken").sort("entity_id")
    told = found.select("entity_id", "legal_entity_id", pl.col("since").cast(pl.String), "contract_id").rows()
    assert told == [("A-003", "LE1", "2026-01-06", None), ("A-004", "LE1", "2026-01-06", None), ("B-002", "LE2", "2026-01-06", None)]


def test_many_numbers_missing_in_a_row_are_one_hole(reconcile: Reconcile) -> None:
    lines = LINES + "L7,J6,B-016,LE2,2026-01-08,2026-01,50.00,,bob,ann,2026-01-08T10:00:00Z\n"
    lines += "L8,J7,B-030,LE2,2026-01-08,2026-01,50.00,,bob,ann,2026-01-08T10:00:00Z\n"
    told = [key for _, key in reconcile(journals("sequence: journal_number"), erp={"journal_line": lines}).kinds()]
    assert told == ["A-003", "A-004", "B-002", *(f"B-{number:03}" for number in range(4, 16)), "B-017..B-029"]


def test_a_voided_journal_holds_its_number_and_is_asked_nothing_else(reconcile: Reconcile) -> None:
    shipped = (SHIPPED / "reconciliation" / "chk-journals.yaml").read_text(encoding="utf-8")
    head = "journal_line_id,journal_id,journal_number,legal_entity_id,posting_date,status,posted_by,approved_by,source_document_type\n"
    lines = (
        "L1,J1,A-1,LE1,2026-01-05,posted,ann,bob,invoice\n"
        "L2,J2,A-2,LE1,2026-01-06,void,ann,ann,\n"
        "L3,J3,A-3,LE1,2026-01-06,draft,ann,ann,invoice\n"
        "L4,J5,A-5,LE1,2026-01-07,posted,ann,ann,invoice\n"
    )
    run = reconcile(shipped, erp={"journal_line": head + lines})
    assert run.kinds() == [("journal_number_missing", "A-4"), ("self_approved_journal", "J5")]


def test_what_dates_a_finding_is_a_day(policies_of: Callable[[str], list[str]]) -> None:
    assert policies_of(journals("must: debits > 0, dated: journal_number")) == ["`journal_number` is text; here a date is needed"]
    assert policies_of(journals("sequence: journal_number, dated: debits"))[0].endswith("here a date is needed")
    assert "did you mean 'created_at'?" in policies_of(journals("sequence: journal_number, dated: creatd_at"))[0]


PAID = HEAD + """entity: invoice
with:
  paid: {entity: payment, on: invoice_id, sum: amount}
  paid_on: {entity: payment, on: invoice_id, last: DAY}
checks:
  - {id: chk-one, must: paid <= gross_amount, dated: "GREATEST(paid_on, invoice_date)", kind: broken, says: It holds, remedy: Mend it.}
"""


def test_a_finding_may_stand_since_the_last_day_of_other_records(reconcile: Reconcile) -> None:
    invoices = "invoice_id,invoice_date,gross_amount,currency\nI1,2026-01-05,10,EUR\nI2,2026-03-01,10,EUR\nI3,2026-01-05,10,EUR\n"
    payments = "payment_id,invoice_id,paid_date,amount,currency\nP1,I1,2026-02-07,9,EUR\nP2,I1,2026-02-03,9,EUR\nP3,I2,2026-02-01,11,EUR\n"
    run = reconcile(PAID.replace("DAY", "paid_date"), erp={"invoice": invoices, "payment": payments})
    found = run.frame("findings").filter(pl.col("kind") == "broken").sort("entity_id")
    assert found.select("entity_id", pl.col("since").cast(pl.String)).rows() == [("I1", "2026-02-07"), ("I2", "2026-03-01")]
    assert found["message"][0] == "Invoice I1. This must hold and does not: It holds (gross amount 10.00, paid 18.00)."


@pytest.mark.parametrize(("day", "message"), [
    ("amount", "here a date is needed"),
    ("paid_day", "unknown field 'paid_day', did you mean 'paid_date'?"),
    ("paid_date, sum: amount", "what is added is a `sum` or the `last` day, not both; give it two names"),
])  # fmt: skip
def test_the_last_of_other_records_is_a_day(policies_of: Callable[[str], list[str]], day: str, message: str) -> None:
    assert message in policies_of(PAID.replace("DAY", day))[0]


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


OVERPAID = """policy: check
id: chk-test
title: Payments
owner: ar
effective_from: 1900-01-01
entity: invoice
with: {paid: {entity: payment, on: invoice_id, sum: amount, where: paid_date <= as_of}}
checks:
  - {id: chk-one, must: paid <= gross_amount, amount: paid - gross_amount, kind: broken, says: It is paid once, remedy: Refund it.}
"""


def test_what_is_told_by_a_sum_names_the_rows_it_is_of(reconcile: Reconcile) -> None:
    invoices = "invoice_id,invoice_date,currency,gross_amount,status\nI1,2026-01-02,EUR,100,posted\nI2,2026-01-02,EUR,100,posted\n"
    payments = (
        "payment_id,invoice_id,paid_date,amount,currency\nP1,I1,2026-01-05,100,EUR\nP2,I2,2026-01-05,100,EUR\n"
        "P3,I1,2026-01-31,70,EUR\nP4,I2,2026-02-01,100,EUR\nP5,I1,2026-02-01,100,EUR\n"
    )
    found = reconcile(OVERPAID, billing={"invoice": invoices, "payment": payments}).frame("findings")
    (row,) = found.filter(pl.col("stage") == "reconciliation").select("entity_id", "amount_at_risk", "evidence").to_dicts()
    assert (row["entity_id"], row["amount_at_risk"]) == ("I1", 70)
    assert [each.rpartition("/")[2] for each in row["evidence"]] == ["invoice.csv:2", "payment.csv:2", "payment.csv:4"]


def test_a_check_is_left_out_where_better_records_are_there(reconcile: Reconcile) -> None:
    check = "checks:\n  - {id: chk-one, must: due_date >= as_of, kind: overdue, says: s, remedy: r}\n"
    invoice = {"invoice": "invoice_id,due_date\nI1,2025-12-01\n"}
    payment = {"payment": "payment_id,amount\nP1,1.00\n"}
    run = reconcile(HEAD + "entity: invoice\nunless_supplied: payment\n" + check, billing=invoice | payment)
    assert run.kinds() == []
    assert [name for name, _ in run.not_applicable()] == ["chk-test"]


def test_a_signed_line_is_set_up_to_be_delivered_billed_and_recognized(reconcile: Reconcile) -> None:
    shipped = (SHIPPED / "reconciliation" / "chk-contract-structure.yaml").read_text(encoding="utf-8")
    head = "contract_line_id,contract_id,project_id,offering,start_date\n"
    lines = (
        "L1,C1,P1,retainer,2026-01-01\n"             # whole
        "L2,C1,,retainer,2026-01-01\n"               # no project
        "L3,C1,P3,time_and_materials,2026-01-01\n"   # time without assignment
        "L4,C1,P4,time_and_materials,2026-01-01\n"   # nobody for more than sixty workdays
        "L5,C1,P4,time_and_materials,2026-03-02\n"   # nobody yet
        "L6,C2,P6,fixed_fee,2026-01-01\n"            # nothing to bill by
        "L7,C1,P1,managed_service,2026-01-01\n"      # no schedule
        "L8,C3,,retainer,2026-01-01\n"               # not signed
        "L9,C2,P6,time_and_materials,2026-01-01\n"   # its entries bear their price
    )  # fmt: skip
    contracts = "contract_id,status,signed_date,start_date\nC1,active,2026-01-01,2026-01-01\nC2,signed,2026-01-01,2026-01-01\n"
    contracts += "C3,draft,2026-01-01,2026-01-01\n"
    run = reconcile(
        shipped, as_of="2026-04-20",
        crm={"contract": contracts, "contract_line": head + lines, "rate": "rate_id,contract_id\nR1,C1\n",
             "billing_plan_line": "plan_line_id,contract_line_id\nB1,L1\nB2,L2\nB7,L7\n"},
        psa={"project": "project_id,contract_id\nP1,C1\nP3,C1\nP4,C1\nP6,C2\n", "assignment": "assignment_id,project_id\nA1,P1\nA6,P6\n",
             "time_entry": "time_entry_id,contract_line_id,project_id,bill_rate\nT1,L3,P3,\nT9,L9,P6,100\n"},
        revrec={"revenue_schedule_line": "schedule_line_id,contract_line_id\nS1,L1\nS2,L2\n"},
    )  # fmt: skip
    assert run.kinds() == [
        ("line_without_assignment", "L3"), ("line_without_assignment", "L4"), ("line_without_billing_rule", "L6"),
        ("line_without_project", "L2"), ("line_without_schedule", "L7"),
    ]  # fmt: skip
