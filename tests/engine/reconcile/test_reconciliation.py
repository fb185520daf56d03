"""Reconciliation on ten rows: what matches, what is missing, what differs, what is due only later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from adapters.policy_folder import SHIPPED
from adapters.store.match_decisions import DECIDED_SCHEMA
from tests.command import tieout

Reconcile = Callable[..., Any]

HEAD = """policy: reconciliation
id: rec-test
title: Invoices of billing stand in the ERP
owner: ar
effective_from: 1900-01-01
reference: AM 8
says: Every invoice stands in both
"""

BY_NUMBER = (
    HEAD
    + """left: {entity: invoice, system: billing, where: "status <> 'void'", amount: gross_amount, date: invoice_date}
right: {entity: invoice, system: erp, where: "status = 'posted'", amount: gross_amount, date: invoice_date}
passes:
  - {id: number, match: one_to_one, on: KEY, tolerance: TOLERANCE}
"""
)


def by_number(key: str = "invoice_id", tolerance: str = "{}", more: str = "") -> str:
    return BY_NUMBER.replace("KEY", key).replace("TOLERANCE", tolerance) + more


def invoices(*rows: str) -> dict[str, str]:
    head = "invoice_id,invoice_number,customer_id,invoice_date,currency,gross_amount,status"
    return {"invoice": "\n".join([head, *rows]) + "\n"}


BILLED = invoices(
    "I1,A-1,C1,2026-01-02,EUR,100.00,posted",
    "I2,A-2,C1,2026-01-03,EUR,200.00,posted",
    "I3,A-3,C2,2026-01-30,EUR,300.00,posted",
    "I4,A-4,C2,2026-01-05,EUR,400.00,void",
)
BOOKED = invoices(
    "I1,A-1,C1,2026-01-02,EUR,100.00,posted",
    "I2,A-2,C1,2026-01-03,EUR,205.00,posted",
    "I3,A-3,C2,2026-01-30,EUR,300.00,draft",
    "I5,A-5,C2,2026-01-06,EUR,50.00,posted",
)


def test_what_ties_what_differs_and_what_stands_on_one_side_only(reconcile: Reconcile) -> None:
    run = reconcile(by_number(), billing=BILLED, erp=BOOKED)
    assert run.matches("confirmed") == [["I1", "I1"]]
    assert run.kinds() == [("amounts_differ", "I2"), ("no_counterpart", "I3"), ("no_source_record", "I5")]
    tie = run.tie()
    assert (tie["left_total"], tie["right_total"], tie["difference"], tie["unexplained"]) == (600, 355, 245, 245)
    assert (tie["matched"], tie["breaks"], tie["status"]) == (1, 3, "open")


def test_a_line_whose_other_side_is_in_another_currency_says_so(reconcile: Reconcile) -> None:
    day = "C1,2026-01-02"
    billed = invoices(f"I1,A-1,{day},EUR,100.00,posted", f"I2,A-2,{day},EUR,10.00,posted", f"I3,,{day},EUR,1.00,posted")
    booked = invoices(f"I9,A-1,{day},USD,100.00,posted", f"I8,A-1,{day},GBP,100.00,posted", f"I7,,{day},USD,1.00,posted")
    run = reconcile(by_number("invoice_number"), billing=billed, erp=booked)
    told = dict(run.frame("findings").select("entity_id", "message").iter_rows())
    assert told["I1"] == "Invoice I1 of 100.00 EUR in billing has no counterpart in erp (there it is in GBP, USD)."
    assert told["I8"] == "Invoice I8 of 100.00 GBP in erp has no counterpart in billing (there it is in EUR)."
    # Another number, or none, is another invoice.
    assert all(told[key].endswith("has no counterpart in erp.") for key in ("I2", "I3"))


def test_amounts_are_kept_and_told_in_the_minor_unit_of_their_currency(reconcile: Reconcile) -> None:
    billed, booked = (
        invoices(f"I1,A-1,C1,2026-01-02,IQD,{dinars},posted", f"I2,A-2,C1,2026-01-02,JPY,{yen},posted")
        for dinars, yen in (("100.005", "70"), ("100.004", "69"))
    )
    run = reconcile(by_number(), billing=billed, erp=booked)
    assert sorted(run.frame("findings").filter(pl.col("kind") == "amounts_differ")["message"]) == [
        "Invoice I1: 100.005 IQD in billing, 100.004 IQD in erp; the difference is 0.001 IQD.",
        "Invoice I2: 70.00 JPY in billing, 69.00 JPY in erp; the difference is 1.00 JPY.",
    ]
    ties = run.frame("reconciliations").sort("currency").select("currency", "left_total", "difference").rows()
    assert ties == [("IQD", Decimal("100.005"), Decimal("0.001")), ("JPY", Decimal(70), Decimal(1))]


def test_a_finding_says_both_amounts_and_names_the_rows_of_both(reconcile: Reconcile) -> None:
    run = reconcile(by_number(), billing=BILLED, erp=BOOKED)
    found = run.frame("findings").filter(pl.col("kind") == "amounts_differ").to_dicts()[0]
    assert found["message"] == "Invoice I2: 200.00 EUR in billing, 205.00 EUR in erp; the difference is -5.00 EUR."
    assert found["evidence"] == ["billing/invoice.csv:3", "erp/invoice.csv:3"]
    assert (found["amount_at_risk"], found["systems"], found["related_id"]) == (5, ["billing", "erp"], "I2")


def test_a_line_that_is_not_yet_due_is_timing_and_no_finding(reconcile: Reconcile) -> None:
    more = 'expect: {within: "invoice_date + 5 workdays", breached: "invoice_date + 20 workdays", waived: "customer_id = \'C9\'"}\n'
    billed = invoices(
        "I1,A-1,C1,2026-01-02,EUR,100.00,posted", "I2,A-2,C1,2026-01-28,EUR,200.00,posted",
        "I3,A-3,C1,2026-01-12,EUR,300.00,posted", "I4,A-4,C1,2025-11-05,EUR,400.00,posted", "I5,A-5,C9,2025-11-05,EUR,500.00,posted",
        "I6,A-6,C1,,EUR,600.00,posted",
    )  # fmt: skip
    booked = invoices("I1,A-1,C1,2026-01-05,EUR,100.00,posted")
    run = reconcile(by_number(more=more), billing=billed, erp=booked)
    status = dict(run.frame("expectations").select("entity_id", "status").iter_rows())
    # Of what has no date nobody can say that it is not due yet.
    assert status == {"I1": "met", "I2": "expected", "I3": "late", "I4": "breached", "I5": "waived", "I6": "late"}
    assert run.kinds() == [("no_counterpart", "I3"), ("no_counterpart", "I4"), ("no_counterpart", "I6")]
    tie = run.tie()
    assert (tie["explained_timing"], tie["unexplained"]) == (700, 1300)


def test_a_residual_is_judged_by_amount_and_percent_together(reconcile: Reconcile) -> None:
    billed = invoices("I1,A-1,C1,2026-01-02,EUR,1.00,posted", "I2,A-2,C1,2026-01-02,EUR,1000.00,posted")
    booked = invoices("I1,A-1,C1,2026-01-02,EUR,1.50,posted", "I2,A-2,C1,2026-01-02,EUR,1000.50,posted")
    both = reconcile(by_number(tolerance="{absolute: 1.00, percent: 0.1, needs: both}"), billing=billed, erp=booked)
    assert both.matches("confirmed") == [["I2", "I2"]]
    assert both.tie()["explained_tolerance"] == Decimal("-0.5")


def test_a_budget_caps_what_is_let_through_smallest_first(reconcile: Reconcile) -> None:
    policy = by_number(tolerance="{absolute: 1.00}, budget: {amount: 0.80, per: customer, period: month}")
    billed = invoices(*[f"I{n},A-{n},{who},2026-01-02,EUR,100.00,posted" for n, who in ((1, "C1"), (2, "C1"), (3, "C1"), (4, "C2"))])
    booked = invoices(
        *[f"I{n},A-{n},C1,2026-01-02,EUR,{amount},posted" for n, amount in ((1, "100.50"), (2, "100.30"), (3, "100.60"), (4, "100.60"))]
    )
    run = reconcile(policy, billing=billed, erp=booked)
    # C1: 0.30 + 0.50 use the budget up; 0.60 is over it. C2 has a budget of its own.
    assert run.matches("confirmed") == [["I1", "I1"], ["I2", "I2"], ["I4", "I4"]]
    assert run.kinds() == [("amounts_differ", "I3")]


def test_small_residuals_that_lean_one_way_are_a_finding(reconcile: Reconcile) -> None:
    policy = by_number(tolerance="{absolute: 0.05}", more="drift: {items: 10, share: 90, amount: 0.20}\n")
    lines = [f"I{n},A-{n},C1,2026-01-02,EUR,100.00,posted" for n in range(12)]
    run = reconcile(policy, billing=invoices(*lines), erp=invoices(*[line.replace("100.00", "100.03") for line in lines]))
    assert run.kinds() == [("tolerance_bias", "rec-test|EUR")]
    assert run.tie()["status"] == "explained"


def test_keys_are_compared_by_letters_and_digits_where_the_policy_says_so(reconcile: Reconcile) -> None:
    billed = invoices("I1,INV 0007/a,C1,2026-01-02,EUR,100.00,posted")
    booked = invoices("E1,inv-0007-A,C1,2026-01-02,EUR,100.00,posted")
    assert reconcile(by_number("[{key: invoice_number, normalized: true}]"), billing=billed, erp=booked).kinds() == []


def test_a_reference_is_found_in_free_text(reconcile: Reconcile) -> None:
    policy = (
        HEAD
        + """left: {entity: invoice, system: billing, amount: gross_amount}
