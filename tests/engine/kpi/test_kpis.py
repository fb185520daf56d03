"""KPIs are exact ratios by period and dimension, say why they are not there, and never guess."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.canonical.schema import entity_spec
from engine.kpi import measure_kpis
from engine.policy.load import load_policies
from engine.policy.loaded import PolicySet
from engine.policy.source import SourceText
from engine.stage import Context, Facts

AS_OF = dt.date(2026, 3, 31)

HEAD = "policy: kpi\nid: kpi-x\nkpi: x\ntitle: t\nowner: o\neffective_from: 1900-01-01\nreference: r\nformula: f\n"


def policies(*texts: str) -> PolicySet:
    sources = [SourceText(f"{number}.yaml", HEAD.replace("kpi-x", f"kpi-{number}") + text) for number, text in enumerate(texts)]
    loaded, diagnostics = load_policies(sources)
    assert not [each for each in diagnostics if each.is_error], diagnostics
    return loaded


def facts(**entities: list[dict[str, Any]]) -> Facts:
    frames = {}
    for name, rows in entities.items():
        schema = {**entity_spec(name).polars_schema(), "evidence": pl.List(pl.String())}
        columns = {each: pl.Series(each, [row.get(each) for row in rows], dtype=kind) for each, kind in schema.items()}
        frames[name] = pl.DataFrame(columns).lazy()
    return Facts(frames, {}, AS_OF)


def measured(given: Facts, *texts: str) -> list[tuple[Any, ...]]:
    frame = measure_kpis(given, policies(*texts), Context(AS_OF)).frames["kpis"].collect()
    return frame.select("period", "dimension", "value", "unit", "numerator", "denominator", "status").rows()


def entry(number: int, day: dt.date, hours: str, **more: Any) -> dict[str, Any]:
    return {"time_entry_id": f"T{number}", "work_date": day, "hours": Decimal(hours), "status": "approved", "billable": True, **more}


SHARE = "unit: pct\nnumerator: {facts: time, where: billable = TRUE, sum: hours}\ndenominator: {facts: time, sum: hours}\nscale: 100\n"


def test_a_ratio_is_exact_and_rounded_once_half_away_from_zero() -> None:
    given = facts(time_entry=[entry(1, dt.date(2026, 3, 2), "1"), entry(2, dt.date(2026, 3, 3), "7", billable=False)])
    assert measured(given, SHARE + "decimals: 1\n") == [
        ("2026-03", "total", Decimal("12.5"), "pct", Decimal(1), Decimal(8), "no_target")
    ]
    assert measured(given, SHARE + "decimals: 0\n")[0][2] == Decimal(13)


def test_months_and_dimensions_have_rows_of_their_own() -> None:
    given = facts(
        time_entry=[
            entry(1, dt.date(2026, 2, 28), "4", project_id="P1"),
            entry(2, dt.date(2026, 3, 1), "2", project_id="P1"),
            entry(3, dt.date(2026, 3, 2), "2", project_id="P2", billable=False),
            entry(4, dt.date(2026, 4, 1), "9", project_id="P1"),
        ],
        project=[{"project_id": "P1", "service_line": "audit"}, {"project_id": "P2"}],
    )
    assert [row[:3] for row in measured(given, SHARE + "by: [total, service_line]\n")] == [
        ("2026-02", "service_line=audit", Decimal(100)),
        ("2026-02", "total", Decimal(100)),
        ("2026-03", "service_line=audit", Decimal(100)),
        ("2026-03", "service_line=none", Decimal(0)),
        ("2026-03", "total", Decimal(50)),
    ]


def test_nothing_counted_above_is_zero_and_nothing_below_is_not_available() -> None:
    given = facts(time_entry=[entry(1, dt.date(2026, 3, 2), "3", billable=False)])
    assert [row[2:] for row in measured(given, SHARE)] == [(Decimal(0), "pct", Decimal(0), Decimal(3), "no_target")]
    nothing = "unit: pct\nnumerator: {facts: time, sum: hours}\ndenominator: {facts: time, where: billable = TRUE, sum: hours}\n"
    assert [row[2:] for row in measured(given, nothing)] == [(None, "pct", Decimal(3), None, "not_available")]


def test_a_median_is_the_middle_or_half_the_middle_two() -> None:
    text = "unit: hours\nnumerator: {facts: time, median: hours}\n"
    three = [entry(number, AS_OF, hours) for number, hours in enumerate(["1", "9", "2"])]
    assert measured(facts(time_entry=three), text)[0][2] == Decimal(2)
    assert measured(facts(time_entry=[*three, entry(9, AS_OF, "2.5")]), text)[0][2] == Decimal("2.25")


@pytest.mark.parametrize(
    ("target", "status"),
    [("{at_least: 50}", "met"), ("{at_least: 51}", "missed"), ("{at_least: 51, warn: 2}", "near"), ("{at_most: 49}", "missed"),
     ("{at_most: 49, warn: 1}", "near"), ("{at_least: 40, at_most: 60}", "met")],
)  # fmt: skip
def test_the_status_compares_the_value_with_the_target(target: str, status: str) -> None:
    given = facts(time_entry=[entry(1, AS_OF, "1"), entry(2, AS_OF, "1", billable=False)])
    assert measured(given, SHARE + f"target: {target}\n")[0][-1] == status


def test_a_kpi_without_its_facts_is_not_applicable_and_says_why() -> None:
    result = measure_kpis(facts(project=[]), policies(SHARE), Context(AS_OF))
    assert result.not_applicable == [("kpi-0", "it needs time entry records, which this run does not have")]
    assert result.frames["kpis"].collect().height == 0


INVOICE = {"kind": "invoice", "status": "posted", "invoice_date": dt.date(2026, 3, 1), "due_date": dt.date(2026, 3, 31)}


def test_amounts_of_several_currencies_are_converted_at_constant_rates() -> None:
    given = facts(
        invoice=[
            {**INVOICE, "invoice_id": "I1", "currency": "EUR", "net_amount": Decimal(100)},
            {**INVOICE, "invoice_id": "I2", "currency": "USD", "net_amount": Decimal(50)},
        ],
        legal_entity=[{"legal_entity_id": "E", "reporting_currency": "EUR"}],
        exchange_rate=[
            {"from_currency": "USD", "to_currency": "EUR", "rate_type": "spot", "rate_date": day, "rate": Decimal(rate)}
            for day, rate in ((dt.date(2026, 3, 1), "0.7"), (dt.date(2026, 3, 30), "0.9"), (dt.date(2026, 4, 1), "0.5"))
        ],
    )
    text = "unit: currency\nperiod: as_of\nnumerator: {facts: invoices, sum: net_amount}\n"
    assert [row[2:4] for row in measured(given, text)] == [(Decimal(100), "EUR"), (Decimal(50), "USD")]
    assert [row[2:4] for row in measured(given, text + "convert: true\n")] == [(Decimal(145), "EUR")]


def test_an_amount_that_no_rate_converts_makes_the_figure_unknown() -> None:
    given = facts(
        invoice=[
            {**INVOICE, "invoice_id": "I1", "currency": "EUR", "net_amount": Decimal(100)},
            {**INVOICE, "invoice_id": "I2", "currency": "CHF", "net_amount": Decimal(50)},
        ],
        legal_entity=[{"legal_entity_id": "E", "reporting_currency": "EUR"}],
    )
    text = "unit: currency\nperiod: as_of\nconvert: true\nnumerator: {facts: invoices, sum: net_amount}\n"
    assert measured(given, text) == [("2026-03", "total", None, "EUR", None, None, "not_available")]


def test_what_is_open_follows_from_payments_and_their_applications() -> None:
    given = facts(
        invoice=[
            {**INVOICE, "invoice_id": "I1", "currency": "EUR", "gross_amount": Decimal(100)},
            {**INVOICE, "invoice_id": "I2", "currency": "EUR", "gross_amount": Decimal(80)},
            {**INVOICE, "invoice_id": "I3", "currency": "EUR", "gross_amount": Decimal(60), "fully_paid_date": dt.date(2026, 3, 20)},
            {**INVOICE, "invoice_id": "I4", "currency": "EUR", "gross_amount": Decimal(-10), "kind": "credit_note"},
            {**INVOICE, "invoice_id": "I5", "currency": "EUR", "gross_amount": Decimal(500), "status": "draft"},
            {**INVOICE, "invoice_id": "I7", "currency": "EUR", "gross_amount": Decimal(90)},
            {**INVOICE, "invoice_id": "I8", "currency": "EUR", "gross_amount": Decimal(20)},
            {**INVOICE, "invoice_id": "I9", "currency": "CHF"},
            # Paid, and nobody says when; paid in another currency; paid later than today.
            {**INVOICE, "invoice_id": "J1", "currency": "SEK", "gross_amount": Decimal(40), "status": "paid"},
            {**INVOICE, "invoice_id": "J2", "currency": "SEK", "gross_amount": Decimal(11)},
            {**INVOICE, "invoice_id": "J3", "currency": "SEK", "gross_amount": Decimal(2), "status": "paid",
             "fully_paid_date": dt.date(2026, 4, 1)},
            {**INVOICE, "invoice_id": "I6", "currency": "EUR", "gross_amount": Decimal(70), "amount_due": Decimal(7)},
        ],
        payment=[
            {"payment_id": "P1", "invoice_id": "I1", "paid_date": dt.date(2026, 3, 10), "amount": Decimal(30)},
            {"payment_id": "P2", "paid_date": dt.date(2026, 3, 11), "amount": Decimal(50)},
            {"payment_id": "P3", "invoice_id": "I1", "paid_date": dt.date(2026, 4, 1), "amount": Decimal(70)},
            {"payment_id": "P5", "invoice_id": "J2", "paid_date": dt.date(2026, 3, 1), "amount": Decimal(10), "currency": "EUR"},
            # It names I7 and is applied to I7 and I8: its applications count, and once.
            {"payment_id": "P4", "invoice_id": "I7", "paid_date": dt.date(2026, 3, 12), "amount": Decimal(100)},
        ],
        payment_application=[
            {"payment_id": "P2", "invoice_id": "I2", "amount": Decimal(50)},
            {"payment_id": "P4", "invoice_id": "I7", "amount": Decimal(85)},
            {"payment_id": "P4", "invoice_id": "I8", "amount": Decimal(15)},
        ],
    )
    text = "unit: currency\nperiod: as_of\nnumerator: {facts: invoices, sum: open_amount}\n"
    told = {row[3]: (row[2], row[6]) for row in measured(given, text)}
    # What is not known is no 0.
    euros = Decimal(70 + 30 + 0 - 10 + 7 + 5 + 5)
    assert told == {"EUR": (euros, "no_target"), "CHF": (None, "not_available"), "SEK": (Decimal(11 + 2), "no_target")}


def schedule_of(rows: list[tuple[str, str, str, int]]) -> dict[str, pl.LazyFrame]:
    """Return a revenue schedule of (contract, line, period, recognized)."""
    columns = {
        "contract_id": [row[0] for row in rows], "contract_line_id": [row[1] for row in rows], "period": [row[2] for row in rows],
        "recognized_amount": [Decimal(row[3]) for row in rows], "planned_amount": [Decimal(0)] * len(rows),
        "currency": ["EUR"] * len(rows), "nature": ["current"] * len(rows),
    }  # fmt: skip
    return {"revenue_schedule": pl.DataFrame(columns).lazy()}


def test_backlog_counts_amendments_by_their_change_their_total_or_their_lines() -> None:
    def amended(number: int, contract: str, day: int, **more: Any) -> dict[str, Any]:
        agreed = dt.date(2026, 2, day)
        return {"amendment_id": f"A{number}", "contract_id": contract, "status": "approved", "approved_date": agreed, **more}

    given = facts(
        contract=[
            {"contract_id": f"C{n}", "status": "active", "signed_date": dt.date(2026, 1, 1), "total_value": Decimal(1000), "currency": c}
            for n, c in ((1, "EUR"), (2, "USD"), (3, "GBP"))
        ],
        contract_line=[
            {"contract_line_id": "L1", "contract_id": "C3", "amount": Decimal(600)},
            {"contract_line_id": "L2", "contract_id": "C3", "amount": Decimal(400)},
        ],
        amendment=[
            # 1000, then 1300, less 50, then 1400 in all, and 25 more; one of tomorrow and a draft.
            amended(1, "C1", 1, total_after=Decimal(1300)), amended(2, "C1", 2, amount_change=Decimal(-50), total_after=Decimal(999)),
            amended(3, "C1", 3, total_after=Decimal(1400)), amended(4, "C1", 4, amount_change=Decimal(25)),
            amended(5, "C1", 5, amount_change=Decimal(7), approved_date=dt.date(2026, 4, 1)),
            amended(6, "C1", 6, total_after=Decimal(9), status="draft"),
            amended(7, "C3", 7), amended(8, "C3", 8),
        ],
        amendment_line=[
            # 600 becomes 700; 80 is added and raised to 90; 400, of which 150 is earned, is taken away.
            {"amendment_line_id": "M1", "amendment_id": "A7", "contract_line_id": "L1", "action": "change", "amount": Decimal(700)},
            {"amendment_line_id": "M2", "amendment_id": "A7", "action": "add", "amount": Decimal(80)},
            {"amendment_line_id": "M3", "amendment_id": "A8", "contract_line_id": "M2", "action": "change", "amount": Decimal(90)},
            {"amendment_line_id": "M4", "amendment_id": "A8", "contract_line_id": "L2", "action": "remove"},
            {"amendment_line_id": "M5", "amendment_id": "A8", "contract_line_id": "L1", "action": "change"},
        ],
    )  # fmt: skip
    given = given.with_outputs(schedule_of([("C3", "L1", "2026-01", 50), ("C3", "L2", "2026-01", 150), ("C1", "L9", "2026-01", 25)]))
    told = {row[3]: row[2] for row in measured(given, "unit: currency\nperiod: as_of\nnumerator: {facts: backlog, sum: backlog}\n")}
    assert told == {"EUR": Decimal(1400 + 25 - 25), "USD": Decimal(1000), "GBP": Decimal(700 + 90 + 150 - 200)}


def test_backlog_counts_an_amendment_without_a_day_and_takes_nothing_of_a_line_without_an_amount() -> None:
    # C1: 1000 as signed, 30 more that nobody dates and 5 more recorded in April. C2: the hours (amount unknown, 70 earned) go.
    approved = {"status": "approved"}
    given = facts(
        contract=[
            {"contract_id": c, "status": "active", "signed_date": dt.date(2026, 1, 1), "total_value": Decimal(1000), "currency": unit}
            for c, unit in (("C1", "EUR"), ("C2", "USD"))
        ],
        contract_line=[
            {"contract_line_id": "L1", "contract_id": "C2"}, {"contract_line_id": "L2", "contract_id": "C2", "amount": Decimal(9)},
        ],
        amendment=[
            {"amendment_id": "A1", "contract_id": "C1", "amount_change": Decimal(30), **approved},
            {"amendment_id": "A2", "contract_id": "C1", "amount_change": Decimal(5),
             "recorded_at": dt.datetime(2026, 4, 2, tzinfo=dt.UTC), **approved},
            {"amendment_id": "A3", "contract_id": "C2", "approved_date": dt.date(2026, 2, 1), **approved},
        ],
        amendment_line=[
            {"amendment_line_id": "M1", "amendment_id": "A3", "contract_line_id": "L1", "action": "remove"},
            {"amendment_line_id": "M2", "amendment_id": "A3", "contract_line_id": "L2", "action": "change", "amount": Decimal(11)},
        ],
    )  # fmt: skip
    given = given.with_outputs(schedule_of([("C2", "L1", "2026-01", 70)]))
    told = {row[3]: row[2] for row in measured(given, "unit: currency\nperiod: as_of\nnumerator: {facts: backlog, sum: backlog}\n")}
    assert told == {"EUR": Decimal(1000 + 30), "USD": Decimal(1000 + 2 - 70)}


def test_what_was_paid_after_the_day_was_open_on_it_whatever_the_export_of_later_says() -> None:
    # I1: 100, due 0 by now, 100 came in April; I2: 80, due 50 by now, 30 in March; I3: paid, says its state, 40 of 60 came in April.
    given = facts(
        invoice=[
            {**INVOICE, "invoice_id": "I1", "currency": "EUR", "gross_amount": Decimal(100), "amount_due": Decimal(0), "status": "paid"},
            {**INVOICE, "invoice_id": "I2", "currency": "USD", "gross_amount": Decimal(80), "amount_due": Decimal(50)},
            {**INVOICE, "invoice_id": "I3", "currency": "GBP", "gross_amount": Decimal(60), "status": "paid"},
        ],
        payment=[
            {"payment_id": "P1", "invoice_id": "I1", "paid_date": dt.date(2026, 4, 2), "amount": Decimal(100)},
            {"payment_id": "P2", "invoice_id": "I2", "paid_date": dt.date(2026, 3, 2), "amount": Decimal(30)},
            {"payment_id": "P3", "invoice_id": "I3", "paid_date": dt.date(2026, 4, 2), "amount": Decimal(40)},
        ],
    )
    text = "unit: currency\nperiod: as_of\nnumerator: {facts: invoices, sum: open_amount}\n"
    assert {row[3]: row[2] for row in measured(given, text)} == {"EUR": Decimal(100), "USD": Decimal(50), "GBP": Decimal(40)}


def test_a_milestone_that_a_vendor_bills_takes_no_hours_of_its_people_back() -> None:
    # 10 h at 50 that nobody billed yet, beside a milestone of 300 and an expense of 40 of the same vendor: 840, not 500.
    day = dt.date(2026, 3, 10)
    given = facts(
        resource=[{"resource_id": "R1", "vendor_id": "V1", "cost_rate": Decimal(50), "cost_currency": "EUR"}],
        time_entry=[entry(1, day, "10", resource_id="R1", project_id="P")],
        bill=[{"bill_id": "B1", "vendor_id": "V1", "invoice_date": day, "currency": "EUR", "status": "posted"}],
        bill_line=[
            {"bill_line_id": "L1", "bill_id": "B1", "project_id": "P", "net_amount": Decimal(300), "milestone_id": "M1"},
            {"bill_line_id": "L2", "bill_id": "B1", "project_id": "P", "net_amount": Decimal(40), "expense_id": "E1"},
        ],
    )
    given = given.with_outputs(schedule_of([("C1", "L1", "2026-03", 1000)]))
    text = "unit: currency\nconvert: true\nnumerator: {facts: margin, sum: cost}\n"
    assert [row[2] for row in measured(given, text)] == [Decimal(500 + 300 + 40)]


def test_margin_counts_the_work_of_a_vendors_people_once() -> None:
    # January: 10 h at 50, billed in February with February's 4 h: 720, which is 20 more than their rate. March: 2 h nobody billed yet.
    january, february, march = (dt.date(2026, month, 10) for month in (1, 2, 3))
    given = facts(
        resource=[{"resource_id": "R1", "vendor_id": "V1", "cost_rate": Decimal(50), "cost_currency": "EUR"}],
        time_entry=[
            entry(1, january, "10", resource_id="R1", project_id="P"), entry(2, february, "4", resource_id="R1", project_id="P"),
            entry(3, march, "2", resource_id="R1", project_id="P"), entry(4, march, "9", resource_id="R1", project_id="P", status="draft"),
            entry(5, march, "1", resource_id="R2", project_id="P", cost_rate=Decimal(30), cost_currency="EUR"),
        ],
        bill=[{"bill_id": "B1", "invoice_date": dt.date(2026, 2, 28), "currency": "EUR", "status": "posted"}],
        bill_line=[{"bill_line_id": "B1L", "bill_id": "B1", "vendor_id": "V1", "project_id": "P", "net_amount": Decimal(720)}],
    )  # fmt: skip
    given = given.with_outputs(schedule_of([("C1", "L1", f"2026-0{month}", 1000) for month in (1, 2, 3)]))
    text = "unit: currency\nconvert: true\nnumerator: {facts: margin, sum: cost}\n"
    assert [(row[0], row[2]) for row in measured(given, text)] == [
        ("2026-01", Decimal(500)), ("2026-02", Decimal(720 - 500)), ("2026-03", Decimal(100 - 20 + 30)),
    ]  # fmt: skip


def test_capacity_counts_workdays_in_service_up_to_the_as_of_date() -> None:
    given = facts(
        time_entry=[entry(1, dt.date(2026, 3, 2), "8")],
        resource=[
            {"resource_id": "R1", "weekly_capacity_hours": Decimal(40)},
            {"resource_id": "R2", "weekly_capacity_hours": Decimal(20), "start_date": dt.date(2026, 3, 30)},
            {"resource_id": "R3", "end_date": dt.date(2026, 3, 2)},
            {"resource_id": "R4", "start_date": dt.date(2026, 4, 1)},
        ],
    )
    text = "unit: hours\nnumerator: {facts: capacity, sum: hours}\n"
    assert [row[2] for row in measured(given, text)] == [Decimal(22 * 8 + 2 * 4 + 8)]


def test_planned_hours_are_spread_over_the_workdays_still_to_come() -> None:
    given = facts(
        assignment=[
            {"assignment_id": "A1", "start_date": dt.date(2026, 3, 30), "end_date": dt.date(2026, 5, 1), "planned_hours": Decimal(100),
             "bill_rate": Decimal("1.5"), "currency": "EUR"},
        ]
    )  # fmt: skip
    text = "unit: hours\nnumerator: {facts: planned, sum: hours}\n"
    # 25 workdays from 30 March to 1 May: two are over, 22 in April, one in May.
    assert [row[:3] for row in measured(given, text)] == [("2026-04", "total", Decimal(88)), ("2026-05", "total", Decimal(4))]


def test_margin_sets_the_cost_of_delivery_against_recognized_revenue() -> None:
    given = facts(
        time_entry=[
            entry(1, dt.date(2026, 3, 2), "10", project_id="P1", cost_rate=Decimal("40.5"), cost_currency="EUR"),
            entry(2, dt.date(2026, 3, 2), "9", project_id="P1", cost_rate=Decimal(40), status="draft"),
            entry(3, dt.date(2026, 3, 2), "9", cost_rate=Decimal(40)),
        ],
        project=[{"project_id": "P1", "service_line": "audit"}],
        expense=[{"expense_id": "X1", "project_id": "P1", "incurred_date": AS_OF, "amount": Decimal(95), "currency": "EUR",
                  "status": "approved"}],
        contract_line=[{"contract_line_id": "L1", "service_line": "audit"}],
    )  # fmt: skip
    schedule = pl.DataFrame(
        {
            "period": ["2026-03"], "contract_id": ["C1"], "contract_line_id": ["L1"], "currency": ["EUR"], "nature": ["current"],
            "recognized_amount": [Decimal(1000)], "planned_amount": [Decimal(0)],
        }
    )  # fmt: skip
    text = "unit: pct\nscale: 100\nby: [service_line]\nconvert: true\nnumerator: {facts: margin, sum: revenue - cost}\n"
    text += "denominator: {facts: margin, sum: revenue}\n"
    assert measured(given.with_outputs({"revenue_schedule": schedule.lazy()}), text) == [
        ("2026-03", "service_line=audit", Decimal(50), "pct", Decimal(500), Decimal(1000), "no_target")
    ]


def test_mistakes_in_a_kpi_have_their_place() -> None:
    text = HEAD + "unit: pct\nby: [totl]\nnumerator: {facts: tme, sum: hours}\ndenominator: {facts: time, where: hour > 1, sum: status}\n"
    _, diagnostics = load_policies([SourceText("x.yaml", text)])
    assert [f"{each.span.line}: {each.message}" for each in diagnostics] == [
        "10: the facts 'time' have no column 'totl'",
        "11: there are no facts 'tme', did you mean 'time'?; the facts are " + ", ".join(sorted_facts()),
        "12: unknown field 'hour', did you mean 'hours'?",
        "12: a sum needs numbers, and this is text",
    ]


def sorted_facts() -> list[str]:
    from engine.policy.facts import FACTS

    return list(FACTS)


def test_a_ratio_to_less_than_nothing_is_not_available() -> None:
    """Revenue of -100 taken back beside a cost of 50 is no margin of (-100 - 50) / -100 = 150 %."""
    schedule = pl.DataFrame(
        {
            "period": ["2026-03"], "contract_id": ["C1"], "contract_line_id": ["L1"], "currency": ["EUR"], "nature": ["catch_up"],
            "recognized_amount": [Decimal(-100)], "planned_amount": [Decimal(0)],
        }
    )  # fmt: skip
    given = facts(
        expense=[{"expense_id": "X1", "project_id": "P1", "incurred_date": AS_OF, "amount": Decimal(50), "currency": "EUR",
                  "status": "approved"}],
    )  # fmt: skip
    text = "unit: pct\nscale: 100\ntarget: {at_least: 40}\nnumerator: {facts: margin, sum: revenue - cost}\n"
    text += "denominator: {facts: margin, sum: revenue}\n"
    assert [row[2:] for row in measured(given.with_outputs({"revenue_schedule": schedule.lazy()}), text)] == [
        (None, "pct", Decimal(-150), Decimal(-100), "not_available")
    ]


def test_a_record_whose_system_does_not_say_when_still_counts() -> None:
    given = facts(
        expense=[{"expense_id": "X1", "entry_mode": "manual"}, {"expense_id": "X2", "entry_mode": "system", "recorded_at": None}],
    )
    text = "unit: pct\nperiod: as_of\nscale: 100\nnumerator: {facts: records, where: entry_mode <> 'manual'}\n"
    text += "denominator: {facts: records}\n"
    assert [row[:3] for row in measured(given, text)] == [("2026-03", "total", Decimal(50))]


def decision(number: int, day: dt.date, said: str, amount: str, billed: str, **more: Any) -> dict[str, Any]:
    ready = day + dt.timedelta(days=10) if said in ("billed", "billable", "partially_billed") else None
    hours = Decimal(amount) / 100
    return {
        "item_id": f"T{number}", "item_type": "time_entry", "item_date": day, "decision": said, "quantity": hours,
        "quantity_billed": Decimal(billed) / 100, "amount": Decimal(amount), "amount_billed": Decimal(billed),
        "amount_unbilled": Decimal(amount) - Decimal(billed), "currency": "EUR", "earliest_bill_date": ready, **more,
    }  # fmt: skip


def shipped(kpi: str, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return month, value, numerator and denominator of a shipped KPI over decisions at 100.00 an hour."""
    from engine.billing.decisions import DECISION_SCHEMA

    columns = {name: pl.Series(name, [row.get(name) for row in rows], dtype=kind) for name, kind in DECISION_SCHEMA.items()}
    given = facts(legal_entity=[{"legal_entity_id": "E", "reporting_currency": "EUR"}])
    text = (Path(__file__).parents[3] / "policies" / "kpi" / f"{kpi}.yaml").read_text(encoding="utf-8")
    loaded, _ = load_policies([SourceText(f"{kpi}.yaml", text)])
    frame = measure_kpis(given.with_outputs({"billing_decisions": pl.DataFrame(columns).lazy()}), loaded, Context(AS_OF)).frames["kpis"]
    total = frame.filter(pl.col("dimension") == "total").collect()
    return total.select("period", "value", "numerator", "denominator").rows()


