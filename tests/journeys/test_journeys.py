"""What people do through a browser, from the sign-in to the audit log."""

from __future__ import annotations

import re

import polars as pl
import sqlalchemy as sa

from adapters.authoring.governance import propose_folder
from adapters.store.audit import Actor, verify
from adapters.store.case_work import history
from adapters.store.policy_versions import decide
from adapters.store.tables import Case
from dashboard.views.workspace import Workspace, find_runs
from tests.journeys.conftest import ANNA, BEN, Visit


def test_a_cause_is_triaged_assigned_and_waived_with_approval(firm: Workspace, visit: Visit) -> None:
    store = firm.open_store()
    with store.read() as session:
        cause = session.execute(sa.select(Case).where(Case.kind == "invoice_left_out_time")).scalar_one()
    anna = visit(ANNA)
    anna.opens("exceptions")
    anna.sees("Causes first")
    anna.opens(f"exceptions?record={cause.case_id}")
    anna.sees("Explains 3 others")
    anna.page.get_by_label("With", exact=True).fill("carla")
    anna.presses("Assign")
    anna.sees("1 case is with carla.")
    anna.turns_to("Waive")
    anna.page.get_by_label("Why", exact=True).fill("Billed with the next invoice, as agreed")
    anna.presses("Settle")
    anna.sees("waiting for a signed-in approver who is not anna@firm.example")
    anna.may_not("Approve")
    anna.keeps("waiver-asked")
    ben = visit(BEN)
    ben.opens(f"exceptions?record={cause.case_id}")
    ben.page.get_by_label("Your note").fill("Agreed")
    ben.presses("Approve")
    ben.sees("The request was approved.")
    ben.keeps("waiver-approved")
    with store.read() as session:
        case = session.get(Case, cause.case_id)
        assert case is not None
        assert (case.state, case.assignee) == ("waived", "carla")
        told = [(each.action, each.actor, each.identity) for each in history(session, case)][1:]
        assert told == [("assigned", ANNA, "signed_in"), ("waive requested", ANNA, "signed_in"), ("waived", BEN, "signed_in")]
        assert verify(session)[1] is None
    store.close()


def approve_as_they_stand(firm: Workspace) -> int:
    """Have the policies approved as they stand, and return the number of that version."""
    store = firm.open_store()
    with store.write() as session:
        anna, ben = (Actor(name, "signed_in", frozenset({role})) for name, role in ((ANNA, "preparer"), (BEN, "approver")))
        request, _ = propose_folder(session, anna, firm.policies, None, kind_of_change=None, transition=None, comment="As we began")
        decide(session, ben, request, approve=True, text="As we began")
        number = request.approval_id
    store.close()
    return number


