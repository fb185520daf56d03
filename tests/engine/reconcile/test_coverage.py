"""Sides that cover different days: what lies beyond the other side is timing, told once, and no break."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl

from engine.findings import finish_findings
from engine.policy.load import load_policies
from engine.policy.outputs import READABLE
from engine.policy.source import SourceText
from engine.reconcile import decide_reconciliation
from engine.stage import Context, Facts

AS_OF = dt.date(2026, 3, 31)

POLICY = """policy: reconciliation
id: rec-test
title: Invoices
owner: ar
effective_from: 1900-01-01
reference: AM 8
says: Every invoice stands in both
left: {entity: invoice, system: billing, amount: gross_amount, date: invoice_date}
right: {entity: invoice, system: erp, amount: gross_amount, date: invoice_date}
passes:
  - {id: id, match: one_to_one, on: invoice_id}
"""

Rows = list[tuple[str, dt.date]]


def of_month(month: int, count: int = 6) -> Rows:
    return [(f"I{month}-{n}", dt.date(2026, month, n + 1)) for n in range(count)]


def reconciled(
    billing: Rows, erp: Rows, policy: str = POLICY, exported: dict[str, dt.date] | None = None
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Return the findings and the one tie-out of invoices of 10 EUR each."""
    schema: dict[str, Any] = READABLE["invoice"].polars_schema()
    rows = [
        {"invoice_id": name, "invoice_date": day, "gross_amount": Decimal(10), "currency": "EUR", "source_system": system,
         "source_file": f"{system}.csv", "source_row": row,
         "extracted_at": dt.datetime.combine((exported or {}).get(system, AS_OF), dt.time(20), dt.UTC)}
        for system, lines in (("billing", billing), ("erp", erp))
        for row, (name, day) in enumerate(lines, start=1)
    ]  # fmt: skip
    held = {"invoice": pl.DataFrame(rows, schema=schema).lazy()}
    stated = {("invoice", system): frozenset(schema) for system in ("billing", "erp")}
    policies, diagnostics = load_policies([SourceText("p.yaml", policy)])
    assert not diagnostics
    result = decide_reconciliation(Facts(held, stated, AS_OF, held), policies, Context(AS_OF))
    return finish_findings(*result.findings), result.frames["reconciliations"].collect().to_dicts()[0]


def told(found: pl.DataFrame) -> list[tuple[str, str]]:
    return sorted(found.select("kind", "entity_id").iter_rows())


def test_a_side_that_ends_earlier_leaves_the_rest_of_the_other_not_comparable() -> None:
    found, tie = reconciled(of_month(1) + of_month(2), of_month(1) + of_month(2) + of_month(3))
    assert told(found) == [("not_comparable", "rec-test|missing_left|after|EUR")]
    assert found["message"][0] == (
        "Invoices: billing supplies nothing after 2026-02-28, so that 6 lines of erp from 2026-03-01 to 2026-03-06, 60.00 EUR in all, "
        "cannot be compared."
    )
    assert (tie["explained_timing"], tie["unexplained"], tie["breaks"], tie["status"]) == (-60, 0, 0, "explained")


def test_a_side_that_starts_later_leaves_the_beginning_of_the_other_not_comparable() -> None:
    found, tie = reconciled(of_month(1) + of_month(2), of_month(2))
    assert told(found) == [("not_comparable", "rec-test|missing_right|before|EUR")]
    assert (found["amount_at_risk"][0], found["systems"][0].to_list()) == (60, ["billing", "erp"])
    assert (tie["explained_timing"], tie["unexplained"]) == (60, 0)


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


def test_dates_that_mean_different_days_cover_no_months() -> None:
    found, _ = reconciled(of_month(1), of_month(1) + of_month(3), POLICY + "dated_alike: false\n")
    assert {kind for kind, _ in told(found)} == {"no_source_record"}


def test_a_line_of_the_future_is_beyond_both_exports_and_no_difference_of_theirs() -> None:
    found, _ = reconciled([*of_month(3), ("next", dt.date(2026, 4, 1))], of_month(3))
    assert told(found) == [("no_counterpart", "next")]