right: {entity: journal_line, system: erp, amount: debit, date: posting_date}
passes:
  - {id: text, match: one_to_one, on: [{left: invoice_number, right: source_document_id, pattern_right: 'INV-[0-9]+'}]}
"""
    )
    billed = invoices("I1,INV-12,C1,2026-01-02,EUR,100.00,posted")
    journal = {"journal_line": "journal_line_id,source_document_id,debit,currency\nJ1,Payment of INV-12 thanks,100.00,EUR\n"}
    assert reconcile(policy, billing=billed, erp=journal).matches("confirmed") == [["I1", "J1"]]


def paid(match: str, pattern: str, *texts: str) -> tuple[str, dict[str, str]]:
    policy = (
        HEAD
        + f"""left: {{entity: invoice, system: billing, amount: gross_amount}}
right: {{entity: journal_line, system: erp, amount: debit, date: posting_date}}
passes:
  - {{id: text, match: {match}, on: [{{left: invoice_number, right: source_document_id, pattern_right: '{pattern}'}}]}}
"""
    )
    lines = "".join(f"J{number},{text},EUR\n" for number, text in enumerate(texts, start=1))
    return policy, {"journal_line": "journal_line_id,source_document_id,debit,currency\n" + lines}


THREE = invoices(
    "I1,INV-12,C1,2026-01-02,EUR,100.00,posted", "I2,INV-13,C1,2026-01-02,EUR,50.00,posted", "I3,INV-14,C1,2026-01-02,EUR,7.00,posted"
)


def test_a_payment_that_names_several_invoices_meets_them_all(reconcile: Reconcile) -> None:
    policy, journal = paid("many_to_one", "INV-[0-9]+", "INV-13 and INV-12 and INV-12 again,150.00", "for INV-14,7.00")
    run = reconcile(policy, billing=THREE, erp=journal)
    assert run.matches("confirmed") == [["I1", "I2", "J1"], ["I3", "J2"]]
    assert run.kinds() == []


def test_what_two_payments_name_together_is_one_block(reconcile: Reconcile) -> None:
    policy, journal = paid("many_to_many", "INV-([0-9]+)", "INV-12 INV-13,120.00", "INV-13 INV-14,37.00")
    policy = policy.replace("left: invoice_number,", "left: invoice_number, pattern_left: 'INV-([0-9]+)',")
    run = reconcile(policy, billing=THREE, erp=journal)
    assert run.matches("confirmed") == [["I1", "I2", "I3", "J1", "J2"]]


def test_a_pattern_may_look_away_from_capitals_and_its_group_is_what_counts(reconcile: Reconcile) -> None:
    for pattern in ("(?i)INV-[0-9]+", "(?:ref )?(INV-[0-9]+)"):
        policy, journal = paid("one_to_one", pattern, "ref INV-14,7.00")
        assert reconcile(policy, billing=THREE, erp=journal).matches("confirmed") == [["I3", "J1"]]


def test_equal_choices_are_suggested_with_the_alternatives_and_never_confirmed(reconcile: Reconcile) -> None:
    billed = invoices("I1,A,C1,2026-01-02,EUR,100.00,posted")
    booked = invoices("E1,A,C1,2026-01-02,EUR,100.00,posted", "E2,A,C1,2026-01-02,EUR,100.00,posted")
    run = reconcile(by_number("invoice_number"), billing=billed, erp=booked)
    suggested = run.frame("matches").filter(pl.col("status") == "suggested")
    assert suggested["alternatives"].to_list() == [["E2"], ["E2"]]
    assert run.matches("confirmed") == []
    assert run.tie()["suggested"] == 1


def test_where_one_line_on_the_right_is_contested_the_other_lines_on_the_left_are_shown(reconcile: Reconcile) -> None:
    billed = invoices("I1,A,C1,2026-01-02,EUR,100.00,posted", "I2,A,C1,2026-01-02,EUR,100.00,posted")
    run = reconcile(by_number("invoice_number"), billing=billed, erp=invoices("E1,A,C1,2026-01-02,EUR,100.00,posted"))
    suggested = run.frame("matches").filter(pl.col("status") == "suggested")
    chosen = suggested.filter(pl.col("side") == "left")["entity_id"].item()
    assert suggested["alternatives"].to_list() == [[{"I1": "I2", "I2": "I1"}[chosen]]] * 2


def test_in_a_block_too_large_to_solve_lines_of_one_amount_are_each_others_alternatives(reconcile: Reconcile) -> None:
    rows = [(f"{n:02}", f"A,C1,2026-01-02,EUR,{100 + (n // 2)}.00,posted") for n in range(42)]
    billed, booked = (invoices(*(f"{side}{name},{rest}" for name, rest in rows)) for side in ("I", "E"))
    run = reconcile(by_number("invoice_number"), billing=billed, erp=booked)
    suggested = run.frame("matches").filter(pl.col("status") == "suggested")
    assert run.matches("confirmed") == [] and suggested.height == 84
    assert suggested.filter(pl.col("match_id") == "L:I00")["alternatives"].to_list() == [["E01"]] * 2


def word(verdict: str, *lines: str, residual: str = "0", number: int = 1) -> pl.DataFrame:
    """A person's word on a match of lines such as `left:I1`."""
    rows = [
        {"reconciliation": "rec-test", "decision": number, "verdict": verdict, "by": "ida", "on": dt.date(2026, 1, 30),
         "residual": Decimal(residual), "side": each.partition(":")[0], "entity": "invoice", "entity_id": each.partition(":")[2]}
        for each in lines
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=DECIDED_SCHEMA, orient="row")


