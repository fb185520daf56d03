"""Sides that cover different days, companies or currencies: only what the other side cannot hold is no break."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.findings import finish_findings
from engine.policy.load import load_policies
from engine.policy.outputs import READABLE
from engine.policy.source import SourceText
from engine.reconcile import decide_reconciliation
from engine.stage import Context, Facts

AS_OF = dt.date(2026, 3, 31)

HEAD = """policy: reconciliation
id: rec-test
title: Invoices
owner: ar
effective_from: 1900-01-01
reference: AM 8
says: Every invoice stands in both
"""
POLICY = f"""{HEAD}left: {{entity: invoice, system: billing, amount: gross_amount, date: invoice_date}}
right: {{entity: invoice, system: erp, amount: gross_amount, date: invoice_date}}
passes:
  - {{id: id, match: one_to_one, on: invoice_id}}
"""
LEDGER = f"""{HEAD}left: {{entity: invoice, system: billing, amount: gross_amount, date: invoice_date}}
right: {{entity: journal_line, system: erp, where: account = '4000', amount: credit, date: posting_date, keys: {{invoice_id: source_document_id}}}}
passes:
  - {{id: id, match: one_to_one, on: invoice_id}}
"""  # noqa: E501
CONTROL = f"""{HEAD}left: {{entity: invoice, system: billing, amount: gross_amount}}
right: {{entity: journal_line, system: erp, where: account = '1100', amount: debit}}
"""

Rows = list[tuple[str, dt.date]]
Records = list[dict[str, Any]]


def of_month(month: int, count: int = 6, start: int = 1) -> Rows:
    return [(f"I{month}-{n}", dt.date(2026, month, n + start)) for n in range(count)]


def invoices(system: str, rows: Rows, **more: Any) -> Records:
    return [{"invoice_id": name, "invoice_date": day, "gross_amount": Decimal(10), "currency": "EUR", "source_system": system, **more}
            for name, day in rows]  # fmt: skip


def booked(rows: Rows, account: str, **more: Any) -> Records:
    return [{"journal_line_id": f"J{account}{name}", "source_document_id": name, "posting_date": day, "account": account, "currency": "EUR",
             "credit": Decimal(10), "debit": Decimal(10), "source_system": "erp", **more} for name, day in rows]  # fmt: skip


def run(policy: str, exported: dict[str, dt.date] | None = None, **entities: Records) -> tuple[pl.DataFrame, Records]:
    """Return the findings and tie-outs over records; `exported` states the day of a system's export."""
    held: dict[str, pl.LazyFrame] = {}
    stated: dict[tuple[str, str], frozenset[str]] = {}
    for entity, records in entities.items():
        schema: dict[str, Any] = READABLE[entity].polars_schema()
        rows = [
            {**each, "source_file": f"{entity}.csv", "source_row": row,
             "extracted_at": _instant((exported or {}).get(each["source_system"]))}
            for row, each in enumerate(records, start=1)
        ]  # fmt: skip
        held[entity] = pl.DataFrame(rows, schema=schema).lazy()
        stated |= {(entity, each["source_system"]): frozenset(schema) for each in records}
    policies, diagnostics = load_policies([SourceText("p.yaml", policy)])
    assert not diagnostics
    result = decide_reconciliation(Facts(held, stated, AS_OF, held), policies, Context(AS_OF))
    return finish_findings(*result.findings), result.frames["reconciliations"].collect().to_dicts()


def _instant(day: dt.date | None) -> dt.datetime | None:
    return None if day is None else dt.datetime.combine(day, dt.time(20), dt.UTC)