DECIDED = [
    decision(1, dt.date(2026, 1, 5), "billed", "1000", "1000"),
    decision(2, dt.date(2026, 1, 6), "partially_billed", "400", "300"),
    decision(3, dt.date(2026, 1, 7), "not_billable", "600", "0", reason="over the cap"),
    decision(4, dt.date(2026, 1, 8), "not_billable", "900", "0", reason="rejected"),
    decision(5, dt.date(2026, 1, 9), "on_hold", "200", "0", reason="not approved"),
    decision(6, dt.date(2026, 1, 9), "billed_otherwise", "700", "0"),
    # Below the card: ten hours at 90.00; and one month too young to be due for more than 14 days.
    decision(7, dt.date(2026, 1, 12), "billed", "1000", "900", quantity_billed=Decimal(10)),
    decision(8, dt.date(2026, 3, 20), "billable", "500", "0"),
    # A milestone that is not reached is no work held back.
    decision(9, dt.date(2026, 1, 15), "on_hold", "5000", "0", item_type="milestone"),
]


def test_realization_counts_what_a_cap_or_waiting_cost() -> None:
    """Hours: 10 + 3 + 10 billed of 10 + 4 + 6 + 2 + 10; value: 1,000 + 300 + 900 of 1,000 + 400 + 600 + 200 + 1,000."""
    assert shipped("realization_hours", DECIDED) == [("2026-01", Decimal("71.88"), Decimal(23), Decimal(32))]
    assert shipped("realization_value", DECIDED) == [("2026-01", Decimal("68.75"), Decimal(2200), Decimal(3200))]