TWINS = {
    "billing": invoices("I1,A,C1,2026-01-02,EUR,100.00,posted"),
    "erp": invoices("E1,A,C1,2026-01-02,EUR,100.00,posted", "E2,A,C1,2026-01-02,EUR,100.00,posted"),
}  # fmt: skip


def test_what_a_person_confirmed_is_matched_before_any_pass(reconcile: Reconcile) -> None:
    run = reconcile(by_number("invoice_number"), decided=word("confirmed", "left:I1", "right:E2"), **TWINS)
    assert run.matches("confirmed") == [["I1", "E2"]]
    decided = run.frame("matches").filter(pl.col("status") == "confirmed")
    assert decided.select("pass", "reason").unique().rows() == [("decided", "confirmed by ida on 2026-01-30")]
    assert run.matches("suggested") == []
    # Once more is left over than was decided on, or a line is gone, nobody's word stands for it.
    for changed in (word("confirmed", "left:I1", "right:E2", residual="7"), word("confirmed", "left:I1", "right:E9")):
        assert reconcile(by_number("invoice_number"), decided=changed, **TWINS).matches("confirmed") == []


APART = {
    "billing": invoices("I1,A,C1,2026-01-02,EUR,100.00,posted"), "erp": invoices("E1,B,C1,2026-01-02,EUR,60.00,posted"),
}  # fmt: skip