def test_a_rule_is_edited_weighed_proposed_approved_by_another_run_and_rolled_back(firm: Workspace, visit: Visit) -> None:
    first, before = approve_as_they_stand(firm), len(find_runs(firm))
    path = firm.policies / "billing" / "bill-time.yaml"
    text = path.read_text(encoding="utf-8")
    anna = visit(ANNA)
    anna.opens("policies?record=billing/bill-time.yaml")
    anna.turns_to("Edit")
    box = anna.page.get_by_label("Text", exact=True)
    anna.may_not("Save")
    box.fill(text.replace("not(approved), null |", "-                   |", 1))
    box.press("Control+Enter")
    # The witness: a record that shows what the table would do.
    anna.sees("never decides: earlier rules take each of its records; a record with status")
    anna.keeps("rule-with-a-witness")
    box.fill(text.replace("decision: [billable,", "decisions: [billable,", 1))
    box.press("Control+Enter")
    anna.sees(re.compile(r"^Line [0-9]+, column"))
    anna.may_not("Save")
    box.fill(text.replace("> 120", "> 10", 1))
    box.press("Control+Enter")
    anna.sees("No mistake.")
    anna.presses("See the money")
    anna.sees(re.compile(r"Moves [0-9,]+\.[0-9]{2} EUR"))
    anna.keeps("rule-with-its-money")
    anna.presses("Save")
    anna.sees("is saved")
    anna.turns_to("Propose")
    anna.sees("is not approved")
    anna.page.get_by_label("Why").fill("Old time is looked at sooner")
    anna.presses("Propose")
    anna.sees("who is not anna@firm.example")
    anna.turns_to("To approve")
    anna.sees("Old time is looked at sooner")
    anna.may_not("Approve")
    ben = visit(BEN)
    ben.opens("policies")
    ben.turns_to("To approve")
    ben.sees(re.compile(r"Moves [0-9,]+\.[0-9]{2} EUR"))
    ben.keeps("proposal-waits")
    ben.presses("Approve")
    ben.sees(f"Proposal {first + 1} is approved.")
    anna.opens("policies?record=billing/bill-time.yaml")
    anna.turns_to("Edit")
    anna.presses("Run again")
    anna.page.get_by_text("as the shown run used it").wait_for()
    assert len(find_runs(firm)) == before + 1
    anna.turns_to("Log")
    anna.sees("The log is whole.")
    anna.page.get_by_role("combobox", name="Version").click()
    anna.page.get_by_role("option", name=f"Proposal {first},").click()
    anna.presses("Roll back")
    anna.sees(f"is as of proposal {first} again")
    anna.keeps("rolled-back")
    assert path.read_text(encoding="utf-8") == text


def test_a_journal_line_is_traced_to_a_row_of_a_timesheet(firm: Workspace, visit: Visit) -> None:
    run = find_runs(firm)[0]
    journal = pl.read_parquet(run.folder / "journal.parquet").explode("evidence")
    number = pl.col("evidence").str.extract(r":(\d+)$").cast(pl.Int64)
    entry = journal.filter(pl.col("evidence").str.starts_with("psa/time")).sort("journal_id", number).row(0, named=True)
    assert run.snapshot_folder is not None
    file, _, row = entry["evidence"].rpartition(":")
    line = (run.snapshot_folder / file).read_text(encoding="utf-8-sig").splitlines()[int(row) - 1]
    anna = visit(ANNA)
    anna.opens("record")
    anna.page.get_by_label("Id or name").fill(entry["journal_id"])
    anna.page.get_by_label("Id or name").press("Enter")
    anna.sees("Where it comes from")
    anna.sees(entry["evidence"])
    anna.sees(line)
    anna.keeps("journal-line-traced")


def test_a_period_is_closed_and_its_certificate_voids_when_evidence_changes(firm: Workspace, visit: Visit) -> None:
    anna, ben = visit(ANNA), visit(BEN)
    anna.opens("close")
    anna.sees("Nothing blocks the close.")
    anna.presses("Start the close on this run")
    anna.sees("is started, certificate")
    anna.presses("Sign")
    anna.sees("anna@firm.example signed the close")
    ben.opens("close")
    ben.page.get_by_role("combobox", name="Sign as").click()
    ben.page.get_by_role("option", name="approver").click()
    ben.presses("Sign")
    ben.sees("ben@firm.example signed the close")
    ben.presses("Lock the period")
    ben.sees("is locked.")
    ben.keeps("period-locked")
    path = find_runs(firm)[0].folder / "held.parquet"
    kept = path.read_bytes()
    try:
        path.write_bytes(kept + b"altered")
        ben.opens("close")
        ben.sees("VOID.")
        ben.sees("held.parquet: the file was altered")
        ben.keeps("certificate-void")
    finally:
        path.write_bytes(kept)


def test_who_does_not_sign_in_sees_nothing(server: str, browser: object) -> None:
    page = browser.new_page()  # type: ignore[attr-defined]
    page.goto(f"{server}/exceptions")
    page.get_by_role("button", name="Sign in").wait_for()
    assert page.locator("[data-testid=stDataFrame]").count() == 0
    page.close()