def test_leakage_keeps_what_is_held_too_long_and_what_was_billed_too_low() -> None:
    """Left: 100 of the part, 200 held, 100 below the card; of 1,000 + 400 + 200 + 1,000 and the 500 that are young."""
    assert shipped("leakage", DECIDED) == [("2026-03", Decimal("12.9"), Decimal(400), Decimal(3100))]


def test_what_was_billed_twice_does_not_hide_what_was_not_billed() -> None:
    twice = decision(10, dt.date(2026, 1, 5), "billed", "700", "1400")
    assert shipped("leakage", [*DECIDED, twice])[0][2:] == (Decimal(400), Decimal(3800))


def test_a_dimension_may_have_limits_of_its_own_and_a_missed_target_is_a_finding() -> None:
    """Audit 2 of 4 hours, tax 3 of 4: 50 and 75 %; the total of 62.5 % misses 70 by more than 5."""
    given = facts(
        time_entry=[
            entry(number, dt.date(2026, month, 2), "1", project_id=project, billable=billable)
            for month in (2, 3)
            for number, (project, billable) in enumerate([("A", True), ("A", True), ("A", False), ("A", False), ("T", True), ("T", True),
                                                          ("T", True), ("T", False)], start=month * 10)
        ],
        project=[{"project_id": "A", "service_line": "audit"}, {"project_id": "T", "service_line": "tax"}],
    )  # fmt: skip
    own = "by: {service_line=audit: {at_least: 50}}"
    text = SHARE + f"by: [total, service_line]\ntarget: {{at_least: 70, warn: 5, severity: medium, {own}}}\n"
    result = measure_kpis(given, policies(text), Context(AS_OF))
    rows = result.frames["kpis"].collect().filter(pl.col("period") == "2026-03")
    assert rows.select("dimension", "target", "status").rows() == [
        ("service_line=audit", "≥ 50", "met"), ("service_line=tax", "≥ 70", "met"), ("total", "≥ 70", "missed"),
    ]  # fmt: skip
    found = pl.concat(result.findings)
    assert found.select("kind", "severity", "entity_id").rows() == [("kpi_missed", "medium", "x|total|pct")]
    assert found["message"].to_list() == ["t (total) is 62.50 pct in 2026-03, and its target ≥ 70."]
    # A month that still runs is not judged: on the 30th it is February that counts.
    earlier = measure_kpis(given, policies(text), Context(dt.date(2026, 3, 30)))
    assert pl.concat(earlier.findings)["message"].to_list() == ["t (total) is 62.50 pct in 2026-02, and its target ≥ 70."]