def test_a_confirmed_match_does_not_explain_what_no_tolerance_covers(reconcile: Reconcile) -> None:
    said = word("confirmed", "left:I1", "right:E1", residual="40")
    run = reconcile(by_number("invoice_number", tolerance="{absolute: 5}"), decided=said, **APART)
    assert run.matches("confirmed") == [["I1", "E1"]]
    rows = run.frame("matches")
    assert set(rows["reason"]) == {"confirmed by ida on 2026-01-30; what is left over is beyond tolerance and stays a break"}
    tie = run.tie()
    assert (tie["matched"], tie["breaks"], tie["unexplained"], tie["explained"], tie["status"]) == (1, 1, 40, 0, "open")
    found = run.frame("findings").to_dicts()
    assert [(each["kind"], each["amount_at_risk"], each["related_id"]) for each in found] == [("amounts_differ", 40, "E1")]
    assert "The match is confirmed by ida on 2026-01-30; no tolerance covers what is left over." in found[0]["message"]


def test_a_confirmed_match_within_tolerance_is_explained_by_it(reconcile: Reconcile) -> None:
    said = word("confirmed", "left:I1", "right:E1", residual="40")
    run = reconcile(by_number("invoice_number", tolerance="{percent: 40}"), decided=said, **APART)
    tie = run.tie()
    assert (run.kinds(), tie["explained_tolerance"], tie["unexplained"], tie["status"]) == ([], 40, 0, "explained")