def reconciled(
    billing: Rows, erp: Rows, policy: str = POLICY, exported: dict[str, dt.date] | None = None, **others: Records
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Return the findings and the one tie-out of invoices of 10 EUR each."""
    found, ties = run(policy, exported, invoice=invoices("billing", billing) + invoices("erp", erp), **others)
    return found, ties[0]


def told(found: pl.DataFrame) -> list[tuple[str, str]]:
    return sorted(found.select("kind", "entity_id").iter_rows())


def kinds(found: pl.DataFrame) -> set[str]:
    return set(found["kind"])


def test_a_side_that_ends_earlier_leaves_the_rest_of_the_other_not_comparable() -> None:
    found, tie = reconciled(of_month(1) + of_month(2), of_month(1) + of_month(2) + of_month(3))
    assert told(found) == [("not_comparable", "rec-test|missing_left|after|EUR")]
    assert found["message"][0] == (
        "Invoices: billing supplies nothing after 2026-02-28, so that 6 lines of erp from 2026-03-01 to 2026-03-06, 60.00 EUR in all, "
        "cannot be compared."
    )
    assert (tie["explained_timing"], tie["unexplained"], tie["breaks"]) == (-60, 0, 0)


def test_what_is_only_concluded_to_be_uncovered_is_for_review_and_never_explained() -> None:
    _, concluded = reconciled(of_month(1), of_month(1) + of_month(3))
    _, certain = reconciled(of_month(3), [*of_month(3), ("late", dt.date(2026, 3, 30))], exported={"billing": dt.date(2026, 3, 25)})
    assert (concluded["status"], certain["status"]) == ("review", "explained")


def test_a_side_that_starts_later_leaves_the_beginning_of_the_other_not_comparable() -> None:
    found, tie = reconciled(of_month(1) + of_month(2), of_month(2))
    assert told(found) == [("not_comparable", "rec-test|missing_right|before|EUR")]
    assert (found["amount_at_risk"][0], found["systems"][0].to_list()) == (60, ["billing", "erp"])
    assert (tie["explained_timing"], tie["unexplained"]) == (60, 0)


def test_a_whole_month_that_an_export_of_a_stated_day_lacks_is_missing_there() -> None:
    rows = of_month(1) + of_month(2), of_month(1)
    found, tie = reconciled(*rows, exported={"billing": AS_OF, "erp": AS_OF})
    assert (kinds(found), tie["unexplained"], tie["breaks"], tie["status"]) == ({"no_counterpart"}, 60, 6, "open")
    # Where nobody says when it was exported, it may have ended before.
    assert kinds(reconciled(*rows)[0]) == {"not_comparable"}


def test_a_month_without_revenue_in_a_ledger_that_has_other_entries_of_it_is_missing_there() -> None:
    months = of_month(1) + of_month(2)
    revenue = booked(of_month(1), "4000")
    found, ties = run(LEDGER, invoice=invoices("billing", months), journal_line=revenue + booked([("rent", dt.date(2026, 2, 3))], "6000"))
    assert (kinds(found), ties[0]["unexplained"]) == ({"no_counterpart"}, 60)
    alone, _ = run(LEDGER, invoice=invoices("billing", months), journal_line=revenue)
    assert kinds(alone) == {"not_comparable"}


def test_a_first_month_without_revenue_in_a_ledger_that_has_other_entries_of_it_is_missing_there() -> None:
    found, _ = run(
        LEDGER, invoice=invoices("billing", of_month(1) + of_month(2)),
        journal_line=booked(of_month(2), "4000") + booked([("rent", dt.date(2026, 1, 3))], "6000"),
    )  # fmt: skip
    assert kinds(found) == {"no_counterpart"}


def test_another_record_of_the_system_shows_that_it_covers_the_month() -> None:
    payment = {"payment_id": "P1", "paid_date": dt.date(2026, 3, 9), "amount": Decimal(1), "currency": "EUR", "source_system": "billing"}
    found, _ = reconciled(of_month(1), of_month(1) + of_month(3), payment=[payment])
    assert kinds(found) == {"no_source_record"}


def test_a_partial_month_is_missing_and_not_uncovered() -> None:
    late = of_month(2, start=20)
    found, tie = reconciled(of_month(1) + of_month(2, 3) + [(f"late {name}", day) for name, day in late], of_month(1) + of_month(2, 3))
    assert (kinds(found), tie["breaks"]) == ({"no_counterpart"}, 6)


def test_a_system_that_goes_live_within_a_month_is_held_to_that_month() -> None:
    early = [(f"early {name}", day) for name, day in of_month(2)]
    found, _ = reconciled(of_month(1) + early + of_month(2, start=15), of_month(2, start=15))
    assert told(found) == [
        *(("no_counterpart", f"early I2-{n}") for n in range(6)), ("not_comparable", "rec-test|missing_right|before|EUR")
    ]  # fmt: skip


def test_one_customer_whose_invoices_are_late_is_no_other_coverage() -> None:
    both = of_month(1) + of_month(2, 1)
    found, _ = reconciled(both + [(f"late {name}", day) for name, day in of_month(2)], both)
    assert kinds(found) == {"no_counterpart"}


@pytest.mark.parametrize("other", [{"currency": "USD"}, {"legal_entity_id": "LE2"}])
def test_a_month_that_is_missing_of_one_company_or_currency_is_missing(other: dict[str, str]) -> None:
    first, second = of_month(1), [(f"B{name}", day) for name, day in of_month(1) + of_month(2)]
    own = {"legal_entity_id": "LE1", **other}
    left, right = (
        invoices(system, first + of_month(2), legal_entity_id="LE1") + invoices(system, rows, **own)
        for system, rows in (("billing", second), ("erp", second[:6]))
    )
    found, ties = run(POLICY, invoice=left + right)
    assert (kinds(found), sum(tie["breaks"] for tie in ties)) == ({"no_counterpart"}, 6)


def test_a_company_that_the_system_has_other_records_of_is_missing_and_not_uncovered() -> None:
    ours = invoices("billing", of_month(1), legal_entity_id="LE1") + invoices("billing", of_month(2), legal_entity_id="LE2")
    theirs = invoices("erp", of_month(1), legal_entity_id="LE1")
    found, _ = run(POLICY, invoice=ours + theirs, exported={"billing": AS_OF, "erp": AS_OF})
    assert told(found) == [("not_comparable", "rec-test|LE2|EUR")]
    wages = booked([("wages", dt.date(2026, 1, 31))], "6000", legal_entity_id="LE2")
    found, ties = run(POLICY, invoice=ours + theirs, journal_line=wages, exported={"billing": AS_OF, "erp": AS_OF})
    assert (kinds(found), [tie["status"] for tie in ties]) == ({"no_counterpart"}, ["tied", "open"])


@pytest.mark.parametrize(
    ("elsewhere", "status"),
    [({"legal_entity_id": "LE2"}, "open"), ({"legal_entity_id": "LE2", "currency": "USD"}, "not_comparable"),
     ({"legal_entity_id": "LE1"}, "not_comparable")],
)  # fmt: skip
def test_a_control_account_without_entries_is_a_difference_where_the_ledger_covers_company_and_currency(
    elsewhere: dict[str, str], status: str
) -> None:
    owed = invoices("billing", of_month(1), legal_entity_id="LE2")
    found, ties = run(CONTROL, invoice=owed, journal_line=booked([("rent", dt.date(2026, 1, 3))], "6000", **elsewhere))
    assert [(tie["status"], tie["left_total"]) for tie in ties] == [(status, 60)]
    assert kinds(found) == {"totals_differ" if status == "open" else "not_comparable"}


def test_a_control_account_with_a_balance_that_no_open_item_supports_is_a_difference() -> None:
    other = invoices("billing", of_month(1), legal_entity_id="LE2", gross_amount=Decimal(0))
    _, ties = run(CONTROL, invoice=other, journal_line=booked(of_month(1), "1100", legal_entity_id="LE2"))
    assert [(tie["status"], tie["difference"]) for tie in ties] == [("open", -60)]
    paid = CONTROL.replace("system: billing,", "system: billing, where: gross_amount > 0,")
    _, ties = run(paid, invoice=other, journal_line=booked(of_month(1), "1100", legal_entity_id="LE2"))
    assert [(tie["status"], tie["left_lines"], tie["difference"]) for tie in ties] == [("open", 0, -60)]


def test_what_is_missing_within_the_days_of_both_sides_is_a_break_all_the_same() -> None:
    found, tie = reconciled(of_month(1) + of_month(2), of_month(1, 5) + of_month(2) + of_month(3))
    assert told(found) == [("no_counterpart", "I1-5"), ("not_comparable", "rec-test|missing_left|after|EUR")]
    assert (tie["unexplained"], tie["breaks"]) == (10, 1)


def test_a_few_lines_of_a_month_that_the_other_side_lacks_are_told_one_by_one() -> None:
    found, _ = reconciled(of_month(1), of_month(1) + of_month(3, 2))
    assert told(found) == [("no_source_record", "I3-0"), ("no_source_record", "I3-1")]


def test_a_line_dated_after_the_other_sides_export_cannot_stand_there() -> None:
    erp = [*of_month(3), ("late", dt.date(2026, 3, 30))]
    found, tie = reconciled(of_month(3), erp, exported={"billing": dt.date(2026, 3, 25)})
    assert told(found) == [("not_comparable", "rec-test|missing_left|exported|EUR")]
    assert (found["severity"][0], tie["explained_timing"], tie["unexplained"]) == ("medium", -10, 0)


def test_an_export_that_was_taken_later_for_one_part_of_a_side_hides_nothing_of_the_other() -> None:
    part = "\n  - {entity: payment, system: bank, amount: amount, date: paid_date}\n  - {entity: invoice, system: erp,"
    policy = POLICY.replace("right: {entity: invoice, system: erp,", f"right:{part}")
    bank = [
        {"payment_id": "P1", "invoice_id": "I3-0", "paid_date": AS_OF, "amount": Decimal(10), "currency": "EUR", "source_system": "bank"}
    ]
    rows = {"invoice": invoices("billing", of_month(3)) + invoices("erp", of_month(3)[1:5]), "payment": bank}
    found, _ = run(policy, {"billing": AS_OF, "erp": AS_OF, "bank": dt.date(2026, 3, 2)}, **rows)
    assert told(found) == [("no_counterpart", "I3-5")]


def test_dates_that_mean_different_days_cover_no_months() -> None:
    found, _ = reconciled(of_month(1), of_month(1) + of_month(3), POLICY + "dated_alike: false\n")
    assert kinds(found) == {"no_source_record"}


def test_a_line_of_the_future_is_beyond_both_exports_and_no_difference_of_theirs() -> None:
    found, _ = reconciled([*of_month(3), ("next", dt.date(2026, 4, 1))], of_month(3))
    assert told(found) == [("no_counterpart", "next")]


def test_a_ledger_exported_before_a_period_ended_is_held_to_the_period_before() -> None:
    """What is booked at the end of March is not in an export of the 29th; February's is."""
    ended = POLICY.replace("amount: gross_amount,", "where: invoice_date <= ended_on, amount: gross_amount,")
    billing, erp = [*of_month(2), ("end", AS_OF)], of_month(2)
    found, tie = reconciled(billing, erp, ended, exported={"billing": AS_OF, "erp": dt.date(2026, 3, 29)})
    assert told(found) == [("not_comparable", "rec-test|exported")]
    assert found["message"][0] == (
        "Invoices: a system was exported on 2026-03-29, before the as-of date; the figures of 2026-02 are compared."
    )
    assert (tie["left_total"], tie["right_total"], tie["status"]) == (60, 60, "tied")
    found, tie = reconciled(billing, erp, ended, exported={"billing": AS_OF, "erp": AS_OF})
    assert (kinds(found), tie["left_total"], tie["status"]) == ({"no_counterpart"}, 70, "open")


def test_figures_of_the_day_of_the_export_are_compared_only_where_both_are_of_one_day() -> None:
    def tied(policy: str, day: dt.date) -> tuple[pl.DataFrame, dict[str, Any]]:
        paid = [{**each, "gross_amount": Decimal(4)} for each in invoices("erp", of_month(3, 1))]
        found, ties = run(policy, {"billing": AS_OF, "erp": day}, invoice=invoices("billing", of_month(3, 1)) + paid)
        return found, ties[0]

    open_items = f"{POLICY}as_exported: true\n"
    found, tie = tied(open_items, dt.date(2026, 3, 29))
    assert told(found) == [("not_comparable", "rec-test|differs|exported|EUR")]
    assert found["message"][0] == (
        "Invoices: one side was exported on 2026-03-29, so that 1 lines of billing and erp from 2026-03-01 to 2026-03-01, 6.00 EUR in all, "
        "cannot be compared."
    )
    assert (tie["explained_timing"], tie["unexplained"], tie["status"]) == (6, 0, "explained")
    for policy, day in ((open_items, AS_OF), (POLICY, dt.date(2026, 3, 29))):
        found, tie = tied(policy, day)
        assert ("not_comparable" in kinds(found), tie["unexplained"], tie["status"]) == (False, 6, "open")