def test_limits_for_a_dimension_that_is_not_shown_are_a_mistake() -> None:
    text = HEAD + SHARE + "by: [total, service_line]\n"
    text += "target: {at_least: 70, by: {servce_line=audit: {at_least: 50}, total: {at_least: 1}}}\n"
    _, diagnostics = load_policies([SourceText("x.yaml", text)])
    assert [each.message for each in diagnostics] == [
        "the KPI has no dimension 'servce_line=audit', did you mean 'service_line'?; it is shown by service_line=…",
        "the KPI has no dimension 'total'; it is shown by service_line=…",
    ]


BILLED = "unit: currency\nby: [total, legal_entity_id]\nnumerator: {facts: invoices, sum: net_amount}\n"


def invoiced(*amounts: tuple[str, str], entity: str = "LE-1", currency: str = "EUR") -> list[dict[str, Any]]:
    """Return a posted invoice of each month's amount."""
    return [
        {"invoice_id": f"{entity}-{month}", "kind": "invoice", "status": "posted", "currency": currency, "legal_entity_id": entity,
         "invoice_date": dt.date.fromisoformat(f"{month}-15"), "net_amount": Decimal(amount), "gross_amount": Decimal(amount)}
        for month, amount in amounts
    ]  # fmt: skip


def told(given: Facts, text: str, as_of: dt.date = AS_OF) -> list[tuple[Any, ...]]:
    found = pl.concat(measure_kpis(given, policies(text), Context(as_of)).findings)
    return found.filter(pl.col("kind") != "kpi_missed").select("kind", "entity_id", "period", "amount_at_risk", "message").rows()