@pytest.mark.parametrize(("passes", "count"), [("", 0), (", passes: [decided]", 2)])
def test_what_a_confirmed_match_leaves_over_is_booked_only_where_the_policy_says_so(reconcile: Reconcile, passes: str, count: int) -> None:
    said = word("confirmed", "left:I1", "right:E1", residual="40")
    more = f'adjustment: {{account: "7990", against: "1100"{passes}}}\n'
    run = reconcile(by_number("invoice_number", tolerance="{absolute: 5}", more=more), decided=said, **APART)
    booked = run.frame("journal") if (run.folder / "journal.parquet").exists() else pl.DataFrame()
    assert booked.height == count
    # Booked or not, it is a difference until the ledger holds the entry.
    assert run.kinds() == [("amounts_differ", "I1")]


def test_the_list_of_suggested_matches_names_what_fits_as_well(reconcile: Reconcile) -> None:
    run = reconcile(by_number("invoice_number"), **TWINS)
    listed = tieout("match", "list", "--out", str(run.folder.parent)).stdout
    assert "would fit as well: " in listed and listed.splitlines()[-1] == "1 match is suggested, 0 decided."


def test_what_a_person_refused_is_not_matched_again(reconcile: Reconcile) -> None:
    same = {name: invoices("I1,A,C1,2026-01-02,EUR,100.00,posted") for name in ("billing", "erp")}
    assert reconcile(by_number("invoice_number"), **same).matches("confirmed") == [["I1", "I1"]]
    run = reconcile(by_number("invoice_number"), decided=word("refused", "left:I1", "right:I1"), **same)
    assert run.matches("confirmed") == run.matches("suggested") == []
    assert run.frame("matches")["reason"].to_list() == ["refused by ida on 2026-01-30"] * 2
    # Part of what was refused is another match, and may be made.
    run = reconcile(by_number("invoice_number"), decided=word("refused", "left:I1", "right:E1", "right:E2"), **TWINS)
    assert len(run.matches("suggested")) == 1


WINDOWED = (
    HEAD
    + """left: {entity: time_entry, system: psa, amount: hours, date: work_date}
right: {entity: invoice_line, system: billing, amount: quantity}
passes:
  - {id: period, match: many_to_one, on: project_id, window: {left: work_date, right: service_start..service_end, days: 0}}
"""
)


