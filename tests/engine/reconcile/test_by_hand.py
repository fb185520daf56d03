"""Five firms whose matches were worked out by hand, before any was run: sums, parts, two limits, the end of a month, equal amounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Reconcile = Callable[..., Any]

HEAD = """policy: reconciliation
id: rec-hand
title: Invoices of billing stand in the ERP
owner: ar
effective_from: 1900-01-01
reference: AM 8
says: Every invoice stands in both
left: {entity: invoice, system: billing, amount: gross_amount, date: invoice_date}
right: {entity: invoice, system: erp, amount: gross_amount, date: invoice_date}
passes:
"""


def invoices(*rows: str) -> dict[str, str]:
    """Return invoices of one customer in EUR: id, number, day, amount."""
    lines = [f"{number},{name},C1,{day},EUR,{amount},posted" for number, name, day, amount in (row.split() for row in rows)]
    return {"invoice": "\n".join(["invoice_id,invoice_number,customer_id,invoice_date,currency,gross_amount,status", *lines]) + "\n"}


def test_several_lines_make_one(reconcile: Reconcile) -> None:
    # Collective invoice A: 100.00 + 200.00 + 300.05 = 600.05 against 600.00, residual 0.05, within 0.05.
    # B: 10.00 + 20.00 = 30.00 against 30.06, residual 0.06, beyond 0.05: the lines stand open on both sides.
    text = HEAD + "  - {id: sum, match: many_to_one, on: invoice_number, tolerance: {absolute: 0.05}}\n"
    run = reconcile(
        text,
        billing=invoices("L1 A 2026-01-02 100.00", "L2 A 2026-01-03 200.00", "L3 A 2026-01-04 300.05", "L4 B 2026-01-02 10.00",
                         "L5 B 2026-01-02 20.00"),
        erp=invoices("R1 A 2026-01-05 600.00", "R2 B 2026-01-05 30.06"),
    )  # fmt: skip
    assert run.matches("confirmed") == [["L1", "L2", "L3", "R1"]]
    tie = run.tie()
    assert [str(tie[name].normalize()) for name in ("left_total", "right_total", "difference")] == ["630.05", "630.06", "-0.01"]
    assert tie["matched"] == 1


def test_what_is_paid_in_parts_leaves_the_rest(reconcile: Reconcile) -> None:
    # 1,000.00 against 400.00 + 350.00: 250.00 is open. 500.00 against 200.00 + 300.00 ties.
    text = HEAD + "  - {id: parts, match: one_to_many, on: invoice_number}\n"
    run = reconcile(
        text,
        billing=invoices("L1 A 2026-01-02 1000.00", "L2 B 2026-01-02 500.00"),
        erp=invoices("R1 A 2026-01-05 400.00", "R2 A 2026-01-09 350.00", "R3 B 2026-01-05 200.00", "R4 B 2026-01-06 300.00"),
    )
    assert run.matches("confirmed") == [["L2", "R3", "R4"]]
    tie = run.tie()
    assert (tie["left_total"], tie["right_total"], tie["difference"], tie["unexplained"]) == (1500, 1250, 250, 250)


@pytest.mark.parametrize(
    ("needs", "tied"),
    [
        # Of each: the residual, and 0.1 % of the larger side.
        # I1 5000.00 / 5000.90: 0.90 within 1.00 and within 5.0009. I2 500.00 / 500.90: within 1.00, beyond 0.5009.
        # I3 9000.00 / 9001.01: 1.01 beyond 1.00, within 9.00101. I4 1000.00 / 999.00: 1.00 at both limits (0.1 % of 1,000 is 1.00).
        # I5 100.00 / 102.00: beyond both.
        ("both", ["I1", "I4"]),
        ("either", ["I1", "I2", "I3", "I4"]),
    ],
)
def test_an_amount_and_a_percent_limit_together(reconcile: Reconcile, needs: str, tied: list[str]) -> None:
    limits = f"{{absolute: 1.00, percent: 0.1, needs: {needs}}}"
    text = HEAD + f"  - {{id: number, match: one_to_one, on: invoice_number, tolerance: {limits}}}\n"
    day = "2026-01-02"
    left = invoices(f"I1 A {day} 5000.00", f"I2 B {day} 500.00", f"I3 C {day} 9000.00", f"I4 D {day} 1000.00", f"I5 E {day} 100.00")
    right = invoices(f"I1 A {day} 5000.90", f"I2 B {day} 500.90", f"I3 C {day} 9001.01", f"I4 D {day} 999.00", f"I5 E {day} 102.00")
    run = reconcile(text, billing=left, erp=right)
    assert run.matches("confirmed") == [[each, each] for each in tied]


def test_days_are_counted_over_the_end_of_a_month(reconcile: Reconcile) -> None:
    # Three days from 2026-01-31 end on 2026-02-03; from 2026-02-28 (no leap year) on 2026-03-03.
    text = HEAD + "  - {id: near, match: one_to_one, on: customer_id, window: {left: invoice_date, right: invoice_date, days: 3}}\n"
    run = reconcile(
        text,
        as_of="2026-03-31",
        billing=invoices("L1 A 2026-01-31 100.00", "L2 B 2026-01-31 200.00", "L3 C 2026-02-28 300.00", "L4 D 2026-02-28 400.00"),
        erp=invoices("R1 A 2026-02-03 100.00", "R2 B 2026-02-04 200.00", "R3 C 2026-03-03 300.00", "R4 D 2026-02-24 400.00"),
    )
    assert run.matches("confirmed") == [["L1", "R1"], ["L3", "R3"]]


def test_of_equal_amounts_none_is_preferred(reconcile: Reconcile) -> None:
    # Two of 100.00 against one of 100.00: which is left over is not known, so none is confirmed. Two of 50.00 against two of
    # 50.00 leave nothing over; 70.00 stands once on each side.
    text = HEAD + "  - {id: amount, match: one_to_one, on: customer_id, ambiguous: suggest}\n"
    day = "2026-01-02"
    run = reconcile(
        text,
        billing=invoices(f"L1 A {day} 100.00", f"L2 B {day} 100.00", f"L5 E {day} 70.00"),
        erp=invoices(f"R1 X {day} 100.00", f"R5 Y {day} 70.00"),
    )
    assert run.matches("confirmed") == [["L5", "R5"]]
    assert [set(each) & {"L1", "L2"} for each in run.matches("suggested")] and not [m for m in run.matches("confirmed") if "R1" in m]