def test_a_figure_that_moves_further_than_its_limit_is_told_and_exactly_the_limit_is_within_it() -> None:
    """100 → 125 is 25 %; LE-2 has limits of its own; LE-3 moves by 60 %, worth 6, and 10 is what matters; LE-4 falls to nothing."""
    given = facts(
        invoice=[
            *invoiced(("2026-02", "100"), ("2026-03", "125")),
            *invoiced(("2026-02", "100"), ("2026-03", "115"), entity="LE-2"),
            *invoiced(("2026-02", "10"), ("2026-03", "16"), entity="LE-3"),
            *invoiced(("2026-02", "80"), entity="LE-4"),
        ],
    )
    text = BILLED + "change: {at_most: 25, amount_at_least: 10, severity: medium, by: {legal_entity=LE-2: {at_most: 10}}}\n"
    assert told(given, text) == [
        ("kpi_moved", "x|legal_entity=LE-2|EUR", "2026-03", Decimal(15),
         "t (legal_entity=LE-2) went from 100.00 to 115.00 EUR in 2026-03, up 15.0 %; at most 10 % is usual."),
        ("kpi_moved", "x|legal_entity=LE-4|EUR", "2026-03", Decimal(80),
         "t (legal_entity=LE-4) went from 80.00 to 0.00 EUR in 2026-03, down 100.0 %; at most 25 % is usual."),
    ]  # fmt: skip
    # A month that still runs is not judged, and without a severity nothing is told.
    assert told(given, text, dt.date(2026, 3, 30)) != told(given, text)
    assert not measure_kpis(given, policies(BILLED + "change: {at_most: 1}\n"), Context(AS_OF)).findings[-1].height