def test_work_goes_to_the_invoice_line_whose_service_period_holds_it(reconcile: Reconcile) -> None:
    time = "time_entry_id,project_id,work_date,hours\nT1,P1,2026-01-05,4\nT2,P1,2026-01-20,3\nT3,P1,2026-02-02,5\nT4,P1,2026-03-02,9\n"
    line = "invoice_line_id,project_id,service_start,service_end,quantity\nL1,P1,2026-01-01,2026-01-31,7\nL2,P1,2026-02-01,2026-02-28,5\n"
    run = reconcile(WINDOWED, psa={"time_entry": time}, billing={"invoice_line": line})
    assert run.matches("confirmed") == [["T1", "T2", "L1"], ["T3", "L2"]]
    assert run.kinds() == [("no_counterpart", "T4")]


def test_an_entry_left_out_of_a_block_is_found_by_sums(reconcile: Reconcile) -> None:
    window = ", window: {left: work_date, right: service_start..service_end, days: 0}"
    policy = WINDOWED.replace("many_to_one", "many_to_many").replace(window, "")
    time = "time_entry_id,project_id,work_date,hours\nT1,P1,2026-01-05,4\nT2,P1,2026-01-20,3\nT3,P1,2026-01-21,2\n"
    line = "invoice_line_id,project_id,quantity\nL1,P1,6\n"
    run = reconcile(policy, psa={"time_entry": time}, billing={"invoice_line": line})
    assert run.matches("confirmed") == [["T1", "T3", "L1"]]
    assert run.kinds() == [("no_counterpart", "T2")]


def test_an_invoice_credited_and_issued_again_nets_out_on_its_side(reconcile: Reconcile) -> None:
    policy = (
        HEAD
        + """left: {entity: invoice, system: billing, amount: gross_amount, keys: {origin: "COALESCE(corrects_invoice_id, invoice_id)"}}
right: {entity: invoice, system: erp, amount: gross_amount}
passes:
  - {id: credited, match: net, side: left, on: [{left: origin, right: invoice_id}]}
  - {id: number, match: one_to_one, on: invoice_id}
"""
    )
    head = "invoice_id,corrects_invoice_id,replaces_invoice_id,currency,gross_amount\n"
    billed = {"invoice": head + "I1,,,EUR,100.00\nN1,I1,,EUR,-100.00\nI2,,I1,EUR,90.00\n"}
    run = reconcile(policy, billing=billed, erp=invoices("I2,A,C1,2026-01-02,EUR,90.00,posted"))
    assert run.matches("confirmed") == [["I1", "N1"], ["I2", "I2"]]
    assert run.kinds() == []


def test_a_tolerated_residual_proposes_a_balanced_entry(reconcile: Reconcile) -> None:
    policy = by_number(tolerance="{absolute: 0.05}", more='adjustment: {account: "7990", against: "1100"}\n')
    billed = invoices("I1,A-1,C1,2026-01-02,EUR,100.00,posted", "I2,A-2,C1,2026-01-02,EUR,50.00,posted")
    booked = invoices("I1,A-1,C1,2026-01-02,EUR,99.98,posted", "I2,A-2,C1,2026-01-02,EUR,50.00,posted")
    lines = reconcile(policy, billing=billed, erp=booked).frame("journal")
    assert lines.select("account", "debit", "credit").rows() == [("7990", Decimal("0.02"), None), ("1100", None, Decimal("0.02"))]


def test_totals_in_functional_currency_are_converted_unrounded_and_rounded_once(reconcile: Reconcile) -> None:
    policy = (
        HEAD
        + """currency: functional
left: {entity: invoice, system: erp, amount: amount_due}
right: {entity: journal_line, system: erp, amount: debit, amount_in: functional}
"""
    )
    # 3 × 10.00 USD at 0.333 are 9.99; rounded one by one they would be 3 × 3.33 = 9.99, in the ledger 10.00.
    bill = "invoice_id,currency,amount_due,exchange_rate\nI0,EUR,1.00,1\n" + "".join(f"I{n},USD,10.00,0.3335\n" for n in (1, 2, 3))
    journal = "journal_line_id,debit,currency\n" + "J0,1.00,EUR\n" + "".join(f"J{n},3.34,EUR\n" for n in (1, 2, 3))
    tie = reconcile(policy, erp={"invoice": bill, "journal_line": journal}).tie()
    assert (tie["left_total"], tie["right_total"]) == (Decimal("11.01"), Decimal("11.02"))
    assert (tie["explained_rounding"], tie["currency"], tie["status"]) == (Decimal("-0.01"), "EUR", "explained")


