"""What one company of a group charges another, against what the other books: a run of the shipped policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from adapters.policy_folder import SHIPPED

Reconcile = Callable[..., Any]

POLICY = (SHIPPED / "reconciliation" / "rec-intercompany.yaml").read_text(encoding="utf-8")

ACCOUNTS = "account,account_class,control_for\n4900,revenue,none\n5900,expense,none\n1800,asset,none\n2800,liability,none\n"
COMPANIES = "legal_entity_id,name,functional_currency\nLE-EU,Europe,EUR\nLE-UK,Britain,GBP\n"
RATES = "from_legal_entity_id,to_legal_entity_id,role,effective_from,rate,currency\nLE-UK,LE-EU,consultant,2026-01-01,80,EUR\n"
HEAD = (
    "journal_line_id,journal_id,legal_entity_id,posting_date,period,account,debit,credit,currency,source_document_type,source_document_id,"
    "status\n"
)


def charge(document: str, amount: str, *, status: str = "posted", currency: str = "EUR") -> str:
    """Return what the seller books: a claim on the other company, and revenue."""
    head, tail = "LE-UK,2026-01-20,2026-01", f"{currency},intercompany,{document},{status}\n"
    return f"S{document}-1,S{document},{head},1800,{amount},,{tail}S{document}-2,S{document},{head},4900,,{amount},{tail}"


def cost(document: str, *amounts: str, status: str = "posted", currency: str = "EUR") -> str:
    """Return what the buyer books: cost, on as many lines as it likes, and what it owes."""
    head, tail = "LE-EU,2026-01-25,2026-01", f"{currency},intercompany,{document},{status}\n"
    return "".join(
        f"B{document}-{n}a,B{document},{head},5900,{amount},,{tail}B{document}-{n}b,B{document},{head},2800,,{amount},{tail}"
        for n, amount in enumerate(amounts)
    )


def tied(reconcile: Reconcile, lines: str) -> Any:
    erp = {"journal_line": HEAD + lines, "account": ACCOUNTS, "legal_entity": COMPANIES}
    return reconcile(POLICY, erp=erp, psa={"intercompany_rate": RATES})


def test_a_charge_ties_to_the_cost_of_its_document_however_many_lines_the_buyer_books(reconcile: Reconcile) -> None:
    run = tied(reconcile, charge("IC1", "1600.00") + cost("IC1", "1000.00", "600.00"))
    assert run.kinds() == []
    tie = run.tie()
    assert (str(tie["left_total"]), str(tie["right_total"]), tie["matched"], tie["status"]) == ("1600.000000", "1600.000000", 1, "tied")
    assert run.matches("confirmed") == [["SIC1-2", "BIC1-0a", "BIC1-1a"]]


def test_a_difference_and_a_side_that_is_missing_are_each_a_finding_of_their_amount(reconcile: Reconcile) -> None:
    lines = charge("IC1", "1600.00") + cost("IC1", "1600.00")
    lines += charge("IC2", "800.00") + cost("IC2", "750.00")   # booked otherwise
    lines += charge("IC3", "400.00")                           # not booked by the buyer
    lines += cost("IC4", "90.00")                              # not charged by the seller
    lines += charge("IC5", "70.00", status="void")             # no longer there, and nobody booked it
    run = tied(reconcile, lines)
    found = run.frame("findings").filter(pl.col("kind") == "intercompany_differs").sort("entity_id")
    told = [(each["entity_id"], str(each["amount_at_risk"]), each["severity"], each["owner"]) for each in found.to_dicts()]
    assert told == [
        ("BIC4-0a", "90.000000", "high", "controller"), ("SIC2-2", "50.000000", "high", "controller"),
        ("SIC3-2", "400.000000", "high", "controller"),
    ]  # fmt: skip
    tie = run.tie()
    assert (str(tie["difference"]), str(tie["unexplained"]), tie["breaks"], tie["status"]) == ("360.000000", "360.000000", 3, "open")


def test_a_group_that_lends_nobody_has_nothing_to_tie(reconcile: Reconcile) -> None:
    run = reconcile(POLICY, erp={"journal_line": HEAD + charge("IC1", "1.00"), "account": ACCOUNTS})
    assert run.not_applicable() == [("rec-intercompany", "no source of the snapshot supplies intercompany rate records")]