def test_a_month_stands_out_by_distance_and_by_money_together() -> None:
    """LE-1: months of 100 … 106, median 103, deviation 2 × 1.4826 = 2.9652; 150 is 47 away, 15.85 spreads.

    LE-2: months all of 10; the spread is 1 % of them, 0.10, and 12 is 20 spreads away, but the 2 are too little.
    LE-3: median 10,000, deviation 2,000 × 1.4826 = 2,965.20; 15,000 is 1.69 spreads away, though 5,000 weigh most.
    LE-4 has five months, too few to tell.
    """
    months = [f"2025-{month:02d}" for month in range(8, 13)] + ["2026-01", "2026-02"]
    spread = zip(months, ["8000", "12000", "10000", "7000", "13000", "10000", "8000"], strict=True)
    given = facts(
        invoice=[
            *invoiced(*zip(months, ["100", "101", "102", "103", "104", "105", "106"], strict=True), ("2026-03", "150")),
            *invoiced(*((month, "10") for month in months), ("2026-03", "12"), entity="LE-2"),
            *invoiced(*spread, ("2026-03", "15000"), entity="LE-3"),
            *invoiced(*((month, "1") for month in months[2:]), ("2026-03", "900"), entity="LE-4"),
        ],
    )
    text = BILLED.replace("total, ", "") + "anomaly: {amount_at_least: 40, severity: high}\n"
    result = measure_kpis(given, policies(text), Context(AS_OF))
    ranking = result.frames["kpi_anomalies"].collect()
    assert ranking.select("rank", "dimension", "expected", "spread", "distance", "amount", "weight", "stands_out").rows() == [
        (1, "legal_entity=LE-3", Decimal(10000), Decimal("2965.2"), Decimal("1.69"), Decimal(5000), Decimal(8450), False),
        (2, "legal_entity=LE-1", Decimal(103), Decimal("2.9652"), Decimal("15.85"), Decimal(47), Decimal("744.95"), True),
        (3, "legal_entity=LE-2", Decimal(10), Decimal("0.1"), Decimal(20), Decimal(2), Decimal(40), False),
    ]
    assert told(given, text) == [
        ("kpi_anomaly", "x|legal_entity=LE-1|EUR", "2026-03", Decimal(47),
         "t (legal_entity=LE-1) is 150.00 EUR in 2026-03; the median of the 7 months before is 103.00, 15.85 spreads away: 47.00 EUR."),
    ]  # fmt: skip