def test_totals_that_differ_by_more_than_rounding_are_a_finding(reconcile: Reconcile) -> None:
    policy = by_number().partition("passes:")[0]
    run = reconcile(policy, billing=BILLED, erp=BOOKED)
    assert run.kinds() == [("totals_differ", "rec-test|all|EUR")]


def test_a_policy_whose_side_no_source_supplies_does_not_apply(reconcile: Reconcile) -> None:
    run = reconcile(by_number(), billing=BILLED)
    assert run.not_applicable() == [("rec-test", "erp supplies no invoice records in this snapshot")]
    assert run.frame("reconciliations").height == 0


def test_a_policy_does_not_apply_to_a_system_that_never_states_the_amount(reconcile: Reconcile) -> None:
    run = reconcile(by_number(), billing=BILLED, erp={"invoice": "invoice_id,status\nI1,posted\n"})
    assert run.not_applicable() == [("rec-test", "erp states no gross_amount for invoice records")]


def test_a_line_without_amount_is_a_finding_and_not_nothing(reconcile: Reconcile) -> None:
    run = reconcile(by_number(), billing=invoices("I1,A-1,C1,2026-01-02,EUR,,posted", "I2,A-2,C1,2026-01-02,EUR,1.00,posted"), erp=BOOKED)
    assert ("amount_unknown", "I1") in run.kinds()


def test_amounts_of_different_currencies_never_meet(reconcile: Reconcile) -> None:
    billed = invoices("I1,A-1,C1,2026-01-02,EUR,100.00,posted")
    booked = invoices("I1,A-1,C1,2026-01-02,USD,100.00,posted")
    assert reconcile(by_number(), billing=billed, erp=booked).kinds() == [("no_counterpart", "I1"), ("no_source_record", "I1")]


def test_severity_may_depend_on_the_difference(reconcile: Reconcile) -> None:
    policy = by_number(more="breaks: {severity: \"CASE WHEN difference > 100 THEN 'high' ELSE 'low' END\"}\n")
    found = reconcile(policy, billing=BILLED, erp=BOOKED).frame("findings")
    assert dict(found.select("entity_id", "severity").iter_rows()) == {"I2": "low", "I3": "high", "I5": "low"}


def test_an_earlier_finding_explains_a_break_of_the_same_record(reconcile: Reconcile) -> None:
    first = by_number(more="breaks: {kind: not_there}\n").replace("rec-test", "rec-a")
    second = by_number(more="known_causes: [value_drift, not_there]\n").replace("rec-test", "rec-b")
    run = reconcile(first, others={"second.yaml": second}, billing=BILLED, erp=BOOKED)
    # Both are made in one stage; only findings of earlier stages, or of policies before, are causes.
    assert set(run.frame("findings")["rule"]) == {"rec-a"}
    row = run.frame("reconciliations").filter(pl.col("reconciliation") == "rec-b").to_dicts()[0]
    assert (row["explained_known_cause"], row["unexplained"], row["status"]) == (245, 0, "explained")


def test_a_balance_is_never_tied_to_some_of_its_lines(reconcile: Reconcile) -> None:
    policy = (
        HEAD
        + """left: {entity: invoice, system: billing, amount: gross_amount}
right: {entity: journal_line, system: erp, amount: "COALESCE(debit, 0) - COALESCE(credit, 0)"}
passes:
  - {id: whole, match: one_to_many, on: [{left: invoice_id, right: source_document_id}], search: false}
"""
    )
    head = "journal_line_id,source_document_id,debit,credit,currency\n"
    journal = head + "J1,I1,100.00,,EUR\nJ2,I1,30.00,,EUR\nJ3,I1,,30.00,EUR\nJ4,I1,5.00,,EUR\n"
    run = reconcile(policy, billing=invoices("I1,A,C1,2026-01-02,EUR,100.00,posted"), erp={"journal_line": journal})
    assert run.matches("confirmed") == run.matches("suggested") == []
    assert run.kinds() == [("amounts_differ", "I1")]


def test_what_agrees_in_its_own_currency_differs_by_exchange_alone(reconcile: Reconcile) -> None:
    policy = (
        HEAD
        + """currency: functional
left: {entity: invoice, system: erp, amount: gross_amount, keys: {document: invoice_id}}
right: {entity: journal_line, system: erp, amount: functional_debit, amount_in: functional, original: debit,
        keys: {document: source_document_id}}
passes: [{id: document, match: many_to_many, on: document}]
"""
    )
    entity = "legal_entity_id,functional_currency\nLE1,EUR\n"
    billed = (
        "invoice_id,legal_entity_id,currency,gross_amount,exchange_rate\n"
        "I1,LE1,USD,100.00,0.90\nI2,LE1,USD,50.00,0.90\nI3,LE1,EUR,10.00,1\n"
    )
    booked = (
        "journal_line_id,legal_entity_id,source_document_id,currency,debit,functional_debit\n"
        "J1,LE1,I1,USD,100.00,95.00\nJ2,LE1,I2,USD,40.00,38.00\nJ3,LE1,I3,EUR,10.00,10.00\n"
    )
    run = reconcile(policy, erp={"legal_entity": entity, "invoice": billed, "journal_line": booked})
    assert run.kinds() == [("amounts_differ", "I2"), ("exchange_differs", "I1")]
    tie = run.tie()
    assert (tie["difference"], tie["explained_fx"], tie["unexplained"]) == (Decimal("2.00"), Decimal("-5.00"), Decimal("7.00"))
    assert "all of it exchange" in run.frame("findings").filter(pl.col("kind") == "exchange_differs")["message"].item()


def of_entities(*names: str) -> dict[str, str]:
    """Return invoices I0, I1, … of 10.00 each, one for each legal entity named."""
    rows = "".join(f"I{number},{name},2026-01-02,EUR,10.00,posted\n" for number, name in enumerate(names))
    return {"invoice": "invoice_id,legal_entity_id,invoice_date,currency,gross_amount,status\n" + rows}


def test_a_legal_entity_that_one_system_does_not_export_is_no_difference(reconcile: Reconcile) -> None:
    run = reconcile(by_number(), billing=of_entities("LE1", "LE1", *["LE2"] * 5), erp=of_entities("LE1"))
    assert run.kinds() == [("no_counterpart", "I1"), ("not_comparable", "rec-test|LE2|EUR")]
    tied = {row["scope"]: (row["status"], row["difference"], row["unexplained"]) for row in run.frame("reconciliations").to_dicts()}
    assert tied == {"LE1": ("open", Decimal(10), Decimal(10)), "LE2": ("not_comparable", None, None)}
    assert run.frame("tieout_matrix").select("open", "not_comparable", "unexplained").rows() == [(1, 1, Decimal(10))]


def test_a_few_lines_without_counterpart_are_told_one_by_one(reconcile: Reconcile) -> None:
    run = reconcile(by_number(), billing=of_entities("LE1", *["LE2"] * 4), erp=of_entities("LE1"))
    assert [kind for kind, _ in run.kinds()] == ["no_counterpart"] * 4


def test_two_projects_in_two_currencies_are_the_projects_of_one_contract(reconcile: Reconcile) -> None:
    shipped = (SHIPPED / "reconciliation" / "rec-contract-project.yaml").read_text(encoding="utf-8")
    contract = "contract_id,status,start_date,total_value,currency\nC1,active,2026-01-02,100.00,EUR\n"
    project = "project_id,contract_id,status,activated_date,budget_hours,currency\n"
    project += "P1,C1,active,2026-01-02,10,EUR\nP2,C1,active,2026-01-03,,USD\n"
    run = reconcile(shipped, crm={"contract": contract}, psa={"project": project})
    assert run.kinds() == []