def test_what_stands_out_is_a_month_and_is_ranked_by_money() -> None:
    wrong = [
        HEAD + SHARE + "anomaly: {amount_at_least: 1}\n",
        HEAD + BILLED + "period: as_of\nanomaly: {amount_at_least: 1}\n",
        HEAD + BILLED + "change: {at_most: 5, by: {service_line=audit: {at_most: 1}}}\n",
    ]
    messages = [each.message for text in wrong for each in load_policies([SourceText("x.yaml", text)])[1]]
    assert messages == [
        "what stands out is ranked by money: the unit is `currency`, or the ratio one of converted amounts (`convert: true`)",
        "a month is held against the months before it: `period: month`",
        "the KPI has no dimension 'service_line=audit'; it is shown by legal_entity=…",
    ]


def test_the_accuracy_of_an_accrual_is_what_was_not_approved_of_what_was() -> None:
    # Submitted by January's end and approved in February: 6 h + 10 h; rejected: 4 h, so 20 h were accrued for 16 h, 25 % too much.
    # Work approved within January, submitted in February, still waiting, or not for the customer was no part of it.
    january, february = dt.datetime(2026, 1, 30, 9, tzinfo=dt.UTC), dt.datetime(2026, 2, 3, 9, tzinfo=dt.UTC)
    day = dt.date(2026, 1, 26)
    given = facts(
        time_entry=[
            entry(1, day, "6", submitted_at=january, approved_at=february),
            entry(2, day, "10", submitted_at=january, approved_at=february),
            entry(3, day, "4", submitted_at=january, status="rejected"),
            entry(4, day, "8", submitted_at=january, approved_at=january),
            entry(5, day, "3", submitted_at=february, approved_at=february),
            entry(6, day, "2", submitted_at=january, status="submitted"),
            entry(7, day, "5", submitted_at=january, status="rejected", billable=False),
        ]
    )
    text = (Path(__file__).parents[3] / "policies" / "kpi" / "accrual_accuracy.yaml").read_text(encoding="utf-8")
    loaded, _ = load_policies([SourceText("accrual_accuracy.yaml", text)])
    rows = measure_kpis(given, loaded, Context(AS_OF)).frames["kpis"].collect().filter(pl.col("dimension") == "total")
    assert rows.select("period", "value", "numerator", "denominator", "status").rows() == [
        ("2026-01", Decimal(25), Decimal(4), Decimal(16), "missed")
    ]


def policy_of(name: str) -> PolicySet:
    text = (Path(__file__).parents[3] / "policies" / "kpi" / f"{name}.yaml").read_text(encoding="utf-8")
    loaded, diagnostics = load_policies([SourceText(f"{name}.yaml", text)])
    assert not [each for each in diagnostics if each.is_error], diagnostics
    return loaded


def total_of(given: Facts, name: str) -> list[tuple[Any, ...]]:
    rows = measure_kpis(given, policy_of(name), Context(AS_OF)).frames["kpis"].collect().filter(pl.col("dimension") == "total")
    return rows.select("period", "value", "numerator", "denominator", "status").rows()


def test_the_accuracy_of_accrued_expenses_is_what_was_not_approved_of_what_was() -> None:
    # Accrued in January 100 + 60 approved in February, and 40 rejected: 25 % too much. What was approved
    # within January, or submitted later, was no accrual.
    january, february = dt.datetime(2026, 1, 30, 9, tzinfo=dt.UTC), dt.datetime(2026, 2, 3, 9, tzinfo=dt.UTC)

    def spent(number: int, amount: str, **more: Any) -> dict[str, Any]:
        return {"expense_id": f"X{number}", "incurred_date": dt.date(2026, 1, 20), "amount": Decimal(amount), "currency": "EUR",
                "status": "approved", "submitted_at": january, "approved_at": february, **more}  # fmt: skip

    given = facts(
        expense=[
            spent(1, "100"), spent(2, "60"), spent(3, "40", status="rejected", approved_at=None), spent(4, "70", approved_at=january),
            spent(5, "30", submitted_at=february), spent(6, "20", status="submitted", approved_at=None),
        ]
    )  # fmt: skip
    assert total_of(given, "accrual_accuracy_expenses") == [("2026-01", Decimal(25), Decimal(40), Decimal(160), "missed")]


def test_the_accuracy_of_accrued_subcontracts_is_what_later_bills_differ_by() -> None:
    # V1 worked 10 h at 50 in January, of which a bill of January charges 100: 400 accrued, February's bill charges 500 for it: 100 off.
    # V2's 5 h at 40 are billed in February as accrued: 200. V3's work is not billed yet; a credit note of a draft bill does not count.
    day = dt.date(2026, 1, 20)
    given = facts(
        resource=[
            {"resource_id": f"R{number}", "vendor_id": f"V{number}", "cost_rate": Decimal(rate), "cost_currency": "EUR"}
            for number, rate in ((1, 50), (2, 40), (3, 30))
        ],
        time_entry=[
            entry(number, day, hours, resource_id=f"R{number}", project_id="P") for number, hours in ((1, "10"), (2, "5"), (3, "8"))
        ],
        bill=[
            {"bill_id": key, "vendor_id": vendor, "invoice_date": dated, "currency": "EUR", "status": status}
            for key, vendor, dated, status in (
                ("B1", "V1", dt.date(2026, 1, 31), "posted"), ("B2", "V1", dt.date(2026, 2, 5), "paid"),
                ("B3", "V2", dt.date(2026, 2, 6), "posted"), ("B4", "V2", dt.date(2026, 2, 7), "draft"),
            )
        ],
        bill_line=[
            {"bill_line_id": f"{bill}L", "bill_id": bill, "project_id": "P", "net_amount": Decimal(amount), "service_end": day}
            for bill, amount in (("B1", 100), ("B2", 500), ("B3", 200), ("B4", 900))
        ],
    )  # fmt: skip
    value = Decimal(100) * 100 / 700
    assert total_of(given, "accrual_accuracy_subcontractors") == [
        ("2026-01", value.quantize(Decimal("0.01")), Decimal(100), Decimal(700), "missed")
    ]


def lacking(given: Facts, text: str) -> list[tuple[Any, ...]]:
    frame = measure_kpis(given, policies(text), Context(AS_OF)).frames["kpis"].collect()
    return frame.select("dimension", "value", "missing", "missing_of").rows()


def test_what_states_no_amount_is_counted_beside_the_value_of_the_others() -> None:
    given = facts(
        time_entry=[
            entry(1, dt.date(2026, 3, 2), "3", project_id="P1"),
            {**entry(2, dt.date(2026, 3, 3), "0", project_id="P1"), "hours": None},
            entry(3, dt.date(2026, 3, 4), "5", project_id="P2"),
        ],
        project=[{"project_id": "P1", "service_line": "audit"}, {"project_id": "P2", "service_line": "tax"}],
    )
    words = "facts of time where billable = TRUE have no hours (made of time_entry)"
    assert lacking(given, "unit: hours\nby: [total, service_line]\nnumerator: {facts: time, where: billable = TRUE, sum: hours}\n") == [
        ("service_line=audit", Decimal(3), 1, f"1 of 2 {words}"),
        ("service_line=tax", Decimal(5), None, None),
        ("total", Decimal(8), 1, f"1 of 3 {words}"),
    ]
    # Divided by other facts, each side tells its own; by the same, once.
    ((_, _, both, told),) = lacking(given, SHARE)
    assert (both, told) == (2, f"1 of 3 {words}; 1 of 3 facts of time have no hours (made of time_entry)")
    ((_, _, once, _),) = lacking(given, "unit: pct\nnumerator: {facts: time, sum: hours * 2}\ndenominator: {facts: time, sum: hours}\n")
    assert once == 1


def test_a_missed_target_says_what_its_value_leaves_out() -> None:
    given = facts(time_entry=[entry(1, dt.date(2026, 3, 2), "3"), {**entry(2, dt.date(2026, 3, 3), "0"), "hours": None}])
    text = "unit: hours\nnumerator: {facts: time, sum: hours}\ntarget: {at_least: 10, severity: low}\n"
    found = measure_kpis(given, policies(text), Context(AS_OF)).findings
    ((message,),) = [frame.select("message").rows() for frame in found if frame.height]
    assert message[0].endswith("It is of what is known: 1 of 2 facts of time have no hours (made of time_entry).")
